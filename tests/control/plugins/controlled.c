/* SPDX-License-Identifier: Apache-2.0
 * controlled - operators for the tests of the command line: a source that ticks, a sink that does
 * what it is told, and a source of a live service. */
#include <hde/operator.h>
#include <hde/schemas/runtime.pb-c.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const hde_port samples_in[] = {{"in", HDE_TYPES(&hde__sample__descriptor), 0, "any samples"},
                                      {0}};
static const hde_port samples_out[] = {{"out", HDE_TYPES(&hde__sample__descriptor), 0, "samples"},
                                       {0}};

/* ---- control/source ----------------------------------------------------------------------- */

struct source {
    hde_duration every;
    int64_t count, burst;
    int64_t sent;
    bool waiting;
};

static const hde_param source_params[] = {
    HDE_PARAM(struct source, every, .fallback = "1ms", .min = 0, .max = 3600,
              .help = "time between two ticks; 0s: none"),
    HDE_PARAM(struct source, count, .fallback = "0", .min = 0, .max = 1e12,
              .help = "samples until the end; 0: no end"),
    HDE_PARAM(struct source, burst, .fallback = "1", .min = 1, .max = 1000,
              .help = "samples of a tick"),
    {0},
};

static hde_status
source_poll(hde_ctx *ctx, void *state)
{
    struct source *self = state;

    if (self->waiting)
        return HDE_IDLE;
    for (int64_t i = 0; i < self->burst; i++) {
        hde_msg *msg;
        Hde__Sample *sample;

        if (self->count && self->sent == self->count)
            return HDE_END;
        msg = hde_msg_new(ctx, &hde__sample__descriptor);
        sample = (Hde__Sample *)msg->body;
        msg->event_ns = hde_now_ns(ctx);
        sample->key = hde_msg_text(msg, "key");
        sample->has_sequence = true;
        sample->sequence = (uint64_t)++self->sent;
        hde_emit(ctx, 0, msg);
    }
    if (self->every.ns) {
        self->waiting = true;
        hde_timer_after(ctx, 1, self->every.ns);
    }
    return HDE_OK;
}

static hde_status
source_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    struct source *self = state;

    self->waiting = false;
    return HDE_OK;
}

static const hde_operator source = {
    .size = sizeof source,
    .name = "control/source",
    .summary = "samples at a steady pace",
    .outputs = samples_out,
    .params = source_params,
    .state_size = sizeof(struct source),
    .poll = source_poll,
    .timer = source_timer,
};

/* ---- control/sink ------------------------------------------------------------------------- */

struct sink {
    const char *mode;
    hde_path gate;
    int64_t at, seen;
    hde_counter *counter;
};

static const hde_param sink_params[] = {
    HDE_PARAM(struct sink, mode, .fallback = "count", .choices = "count|reject|fail|hang",
              .help = "what to do with sample `at`; with all others: count"),
    HDE_PARAM(struct sink, at, .fallback = "0", .min = 0, .max = 1e12,
              .help = "number of a sample, from 1; 0: none"),
    HDE_PARAM(struct sink, gate, .fallback = "",
              .help = "hang: until this named pipe has a writer"),
    {0},
};

static hde_status
sink_open(hde_ctx *ctx, void *state)
{
    struct sink *self = state;

    self->counter = hde_counter_open(ctx, "seen", "samples so far");
    hde_log(ctx, HDE_DEBUG, "sink.open", "mode %s", self->mode);
    return HDE_OK;
}

static void
hang(const struct sink *self)
{
    int fd = open(self->gate.path, O_RDONLY | O_CLOEXEC); /* until somebody opens the other end */

    if (fd >= 0)
        close(fd);
}

static hde_status
sink_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct sink *self = state;

    for (; batch->done < batch->n; batch->done++) {
        hde_count(self->counter, 1);
        hde_log(ctx, HDE_DEBUG, "sink.sample", "sample %lld", (long long)self->seen + 1);
        if (++self->seen != self->at)
            continue;
        if (strcmp(self->mode, "reject") == 0)
            return hde_reject(ctx, "sink.refused", "as it was told");
        if (strcmp(self->mode, "fail") == 0)
            return hde_fail(ctx, "sink.broken", "as it was told");
        if (strcmp(self->mode, "hang") == 0)
            hang(self);
    }
    return HDE_OK;
}

static const hde_operator sink = {
    .size = sizeof sink,
    .name = "control/sink",
    .summary = "counts samples, or does what it is told",
    .inputs = samples_in,
    .params = sink_params,
    .state_size = sizeof(struct sink),
    .open = sink_open,
    .batch = sink_batch,
};

/* ---- control/live ------------------------------------------------------------------------- */

static hde_status
live_poll(hde_ctx *ctx, void *state)
{
    return HDE_IDLE;
}

static const hde_operator live = {
    .size = sizeof live,
    .flags = HDE_LIVE_ONLY,
    .name = "control/live",
    .summary = "a source that replay refuses",
    .outputs = samples_out,
    .poll = live_poll,
};

HDE_PLUGIN(&source, &sink, &live);
