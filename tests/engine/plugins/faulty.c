/* SPDX-License-Identifier: Apache-2.0
 * faulty - operators for isolate_test: a source of numbered samples, a running sum that dies in one
 * way or another of the samples it is told, and a sink that writes down what it gets. */
#include <hde/operator.h>
#include <hde/schemas/runtime.pb-c.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const hde_port in1[] = {{"in", HDE_TYPES(&hde__sample__descriptor), 0, "samples"}, {0}};
static const hde_port out1[] = {{"out", HDE_TYPES(&hde__sample__descriptor), 0, "samples"}, {0}};

/* ---- faulty/feed --------------------------------------------------------------------------- */

struct feed {
    int64_t count, burst;
    hde_list without;
    int64_t sent;
};

static const hde_param feed_params[] = {
    HDE_PARAM(struct feed, count, .fallback = "100", .min = 1, .max = 1e9, .help = "samples"),
    HDE_PARAM(struct feed, burst, .fallback = "4", .min = 1, .max = 1000, .help = "of one tick"),
    HDE_PARAM(struct feed, without, .fallback = "", .help = "sequences that are left out"),
    {0},
};

static bool
is_listed(const hde_list *list, uint64_t sequence)
{
    for (size_t i = 0; i < list->n; i++)
        if (strtoull(list->item[i], NULL, 10) == sequence)
            return true;
    return false;
}

static hde_status
feed_poll(hde_ctx *ctx, void *state)
{
    struct feed *self = state;

    for (int64_t i = 0; i < self->burst && self->sent < self->count; i++) {
        uint64_t sequence = (uint64_t)self->sent++;
        hde_msg *msg;

        if (is_listed(&self->without, sequence))
            continue;
        msg = hde_msg_new(ctx, &hde__sample__descriptor);
        msg->event_ns = 1000 * (int64_t)sequence;
        ((Hde__Sample *)msg->body)->has_sequence = true;
        ((Hde__Sample *)msg->body)->sequence = sequence;
        hde_emit(ctx, 0, msg);
    }
    hde_position(ctx, 0, &self->sent, sizeof self->sent);
    return self->sent == self->count ? HDE_END : HDE_OK;
}

static hde_status
feed_seek(hde_ctx *ctx, void *state, uint32_t partition, const void *bytes, size_t size)
{
    struct feed *self = state;

    if (size != sizeof self->sent)
        return HDE_FAIL;
    memcpy(&self->sent, bytes, size);
    return HDE_OK;
}

static const hde_operator feed = {
    .size = sizeof feed,
    .name = "faulty/feed",
    .summary = "numbered samples",
    .outputs = out1,
    .params = feed_params,
    .state_size = sizeof(struct feed),
    .poll = feed_poll,
    .seek = feed_seek,
};

/* ---- faulty/sum ---------------------------------------------------------------------------- */

struct sum {
    const char *fault;
    hde_list at; /* sequences */
    hde_path once; /* the fault happens only as long as this file is not there */
    double sum;
    int64_t n;
    hde_counter *seen;
};

static const hde_param sum_params[] = {
    HDE_PARAM(struct sum, fault, .fallback = "none",
              .choices = "none|segfault|abort|exit|loop|leak|fail", .help = "what happens"),
    HDE_PARAM(struct sum, at, .fallback = "", .help = "to samples of these sequences"),
    HDE_PARAM(struct sum, once, .fallback = "", .help = "made by the first fault: the only one"),
    {0},
};

/* Grows and uses it: what is not touched costs nothing. */
static void
leak(void)
{
    for (;;) {
        char *block = malloc(1 << 20);

        if (!block)
            abort();
        memset(block, 1, 1 << 20);
    }
}

static bool
is_due(const struct sum *self, uint64_t sequence)
{
    return is_listed(&self->at, sequence) &&
           (!self->once.path || access(self->once.path, F_OK) != 0);
}

static hde_status
do_fault(hde_ctx *ctx, const struct sum *self)
{
    volatile int *nowhere = NULL;

    if (self->once.path)
        close(open(self->once.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    hde_log(ctx, HDE_WARN, "sum.fault", "%s", self->fault);
    if (!strcmp(self->fault, "segfault"))
        *nowhere = 1;
    if (!strcmp(self->fault, "abort"))
        abort();
    if (!strcmp(self->fault, "exit"))
        _exit(3);
    while (!strcmp(self->fault, "loop"))
        ;
    if (!strcmp(self->fault, "leak"))
        leak();
    return hde_fail(ctx, "sum.fails", "as it was told");
}

static hde_status
sum_open(hde_ctx *ctx, void *state)
{
    struct sum *self = state;

    self->seen = hde_counter_open(ctx, "seen", "samples that were added");
    return HDE_OK;
}

/* Every tenth sample sets a timer of the event time, which adds as well. */
static hde_status
sum_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct sum *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const Hde__Sample *in = (const Hde__Sample *)batch->msg[batch->done]->body;
        hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
        Hde__Sample *out = (Hde__Sample *)msg->body;

        if (in->sequence % 10 == 0)
            hde_timer_at(ctx, (uint32_t)in->sequence, batch->msg[batch->done]->event_ns + 5500);
        out->has_sequence = out->has_value = true;
        out->sequence = in->sequence;
        out->value = self->sum + (double)in->sequence;
        hde_emit(ctx, 0, msg);
        if (is_due(self, in->sequence))
            return do_fault(ctx, self);
        self->sum += (double)in->sequence;
        self->n++;
        hde_count(self->seen, 1);
    }
    return HDE_OK;
}

static hde_status
sum_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    struct sum *self = state;
    hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
    Hde__Sample *out = (Hde__Sample *)msg->body;

    self->sum += 0.5;
    out->has_sequence = out->has_value = true;
    out->sequence = 1000000 + id;
    out->value = self->sum;
    hde_emit(ctx, 0, msg);
    return HDE_OK;
}

static hde_status
sum_save(hde_ctx *ctx, const void *state, hde_msg *out)
{
    const struct sum *self = state;
    Hde__Sample *sample = (Hde__Sample *)out->body;

    sample->has_value = sample->has_sequence = true;
    sample->value = self->sum;
    sample->sequence = (uint64_t)self->n;
    return HDE_OK;
}

static hde_status
sum_load(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema)
{
    struct sum *self = state;

    self->sum = ((const Hde__Sample *)saved)->value;
    self->n = (int64_t)((const Hde__Sample *)saved)->sequence;
    return HDE_OK;
}

static const hde_operator sum = {
    .size = sizeof sum,
    .name = "faulty/sum",
    .summary = "a running sum that dies of what it is told",
    .inputs = in1,
    .outputs = out1,
    .params = sum_params,
    .state_size = sizeof(struct sum),
    .open = sum_open,
    .batch = sum_batch,
    .timer = sum_timer,
    .state_type = &hde__sample__descriptor,
    .state_schema = 1,
    .save = sum_save,
    .load = sum_load,
};

/* ---- faulty/escape ------------------------------------------------------------------------- */

struct escape {
    int64_t parent;
};

static const hde_param escape_params[] = {
    HDE_PARAM(struct escape, parent, .fallback = "1", .help = "a process to signal"),
    {0},
};

static void
tell(hde_ctx *ctx, uint64_t what, bool is_refused)
{
    hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
    Hde__Sample *out = (Hde__Sample *)msg->body;

    out->has_sequence = out->has_value = true;
    out->sequence = what;
    out->value = is_refused;
    hde_emit(ctx, 0, msg);
}

static bool
can_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return pid > 0;
}

static unsigned
count_descriptors(void)
{
    unsigned n = 0;

    for (int fd = 3; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* Tries what an isolated operator must not do; each answer is a sample. */
static hde_status
escape_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    const struct escape *self = state;
    char *const argv[] = {(char *)"true", NULL}, *const envp[] = {NULL};

    tell(ctx, 1, !can_fork() && errno == EPERM);
    tell(ctx, 2, execve("/bin/true", argv, envp) < 0 && errno == EPERM);
    tell(ctx, 3, socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
    tell(ctx, 4, kill((pid_t)self->parent, 0) < 0 && errno == EPERM);
    tell(ctx, 5, count_descriptors() < 16); /* ZeroMQ's own */
    tell(ctx, 6, kill(getpid(), 0) == 0);
    batch->done = batch->n;
    return HDE_OK;
}

static const hde_operator escape = {
    .size = sizeof escape,
    .name = "faulty/escape",
    .summary = "tries what it must not do",
    .inputs = in1,
    .outputs = out1,
    .params = escape_params,
    .state_size = sizeof(struct escape),
    .batch = escape_batch,
};

/* ---- faulty/write -------------------------------------------------------------------------- */

struct write {
    hde_path path;
    FILE *file;
};

static const hde_param write_params[] = {
    HDE_PARAM(struct write, path, .help = "file that is written"),
    {0},
};

static hde_status
write_open(hde_ctx *ctx, void *state)
{
    struct write *self = state;

    self->file = fopen(self->path.path, "we");
    return self->file ? HDE_OK : hde_fail(ctx, "write.open", "%s", strerror(errno));
}

static hde_status
write_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct write *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const Hde__Sample *in = (const Hde__Sample *)batch->msg[batch->done]->body;

        fprintf(self->file, "%llu %g %lld\n", (unsigned long long)in->sequence, in->value,
                (long long)batch->msg[batch->done]->event_ns);
    }
    return HDE_OK;
}

static void
write_close(hde_ctx *ctx, void *state)
{
    struct write *self = state;

    if (self->file)
        fclose(self->file);
}

static const hde_operator write_op = {
    .size = sizeof write_op,
    .name = "faulty/write",
    .summary = "samples as lines",
    .inputs = in1,
    .params = write_params,
    .state_size = sizeof(struct write),
    .open = write_open,
    .batch = write_batch,
    .close = write_close,
};

/* ---- faulty/store -------------------------------------------------------------------------- */

struct store {
    hde_path path;
    hde_list at;
    char text[1 << 22]; /* lines of ticks that are not flushed */
    size_t len;
    uint64_t mark;
};

static const hde_param store_params[] = {
    HDE_PARAM(struct store, path, .help = "file that is appended to"),
    HDE_PARAM(struct store, at, .fallback = "", .help = "sequences that kill it"),
    {0},
};

/* The last line that begins with "tick" tells what is there. */
static hde_status
store_open(hde_ctx *ctx, void *state)
{
    struct store *self = state;
    FILE *file = fopen(self->path.path, "re");
    unsigned long long tick;
    char line[100];

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "tick %llu", &tick) == 1)
            self->mark = tick;
    if (file)
        fclose(file);
    return HDE_OK;
}

static hde_status
store_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct store *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const Hde__Sample *in = (const Hde__Sample *)batch->msg[batch->done]->body;

        if (is_listed(&self->at, in->sequence))
            abort();
        if (self->len > sizeof self->text - 100)
            return hde_fail(ctx, "store.full", "%zu bytes", self->len);
        self->len += (size_t)snprintf(self->text + self->len, 100, "%llu %.17g\n",
                                      (unsigned long long)in->sequence, in->value);
    }
    return HDE_OK;
}

static hde_status
store_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct store *self = state;
    FILE *file = fopen(self->path.path, "ae");

    if (!file)
        return hde_fail(ctx, "store.open", "%s", strerror(errno));
    fprintf(file, "%.*stick %llu\n", (int)self->len, self->text, (unsigned long long)tick);
    fclose(file);
    self->len = 0;
    self->mark = tick;
    return HDE_OK;
}

static hde_status
store_mark(hde_ctx *ctx, void *state, uint64_t *tick)
{
    *tick = ((struct store *)state)->mark;
    return HDE_OK;
}

static const hde_operator store = {
    .size = sizeof store,
    .name = "faulty/store",
    .summary = "a sink with a mark that dies of what it is told",
    .inputs = in1,
    .params = store_params,
    .state_size = sizeof(struct store),
    .open = store_open,
    .batch = store_batch,
    .flush = store_flush,
    .mark = store_mark,
};

HDE_PLUGIN(&feed, &sum, &escape, &write_op, &store);
