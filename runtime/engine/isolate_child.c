/* SPDX-License-Identifier: Apache-2.0
 * isolate_child - the child of isolate.h: makes one call after the other. */
#include "engine/isolate.h"
#include "engine/sandbox.h"
#include "link/frame.h"
#include "plugin/check.h"
#include "plugin/load.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zmq.h>

enum { LIFE_FD = 0, PAGE_FD = 3 };

struct child {
    void *zmq, *socket;
    struct isolate_page *page;
    uint64_t number;      /* of the call that is served */
    struct frame in, out; /* frame that was read, answer that is made */
    struct arena arena;   /* lives as long as the process */
    struct err err;

    const hde_operator *op;
    hde_ctx ctx;
    struct said said;
    uint32_t n_ports;
    struct hde_msgvec *emitted; /* by output port */
    struct hde_msgvec messages; /* of the batch */
    hde_msg *saved;         /* what save() wrote */

    Hde__IsolatedAnswer answer;
    Hde__IsolatedTimer **timers;
    uint32_t cap_timers;
    Hde__IsolatedCounter counter[STATS_COUNTERS], *counters[STATS_COUNTERS];
    hde_counter handle[STATS_COUNTERS];
    _Atomic uint64_t value[STATS_COUNTERS];
    uint64_t told[STATS_COUNTERS];
    uint32_t n_counters;
};

/* The only one of the process; log lines come from anywhere. */
static struct child child;

/* ---- Frames ------------------------------------------------------------------------------- */

static void
send_out(struct child *self)
{
    zmq_msg_t msg;

    if (zmq_msg_init_size(&msg, frame_size(&self->out)))
        _exit(70);
    frame_write(&self->out, zmq_msg_data(&msg));
    if (zmq_msg_send(&msg, self->socket, 0) < 0)
        _exit(70);
}

static void
begin_answer(struct child *self, Hde__IsolatedAnswer *answer, uint8_t **packed)
{
    size_t size = hde__isolated_answer__get_packed_size(answer);

    *packed = xmalloc(size);
    hde__isolated_answer__pack(answer, *packed);
    frame_begin(&self->out, HDE__FRAME_KIND__FRAME_KIND_ANSWER, 0);
    self->out.number = self->number;
    self->out.payload = *packed;
    self->out.payload_size = size;
}

static void
count_up(struct child *self)
{
    self->answer.n_counters = 0;
    self->answer.counters = self->counters;
    for (uint32_t i = 0; i < self->n_counters; i++) {
        uint64_t value = atomic_load(&self->value[i]);

        self->counter[i].more = value - self->told[i];
        self->told[i] = value;
        self->counters[self->answer.n_counters++] = &self->counter[i];
    }
}

static void
send_answer(struct child *self)
{
    uint8_t *packed;

    count_up(self);
    self->answer.timers = self->timers;
    begin_answer(self, &self->answer, &packed);
    for (uint32_t p = 0; p < self->n_ports; p++)
        for (uint32_t i = 0; i < self->emitted[p].n; i++) {
            const hde_msg *msg = self->emitted[p].item[i];

            frame_add(&self->out, p,
                      frame_type(self->op->outputs[p].types, msg->body->descriptor), msg);
        }
    if (self->saved)
        frame_add(&self->out, 0, 0, self->saved);
    send_out(self);
    free(packed);
}

/* ---- What the operator may ask for --------------------------------------------------------- */

static void
add_timer(bool is_event, uint32_t id, int64_t ns)
{
    Hde__IsolatedTimer *timer;

    if (child.answer.n_timers == child.cap_timers) {
        child.cap_timers = child.cap_timers ? 2 * child.cap_timers : 8;
        child.timers = xrealloc(child.timers, child.cap_timers * sizeof *child.timers);
        for (uint32_t i = (uint32_t)child.answer.n_timers; i < child.cap_timers; i++)
            child.timers[i] = xmalloc(sizeof **child.timers);
    }
    timer = child.timers[child.answer.n_timers++];
    hde__isolated_timer__init(timer);
    timer->has_is_event = timer->has_id = timer->has_ns = true;
    timer->is_event = is_event;
    timer->id = id;
    timer->ns = ns;
}

static void
timer_at(hde_ctx *ctx, uint32_t id, int64_t event_ns)
{
    add_timer(true, id, event_ns);
}

static void
timer_after(hde_ctx *ctx, uint32_t id, int64_t delay_ns)
{
    add_timer(false, id, delay_ns);
}

static hde_counter *
counter_open(hde_ctx *ctx, const char *name, const char *help)
{
    uint32_t i = 0;

    while (i < child.n_counters && strcmp(child.counter[i].name, name) != 0)
        i++;
    if (i == STATS_COUNTERS)
        return &child.handle[i - 1]; /* the parent has said that there is no room */
    if (i == child.n_counters) {
        hde__isolated_counter__init(&child.counter[i]);
        child.counter[i].name = arena_text(&child.arena, name);
        child.counter[i].help = arena_text(&child.arena, help ? help : "");
        child.counter[i].has_more = true;
        child.handle[i] = (hde_counter){child.counter[i].name, child.counter[i].help,
                                        &child.value[i]};
        child.n_counters++;
    }
    return &child.handle[i];
}

/* At once, so that what was said before a crash may still be read. */
static void __attribute__((format(printf, 4, 0)))
write_log(const hde_ctx *ctx, hde_level level, const char *event, const char *fmt, va_list args)
{
    Hde__IsolatedAnswer answer = HDE__ISOLATED_ANSWER__INIT;
    Hde__IsolatedLog line = HDE__ISOLATED_LOG__INIT;
    char text[sizeof child.said.text];
    uint8_t *packed;

    vsnprintf(text, sizeof text, fmt, args);
    line.has_level = true;
    line.level = (uint32_t)level;
    line.event = (char *)(uintptr_t)event;
    line.text = text;
    answer.log = &line;
    begin_answer(&child, &answer, &packed);
    send_out(&child);
    free(packed);
}

static const struct host child_host = {
    .timer_at = timer_at,
    .timer_after = timer_after,
    .counter_open = counter_open,
    .log = write_log,
};

/* ---- Opening ------------------------------------------------------------------------------ */

static bool
find_operator(struct child *self, const Hde__IsolatedSetup *setup)
{
    struct plugin plugin;

    if (!plugin_load(setup->file, &plugin, &self->err))
        return false;
    for (size_t i = 0; plugin.table->operators[i] && !self->op; i++)
        if (plugin.table->operators[i]->name &&
            !strcmp(plugin.table->operators[i]->name, setup->op))
            self->op =
                plugin_operator(setup->file, plugin.table->operators[i], &self->arena, &self->err);
    return self->op || err_set(&self->err, "HDE-R062", "%s has no operator '%s'", setup->file,
                               setup->op);
}

static bool
make_instance(struct child *self, const Hde__IsolatedSetup *setup)
{
    uint32_t n = self->n_ports = count_ports(self->op->outputs);
    struct hde_outlet *outlets = arena_alloc(&self->arena, (n + 1) * sizeof *outlets);
    struct hde_msgvec **targets = arena_alloc(&self->arena, (n + 1) * sizeof(struct hde_msgvec *));
    void *state = arena_alloc(&self->arena, self->op->state_size + 64);
    struct diags diags = {0};
    bool ok;

    self->emitted = arena_alloc(&self->arena, (n + 1) * sizeof *self->emitted);
    for (uint32_t i = 0; i < n; i++) {
        targets[i] = &self->emitted[i];
        outlet_set(&outlets[i], 1, &targets[i]);
    }
    ok = graph_fill_params(self->op, setup->params, state, &self->arena, &diags);
    if (!ok)
        err_set(&self->err, "HDE-R062", "%s", diags.n ? diags.list[0].message : "parameters");
    diags_fini(&diags);
    self->ctx = (hde_ctx){.host = &child_host,
                          .op = self->op,
                          .batch = self->op->batch,
                          .node = arena_text(&self->arena, setup->node),
                          .graph = arena_text(&self->arena, setup->graph),
                          .common = setup->common_graph
                                        ? arena_text(&self->arena, setup->common_graph)
                                        : NULL,
                          .state = state,
                          .said = &self->said,
                          .log_level = HDE_DEBUG, /* the parent knows what is written */
                          .key = setup->key ? arena_text(&self->arena, setup->key) : NULL,
                          .replica = setup->replica,
                          .n_replicas = setup->replicas,
                           .recovers = setup->recovers,
                           .outlets = {n, outlets}};
    return ok;
}

static hde_status
open_operator(struct child *self, const Hde__IsolatedSetup *setup)
{
    if (!setup || self->op)
        return HDE_FAIL;
    if (!sandbox_enter(setup->memory, setup->network, &self->err) ||
        !find_operator(self, setup) || !make_instance(self, setup)) {
        snprintf(self->said.event, sizeof self->said.event, "isolate.setup");
        snprintf(self->said.text, sizeof self->said.text, "isolate.setup: %.12s: %.450s",
                 self->err.code, self->err.text);
        return HDE_FAIL;
    }
    self->ctx.now_ns = self->in.time_ns;
    self->ctx.event_ns = self->in.time_ns;
    self->ctx.watermark_ns = WM_NONE;
    return self->op->open ? self->op->open(&self->ctx, self->ctx.state) : HDE_OK;
}

/* ---- Calls -------------------------------------------------------------------------------- */

static hde_status
call_batch(struct child *self, const Hde__IsolatedCall *call)
{
    const hde_port *port = &self->op->inputs[call->port];
    hde_batch *in = &self->page->in;
    hde_status status;

    for (uint32_t i = 0; i < self->in.n; i++) {
        const struct frame_message *item = &self->in.message[i];
        hde_msg *msg = msg_unpack(msg_pool_current(), port->types[item->type], item->bytes,
                                  item->size);

        if (!msg)
            _exit(65);
        msg->event_ns = item->event_ns;
        msgvec_push(&self->messages, msg);
    }
    *in = (hde_batch){.size = sizeof *in,
                      .port = call->port,
                      .n = self->messages.n,
                      .msg = self->messages.item,
                      .tick = self->in.tick,
                      .now_ns = self->in.time_ns,
                      .watermark_ns = call->port_watermark_ns};
    status = ctx_batch(&self->ctx, in);
    self->answer.has_done = true;
    self->answer.done = in->done;
    for (uint32_t i = 0; i < self->messages.n; i++)
        hde_msg_drop(self->messages.item[i]);
    self->messages.n = 0;
    return status;
}

static hde_status
call_load(struct child *self, const Hde__IsolatedCall *call)
{
    hde_msg *saved = self->in.n == 1 ? msg_unpack(msg_pool_current(), self->op->state_type,
                                                  self->in.message[0].bytes,
                                                  self->in.message[0].size)
                                     : NULL;
    hde_status status;

    if (!saved)
        return HDE_FAIL;
    status = self->op->load(&self->ctx, self->ctx.state, saved->body, call->schema);
    hde_msg_drop(saved);
    return status;
}

static hde_status
call_save(struct child *self)
{
    self->saved = msg_new(msg_pool_current(), self->op->state_type);
    return self->op->save(&self->ctx, self->ctx.state, self->saved);
}

static hde_status
call_mark(struct child *self)
{
    self->answer.has_mark = true;
    return self->op->mark(&self->ctx, self->ctx.state, &self->answer.mark);
}

/* All that differ are live. */
static hde_status
call_reconfigure(struct child *self, const Hde__IsolatedSetup *setup)
{
    void *next = arena_alloc(&self->arena, self->op->state_size + 64);
    struct diags diags = {0};
    hde_status status = HDE_OK;

    if (!setup)
        return HDE_FAIL;
    if (!graph_fill_params(self->op, setup->params, next, &self->arena, &diags))
        status = hde_fail(&self->ctx, "isolate.setup", "HDE-R062: %s",
                          diags.n ? diags.list[0].message : "parameters");
    else if (self->op->reconfigure)
        status = self->op->reconfigure(&self->ctx, self->ctx.state, next);
    else
        params_copy_live(self->op, self->ctx.state, next, &self->arena);
    diags_fini(&diags);
    return status;
}

static hde_status
call_close(struct child *self)
{
    if (self->op->close)
        self->op->close(&self->ctx, self->ctx.state);
    return HDE_OK;
}

static hde_status
make_call(struct child *self, const Hde__IsolatedCall *call)
{
    const hde_operator *op = self->op;

    if (call->function == HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_OPEN)
        return open_operator(self, call->setup);
    if (!op)
        return HDE_FAIL;
    self->ctx.now_ns = self->in.time_ns;
    self->ctx.watermark_ns = self->in.watermark_ns;
    self->ctx.event_ns = call->event_ns;
    switch (call->function) {
    case HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_BATCH:
        return call_batch(self, call);
    case HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_TIMER:
        return op->timer(&self->ctx, self->ctx.state, call->timer, call->at_ns);
    case HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_FLUSH:
        return op->flush(&self->ctx, self->ctx.state, self->in.tick);
    case HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_MARK:
        return call_mark(self);
    case HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_SAVE:
        return call_save(self);
    case HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_LOAD:
        return call_load(self, call);
    case HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_RECONFIGURE:
        return call_reconfigure(self, call->setup);
    default:
        return call_close(self);
    }
}

static void
serve(struct child *self, const Hde__IsolatedCall *call)
{
    hde_status status;

    self->answer = (Hde__IsolatedAnswer)HDE__ISOLATED_ANSWER__INIT;
    self->said.event[0] = self->said.text[0] = 0;
    status = make_call(self, call);
    ctx_scratch_reset(&self->ctx);
    self->answer.has_status = true;
    self->answer.status = (uint32_t)status;
    self->answer.event = self->said.event;
    self->answer.text = self->said.text;
    send_answer(self);
    for (uint32_t p = 0; p < self->n_ports; p++)
        msgvec_drop_all(&self->emitted[p]);
    if (self->saved)
        hde_msg_drop(self->saved);
    self->saved = NULL;
}

/* ---- The process -------------------------------------------------------------------------- */

static bool
connect_parent(struct child *self, const char *address)
{
    int zero = 0;

    self->zmq = zmq_ctx_new();
    self->socket = self->zmq ? zmq_socket(self->zmq, ZMQ_DEALER) : NULL;
    if (!self->socket)
        return false;
    zmq_setsockopt(self->socket, ZMQ_SNDHWM, &zero, sizeof zero);
    zmq_setsockopt(self->socket, ZMQ_RCVHWM, &zero, sizeof zero);
    if (zmq_connect(self->socket, address))
        return false;
    frame_begin(&self->out, HDE__FRAME_KIND__FRAME_KIND_HELLO, 0);
    self->out.schema = isolate_schema();
    send_out(self);
    return true;
}

static void
serve_next(struct child *self)
{
    Hde__IsolatedCall *call = NULL;
    zmq_msg_t msg;

    zmq_msg_init(&msg);
    while (zmq_msg_recv(&msg, self->socket, 0) < 0)
        if (zmq_errno() != EINTR)
            _exit(70);
    if (frame_read(&self->in, zmq_msg_data(&msg), zmq_msg_size(&msg), &self->err))
        call = hde__isolated_call__unpack(NULL, self->in.payload_size, self->in.payload);
    if (!call)
        _exit(65);
    self->number = self->in.number;
    serve(self, call);
    hde__isolated_call__free_unpacked(call, NULL);
    zmq_msg_close(&msg);
}

int
isolate_child(const char *address)
{
    /* Ctrl-C goes to all of us: the parent runs empty first and ends us then */
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    struct child *self = &child;

    dup2(2, 1); /* what the plugin prints */
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        signal(ends[i], SIG_IGN);
    mallopt(M_ARENA_MAX, 1);
    self->page = mmap(NULL, sizeof *self->page, PROT_READ | PROT_WRITE, MAP_SHARED, PAGE_FD, 0);
    close(PAGE_FD);
    if (self->page == MAP_FAILED || !sandbox_die_with(LIFE_FD, &self->err) ||
        !connect_parent(self, address))
        return 70;
    for (;;) /* until the parent kills us */
        serve_next(self);
}
