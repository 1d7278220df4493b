/* SPDX-License-Identifier: Apache-2.0
 * ops - the operators of `hde bench edges`: a source of ready-made messages, light work on
 * columns or rows, and a sink that times what arrives. */
#include "work.h"

#include <hde/operator.h>
#include <hde/schemas/bench.pb-c.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { READY = BENCH_READY }; /* messages that the sources go round */

static uint64_t
clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- a race: slices of ticks of the graph, and of a hand-written loop in between ---- */

enum { SLICE = 1024, SLICES_MAX = 16384 };

struct side {
    hde_counter *median, *tenth; /* ps a chain */
    uint32_t n;
    uint32_t ns[SLICES_MAX]; /* of a slice */
};

struct race {
    hde_counter *slices;
    uint64_t begin_ns; /* of the graph's slice; 0: none has begun */
    struct side graph, loop;
};

/* Neither side has it inline: where the compiler lays its loop decides more than a hop does. */
static void __attribute__((noinline, aligned(64)))
light(const Hde__BenchChain *chain, int64_t column, double *out)
{
    bench_work(bench_column(chain->calls, column), bench_column(chain->puts, column),
               chain->n_strike, out);
}

/* As a function that comes from elsewhere: the compiler sees neither it nor its work. */
static void (*volatile const light_fn)(const Hde__BenchChain *, int64_t, double *) = light;

/* The eight functions on the same messages, one chain after the other. */
static void
run_loop(hde_msg *const *ready, uint64_t next)
{
    static double mix[BENCH_OPS][BENCH_STRIKES];

    for (int i = 0; i < SLICE; i++) {
        const Hde__BenchChain *chain = (const Hde__BenchChain *)ready[next++ % READY]->body;

        for (int op = 0; op < BENCH_OPS; op++)
            light_fn(chain, op, mix[op]);
    }
    __asm__ volatile("" : : "g"(mix) : "memory");
}

static void
race_open(hde_ctx *ctx, struct race *race)
{
    race->slices = hde_counter_open(ctx, "slices", "slices of 1,024 chains on either side");
    race->graph.median = hde_counter_open(ctx, "graph_median_ps", "of a chain through the graph");
    race->graph.tenth = hde_counter_open(ctx, "graph_tenth_ps", "10th percentile of the same");
    race->loop.median = hde_counter_open(ctx, "loop_median_ps", "of a chain through the loop");
    race->loop.tenth = hde_counter_open(ctx, "loop_tenth_ps", "10th percentile of the same");
}

static void
note(struct side *side, uint64_t ns)
{
    if (side->n < SLICES_MAX)
        side->ns[side->n++] = (uint32_t)ns;
}

/* Between two slices of the graph, in its place and on its thread. */
static void
race_on(struct race *race, hde_msg *const *ready, uint64_t next)
{
    uint64_t ns = clock_ns();

    if (race->begin_ns)
        note(&race->graph, ns - race->begin_ns);
    run_loop(ready, next);
    race->begin_ns = clock_ns();
    note(&race->loop, race->begin_ns - ns);
}

static int
by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void
tell(struct side *side)
{
    qsort(side->ns, side->n, sizeof *side->ns, by_value);
    hde_count(side->median, (uint64_t)side->ns[side->n / 2] * 1000 / SLICE);
    hde_count(side->tenth, (uint64_t)side->ns[side->n / 10] * 1000 / SLICE);
}

static void
race_end(struct race *race)
{
    if (!race->graph.n)
        return;
    hde_count(race->slices, race->graph.n);
    tell(&race->graph);
    tell(&race->loop);
}

/* ---- source: `ticks` ticks of `per_tick` messages ---- */

struct source {
    int64_t ticks, per_tick;
    const char *shape;
    bool race;
    hde_msg *ready[READY];
    int64_t sent;
    uint64_t next;
    struct race against;
};

static hde_msg *
new_chain(hde_ctx *ctx)
{
    hde_msg *msg = hde_msg_new(ctx, &hde__bench_chain__descriptor);

    bench_fill(msg);
    return msg;
}

static void
fill_leg(Hde__BenchLeg *leg, double x)
{
    leg->has_last = leg->has_bid = leg->has_ask = leg->has_oi = leg->has_oi_change = 1;
    leg->has_volume = leg->has_iv = leg->has_delta = leg->has_gamma = leg->has_theta = 1;
    leg->has_vega = leg->has_price = 1;
    leg->last = leg->bid = leg->ask = leg->oi = leg->oi_change = leg->volume = x;
    leg->iv = leg->delta = leg->gamma = leg->theta = leg->vega = leg->price = x / 3;
}

static hde_msg *
new_rows(hde_ctx *ctx)
{
    hde_msg *msg = hde_msg_new(ctx, &hde__bench_rows__descriptor);
    Hde__BenchRows *rows = (Hde__BenchRows *)msg->body;

    rows->underlying = hde_msg_text(msg, "NIFTY");
    rows->n_rows = BENCH_STRIKES;
    rows->rows = hde_msg_alloc(msg, BENCH_STRIKES * sizeof *rows->rows);
    for (size_t k = 0; k < BENCH_STRIKES; k++) {
        rows->rows[k] = NULL;
        Hde__BenchRow *row = hde_msg_edit(msg, &rows->rows[k], &hde__bench_row__descriptor);

        row->has_strike = 1;
        row->strike = 20000 + 50 * (double)k;
        fill_leg(hde_msg_edit(msg, &row->call, &hde__bench_leg__descriptor), 100 + (double)k);
        fill_leg(hde_msg_edit(msg, &row->put, &hde__bench_leg__descriptor), 200 + (double)k);
    }
    return msg;
}

static hde_status
source_open(hde_ctx *ctx, void *state)
{
    struct source *self = state;

    for (int i = 0; i < READY; i++) {
        if (strcmp(self->shape, "chain") == 0)
            self->ready[i] = new_chain(ctx);
        else if (strcmp(self->shape, "rows") == 0)
            self->ready[i] = new_rows(ctx);
        else
            self->ready[i] = hde_msg_new(ctx, &hde__bench_tick__descriptor);
    }
    if (self->race)
        race_open(ctx, &self->against);
    return HDE_OK;
}

static hde_status
source_poll(hde_ctx *ctx, void *state)
{
    struct source *self = state;
    unsigned port = self->shape[0] == 'c' ? 0 : self->shape[0] == 'r' ? 1 : 2;

    if (self->race && self->sent % SLICE == 0)
        race_on(&self->against, self->ready, self->next);
    if (self->sent == self->ticks) {
        race_end(&self->against);
        return HDE_END;
    }
    for (int64_t i = 0; i < self->per_tick; i++)
        hde_forward(ctx, port, self->ready[self->next++ % READY]);
    self->sent++;
    return HDE_OK;
}

static void
source_close(hde_ctx *ctx, void *state)
{
    struct source *self = state;

    for (int i = 0; i < READY; i++)
        hde_msg_drop(self->ready[i]);
}

static const hde_port source_outputs[] = {
    {"chains", HDE_TYPES(&hde__bench_chain__descriptor), .help = "columns"},
    {"rows", HDE_TYPES(&hde__bench_rows__descriptor), .help = "row sub-messages"},
    {"ticks", HDE_TYPES(&hde__bench_tick__descriptor), .help = "small messages"},
    {0},
};
static const hde_param source_params[] = {
    HDE_PARAM(struct source, ticks, .fallback = "100000", .min = 1, .max = 1e12,
              .help = "ticks to send"),
    HDE_PARAM(struct source, per_tick, .fallback = "1", .unit = "messages", .min = 1, .max = 4096,
              .help = "messages a tick"),
    HDE_PARAM(struct source, shape, .fallback = "chain", .choices = "chain|rows|tick",
              .help = "what to send"),
    HDE_PARAM(struct source, race, .fallback = "false",
              .help = "every 1,024 chains run as many through a loop that is written by hand"),
    {0},
};
static const hde_operator source_op = {
    .size = sizeof source_op,
    .name = "bench/source",
    .summary = "sends ready-made messages as fast as they are taken",
    .outputs = source_outputs,
    .params = source_params,
    .state_size = sizeof(struct source),
    .open = source_open,
    .poll = source_poll,
    .close = source_close,
};

/* ---- light work on columns ---- */

struct light {
    int64_t column;
    double sum, mix[BENCH_STRIKES];
};

static hde_msg *
light_each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    struct light *self = state;

    light((const Hde__BenchChain *)taken->body, self->column, self->mix);
    return taken;
}

static const hde_port chain_in[] = {{"in", HDE_TYPES(&hde__bench_chain__descriptor)}, {0}};
static const hde_port chain_out[] = {{"out", HDE_TYPES(&hde__bench_chain__descriptor)}, {0}};
static const hde_param light_params[] = {
    HDE_PARAM(struct light, column, .fallback = "0", .min = 0, .max = 11, .help = "column to read"),
    {0},
};
static const hde_operator light_op = {
    .size = sizeof light_op,
    .name = "bench/light",
    .summary = "one pass over one column of either side",
    .inputs = chain_in,
    .outputs = chain_out,
    .params = light_params,
    .state_size = sizeof(struct light),
    .batch = hde_each,
    .each = light_each,
};

/* ---- the same on rows ---- */

static hde_status
rows_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct light *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const Hde__BenchRows *chain = (const Hde__BenchRows *)batch->msg[batch->done]->body;
        double sum = 0;

        for (size_t k = 0; k < chain->n_rows; k++)
            sum += chain->rows[k]->call->last * .999 + chain->rows[k]->put->last * .001;
        self->sum += sum;
        hde_emit(ctx, 0, hde_take(batch, batch->done));
    }
    return HDE_OK;
}

static const hde_port rows_in[] = {{"in", HDE_TYPES(&hde__bench_rows__descriptor)}, {0}};
static const hde_port rows_out[] = {{"out", HDE_TYPES(&hde__bench_rows__descriptor)}, {0}};
static const hde_operator rows_op = {
    .size = sizeof rows_op,
    .name = "bench/rows",
    .summary = "one pass over one field of all rows",
    .inputs = rows_in,
    .outputs = rows_out,
    .params = light_params,
    .state_size = sizeof(struct light),
    .batch = rows_batch,
};

/* ---- pass: hands on what comes ---- */

static hde_status
pass_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    for (; batch->done < batch->n; batch->done++)
        hde_emit(ctx, 0, hde_take(batch, batch->done));
    return HDE_OK;
}

static const hde_port tick_in[] = {{"in", HDE_TYPES(&hde__bench_tick__descriptor)}, {0}};
static const hde_port tick_out[] = {{"out", HDE_TYPES(&hde__bench_tick__descriptor)}, {0}};
static const hde_operator pass_op = {
    .size = sizeof pass_op,
    .name = "bench/pass",
    .summary = "hands on what comes",
    .inputs = tick_in,
    .outputs = tick_out,
    .batch = pass_batch,
};

/* ---- sink: times the messages between `skip` and `until` ---- */

struct sink {
    int64_t skip, until;
    int64_t seen;
    uint64_t first_ns;
    hde_counter *timed, *elapsed;
};

static hde_status
sink_open(hde_ctx *ctx, void *state)
{
    struct sink *self = state;

    self->timed = hde_counter_open(ctx, "timed_messages", "messages between skip and until");
    self->elapsed = hde_counter_open(ctx, "timed_ns", "monotonic time that they took");
    return HDE_OK;
}

static hde_status
sink_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct sink *self = state;

    self->seen += batch->n;
    batch->done = batch->n;
    if (self->first_ns == 0 && self->seen >= self->skip) {
        self->first_ns = clock_ns();
        self->skip = self->seen;
    } else if (self->until > 0 && self->seen >= self->until) {
        hde_count(self->elapsed, clock_ns() - self->first_ns);
        hde_count(self->timed, (uint64_t)(self->seen - self->skip));
        self->until = 0;
    }
    return HDE_OK;
}

static const hde_port sink_in[] = {
    {"in", HDE_TYPES(&hde__bench_chain__descriptor, &hde__bench_rows__descriptor,
                     &hde__bench_tick__descriptor)},
    {0},
};
static const hde_param sink_params[] = {
    HDE_PARAM(struct sink, skip, .fallback = "1", .unit = "messages", .min = 1, .max = 1e15,
              .help = "the clock starts when so many have come"),
    HDE_PARAM(struct sink, until, .fallback = "0", .unit = "messages", .min = 0, .max = 1e15,
              .help = "the clock stops when so many have come; 0: never"),
    {0},
};
static const hde_operator sink_op = {
    .size = sizeof sink_op,
    .name = "bench/sink",
    .summary = "times what arrives",
    .inputs = sink_in,
    .params = sink_params,
    .state_size = sizeof(struct sink),
    .open = sink_open,
    .batch = sink_batch,
};

HDE_PLUGIN(&source_op, &light_op, &rows_op, &pass_op, &sink_op);
