/* SPDX-License-Identifier: Apache-2.0
 * hosts_test - which node lies on which host, what an edge between hosts is, and how that looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake.h"
#include "graph/graph.h"
#include "graph/hosts.h"
#include "graph/parts.h"
#include "graph/plan.h"
#include "graph/write.h"

static char folder[] = "/tmp/hde-hosts-XXXXXX";
static struct diags diags;

static void
put(const char *name, const char *text)
{
    char path[200];
    FILE *out;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static struct graph *
load(const char *text, const struct graph_options *options)
{
    struct graph *graph;
    char path[200];
    hde_text said = {0};

    put("main.yaml", text);
    snprintf(path, sizeof path, "%s/main.yaml", folder);
    diags_fini(&diags);
    graph = graph_load(path, options, NULL, &diags);
    diags_print(&diags, &said, false);
    if (!graph)
        printf("%s", said.data ? said.data : "");
    hde_text_free(&said);
    return graph;
}

static const char *
host_of(const struct graph *graph, const char *node)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (strcmp(graph->nodes[i].name, node) == 0)
            return graph->hosts[graph->nodes[i].host].name;
    fail_msg("no node %s", node);
    return NULL;
}

/* source on x; chain c on y, but for one node of it on z; sink on z beside another on y */
#define CHAIN                                                                                      \
    "hde: 1\nchain: c\ninputs: {in: first.in}\noutputs: {out: second.out}\n"                       \
    "nodes:\n  first: {op: test/filter}\n  second: {op: test/filter, host: z}\n"                   \
    "edges: [first -> second]\n"
#define TABLE                                                                                      \
    "hosts:\n  x: {listen: \"tcp://127.0.0.1:7701\", workers: 2}\n"                                \
    "  y: {listen: \"tcp://0.0.0.0:7702\", address: \"tcp://127.0.0.1:7702\"}\n"                   \
    "  z: {listen: \"ipc://sockets/z\"}\ncoordinator: y\n"
#define GRAPH                                                                                      \
    "hde: 1\ngraph: spread\nworkers: 4\ncheckpoint: {store: kept}\nrecord: log\n" TABLE            \
    "include: {c: {chain: c.yaml, host: y}}\n"                                                     \
    "nodes:\n  a: {op: test/source, host: x}\n  b: {op: test/sink, host: z}\n"                     \
    "  n: {op: test/sink, host: y}\n  v: {op: test/view, host: z}\n"                               \
    "edges:\n  - a -> c -> b\n  - a -> v\n"                                                        \
    "  - {path: c -> v, full: latest, key: key}\n  - {path: a -> n, full: spill}\n"

static const struct graph_options trusted = {.insecure = true};

static void
test_every_node_lies_on_a_host(void **unused)
{
    struct graph *graph;

    put("c.yaml", CHAIN);
    graph = load(GRAPH, &trusted);
    assert_non_null(graph);
    assert_int_equal(graph->n_hosts, 3);
    assert_string_equal(host_of(graph, "a"), "x");
    assert_string_equal(host_of(graph, "c.first"), "y");
    assert_string_equal(host_of(graph, "c.second"), "z");
    assert_string_equal(host_of(graph, "b"), "z");
    assert_string_equal(graph->hosts[graph->coordinator].name, "y");
    assert_true(graph->host == HOST_NONE);
    graph_free(graph);
}

static void
test_a_moved_node_lies_elsewhere(void **unused)
{
    static const char *const moves[] = {"c=x", "c.second=y", "a=z", "a=y"};
    static const char *const wrong[] = {"d=x", "a=w", "a"};
    struct graph_options options = trusted;
    struct graph *graph;

    options.moves = moves;
    options.n_moves = 4;
    graph = load(GRAPH, &options);
    assert_non_null(graph);
    assert_string_equal(host_of(graph, "c.first"), "x");
    assert_string_equal(host_of(graph, "c.second"), "y");
    assert_string_equal(host_of(graph, "a"), "y"); /* the last one holds */
    assert_string_equal(host_of(graph, "b"), "z");
    graph_free(graph);
    options.n_moves = options.n_asked = 1;
    for (size_t i = 0; i < 3; i++) {
        options.moves = &wrong[i];
        assert_null(load(GRAPH, &options));
        assert_true(diags.errors > 0);
    }
}

static void
test_addresses_are_those_of_the_table(void **unused)
{
    char expected[200];
    struct graph *graph = load(GRAPH, &trusted);

    assert_string_equal(graph->hosts[0].address, "tcp://127.0.0.1:7701");
    assert_string_equal(graph->hosts[1].listen, "tcp://0.0.0.0:7702");
    assert_string_equal(graph->hosts[1].address, "tcp://127.0.0.1:7702");
    snprintf(expected, sizeof expected, "ipc://%s/sockets/z", folder);
    assert_string_equal(graph->hosts[2].listen, expected);
    assert_false(hosts_is_public("tcp://127.0.0.1:1"));
    assert_false(hosts_is_public("tcp://[::1]:1"));
    assert_true(hosts_is_public("tcp://0.0.0.0:1"));
    assert_true(hosts_is_public("tcp://calc:1"));
    graph_free(graph);
}

static void
test_edges_between_hosts_are_links(void **unused)
{
    struct graph *graph = load(GRAPH, &trusted);
    struct graph_cut cut = {0};
    size_t n_remote = 0;

    for (size_t i = 0; i < graph->n_edges; i++) {
        const struct graph_edge *edge = &graph->edges[i];

        assert_true(edge->is_remote ==
                    (graph->nodes[edge->from].host != graph->nodes[edge->to].host));
        assert_true(!edge->is_remote || edge_is_link(edge));
        n_remote += edge->is_remote;
    }
    assert_int_equal(n_remote, 4); /* all but c.second -> b and c.second -> v */
    graph_cut(graph, &cut);
    assert_int_equal(cut.n_links, 4);
    assert_int_equal(cut.n_parts, 4); /* a; c.first; n; c.second, b and v */
    for (size_t i = 0; i < cut.n_parts; i++)
        for (size_t n = 0; n < cut.parts[i].graph.n_nodes; n++)
            assert_int_equal(cut.parts[i].graph.nodes[n].host, cut.parts[i].host);
    graph_cut_fini(&cut);
    graph_free(graph);
}

static void
test_a_host_without_nodes_has_a_part_of_its_own(void **unused)
{
    static const char text[] = "hde: 1\ngraph: t\n" TABLE
                               "nodes:\n  a: {op: test/source, host: x}\n"
                               "  b: {op: test/sink, host: y}\nedges: [a -> b]\n";
    static const char *const names[] = {NULL, "x", "z"};

    for (size_t i = 0; i < 3; i++) {
        struct graph_options options = trusted;
        struct graph_cut cut = {0};
        struct graph *graph;

        options.host = names[i];
        graph = load(text, &options);
        assert_non_null(graph);
        assert_false(hosts_has_nodes(graph, 2));
        graph_cut(graph, &cut);
        assert_int_equal(cut.n_parts, i == 0 ? 2 : 1);
        assert_int_equal(cut.n_links, i == 2 ? 0 : 1);
        assert_true((cut.spare != NULL) == (i == 2));
        if (cut.spare) {
            assert_string_equal(cut.parts[0].name, PART_SPARE);
            assert_int_equal(cut.parts[0].graph.n_nodes, 1);
            assert_int_equal(cut.parts[0].graph.whole_node[0], SIZE_MAX);
        }
        graph_cut_fini(&cut);
        graph_free(graph);
    }
}

/* Two nodes of y and one of z read c.first and a third of y drops: y gets it twice, z once. */
static void
test_what_goes_to_one_host_goes_there_once(void **unused)
{
    struct graph *graph =
        load("hde: 1\ngraph: t\n" TABLE
             "nodes:\n  a: {op: test/source, host: x}\n  b: {op: test/sink, host: y}\n"
             "  c: {op: test/sink, host: y}\n  d: {op: test/sink, host: z}\n"
             "  v: {op: test/view, host: y}\n"
             "edges:\n  - \"a -> [c, b, d]\"\n  - {path: a -> v, full: drop_oldest}\n",
             &trusted);
    struct graph_cut cut = {0};
    const struct graph *part;

    graph_cut(graph, &cut);
    assert_int_equal(cut.n_links, 3);
    assert_int_equal(cut.n_parts, 4); /* a; b and c; d; v */
    assert_int_equal(cut.parts[0].graph.n_edges, 3);
    assert_string_equal(graph->edges[cut.links[0].edge].name, "a.out -> b.in");
    part = &cut.parts[cut.links[0].to].graph;
    assert_int_equal(part->n_edges, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(&part->nodes[part->edges[i].from] == cut.links[0].receiver);
        assert_true((part->whole_edge[i] == SIZE_MAX) ==
                    (strcmp(part->edges[i].name, "a.out -> b.in") == 0));
    }
    graph_cut_fini(&cut);
    graph_free(graph);
}

static void
test_one_host_alone_has_its_own_name_folders_and_workers(void **unused)
{
    struct graph_options options = {.host = "x", .insecure = true};
    char expected[200];
    struct graph *graph = load(GRAPH, &options);

    assert_non_null(graph);
    assert_int_equal(graph->host, 0);
    assert_string_equal(graph->name, "spread.x");
    assert_int_equal(graph->workers, 2);
    snprintf(expected, sizeof expected, "%s/kept/x", folder);
    assert_string_equal(graph->checkpoint.store, expected);
    snprintf(expected, sizeof expected, "%s/log/x", folder);
    assert_string_equal(graph->record, expected);
    graph_free(graph);
    options.host = "y";
    graph = load(GRAPH, &options);
    assert_int_equal(graph->workers, 4);
    graph_free(graph);
}

static void
test_all_hosts_in_one_process_have_no_edges_between_them(void **unused)
{
    struct graph_options options = {.host = "all", .insecure = true};
    struct graph *graph = load(GRAPH, &options);

    assert_non_null(graph);
    assert_true(graph->host == HOST_NONE);
    assert_string_equal(graph->name, "spread");
    for (size_t i = 0; i < graph->n_edges; i++)
        assert_false(graph->edges[i].is_remote);
    graph_free(graph);
}

static void
test_a_host_that_is_not_there_is_refused(void **unused)
{
    struct graph_options options = {.host = "yy", .insecure = true};

    assert_null(load(GRAPH, &options));
    assert_string_equal(diags.list[0].code, "HDE-G331");
    assert_null(load("hde: 1\ngraph: t\nnodes: {a: {op: test/source}, b: {op: test/sink}}\n"
                     "edges: [a -> b]\n",
                     &options));
    assert_string_equal(diags.list[0].code, "HDE-G332");
}

/* Of one host the numbers and the shape are those of any other; nodes that no edge between hosts
 * touches do not count, keys and replicas at its ends do. */
static void
test_hosts_agree_on_numbers_and_shape(void **unused)
{
    struct graph_options of_x = {.host = "x", .insecure = true}, of_z = of_x;
    struct graph *x, *z;
    char *other = strdup(GRAPH);

    of_z.host = "z";
    x = load(GRAPH, &of_x);
    memcpy(strstr(other, "workers: 4"), "workers: 3", 10);
    z = load(other, &of_z);
    assert_true(hosts_shape(x) == hosts_shape(z) && hosts_shape(x));
    for (size_t i = 0; i < x->n_edges; i++)
        for (size_t k = 0; k < z->n_edges; k++)
            if (x->edges[i].is_remote && strcmp(x->edges[i].name, z->edges[k].name) == 0)
                assert_int_equal(hosts_edge_number(x, &x->edges[i]),
                                 hosts_edge_number(z, &z->edges[k]));
    graph_free(z);
    memcpy(strstr(other, "b: {op: test/sink, host: z}"), "b: {op: test/sink, host: y}", 27);
    z = load(other, &of_z);
    assert_true(hosts_shape(x) != hosts_shape(z));
    graph_free(x);
    graph_free(z);
    free(other);
}

static void
test_a_cut_for_one_host_has_its_parts_and_the_links_that_end_there(void **unused)
{
    struct graph_options options = {.host = "y", .insecure = true};
    struct graph *graph = load(GRAPH, &options);
    struct graph_cut cut = {0};
    size_t n_in = 0, n_out = 0;

    graph_cut(graph, &cut);
    assert_int_equal(cut.n_parts, 2);
    assert_string_equal(cut.parts[0].name, "c.first");
    assert_string_equal(cut.parts[1].name, "n");
    assert_int_equal(cut.n_links, 3); /* a -> c.first, a -> n; c.first -> c.second */
    for (size_t i = 0; i < cut.n_links; i++) {
        n_in += cut.links[i].receiver && cut.links[i].from == PART_ELSEWHERE;
        n_out += cut.links[i].sender && cut.links[i].to == PART_ELSEWHERE;
        assert_true(!cut.links[i].sender != !cut.links[i].receiver);
    }
    assert_true(n_in == 2 && n_out == 1);
    graph_cut_fini(&cut);
    graph_free(graph);
}

static void
assert_picture(const struct graph *graph, enum graph_format format, const char *part)
{
    hde_text text = {0};

    graph_write(graph, format, NULL, &text);
    if (!strstr(text.data, part))
        fail_msg("'%s' is not in\n%s", part, text.data);
    hde_text_free(&text);
}

static void
test_pictures_show_hosts(void **unused)
{
    struct graph *graph = load(GRAPH, &trusted);

    assert_picture(graph, GRAPH_ASCII, "test/source, on x");
    assert_picture(graph, GRAPH_ASCII, "in <- a.out  spill, to another host");
    assert_picture(graph, GRAPH_DOT, "  subgraph \"cluster_y\" {\n    label=\"y\"\n");
    assert_picture(graph, GRAPH_DOT, "    subgraph \"cluster_y_c\" {\n      label=\"c\"\n");
    assert_picture(graph, GRAPH_DOT, "    subgraph \"cluster_z_c\" {\n      label=\"c\"\n");
    assert_picture(graph, GRAPH_MERMAID, "  subgraph g_x [\"x\"]\n");
    assert_picture(graph, GRAPH_MERMAID, "    subgraph g_z_c [\"c\"]\n");
    assert_picture(graph, GRAPH_JSON,
                   "\"coordinator\":\"y\",\"hosts\":[{\"name\":\"x\",\"listen\":"
                   "\"tcp://127.0.0.1:7701\"");
    assert_picture(graph, GRAPH_JSON, "\"host\":\"z\"");
    assert_picture(graph, GRAPH_JSON, "\"transport\":\"host\"");
    graph_free(graph);
}

static void
test_a_plan_says_which_nodes_move_and_that_a_table_is_fixed(void **unused)
{
    struct graph *before = load(GRAPH, &trusted), *after;
    struct change_plan *plan;
    char *moved = strdup(GRAPH);

    memcpy(strstr(moved, "test/sink, host: y"), "test/sink, host: x", 18);
    memcpy(strstr(moved, "7701"), "7709", 4);
    after = load(moved, &trusted);
    assert_non_null(after);
    plan = change_plan_new(before, after);
    assert_int_equal(plan->n_changes, 1);
    for (size_t i = 0; i < plan->n_nodes; i++)
        if (plan->nodes[i].kind != CHANGE_SAME)
            assert_string_equal(plan->nodes[i].what, "host: y -> x");
    assert_non_null(strstr(plan->fixed, "hosts.x.listen: tcp://127.0.0.1:7701 -> "
                                        "tcp://127.0.0.1:7709"));
    assert_string_equal(plan->relinks, "edge 'a.out -> n.in' is another link, or none");
    change_plan_free(plan);
    graph_free(before);
    graph_free(after);
    free(moved);
}

/* Two on x and three on y and z, whatever the order of the list; c takes them in too. */
#define SPREAD                                                                                     \
    "hde: 1\ngraph: t\n" TABLE                                                                     \
    "nodes:\n  a: {op: test/source, host: x}\n"                                                   \
    "  w: {op: test/filter, replicas: 8, key: key, host: [z, x, y]}\n"                             \
    "  v: {op: test/filter, replicas: 2, key: key, host: [x, y]}\n"                                \
    "  b: {op: test/sink, host: x}\n"                                                             \
    "edges:\n  - \"a -> [w, v]\"\n  - \"[w, v] -> b\"\n"

static const struct graph_node *
node_of(const struct graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (strcmp(graph->nodes[i].name, name) == 0)
            return &graph->nodes[i];
    return NULL;
}

static void
test_replicas_are_dealt_out_over_hosts(void **unused)
{
    static const char *const of[] = {"w@x", "w@y", "w@z"};
    struct graph_options one = {.host = "all", .insecure = true};
    struct graph *graph = load(SPREAD, &trusted);

    assert_non_null(graph);
    assert_null(node_of(graph, "w"));
    for (size_t i = 0; i < 3; i++) {
        const struct graph_node *node = node_of(graph, of[i]);

        assert_int_equal(node->host, i);
        assert_int_equal(node->replicas, i < 2 ? 3 : 2); /* 0 3 6, 1 4 7, 2 5 */
        assert_true(node->spread.of == 8 && node->spread.hosts == 3);
        assert_int_equal(node->spread.at, i);
        assert_string_equal(node->key, "key");
    }
    assert_int_equal(node_of(graph, "v@y")->replicas, 1);
    assert_int_equal(node_of(graph, "a")->spread.of, 0);
    assert_picture(graph, GRAPH_ASCII, "3 of 8 replicas by key, on x");
    graph_free(graph);
    graph = load(SPREAD, &one);
    assert_non_null(graph);
    assert_int_equal(node_of(graph, "w")->replicas, 8);
    assert_int_equal(node_of(graph, "w")->spread.of, 0);
    assert_int_equal(graph->n_edges, 4);
    graph_free(graph);
}

static void
test_each_host_is_sent_its_replicas_keys(void **unused)
{
    struct graph *graph = load(SPREAD, &trusted);
    struct graph_cut cut = {0};

    assert_int_equal(graph->n_edges, 10); /* a to 3 and 2, these to b */
    graph_cut(graph, &cut);
    assert_int_equal(cut.n_links, 10);
    assert_int_equal(cut.n_parts, 7); /* a, b, and each share: no circle */
    for (size_t i = 0; i < cut.n_links; i++) {
        const struct graph_link *link = &cut.links[i];
        const struct graph_node *to = &graph->nodes[graph->edges[link->edge].to];

        assert_true(same_spread(&link->sender->spread, &to->spread));
        assert_int_equal(link->sender->replicas, 1);
        assert_int_equal(link->receiver->spread.of, 0);
    }
    graph_cut_fini(&cut);
    graph_free(graph);
}

static void
test_a_share_of_a_node_is_moved_alone(void **unused)
{
    static const char *const moves[] = {"w@y=z"}, *const wrong[] = {"w=z"};
    struct graph_options options = trusted;
    struct graph *graph;

    options.moves = moves;
    options.n_moves = 1;
    graph = load(SPREAD, &options);
    assert_non_null(graph);
    assert_string_equal(host_of(graph, "w@y"), "z");
    assert_string_equal(host_of(graph, "w@x"), "x");
    assert_int_equal(node_of(graph, "w@y")->spread.at, 1);
    graph_free(graph);
    options.moves = wrong;
    graph_free(load(SPREAD, &options)); /* of before: the share may be gone by now */
    assert_int_equal(diags.n, 0);
    options.n_asked = 1;
    assert_null(load(SPREAD, &options));
    assert_string_equal(diags.list[0].code, "HDE-G375");
}

static void
test_other_replicas_over_hosts_are_another_shape_and_no_live_change(void **unused)
{
    struct graph *before = load(SPREAD, &trusted), *after;
    struct change_plan *plan;
    char *other = strdup(SPREAD);

    *strstr(other, "8, key") = '7'; /* that of y has as many as before */
    after = load(other, &trusted);
    assert_int_equal(node_of(after, "w@x")->replicas, 3);
    assert_true(hosts_shape(before) != hosts_shape(after));
    plan = change_plan_new(before, after);
    assert_string_equal(plan->fixed, "links: as they are -> node 'w@x' would have other replicas, "
                                     "and its keys other hosts"); /* no checkpoints */
    change_plan_free(plan);
    graph_free(before);
    graph_free(after);
    free(other);
}

static const struct node_change *
change_of(const struct change_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const struct node_change *change = &plan->nodes[i];

        if (!strcmp(change->after == CHANGE_NOWHERE ? plan->before->nodes[change->before].name
                                                    : plan->after->nodes[change->after].name,
                    name))
            return change;
    }
    return NULL;
}

static struct graph *
load_with(const char *from, const char *to)
{
    const char *at = strstr(SPREAD, from);
    hde_text text = {0};
    struct graph *graph;

    hde_text_put(&text, SPREAD, (size_t)(at - SPREAD));
    hde_text_puts(&text, to);
    hde_text_puts(&text, at + strlen(from));
    graph = load(text.data, &trusted);
    hde_text_free(&text);
    assert_non_null(graph);
    return graph;
}

static void
test_shares_go_on_by_their_replicas(void **unused)
{
    struct graph *before = load(SPREAD, &trusted);
    struct graph *elsewhere = load_with("host: [x, y]", "host: [x, z]");
    struct graph *more = load_with("replicas: 2, key: key, host: [x, y]",
                                   "replicas: 4, key: key, host: [x, y, z]");
    struct graph *alone = load_with("host: [x, y]", "host: y");
    struct change_plan *plan = change_plan_new(before, elsewhere);
    const struct node_change *change = change_of(plan, "v@z");

    assert_int_equal(change_of(plan, "v@x")->kind, CHANGE_SAME);
    assert_string_equal(before->nodes[change->before].name, "v@y");
    assert_string_equal(change->what, "name: v@y -> v@z");
    assert_null(change_of(plan, "v@y"));
    change_plan_free(plan);

    plan = change_plan_new(before, more);
    for (const char *const *name = (const char *const[]){"v@x", "v@y", "v@z", NULL}; *name; name++) {
        change = change_of(plan, *name);
        assert_int_equal(change->kind, CHANGE_SPLIT);
        assert_int_not_equal(change->before, CHANGE_NOWHERE);
        assert_string_equal(change->what, "replicas: 2 on 2 hosts -> 4 on 3 hosts");
    }
    change_plan_free(plan);

    plan = change_plan_new(before, alone);
    assert_int_equal(change_of(plan, "v")->kind, CHANGE_SPLIT);
    assert_string_equal(change_of(plan, "v")->what, "replicas: 2 on 2 hosts -> 2");
    assert_int_equal(change_of(plan, "v@y")->kind, CHANGE_REMOVE);
    assert_int_not_equal(change_of(plan, "v@y")->state, CHANGE_STATE_LOST);
    change_plan_free(plan);
    graph_free(before);
    graph_free(elsewhere);
    graph_free(more);
    graph_free(alone);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_node_lies_on_a_host),
        cmocka_unit_test(test_a_moved_node_lies_elsewhere),
        cmocka_unit_test(test_addresses_are_those_of_the_table),
        cmocka_unit_test(test_edges_between_hosts_are_links),
        cmocka_unit_test(test_a_host_without_nodes_has_a_part_of_its_own),
        cmocka_unit_test(test_what_goes_to_one_host_goes_there_once),
        cmocka_unit_test(test_one_host_alone_has_its_own_name_folders_and_workers),
        cmocka_unit_test(test_all_hosts_in_one_process_have_no_edges_between_them),
        cmocka_unit_test(test_a_host_that_is_not_there_is_refused),
        cmocka_unit_test(test_hosts_agree_on_numbers_and_shape),
        cmocka_unit_test(test_a_cut_for_one_host_has_its_parts_and_the_links_that_end_there),
        cmocka_unit_test(test_pictures_show_hosts),
        cmocka_unit_test(test_a_plan_says_which_nodes_move_and_that_a_table_is_fixed),
        cmocka_unit_test(test_replicas_are_dealt_out_over_hosts),
        cmocka_unit_test(test_shares_go_on_by_their_replicas),
        cmocka_unit_test(test_each_host_is_sent_its_replicas_keys),
        cmocka_unit_test(test_a_share_of_a_node_is_moved_alone),
        cmocka_unit_test(test_other_replicas_over_hosts_are_another_shape_and_no_live_change),
    };
    char command[100];
    int failed;

    if (!mkdtemp(folder))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    diags_fini(&diags);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return failed || system(command) != 0;
}
