/* SPDX-License-Identifier: Apache-2.0
 * behaviour_test - errors, timers, dropping edges, posts, drains, taps, counters and the watchdog.
 */
#include "behaviour_ops.h"
#include "engine/engine.h"
#include "engine/stats.h"
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
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 20000 };

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
}

/* Waits until *value is at least `least`. */
static void
await(_Atomic int64_t *value, int64_t least)
{
    time_t deadline = time(NULL) + DEADLINE_MS / 1000;

    while (atomic_load(value) < least) {
        if (time(NULL) > deadline)
            fail_msg("still %lld of %lld", (long long)atomic_load(value), (long long)least);
        sched_yield();
    }
}

static struct node_view
view_node(struct engine *engine, size_t i)
{
    struct node_view view;

    stats_node(engine_stats(engine), i, &view);
    return view;
}

static struct edge_view
view_edge(struct engine *engine, size_t i)
{
    struct edge_view view;

    stats_edge(engine_stats(engine), i, &view);
    return view;
}

/* ---- Errors ------------------------------------------------------------------------------- */

/* feed (5 messages a tick) -> mix -> moody -> sink; gives what the sink got */
static struct engine *
run_moody(struct plan *plan, const struct moody *moody, struct error_policy policy, hde_text *out)
{
    struct engine *engine;

    plan_node(plan, "feed", &op_feed, &(struct feed){.count = 10, .per_poll = 5, .step_ns = 1});
    plan_node(plan, "mix", &op_mix, &(struct mix){.salt = 1});
    plan_node(plan, "moody", &op_moody, moody)->on_error = policy;
    plan_node(plan, "sink", &op_collect, &(struct collect){.into = out});
    plan_edge(plan, "feed", 0, "mix", 0);
    plan_edge(plan, "mix", 0, "moody", 0);
    plan_edge(plan, "moody", 0, "sink", 0);
    engine = start(plan, NULL);
    end(engine);
    return engine;
}

static size_t
lines(const hde_text *text)
{
    size_t n = 0;

    for (size_t i = 0; i < text->len; i++)
        n += text->data[i] == '\n';
    return n;
}

static void
test_retry_goes_on_where_it_stood(void **state)
{
    struct plan *plan = plan_new("retry"), *plain = plan_new("plain");
    hde_text out = {0}, wanted = {0};
    struct engine *engine = run_moody(plan, &(struct moody){3, 4, HDE_RETRY, NULL},
                                      (struct error_policy){.backoff_ns = 1000000}, &out);
    struct engine *other =
        run_moody(plain, &(struct moody){-1, 0, HDE_OK, NULL}, (struct error_policy){0}, &wanted);

    assert_int_equal(engine_state(engine), ENGINE_ENDED);
    assert_string_equal(out.data, wanted.data);
    assert_int_equal(view_node(engine, 1).calls, 2); /* in front of it nothing ran again */
    assert_int_equal(view_node(engine, 2).calls, 2 + 4);
    assert_int_equal(view_node(engine, 2).retries, 4);
    engine_free(engine);
    engine_free(other);
    plan_free(plan);
    plan_free(plain);
    hde_text_free(&out);
    hde_text_free(&wanted);
}

static void
test_failures_follow_on_error(void **state)
{
    static const struct {
        const char *name;
        struct error_policy policy;
        hde_status status;
        int64_t times;
        enum engine_state ends;
        size_t lines;
    } cases[] = {
        {"stop is the default", {0}, HDE_FAIL, 1, ENGINE_FAILED, 5},
        {"skip goes on", {.action = ON_ERROR_SKIP}, HDE_FAIL, 1, ENGINE_ENDED, 9},
        {"retry succeeds",
         {.action = ON_ERROR_RETRY, .attempts = 3, .backoff_ns = 1000},
         HDE_FAIL,
         2,
         ENGINE_ENDED,
         10},
        {"retry, then stop",
         {.action = ON_ERROR_RETRY, .attempts = 3, .backoff_ns = 1000},
         HDE_FAIL,
         9,
         ENGINE_FAILED,
         5},
        {"retry, then skip",
         {.action = ON_ERROR_RETRY, .attempts = 3, .backoff_ns = 1000, .then = ON_ERROR_SKIP},
         HDE_RETRY,
         3,
         ENGINE_ENDED,
         9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct plan *plan = plan_new("errors");
        hde_text out = {0};
        struct engine *engine;

        print_message("%s\n", cases[i].name);
        engine = run_moody(plan, &(struct moody){7, cases[i].times, cases[i].status, NULL},
                           cases[i].policy, &out);
        assert_int_equal(engine_state(engine), cases[i].ends);
        assert_int_equal(lines(&out), cases[i].lines);
        if (cases[i].ends == ENGINE_FAILED)
            assert_string_equal(engine_error(engine)->text,
                                "node 'moody' (test/moody): moody.broken: number 7");
        engine_free(engine);
        plan_free(plan);
        hde_text_free(&out);
    }
}

/* ---- Timers ------------------------------------------------------------------------------- */

static void
run_timed(const struct timed *timed, const struct feed *feed, bool cut, const char *wanted)
{
    struct plan *plan = plan_new("timers");
    struct engine_options options = {
        .virtual_clock = true, .force_boundaries = cut, .workers = cut ? 2 : 1};
    struct engine *engine;

    plan_node(plan, "feed", &op_feed, feed);
    plan_node(plan, "timed", &op_timed, timed);
    plan_edge(plan, "feed", 0, "timed", 0);
    engine = start(plan, &options);
    end(engine);
    assert_string_equal(timed->into->data, wanted);
    hde_text_clear(timed->into);
    engine_free(engine);
    plan_free(plan);
}

static void
test_timers_fire_between_messages_by_event_time(void **state)
{
    hde_text out = {0};
    struct timed timed = {.into = &out, .after_ns = 15};

    for (int cut = 0; cut < 2; cut++) {
        run_timed(&timed, &(struct feed){.count = 4, .per_poll = 1, .step_ns = 10}, cut,
                  "m0 m1 t0@15 m2 t1@25 m3 t2@35 t3@45 f");
        /* the same in one batch: it is cut where a timer comes between */
        run_timed(&timed, &(struct feed){.count = 8, .per_poll = 4, .step_ns = 10}, cut,
                  "m0 m1 m2 m3 t0@15 t1@25 t2@35 m4 t3@45 m5 t4@55 m6 t5@65 m7 t6@75 t7@85 f");
    }
    hde_text_free(&out);
}

/* Four nodes in a line, of which the second and third ring. */
static void
run_ringing(const hde_operator *ringing, const hde_operator *mix, int64_t per_poll, hde_text *out)
{
    struct plan *plan = plan_new("ringing");
    struct engine_options options = {.virtual_clock = true, .workers = 1};
    struct engine *engine;

    plan_node(plan, "feed", &op_feed,
              &(struct feed){.count = 12, .per_poll = per_poll, .first = 1, .step_ns = 10});
    plan_node(plan, "mix", mix, &(struct mix){.salt = 1, .drop_every = 5});
    plan_node(plan, "first", ringing, NULL);
    plan_node(plan, "second", ringing, NULL);
    plan_node(plan, "out", &op_collect, &(struct collect){.into = out});
    plan_edge(plan, "feed", 0, "mix", 0);
    plan_edge(plan, "mix", 0, "first", 0);
    plan_edge(plan, "first", 0, "second", 0);
    plan_edge(plan, "second", 0, "out", 0);
    engine = start(plan, &options);
    end(engine);
    engine_free(engine);
    plan_free(plan);
}

static void
test_each_does_what_batch_does(void **state)
{
    for (int64_t per_poll = 1; per_poll <= 3; per_poll += 2) {
        hde_text by_batch = {0}, by_each = {0};

        run_ringing(&op_ringing, &op_mix, per_poll, &by_batch);
        run_ringing(&op_ringing_each, &op_mix_each, per_poll, &by_each);
        assert_string_equal(by_each.data, by_batch.data);
        assert_int_equal(lines(&by_each), 10 * 3 * 3); /* 12, but two are dropped; times 3, twice */
        hde_text_free(&by_batch);
        hde_text_free(&by_each);
    }
}

static void
test_end_fires_timers_then_flushes(void **state)
{
    hde_text out = {0};
    struct timed timed = {.into = &out, .every_ns = 10};

    for (int cut = 0; cut < 2; cut++)
        run_timed(&timed, &(struct feed){.count = 3, .per_poll = 1, .step_ns = 12}, cut,
                  "m0 t9999@10 m1 t9999@20 m2 t9999@30 f");
    hde_text_free(&out);
}

static void
test_processing_timers_come_before_later_data_in_replay(void **state)
{
    hde_text out = {0};
    struct timed timed = {.into = &out, .alarm_ns = 15};

    for (int cut = 0; cut < 2; cut++)
        run_timed(&timed, &(struct feed){.count = 4, .per_poll = 1, .step_ns = 20}, cut,
                  "m0 t8888@15 m1 t8888@35 m2 t8888@55 m3 f");
    hde_text_free(&out);
}

/* ---- Edges that drop ---------------------------------------------------------------------- */

static void
run_dropping(enum full_policy full, int64_t capacity, const hde_operator *sink, const char *wanted,
             uint64_t replaced, uint64_t dropped_full)
{
    static const char *const keys[] = {"key"};
    struct plan *plan = plan_new("dropping");
    _Atomic int64_t gate = 0, got = 0, polled = 0;
    hde_text out = {0};
    struct graph_edge *edge;
    struct engine *engine;
    struct edge_view view;

    plan_node(
        plan, "feed", &op_feed,
        &(struct feed){.count = 100, .per_poll = 1, .step_ns = 1, .keys = 3, .polled = &polled});
    plan_node(plan, "sink", sink, &(struct gated){&gate, &got, &out});
    edge = plan_edge(plan, "feed", 0, "sink", 0);
    edge->full = full;
    edge->capacity_messages = capacity;
    if (full == FULL_LATEST) {
        edge->keys = keys;
        edge->n_keys = 1;
    }
    engine = start(plan, NULL);
    await(&polled, 101); /* the source was never held up */
    atomic_store(&gate, 1);
    end(engine);
    view = view_edge(engine, 0);
    assert_int_equal(view.messages, 100);
    assert_int_equal(atomic_load(&got) + (int64_t)view.dropped[DROP_REPLACED] +
                         (int64_t)view.dropped[DROP_FULL],
                     100);
    assert_int_equal(view.depth_messages, 0);
    assert_true(view.dropped[DROP_REPLACED] >= replaced);
    assert_true(view.dropped[DROP_FULL] >= dropped_full);
    /* what had been taken before the gate opened may come first */
    assert_non_null(strstr(out.data, wanted));
    engine_free(engine);
    plan_free(plan);
    hde_text_free(&out);
}

static void
test_latest_keeps_the_newest_of_each_key(void **state)
{
    run_dropping(FULL_LATEST, 10, &op_gated_view, "99 ", 50, 0);
    run_dropping(FULL_LATEST, 1, &op_gated_view, "99 ", 0, 50);
}

static void
test_drop_oldest_counts_what_it_drops(void **state)
{
    run_dropping(FULL_DROP_OLDEST, 4, &op_gated_view, "96 97 98 99 ", 0, 50);
}

static void
test_a_dropping_edge_in_front_of_a_sink_is_handed_over_in_ticks(void **state)
{
    /* the ring behind the store holds as much again */
    run_dropping(FULL_DROP_OLDEST, 4, &op_gated, "96 97 98 99 ", 0, 50);
    run_dropping(FULL_LATEST, 4, &op_gated, "99 ", 50, 0);
}

/* ---- Posts, answers, drain and stop ------------------------------------------------------- */

static void
test_posts_wake_an_idle_graph_and_drain_empties_it(void **state)
{
    struct plan *plan = plan_new("posts");
    _Atomic int64_t gate = 1, got = 0;
    hde_text out = {0};
    hde_ctx *ctx = NULL;
    struct engine *engine;

    plan_node(plan, "posted", &op_posted, &(struct posted){&ctx});
    plan_node(plan, "mix", &op_impure, NULL);
    plan_node(plan, "sink", &op_gated, &(struct gated){&gate, &got, &out});
    plan_edge(plan, "posted", 0, "mix", 0);
    plan_edge(plan, "mix", 0, "sink", 0);
    engine = start(plan, NULL);
    for (uint32_t i = 0; i < 20; i++) {
        assert_true(hde_post(ctx, i, NULL));
        await(&got, i + 1);
    }
    engine_drain(engine);
    end(engine);
    assert_int_equal(engine_state(engine), ENGINE_ENDED);
    assert_string_equal(out.data, "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 ");
    engine_free(engine);
    plan_free(plan);
    hde_text_free(&out);
}

static void
test_replay_refuses_impure_operators(void **state)
{
    struct plan *plan = plan_new("impure");
    struct err err = {0};

    plan_node(plan, "feed", &op_feed, &(struct feed){.count = 1});
    plan_node(plan, "ask", &op_impure, NULL);
    plan_edge(plan, "feed", 0, "ask", 0);
    assert_null(
        engine_new(plan_graph(plan), &(struct engine_options){.virtual_clock = true}, &err));
    assert_string_equal(err.code, "HDE-R005");
    plan_free(plan);
}

static void
test_an_idle_graph_uses_no_processor(void **state)
{
    struct plan *plan = plan_new("idle");
    struct timespec before, after;
    hde_ctx *ctx = NULL;
    struct engine *engine;

    plan_graph(plan)->workers = 2;
    plan_node(plan, "posted", &op_posted, &(struct posted){&ctx});
    plan_node(plan, "mix", &op_mix, &(struct mix){0})->boundary = true;
    plan_node(plan, "sink", &op_collect_blocking, &(struct collect){0});
    plan_edge(plan, "posted", 0, "mix", 0)->transport = TRANSPORT_ZMQ;
    plan_edge(plan, "mix", 0, "sink", 0);
    engine = start(plan, NULL);
    hde_post(ctx, 1, NULL);
    engine_wait(engine, 100);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    assert_false(engine_wait(engine, 1000));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    assert_true((after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec <
                10000000);
    engine_stop(engine);
    assert_true(engine_wait(engine, DEADLINE_MS));
    engine_free(engine);
    plan_free(plan);
}

/* ---- Credit ------------------------------------------------------------------------------- */

static void
test_a_source_without_credit_is_not_polled(void **state)
{
    struct plan *plan = plan_new("credit");
    _Atomic int64_t gate = 0, got = 0, polled = 0;
    struct engine *engine;
    struct edge_view view;
    hde_text text = {0};

    plan_node(plan, "feed", &op_feed,
              &(struct feed){.count = 1000, .per_poll = 3, .step_ns = 1, .polled = &polled});
    plan_node(plan, "sink", &op_gated, &(struct gated){&gate, &got, NULL});
    plan_edge(plan, "feed", 0, "sink", 0)->capacity_messages = 4;
    engine = start(plan, &(struct engine_options){.stall_ns = 200000000});
    while (text.len == 0) {
        assert_false(engine_wait(engine, 10));
        engine_stall_text(engine, &text);
    }
    /* one tick of 3 leaves credit, the second overdraws to 6: then nothing more */
    assert_int_equal(atomic_load(&polled), 2);
    view = view_edge(engine, 0);
    assert_int_equal(view.depth_messages, 6);
    assert_int_equal(view.capacity_messages, 4);
    assert_true(view.blocked);
    assert_true(view.age_ns > 0);
    assert_non_null(strstr(text.data, "'feed' paused because: sink (edge feed.0 -> sink.0: 0 of 4 "
                                      "credits"));
    assert_non_null(strstr(text.data, "sink is at work"));
    atomic_store(&gate, 1);
    end(engine);
    assert_int_equal(atomic_load(&got), 1000);
    assert_true(view_edge(engine, 0).blocked_ns > 100000000);
    assert_false(view_edge(engine, 0).blocked);
    engine_free(engine);
    plan_free(plan);
    hde_text_free(&text);
}

/* ---- Taps and counters -------------------------------------------------------------------- */

static void
run_tap(bool cut)
{
    struct plan *plan = plan_new("tap");
    struct engine *engine;
    struct tap *tap, *slow;
    struct tap_item item;
    struct err err = {0};

    plan_node(plan, "feed", &op_feed, &(struct feed){.count = 100, .per_poll = 1, .step_ns = 7});
    plan_node(plan, "sink", &op_collect, &(struct collect){0});
    plan_edge(plan, "feed", 0, "sink", 0);
    engine = engine_new(plan_graph(plan), &(struct engine_options){.force_boundaries = cut}, &err);
    tap = engine_tap_open(engine, 0, 1000);
    slow = engine_tap_open(engine, 0, 10);
    assert_true(engine_start(engine, &err));
    end(engine);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(tap_next(tap, &item, 0));
        assert_int_equal(item.event_ns, 7 * i);
        assert_int_equal(((Hde__Sample *)item.message)->sequence, i);
    }
    assert_false(tap_next(tap, &item, 0));
    assert_true(tap_next(slow, &item, 0));
    assert_int_equal(item.dropped, 90);
    assert_int_equal(view_edge(engine, 0).tap_dropped, 90);
    engine_tap_close(tap);
    engine_tap_close(slow);
    engine_free(engine);
    plan_free(plan);
}

static void
test_a_slow_tap_drops_and_never_waits(void **state)
{
    run_tap(false);
    run_tap(true);
}

static void
test_counters_are_readable_from_another_mapping(void **state)
{
    char path[] = "/dev/shm/hde-test-XXXXXX";
    struct plan *plan = plan_new("shared");
    struct engine_options options = {.stats_path = path, .host = "here"};
    struct err err = {0};
    struct engine *engine;
    const struct stats *stats;
    struct node_view node;
    hde_text text = {0};

    close(mkstemp(path));
    plan_node(plan, "feed", &op_feed, &(struct feed){.count = 100, .per_poll = 1});
    plan_node(plan, "sink", &op_collect, &(struct collect){0});
    plan_edge(plan, "feed", 0, "sink", 0);
    engine = start(plan, &options);
    end(engine);
    stats = stats_open(path, &err);
    assert_non_null(stats);
    stats_node(stats, 1, &node);
    assert_string_equal(node.name, "sink");
    assert_int_equal(node.messages, 100);
    stats_prometheus(stats, &text);
    assert_non_null(strstr(text.data, "hde_node_messages_total{graph=\"shared\",node=\"sink\","
                                      "op=\"test/collect\",host=\"here\"} 100\n"));
    assert_non_null(strstr(text.data, "hde_edge_messages_total{graph=\"shared\",edge=\"feed.0 -> "
                                      "sink.0\",host=\"here\"} 100\n"));
    assert_non_null(strstr(text.data, "# TYPE hde_node_messages_total counter\n"));
    stats_close(stats);
    engine_free(engine);
    assert_null(stats_open(path, &err));
    plan_free(plan);
    hde_text_free(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retry_goes_on_where_it_stood),
        cmocka_unit_test(test_failures_follow_on_error),
        cmocka_unit_test(test_timers_fire_between_messages_by_event_time),
        cmocka_unit_test(test_each_does_what_batch_does),
        cmocka_unit_test(test_end_fires_timers_then_flushes),
        cmocka_unit_test(test_processing_timers_come_before_later_data_in_replay),
        cmocka_unit_test(test_latest_keeps_the_newest_of_each_key),
        cmocka_unit_test(test_drop_oldest_counts_what_it_drops),
        cmocka_unit_test(test_a_dropping_edge_in_front_of_a_sink_is_handed_over_in_ticks),
        cmocka_unit_test(test_posts_wake_an_idle_graph_and_drain_empties_it),
        cmocka_unit_test(test_replay_refuses_impure_operators),
        cmocka_unit_test(test_an_idle_graph_uses_no_processor),
        cmocka_unit_test(test_a_source_without_credit_is_not_polled),
        cmocka_unit_test(test_a_slow_tap_drops_and_never_waits),
        cmocka_unit_test(test_counters_are_readable_from_another_mapping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
