/* SPDX-License-Identifier: Apache-2.0
 * Good graphs: the model that comes of a file, its variables, chains, order, and its pictures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake.h"
#include "graph/graph.h"
#include "graph/write.h"

static char folder[] = "/tmp/hde-graph-XXXXXX";
static struct diags diags;

static const char *
at(const char *name)
{
    static char path[4][200];
    static unsigned turn;
    char *text = path[turn++ % 4];

    snprintf(text, sizeof path[0], "%s/%s", folder, name);
    return text;
}

static void
put(const char *name, const char *text)
{
    FILE *out = fopen(at(name), "w");

    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static struct graph *
load_with(const char *text, const struct graph_options *options)
{
    struct graph *graph;

    put("main.yaml", text);
    diags_fini(&diags);
    graph = graph_load(at("main.yaml"), options, NULL, &diags);
    return graph;
}

static struct graph *
load(const char *text)
{
    struct graph *graph = load_with(text, NULL);
    hde_text said = {0};

    if (graph)
        return graph;
    diags_print(&diags, &said, false);
    fail_msg("%s", said.data);
    return graph;
}

static const struct graph_node *
node(const struct graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (strcmp(graph->nodes[i].name, name) == 0)
            return &graph->nodes[i];
    fail_msg("no node '%s'", name);
    return NULL;
}

/* Names of all nodes, or of all edges, one a line. */
static void
assert_names(const struct graph *graph, bool edges, const char *expected)
{
    hde_text text = {0};

    for (size_t i = 0; i < (edges ? graph->n_edges : graph->n_nodes); i++)
        hde_text_printf(&text, "%s\n", edges ? graph->edges[i].name : graph->nodes[i].name);
    assert_string_equal(text.data ? text.data : "", expected);
    hde_text_free(&text);
}

#define HEAD "hde: 1\ngraph: t\n"
#define FILTER_CHAIN                                                                               \
    "hde: 1\nchain: c\ninputs: {in: first.in}\noutputs: {out: second}\n"                           \
    "nodes: {first: {op: test/filter}, second: {op: test/filter}}\nedges: [first -> second]\n"

/* ---- nodes and edges ------------------------------------------------------------------------ */

static void
test_a_plain_graph_has_defaults_everywhere(void **unused)
{
    struct graph *graph =
        load(HEAD "nodes: {a: {op: test/source}, b: {op: test/sink}}\nedges: [a -> b]\n");
    const struct graph_node *b = &graph->nodes[1];
    const struct graph_edge *edge = &graph->edges[0];

    assert_int_equal(diags.n, 0);
    assert_string_equal(graph->name, "t");
    assert_string_equal(graph->path, at("main.yaml"));
    assert_null(graph->dlq.folder);
    assert_int_equal(graph->delivery, DELIVERY_NONE);
    assert_int_equal(graph->dlq.max_bytes, 256 << 20);
    assert_int_equal(graph->workers, 0);
    assert_string_equal(b->name, "b");
    assert_string_equal(b->op->name, "test/sink");
    assert_string_equal(b->plugin_path, "fake.so");
    assert_int_equal(b->place.line, 3);
    assert_int_equal(b->place.column, 31);
    assert_int_equal(b->replicas, 1);
    assert_int_equal(b->worker, -1);
    assert_false(b->boundary);
    assert_int_equal(b->on_error.action, ON_ERROR_STOP);
    assert_int_equal(b->on_error.backoff_ns, 100000000);
    assert_int_equal(b->on_error.max_backoff_ns, 10000000000);
    assert_int_equal(edge->full, FULL_BLOCK);
    assert_int_equal(edge->transport, TRANSPORT_AUTO);
    assert_int_equal(edge->capacity_messages, 1024);
    assert_int_equal(edge->capacity_bytes, 64 << 20);
    assert_int_equal(edge->n_keys, 0);
    assert_int_equal(edge->place.line, 4);
    assert_int_equal(edge->place.column, 14);
    graph_free(graph);
}

static void
test_nodes_come_in_topological_order_with_ties_as_in_the_file(void **unused)
{
    struct graph *graph = load(HEAD "nodes:\n"
                                    "  sink: {op: test/sink}\n"
                                    "  z: {op: test/source}\n"
                                    "  y: {op: test/filter}\n"
                                    "  x: {op: test/filter}\n"
                                    "  a: {op: test/source}\n"
                                    "edges:\n  - \"[a, z] -> [x, y] -> sink\"\n");

    assert_names(graph, false, "z\na\ny\nx\nsink\n");
    assert_names(graph, true,
                 "z.out -> x.in\nz.out -> y.in\na.out -> x.in\na.out -> y.in\n"
                 "y.out -> sink.in\nx.out -> sink.in\n");
    for (size_t i = 0; i < graph->n_edges; i++)
        assert_true(graph->edges[i].from < graph->edges[i].to);
    graph_free(graph);
}

static void
test_paths_may_name_ports_and_span_lines(void **unused)
{
    struct graph *graph = load(HEAD "nodes:\n"
                                    "  a: {op: test/source}\n"
                                    "  s: {op: test/split}\n"
                                    "  j: {op: test/join}\n"
                                    "  f-1: {op: test/filter}\n"
                                    "  all: {op: test/any_sink}\n"
                                    "edges:\n"
                                    "  - a->s.out->f-1->\n"
                                    "    [j.left,\n"
                                    "     j.right]\n"
                                    "  - j -> all\n"
                                    "  - 's.late -> all.in'\n");

    assert_names(graph, true,
                 "a.out -> s.in\ns.out -> f-1.in\ns.late -> all.in\nf-1.out -> j.left\n"
                 "f-1.out -> j.right\nj.out -> all.in\n");
    assert_int_equal(graph->edges[4].to_port, 1);
    assert_int_equal(graph->edges[4].place.line, 12);
    assert_int_equal(graph->edges[4].place.column, 8);
    assert_int_equal(graph->edges[2].from_port, 1);
    assert_int_equal(graph->edges[2].place.column, 20);
    graph_free(graph);
}

static void
test_settings_of_the_log_come_from_record_and_checkpoint(void **unused)
{
    static const char nodes[] = "nodes: {a: {op: test/source}, b: {op: test/sink}}\nedges: [a -> b]\n";
    char text[600];
    struct graph *graph;

    snprintf(text, sizeof text,
             HEAD "record: {to: day.log, log: {segment: 1MiB, sync: 2ms}}\n"
                  "checkpoint: {store: s, log: {segment: 1024KiB, max_age: 2d, sync_size: 64KiB}}\n%s",
             nodes);
    graph = load(text);
    assert_int_equal(diags.n, 0);
    assert_int_equal(graph->log.segment_bytes, 1 << 20);
    assert_int_equal(graph->log.max_bytes, 0);
    assert_int_equal(graph->log.max_age_ns, 48 * 3600 * 1000000000LL);
    assert_int_equal(graph->log.sync_ns, 2000000);
    assert_int_equal(graph->log.sync_bytes, 64 << 10);
    graph_free(graph);
    snprintf(text, sizeof text, HEAD "checkpoint: {store: s}\n%s", nodes);
    graph = load(text);
    assert_int_equal(graph->log.max_bytes, 10LL << 30); /* and not for ever */
    graph_free(graph);
    snprintf(text, sizeof text, HEAD "record: day.log\n%s", nodes);
    graph = load(text);
    assert_int_equal(graph->log.max_bytes, 0);
    graph_free(graph);
}

static void
test_settings_of_nodes_and_edges_are_read(void **unused)
{
    struct graph *graph =
        load(HEAD "workers: 4\ndlq: {path: bad, max_size: 1MiB, max_age: 48h}\n"
                  "on_error: {do: retry, attempts: 5, backoff: 50ms, max_backoff: 1m, then: skip}\n"
                  "nodes:\n"
                  "  a: {op: test/source, on_error: skip}\n"
                  "  b: {op: test/filter, replicas: 3, key: key, boundary: true, worker: 3}\n"
                  "  c: {op: test/sink, was: old_c}\n"
                  "edges:\n"
                  "  - {path: a -> b, full: latest, key: [key, sequence], capacity: 7}\n"
                  "  - {path: b -> c, full: drop_oldest, capacity: 2MiB, transport: zmq}\n"
                  "  - {path: a -> c, capacity: {messages: 9, bytes: 1MiB}, full: latest, key: "
                  "key}\n");
    const struct graph_edge *edges = graph->edges;

    assert_int_equal(diags.n, 0);
    assert_int_equal(graph->workers, 4);
    assert_string_equal(strrchr(graph->dlq.folder, '/') + 1, "bad");
    assert_int_equal(graph->dlq.max_bytes, 1 << 20);
    assert_int_equal(graph->dlq.max_age_ns, 48 * 3600 * 1000000000LL);
    assert_int_equal(graph->on_error.action, ON_ERROR_RETRY);
    assert_int_equal(node(graph, "a")->on_error.action, ON_ERROR_SKIP);
    assert_int_equal(node(graph, "a")->on_error.attempts, 5);
    assert_int_equal(node(graph, "b")->on_error.then, ON_ERROR_SKIP);
    assert_int_equal(node(graph, "b")->on_error.backoff_ns, 50000000);
    assert_int_equal(node(graph, "b")->on_error.max_backoff_ns, 60000000000);
    assert_int_equal(node(graph, "b")->replicas, 3);
    assert_string_equal(node(graph, "b")->key, "key");
    assert_true(node(graph, "b")->boundary);
    assert_int_equal(node(graph, "b")->worker, 3);
    assert_string_equal(edges[0].name, "a.out -> b.in");
    assert_int_equal(edges[0].full, FULL_LATEST);
    assert_int_equal(edges[0].n_keys, 2);
    assert_string_equal(edges[0].keys[1], "sequence");
    assert_int_equal(edges[0].capacity_messages, 7);
    assert_int_equal(edges[0].capacity_bytes, 64 << 20);
    assert_int_equal(edges[1].capacity_messages, 9);
    assert_int_equal(edges[1].capacity_bytes, 1 << 20);
    assert_int_equal(edges[1].n_keys, 1);
    assert_int_equal(edges[2].full, FULL_DROP_OLDEST);
    assert_int_equal(edges[2].capacity_bytes, 2 << 20);
    assert_int_equal(edges[2].capacity_messages, 1024);
    assert_int_equal(edges[2].transport, TRANSPORT_ZMQ);
    graph_free(graph);
}

/* ---- chains --------------------------------------------------------------------------------- */

static void
test_chains_are_flattened_and_connected_by_name(void **unused)
{
    struct graph *graph;

    put("c.yaml", FILTER_CHAIN);
    put("outer.yaml", "hde: 1\nchain: outer\ninclude: {x: {chain: c.yaml}, y: {chain: c.yaml}}\n"
                      "inputs: {in: [x, y.in]}\noutputs: {both: [x.out, y]}\n");
    graph = load(HEAD "include: {o: {chain: outer.yaml, boundary: true, worker: 2}}\n"
                      "nodes: {a: {op: test/source}, b: {op: test/sink}}\n"
                      "edges: [a -> o.in, o.both -> b]\n");
    assert_int_equal(diags.n, 0);
    assert_names(graph, false, "a\no.x.first\no.x.second\no.y.first\no.y.second\nb\n");
    assert_names(graph, true,
                 "a.out -> o.x.first.in\na.out -> o.y.first.in\no.x.first.out -> o.x.second.in\n"
                 "o.x.second.out -> b.in\no.y.first.out -> o.y.second.in\n"
                 "o.y.second.out -> b.in\n");
    assert_true(node(graph, "o.x.first")->boundary); /* where edges enter the chain */
    assert_true(node(graph, "o.y.first")->boundary);
    assert_false(node(graph, "o.x.second")->boundary);
    assert_false(node(graph, "b")->boundary);
    assert_int_equal(node(graph, "o.y.second")->worker, 2);
    assert_int_equal(node(graph, "b")->worker, -1);
    assert_string_equal(node(graph, "o.x.first")->place.file, at("c.yaml"));
    graph_free(graph);
}

static void
test_a_chain_checks_clean_alone(void **unused)
{
    struct graph *graph = load(FILTER_CHAIN);

    assert_int_equal(diags.n, 0);
    assert_string_equal(graph->name, "c");
    assert_int_equal(graph->n_edges, 1);
    graph_free(graph);
}

static void
test_faults_of_a_chain_that_is_there_twice_are_said_once(void **unused)
{
    put("c.yaml", "hde: 1\nchain: c\noutputs: {out: s.out}\n"
                  "nodes: {s: {op: test/source, x: 1}}\n");
    put("main.yaml", HEAD "include: {x: {chain: c.yaml}, y: {chain: c.yaml}}\n"
                          "nodes: {b: {op: test/sink}}\nedges: [\"[x, y] -> b\"]\n");
    diags_fini(&diags);
    assert_null(graph_load(at("main.yaml"), NULL, NULL, &diags));
    assert_int_equal(diags.n, 1);
    assert_int_equal(diags.errors, 1);
    assert_string_equal(diags.list[0].code, "HDE-G020");
}

/* ---- variables, secrets, --set --------------------------------------------------------------- */

static const struct fake_params *
params(const struct graph *graph, const char *name)
{
    return node(graph, name)->params;
}

static void
test_a_reference_alone_is_the_value_itself_and_text_otherwise(void **unused)
{
    struct graph *graph;

    setenv("HDE_TEST_COUNT", "7", 1);
    setenv("HDE_TEST_EMPTY", "", 1);
    setenv("HDE_TEST_TRICK", "${vars.label}", 1);
    put("p.token", "\n  se cret \n\n");
    graph = load(HEAD "vars:\n  symbols: [NIFTY, \"${vars.label}\"]\n  label: bank\n"
                      "  window: 90s\n  all: {needed: x, count: \"${HDE_TEST_COUNT}\"}\n"
                      "nodes:\n"
                      "  p: {op: test/params, params: {needed: \"<${vars.label}-$${x}$>\", "
                      "symbols: \"${vars.symbols}\", window: \"${vars.window}\", "
                      "count: \"${HDE_TEST_COUNT}\", share: \"${HDE_TEST_EMPTY:-25%}\", "
                      "token: \"${file:p.token}\", label: \"${HDE_TEST_TRICK}\"}}\n"
                      "  q: {op: test/params, params: \"${vars.all}\"}\n");
    assert_int_equal(diags.n, 0);
    assert_string_equal(params(graph, "p")->needed, "<bank-${x}$>");
    assert_int_equal(params(graph, "p")->symbols.n, 2);
    assert_string_equal(params(graph, "p")->symbols.item[1], "bank");
    assert_int_equal(params(graph, "p")->window.ns, 90000000000);
    assert_int_equal(params(graph, "p")->count, 7);
    assert_true(params(graph, "p")->share.value == 0.25);
    assert_string_equal(params(graph, "p")->token.text, "se cret");
    assert_string_equal(params(graph, "p")->label, "${vars.label}");
    assert_int_equal(params(graph, "q")->count, 7);
    graph_free(graph);
}

static void
test_with_sets_the_variables_of_a_chain(void **unused)
{
    struct graph *graph;

    put("p.yaml", "hde: 1\nchain: p\nvars: {n: 1, twice: \"${vars.n}${vars.n}\"}\n"
                  "nodes: {p: {op: test/params, params: {needed: \"${vars.twice}\", count: "
                  "\"${vars.n}\"}}}\n");
    graph = load(HEAD "vars: {n: 5}\ninclude:\n  x: {chain: p.yaml, with: {n: \"${vars.n}\"}}\n"
                      "  y: {chain: p.yaml}\n  z: {chain: p.yaml, with: {n: 9}}\n");
    assert_string_equal(params(graph, "x.p")->needed, "55");
    assert_int_equal(params(graph, "x.p")->count, 5);
    assert_string_equal(params(graph, "y.p")->needed, "11");
    assert_int_equal(params(graph, "z.p")->count, 9);
    graph_free(graph);
}

static void
test_paths_count_from_the_file_in_which_they_stand(void **unused)
{
    const char *const sets[] = {"set.file=here.csv"};
    struct graph_options options = {.sets = sets, .n_sets = 1};
    struct graph *graph;

    setenv("HDE_TEST_FILE", "env.csv", 1);
    mkdir(at("sub"), 0700);
    put("sub/p.yaml", "hde: 1\nchain: p\nvars: {file: own.csv}\n"
                      "nodes: {p: {op: test/params, params: {needed: x, file: "
                      "\"${vars.file}\"}}}\n");
    graph = load_with(
        HEAD "include:\n  own: {chain: sub/p.yaml}\n"
             "  given: {chain: sub/p.yaml, with: {file: given.csv}}\n"
             "nodes:\n"
             "  absolute: {op: test/params, params: {needed: x, file: /a/b.csv}}\n"
             "  stdout: {op: test/params, params: {needed: x, file: \"-\"}}\n"
             "  env: {op: test/params, params: {needed: x, file: \"${HDE_TEST_FILE}\"}}\n"
             "  fallback: {op: test/params, params: {needed: x, file: \"${NO_HDE:-d.csv}\"}}\n"
             "  set: {op: test/params, params: {needed: x, file: main.csv}}\n",
        &options);
    assert_non_null(graph);
    assert_string_equal(params(graph, "own.p")->file.path, at("sub/own.csv"));
    assert_string_equal(params(graph, "given.p")->file.path, at("given.csv"));
    assert_string_equal(params(graph, "absolute")->file.path, "/a/b.csv");
    assert_string_equal(params(graph, "stdout")->file.path, "-");
    assert_string_equal(params(graph, "env")->file.path, "env.csv");
    assert_string_equal(params(graph, "fallback")->file.path, at("d.csv"));
    assert_string_equal(params(graph, "set")->file.path, "here.csv");
    graph_free(graph);
}

static void
test_set_reaches_nodes_and_variables(void **unused)
{
    const char *const sets[] = {
        "vars.n=4",         "x.p.label=a=b: #c", "p.count=1",  "q.params.needed=${}",
        "q.symbols=[a, b]", "q.window=5s",       "q.window=6s"};
    struct graph_options options = {.sets = sets, .n_sets = sizeof sets / sizeof *sets};
    struct graph *graph;

    put("p.yaml", "hde: 1\nchain: p\nvars: {n: 1}\n"
                  "nodes: {p: {op: test/params, params: {needed: \"${vars.n}\", count: 9}}}\n");
    graph = load_with(HEAD "vars: {n: 3}\ninclude: {x: {chain: p.yaml, with: {n: "
                           "\"${vars.n}\"}}}\nnodes: {q: {op: test/params}}\n",
                      &options);
    assert_non_null(graph);
    assert_string_equal(params(graph, "x.p")->needed, "4");
    assert_string_equal(params(graph, "x.p")->label, "a=b: #c");
    assert_int_equal(params(graph, "x.p")->count, 1);
    assert_string_equal(params(graph, "q")->needed, "${}");
    assert_int_equal(params(graph, "q")->symbols.n, 2);
    assert_int_equal(params(graph, "q")->window.ns, 6000000000);
    graph_free(graph);
}

static void
test_what_is_missing_is_a_warning_for_check_and_an_error_for_run_and_strict(void **unused)
{
    static const char text[] = HEAD "nodes: {p: {op: test/params, params: {needed: x, token: "
                                    "\"${file:none}\", count: \"${HDE_TEST_UNSET}\"}}}\n";
    struct graph *graph = load(text);

    assert_int_equal(diags.n, 2);
    assert_int_equal(diags.errors, 0);
    graph_free(graph);
    assert_null(load_with(text, &(struct graph_options){.for_run = true}));
    assert_int_equal(diags.errors, 2);
    assert_null(load_with(text, &(struct graph_options){.strict = true}));
    assert_int_equal(diags.errors, 2);
}

static void
test_secrets_are_never_shown(void **unused)
{
    hde_text text = {0};
    struct graph *graph;

    put("s.token", "hush-hush");
    assert_null(load_with(HEAD "vars: {s: \"${file:s.token}\"}\n"
                               "nodes: {p: {op: test/params, params: {needed: x, count: "
                               "\"${vars.s}\", mode: \"a${vars.s}\", window: \"${vars.s}\"}}}\n"
                               "workers: \"${vars.s}\"\n",
                          NULL));
    assert_int_equal(diags.n, 4);
    diags_print(&diags, &text, false);
    diags_json(&diags, &text);
    assert_null(strstr(text.data, "hush"));
    assert_non_null(strstr(text.data, "(secret)"));
    graph = load(HEAD "nodes: {p: {op: test/params, params: {needed: x, token: "
                      "\"${file:s.token}\"}}}\n");
    hde_text_clear(&text);
    graph_write(graph, GRAPH_JSON, NULL, &text);
    assert_null(strstr(text.data, "hush"));
    assert_non_null(strstr(text.data, "\"token\":\"(secret)\""));
    hde_text_free(&text);
    graph_free(graph);
}

static void
test_a_byte_order_mark_and_dos_line_ends_are_fine(void **unused)
{
    struct graph *graph = load("\xEF\xBB\xBFhde: 1\r\ngraph: t\r\nnodes:\r\n"
                               "  a: {op: test/source}\r\n  b: {op: test/sink}\r\n"
                               "edges: [a -> b]\r\n");

    assert_int_equal(graph->n_edges, 1);
    graph_free(graph);
    assert_null(load_with("\xEF\xBB\xBFhde: 2\r\n", NULL));
    assert_int_equal(diags.list[1].place.column, 1);
    assert_string_equal(diags.list[0].source, "hde: 2");
}

/* ---- findings ------------------------------------------------------------------------------- */

static void
test_findings_are_printed_with_line_caret_and_way_out(void **unused)
{
    hde_text text = {0};
    char expected[1000];

    assert_null(load_with(HEAD "nodes: {a: {op: test/source}, b: {op: test/sink}}\n"
                               "edges: [a -> bb]\n",
                          NULL));
    diags_print(&diags, &text, false);
    snprintf(expected, sizeof expected,
             "%s:4:14: error HDE-G071: there is no node or chain 'bb' in this file\n"
             "    4 | edges: [a -> bb]\n"
             "      |              ^\n"
             "      = did you mean 'b'?\n",
             at("main.yaml"));
    assert_string_equal(text.data, expected);
    hde_text_clear(&text);
    diags_json(&diags, &text);
    snprintf(expected, sizeof expected,
             "[{\"severity\":\"error\",\"code\":\"HDE-G071\",\"file\":\"%s\",\"line\":4,"
             "\"column\":14,\"message\":\"there is no node or chain 'bb' in this file\","
             "\"hint\":null,\"nearest\":\"b\",\"source\":\"edges: [a -> bb]\"}]",
             at("main.yaml"));
    assert_string_equal(text.data, expected);
    hde_text_free(&text);
}

static void
test_long_lines_are_cut_around_the_place(void **unused)
{
    hde_text file = {0}, text = {0};
    const char *line, *caret;

    hde_text_puts(&file, HEAD "vars: {x: \"");
    for (int i = 0; i < 500; i++)
        hde_text_puts(&file, "\xC3\xA9");
    hde_text_puts(&file, "\", 2y: 1}\nnodes: {a: {op: test/alone}}\n");
    assert_null(load_with(file.data, NULL));
    assert_int_equal(diags.n, 1);
    assert_int_equal(diags.list[0].place.column, 515);
    diags_print(&diags, &text, false);
    line = strstr(text.data, "    3 | ...");
    caret = strstr(text.data, "^\n");
    assert_non_null(line);
    assert_non_null(caret);
    assert_true(strlen(text.data) < 700);
    hde_text_free(&text);
    hde_text_free(&file);
}

static void
test_findings_over_the_limit_are_counted(void **unused)
{
    hde_text file = {0}, text = {0};

    hde_text_puts(&file, HEAD "nodes: {a: {op: test/alone}}\n");
    for (int i = 0; i < 1500; i++)
        hde_text_printf(&file, "key%d: 1\n", i);
    assert_null(load_with(file.data, NULL));
    assert_int_equal(diags.n, 1000);
    assert_int_equal(diags.errors, 1500);
    diags_print(&diags, &text, false);
    assert_non_null(strstr(text.data, "and 500 more, not shown"));
    hde_text_free(&text);
    hde_text_free(&file);
}

/* ---- pictures ------------------------------------------------------------------------------- */

static const char picture_graph[] =
    HEAD "include: {c: {chain: c.yaml}}\n"
         "nodes: {a: {op: test/source}, b: {op: test/sink, boundary: true}, v: {op: test/view}}\n"
         "edges:\n  - a -> c -> b\n  - {path: \"[a, c] -> v\", full: latest, key: key}\n";

static void
label_edge(void *arg, size_t edge, hde_text *out)
{
    if (edge == 0)
        hde_text_printf(out, "%s/s", (const char *)arg);
}

static void
assert_has(const struct graph *graph, enum graph_format format, const char *const *parts)
{
    char rate[] = "42";
    struct graph_labels labels = {.edge = label_edge, .arg = rate};
    hde_text text = {0};

    graph_write(graph, format, &labels, &text);
    for (; *parts; parts++)
        if (!strstr(text.data, *parts))
            fail_msg("'%s' is not in\n%s", *parts, text.data);
    hde_text_free(&text);
}

static void
test_rails_run_from_senders_to_readers(void **unused)
{
    struct graph *graph;
    hde_text text = {0};

    put("c.yaml", FILTER_CHAIN);
    graph = load(picture_graph);
    graph_write(graph, GRAPH_ASCII, NULL, &text);
    assert_string_equal(text.data, "o      a         test/source\n"
                                   "+-o    c.first   test/filter\n"
                                   "| o    c.second  test/filter\n"
                                   "| +-o  b         test/sink, boundary\n"
                                   "o-'    v         test/view\n"
                                   "         in <- a.out  latest by key\n"
                                   "         in <- c.second.out  latest by key\n");
    hde_text_free(&text);
    graph_free(graph);
}

static void
test_pictures_have_boxes_types_policies_and_labels(void **unused)
{
    struct graph *graph;

    put("c.yaml", FILTER_CHAIN);
    graph = load(picture_graph);
    assert_has(graph, GRAPH_ASCII,
               (const char *const[]){"in <- a.out  42/s", "in <- a.out  latest by key", NULL});
    assert_has(graph, GRAPH_DOT,
               (const char *const[]){"digraph \"t\" {", "subgraph \"cluster_c\" {",
                                     "\"c.first\" [label=\"first\\ntest/filter\"]",
                                     "\"a\" -> \"c.first\" [label=\"Sample\\n42/s\"]",
                                     "\"c.second\" -> \"v\" [label=\"Sample\\nlatest by key\"]",
                                     NULL});
    assert_has(graph, GRAPH_MERMAID,
               (const char *const[]){"flowchart LR\n", "subgraph g_c [\"c\"]",
                                     "n1[\"first<br/>test/filter\"]",
                                     "n0 -->|\"Sample<br/>42/s\"| n1", NULL});
    assert_has(graph, GRAPH_JSON,
               (const char *const[]){"{\"graph\":\"t\"", "\"name\":\"a.out -> c.first.in\"",
                                     "\"label\":\"42/s\"", "\"full\":\"latest\"",
                                     "\"key\":[\"key\"]", "\"boundary\":true", NULL});
    graph_free(graph);
}

/* ---- size ----------------------------------------------------------------------------------- */

static void
test_a_graph_of_five_hundred_nodes_is_read_as_written(void **unused)
{
    hde_text file = {0};
    struct graph *graph;

    hde_text_puts(&file, HEAD "nodes:\n  s: {op: test/source}\n");
    for (int i = 0; i < 500; i++)
        hde_text_printf(&file, "  n%d: {op: test/filter}\n", i);
    hde_text_puts(&file, "  e: {op: test/sink}\nedges:\n  - s -> n0\n  - n499 -> e\n");
    for (int i = 0; i < 499; i++)
        hde_text_printf(&file, "  - n%d -> n%d\n", i, i + 1);
    graph = load(file.data);
    assert_int_equal(graph->n_nodes, 502);
    assert_int_equal(graph->n_edges, 501);
    for (size_t i = 0; i < graph->n_edges; i++)
        assert_int_equal(graph->edges[i].from + 1, graph->edges[i].to);
    graph_free(graph);
    hde_text_free(&file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plain_graph_has_defaults_everywhere),
        cmocka_unit_test(test_nodes_come_in_topological_order_with_ties_as_in_the_file),
        cmocka_unit_test(test_paths_may_name_ports_and_span_lines),
        cmocka_unit_test(test_settings_of_the_log_come_from_record_and_checkpoint),
        cmocka_unit_test(test_settings_of_nodes_and_edges_are_read),
        cmocka_unit_test(test_chains_are_flattened_and_connected_by_name),
        cmocka_unit_test(test_a_chain_checks_clean_alone),
        cmocka_unit_test(test_faults_of_a_chain_that_is_there_twice_are_said_once),
        cmocka_unit_test(test_a_reference_alone_is_the_value_itself_and_text_otherwise),
        cmocka_unit_test(test_with_sets_the_variables_of_a_chain),
        cmocka_unit_test(test_paths_count_from_the_file_in_which_they_stand),
        cmocka_unit_test(test_set_reaches_nodes_and_variables),
        cmocka_unit_test(
            test_what_is_missing_is_a_warning_for_check_and_an_error_for_run_and_strict),
        cmocka_unit_test(test_secrets_are_never_shown),
        cmocka_unit_test(test_a_byte_order_mark_and_dos_line_ends_are_fine),
        cmocka_unit_test(test_findings_are_printed_with_line_caret_and_way_out),
        cmocka_unit_test(test_long_lines_are_cut_around_the_place),
        cmocka_unit_test(test_findings_over_the_limit_are_counted),
        cmocka_unit_test(test_rails_run_from_senders_to_readers),
        cmocka_unit_test(test_pictures_have_boxes_types_policies_and_labels),
        cmocka_unit_test(test_a_graph_of_five_hundred_nodes_is_read_as_written),
    };
    char command[100];
    int failed;

    unsetenv("HDE_TEST_UNSET");
    if (!mkdtemp(folder))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    diags_fini(&diags);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0 || failed;
}
