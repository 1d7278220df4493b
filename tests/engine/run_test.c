/* SPDX-License-Identifier: Apache-2.0
 * run_test - a graph runs from its sources to its sinks and ends. */
#include "engine/engine.h"
#include "engine/stats.h"
#include "ops.h"
#include "plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { DEADLINE_MS = 20000 };

/* feed -> mix -> collect with everything that a case changes */
struct run {
    struct plan *plan;
    hde_text out;
    struct engine *engine;
    struct err err;
};

static void
run_line(struct run *run, const hde_operator *source, const hde_operator *middle,
         const hde_operator *sink, const struct feed *feed)
{
    struct collect collect = {.into = &run->out};

    run->plan = plan_new("line");
    plan_node(run->plan, "feed", source, feed);
    plan_node(run->plan, "mix", middle, &(struct mix){.salt = 7});
    plan_node(run->plan, "sink", sink, &collect);
    plan_edge(run->plan, "feed", 0, "mix", 0);
    plan_edge(run->plan, "mix", 0, "sink", 0);
}

static void
finish(struct run *run, const struct engine_options *options)
{
    run->engine = engine_new(plan_graph(run->plan), options, &run->err);
    assert_string_equal(run->err.text, "");
    assert_non_null(run->engine);
    assert_true(engine_start(run->engine, &run->err));
    assert_true(engine_wait(run->engine, DEADLINE_MS));
    assert_int_equal(engine_state(run->engine), ENGINE_ENDED);
}

static void
clean_up(struct run *run)
{
    engine_free(run->engine);
    plan_free(run->plan);
    hde_text_free(&run->out);
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
test_a_fused_line_delivers_everything_in_order(void **state)
{
    struct run run = {0};
    struct node_view node;
    struct edge_view edge;

    run_line(&run, &op_feed, &op_mix, &op_collect,
             &(struct feed){.count = 1000, .per_poll = 3, .step_ns = 10});
    finish(&run, NULL);
    assert_int_equal(lines(&run.out), 1000);
    assert_memory_equal(run.out.data, "1 0 0 8 0\n1 0 1 40 10\n1 0 2 72 20\n2 0 3 104 30\n", 46);
    stats_node(engine_stats(run.engine), 1, &node);
    assert_string_equal(node.name, "mix");
    assert_int_equal(node.messages, 1000);
    assert_int_equal(node.calls, 334);
    assert_int_equal(node.state, NODE_ENDED);
    stats_edge(engine_stats(run.engine), 1, &edge);
    assert_int_equal(edge.kind, EDGE_FUSED);
    assert_int_equal(edge.messages, 1000);
    clean_up(&run);
}

static void
test_cut_lines_deliver_what_the_fused_one_does(void **state)
{
    static const struct {
        const char *name;
        const hde_operator *source, *middle, *sink;
        struct engine_options options;
    } cases[] = {
        {"boundaries, one worker",
         &op_feed,
         &op_mix,
         &op_collect,
         {.force_boundaries = true, .workers = 1}},
        {"boundaries, two workers",
         &op_feed,
         &op_mix,
         &op_collect,
         {.force_boundaries = true, .workers = 2}},
        {"blocking sink", &op_feed, &op_mix, &op_collect_blocking, {.workers = 1}},
        {"blocking middle", &op_feed, &op_mix_blocking, &op_collect, {.workers = 1}},
        {"blocking source", &op_feed_blocking, &op_mix, &op_collect, {.workers = 1}},
        {"all blocking", &op_feed_blocking, &op_mix_blocking, &op_collect_blocking, {.workers = 2}},
    };
    struct run fused = {0};
    struct feed feed = {.count = 5000, .per_poll = 3, .step_ns = 10, .silent_every = 5};

    run_line(&fused, &op_feed, &op_mix, &op_collect, &feed);
    finish(&fused, NULL);
    assert_int_equal(lines(&fused.out), 5000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run run = {0};

        print_message("%s\n", cases[i].name);
        run_line(&run, cases[i].source, cases[i].middle, cases[i].sink, &feed);
        finish(&run, &cases[i].options);
        assert_int_equal(run.out.len, fused.out.len);
        assert_string_equal(run.out.data, fused.out.data);
        clean_up(&run);
    }
    clean_up(&fused);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fused_line_delivers_everything_in_order),
        cmocka_unit_test(test_cut_lines_deliver_what_the_fused_one_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
