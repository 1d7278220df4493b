/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/trial.h"
#include "engine/swap.h"
#include "plugin/check.h"

#include <hde/schemas/runtime.pb-c.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MESSAGES = 64,       /* of the live node, at most */
    LISTEN_MS = 100,     /* for them */
    LIMIT_MS = 5000,     /* for everything that the child does */
    PEEK_NS = NS_PER_S,  /* for the state of now */
    ANSWER_BYTES = 1024, /* of the child */
};

/* The child says what it is about to do, a line each; "refused CODE text" or "ok" is the last. */

/* ---- What the child gets ------------------------------------------------------------------ */

static bool
is_pure(const hde_operator *op)
{
    static const unsigned outside =
        HDE_BLOCKING | HDE_EXCLUSIVE | HDE_IMPURE | HDE_VIEW | HDE_LIVE_ONLY;

    return !(op->flags & outside) && !op->event && op->batch && op->outputs && op->outputs->name;
}

static uint32_t
type_index(const hde_port *port, const ProtobufCMessageDescriptor *type)
{
    uint32_t i = 0;

    while (port->types[i] && port->types[i] != type)
        i++;
    return i;
}

static void
add_message(Hde__Trial *trial, struct arena *arena, const hde_port *port, unsigned number,
            const struct tap_item *item)
{
    Hde__TrialMessage *out = arena_alloc(arena, sizeof *out);

    hde__trial_message__init(out);
    out->has_port = out->has_type = out->has_event_ns = out->has_body = true;
    out->port = number;
    out->type = type_index(port, item->type);
    out->event_ns = item->event_ns;
    out->body.len = protobuf_c_message_get_packed_size(item->message);
    out->body.data = arena_alloc(arena, out->body.len + 1);
    protobuf_c_message_pack(item->message, out->body.data);
    trial->messages[trial->n_messages++] = out;
}

/* Some of what passes an edge now. */
static void
listen_to(struct engine *engine, size_t edge, Hde__Trial *trial, int64_t end_ns,
          struct arena *arena)
{
    const struct graph_edge *def = &engine->graph->edges[edge];
    const hde_port *port = &engine->graph->nodes[def->to].op->inputs[def->to_port];
    struct tap *tap = engine_tap_open(engine, edge, MESSAGES);
    struct tap_item item;
    int64_t left_ns = end_ns - clock_mono_ns();
    int timeout_ms = left_ns > 0 ? (int)(left_ns / NS_PER_MS) : 0;

    while (trial->n_messages < MESSAGES && tap_next(tap, &item, timeout_ms)) {
        add_message(trial, arena, port, def->to_port, &item);
        timeout_ms = 0;
    }
    engine_tap_close(tap);
}

static void
add_messages(struct node *node, Hde__Trial *trial, struct arena *arena)
{
    struct engine *engine = node->engine;
    int64_t end_ns = clock_mono_ns() + LISTEN_MS * (int64_t)NS_PER_MS;

    trial->messages = arena_alloc(arena, MESSAGES * sizeof *trial->messages);
    for (size_t i = 0; i < engine->graph->n_edges; i++)
        if (engine->graph->edges[i].to == node->graph_node)
            listen_to(engine, i, trial, end_ns, arena);
}

static bool
add_state(struct node *node, Hde__Trial *trial, struct arena *arena, struct err *err)
{
    hde_msg *saved = swap_peek(node, PEEK_NS, err);

    if (!saved)
        return false;
    trial->has_state = trial->has_state_schema = true;
    trial->state_schema = node->ctx.op->state_schema;
    trial->state.len = protobuf_c_message_get_packed_size(saved->body);
    trial->state.data = arena_alloc(arena, trial->state.len + 1);
    protobuf_c_message_pack(saved->body, trial->state.data);
    hde_msg_drop(saved);
    return true;
}

/* A file in memory with the packed trial: the child can read it whenever it comes to it. */
static int
write_trial(const Hde__Trial *trial)
{
    size_t size = hde__trial__get_packed_size(trial);
    uint8_t *bytes = xmalloc(size ? size : 1);
    int fd = memfd_create("hde-trial", MFD_CLOEXEC);
    size_t at = 0;

    hde__trial__pack(trial, bytes);
    while (fd >= 0 && at < size) {
        ssize_t n = write(fd, bytes + at, size - at);

        if (n < 0 && errno != EINTR)
            break;
        at += n > 0 ? (size_t)n : 0;
    }
    free(bytes);
    if (fd >= 0 && (at < size || lseek(fd, 0, SEEK_SET))) {
        close(fd);
        return -1;
    }
    return fd;
}

/* ---- The child from outside --------------------------------------------------------------- */

static bool
spawn(const char *program, int in, int out, pid_t *pid, struct err *err)
{
    char *argv[] = {(char *)"hde", (char *)TRIAL_ARGUMENT, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, pipes;
    int failed;

    sigemptyset(&none);
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &pipes);
    failed = posix_spawn(pid, program, &files, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return !failed || err_set(err, "HDE-R028", "the trial process cannot be started: %s: %s",
                              program, strerror(failed));
}

/* Reads what it says until it ends; false: the time is over. */
static bool
hear(int fd, char *text, size_t size)
{
    int64_t end_ns = clock_mono_ns() + LIMIT_MS * (int64_t)NS_PER_MS;
    size_t at = 0;

    for (;;) {
        int64_t left_ms = (end_ns - clock_mono_ns()) / NS_PER_MS;
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t n;

        if (left_ms <= 0 || poll(&wait, 1, (int)left_ms) == 0)
            return false;
        n = read(fd, text + at, size - 1 - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return true;
        at += (size_t)n;
        text[at] = 0;
    }
}

static const char *
last_line(char *text)
{
    size_t len = strlen(text);

    while (len && text[len - 1] == '\n')
        text[--len] = 0;
    return strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text;
}

static bool
judge(const struct node *node, const struct stage *stage, const char *last, bool in_time,
      int status, struct err *err)
{
    static const char refused[] = "refused ";
    const char *doing = *last ? last : "start";

    if (in_time && !strcmp(last, "ok") && WIFEXITED(status) && !WEXITSTATUS(status))
        return true;
    if (!strncmp(last, refused, sizeof refused - 1) && strlen(last) > sizeof refused + 8) {
        char code[9];

        snprintf(code, sizeof code, "%s", last + sizeof refused - 1);
        return err_set(err, code, "%s: node '%s': in the trial %s", stage->file, node->def->name,
                       last + sizeof refused + 8);
    }
    if (!in_time)
        return err_set(err, "HDE-R028",
                       "%s: node '%s': the trial was ended after %.1f s in %s: it does not return",
                       stage->file, node->def->name, LIMIT_MS / 1e3, doing);
    if (WIFSIGNALED(status))
        return err_set(err, "HDE-R028", "%s: node '%s': the trial crashed in %s: SIG%s (%s)",
                       stage->file, node->def->name, doing, sigabbrev_np(WTERMSIG(status)),
                       strsignal(WTERMSIG(status)));
    return err_set(err, "HDE-R028", "%s: node '%s': the trial ended in %s with exit code %d",
                   stage->file, node->def->name, doing, WEXITSTATUS(status));
}

static bool
try_in_child(const struct node *node, const struct stage *stage, int in, struct err *err)
{
    char text[ANSWER_BYTES] = "";
    int pipe_fds[2], status = 0;
    bool in_time;
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC))
        return err_set(err, "HDE-R028", "no pipe for a trial: %s", strerror(errno));
    if (!spawn(node->engine->options.trial_program, in, pipe_fds[1], &pid, err)) {
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        return false;
    }
    close(pipe_fds[1]);
    in_time = hear(pipe_fds[0], text, sizeof text);
    kill(pid, SIGKILL); /* one that is ending keeps its status */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(pipe_fds[0]);
    return judge(node, stage, last_line(text), in_time, status, err);
}

bool
trial_run(struct node *node, const struct stage *stage, bool keeps_state, struct err *err)
{
    Hde__Trial trial = HDE__TRIAL__INIT;
    struct arena arena = {0};
    hde_text params = {0};
    bool ok = true;
    int fd;

    trial.file = (char *)stage->path;
    trial.op = (char *)node->def->op->name;
    trial.node = (char *)node->def->name;
    trial.graph = (char *)node->engine->graph->name;
    trial.has_now_ns = trial.has_opens = true;
    trial.now_ns = clock_real_ns();
    trial.opens = is_pure(node->ctx.op);
    if (trial.opens) {
        graph_write_params(node->def, &params);
        trial.params = params.data;
        ok = !keeps_state || add_state(node, &trial, &arena, err);
        add_messages(node, &trial, &arena);
    }
    if (ok) {
        fd = write_trial(&trial);
        ok = fd >= 0 ? try_in_child(node, stage, fd, err)
                     : err_set(err, "HDE-R028", "no memory for a trial: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
    }
    hde_text_free(&params);
    arena_fini(&arena);
    return ok;
}

/* ---- The child from inside ---------------------------------------------------------------- */

static const struct host child_host; /* nothing comes of what it asks for */

struct child {
    Hde__Trial *trial;
    struct arena arena;
    const hde_operator *op;
    struct said said;
    hde_ctx ctx;
    struct hde_msgvec emitted;
};

/* What the plugin prints goes nowhere. */
static int parent_fd;

static void
take_stdout(void)
{
    parent_fd = fcntl(1, F_DUPFD_CLOEXEC, 3);
    dup2(2, 1);
}

static void
doing(const char *what)
{
    dprintf(parent_fd, "%s\n", what);
}

/* The reason goes to the parent as one line. */
static int
refuse(struct child *self, const char *code, const char *what)
{
    char *text = self->said.text;

    for (char *c = text; *c; c++)
        *c = *c == '\n' ? ' ' : *c;
    dprintf(parent_fd, "refused %s %s%s%s\n", code, what, *text ? ": " : "", text);
    return 1;
}

static Hde__Trial *
read_trial(void)
{
    Hde__Trial *trial;
    hde_text bytes = {0};
    char buffer[4096];
    ssize_t n;

    while ((n = read(0, buffer, sizeof buffer)) > 0)
        hde_text_put(&bytes, buffer, (size_t)n);
    trial = hde__trial__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    hde_text_free(&bytes);
    return trial;
}

static bool
make_instance(struct child *self)
{
    size_t n = count_ports(self->op->outputs);
    struct hde_outlet *outlets = arena_alloc(&self->arena, (n + 1) * sizeof *outlets);
    struct hde_msgvec **target = arena_alloc(&self->arena, sizeof(struct hde_msgvec *));
    struct diags diags = {0};
    void *state = arena_alloc(&self->arena, self->op->state_size + 64);
    bool ok;

    *target = &self->emitted;
    for (size_t i = 0; i < n; i++)
        outlet_set(&outlets[i], 1, target);
    ok = graph_fill_params(self->op, self->trial->params, state, &self->arena, &diags);
    diags_fini(&diags);
    self->ctx = (hde_ctx){.host = &child_host,
                          .owner = self,
                          .op = self->op,
                          .batch = self->op->batch,
                          .node = self->trial->node,
                          .graph = self->trial->graph,
                          .state = state,
                          .said = &self->said,
                          .now_ns = self->trial->now_ns,
                          .event_ns = self->trial->now_ns,
                          .watermark_ns = INT64_MIN,
                          .log_level = HDE_ERROR + 1,
                          .outlets = {(uint32_t)n, outlets}};
    return ok;
}

/* What does not fit is for the parent to find, which knows the graph: not an error here. */
static const ProtobufCMessageDescriptor *
type_of(const hde_operator *op, const Hde__TrialMessage *message)
{
    const ProtobufCMessageDescriptor *const *types;

    if (message->port >= count_ports(op->inputs))
        return NULL;
    types = op->inputs[message->port].types;
    for (uint32_t i = 0; types[i]; i++)
        if (i == message->type)
            return types[i];
    return NULL;
}

/* A message that is refused or put off is one that the running build may refuse too. */
static bool
give(struct child *self, const Hde__TrialMessage *message)
{
    const ProtobufCMessageDescriptor *type = type_of(self->op, message);
    hde_msg *msg = type ? msg_unpack(msg_pool_current(), type, message->body.data,
                                     message->body.len)
                        : NULL;
    hde_batch in = {.size = sizeof in,
                    .port = message->port,
                    .n = 1,
                    .msg = &msg,
                    .tick = FIRST_TICK,
                    .now_ns = self->ctx.now_ns,
                    .watermark_ns = INT64_MIN};
    hde_status status;

    if (!msg)
        return true;
    msg->event_ns = message->event_ns;
    status = ctx_batch(&self->ctx, &in);
    hde_msg_drop(msg);
    msgvec_drop_all(&self->emitted);
    return status != HDE_FAIL;
}

static int
run_instance(struct child *self)
{
    const hde_operator *op = self->op;
    const Hde__Trial *trial = self->trial;

    doing("open()");
    if (op->open && op->open(&self->ctx, self->ctx.state) != HDE_OK)
        return refuse(self, "HDE-R025", "it does not open");
    ctx_scratch_reset(&self->ctx);
    if (trial->has_state && op->load && op->state_schema >= trial->state_schema) {
        hde_msg *saved = msg_unpack(msg_pool_current(), op->state_type, trial->state.data,
                                    trial->state.len);

        doing("load()");
        if (saved && op->load(&self->ctx, self->ctx.state, saved->body, trial->state_schema) !=
                         HDE_OK)
            return refuse(self, "HDE-R026", "it does not take the state that was saved");
        hde_msg_drop(saved);
        ctx_scratch_reset(&self->ctx);
    }
    doing("batch()");
    for (size_t i = 0; op->batch && i < trial->n_messages; i++)
        if (!give(self, trial->messages[i]))
            return refuse(self, "HDE-R028", "it fails on a message");
    doing("close()");
    if (op->close)
        op->close(&self->ctx, self->ctx.state);
    return 0;
}

static int
try_file(struct child *self)
{
    struct plugin plugin;
    struct err err = {0};

    doing("loading the file");
    if (!plugin_load(self->trial->file, &plugin, &err))
        return 0;
    for (size_t i = 0; plugin.table->operators[i] && !self->op; i++)
        if (plugin.table->operators[i]->name &&
            !strcmp(plugin.table->operators[i]->name, self->trial->op))
            self->op = plugin_operator(self->trial->file, plugin.table->operators[i], &self->arena,
                                       &err);
    if (!self->op || !self->trial->opens || !make_instance(self))
        return 0;
    return run_instance(self);
}

int
trial_child(void)
{
    struct child self = {.trial = read_trial()};
    int exit;

    take_stdout();
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (!self.trial || !self.trial->file || !self.trial->op)
        return 64;
    exit = try_file(&self);
    if (!exit)
        doing("ok");
    _exit(exit); /* nothing of the plugin is unloaded: that is not what is tried here */
}
