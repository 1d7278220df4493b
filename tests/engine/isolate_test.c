/* SPDX-License-Identifier: Apache-2.0
 * isolate_test - nodes whose operators run in child processes. */
#include "base/clock.h"
#include "engine/engine.h"
#include "engine/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

enum { DEADLINE_MS = 60000 };

/* ---- A graph from its text to its end ------------------------------------------------------ */

struct rig {
    char folder[64];
    struct registry *registry;
    struct graph *graph;
    struct engine *engine;
};

static void
load(struct rig *rig, const char *nodes)
{
    struct diags diags = {0};
    hde_text text = {0};
    char path[128];
    FILE *file;

    snprintf(rig->folder, sizeof rig->folder, "/tmp/hde-isolate.XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(path, sizeof path, "%s/graph.yaml", rig->folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "hde: 1\ngraph: isolate\n%s", nodes);
    fclose(file);
    rig->registry = registry_new_at(HDE_BINARY_DIR "/tests/faulty");
    rig->graph = graph_load(path, NULL, rig->registry, &diags);
    diags_print(&diags, &text, false);
    assert_string_equal(text.data ? text.data : "", "");
    hde_text_free(&text);
    diags_fini(&diags);
}

/* Runs it to its end; false: it has failed. Folders of logs may be NULL. */
static bool
run_with(struct rig *rig, const char *record, const char *log)
{
    struct engine_options options = {.virtual_clock = true,
                                     .record = record,
                                     .log = log,
                                     .trial_program = HDE_BINARY_DIR "/bin/hde"};
    struct err err = {0};

    rig->engine = engine_new(rig->graph, &options, &err);
    assert_string_equal(err.text, "");
    assert_true(engine_start(rig->engine, &err));
    assert_true(engine_wait(rig->engine, DEADLINE_MS));
    return engine_state(rig->engine) == ENGINE_ENDED;
}

static bool
run(struct rig *rig)
{
    return run_with(rig, NULL, NULL);
}

static void
clear(struct rig *rig)
{
    char command[128];

    engine_free(rig->engine);
    graph_free(rig->graph);
    registry_free(rig->registry);
    snprintf(command, sizeof command, "rm -r %s", rig->folder);
    assert_int_equal(system(command), 0);
}

/* What a sink has written, to be freed. */
static char *
contents(const struct rig *rig, const char *name)
{
    char path[128], *text = calloc(1, 1 << 22);
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", rig->folder, name);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, (1 << 22) - 1, file) > 0);
    fclose(file);
    return text;
}

static uint64_t
counter(const struct rig *rig, const char *node, const char *name)
{
    for (size_t i = 0; i < rig->graph->n_nodes; i++) {
        struct node_view view;

        stats_node(engine_stats(rig->engine), i, &view);
        for (unsigned c = 0; c < view.n_counters && !strcmp(view.name, node); c++)
            if (!strcmp(view.counter[c].name, name))
                return view.counter[c].value;
    }
    return 0;
}

/* ---- Tests -------------------------------------------------------------------------------- */

static void
test_an_isolated_node_does_what_one_in_the_process_does(void **state)
{
    struct rig rig = {0};
    char *there, *here;

    load(&rig, "nodes:\n"
               "  feed: {op: faulty/feed, params: {count: 1000}}\n"
               "  there: {op: faulty/sum, isolate: process}\n"
               "  here: {op: faulty/sum}\n"
               "  a: {op: faulty/write, isolate: process, params: {path: a.txt}}\n"
               "  b: {op: faulty/write, params: {path: b.txt}}\n"
               "edges: [feed -> there -> a, feed -> here -> b]\n");
    assert_true(run(&rig));
    assert_int_equal(counter(&rig, "there", "seen"), 1000);
    assert_int_equal(counter(&rig, "here", "seen"), 1000);
    engine_free(rig.engine); /* closes the files */
    rig.engine = NULL;
    there = contents(&rig, "a.txt");
    here = contents(&rig, "b.txt");
    assert_non_null(strstr(here, "1000990 ")); /* the last timer */
    assert_string_equal(there, here);
    free(there);
    free(here);
    clear(&rig);
}

static void
test_each_replica_has_a_child_of_its_own(void **state)
{
    static const char *const isolate[] = {"", ", isolate: process"};
    char *text[2];

    for (int i = 0; i < 2; i++) {
        struct rig rig = {0};
        char nodes[512];

        snprintf(nodes, sizeof nodes,
                 "nodes:\n"
                 "  feed: {op: faulty/feed, params: {count: 1000}}\n"
                 "  sum: {op: faulty/sum, replicas: 3, key: sequence%s}\n"
                 "  a: {op: faulty/write, params: {path: a.txt}}\n"
                 "edges: [feed -> sum -> a]\n",
                 isolate[i]);
        load(&rig, nodes);
        assert_true(run(&rig));
        engine_free(rig.engine);
        rig.engine = NULL;
        text[i] = contents(&rig, "a.txt");
        clear(&rig);
    }
    assert_string_equal(text[0], text[1]);
    free(text[0]);
    free(text[1]);
}

static void
test_an_isolated_operator_is_kept_from_the_rest(void **state)
{
    struct rig rig = {0};
    char nodes[512], *text;

    snprintf(nodes, sizeof nodes,
             "nodes:\n"
             "  feed: {op: faulty/feed, params: {count: 1}}\n"
             "  escape: {op: faulty/escape, isolate: process, params: {parent: %d}}\n"
             "  a: {op: faulty/write, params: {path: a.txt}}\n"
             "edges: [feed -> escape -> a]\n",
             (int)getpid());
    load(&rig, nodes);
    assert_true(run(&rig));
    engine_free(rig.engine);
    rig.engine = NULL;
    text = contents(&rig, "a.txt");
    assert_string_equal(text, "1 1 0\n2 1 0\n3 1 0\n4 1 0\n5 1 0\n6 1 0\n");
    free(text);
    clear(&rig);
}

/* What "a" and "b" write when nothing happens and the samples of `without` are not sent. */
static void
undisturbed(const char *without, unsigned count, char **a, char **b)
{
    struct rig rig = {0};
    char nodes[512];

    snprintf(nodes, sizeof nodes,
             "nodes:\n"
             "  all: {op: faulty/feed, params: {count: %u}}\n"
             "  some: {op: faulty/feed, params: {count: %u, without: %s}}\n"
             "  sum: {op: faulty/sum}\n"
             "  other: {op: faulty/sum}\n"
             "  a: {op: faulty/write, params: {path: a.txt}}\n"
             "  b: {op: faulty/write, params: {path: b.txt}}\n"
             "edges: [some -> sum -> a, all -> other -> b]\n",
             count, count, without);
    load(&rig, nodes);
    assert_true(run(&rig));
    engine_free(rig.engine);
    rig.engine = NULL;
    *a = contents(&rig, "a.txt");
    *b = contents(&rig, "b.txt");
    clear(&rig);
}

/* Runs feed -> sum -> a and feed -> other -> b, sum being as given; both have to be like those. */
static void
compare(const char *sum, unsigned count, const char *want_a, const char *want_b, uint64_t restarts,
        uint64_t skips)
{
    struct rig rig = {0};
    char nodes[1024], *got;
    uint64_t lost = 0;

    snprintf(nodes, sizeof nodes,
             "nodes:\n"
             "  feed: {op: faulty/feed, params: {count: %u}}\n"
             "  sum: {op: faulty/sum, %s}\n"
             "  other: {op: faulty/sum}\n"
             "  a: {op: faulty/write, params: {path: a.txt}}\n"
             "  b: {op: faulty/write, params: {path: b.txt}}\n"
             "edges: [feed -> sum -> a, feed -> other -> b]\n",
             count, sum);
    load(&rig, nodes);
    assert_true(run(&rig));
    assert_int_equal(counter(&rig, "sum", "restarts"), restarts);
    for (size_t i = 0; i < rig.graph->n_nodes; i++) {
        struct node_view view;

        stats_node(engine_stats(rig.engine), i, &view);
        lost += view.skips;
    }
    assert_int_equal(lost, skips);
    assert_int_equal(counter(&rig, "sum", "seen"), count - skips);
    engine_free(rig.engine);
    rig.engine = NULL;
    got = contents(&rig, "a.txt");
    assert_string_equal(got, want_a);
    free(got);
    got = contents(&rig, "b.txt");
    assert_string_equal(got, want_b);
    free(got);
    clear(&rig);
}

/* Each kind of death, of two messages; the node has its state, its timers and its order after it,
 * and the rest of the graph does not notice. */
static void
test_a_message_that_kills_twice_is_put_aside(void **state)
{
    static const char *const faults[] = {"segfault", "abort", "exit", "loop", "leak"};
    /* a sanitizer that is out of memory may not come to its end */
    static const char *const limits[] = {"20s", "20s", "20s", "600ms", "600ms"};
    char sum[256], *a, *b;

    undisturbed("['42', '77']", 200, &a, &b);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        snprintf(sum, sizeof sum,
                 "params: {fault: %s, at: ['42', '77']}, on_error: {do: stop, backoff: 1ms},"
                 " isolate: {memory: 64MiB, timeout: %s}",
                 faults[i], limits[i]);
        compare(sum, 200, a, b, 4, 2);
    }
    free(a);
    free(b);
}

static void
test_state_after_restarts_is_that_of_an_undisturbed_run(void **state)
{
    char *a, *b;

    undisturbed("['17', '19999', '39000']", 40000, &a, &b); /* so many that it saves in between */
    compare("params: {fault: abort, at: ['17', '19999', '39000']}, isolate: process,"
            " on_error: {do: stop, backoff: 1ms}",
            40000, a, b, 6, 3);
    free(a);
    free(b);
}

static void
test_a_node_that_fails_goes_on_as_if_it_had_not(void **state)
{
    char *a, *b;

    undisturbed("[]", 400, &a, &b);
    compare("params: {fault: fail, at: ['42'], once: done}, on_error: restart", 400, a, b, 1, 0);
    compare("params: {fault: fail, at: ['42'], once: done}, on_error: restart, isolate: process",
            400, a, b, 1, 0);
    compare("params: {fault: segfault, at: ['399'], once: done}, isolate: process", 400, a, b, 1,
            0);
    free(a);
    free(b);
}

static void
test_past_the_limit_the_message_is_skipped_or_the_graph_stops(void **state)
{
    struct rig rig = {0};
    char *a, *b;

    undisturbed("['42']", 100, &a, &b);
    compare("params: {fault: fail, at: ['42']}, on_error: {do: restart, limit: 2, backoff: 1ms, "
            "then: skip}",
            100, a, b, 3, 1);
    load(&rig, "nodes:\n"
               "  feed: {op: faulty/feed}\n"
               "  sum: {op: faulty/sum, params: {fault: fail, at: ['42']},\n"
               "        on_error: {do: restart, limit: 2, backoff: 1ms}}\n"
               "  a: {op: faulty/write, params: {path: a.txt}}\n"
               "edges: [feed -> sum -> a]\n");
    assert_false(run(&rig));
    assert_string_equal(engine_error(rig.engine)->code, "HDE-R010");
    assert_non_null(strstr(engine_error(rig.engine)->text, "sum.fails: as it was told"));
    clear(&rig);
    free(a);
    free(b);
}

static void
test_the_death_is_named_with_function_message_and_signal(void **state)
{
    static const struct {
        const char *fault, *says;
    } cases[] = {
        {"segfault", "died in batch() of message 2 of tick "}, /* a sanitizer makes it an exit */
        {"exit", "exit code 3"},
        {"loop", "did not return from batch() of message 2 of tick "},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig = {0};
        char nodes[512];

        snprintf(nodes, sizeof nodes,
                 "nodes:\n"
                 "  feed: {op: faulty/feed, params: {count: 100}}\n"
                 "  sum: {op: faulty/sum, params: {fault: %s, at: ['42']},\n"
                 "        isolate: {memory: 64MiB, timeout: %s},\n"
                 "        on_error: {do: restart, limit: 0}}\n"
                 "  a: {op: faulty/write, params: {path: a.txt}}\n"
                 "edges: [feed -> sum -> a]\n",
                 cases[i].fault, strcmp(cases[i].fault, "loop") == 0 ? "700ms" : "20s");
        load(&rig, nodes);
        assert_false(run(&rig));
        assert_string_equal(engine_error(rig.engine)->code, "HDE-R010");
        assert_non_null(strstr(engine_error(rig.engine)->text, cases[i].says));
        clear(&rig);
    }
}

static void
test_what_was_put_aside_is_so_when_the_log_is_taken_again(void **state)
{
    struct rig rig = {0};
    char folder[128], *want, *got;

    load(&rig, "nodes:\n"
               "  feed: {op: faulty/feed}\n"
               "  sum: {op: faulty/sum, params: {fault: abort, at: ['42', '77']},\n"
               "        isolate: process, on_error: {do: stop, backoff: 1ms}}\n"
               "  a: {op: faulty/write, params: {path: a.txt}}\n"
               "edges: [feed -> sum -> a]\n");
    snprintf(folder, sizeof folder, "%s/log", rig.folder);
    assert_true(run_with(&rig, folder, NULL));
    assert_int_equal(counter(&rig, "sum", "restarts"), 4);
    engine_free(rig.engine);
    want = contents(&rig, "a.txt");
    assert_true(run_with(&rig, NULL, folder));
    assert_int_equal(counter(&rig, "sum", "restarts"), 0);
    assert_int_equal(counter(&rig, "sum", "seen"), 98);
    engine_free(rig.engine);
    rig.engine = NULL;
    got = contents(&rig, "a.txt");
    assert_string_equal(got, want);
    free(want);
    free(got);
    clear(&rig);
}

/* Rows that it had not flushed when it died come again, those that it had do not. */
static void
test_a_sink_that_dies_writes_each_row_once(void **state)
{
    struct rig rig = {0};
    uint64_t next = 0;
    char *text;

    load(&rig, "nodes:\n"
               "  feed: {op: faulty/feed, params: {count: 2000}}\n"
               "  store: {op: faulty/store, isolate: process, on_error: {do: stop, backoff: 1ms},\n"
               "          params: {path: rows, at: ['500', '501', '1999']}}\n"
               "edges: [feed -> store]\n");
    assert_true(run(&rig));
    assert_int_equal(counter(&rig, "store", "restarts"), 6);
    engine_free(rig.engine);
    rig.engine = NULL;
    text = contents(&rig, "rows");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (!strncmp(line, "tick", 4))
            continue;
        next = next == 500 ? 502 : next;
        assert_int_equal(strtoull(line, NULL, 10), next);
        next++;
    }
    assert_int_equal(next, 1999);
    free(text);
    clear(&rig);
}

static void
test_without_a_program_a_start_is_refused_by_name(void **state)
{
    struct rig rig = {0};
    struct err err = {0};

    load(&rig, "nodes:\n"
               "  feed: {op: faulty/feed}\n"
               "  sum: {op: faulty/sum, isolate: process}\n"
               "  a: {op: faulty/write, params: {path: a.txt}}\n"
               "edges: [feed -> sum -> a]\n");
    assert_null(engine_new(rig.graph, &(struct engine_options){.virtual_clock = true}, &err));
    assert_string_equal(err.code, "HDE-R001");
    assert_non_null(strstr(err.text, "HDE-R060"));
    clear(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_isolated_node_does_what_one_in_the_process_does),
        cmocka_unit_test(test_each_replica_has_a_child_of_its_own),
        cmocka_unit_test(test_an_isolated_operator_is_kept_from_the_rest),
        cmocka_unit_test(test_a_message_that_kills_twice_is_put_aside),
        cmocka_unit_test(test_state_after_restarts_is_that_of_an_undisturbed_run),
        cmocka_unit_test(test_a_node_that_fails_goes_on_as_if_it_had_not),
        cmocka_unit_test(test_past_the_limit_the_message_is_skipped_or_the_graph_stops),
        cmocka_unit_test(test_the_death_is_named_with_function_message_and_signal),
        cmocka_unit_test(test_what_was_put_aside_is_so_when_the_log_is_taken_again),
        cmocka_unit_test(test_a_sink_that_dies_writes_each_row_once),
        cmocka_unit_test(test_without_a_program_a_start_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
