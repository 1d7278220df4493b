/* SPDX-License-Identifier: Apache-2.0
 * fuzz_graph - any bytes as a graph file: every answer is a model or findings with true places. */
#include "fake.h"
#include "graph/graph.h"
#include "graph/write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds, const char *what, const struct diag *diag)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_graph: %s: %s:%u:%u %s %s\n", what,
            diag && diag->place.file ? diag->place.file : "", diag ? diag->place.line : 0,
            diag ? diag->place.column : 0, diag ? diag->code : "", diag ? diag->message : "");
    abort();
}

static size_t
characters(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

/* A place is inside of its line, or just behind it, or unknown. */
static void
check_finding(const struct diag *diag)
{
    require(strncmp(diag->code, "HDE-G", 5) == 0 && diag->message[0], "finding without text", diag);
    if (diag->source)
        require(diag->place.column >= 1 && diag->place.column <= characters(diag->source) + 1,
                "column outside of its line", diag);
}

static void
check_graph(const struct graph *graph)
{
    hde_text text = {0};

    for (size_t i = 0; i < graph->n_edges; i++)
        require(graph->edges[i].from < graph->edges[i].to && graph->edges[i].to < graph->n_nodes,
                "edges against the order", NULL);
    for (size_t i = 0; i < graph->n_nodes; i++)
        require(graph->nodes[i].op && graph->nodes[i].params, "node without operator", NULL);
    for (int format = GRAPH_ASCII; format <= GRAPH_JSON; format++)
        graph_write(graph, (enum graph_format)format, NULL, &text);
    hde_text_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *const sets[] = {"p.count=5", "vars.x=[1]"};
    struct graph_options options = {.for_run = size % 2, .sets = sets, .n_sets = size % 7 ? 0 : 2};
    struct diags diags = {0};
    struct graph *graph;
    hde_text text = {0};
    char path[64];
    int fd = memfd_create("graph", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    graph = graph_load(path, &options, NULL, &diags);
    close(fd);
    require((graph == NULL) == (diags.errors > 0), "no graph without a finding", NULL);
    for (size_t i = 0; i < diags.n; i++)
        check_finding(&diags.list[i]);
    if (graph)
        check_graph(graph);
    diags_print(&diags, &text, size % 3 == 0);
    diags_json(&diags, &text);
    hde_text_free(&text);
    graph_free(graph);
    diags_fini(&diags);
    return 0;
}
