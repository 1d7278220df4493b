/* SPDX-License-Identifier: Apache-2.0
 * dlq_test - what a node refuses is in the queue once, as it came, until it is taken out. */
#include "base/log.h"
#include "engine/dlq.h"
#include "engine/letters.h"
#include "engine/stats.h"
#include "folder.h"
#include "kept_ops.h"
#include "plan.h"

#include <hde/schemas/runtime.pb-c.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 100000, COUNT = 7000, EVERY = 7 };

static char queue[64];

static int
make_queue(void **state)
{
    if (make_folder(state))
        return -1;
    snprintf(queue, sizeof queue, "%s/dlq", folder);
    return 0;
}

/* ---- picky: refuses every n-th message ---------------------------------------------------- */

struct picky {
    int64_t every;
    const _Atomic bool *is_mild; /* refuses nothing while it is true; or NULL */
    _Atomic int64_t *fails_at;   /* fails on this one, with HDE_FAIL; or NULL */
    bool forgives;               /* what it has refused once it lets pass the second time: state */
    bool edits;                  /* takes the message and changes it first */
    uint8_t seen[COUNT / EVERY + 1];
};

static hde_status
picky_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct picky *self = state;

    for (; batch->done < batch->n; batch->done++) {
        int64_t sequence = (int64_t)((const Hde__Sample *)batch->msg[batch->done]->body)->sequence;
        bool is_bad = sequence % self->every == 0 &&
                      !(self->is_mild && atomic_load(self->is_mild)) &&
                      !(self->forgives && self->seen[sequence / EVERY]++);
        hde_msg *msg;

        if (self->fails_at && atomic_load(self->fails_at) == sequence)
            return hde_fail(ctx, "picky.broken", "number %lld", (long long)sequence);
        if (is_bad && !self->edits)
            return hde_reject(ctx, "picky.bad", "number %lld", (long long)sequence);
        msg = hde_msg_writable(ctx, hde_take(batch, batch->done));
        if (is_bad) {
            ((Hde__Sample *)msg->body)->value = -1;
            hde_msg_drop(msg);
            return hde_fail(ctx, "picky.broken", "number %lld", (long long)sequence);
        }
        hde_emit(ctx, 0, msg);
    }
    return HDE_OK;
}

static const hde_port in1[] = {{.name = "in", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};
static const hde_port out1[] = {{.name = "out", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};

static hde_status
picky_save(hde_ctx *ctx, const void *state, hde_msg *out)
{
    const struct picky *self = state;
    Hde__Sample *sample = (Hde__Sample *)out->body;

    sample->has_data = true;
    sample->data.len = sizeof self->seen;
    sample->data.data = hde_msg_alloc(out, sizeof self->seen);
    memcpy(sample->data.data, self->seen, sizeof self->seen);
    return HDE_OK;
}

static hde_status
picky_load(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema)
{
    struct picky *self = state;

    memcpy(self->seen, ((const Hde__Sample *)saved)->data.data, sizeof self->seen);
    return HDE_OK;
}

static const hde_operator op_picky = {.size = sizeof(hde_operator),
                                      .name = "test/picky",
                                      .inputs = in1,
                                      .outputs = out1,
                                      .state_size = sizeof(struct picky),
                                      .batch = picky_batch,
                                      .state_type = &hde__sample__descriptor,
                                      .state_schema = 1,
                                      .save = picky_save,
                                      .load = picky_load};

/* ---- paced: steps, as far as the test lets it --------------------------------------------- */

struct paced {
    struct steps steps;          /* first: its seek() is that of steps */
    const _Atomic int64_t *gate; /* sequences below it; NULL: all */
};

static hde_status
paced_poll(hde_ctx *ctx, void *state)
{
    struct paced *self = state;

    if (self->gate && self->steps.at < self->steps.count &&
        self->steps.at >= atomic_load(self->gate)) {
        hde_timer_after(ctx, 1, 1000000); /* looks again */
        return HDE_IDLE;
    }
    return op_steps.poll(ctx, &self->steps);
}

static hde_status
paced_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    return HDE_OK;
}

static hde_status
paced_seek(hde_ctx *ctx, void *state, uint32_t partition, const void *bytes, size_t size)
{
    return op_steps.seek(ctx, &((struct paced *)state)->steps, partition, bytes, size);
}

static const hde_operator op_paced = {.size = sizeof(hde_operator),
                                      .name = "test/paced",
                                      .outputs = out1,
                                      .state_size = sizeof(struct paced),
                                      .poll = paced_poll,
                                      .timer = paced_timer,
                                      .seek = paced_seek};

/* ---- The graph: paced -> picky -> vault --------------------------------------------------- */

static struct plan *
make_gated_plan(struct store *store, const struct picky *picky, int64_t count,
                const _Atomic int64_t *gate)
{
    struct plan *plan = plan_new("refused");

    plan_node(plan, "steps", &op_paced, &(struct paced){.steps = {.count = count}, .gate = gate});
    plan_node(plan, "picky", &op_picky, picky)->boundary = true;
    plan_node(plan, "vault", &op_vault, &(struct vault){.store = store});
    plan_edge(plan, "steps", 0, "picky", 0);
    plan_edge(plan, "picky", 0, "vault", 0);
    return plan;
}

static struct plan *
make_plan(struct store *store, const struct picky *picky, int64_t count)
{
    return make_gated_plan(store, picky, count, NULL);
}

static struct engine_options
kept_options(struct plan *plan)
{
    static char log[64];

    snprintf(log, sizeof log, "%s/log", folder);
    plan_graph(plan)->checkpoint = (struct checkpoint_policy){folder, 3000000, 5000000000, 3};
    return (struct engine_options){.record = log, .checkpoint = true, .dlq = queue, .workers = 2};
}

static struct engine *
start(struct plan *plan, const struct engine_options *options)
{
    struct err err = {0};
    struct engine *engine = engine_new(plan_graph(plan), options, &err);

    assert_string_equal(err.text, "");
    assert_non_null(engine);
    assert_true(engine_start(engine, &err));
    return engine;
}

static void
end(struct engine *engine)
{
    if (!engine_wait(engine, DEADLINE_MS)) {
        hde_text text = {0};

        engine_stall_text(engine, &text);
        fail_msg("does not end: %s", text.data ? text.data : "nothing waits");
    }
    assert_int_equal(engine_state(engine), ENGINE_ENDED);
}

/* Runs to the end without a log. */
static void
run_plainly(struct plan *plan)
{
    struct engine *engine = start(plan, &(struct engine_options){.dlq = queue});

    end(engine);
    engine_free(engine);
}

/* Runs until so many lines are stored, then cuts it off; true: it came to its end. */
static bool
run_until(struct store *store, uint64_t n)
{
    _Atomic int64_t gate = n < COUNT ? (int64_t)n * EVERY / (EVERY - 1) + EVERY : COUNT;
    struct plan *plan = make_gated_plan(store, &(struct picky){.every = EVERY}, COUNT, &gate);
    struct engine_options options = kept_options(plan);
    struct engine *engine = start(plan, &options);
    time_t deadline = time(NULL) + DEADLINE_MS / 1000;
    bool ended;

    while (atomic_load(&store->n) < n && !engine_wait(engine, 1))
        assert_true(time(NULL) < deadline);
    assert_int_not_equal(engine_state(engine), ENGINE_FAILED);
    ended = engine_state(engine) == ENGINE_ENDED;
    engine_stop(engine);
    engine_free(engine);
    plan_free(plan);
    return ended;
}

/* ---- What is in the queue ----------------------------------------------------------------- */

struct contents {
    size_t n;
    int64_t last; /* sequence */
};

static int64_t
sequence_of(const Hde__DeadLetter *letter)
{
    Hde__Sample *sample = hde__sample__unpack(NULL, letter->body.len, letter->body.data);
    int64_t sequence;

    assert_non_null(sample);
    sequence = (int64_t)sample->sequence;
    assert_true(sample->value == (double)sequence); /* as it came */
    hde__sample__free_unpacked(sample, NULL);
    return sequence;
}

/* Every EVERY-th number follows the one before. */
static void
note(void *arg, uint64_t id, const Hde__DeadLetter *letter)
{
    struct contents *contents = arg;
    int64_t sequence = sequence_of(letter);

    assert_int_equal(sequence, contents->n ? contents->last + EVERY : sequence);
    contents->last = sequence;
    contents->n++;
}

static struct contents
read_queue(void)
{
    struct letters letters = {0};
    struct contents contents = {0};
    struct err err = {0};

    assert_true(letters_read(&letters, queue, &err));
    assert_true(letters_each(&letters, queue, note, &contents, &err));
    assert_string_equal(err.text, "");
    assert_int_equal(contents.n, letters.n_live);
    letters_fini(&letters);
    return contents;
}

static Hde__DeadLetter *
first_letter(void)
{
    struct err err = {0};
    Hde__DeadLetter *letter = letter_read(queue, 1, &err);

    assert_string_equal(err.text, "");
    return letter;
}

/* ---- Tests -------------------------------------------------------------------------------- */

static void
test_a_refused_message_waits_with_its_reason_and_its_bytes(void **state)
{
    struct store store = {{0}};
    struct plan *plan = make_plan(&store, &(struct picky){.every = EVERY}, 5);
    Hde__DeadLetter *letter;

    run_plainly(plan);
    assert_int_equal(atomic_load(&store.n), 4);
    assert_int_equal(read_queue().n, 1);
    letter = first_letter();
    assert_string_equal(letter->node, "picky");
    assert_string_equal(letter->op, "test/picky");
    assert_string_equal(letter->port, "in");
    assert_string_equal(letter->code, "HDE-R091");
    assert_string_equal(letter->event, "picky.bad");
    assert_string_equal(letter->text, "number 0");
    assert_string_equal(letter->type, "hde.Sample");
    assert_int_equal(sequence_of(letter), 0);
    hde__dead_letter__free_unpacked(letter, NULL);
    plan_free(plan);
    hde_text_free(&store.lines);
}

static void
test_a_message_is_kept_as_it_came_though_the_operator_has_changed_it(void **state)
{
    struct store store = {{0}};
    struct plan *plan = make_plan(&store, &(struct picky){.every = EVERY, .edits = true}, 5);
    Hde__DeadLetter *letter;

    plan_graph(plan)->nodes[1].on_error.action = ON_ERROR_SKIP;
    run_plainly(plan);
    assert_int_equal(atomic_load(&store.n), 4);
    letter = first_letter();
    assert_string_equal(letter->code, "HDE-R093");
    assert_int_equal(sequence_of(letter), 0); /* with its value */
    hde__dead_letter__free_unpacked(letter, NULL);
    plan_free(plan);
    hde_text_free(&store.lines);
}

static void
test_a_dead_letter_is_there_once_whatever_is_cut_off(void **state)
{
    const char *given = getenv("HDE_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    struct store store = {{0}};
    struct contents contents;
    int starts = 1;

    print_message("HDE_SEED=%u\n", seed);
    for (uint64_t n = 1; !run_until(&store, n);
         n = atomic_load(&store.n) + 1 + (uint64_t)rand_r(&seed) % 800)
        starts++;
    print_message("%d starts\n", starts);
    assert_true(starts > 5);
    contents = read_queue();
    assert_int_equal(contents.n, COUNT / EVERY);
    assert_int_equal(contents.last, COUNT - EVERY);
    assert_int_equal(atomic_load(&store.n), COUNT - COUNT / EVERY);
    hde_text_free(&store.lines);
}

static void
test_marks_outlive_their_letters(void **state)
{
    struct store store = {{0}};
    struct err err = {0};
    size_t before;

    assert_false(run_until(&store, 700));
    before = read_queue().n;
    assert_true(before > 0);
    assert_int_equal(dlq_drop_in(queue, &(struct dlq_choice){0}, &err), before);
    assert_int_equal(read_queue().n, 0);
    while (!run_until(&store, UINT64_MAX)) /* the log is taken again: none of them comes back */
        ;
    assert_int_equal(read_queue().n, COUNT / EVERY - before);
    hde_text_free(&store.lines);
}

static void
test_a_letter_that_is_not_there_cannot_be_dropped(void **state)
{
    struct store store = {{0}};
    struct plan *plan = make_plan(&store, &(struct picky){.every = EVERY}, 10);
    const uint64_t ids[] = {1, 99};
    struct err err = {0};

    run_plainly(plan);
    assert_int_equal(dlq_drop_in(queue, &(struct dlq_choice){.n_ids = 2, .ids = ids}, &err), 0);
    assert_string_equal(err.code, "HDE-R095");
    assert_int_equal(read_queue().n, 2); /* not the other one either */
    assert_int_equal(dlq_drop_in(queue, &(struct dlq_choice){.node = "vault"}, &err), 0);
    assert_int_equal(dlq_drop_in(queue, &(struct dlq_choice){.n_ids = 1, .ids = ids}, &err), 1);
    assert_int_equal(read_queue().n, 1);
    plan_free(plan);
    hde_text_free(&store.lines);
}

static void
count_full(void *arg, const char *line, size_t len)
{
    hde_text text = {0};

    hde_text_put(&text, line, len);
    *(size_t *)arg += strstr(text.data, "dlq.full") != NULL;
    hde_text_free(&text);
}

static void
test_a_full_queue_loses_its_oldest_letters_and_says_so(void **state)
{
    struct store store = {{0}};
    struct plan *plan = make_plan(&store, &(struct picky){.every = EVERY}, COUNT);
    struct contents contents;
    struct engine *engine;
    const struct stats *stats;
    size_t said = 0;

    log_set_sink(count_full, &said);
    plan_graph(plan)->dlq.max_bytes = 20000;
    engine = start(plan, &(struct engine_options){.dlq = queue});
    end(engine);
    stats = engine_stats(engine);
    assert_int_equal(STAT_GET(stats->dlq.put), COUNT / EVERY);
    assert_true(STAT_GET(stats->dlq.bytes) <= 20000);
    contents.n = STAT_GET(stats->dlq.letters);
    assert_int_equal(contents.n + STAT_GET(stats->dlq.expired), COUNT / EVERY);
    assert_int_equal(STAT_GET(stats->dlq.lost), 0);
    engine_free(engine);
    log_set_sink(NULL, NULL);
    assert_true(said > 0);
    assert_int_equal(read_queue().n, contents.n);
    assert_int_equal(read_queue().last, COUNT - EVERY);
    plan_free(plan);
    hde_text_free(&store.lines);
}

static void
test_letters_that_are_too_old_go(void **state)
{
    struct store store = {{0}};
    struct plan *plan = make_plan(&store, &(struct picky){.every = EVERY}, 10);
    struct plan *later = make_plan(&store, &(struct picky){.every = EVERY}, 1);

    run_plainly(plan);
    assert_int_equal(read_queue().n, 2);
    plan_graph(later)->dlq.max_age_ns = 1; /* all are older than that */
    run_plainly(later);
    assert_int_equal(read_queue().n, 0);
    plan_free(plan);
    plan_free(later);
    hde_text_free(&store.lines);
}

/* ---- Feeding them again ------------------------------------------------------------------- */

static void
await_letters(struct engine *engine, uint64_t n)
{
    const struct stats *stats = engine_stats(engine);
    time_t deadline = time(NULL) + DEADLINE_MS / 1000;

    while (STAT_GET(stats->dlq.letters) != n)
        assert_true(time(NULL) < deadline && !engine_wait(engine, 1));
}

static void
await_stored(const struct store *store, struct engine *engine, uint64_t n)
{
    time_t deadline = time(NULL) + DEADLINE_MS / 1000;

    while (atomic_load(&((struct store *)(uintptr_t)store)->n) < n)
        assert_true(time(NULL) < deadline && !engine_wait(engine, 1));
}

static size_t
replay_all(struct engine *engine)
{
    struct err err = {0};
    size_t n = dlq_replay(engine, &(struct dlq_choice){0}, &err);

    assert_string_equal(err.text, "");
    return n;
}

static void
feed_again(bool is_kept)
{
    struct store store = {{0}};
    _Atomic bool is_mild = false;
    _Atomic int64_t gate = 70;
    struct plan *plan =
        make_gated_plan(&store, &(struct picky){.every = EVERY, .is_mild = &is_mild}, 77, &gate);
    struct engine_options options = {.dlq = queue};
    struct engine *engine;

    if (is_kept)
        options = kept_options(plan);
    engine = start(plan, &options);
    await_letters(engine, 10);
    atomic_store(&is_mild, true);
    assert_int_equal(replay_all(engine), 10);
    await_letters(engine, 0);
    await_stored(&store, engine, 70);
    assert_int_equal(STAT_GET(engine_stats(engine)->dlq.replayed), 10);
    atomic_store(&gate, 77);
    end(engine);
    engine_free(engine);
    assert_int_equal(atomic_load(&store.n), 77);
    assert_int_equal(read_queue().n, 0);
    plan_free(plan);
    hde_text_free(&store.lines);
}

static void
test_a_letter_fed_again_is_worked_off_and_leaves_the_queue(void **state)
{
    feed_again(false);
}

static void
test_with_a_log_too(void **state)
{
    feed_again(true);
}

static void
test_a_letter_that_is_refused_again_is_a_new_letter(void **state)
{
    struct store store = {{0}};
    _Atomic int64_t gate = 8;
    struct plan *plan = make_gated_plan(&store, &(struct picky){.every = EVERY}, 9, &gate);
    struct engine *engine = start(plan, &(struct engine_options){.dlq = queue});
    const struct stats *stats = engine_stats(engine);
    const uint64_t id = 1;
    struct err err = {0};
    time_t deadline = time(NULL) + DEADLINE_MS / 1000;

    await_letters(engine, 2);
    assert_int_equal(dlq_replay(engine, &(struct dlq_choice){.n_ids = 1, .ids = &id}, &err), 1);
    while (STAT_GET(stats->dlq.replayed) < 1)
        assert_true(time(NULL) < deadline && !engine_wait(engine, 1));
    assert_int_equal(STAT_GET(stats->dlq.letters), 2); /* 7, and 0 behind it */
    assert_int_equal(STAT_GET(stats->dlq.put), 3);
    assert_int_equal(dlq_replay(engine, &(struct dlq_choice){.n_ids = 1, .ids = &id}, &err), 0);
    assert_string_equal(err.code, "HDE-R095"); /* the old one has gone */
    atomic_store(&gate, 9);
    end(engine);
    engine_free(engine);
    plan_free(plan);
    hde_text_free(&store.lines);
}

/* Each number stands in the store once, whatever came as a letter. */
static void
assert_all_once(const struct store *store, int64_t count)
{
    char *seen = calloc((size_t)count, 1);

    for (const char *line = store->lines.data; line && *line; line = strchr(line, '\n') + 1) {
        unsigned port;
        long long sequence;

        assert_int_equal(sscanf(line, "%u %lld", &port, &sequence), 2);
        assert_true(sequence >= 0 && sequence < count);
        if (seen[sequence]++)
            fail_msg("%lld is there twice", sequence);
    }
    for (int64_t i = 0; i < count; i++)
        if (!seen[i])
            fail_msg("%lld is missing", (long long)i);
    free(seen);
}

static void
test_letters_fed_again_come_once_whatever_is_cut_off(void **state)
{
    const char *given = getenv("HDE_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    struct store store = {{0}};
    _Atomic int64_t gate = COUNT - 1;
    bool is_over = false;
    int starts = 0;

    print_message("HDE_SEED=%u\n", seed);
    while (!is_over) {
        struct plan *plan = make_gated_plan(
            &store, &(struct picky){.every = EVERY, .forgives = true}, COUNT, &gate);
        struct engine_options options = kept_options(plan);
        struct engine *engine = start(plan, &options);
        bool is_last = starts++ == 40; /* the rest, undisturbed */
        uint64_t until =
            is_last ? COUNT - 1 : atomic_load(&store.n) + 1 + (uint64_t)rand_r(&seed) % 300;
        time_t deadline = time(NULL) + DEADLINE_MS / 1000;

        for (int looks = 0; atomic_load(&store.n) < until && (is_last || looks < 20); looks++) {
            struct err err = {0}; /* refused while the log is taken */

            dlq_replay(engine, &(struct dlq_choice){0}, &err);
            assert_true(time(NULL) < deadline && !engine_wait(engine, 1));
        }
        if (is_last) {
            await_letters(engine, 0);
            atomic_store(&gate, COUNT);
            is_over = engine_wait(engine, DEADLINE_MS);
            assert_true(is_over);
        }
        engine_stop(engine);
        assert_int_not_equal(engine_state(engine), ENGINE_FAILED);
        engine_free(engine);
        plan_free(plan);
    }
    print_message("%d starts\n", starts);
    assert_all_once(&store, COUNT);
    assert_int_equal(read_queue().n, 0);
    hde_text_free(&store.lines);
}

static void
test_the_log_gives_letters_fed_again_too(void **state)
{
    struct store store = {{0}}, again = {{0}};
    _Atomic bool is_mild = false;
    _Atomic int64_t gate = 70;
    struct picky picky = {.every = EVERY, .is_mild = &is_mild};
    struct plan *plan = make_gated_plan(&store, &picky, 71, &gate);
    struct engine_options options = {.dlq = queue};
    struct engine *engine;
    char log[64];

    snprintf(log, sizeof log, "%s/log", folder);
    options.record = log;
    engine = start(plan, &options);
    await_letters(engine, 10);
    assert_int_equal(replay_all(engine), 10); /* they are refused again, in ticks of their own */
    while (STAT_GET(engine_stats(engine)->dlq.replayed) < 10)
        assert_false(engine_wait(engine, 1));
    atomic_store(&gate, 71);
    end(engine);
    engine_free(engine);
    plan_free(plan);
    plan = make_plan(&again, &picky, 71);
    engine = start(plan, &(struct engine_options){.log = log});
    end(engine);
    assert_string_equal(store.lines.data, again.lines.data);
    assert_int_equal(STAT_GET(stats_node_at(engine_stats(engine), 1)->skips), 11 + 10);
    engine_free(engine);
    plan_free(plan);
    hde_text_free(&store.lines);
    hde_text_free(&again.lines);
}

static void
test_what_is_no_message_of_this_graph_cannot_be_fed(void **state)
{
    struct store store = {{0}};
    _Atomic int64_t gate = 1;
    struct plan *plan = make_plan(&store, &(struct picky){.every = EVERY}, 1), *other;
    struct engine *engine;
    struct err err = {0};

    run_plainly(plan);
    plan_free(plan);
    other = plan_new("refused"); /* the same queue, and no node 'picky' */
    plan_node(other, "steps", &op_paced, &(struct paced){.steps = {.count = 2}, .gate = &gate});
    plan_node(other, "vault", &op_vault, &(struct vault){.store = &store});
    plan_edge(other, "steps", 0, "vault", 0);
    engine = start(other, &(struct engine_options){.dlq = queue});
    assert_int_equal(dlq_replay(engine, &(struct dlq_choice){0}, &err), 0);
    assert_string_equal(err.code, "HDE-R094");
    atomic_store(&gate, 2);
    end(engine);
    engine_free(engine);
    assert_int_equal(read_queue().n, 1);
    plan_free(other);
    hde_text_free(&store.lines);
}

/* ---- Decisions ---------------------------------------------------------------------------- */

static void
test_a_message_that_was_given_up_stays_given_up(void **state)
{
    struct store store = {{0}};
    _Atomic int64_t gate = 5, fails_at = 3;
    struct picky picky = {.every = 1000, .fails_at = &fails_at, .is_mild = NULL};
    bool is_over = false;

    for (int i = 0; i < 2; i++) {
        struct plan *plan = make_gated_plan(&store, &picky, 6, &gate);
        struct engine_options options = kept_options(plan);
        struct engine *engine;

        plan_graph(plan)->nodes[1].on_error = (struct error_policy){
            .action = ON_ERROR_RETRY, .attempts = 2, .backoff_ns = 1000, .then = ON_ERROR_SKIP};
        plan_graph(plan)->checkpoint.every_ns = INT64_C(3600000000000); /* no epoch */
        engine = start(plan, &options);
        await_stored(&store, engine, 3); /* 1, 2, 4: 0 is bad, 3 fails */
        if (i) {
            atomic_store(&gate, 6);
            is_over = engine_wait(engine, DEADLINE_MS);
        } else {
            await_letters(engine, 2);
        }
        engine_stop(engine);
        engine_free(engine);
        plan_free(plan);
        /* the world has come to its senses, and the store has forgotten all: the run is taken
         * again */
        if (!i) {
            atomic_store(&fails_at, -1);
            hde_text_clear(&store.lines);
            store.mark = 0;
            atomic_store(&store.n, 0);
        }
    }
    assert_true(is_over);
    assert_string_equal(store.lines.data, "0 1 1\n0 2 2\n0 4 4\n0 5 5\n");
    hde_text_free(&store.lines);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_queue, remove_folder)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_a_refused_message_waits_with_its_reason_and_its_bytes),
        IN_FOLDER(test_a_message_is_kept_as_it_came_though_the_operator_has_changed_it),
        IN_FOLDER(test_a_dead_letter_is_there_once_whatever_is_cut_off),
        IN_FOLDER(test_marks_outlive_their_letters),
        IN_FOLDER(test_a_letter_that_is_not_there_cannot_be_dropped),
        IN_FOLDER(test_a_full_queue_loses_its_oldest_letters_and_says_so),
        IN_FOLDER(test_letters_that_are_too_old_go),
        IN_FOLDER(test_a_letter_fed_again_is_worked_off_and_leaves_the_queue),
        IN_FOLDER(test_with_a_log_too),
        IN_FOLDER(test_a_letter_that_is_refused_again_is_a_new_letter),
        IN_FOLDER(test_letters_fed_again_come_once_whatever_is_cut_off),
        IN_FOLDER(test_the_log_gives_letters_fed_again_too),
        IN_FOLDER(test_what_is_no_message_of_this_graph_cannot_be_fed),
        IN_FOLDER(test_a_message_that_was_given_up_stays_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
