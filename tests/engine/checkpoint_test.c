/* SPDX-License-Identifier: Apache-2.0
 * checkpoint_test - a graph that is cut off at any moment goes on as if nothing had happened. */
#include "base/arena.h"
#include "engine/engine.h"
#include "folder.h"
#include "plan.h"
#include "seglog/seglog.h"

#include <hde/operator.h>
#include <hde/schemas/runtime.pb-c.h>
#include <hde/text.h>

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 100000, COUNT = 20000 };

/* ---- A source that can go back: sequence numbers from 0, one a call ---- */

static const hde_port out1[] = {{.name = "out", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};
static const hde_port in1[] = {{.name = "in", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};
static const hde_port in2[] = {
    {.name = "a", .types = HDE_TYPES(&hde__sample__descriptor)},
    {.name = "b", .types = HDE_TYPES(&hde__sample__descriptor), .flags = HDE_PORT_OPTIONAL},
    {0}};

struct steps {
    int64_t count, step_ns, at;
    bool forgets;  /* seek() refuses */
    int64_t other; /* messages from there on have other values; 0: none */
    int64_t idles; /* from there on nothing comes; 0: all does */
};

static hde_status
steps_poll(hde_ctx *ctx, void *state)
{
    struct steps *self = state;
    hde_msg *msg;
    Hde__Sample *sample;

    if (self->idles && self->at >= self->idles)
        return HDE_IDLE;
    if (self->at >= self->count)
        return HDE_END;
    msg = hde_msg_new(ctx, &hde__sample__descriptor);
    sample = (Hde__Sample *)msg->body;
    msg->event_ns = self->at * self->step_ns;
    sample->has_sequence = sample->has_value = true;
    sample->sequence = (uint64_t)self->at;
    sample->value = (double)self->at + (self->other && self->at >= self->other);
    self->at++;
    hde_position(ctx, 0, &self->at, sizeof self->at);
    hde_emit(ctx, 0, msg);
    return HDE_OK;
}

static hde_status
steps_seek(hde_ctx *ctx, void *state, uint32_t partition, const void *bytes, size_t size)
{
    struct steps *self = state;

    if (self->forgets || partition != 0 || size != sizeof self->at)
        return HDE_FAIL;
    memcpy(&self->at, bytes, size);
    return HDE_OK;
}

static const hde_operator op_steps = {.size = sizeof(hde_operator),
                                      .name = "test/steps",
                                      .outputs = out1,
                                      .state_size = sizeof(struct steps),
                                      .poll = steps_poll,
                                      .seek = steps_seek};
static const hde_operator op_steps_blocking = {.size = sizeof(hde_operator),
                                               .flags = HDE_BLOCKING,
                                               .name = "test/steps_blocking",
                                               .outputs = out1,
                                               .state_size = sizeof(struct steps),
                                               .poll = steps_poll,
                                               .seek = steps_seek};

/* ---- State: a running sum, and every 100 ns of event time a message of its own ---- */

struct sum {
    double sum;
    int64_t seen;
};

static hde_status
sum_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct sum *self = state;

    for (; batch->done < batch->n; batch->done++) {
        hde_msg *msg = hde_msg_writable(ctx, hde_take(batch, batch->done));
        Hde__Sample *sample = (Hde__Sample *)msg->body;

        if (!self->seen++)
            hde_timer_at(ctx, 1, 100);
        sample->value = self->sum += sample->value;
        hde_emit(ctx, 0, msg);
    }
    return HDE_OK;
}

static hde_status
sum_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    struct sum *self = state;
    hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
    Hde__Sample *sample = (Hde__Sample *)msg->body;

    msg->event_ns = at_ns;
    sample->has_value = true;
    sample->value = -self->sum;
    hde_emit(ctx, 0, msg);
    if (at_ns < 2000)
        hde_timer_at(ctx, 1, at_ns + 100);
    return HDE_OK;
}

static hde_status
sum_save(hde_ctx *ctx, const void *state, hde_msg *out)
{
    const struct sum *self = state;
    Hde__Sample *sample = (Hde__Sample *)out->body;

    sample->has_value = sample->has_sequence = true;
    sample->value = self->sum;
    sample->sequence = (uint64_t)self->seen;
    return HDE_OK;
}

static hde_status
sum_load(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema)
{
    struct sum *self = state;
    const Hde__Sample *sample = (const Hde__Sample *)saved;

    if (schema != 3)
        return hde_fail(ctx, "sum.schema", "schema %u", schema);
    self->sum = sample->value;
    self->seen = (int64_t)sample->sequence;
    return HDE_OK;
}

static const hde_operator op_sum = {.size = sizeof(hde_operator),
                                    .name = "test/sum",
                                    .inputs = in1,
                                    .outputs = out1,
                                    .state_size = sizeof(struct sum),
                                    .batch = sum_batch,
                                    .timer = sum_timer,
                                    .state_type = &hde__sample__descriptor,
                                    .state_schema = 3,
                                    .save = sum_save,
                                    .load = sum_load};

/* ---- A store that outlives the engine: lines and the mark change together, in flush() ---- */

struct store {
    hde_text lines;
    uint64_t mark;
    _Atomic uint64_t n;
};

struct vault {
    struct store *store;
    hde_text waiting;
    uint64_t n;
};

static hde_status
vault_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct vault *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const Hde__Sample *sample = (const Hde__Sample *)batch->msg[batch->done]->body;

        hde_text_printf(&self->waiting, "%u %lld %.17g\n", batch->port,
                        sample->has_sequence ? (long long)sample->sequence : -1LL, sample->value);
        self->n++;
    }
    return HDE_OK;
}

static hde_status
vault_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct vault *self = state;

    if (!self->n)
        return HDE_OK;
    hde_text_put(&self->store->lines, self->waiting.data, self->waiting.len);
    self->store->mark = tick;
    atomic_fetch_add(&self->store->n, self->n);
    hde_text_clear(&self->waiting);
    self->n = 0;
    return HDE_OK;
}

static hde_status
vault_mark(hde_ctx *ctx, void *state, uint64_t *tick)
{
    *tick = ((struct vault *)state)->store->mark;
    return HDE_OK;
}

static void
vault_close(hde_ctx *ctx, void *state)
{
    hde_text_free(&((struct vault *)state)->waiting); /* what was not committed is lost */
}

static const hde_operator op_vault = {.size = sizeof(hde_operator),
                                      .flags = HDE_BLOCKING,
                                      .name = "test/vault",
                                      .inputs = in2,
                                      .state_size = sizeof(struct vault),
                                      .batch = vault_batch,
                                      .flush = vault_flush,
                                      .mark = vault_mark,
                                      .close = vault_close};

/* ---- The graph ---- */

static struct plan *
make_plan(struct store *store, int64_t count, int64_t every_ns)
{
    struct plan *plan = plan_new("kept");
    struct graph *graph;

    plan_node(plan, "s", &op_steps, &(struct steps){.count = count, .step_ns = 1});
    plan_node(plan, "y", &op_steps_blocking, &(struct steps){.count = count, .step_ns = 1});
    plan_node(plan, "sum_s", &op_sum, NULL);
    plan_node(plan, "sum_y", &op_sum, NULL)->boundary = true;
    plan_node(plan, "vault", &op_vault, &(struct vault){.store = store});
    plan_edge(plan, "s", 0, "sum_s", 0);
    plan_edge(plan, "y", 0, "sum_y", 0);
    plan_edge(plan, "sum_s", 0, "vault", 0);
    plan_edge(plan, "sum_y", 0, "vault", 1);
    graph = plan_graph(plan);
    graph->checkpoint = (struct checkpoint_policy){folder, every_ns, 5000000000, 3};
    return plan;
}

static bool keeps_payloads;

static struct engine_options
options_of(void)
{
    static char log[64];

    snprintf(log, sizeof log, "%s/log", folder);
    return (struct engine_options){
        .record = log, .checkpoint = true, .payloads = keeps_payloads, .workers = 2};
}

static bool
has_reached(const struct store *store, uint64_t n, struct engine *engine)
{
    return atomic_load(&((struct store *)(uintptr_t)store)->n) >= n || engine_wait(engine, 1);
}

/* Runs until so many lines are stored, then cuts it off; true: it came to its end. */
static bool
run_until(struct store *store, uint64_t n, int64_t every_ns)
{
    struct plan *plan = make_plan(store, COUNT, every_ns);
    struct engine_options options = options_of();
    struct err err = {0};
    struct engine *engine = engine_new(plan_graph(plan), &options, &err);
    struct timespec begin, now;
    bool ended;

    assert_string_equal(err.text, "");
    assert_non_null(engine);
    assert_true(engine_start(engine, &err));
    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (!has_reached(store, n, engine)) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        assert_true(now.tv_sec - begin.tv_sec < DEADLINE_MS / 1000);
    }
    ended = engine_state(engine) == ENGINE_ENDED;
    assert_int_not_equal(engine_state(engine), ENGINE_FAILED);
    engine_stop(engine);
    engine_free(engine);
    plan_free(plan);
    return ended;
}

/* Every line of each port once, in order, with the right sum. */
static void
assert_unbroken(const struct store *store, int64_t *next, int64_t *timers)
{
    double sum[2] = {0, 0};

    for (const char *line = store->lines.data; line && *line; line = strchr(line, '\n') + 1) {
        unsigned port;
        long long sequence;
        double value;

        assert_int_equal(sscanf(line, "%u %lld %lf", &port, &sequence, &value), 3);
        if (sequence < 0) {
            timers[port]++;
            assert_true(value == -sum[port]);
            continue;
        }
        assert_int_equal(sequence, next[port]++);
        assert_true(value == (sum[port] += (double)sequence));
    }
}

static void
assert_whole(const struct store *store, int64_t count)
{
    int64_t next[2] = {0, 0}, timers[2] = {0, 0};

    assert_unbroken(store, next, timers);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(next[i], count);
        assert_int_equal(timers[i], 20);
    }
}

static void
test_a_run_that_is_cut_off_loses_and_doubles_nothing(void **state)
{
    const char *given = getenv("HDE_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    struct store store = {{0}};
    int starts = 1;

    print_message("HDE_SEED=%u\n", seed);
    for (uint64_t n = 1; !run_until(&store, n, (int64_t)(1 + rand_r(&seed) % 20) * 1000000);
         n = atomic_load(&store.n) + 1 + (uint64_t)rand_r(&seed) % 3000)
        starts++;
    print_message("%d starts\n", starts);
    assert_true(starts > 5);
    assert_whole(&store, COUNT);
    /* started once more it has nothing to do */
    assert_true(run_until(&store, UINT64_MAX, 1000000));
    assert_whole(&store, COUNT);
    hde_text_free(&store.lines);
}

/* ---- A sink that lets go: it must get nothing twice, whatever is taken again ---- */

struct cast {
    uint8_t *times; /* that a sequence came, COUNT of them */
};

static hde_status
cast_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct cast *self = state;

    for (; batch->done < batch->n; batch->done++)
        self->times[((const Hde__Sample *)batch->msg[batch->done]->body)->sequence]++;
    return HDE_OK;
}

static const hde_operator op_cast = {.size = sizeof(hde_operator),
                                     .flags = HDE_BLOCKING | HDE_AT_MOST_ONCE,
                                     .name = "test/cast",
                                     .inputs = in1,
                                     .state_size = sizeof(struct cast),
                                     .batch = cast_batch};

static void
test_a_sink_that_lets_go_gets_nothing_twice(void **state)
{
    struct store store = {{0}};
    uint8_t *times = calloc(COUNT, 1);
    bool is_over = false;
    int starts = 0, came = 0;

    for (; !is_over; starts++) {
        uint64_t n = atomic_load(&store.n) + 300; /* at the next commit behind that */
        struct plan *plan = plan_new("casting");
        struct engine_options options = options_of();
        struct err err = {0};
        struct engine *engine;

        plan_node(plan, "s", &op_steps, &(struct steps){.count = COUNT, .step_ns = 1});
        plan_node(plan, "cast", &op_cast, &(struct cast){times});
        plan_node(plan, "vault", &op_vault, &(struct vault){.store = &store});
        plan_edge(plan, "s", 0, "cast", 0);
        plan_edge(plan, "s", 0, "vault", 0);
        plan_graph(plan)->checkpoint = (struct checkpoint_policy){folder, 3000000, 5000000000, 3};
        engine = engine_new(plan_graph(plan), &options, &err);
        assert_string_equal(err.text, "");
        assert_true(engine_start(engine, &err));
        while (!has_reached(&store, n, engine))
            ;
        is_over = engine_state(engine) == ENGINE_ENDED;
        assert_int_not_equal(engine_state(engine), ENGINE_FAILED);
        engine_stop(engine);
        engine_free(engine);
        plan_free(plan);
    }
    print_message("%d starts\n", starts);
    assert_true(starts > 1);
    assert_int_equal(atomic_load(&store.n), COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_in_range(times[i], 0, 1);
        came += times[i];
    }
    assert_in_range(came, COUNT / 20, COUNT);
    free(times);
    hde_text_free(&store.lines);
}

static void
test_the_log_of_all_starts_gives_the_store_again(void **state)
{
    struct store store = {{0}}, again = {{0}};
    struct engine_options options = options_of();
    struct plan *plan;
    struct engine *engine;
    struct err err = {0};

    for (uint64_t n = 500; !run_until(&store, n, 1000000000000); n += 1500) /* no epoch */
        ;
    plan = make_plan(&again, COUNT, 0);
    engine = engine_new(plan_graph(plan),
                        &(struct engine_options){.log = options.record, .workers = 1}, &err);
    assert_string_equal(err.text, "");
    assert_true(engine_start(engine, &err));
    assert_true(engine_wait(engine, DEADLINE_MS));
    engine_free(engine);
    plan_free(plan);
    assert_int_equal(store.lines.len, again.lines.len);
    assert_string_equal(store.lines.data, again.lines.data);
    hde_text_free(&store.lines);
    hde_text_free(&again.lines);
}

/* Runs until so many more lines are stored; its end is an epoch. */
static void
run_and_drain(struct store *store, uint64_t more)
{
    struct plan *plan = make_plan(store, 100000000, 1000000000000);
    struct engine_options options = options_of();
    struct err err = {0};
    uint64_t before = atomic_load(&store->n);
    struct engine *engine = engine_new(plan_graph(plan), &options, &err);

    assert_string_equal(err.text, "");
    assert_true(engine_start(engine, &err));
    while (!has_reached(store, before + more, engine))
        ;
    engine_drain(engine);
    assert_true(engine_wait(engine, DEADLINE_MS));
    assert_int_equal(engine_state(engine), ENGINE_ENDED);
    engine_free(engine);
    plan_free(plan);
}

static void
test_a_drained_run_goes_on_where_it_stood(void **state)
{
    struct store store = {{0}};
    int64_t next[2] = {0, 0}, timers[2] = {0, 0};

    for (int i = 0; i < 4; i++)
        run_and_drain(&store, 500);
    assert_unbroken(&store, next, timers);
    assert_true(next[0] + next[1] >= 4 * 500);
    hde_text_free(&store.lines);
}

/* The newest file of the store's epochs. */
static void
newest_epoch(char *path, size_t size)
{
    char epochs[64];
    struct dirent *entry;
    DIR *dir;

    *path = 0;
    snprintf(epochs, sizeof epochs, "%s/epochs", folder);
    dir = opendir(epochs);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        char found[512];

        snprintf(found, sizeof found, "%s/%s", epochs, entry->d_name);
        if (entry->d_name[0] == 'e' && !strstr(entry->d_name, ".part") && strcmp(found, path) > 0)
            snprintf(path, size, "%s", found);
    }
    closedir(dir);
}

static void
test_a_damaged_epoch_is_passed_over(void **state)
{
    struct store store = {{0}};
    char path[512];
    int rounds = 0;

    for (uint64_t n = 700; !run_until(&store, n, 2000000); n = atomic_load(&store.n) + 700) {
        FILE *file;

        newest_epoch(path, sizeof path);
        if (!*path)
            continue;
        file = fopen(path, "r+");
        assert_non_null(file);
        fseek(file, 30, SEEK_SET);
        fputc(rounds++ % 2 ? 0xff : 0x01, file);
        fclose(file);
    }
    assert_true(rounds > 0);
    assert_whole(&store, COUNT);
    hde_text_free(&store.lines);
}

static void
assert_refused(struct plan *plan, const char *code, const char *text)
{
    struct engine_options options = options_of();
    struct err err = {0};
    struct engine *engine = engine_new(plan_graph(plan), &options, &err);

    if (engine) {
        assert_true(engine_start(engine, &err));
        assert_true(engine_wait(engine, DEADLINE_MS));
        assert_int_equal(engine_state(engine), ENGINE_FAILED);
        err = *engine_error(engine);
        engine_free(engine);
    }
    assert_string_equal(err.code, code);
    assert_non_null(strstr(err.text, text));
    plan_free(plan);
}

static void
test_unknown_state_stops_the_start(void **state)
{
    struct store store = {{0}};
    struct plan *plan = plan_new("kept");
    char path[512] = "";

    for (uint64_t n = 1; !*path && !run_until(&store, n, 1000000); n = atomic_load(&store.n) + 50)
        if (access(folder, F_OK) == 0)
            newest_epoch(path, sizeof path);
    assert_true(*path);
    plan_node(plan, "s", &op_steps, &(struct steps){.count = COUNT, .step_ns = 1});
    plan_node(plan, "other", &op_sum, NULL);
    plan_node(plan, "vault", &op_vault, &(struct vault){.store = &store});
    plan_edge(plan, "s", 0, "other", 0);
    plan_edge(plan, "other", 0, "vault", 0);
    plan_graph(plan)->checkpoint = (struct checkpoint_policy){folder, 1000000, 1000000000, 3};
    assert_refused(plan, "HDE-R015", "no such node");
    hde_text_free(&store.lines);
}

static void
test_a_source_that_does_not_go_back_is_named(void **state)
{
    struct store store = {{0}};
    struct plan *plan;

    run_and_drain(&store, 500);
    plan = make_plan(&store, COUNT, 1000000);
    ((struct steps *)(uintptr_t)plan_graph(plan)->nodes[0].params)->forgets = true;
    assert_refused(plan, "HDE-R016", "node 's'");
    hde_text_free(&store.lines);
}

/* How many messages of sources the log has, with and without their bodies. */
static void
count_bodies(uint64_t *with, uint64_t *without)
{
    struct err err = {0};
    struct seglog_reader *reader = seglog_reader_open(options_of().record, &err);
    struct seglog_record record;

    *with = *without = 0;
    assert_non_null(reader);
    while (seglog_next(reader, &record, &err) == SEGLOG_RECORD) {
        Hde__LogEntry *entry = hde__log_entry__unpack(NULL, record.size, record.bytes);

        for (size_t i = 0; entry->kind == HDE__LOG_KIND__LOG_KIND_SOURCE && i < entry->n_messages;
             i++)
            *(entry->messages[i]->has_body ? with : without) += 1;
        hde__log_entry__free_unpacked(entry, NULL);
    }
    assert_string_equal(err.text, "");
    seglog_reader_close(reader);
}

static void
test_a_source_is_asked_for_what_the_log_left_out(void **state)
{
    struct store store = {{0}};
    uint64_t with, without;

    for (uint64_t n = 3000; !run_until(&store, n, 1000000000000); n += 3000) /* no epoch */
        ;
    assert_whole(&store, COUNT);
    count_bodies(&with, &without);
    assert_int_equal(with, 0);
    assert_true(without >= 2 * COUNT);
    hde_text_free(&store.lines);
}

static void
test_a_log_may_have_all_payloads_and_then_none(void **state)
{
    struct store store = {{0}};
    uint64_t with, without;

    keeps_payloads = true;
    for (uint64_t n = 3000; n < 9001; n += 3000, keeps_payloads = !keeps_payloads)
        assert_false(run_until(&store, n, 1000000000000));
    keeps_payloads = false;
    assert_true(run_until(&store, UINT64_MAX, 1000000000000));
    assert_whole(&store, COUNT);
    count_bodies(&with, &without);
    assert_true(with > 0 && without > 0);
    hde_text_free(&store.lines);
}

static void
test_a_source_that_answers_differently_is_named(void **state)
{
    struct store store = {{0}};
    struct engine_options options = options_of();
    struct plan *plan;
    struct engine *engine;
    struct err err = {0};

    run_until(&store, 1000, 1000000000000);
    plan = make_plan(&store, COUNT, 1000000);
    ((struct steps *)(uintptr_t)plan_graph(plan)->nodes[0].params)->other = 30;
    assert_refused(plan, "HDE-R111", "node 's'");
    plan = make_plan(&store, 30, 1000000);
    assert_refused(plan, "HDE-R111", "there is less than then");
    plan = make_plan(&store, 400, 1000000); /* shorter, which is fine now */
    options.accepts_change = true;
    engine = engine_new(plan_graph(plan), &options, &err);
    assert_non_null(engine);
    assert_true(engine_start(engine, &err));
    assert_true(engine_wait(engine, DEADLINE_MS));
    assert_int_equal(engine_state(engine), ENGINE_ENDED);
    engine_free(engine);
    plan_free(plan);
    hde_text_free(&store.lines);
}

static void
test_a_source_that_gives_nothing_any_more_is_named(void **state)
{
    struct store store = {{0}};
    struct plan *plan;

    run_until(&store, 1000, 1000000000000);
    for (size_t i = 0; i < 2; i++) { /* on the sequencing worker, on a thread of its own */
        plan = make_plan(&store, COUNT, 1000000);
        ((struct steps *)(uintptr_t)plan_graph(plan)->nodes[i].params)->idles = 30;
        assert_refused(plan, "HDE-R111", "there is less than then");
    }
    hde_text_free(&store.lines);
}

/* ---- A source that has changed ---- */

static int64_t once_given, once_most;

/* Gives each number once, whoever asks. */
static hde_status
once_poll(hde_ctx *ctx, void *state)
{
    hde_msg *msg;
    Hde__Sample *sample;

    if (once_given >= once_most)
        return HDE_END;
    msg = hde_msg_new(ctx, &hde__sample__descriptor);
    msg->event_ns = once_given;
    sample = (Hde__Sample *)msg->body;
    sample->has_sequence = true;
    sample->sequence = (uint64_t)once_given++;
    hde_emit(ctx, 0, msg);
    return HDE_OK;
}

static const hde_operator op_once = {.size = sizeof(hde_operator),
                                     .flags = HDE_LIVE_ONLY,
                                     .name = "test/once",
                                     .outputs = out1,
                                     .poll = once_poll};

enum { CHANGED = 150, CHANGED_COUNT = 3000 };

/* Until so many lines are stored, or to the end; without epochs but those of a start. */
static void
run_changing(struct store *store, int64_t other, bool accepts, uint64_t n)
{
    struct plan *plan = plan_new("changing");
    struct engine_options options = options_of();
    struct err err = {0};
    struct engine *engine;

    plan_node(plan, "s", &op_steps,
              &(struct steps){.count = CHANGED_COUNT, .step_ns = 1, .other = other});
    plan_node(plan, "once", &op_once, NULL);
    plan_node(plan, "y", &op_steps_blocking, &(struct steps){.count = CHANGED_COUNT, .step_ns = 1});
    plan_node(plan, "vault", &op_vault, &(struct vault){.store = &store[0]});
    plan_node(plan, "other", &op_vault, &(struct vault){.store = &store[1]});
    plan_edge(plan, "s", 0, "vault", 0);
    plan_edge(plan, "once", 0, "vault", 1);
    plan_edge(plan, "y", 0, "other", 0);
    plan_graph(plan)->checkpoint = (struct checkpoint_policy){folder, 1000000000000, 5000000000, 3};
    options.accepts_change = accepts;
    engine = engine_new(plan_graph(plan), &options, &err);
    assert_string_equal(err.text, "");
    assert_true(engine_start(engine, &err));
    while (!has_reached(&store[0], n, engine))
        ;
    if (engine_state(engine) == ENGINE_FAILED)
        fail_msg("%s", engine_error(engine)->text);
    assert_true(n < UINT64_MAX || engine_state(engine) == ENGINE_ENDED);
    engine_stop(engine);
    engine_free(engine);
    plan_free(plan);
}

/* The lines of a port from an offset on: *first and *last of the sequences, which have no gap. */
static void
read_port(const struct store *store, size_t from, unsigned wanted, int64_t other, int64_t *first,
          int64_t *last)
{
    *first = *last = -1;
    for (const char *line = store->lines.data + from; *line; line = strchr(line, '\n') + 1) {
        unsigned port;
        long long sequence;
        double value;

        assert_int_equal(sscanf(line, "%u %lld %lf", &port, &sequence, &value), 3);
        if (port != wanted)
            continue;
        if (*first < 0)
            *first = sequence;
        else
            assert_int_equal(sequence, *last + 1);
        if (other)
            assert_true(value == (double)(sequence + (sequence >= other)));
        *last = sequence;
    }
}

static void
test_a_changed_source_goes_on_in_a_new_incarnation(void **state)
{
    struct store store[2] = {{{0}}};
    int64_t first, last, given;
    size_t before, end;
    char epochs[64];

    once_given = 0;
    once_most = INT64_MAX;
    run_changing(store, 0, false, 1000);
    before = store[0].lines.len;
    given = once_given;
    read_port(&store[0], 0, 0, INT64_MAX, &first, &last);
    assert_true(last > CHANGED);
    once_most = given + 10;
    run_changing(store, CHANGED, true, UINT64_MAX);
    end = store[0].lines.len;
    read_port(&store[0], before, 0, CHANGED, &first, &last); /* again, and changed */
    assert_int_equal(first, CHANGED);
    assert_int_equal(last, CHANGED_COUNT - 1);
    read_port(&store[0], before, 1, 0, &first, &last); /* from the log, then new ones */
    assert_true(first < given && first > 0);
    assert_int_equal(last, given + 9);

    /* the log is one that was never anything else */
    snprintf(epochs, sizeof epochs, "%s/epochs", folder);
    folder_remove(epochs);
    run_changing(store, CHANGED, false, UINT64_MAX);
    assert_int_equal(store[0].lines.len, end);
    hde_text_free(&store[0].lines);
    hde_text_free(&store[1].lines);
}

static void
test_a_second_instance_is_refused_where_it_must_not_take_over(void **state)
{
    struct store store = {{0}}, other = {{0}};
    struct plan *plan = make_plan(&store, 100000000, 1000000);
    struct engine_options options = options_of();
    struct err err = {0};
    struct engine *engine = engine_new(plan_graph(plan), &options, &err);
    struct plan *second = make_plan(&other, 10, 1000000);

    assert_non_null(engine);
    options.refuses_takeover = true;
    assert_null(engine_new(plan_graph(second), &options, &err));
    assert_string_equal(err.code, "HDE-R097");
    assert_non_null(strstr(err.text, "runs on the store"));
    engine_free(engine);
    plan_free(plan);
    plan_free(second);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_run_that_is_cut_off_loses_and_doubles_nothing,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_sink_that_lets_go_gets_nothing_twice, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_the_log_of_all_starts_gives_the_store_again,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_drained_run_goes_on_where_it_stood, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_damaged_epoch_is_passed_over, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_unknown_state_stops_the_start, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_source_that_does_not_go_back_is_named, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_source_is_asked_for_what_the_log_left_out,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_log_may_have_all_payloads_and_then_none, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_source_that_answers_differently_is_named,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_source_that_gives_nothing_any_more_is_named,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_changed_source_goes_on_in_a_new_incarnation,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(
            test_a_second_instance_is_refused_where_it_must_not_take_over, make_folder,
            remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
