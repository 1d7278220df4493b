/* SPDX-License-Identifier: Apache-2.0
 * late - operators of `hde bench guarantees`: a sink that measures how late its messages are, and
 * an operator with as much state as is asked for. */
#include <hde/operator.h>
#include <hde/schemas/analytics.pb-c.h>
#include <hde/schemas/market.pb-c.h>
#include <hde/schemas/runtime.pb-c.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- late: from the moment when an entry got its tick to its commit ---- */

enum { BUCKETS = 10000, BUCKET_NS = 10000 }; /* up to 100 ms */

struct late {
    const char *path;
    int64_t waiting_ns[4096]; /* of the ticks since the last commit */
    uint32_t n;
    uint64_t count[BUCKETS], total;
};

static hde_status
late_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct late *self = state;

    batch->done = batch->n;
    if (self->n < sizeof self->waiting_ns / sizeof *self->waiting_ns)
        self->waiting_ns[self->n++] = batch->now_ns;
    return HDE_OK;
}

static hde_status
late_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct late *self = state;
    int64_t now = now_ns();

    for (uint32_t i = 0; i < self->n; i++) {
        int64_t bucket = (now - self->waiting_ns[i]) / BUCKET_NS;

        self->count[bucket < 0 ? 0 : bucket < BUCKETS ? bucket : BUCKETS - 1]++;
        self->total++;
    }
    self->n = 0;
    return HDE_OK;
}

static hde_status
late_mark(hde_ctx *ctx, void *state, uint64_t *tick)
{
    *tick = 0;
    return HDE_OK;
}

static double
quantile_us(const struct late *self, double q)
{
    uint64_t seen = 0, wanted = (uint64_t)((double)self->total * q);
    int i = 0;

    while (i < BUCKETS - 1 && (seen += self->count[i]) <= wanted)
        i++;
    return (i + 0.5) * BUCKET_NS / 1e3;
}

static void
late_close(hde_ctx *ctx, void *state)
{
    const struct late *self = state;
    FILE *file = self->path ? fopen(self->path, "w") : NULL;

    if (!file)
        return;
    fprintf(file, "%llu %.1f %.1f\n", (unsigned long long)self->total, quantile_us(self, 0.5),
            quantile_us(self, 0.99));
    fclose(file);
}

static const hde_port late_in[] = {
    {"in", HDE_TYPES(&hde__enriched_chain__descriptor, &hde__cumulative_oi__descriptor,
                     &hde__velocity__descriptor, &hde__buildup__descriptor,
                     &hde__zones__descriptor)},
    {0},
};
static const hde_param late_params[] = {
    HDE_PARAM(struct late, path, .fallback = "", .help = "where to write: messages, p50, p99 in us"),
    {0},
};
static const hde_operator late_op = {
    .size = sizeof late_op,
    .name = "bench/late",
    .summary = "a sink with a mark that measures how late its ticks are committed",
    .inputs = late_in,
    .params = late_params,
    .state_size = sizeof(struct late),
    .batch = late_batch,
    .flush = late_flush,
    .mark = late_mark,
    .close = late_close,
};

/* ---- weighty: state of a size, for hand-overs and epochs ---- */

struct weighty {
    hde_size state;
    uint8_t *bytes;
};

static hde_status
weighty_open(hde_ctx *ctx, void *state)
{
    struct weighty *self = state;

    self->bytes = calloc(1, (size_t)self->state.bytes);
    return self->bytes ? HDE_OK : hde_fail(ctx, "weighty.memory", "no memory");
}

static hde_status
weighty_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct weighty *self = state;

    for (; batch->done < batch->n; batch->done++) {
        self->bytes[batch->tick % (uint64_t)self->state.bytes]++;
        hde_emit(ctx, 0, hde_take(batch, batch->done));
    }
    return HDE_OK;
}

static hde_status
weighty_save(hde_ctx *ctx, const void *state, hde_msg *out)
{
    const struct weighty *self = state;
    Hde__Sample *sample = (Hde__Sample *)out->body;

    sample->has_data = true;
    sample->data.len = (size_t)self->state.bytes;
    sample->data.data = hde_msg_alloc(out, sample->data.len);
    memcpy(sample->data.data, self->bytes, sample->data.len);
    return HDE_OK;
}

static hde_status
weighty_load(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema)
{
    struct weighty *self = state;
    const Hde__Sample *sample = (const Hde__Sample *)saved;

    if (sample->data.len != (size_t)self->state.bytes)
        return hde_fail(ctx, "weighty.size", "%zu bytes of state", sample->data.len);
    memcpy(self->bytes, sample->data.data, sample->data.len);
    return HDE_OK;
}

static void
weighty_close(hde_ctx *ctx, void *state)
{
    free(((struct weighty *)state)->bytes);
}

static const hde_port chain_in[] = {{"in", HDE_TYPES(&hde__enriched_chain__descriptor)}, {0}};
static const hde_port chain_out[] = {{"out", HDE_TYPES(&hde__enriched_chain__descriptor)}, {0}};
static const hde_param weighty_params[] = {
    HDE_PARAM(struct weighty, state, .fallback = "64KiB", .min = 1, .max = 1 << 30,
              .help = "bytes of state"),
    {0},
};
static const hde_operator weighty_op = {
    .size = sizeof weighty_op,
    .name = "bench/weighty",
    .summary = "hands on what comes and has state of a size",
    .inputs = chain_in,
    .outputs = chain_out,
    .params = weighty_params,
    .state_size = sizeof(struct weighty),
    .open = weighty_open,
    .batch = weighty_batch,
    .state_type = &hde__sample__descriptor,
    .state_schema = 1,
    .save = weighty_save,
    .load = weighty_load,
    .close = weighty_close,
};

HDE_PLUGIN(&late_op, &weighty_op);
