/* SPDX-License-Identifier: Apache-2.0
 * words - what the moment knows, for completion: one word a line. */
#include "cmd/cmd.h"
#include "cmd/target.h"
#include "control/engines.h"
#include "cmd/codes.h"
#include "graph/graph.h"
#include "graph/hosts.h"
#include "plugin/registry.h"

#include <string.h>

static void
put(hde_text *out, const char *word)
{
    hde_text_printf(out, "%s\n", word);
}

static void
commands(const struct cmd *cmd, const char *file, hde_text *out)
{
    struct cmd_list external = cmd_external_list("", cmd->arena);

    for (size_t i = 0; cmd->commands[i]; i++)
        put(out, cmd->commands[i]->name);
    for (size_t i = 0; i < external.n; i++)
        if (strncmp(external.item[i], "bench-", 6) != 0)
            put(out, external.item[i]);
}

static void
benchmarks(const struct cmd *cmd, const char *file, hde_text *out)
{
    struct cmd_list external = cmd_external_list("bench-", cmd->arena);

    for (size_t i = 0; i < external.n; i++)
        put(out, external.item[i]);
}

static void
operators(const struct cmd *cmd, const char *file, hde_text *out)
{
    struct registry *registry = registry_new(NULL);

    for (size_t i = 0; i < registry_count(registry); i++)
        put(out, registry_at(registry, i)->op->name);
    registry_free(registry);
}

static void
engines(const struct cmd *cmd, const char *file, hde_text *out)
{
    struct engine_entry *list;
    size_t n = engines_list(cmd->arena, &list);

    for (size_t i = 0; i < n; i++)
        put(out, list[i].graph);
}

static void
codes(const struct cmd *cmd, const char *file, hde_text *out)
{
    for (size_t i = 0; i < cmd_code_count(); i++)
        put(out, cmd_code_at(i)->code);
}

/* Outputs and inputs with an edge: their names have no spaces, which a shell would split. */
static void
edge_words(const Hde__EngineStatus *status, hde_text *out)
{
    for (size_t i = 0; i < status->n_edges; i++) {
        const char *name = status->edges[i]->name, *arrow = strstr(name, " -> ");

        if (arrow)
            hde_text_printf(out, "%.*s\n%s\n", (int)(arrow - name), name, arrow + 4);
    }
}

static void
node_words(const Hde__EngineStatus *status, hde_text *out)
{
    for (size_t i = 0; i < status->n_nodes; i++)
        put(out, status->nodes[i]->name);
}

/* The others, and the one that was asked. */
static void
host_words(const Hde__EngineStatus *status, hde_text *out)
{
    for (size_t i = 0; i < status->n_hosts; i++)
        put(out, status->hosts[i]->name);
    if (status->n_hosts)
        put(out, status->host);
}

static void
of_engine(const struct cmd *cmd, hde_text *out,
          void (*words)(const Hde__EngineStatus *status, hde_text *out))
{
    struct target_options any = {0};
    const Hde__EngineStatus *status;
    struct watch *watch;

    if (watch_open(cmd, &any, &watch))
        return;
    status = watch_read(watch, cmd->arena);
    if (status)
        words(status, out);
    watch_close(watch);
}

static void
edges(const struct cmd *cmd, const char *file, hde_text *out)
{
    of_engine(cmd, out, edge_words);
}

static void
nodes(const struct cmd *cmd, const char *file, hde_text *out)
{
    of_engine(cmd, out, node_words);
}

static void
hosts_of_file(const char *path, hde_text *out)
{
    struct graph_options options = {.insecure = true};
    struct registry *registry = registry_new(NULL);
    struct diags diags = {0};
    struct graph *graph = graph_load(path, &options, registry, &diags);

    for (size_t i = 0; graph && i < graph->n_hosts; i++)
        put(out, graph->hosts[i].name);
    if (graph && graph->n_hosts)
        put(out, HOST_ALL);
    graph_free(graph);
    diags_fini(&diags);
    registry_free(registry);
}

static void
hosts(const struct cmd *cmd, const char *file, hde_text *out)
{
    if (file)
        hosts_of_file(file, out);
    else
        of_engine(cmd, out, host_words);
}

void
cmd_words(const struct cmd *cmd, const char *kind, const char *file, hde_text *out)
{
    static const struct {
        const char *kind;
        void (*put)(const struct cmd *cmd, const char *file, hde_text *out);
    } kinds[] = {{"command", commands}, {"bench", benchmarks}, {"operator", operators},
                 {"engine", engines},   {"code", codes},       {"edge", edges},
                 {"node", nodes},       {"host", hosts}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].kind, kind) == 0)
            kinds[i].put(cmd, file, out);
}
