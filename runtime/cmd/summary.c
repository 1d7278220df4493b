/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/summary.h"
#include "cmd/status.h"
#include "cmd/table.h"
#include "control/status.h"

#include <stdio.h>
#include <unistd.h>

static void
say(const struct cmd *cmd, hde_text *text)
{
    if (cmd->json)
        cmd_print(cmd, text, NULL);
    else if (!cmd->quiet && text->len)
        fwrite(text->data, 1, text->len, stderr);
    hde_text_free(text);
}

void
summary_start(const struct cmd *cmd, const struct parts *parts, const struct control *control)
{
    const struct graph *graph = parts_graph(parts);
    size_t workers = stats_workers(parts_stats(parts));
    const char *admin = control_admin(control);
    hde_text out = {0};

    if (cmd->json) {
        hde_text_puts(&out, "{\"event\":\"started\",\"graph\":");
        hde_json_string(&out, graph->name);
        hde_text_printf(&out,
                        ",\"pid\":%d,\"nodes\":%zu,\"edges\":%zu,\"workers\":%zu,\"control\":",
                        (int)getpid(), graph->n_nodes, graph->n_edges, workers);
        hde_json_string(&out, control_endpoint(control));
        hde_text_puts(&out, ",\"admin\":");
        hde_json_string(&out, *admin ? admin : NULL);
        hde_text_puts(&out, "}\n");
    } else {
        hde_text_printf(&out, "hde: %s: %zu nodes, %zu edges, %zu workers; control %s%s%s\n",
                        graph->name, graph->n_nodes, graph->n_edges, workers,
                        control_endpoint(control), *admin ? "; admin http://" : "", admin);
    }
    say(cmd, &out);
}

struct sums {
    uint64_t messages, rejects, errors, skips, drops;
};

static struct sums
add_up(const Hde__EngineStatus *status)
{
    struct sums sums = {0};

    for (size_t i = 0; i < status->n_nodes; i++) {
        sums.messages += status->nodes[i]->messages;
        sums.rejects += status->nodes[i]->rejects;
        sums.errors += status->nodes[i]->errors;
        sums.skips += status->nodes[i]->skips;
    }
    for (size_t i = 0; i < status->n_edges; i++)
        sums.drops += status_drops(status->edges[i]);
    return sums;
}

static void
put_json(const Hde__EngineStatus *status, double seconds, hde_text *out)
{
    struct sums sums = add_up(status);

    hde_text_puts(out, "{\"event\":\"ended\",\"graph\":");
    hde_json_string(out, status->graph);
    hde_text_printf(out, ",\"state\":\"%s\",\"seconds\":", status_state(status));
    hde_json_number(out, seconds);
    hde_text_printf(out,
                    ",\"ticks\":%llu,\"rejects\":%llu,\"errors\":%llu,\"skips\":%llu,"
                    "\"drops\":%llu,\"nodes\":[",
                    (unsigned long long)status->entries, (unsigned long long)sums.rejects,
                    (unsigned long long)sums.errors, (unsigned long long)sums.skips,
                    (unsigned long long)sums.drops);
    for (size_t i = 0; i < status->n_nodes; i++) {
        const Hde__NodeStatus *n = status->nodes[i];

        hde_text_puts(out, i ? ",{\"name\":" : "{\"name\":");
        hde_json_string(out, n->name);
        hde_text_printf(out,
                        ",\"calls\":%llu,\"messages\":%llu,\"rejects\":%llu,\"retries\":%llu,"
                        "\"errors\":%llu,\"skips\":%llu}",
                        (unsigned long long)n->calls, (unsigned long long)n->messages,
                        (unsigned long long)n->rejects, (unsigned long long)n->retries,
                        (unsigned long long)n->errors, (unsigned long long)n->skips);
    }
    hde_text_puts(out, "],\"edges\":[");
    for (size_t i = 0; i < status->n_edges; i++) {
        const Hde__EdgeStatus *e = status->edges[i];

        hde_text_puts(out, i ? ",{\"name\":" : "{\"name\":");
        hde_json_string(out, e->name);
        hde_text_printf(out, ",\"messages\":%llu,\"drops\":{", (unsigned long long)e->messages);
        for (size_t d = 0; d < e->n_drops; d++)
            hde_text_printf(out, "%s\"%s\":%llu", d ? "," : "", e->drops[d]->reason,
                            (unsigned long long)e->drops[d]->messages);
        hde_text_puts(out, "}}");
    }
    hde_text_puts(out, "]}\n");
}

static void
put_text(const Hde__EngineStatus *status, double seconds, struct arena *arena, hde_text *out)
{
    struct table table = {.arena = arena};
    struct sums sums = add_up(status);

    hde_text_printf(out,
                    "hde: %s: %s after %.1f s, %llu ticks, %llu rejects, %llu errors, "
                    "%llu drops\n",
                    status->graph, status_state(status), seconds,
                    (unsigned long long)status->entries, (unsigned long long)sums.rejects,
                    (unsigned long long)sums.errors, (unsigned long long)sums.drops);
    TABLE_ROW(&table, "NODE", ">CALLS", ">MESSAGES", ">NS/MSG", ">REJECTS", ">ERRORS", ">SKIPS");
    for (size_t i = 0; i < status->n_nodes; i++) {
        const Hde__NodeStatus *n = status->nodes[i];

        TABLE_ROW(&table, n->name, table_count(arena, n->calls), table_count(arena, n->messages),
                  table_number(arena, n->has_ns_per_message, n->ns_per_message),
                  table_count(arena, n->rejects), table_count(arena, n->errors),
                  table_count(arena, n->skips));
    }
    table_print(&table, out, "", "", 0, 0);
    for (size_t i = 0; i < status->n_edges; i++)
        for (size_t d = 0; d < status->edges[i]->n_drops; d++)
            hde_text_printf(out, "dropped on %s: %llu (%s)\n", status->edges[i]->name,
                            (unsigned long long)status->edges[i]->drops[d]->messages,
                            status->edges[i]->drops[d]->reason);
}

void
summary_end(const struct cmd *cmd, const struct parts *parts, double seconds)
{
    struct arena arena = {0};
    const Hde__EngineStatus *status = status_read(parts_stats(parts), NULL, &arena);
    hde_text out = {0};

    if (cmd->json)
        put_json(status, seconds, &out);
    else
        put_text(status, seconds, &arena, &out);
    say(cmd, &out);
    arena_fini(&arena);
}
