/* SPDX-License-Identifier: Apache-2.0
 * later_test - operators whose answers come later (HDE_ANSWERS_LATER), live. What logs and epochs
 * make of them: engine-seeded, tests/graphs/later.sh. */
#include "engine/engine.h"
#include "engine/question.h"
#include "ops.h"
#include "plan.h"

#include <hde/schemas/runtime.pb-c.h>

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { DEADLINE_S = 100, CAPACITY = 64 };

static const hde_port in1[] = {{.name = "in", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};
static const hde_port out1[] = {{.name = "out", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};

/* The world: outlives instances. */
static struct {
    _Atomic(hde_ctx *) ctx;
    _Atomic int64_t asked;
    int64_t most;     /* questions at once */
    int64_t fails_at; /* the question that kills the instance, 0: none */
    bool names_none;  /* emits without hde_answer() */
    int64_t twice;    /* second answers that were taken */
} world;

static int
calm(void **state)
{
    memset(&world, 0, sizeof world);
    return 0;
}

static void
await(const _Atomic int64_t *value, int64_t least)
{
    time_t deadline = time(NULL) + DEADLINE_S;

    while (atomic_load(value) < least) {
        if (time(NULL) > deadline)
            fail_msg("still %lld of %lld", (long long)atomic_load(value), (long long)least);
        sched_yield();
    }
}

/* ---- An operator that keeps its questions until somebody posts ------------------------------ */

struct waits {
    uint32_t n, cap;
    struct {
        uint64_t question;
        hde_msg *msg;
    } * item;
};

static hde_status
waits_open(hde_ctx *ctx, void *state)
{
    atomic_store(&world.ctx, ctx);
    return HDE_OK;
}

static hde_status
waits_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct waits *self = state;

    for (; batch->done < batch->n; batch->done++) {
        if (atomic_fetch_add(&world.asked, 1) + 1 == world.fails_at)
            return HDE_FAIL;
        if (self->n == self->cap) {
            self->cap = self->cap ? 2 * self->cap : 64;
            self->item = realloc(self->item, self->cap * sizeof *self->item);
        }
        self->item[self->n].question = hde_question(ctx, batch, batch->done);
        self->item[self->n++].msg = hde_take(batch, batch->done);
        world.most = self->n > world.most ? self->n : world.most;
    }
    return HDE_OK;
}

static hde_status
waits_event(hde_ctx *ctx, void *state, const hde_event *event)
{
    struct waits *self = state;

    for (uint32_t i = 0; i < self->n; i++) {
        hde_emit(ctx, 0, self->item[i].msg);
        if (world.names_none)
            continue;
        assert_true(hde_answer(ctx, self->item[i].question));
        hde_emit(ctx, 0, hde_msg_new(ctx, &hde__sample__descriptor)); /* goes nowhere */
        world.twice += hde_answer(ctx, self->item[i].question);
    }
    self->n = 0;
    return HDE_OK;
}

static void
waits_close(hde_ctx *ctx, void *state)
{
    struct waits *self = state;

    while (self->n)
        hde_msg_drop(self->item[--self->n].msg);
    free(self->item);
}

static const hde_operator op_waits = {.size = sizeof(hde_operator),
                                      .flags = HDE_IMPURE | HDE_ANSWERS_LATER,
                                      .name = "test/waits",
                                      .inputs = in1,
                                      .outputs = out1,
                                      .state_size = sizeof(struct waits),
                                      .open = waits_open,
                                      .batch = waits_batch,
                                      .event = waits_event,
                                      .close = waits_close};

/* ---- Runs ----------------------------------------------------------------------------------- */

struct run {
    struct plan *plan;
    struct engine *engine;
    hde_text out;
    _Atomic uint64_t n;
};

static void
begin(struct run *run, int64_t count, enum on_error action)
{
    struct feed feed = {.count = count, .per_poll = 1};
    struct collect collect = {.into = &run->out, .n = &run->n};
    struct err err = {0};
    struct graph_node *asks;

    *run = (struct run){.plan = plan_new("later")};
    plan_node(run->plan, "feed", &op_feed, &feed);
    asks = plan_node(run->plan, "asks", &op_waits, NULL);
    asks->boundary = true;
    asks->on_error = (struct error_policy){.action = action,
                                           .limit = 3,
                                           .within_ns = 60LL * NS_PER_S,
                                           .backoff_ns = NS_PER_MS,
                                           .max_backoff_ns = NS_PER_MS};
    plan_node(run->plan, "sink", &op_collect, &collect);
    plan_edge(run->plan, "feed", 0, "asks", 0)->capacity_messages = CAPACITY;
    plan_edge(run->plan, "asks", 0, "sink", 0);
    run->engine = engine_new(plan_graph(run->plan), NULL, &err);
    assert_string_equal(err.text, "");
    assert_true(engine_start(run->engine, &err));
}

static void
free_run(struct run *run)
{
    engine_free(run->engine);
    plan_free(run->plan);
    hde_text_free(&run->out);
}

/* Asks for answers until the run is over. */
static void
post_until_end(struct run *run)
{
    time_t deadline = time(NULL) + DEADLINE_S;

    while (!engine_wait(run->engine, 1)) {
        if (time(NULL) > deadline)
            fail_msg("does not end: %llu came out", (unsigned long long)atomic_load(&run->n));
        hde_post(atomic_load(&world.ctx), 0, NULL);
    }
}

/* Each of 0 to count - 1 once, in any order. */
static void
assert_each_once(const struct run *run, int64_t count)
{
    bool *was = calloc((size_t)count, sizeof *was);
    int64_t n = 0;

    for (const char *line = run->out.data; line && *line; line = strchr(line, '\n') + 1, n++) {
        unsigned long long tick, sequence;
        unsigned port;

        assert_int_equal(sscanf(line, "%llu %u %llu", &tick, &port, &sequence), 3);
        assert_true((int64_t)sequence < count);
        assert_false(was[sequence]);
        was[sequence] = true;
    }
    assert_int_equal(n, count);
    free(was);
}

static void
test_open_questions_hold_back_sources(void **state)
{
    enum { COUNT = 3 * QUESTIONS_MAX };
    struct run run;

    begin(&run, COUNT, ON_ERROR_STOP);
    await(&world.asked, QUESTIONS_MAX);
    post_until_end(&run);
    assert_string_equal(engine_error(run.engine)->text, "");
    assert_each_once(&run, COUNT);
    assert_true(world.most >= QUESTIONS_MAX);
    assert_true(world.most <= QUESTIONS_MAX + 2 * CAPACITY); /* and what the edge holds */
    free_run(&run);
}

static void
test_a_question_is_answered_once(void **state)
{
    struct run run;

    begin(&run, 500, ON_ERROR_STOP);
    post_until_end(&run);
    assert_string_equal(engine_error(run.engine)->text, "");
    assert_each_once(&run, 500);
    assert_int_equal(world.twice, 0);
    free_run(&run);
}

static void
test_an_answer_without_its_question_ends_the_run(void **state)
{
    struct run run;

    world.names_none = true;
    begin(&run, 5, ON_ERROR_STOP);
    post_until_end(&run);
    assert_string_equal(engine_error(run.engine)->code, "HDE-R160");
    assert_non_null(strstr(engine_error(run.engine)->text, "'asks': test/waits"));
    assert_int_equal(run.n, 0);
    free_run(&run);
}

static void
test_questions_of_an_instance_that_is_gone_are_asked_again(void **state)
{
    struct run run;

    world.fails_at = 50;
    begin(&run, 200, ON_ERROR_RESTART);
    await(&world.asked, 249); /* of 49 that were open, and the 50th, twice */
    post_until_end(&run);
    assert_string_equal(engine_error(run.engine)->text, "");
    assert_each_once(&run, 200);
    assert_int_equal(world.asked, 250);
    free_run(&run);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_open_questions_hold_back_sources, calm),
        cmocka_unit_test_setup(test_a_question_is_answered_once, calm),
        cmocka_unit_test_setup(test_an_answer_without_its_question_ends_the_run, calm),
        cmocka_unit_test_setup(test_questions_of_an_instance_that_is_gone_are_asked_again, calm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
