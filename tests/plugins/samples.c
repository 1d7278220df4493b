/* SPDX-License-Identifier: Apache-2.0
 * samples - a source, a filter, a join and a sink of hde.Sample, for tests of whole graphs.
 *
 * Everything that the source sends follows from its parameters, so results can be compared byte by
 * byte: sample n (from 1) has key "k0".."kN", value n and event time start + n * step. */
#include <hde/operator.h>
#include <hde/schemas/runtime.pb-c.h>
#include <hde/text.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- source --------------------------------------------------------------------------------- */

struct source {
    int64_t count, batch, keys, start;
    hde_duration interval, step;
    uint64_t sent;
    bool asleep; /* until the timer */
};

static hde_status
source_poll(hde_ctx *ctx, void *state)
{
    struct source *self = state;

    if (self->count && self->sent == (uint64_t)self->count)
        return HDE_END;
    if (self->asleep)
        return HDE_IDLE;
    for (int64_t i = 0; i < self->batch; i++) {
        hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
        Hde__Sample *sample = (Hde__Sample *)msg->body;
        char key[32];

        self->sent++;
        snprintf(key, sizeof key, "k%" PRIu64, (self->sent - 1) % (uint64_t)self->keys);
        msg->event_ns = self->start * INT64_C(1000000000) + (int64_t)self->sent * self->step.ns;
        sample->key = hde_msg_text(msg, key);
        sample->has_event_ns = sample->has_value = sample->has_sequence = true;
        sample->event_ns = msg->event_ns;
        sample->value = (double)self->sent;
        sample->sequence = self->sent;
        hde_emit(ctx, 0, msg);
        if (self->count && self->sent == (uint64_t)self->count)
            return HDE_END;
    }
    if (self->interval.ns) {
        self->asleep = true;
        hde_timer_after(ctx, 0, self->interval.ns);
        return HDE_IDLE;
    }
    return HDE_OK;
}

static hde_status
source_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    struct source *self = state;

    self->asleep = false;
    return HDE_OK;
}

static const hde_param source_params[] = {
    HDE_PARAM(struct source, count, .fallback = "0", .min = 0, .max = 1e12,
              .help = "samples in all; 0: no end"),
    HDE_PARAM(struct source, batch, .fallback = "1", .min = 1, .max = 65536,
              .help = "samples a tick"),
    HDE_PARAM(struct source, keys, .fallback = "1", .min = 1, .max = 1e6, .help = "different keys"),
    HDE_PARAM(struct source, interval, .fallback = "0", .min = 0, .max = 3600,
              .help = "pause between ticks"),
    HDE_PARAM(struct source, step, .fallback = "1ms", .min = 0, .max = 86400,
              .help = "event time between samples"),
    HDE_PARAM(struct source, start, .fallback = "1600000000", .min = 0, .max = 4e9, .unit = "s",
              .help = "event time before the first, since 1970"),
    {0},
};

/* ---- filter --------------------------------------------------------------------------------- */

struct filter {
    double factor;
    int64_t drop, reject, retry, fail;
    uint64_t seen, tries;
};

static bool
every(int64_t n, uint64_t seen)
{
    return n > 0 && seen % (uint64_t)n == 0;
}

static hde_status
filter_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct filter *self = state;

    for (; batch->done < batch->n; batch->done++, self->tries = 0) {
        uint64_t seen = self->seen + 1;
        hde_msg *msg;
        Hde__Sample *sample;

        if (every(self->retry, seen) && self->tries++ == 0)
            return hde_retry(ctx, "test.retry", "sample %" PRIu64 " the first time", seen);
        self->seen = seen;
        if (every(self->reject, seen))
            return hde_reject(ctx, "test.reject", "sample %" PRIu64, seen);
        if (every(self->fail, seen))
            return hde_fail(ctx, "test.fail", "sample %" PRIu64, seen);
        if (every(self->drop, seen))
            continue;
        msg = hde_msg_writable(ctx, hde_take(batch, batch->done));
        sample = (Hde__Sample *)msg->body;
        sample->value *= self->factor;
        hde_emit(ctx, 0, msg);
    }
    return HDE_OK;
}

static const hde_param filter_params[] = {
    HDE_PARAM(struct filter, factor, .fallback = "1", .flags = HDE_PARAM_LIVE,
              .help = "values are multiplied by it"),
    HDE_PARAM(struct filter, drop, .fallback = "0", .min = 0, .max = 1e9,
              .help = "leave out every n-th sample; 0: none"),
    HDE_PARAM(struct filter, reject, .fallback = "0", .min = 0, .max = 1e9,
              .help = "reject every n-th sample; 0: none"),
    HDE_PARAM(struct filter, retry, .fallback = "0", .min = 0, .max = 1e9,
              .help = "ask once for every n-th sample again; 0: none"),
    HDE_PARAM(struct filter, fail, .fallback = "0", .min = 0, .max = 1e9,
              .help = "fail at every n-th sample; 0: never"),
    {0},
};

/* ---- join: what comes from either side, in the order of the runtime -------------------------- */

static hde_status
join_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    for (; batch->done < batch->n; batch->done++)
        hde_emit(ctx, 0, hde_take(batch, batch->done));
    return HDE_OK;
}

/* ---- sink ----------------------------------------------------------------------------------- */

struct sink {
    hde_path path;
    FILE *file;
    hde_text line;
    hde_counter *samples;
};

static hde_status
sink_open(hde_ctx *ctx, void *state)
{
    struct sink *self = state;

    self->samples = hde_counter_open(ctx, "samples", "samples that arrived");
    if (!self->path.path)
        return HDE_OK;
    self->file = fopen(self->path.path, "w");
    return self->file ? HDE_OK : hde_fail(ctx, "test.open", "cannot write %s", self->path.path);
}

static hde_status
sink_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct sink *self = state;

    for (; batch->done < batch->n; batch->done++) {
        hde_count(self->samples, 1);
        if (!self->file)
            continue;
        hde_text_clear(&self->line);
        hde_text_printf(&self->line, "%" PRIu64 " ", batch->tick);
        hde_json_message(&self->line, batch->msg[batch->done]->body, HDE_JSON_FIELDS);
        hde_text_puts(&self->line, "\n");
        fwrite(self->line.data, 1, self->line.len, self->file);
    }
    return HDE_OK;
}

static hde_status
sink_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct sink *self = state;

    return !self->file || fflush(self->file) == 0
               ? HDE_OK
               : hde_retry(ctx, "test.write", "cannot write %s", self->path.path);
}

static void
sink_close(hde_ctx *ctx, void *state)
{
    struct sink *self = state;

    if (self->file)
        fclose(self->file);
    hde_text_free(&self->line);
}

static const hde_param sink_params[] = {
    HDE_PARAM(struct sink, path, .fallback = "", .help = "a line each: tick, sample as JSON"),
    {0},
};

/* ---- tables --------------------------------------------------------------------------------- */

static const hde_port in[] = {{.name = "in", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};
static const hde_port out[] = {{.name = "out", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};
static const hde_port sides[] = {
    {.name = "left", .types = HDE_TYPES(&hde__sample__descriptor)},
    {.name = "right", .types = HDE_TYPES(&hde__sample__descriptor)},
    {0},
};

static const hde_operator source = {
    .size = sizeof(hde_operator),
    .name = "test/source",
    .summary = "samples that follow from its parameters",
    .outputs = out,
    .params = source_params,
    .state_size = sizeof(struct source),
    .poll = source_poll,
    .timer = source_timer,
};

static const hde_operator filter = {
    .size = sizeof(hde_operator),
    .name = "test/filter",
    .summary = "changes, leaves out, rejects, retries or fails",
    .inputs = in,
    .outputs = out,
    .params = filter_params,
    .state_size = sizeof(struct filter),
    .batch = filter_batch,
};

static const hde_operator join = {
    .size = sizeof(hde_operator),
    .name = "test/join",
    .summary = "what comes from either side",
    .inputs = sides,
    .outputs = out,
    .batch = join_batch,
};

static const hde_operator sink = {
    .size = sizeof(hde_operator),
    .name = "test/sink",
    .summary = "counts samples, and writes them to a file",
    .inputs = in,
    .params = sink_params,
    .state_size = sizeof(struct sink),
    .open = sink_open,
    .batch = sink_batch,
    .flush = sink_flush,
    .close = sink_close,
};

HDE_PLUGIN(&source, &filter, &join, &sink);
