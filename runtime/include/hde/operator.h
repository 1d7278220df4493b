/* SPDX-License-Identifier: Apache-2.0
 * hde/operator.h - everything an operator author includes, and nothing else.
 *
 * An operator is a table (hde_operator) and the few functions that it needs. A plugin is a shared
 * object that exports one data symbol, hde_plugin, which lists its operators; the runtime checks
 * that symbol in the file before any code of the plugin runs.
 *
 * Threads    The runtime never runs two functions of one instance at once and holds no lock while
 *            it calls, so state needs no locks. Only hde_post() may be called from other threads.
 * Blocking   Nothing here may block, unless the operator is HDE_BLOCKING: then every instance has
 *            a thread of its own.
 * Ownership  Arguments are lent for the call. hde_take(), hde_msg_new(), hde_msg_writable() and
 *            hde_msg_keep() give a reference; hde_emit() and hde_msg_drop() take one.
 * Time       Operators never read a clock: hde_now_ns() is the processing time of the entry that
 *            is being worked on, hde_msg.event_ns the event time. Both are ns since 1970 UTC. */
#ifndef HDE_OPERATOR_H
#define HDE_OPERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct hde_ctx hde_ctx;         /* one running instance of a node */
typedef struct hde_counter hde_counter; /* a named counter of one node */

/* A status says what the runtime does next, not where the fault was. */
typedef enum hde_status {
    HDE_OK = 0,
    HDE_REJECT, /* message batch->done is bad, whenever it comes: it goes to the dead-letter queue. Say
                 * so before you take it: what you have taken cannot be kept there */
    HDE_RETRY,  /* the world is busy: call again later with the rest, from batch->done on */
    HDE_FAIL,   /* this instance is broken: on_error decides */
    HDE_IDLE,   /* poll only: nothing now; a timer, descriptor or post calls poll again */
    HDE_END,    /* poll only: this source has no more */
} hde_status;

/* ---- Messages -----------------------------------------------------------------------------
 * Immutable protobuf-c objects with counted references, from pools of the runtime. All generated
 * code comes from libhde_schemas.so, or from a library of yours that is never unloaded.
 *
 * A message whose only reference is yours may be changed, with one rule: set fields of the body,
 * point them to memory from hde_msg_alloc(), and never write through a pointer that was in the
 * body before (columns and sub-messages may be shared with other messages). hde_msg_edit() makes
 * a sub-message writable in the same sense. A body never points to static memory of the plugin,
 * which is unloaded after a reload: hde_msg_text() copies. */
typedef struct hde_msg {
    ProtobufCMessage *body; /* never NULL; its type is body->descriptor */
    int64_t event_ns;       /* event time */
    /* more fields follow that belong to the runtime */
} hde_msg;

/* One tick, one port. msg[i] is lent; hde_take() gives it to you. Work from `done` to `n` and
 * count `done` up as you go: a status other than HDE_OK speaks of msg[done]. */
typedef struct hde_batch {
    uint32_t size; /* of this struct */
    uint32_t port; /* index of the input port */
    uint32_t n, done;
    hde_msg **msg;
    uint64_t tick;        /* number of the entry in the ingress log that caused this */
    int64_t now_ns;       /* processing time of that entry */
    int64_t watermark_ns; /* no message with a smaller event time follows on this port */
    int64_t event_ns;     /* the runtime's: of the message that was taken last */
} hde_batch;

/* A tick has the start of its part in the upper bits, so ticks of
 * a later start are larger than all before. */
#define HDE_TICK_INCARNATION(tick) ((tick) >> 40)

/* Gives you the reference to batch->msg[i] (the slot becomes NULL). */
static inline hde_msg *
hde_take(hde_batch *batch, uint32_t i)
{
    hde_msg *msg = batch->msg[i];

    batch->msg[i] = NULL;
    if (msg) /* new messages still get its event time */
        batch->event_ns = msg->event_ns;
    return msg;
}

/* A new message with an initialised body; its event time is that of the message being worked on
 * (sources set event_ns themselves). Never NULL. */
hde_msg *hde_msg_new(hde_ctx *ctx, const ProtobufCMessageDescriptor *type);
/* Takes a reference, gives one to a message that may be changed: the same if nobody else has it,
 * otherwise a copy of the body that shares everything the body points to. */
hde_msg *hde_msg_writable(hde_ctx *ctx, hde_msg *taken);
/* Memory that lives as long as msg; aligned to 16 bytes, not cleared. Only for messages that may
 * be changed. */
void *hde_msg_alloc(hde_msg *msg, size_t size);
double *hde_msg_doubles(hde_msg *msg, size_t n); /* n entries, all absent (NaN) */
char *hde_msg_text(hde_msg *msg, const char *text);
/* Makes the sub-message at *slot writable: a shallow copy in msg, or a new one where *slot is
 * NULL. slot is the address of the pointer in the body, type its message type. */
void *hde_msg_edit(hde_msg *msg, void *slot, const ProtobufCMessageDescriptor *type);
/* msg may point into the memory of `with` from now on. */
void hde_msg_share(hde_msg *msg, const hde_msg *with);
hde_msg *hde_msg_keep(const hde_msg *msg); /* one more reference, until hde_msg_drop() */
void hde_msg_drop(const hde_msg *msg);     /* NULL is fine */

/* Sends on an output port (index into outputs). Never fails and never blocks. Most ports lead to
 * one place that has room: that much is done here, on what hde_ctx begins with (the runtime's). */
struct hde_msgvec {
    hde_msg **item;
    uint32_t n, cap;
};
struct hde_outlet {
    struct hde_msgvec *only; /* the one target; without room if there is none or more than one */
    uint32_t n_targets;
    struct hde_msgvec **targets;
};
struct hde_outlets {
    uint32_t n;
    struct hde_outlet *port;
};
void hde_emit_any(hde_ctx *ctx, unsigned port, hde_msg *taken); /* in any case */
static inline void
hde_emit(hde_ctx *ctx, unsigned port, hde_msg *taken)
{
    const struct hde_outlets *outlets = (const struct hde_outlets *)(const void *)ctx;

    if (port < outlets->n) {
        struct hde_msgvec *vec = outlets->port[port].only;

        if (vec->n < vec->cap) {
            vec->item[vec->n++] = taken;
            return;
        }
    }
    hde_emit_any(ctx, port, taken);
}
void hde_forward(hde_ctx *ctx, unsigned port, const hde_msg *msg); /* keep, then emit */

/* ---- Help yourself ------------------------------------------------------------------------ */

int64_t hde_now_ns(const hde_ctx *ctx);
int64_t hde_watermark_ns(const hde_ctx *ctx); /* smallest over the inputs */
const char *hde_node_name(const hde_ctx *ctx);
/* Who keeps something outside under it shares that with no other process: on one of several hosts
 * the name has that of the host behind a dot, in a shared stage those of stage and partition. */
const char *hde_graph_name(const hde_ctx *ctx);
/* That which the graph has on all its hosts; NULL: it has none, or all of them are this process. */
const char *hde_graph_common_name(const hde_ctx *ctx);
/* Whether the graph keeps checkpoints: after a crash what is behind mark() comes again. */
bool hde_recovers(const hde_ctx *ctx);
/* Whether a tick comes again, out of a log: a sink that did not know its mark at the start may have
 * it in store. Ticks that are new are above every mark of the same log. */
bool hde_is_again(const hde_ctx *ctx, uint64_t tick);
void *hde_scratch(hde_ctx *ctx, size_t size); /* until the callback returns; aligned to 64 */
/* In load(), with HDE_KEYED_STATE: whether messages like this one come to this instance. `like` is
 * a message of an input type in which the fields are set by which the state is kept. False with
 * *unknown (may be NULL) set: the graph splits by a field that is not set there, and load() refuses
 * with hde_fail(). Always true for a node without replicas. */
bool hde_owns(const hde_ctx *ctx, const ProtobufCMessage *like, bool *unknown);
/* timer(id) is called when the watermark has reached event_ns: before any message of a later event
 * time. One timer an id; a second call moves it, INT64_MAX cancels it. */
void hde_timer_at(hde_ctx *ctx, uint32_t id, int64_t event_ns);
/* The same in processing time. Only sources, sinks without outputs and operators with
 * HDE_PROCESSING_TIMERS; a negative delay cancels. */
void hde_timer_after(hde_ctx *ctx, uint32_t id, int64_t delay_ns);
/* Counters of your own, opened in open() by a lower_case name; shown in status and /metrics. */
hde_counter *hde_counter_open(hde_ctx *ctx, const char *name, const char *help);
void hde_count(hde_counter *counter, uint64_t n);
/* The same for what goes up and down: in /metrics hde_NAME, with labels as they stand there
 * ("topic=\"raw\",partition=\"3\"") or NULL beside those of the node. Both together up to 120
 * bytes. Set by one thread, any. */
hde_counter *hde_gauge_open(hde_ctx *ctx, const char *name, const char *labels, const char *help);
void hde_gauge_set(hde_counter *gauge, uint64_t value);

/* ---- The outside world: sources, sinks and impure operators ------------------------------- */

typedef enum hde_event_kind { HDE_EVENT_READY = 1, HDE_EVENT_POSTED } hde_event_kind;

typedef struct hde_event {
    uint32_t size;
    hde_event_kind kind;
    uint32_t tag;      /* the caller's, from hde_watch() or hde_post() */
    int fd;            /* READY */
    uint32_t revents;  /* READY: EPOLLIN, EPOLLOUT, ... */
    void *data;        /* POSTED: now yours */
} hde_event;

/* event() is called when fd is ready for `events` (EPOLLIN, EPOLLOUT); 0 stops watching. */
bool hde_watch(hde_ctx *ctx, int fd, uint32_t events, uint32_t tag);
/* From any thread: event() is called on the instance's thread with tag and data. False after
 * close: data stays yours. */
bool hde_post(hde_ctx *ctx, uint32_t tag, void *data);
/* Sources, in poll() or event(): where this source stands after the messages emitted in this
 * call; seek() gets it back. The bytes are copied. */
void hde_position(hde_ctx *ctx, uint32_t partition, const void *bytes, size_t size);
/* Sources: no message with a smaller event time follows. Left out: the largest event time so
 * far less the parameter `lateness`, if the source has one. */
void hde_source_watermark(hde_ctx *ctx, int64_t event_ns);

/* Impure operators that answer later (HDE_ANSWERS_LATER): each message is a question with a number
 * of its own and has one answer, maybe without messages. In batch(): that of msg[i], never 0. Take
 * them all: answers come behind the tick, so a retry waits for none. What is not answered comes to
 * batch() again after a start, restart or reload, under the same number, which is this
 * instance's. */
uint64_t hde_question(hde_ctx *ctx, const hde_batch *batch, uint32_t i);
/* In batch(), event() or timer(): what this call has emitted so far, since hde_answer() before, is
 * the answer. False: the question has one already, or another instance was asked it; what was
 * emitted goes nowhere. A call that ends with messages that are no answer has failed (HDE-R160). */
bool hde_answer(hde_ctx *ctx, uint64_t question);

/* ---- Say what went wrong ------------------------------------------------------------------
 * event is a stable dotted id ("dhan.http-status"). The last three log, count, and return the
 * status to return. Secrets never go in. */
typedef enum hde_level { HDE_DEBUG, HDE_INFO, HDE_WARN, HDE_ERROR } hde_level;
#define HDE_PRINTF(fmt) __attribute__((format(printf, fmt, (fmt) + 1)))
void hde_log(hde_ctx *, hde_level, const char *event, const char *fmt, ...) HDE_PRINTF(4);
hde_status hde_reject(hde_ctx *, const char *event, const char *fmt, ...) HDE_PRINTF(3);
hde_status hde_retry(hde_ctx *, const char *event, const char *fmt, ...) HDE_PRINTF(3);
hde_status hde_fail(hde_ctx *, const char *event, const char *fmt, ...) HDE_PRINTF(3);

/* How the instance stands with what is outside, until it says something else; shown in status,
 * /readyz and metrics. DEGRADED: the graph works without what is missing, and is ready. HELD_UP: it
 * is not. Say WELL (with "") as soon as that is over. On the instance's thread. */
typedef enum hde_standing { HDE_WELL, HDE_DEGRADED, HDE_HELD_UP } hde_standing;
void hde_stands(hde_ctx *, hde_standing, const char *fmt, ...) HDE_PRINTF(3);

/* ---- Ports and parameters ----------------------------------------------------------------- */

typedef enum hde_port_flags {
    HDE_PORT_OPTIONAL = 1, /* may be left unconnected; outputs always may */
} hde_port_flags;

typedef struct hde_port {
    const char *name; /* what a graph file writes after the dot: "pcr.out"; NULL ends the table */
    const ProtobufCMessageDescriptor *const *types; /* HDE_TYPES(...); an output has one */
    unsigned flags;
    const char *help;
} hde_port;
#define HDE_TYPES(...) (const ProtobufCMessageDescriptor *const[]){__VA_ARGS__, NULL}
/* The ports of this instance: those of its table, and what HDE_MORE_TYPES has added. */
const hde_port *hde_inputs(const hde_ctx *ctx);
const hde_port *hde_outputs(const hde_ctx *ctx);

/* The type of a parameter is the C type of its field in the state:
 *   bool, int64_t, double            as written
 *   const char *                     text, with .choices one of those words
 *   hde_duration                     5s, 250ms, 1h30m        hde_size   64KiB, 2MiB, 512
 *   hde_ratio                        0.4 or 40%              hde_path   relative to its file
 *   hde_secret                       text that is never printed
 *   hde_list, hde_map                a YAML list of texts, a flat YAML mapping of texts
 * Text, lists and maps live as long as the instance. */
typedef struct hde_duration { int64_t ns; } hde_duration;
typedef struct hde_size { int64_t bytes; } hde_size;
typedef struct hde_ratio { double value; } hde_ratio;
typedef struct hde_path { const char *path; } hde_path;
typedef struct hde_secret { const char *text; } hde_secret;
typedef struct hde_list { size_t n; const char *const *item; } hde_list;
typedef struct hde_map { size_t n; const char *const *key, *const *value; } hde_map;

typedef enum hde_param_type {
    HDE_PARAM_BOOL = 1, HDE_PARAM_INT, HDE_PARAM_REAL, HDE_PARAM_TEXT, HDE_PARAM_DURATION,
    HDE_PARAM_SIZE, HDE_PARAM_RATIO, HDE_PARAM_PATH, HDE_PARAM_SECRET, HDE_PARAM_LIST,
    HDE_PARAM_MAP,
} hde_param_type;

typedef enum hde_param_flags {
    HDE_PARAM_LIVE = 1, /* may change while the node runs: reconfigure() */
    HDE_PARAM_STORE = 2, /* text or path of a sink: where it is "" or - there is no mark() */
} hde_param_flags;

typedef struct hde_param {
    const char *name; /* key under "params:"; NULL ends the table */
    hde_param_type type;
    size_t offset;        /* of the field in the state */
    const char *fallback; /* read as if the graph said so; NULL: the graph must say; "": absent
                             (NULL text, NaN, 0 entries) */
    const char *unit;     /* of the number, or NULL: "points", "strikes", "per minute" */
    double min, max;      /* inclusive, in the unit (durations: seconds); both 0: any value */
    const char *choices;  /* text: "mid|last|auto" */
    unsigned flags;
    const char *help; /* one line */
} hde_param;

#define HDE_PARAM_TYPE(x)                                                                          \
    _Generic((x), bool: HDE_PARAM_BOOL, int64_t: HDE_PARAM_INT, double: HDE_PARAM_REAL,            \
        const char *: HDE_PARAM_TEXT, hde_duration: HDE_PARAM_DURATION,                            \
        hde_size: HDE_PARAM_SIZE, hde_ratio: HDE_PARAM_RATIO, hde_path: HDE_PARAM_PATH,            \
        hde_secret: HDE_PARAM_SECRET, hde_list: HDE_PARAM_LIST, hde_map: HDE_PARAM_MAP)
#define HDE_PARAM(state, field, ...)                                                               \
    {                                                                                              \
        .name = #field, .type = HDE_PARAM_TYPE(((state *)0)->field),                               \
        .offset = offsetof(state, field), __VA_ARGS__                                              \
    }

/* ---- The operator ------------------------------------------------------------------------- */

typedef enum hde_operator_flags {
    HDE_BLOCKING = 1,          /* waits for the world: gets a thread of its own */
    HDE_EXCLUSIVE = 2,         /* two instances cannot live at once (a port, a single writer) */
    HDE_PROCESSING_TIMERS = 4, /* uses hde_timer_after() though it has outputs */
    HDE_IMPURE = 8,            /* its answers come from outside and enter the log like a source's */
    HDE_VIEW = 16,             /* only shows: outside of order, log and epochs; has no outputs */
    HDE_LIVE_ONLY = 32,        /* refused by replay: it talks to a live service */
    HDE_KEYED_STATE = 64,      /* its state can be split by key: load() adds, see there */
    HDE_AT_MOST_ONCE = 128,    /* sink: lets go of what nobody takes now; gets nothing twice */
    HDE_ANSWERS_LATER = 256,   /* impure, and answers by hde_answer() alone */
    HDE_MORE_TYPES = 512,      /* carries messages of any plugin: its parameter `types`, a list,
                                * names them in full. Each is one more type of the first input, or of a
                                * source one more output behind its own, called like the type:
                                * pair_spread for my.PairSpread */
} hde_operator_flags;

/* Only what an operator needs is set; every function may be NULL, but a node with inputs has
 * batch() and a source has poll(). Order of calls: open, [load], (batch | timer | event | poll |
 * flush | save | reconfigure)*, close. close() runs after a failed open() too, on state that is
 * zeroed where open() did not come. */
typedef struct hde_operator {
    uint32_t size; /* sizeof(hde_operator) */
    uint32_t flags;
    const char *name;    /* folder/name, as graphs write it */
    const char *summary; /* one line */
    const char *help;    /* more lines for the reference, or NULL */
    const hde_port *inputs, *outputs;
    const hde_param *params;
    size_t state_size; /* the runtime allocates it zeroed, with the parameters filled in */

    hde_status (*open)(hde_ctx *ctx, void *state);
    hde_status (*batch)(hde_ctx *ctx, void *state, hde_batch *batch);
    hde_status (*timer)(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns);
    hde_status (*event)(hde_ctx *ctx, void *state, const hde_event *event);
    void (*close)(hde_ctx *ctx, void *state);

    /* Sources. All that one poll() emits is one entry, one tick: bound it. A source with seek()
     * gives the same messages again from there, event times and all: a log may leave them out.
     * Where it has to wait for them it says HDE_RETRY: HDE_IDLE means that there are no more. */
    hde_status (*poll)(hde_ctx *ctx, void *state);
    hde_status (*seek)(hde_ctx *ctx, void *state, uint32_t partition, const void *bytes,
                       size_t size);

    /* Sinks. flush: everything up to tick is safe when it returns HDE_OK (called when the input
     * ran empty, at barriers and at the end). mark: the last tick that is safely stored. */
    hde_status (*flush)(hde_ctx *ctx, void *state, uint64_t tick);
    hde_status (*mark)(hde_ctx *ctx, void *state, uint64_t *tick);

    /* State across restart, reload and replay: a message of state_type. load() gets the schema
     * number that was saved and migrates older ones.
     * A reload opens an instance of the new build on another thread while the old one still runs
     * (not so for HDE_EXCLUSIVE and operators with event(): those are closed first), then calls
     * save() of the old and load() of the new one between two calls of the node. Counters and
     * timers belong to the node and stay.
     *
     * Where a graph changes the number of replicas, the instances before the change are saved, and
     * every instance after it gets all of those states: load() is called once for each, adds what
     * is in it to what is there, and keeps only what hde_owns() says. Operators that do so have
     * HDE_KEYED_STATE; others lose their state there. Timers of all former instances are set in
     * every new one, so timer() must not mind an id that it does not know. */
    const ProtobufCMessageDescriptor *state_type;
    uint32_t state_schema;
    hde_status (*save)(hde_ctx *ctx, const void *state, hde_msg *out);
    hde_status (*load)(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema);

    /* next is a block like the state in which only the parameters are set; copy what you take.
     * NULL: the runtime copies the parameters that are HDE_PARAM_LIVE. */
    hde_status (*reconfigure)(hde_ctx *ctx, void *state, const void *next);

    /* For what works on one message after the other and sends it on, as most operators do: batch is
     * hde_each, and each() takes a reference and gives one, which goes out on output 0 behind what
     * it emits itself (NULL: nothing more does). It cannot refuse a message: what may do so is
     * written as batch(). The runtime may call it without batch(), which makes a shorter hop. */
    hde_msg *(*each)(hde_ctx *ctx, void *state, hde_msg *taken);
} hde_operator;
hde_status hde_each(hde_ctx *ctx, void *state, hde_batch *batch);

/* ---- The plugin --------------------------------------------------------------------------- */

#define HDE_PLUGIN_MAGIC 0x31454448u /* "HDE1" */
#define HDE_ABI 2u                   /* grows when an old plugin can no longer be loaded */

typedef struct hde_plugin_table {
    uint32_t magic, abi;
    uint32_t size;          /* sizeof(hde_plugin_table) */
    uint32_t operator_size; /* sizeof(hde_operator) */
    const hde_operator *const *operators; /* ended by NULL */
} hde_plugin_table;

/* The one symbol that a plugin exports: HDE_PLUGIN(&pcr, &max_pain); at the end of a file. */
#define HDE_PLUGIN(...)                                                                            \
    __attribute__((visibility("default"))) const hde_plugin_table hde_plugin = {                   \
        HDE_PLUGIN_MAGIC, HDE_ABI, sizeof(hde_plugin_table), sizeof(hde_operator),                 \
        (const hde_operator *const[]){__VA_ARGS__, NULL}}

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
