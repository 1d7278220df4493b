/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/isolate.h"
#include "link/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

enum { LIFE_FD = 0, PAGE_FD = 3, FIRST_OTHER_FD = 4 }; /* of the child */
static const int64_t start_ns = 30LL * NS_PER_S; /* to connect and open, at least */
/* What a dead child has said may still be under way. */
static const int64_t echo_ns = 20LL * NS_PER_MS;

struct isolated_op {
    hde_operator op; /* first: what the node runs */
    const hde_operator *real;
    const char *file, *build_id;
};

/* A running child; one instance of a node. The node's thread, or whoever opens and closes. */
struct isolated {
    const struct isolated_op *op;
    const struct node *node;
    pid_t pid; /* 0: none */
    int pid_fd, life_fd;
    void *socket;
    uint64_t number; /* of calls */
    struct frame out, in;
    zmq_msg_t bytes; /* that `in` lends */
    struct isolate_page *page;
    hde_counter *counter[STATS_COUNTERS];
    char why[200]; /* it is not there */
};

/* Where the engine keeps it: the last bytes of the state. */
static struct isolated **
slot_of(const hde_ctx *ctx, void *state)
{
    return (struct isolated **)(void *)((char *)state + ctx->op->state_size -
                                        sizeof(struct isolated *));
}

static const char *
function_name(Hde__IsolatedFunction function)
{
    static const char *const names[] = {"?",     "open()", "load()", "batch()", "timer()",
                                        "flush()", "mark()", "save()", "close()"};

    return function == HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_RECONFIGURE ? "reconfigure()"
                                                                              : names[function];
}

/* ---- A child starts ----------------------------------------------------------------------- */

static bool
spawn(struct isolated *self, const char *address, int life_fd, int page_fd, struct err *err)
{
    const char *program = self->node->engine->options.trial_program;
    char *argv[] = {(char *)"hde", (char *)ISOLATE_ARGUMENT, (char *)(uintptr_t)address, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, pipes;
    int failed;

    sigemptyset(&none);
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, life_fd, LIFE_FD);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, page_fd, PAGE_FD);
    posix_spawn_file_actions_addclosefrom_np(&files, FIRST_OTHER_FD);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &pipes);
    failed = posix_spawn(&self->pid, program, &files, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (failed)
        self->pid = 0;
    return !failed || err_set(err, "HDE-R060", "%s cannot be started: %s", program,
                              strerror(failed));
}

static bool
listen_at(struct isolated *self, const char *address, struct err *err)
{
    int zero = 0;
    int64_t most = FRAME_BYTES_MAX;

    self->socket = zmq_socket(self->node->engine->zmq, ZMQ_DEALER);
    if (!self->socket)
        return err_set(err, "HDE-R006", "ZeroMQ: %s", zmq_strerror(zmq_errno()));
    zmq_setsockopt(self->socket, ZMQ_SNDHWM, &zero, sizeof zero);
    zmq_setsockopt(self->socket, ZMQ_RCVHWM, &zero, sizeof zero);
    zmq_setsockopt(self->socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(self->socket, ZMQ_MAXMSGSIZE, &most, sizeof most);
    return !zmq_bind(self->socket, address) ||
           err_set(err, "HDE-R006", "ZeroMQ: %s: %s", address, zmq_strerror(zmq_errno()));
}

/* A page that both have; gives its descriptor, or -1. */
static int
make_page(struct isolated *self)
{
    int fd = memfd_create("hde-isolated", MFD_CLOEXEC);

    if (fd >= 0 && !ftruncate(fd, sizeof *self->page))
        self->page = mmap(NULL, sizeof *self->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (self->page && self->page != MAP_FAILED)
        return fd;
    self->page = NULL;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool
start_at(struct isolated *self, const char *address, struct err *err)
{
    int life[2] = {-1, -1}, page = make_page(self);
    bool ok = page >= 0 && !pipe2(life, O_CLOEXEC);

    if (!ok)
        err_set(err, "HDE-R004", "no memory or descriptors for a child: %s", strerror(errno));
    self->life_fd = life[1];
    ok = ok && listen_at(self, address, err) && spawn(self, address, life[0], page, err);
    if (ok) {
        self->pid_fd = pidfd_open(self->pid, 0);
        ok = self->pid_fd >= 0 || err_set(err, "HDE-R004", "pidfd_open: %s", strerror(errno));
    }
    if (life[0] >= 0)
        close(life[0]);
    if (page >= 0)
        close(page);
    return ok;
}

/* ---- Its end ------------------------------------------------------------------------------ */

static void
describe_end(struct isolated *self, int status, const struct rusage *use)
{
    long mib = use->ru_maxrss / 1024;

    if (WIFSIGNALED(status))
        snprintf(self->why, sizeof self->why, "SIG%s (%s), %ld MiB resident at most",
                 sigabbrev_np(WTERMSIG(status)), strsignal(WTERMSIG(status)), mib);
    else
        snprintf(self->why, sizeof self->why, "exit code %d, %ld MiB resident at most",
                 WEXITSTATUS(status), mib);
}

/* Kills it if it still runs, and forgets it. */
static void
bury(struct isolated *self)
{
    struct rusage use = {0};
    int status = 0;

    if (self->pid) {
        kill(self->pid, SIGKILL); /* one that has ended keeps its status */
        while (wait4(self->pid, &status, 0, &use) < 0 && errno == EINTR)
            ;
        describe_end(self, status, &use);
    }
    self->pid = 0;
    if (self->pid_fd >= 0)
        close(self->pid_fd);
    if (self->life_fd >= 0)
        close(self->life_fd);
    if (self->socket)
        zmq_close(self->socket);
    self->pid_fd = self->life_fd = -1;
    self->socket = NULL;
}

static void
isolated_free(struct isolated *self)
{
    bury(self);
    zmq_msg_close(&self->bytes);
    frame_fini(&self->out);
    frame_fini(&self->in);
    if (self->page)
        munmap(self->page, sizeof *self->page);
    free(self);
}

/* ---- Frames ------------------------------------------------------------------------------- */

enum heard { HEARD_FRAME, HEARD_DEATH, HEARD_NOTHING };

static enum heard
receive(struct isolated *self, struct err *err)
{
    zmq_msg_close(&self->bytes);
    zmq_msg_init(&self->bytes);
    if (zmq_msg_recv(&self->bytes, self->socket, ZMQ_DONTWAIT) < 0)
        return HEARD_NOTHING;
    frame_read(&self->in, zmq_msg_data(&self->bytes), zmq_msg_size(&self->bytes), err);
    return HEARD_FRAME;
}

/* The next frame, until a monotonic time. */
static enum heard
hear(struct isolated *self, int64_t end_ns, struct err *err)
{
    bool is_gone = false;

    while (receive(self, err) == HEARD_NOTHING) {
        zmq_pollitem_t items[] = {{.socket = self->socket, .events = ZMQ_POLLIN},
                                  {.fd = self->pid_fd, .events = ZMQ_POLLIN}};
        int64_t left_ns = end_ns - clock_mono_ns();

        if (left_ns <= 0)
            return is_gone ? HEARD_DEATH : HEARD_NOTHING;
        zmq_poll(items, is_gone ? 1 : 2, (long)(left_ns / NS_PER_MS) + 1);
        if (!is_gone && items[1].revents & ZMQ_POLLIN) {
            is_gone = true;
            end_ns = clock_mono_ns() + echo_ns;
        }
    }
    return HEARD_FRAME;
}

static bool
send_frame(struct isolated *self, struct err *err)
{
    size_t size = frame_size(&self->out);
    zmq_msg_t msg;

    if (size > FRAME_BYTES_MAX || zmq_msg_init_size(&msg, size))
        return err_set(err, "HDE-R006", "a call of %zu bytes is too large", size);
    frame_write(&self->out, zmq_msg_data(&msg));
    if (zmq_msg_send(&msg, self->socket, ZMQ_DONTWAIT) >= 0)
        return true;
    zmq_msg_close(&msg);
    return err_set(err, "HDE-R006", "ZeroMQ: %s", zmq_strerror(zmq_errno()));
}

/* ---- A call ------------------------------------------------------------------------------- */

/* The child is of no use any more; says so for the node. */
static hde_status
give_up(struct isolated *self, hde_ctx *ctx, Hde__IsolatedFunction function, enum heard heard,
        const struct err *err)
{
    const hde_batch *batch = ctx->in;
    const volatile uint32_t *done = &self->page->in.done;
    const char *build = self->op->build_id;
    char what[100];

    if (batch && function == HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_BATCH)
        snprintf(what, sizeof what, "batch() of message %u of tick %llu", batch->done + *done,
                 (unsigned long long)batch->tick);
    else
        snprintf(what, sizeof what, "%s", function_name(function));
    bury(self);
    if (err_is_set(err))
        return hde_fail(ctx, "isolate.broken", "build %.12s: %s: %s: %s", build, what, err->code,
                        err->text);
    if (heard == HEARD_DEATH)
        return hde_fail(ctx, "isolate.died", "build %.12s died in %s: %s", build, what, self->why);
    return hde_fail(ctx, "isolate.late", "build %.12s did not return from %s within %.3g s: killed",
                    build, what, (double)self->node->def->isolate.timeout_ns / 1e9);
}

static void
begin_call(struct isolated *self, const hde_ctx *ctx, Hde__IsolatedCall *call,
           Hde__IsolatedFunction function)
{
    frame_begin(&self->out, HDE__FRAME_KIND__FRAME_KIND_CALL, 0);
    self->out.number = ++self->number;
    self->out.watermark_ns = ctx->watermark_ns;
    self->out.time_ns = ctx->now_ns;
    hde__isolated_call__init(call);
    call->has_function = call->has_event_ns = true;
    call->function = function;
    call->event_ns = ctx->event_ns;
}

static void
write_line(hde_ctx *ctx, const Hde__IsolatedLog *log)
{
    if (log->level <= HDE_ERROR)
        hde_log(ctx, (hde_level)log->level, log->event ? log->event : "?", "%s",
                log->text ? log->text : "");
}

/* The answer to the call that was sent last, to be freed; NULL: *status says what to give. */
static Hde__IsolatedAnswer *
await_answer(struct isolated *self, hde_ctx *ctx, const Hde__IsolatedCall *call,
             hde_status *status)
{
    int64_t most_ns = self->node->def->isolate.timeout_ns, end_ns;
    bool is_start = call->function == HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_OPEN;
    struct err err = {0};
    enum heard heard;

    end_ns = clock_mono_ns() + (is_start && most_ns < start_ns ? start_ns : most_ns);
    while ((heard = hear(self, end_ns, &err)) == HEARD_FRAME && !err_is_set(&err)) {
        Hde__IsolatedAnswer *answer = NULL;

        if (self->in.kind == HDE__FRAME_KIND__FRAME_KIND_ANSWER &&
            self->in.number == self->number)
            answer = hde__isolated_answer__unpack(NULL, self->in.payload_size, self->in.payload);
        if (answer && answer->has_status && answer->status <= HDE_FAIL)
            return answer;
        if (!answer || !answer->log)
            err_set(&err, "HDE-R007", "the child's answer cannot be read");
        else
            write_line(ctx, answer->log);
        if (answer)
            hde__isolated_answer__free_unpacked(answer, NULL);
    }
    *status = give_up(self, ctx, call->function, heard, &err);
    return NULL;
}

/* What the operator has asked for and said. */
static void
follow(struct isolated *self, hde_ctx *ctx, const Hde__IsolatedAnswer *answer)
{
    for (size_t i = 0; i < answer->n_timers; i++) {
        const Hde__IsolatedTimer *timer = answer->timers[i];

        if (timer->is_event)
            hde_timer_at(ctx, timer->id, timer->ns);
        else
            hde_timer_after(ctx, timer->id, timer->ns);
    }
    for (size_t i = 0; i < answer->n_counters && i < STATS_COUNTERS; i++) {
        const Hde__IsolatedCounter *counter = answer->counters[i];

        if (!self->counter[i] && !counter->name)
            continue;
        if (!self->counter[i])
            self->counter[i] = hde_counter_open(ctx, counter->name, counter->help);
        hde_count(self->counter[i], counter->more);
    }
    if (answer->event && answer->text && *answer->text) {
        snprintf(ctx->said->event, sizeof ctx->said->event, "%s", answer->event);
        snprintf(ctx->said->text, sizeof ctx->said->text, "%s", answer->text);
    }
}

static hde_status
emit_all(struct isolated *self, hde_ctx *ctx)
{
    const hde_operator *op = self->op->real;
    const struct frame *in = &self->in;

    for (uint32_t i = 0; i < in->n; i++) {
        const struct frame_message *item = &in->message[i];
        hde_msg *msg = NULL;

        if (item->port < ctx->outlets.n &&
            item->type < frame_type(op->outputs[item->port].types, NULL))
            msg = msg_unpack(ctx->pool ? ctx->pool : msg_pool_current(),
                             op->outputs[item->port].types[item->type], item->bytes, item->size);
        if (!msg)
            return hde_fail(ctx, "isolate.broken", "message %u that it emits cannot be read", i);
        msg->event_ns = item->event_ns;
        hde_emit(ctx, item->port, msg);
    }
    return HDE_OK;
}

/* Sends the call that was begun and takes the answer. *answer, to be freed, is NULL where there is
 * none. */
static hde_status
ask(struct isolated *self, hde_ctx *ctx, Hde__IsolatedCall *call, Hde__IsolatedAnswer **answer)
{
    size_t size = hde__isolated_call__get_packed_size(call);
    uint8_t *packed = xmalloc(size);
    hde_status status = HDE_FAIL;
    struct err err = {0};
    bool is_sent;

    hde__isolated_call__pack(call, packed);
    self->out.payload = packed;
    self->out.payload_size = size;
    is_sent = send_frame(self, &err);
    free(packed);
    *answer = is_sent ? await_answer(self, ctx, call, &status) : NULL;
    if (!is_sent)
        status = give_up(self, ctx, call->function, HEARD_FRAME, &err);
    if (!*answer)
        return status;
    follow(self, ctx, *answer);
    return (hde_status)(*answer)->status;
}

/* A call whose answer has nothing but a status and emissions. */
static hde_status
ask_and_emit(struct isolated *self, hde_ctx *ctx, Hde__IsolatedCall *call)
{
    Hde__IsolatedAnswer *answer;
    hde_status status = ask(self, ctx, call, &answer);

    if (!answer)
        return status;
    hde__isolated_answer__free_unpacked(answer, NULL);
    return emit_all(self, ctx) == HDE_OK ? status : HDE_FAIL;
}

/* NULL: there is no child (any more). */
static struct isolated *
child_of(const hde_ctx *ctx, void *state)
{
    struct isolated *self = *slot_of(ctx, state);

    return self && self->pid ? self : NULL;
}

static hde_status
no_child(hde_ctx *ctx)
{
    return hde_fail(ctx, "isolate.died", "the child is gone");
}

/* ---- The proxy's functions ---------------------------------------------------------------- */

static hde_status
first_call(struct isolated *self, hde_ctx *ctx, void *state)
{
    const struct isolated_op *op = self->op;
    const struct graph_node *def = self->node->def;
    Hde__IsolatedSetup setup = HDE__ISOLATED_SETUP__INIT;
    Hde__IsolatedCall call;
    hde_text params = {0};
    hde_status status;

    graph_write_params(def, &params);
    begin_call(self, ctx, &call, HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_OPEN);
    setup.file = (char *)(uintptr_t)op->file;
    setup.op = (char *)(uintptr_t)op->real->name;
    setup.node = (char *)(uintptr_t)ctx->node;
    setup.graph = (char *)(uintptr_t)ctx->graph;
    setup.common_graph = (char *)(uintptr_t)ctx->common;
    setup.params = params.data;
    setup.has_memory = setup.has_network = true;
    setup.memory = (uint64_t)def->isolate.memory_bytes;
    setup.network = def->isolate.network;
    setup.key = (char *)(uintptr_t)ctx->key;
    setup.has_replica = setup.has_replicas = ctx->key != NULL;
    setup.replica = ctx->replica;
    setup.replicas = ctx->n_replicas;
    setup.has_recovers = ctx->recovers;
    setup.recovers = ctx->recovers;
    call.setup = &setup;
    status = ask_and_emit(self, ctx, &call);
    hde_text_free(&params);
    return status;
}

/* Nobody else can connect any more, and nothing is left behind, whatever becomes of us. */
static void
close_door(const char *folder, const char *address)
{
    unlink(address + sizeof "ipc://" - 1);
    rmdir(folder);
}

uint64_t
isolate_schema(void)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        &hde__isolated_call__descriptor, &hde__isolated_answer__descriptor, NULL};

    return frame_schema(types);
}

static hde_status
start_child(struct isolated *self, hde_ctx *ctx)
{
    char folder[] = "/tmp/hde-isolated-XXXXXX", address[64];
    struct err err = {0};
    enum heard heard = HEARD_FRAME;

    if (!self->node->engine->options.trial_program)
        return hde_fail(ctx, "isolate.start", "HDE-R060: there is no hde that could be started");
    if (!mkdtemp(folder))
        return hde_fail(ctx, "isolate.start", "HDE-R060: no folder for a socket in /tmp: %s",
                        strerror(errno));
    snprintf(address, sizeof address, "ipc://%s/child", folder);
    if (start_at(self, address, &err))
        heard = hear(self, clock_mono_ns() + start_ns, &err);
    close_door(folder, address);
    if (!err_is_set(&err) && heard == HEARD_FRAME && self->in.schema != isolate_schema())
        err_set(&err, "HDE-R060", "%s is another version by now: start the graph again",
                self->node->engine->options.trial_program);
    if (!err_is_set(&err) && heard == HEARD_FRAME)
        return HDE_OK;
    bury(self);
    return hde_fail(ctx, "isolate.start", "HDE-R060: %s",
                    err_is_set(&err) ? err.text : *self->why ? self->why : "it does not connect");
}

static hde_status
proxy_open(hde_ctx *ctx, void *state)
{
    struct isolated *self = xcalloc(1, sizeof *self);
    hde_status status;

    self->op = (const struct isolated_op *)(const void *)ctx->op;
    self->node = ctx->owner;
    self->pid_fd = self->life_fd = -1;
    zmq_msg_init(&self->bytes);
    *slot_of(ctx, state) = self;
    status = start_child(self, ctx);
    return status == HDE_OK ? first_call(self, ctx, state) : status;
}

static void
begin_batch(struct isolated *self, const hde_ctx *ctx, Hde__IsolatedCall *call,
            const hde_batch *batch)
{
    const hde_port *port = &self->op->real->inputs[batch->port];

    begin_call(self, ctx, call, HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_BATCH);
    call->has_port = call->has_port_watermark_ns = true;
    call->port = batch->port;
    call->port_watermark_ns = batch->watermark_ns;
    self->out.tick = batch->tick;
    for (uint32_t i = batch->done; i < batch->n; i++)
        frame_add(&self->out, batch->port,
                  frame_type(port->types, batch->msg[i]->body->descriptor), batch->msg[i]);
    self->page->in.done = 0;
}

static hde_status
proxy_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct isolated *self = child_of(ctx, state);
    uint32_t done = batch->done, more;
    Hde__IsolatedAnswer *answer;
    Hde__IsolatedCall call;
    hde_status status;

    if (!self)
        return no_child(ctx);
    begin_batch(self, ctx, &call, batch);
    status = ask(self, ctx, &call, &answer);
    more = answer ? answer->done : *(const volatile uint32_t *)&self->page->in.done;
    batch->done = more < batch->n - done ? done + more : batch->n - (answer == NULL);
    if (!answer)
        return status;
    hde__isolated_answer__free_unpacked(answer, NULL);
    return emit_all(self, ctx) == HDE_OK ? status : HDE_FAIL;
}

static hde_status
proxy_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    struct isolated *self = child_of(ctx, state);
    Hde__IsolatedCall call;

    if (!self)
        return no_child(ctx);
    begin_call(self, ctx, &call, HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_TIMER);
    call.has_timer = call.has_at_ns = true;
    call.timer = id;
    call.at_ns = at_ns;
    return ask_and_emit(self, ctx, &call);
}

static hde_status
proxy_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct isolated *self = child_of(ctx, state);
    Hde__IsolatedCall call;

    if (!self)
        return no_child(ctx);
    begin_call(self, ctx, &call, HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_FLUSH);
    self->out.tick = tick;
    return ask_and_emit(self, ctx, &call);
}

static hde_status
proxy_mark(hde_ctx *ctx, void *state, uint64_t *tick)
{
    struct isolated *self = child_of(ctx, state);
    Hde__IsolatedAnswer *answer;
    Hde__IsolatedCall call;
    hde_status status;

    if (!self)
        return no_child(ctx);
    begin_call(self, ctx, &call, HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_MARK);
    status = ask(self, ctx, &call, &answer);
    if (!answer)
        return status;
    *tick = answer->mark;
    hde__isolated_answer__free_unpacked(answer, NULL);
    return status;
}

/* The state comes as bytes and is merged into the empty message that the runtime has made. */
static hde_status
take_state(struct isolated *self, hde_ctx *ctx, hde_msg *out)
{
    const struct frame_message *item = self->in.message;
    hde_msg *saved = self->in.n == 1 ? msg_unpack(msg_pool_current(), out->body->descriptor,
                                                  item->bytes, item->size)
                                     : NULL;

    if (!saved)
        return hde_fail(ctx, "isolate.broken", "the state that it saves cannot be read");
    memcpy(out->body, saved->body, out->body->descriptor->sizeof_message);
    hde_msg_share(out, saved);
    hde_msg_drop(saved);
    return HDE_OK;
}

static hde_status
proxy_save(hde_ctx *ctx, const void *state, hde_msg *out)
{
    struct isolated *self = child_of(ctx, (void *)(uintptr_t)state);
    Hde__IsolatedAnswer *answer;
    Hde__IsolatedCall call;
    hde_status status;

    if (!self)
        return no_child(ctx);
    begin_call(self, ctx, &call, HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_SAVE);
    status = ask(self, ctx, &call, &answer);
    if (!answer)
        return status;
    hde__isolated_answer__free_unpacked(answer, NULL);
    return status == HDE_OK ? take_state(self, ctx, out) : status;
}

static hde_status
proxy_load(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema)
{
    struct isolated *self = child_of(ctx, state);
    hde_msg message = {.body = (ProtobufCMessage *)(uintptr_t)saved};
    Hde__IsolatedCall call;

    if (!self)
        return no_child(ctx);
    begin_call(self, ctx, &call, HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_LOAD);
    call.has_schema = true;
    call.schema = schema;
    frame_add(&self->out, 0, 0, &message);
    return ask_and_emit(self, ctx, &call);
}

static void
proxy_close(hde_ctx *ctx, void *state)
{
    struct isolated **slot = slot_of(ctx, state), *self = *slot;
    Hde__IsolatedAnswer *answer;
    Hde__IsolatedCall call;

    if (!self)
        return;
    if (self->pid) {
        begin_call(self, ctx, &call, HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_CLOSE);
        ask(self, ctx, &call, &answer);
        if (answer)
            hde__isolated_answer__free_unpacked(answer, NULL);
    }
    isolated_free(self);
    *slot = NULL;
}

hde_status
isolate_reconfigure(hde_ctx *ctx, void *state, const struct graph_node *def)
{
    struct isolated *self = child_of(ctx, state);
    Hde__IsolatedSetup setup = HDE__ISOLATED_SETUP__INIT;
    Hde__IsolatedCall call;
    hde_text params = {0};
    hde_status status;

    if (!self)
        return no_child(ctx);
    graph_write_params(def, &params);
    begin_call(self, ctx, &call, HDE__ISOLATED_FUNCTION__ISOLATED_FUNCTION_RECONFIGURE);
    setup.params = params.data;
    call.setup = &setup;
    status = ask_and_emit(self, ctx, &call);
    hde_text_free(&params);
    return status;
}

/* ---- Proxies ------------------------------------------------------------------------------ */

bool
isolate_is(const hde_operator *op)
{
    return op->close == proxy_close;
}

bool
isolate_is_gone(const hde_ctx *ctx, void *state)
{
    return !child_of(ctx, state);
}

const hde_operator *
isolate_operator(const hde_operator *op, const char *file, const char *build_id,
                 struct arena *arena)
{
    const hde_operator *real =
        isolate_is(op) ? ((const struct isolated_op *)(const void *)op)->real : op;
    struct isolated_op *self = arena_alloc(arena, sizeof *self);
    size_t size = (real->state_size + 15) & ~(size_t)15;

    *self = (struct isolated_op){*real, real, arena_text(arena, file),
                                 arena_text(arena, build_id ? build_id : "")};
    self->op.state_size = size + sizeof(struct isolated *);
    self->op.open = proxy_open;
    self->op.close = proxy_close;
    self->op.batch = real->batch ? proxy_batch : NULL;
    self->op.timer = real->timer ? proxy_timer : NULL;
    self->op.flush = real->flush ? proxy_flush : NULL;
    self->op.mark = real->mark ? proxy_mark : NULL;
    self->op.save = real->save ? proxy_save : NULL;
    self->op.load = real->load ? proxy_load : NULL;
    self->op.reconfigure = NULL; /* isolate_reconfigure() */
    return &self->op;
}
