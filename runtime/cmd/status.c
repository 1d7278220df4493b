/* SPDX-License-Identifier: Apache-2.0
 * status - what a running engine is doing, at one moment. */
#include "cmd/status.h"
#include "cmd/table.h"
#include "cmd/target.h"

#include <string.h>

struct status_options {
    struct target_options target;
    bool all;
};

const char *
status_state(const Hde__EngineStatus *status)
{
    static const char *const names[] = {"unknown", "new", "running", "draining", "ended", "failed"};

    return (unsigned)status->state < sizeof names / sizeof *names ? names[status->state] : names[0];
}

uint64_t
status_drops(const Hde__EdgeStatus *edge)
{
    uint64_t n = 0;

    for (size_t i = 0; i < edge->n_drops; i++)
        n += edge->drops[i]->messages;
    return n;
}

static const char *
size_text(struct arena *arena, uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;

    for (; value >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        value /= 1024;
    return arena_printf(arena, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void
put_log(const Hde__LogStatus *log, const char *red, const char *off, struct arena *arena,
        hde_text *out)
{
    hde_text_printf(out, "log: %llu segments, %s", (unsigned long long)log->segments,
                    size_text(arena, log->bytes));
    if (log->has_first_tick)
        hde_text_printf(out, ", ticks %llu to %llu", (unsigned long long)log->first_tick,
                        (unsigned long long)log->last_tick);
    hde_text_printf(out, ", synced %s ago", table_seconds(arena, log->sync_age_seconds));
    if (log->full)
        hde_text_printf(out, ", %sno room on the disk: nothing enters until there is%s", red, off);
    hde_text_puts(out, "\n");
}

static void
put_epoch(const Hde__EpochStatus *epoch, const char *red, const char *off, struct arena *arena,
          hde_text *out)
{
    if (epoch->has_tick)
        hde_text_printf(out, "epoch: tick %llu, %s ago", (unsigned long long)epoch->tick,
                        table_seconds(arena, epoch->age_seconds));
    else
        hde_text_puts(out, "epoch: none yet");
    if (epoch->has_took_seconds)
        hde_text_printf(out, ", took %s, %s", table_seconds(arena, epoch->took_seconds),
                        size_text(arena, epoch->bytes));
    hde_text_printf(out, "; %llu since the start", (unsigned long long)epoch->completed);
    if (epoch->abandoned || epoch->failed)
        hde_text_printf(out, ", %s%llu abandoned, %llu not written%s", red,
                        (unsigned long long)epoch->abandoned, (unsigned long long)epoch->failed,
                        off);
    hde_text_puts(out, "\n");
}

static void
put_recovery(const Hde__RecoveryStatus *recovery, struct arena *arena, hde_text *out)
{
    if (recovery->running)
        hde_text_printf(out, "recovery: %llu of %llu entries taken again, for %s\n",
                        (unsigned long long)recovery->taken, (unsigned long long)recovery->entries,
                        table_seconds(arena, recovery->seconds));
    else
        hde_text_printf(out, "recovery: %llu entries taken again in %s\n",
                        (unsigned long long)recovery->taken,
                        table_seconds(arena, recovery->seconds));
}

/* What nodes say of the world outside. */
static void
put_standings(const Hde__EngineStatus *status, const char *red, const char *off,
              struct arena *arena, hde_text *out)
{
    for (size_t i = 0; i < status->n_nodes; i++) {
        const Hde__NodeStatus *node = status->nodes[i];

        if (node->standing)
            hde_text_printf(out, "%s%s for %s: node '%s': %s%s\n", red,
                            strcmp(node->standing, "held_up") == 0 ? "held up" : "degraded",
                            table_seconds(arena, node->standing_seconds), node->name,
                            node->standing_text ? node->standing_text : "", off);
    }
}

void
status_head(const struct cmd *cmd, const Hde__EngineStatus *status, bool answers, hde_text *out)
{
    const char *bold = cmd->color ? "\033[1m" : "", *red = cmd->color ? "\033[31m" : "";
    const char *off = cmd->color ? "\033[0m" : "";
    struct arena arena = {0};

    hde_text_printf(out, "%s%s%s on %s, pid %d: %s", bold, status->graph, off,
                    status->host ? status->host : "?", status->pid, status_state(status));
    if (status->has_ready)
        hde_text_printf(out, ", %s%s%s", status->ready ? "" : red,
                        status->ready ? "ready" : "not ready", off);
    hde_text_printf(out, ", up %s, %llu ticks",
                    table_seconds(&arena, (double)(status->read_ns - status->started_ns) / 1e9),
                    (unsigned long long)status->entries);
    if (status->stalls)
        hde_text_printf(out, ", %s%llu stalls%s", red, (unsigned long long)status->stalls, off);
    hde_text_puts(out, "\n");
    if (status->recovery)
        put_recovery(status->recovery, &arena, out);
    if (status->log)
        put_log(status->log, red, off, &arena, out);
    if (status->epoch)
        put_epoch(status->epoch, red, off, &arena, out);
    if (status->dlq && (status->dlq->letters || status->dlq->lost || status->dlq->expired))
        hde_text_printf(out, "%sdead letters: %llu wait, %llu expired, %llu lost%s ('hde dlq ls')\n",
                        red, (unsigned long long)status->dlq->letters,
                        (unsigned long long)status->dlq->expired,
                        (unsigned long long)status->dlq->lost, off);
    if (status->has_ready && !status->ready && status->reason)
        hde_text_printf(out, "%snot ready: %s%s\n", red, status->reason, off);
    put_standings(status, red, off, &arena, out);
    if (!answers)
        hde_text_printf(out,
                        "%sthe engine does not answer: these are its counters in shared "
                        "memory%s\n",
                        red, off);
    for (size_t i = 0; i < status->n_blocking; i++)
        hde_text_printf(out, "%sblocked: %s%s\n", red, status->blocking[i], off);
    arena_fini(&arena);
}

static void
put_hosts(const struct cmd *cmd, const Hde__EngineStatus *status, hde_text *out)
{
    const char *red = cmd->color ? "\033[31m" : "", *off = cmd->color ? "\033[0m" : "";
    struct arena arena = {0};
    struct table table = {.arena = &arena};

    TABLE_ROW(&table, "HOST", "STATE", ">FOR", ">SENT", ">RECEIVED", ">RESENT", ">REFUSED",
              ">ROUND", ">CLOCK");
    for (size_t i = 0; i < status->n_hosts; i++) {
        const Hde__HostStatus *h = status->hosts[i];

        TABLE_ROW(&table, h->name, h->state, table_seconds(&arena, h->seconds),
                  table_count(&arena, h->frames_sent), table_count(&arena, h->frames_received),
                  table_count(&arena, h->resent), table_count(&arena, h->refused + h->malformed),
                  h->has_round_seconds ? arena_printf(&arena, "%.1fms", h->round_seconds * 1e3) : "",
                  h->has_skew_seconds ? arena_printf(&arena, "%+.1fms", h->skew_seconds * 1e3)
                                      : "");
    }
    hde_text_puts(out, "\n");
    table_print(&table, out, cmd->color ? "\033[1m" : "", off, 0, 0);
    for (size_t i = 0; i < status->n_hosts; i++)
        if (status->hosts[i]->why)
            hde_text_printf(out, "%s%s: %s%s\n", red, status->hosts[i]->name,
                            status->hosts[i]->why, off);
    for (size_t i = 0; i < status->n_hosts; i++)
        if (status->hosts[i]->waits)
            hde_text_printf(out, "%s\n", status->hosts[i]->waits);
    if (status->strangers)
        hde_text_printf(out, "%s%llu strangers were refused%s\n", red,
                        (unsigned long long)status->strangers, off);
    arena_fini(&arena);
}

static void
put_nodes(const struct cmd *cmd, const Hde__EngineStatus *status, hde_text *out)
{
    struct arena arena = {0};
    struct table table = {.arena = &arena};

    TABLE_ROW(&table, "NODE", "OPERATOR", "STATE", ">MESSAGES", ">NS/MSG", ">REJECTS", ">RETRIES",
              ">ERRORS", ">SKIPS");
    for (size_t i = 0; i < status->n_nodes; i++) {
        const Hde__NodeStatus *n = status->nodes[i];

        TABLE_ROW(&table, n->name, n->op, n->state, table_count(&arena, n->messages),
                  table_number(&arena, n->has_ns_per_message, n->ns_per_message),
                  table_count(&arena, n->rejects), table_count(&arena, n->retries),
                  table_count(&arena, n->errors), table_count(&arena, n->skips));
    }
    hde_text_puts(out, "\n");
    table_print(&table, out, cmd->color ? "\033[1m" : "", cmd->color ? "\033[0m" : "", 0, 0);
    arena_fini(&arena);
}

static void
put_edges(const struct cmd *cmd, const Hde__EngineStatus *status, hde_text *out)
{
    struct arena arena = {0};
    struct table table = {.arena = &arena};

    TABLE_ROW(&table, "EDGE", "KIND", ">MESSAGES", ">WAITING", ">CREDIT", ">OLDEST", ">BLOCKED",
              ">DROPS");
    for (size_t i = 0; i < status->n_edges; i++) {
        const Hde__EdgeStatus *e = status->edges[i];

        TABLE_ROW(&table, e->name, e->kind, table_count(&arena, e->messages),
                  table_count(&arena, e->depth),
                  table_number(&arena, e->has_credit, (double)e->credit),
                  table_seconds(&arena, e->age_seconds), table_seconds(&arena, e->blocked_seconds),
                  table_count(&arena, status_drops(e)));
    }
    hde_text_puts(out, "\n");
    table_print(&table, out, cmd->color ? "\033[1m" : "", cmd->color ? "\033[0m" : "", 0, 0);
    arena_fini(&arena);
}

static void
put_counters(const struct cmd *cmd, const Hde__EngineStatus *status, hde_text *out)
{
    struct arena arena = {0};
    struct table table = {.arena = &arena};

    TABLE_ROW(&table, "NODE", "COUNTER", ">VALUE");
    for (size_t i = 0; i < status->n_nodes; i++)
        for (size_t c = 0; c < status->nodes[i]->n_counters; c++)
            TABLE_ROW(&table, status->nodes[i]->name, status->nodes[i]->counters[c]->name,
                      table_count(&arena, status->nodes[i]->counters[c]->value));
    if (table.n_rows > 1) {
        hde_text_puts(out, "\n");
        table_print(&table, out, cmd->color ? "\033[1m" : "", cmd->color ? "\033[0m" : "", 0, 0);
    }
    arena_fini(&arena);
}

static void
put_one(const struct cmd *cmd, const Hde__EngineStatus *status, bool answers, hde_text *out)
{
    if (cmd->json) {
        hde_json_message(out, &status->base, HDE_JSON_FIELDS);
        return;
    }
    status_head(cmd, status, answers, out);
    for (size_t i = 0; i < status->n_doing; i++)
        hde_text_printf(out, "%s\n", status->doing[i]);
    if (status->n_hosts)
        put_hosts(cmd, status, out);
    if (status->n_nodes || !status->n_hosts)
        put_nodes(cmd, status, out);
    else
        hde_text_puts(out, "\nno node lies on this host: it stands by\n");
    if (status->n_edges)
        put_edges(cmd, status, out);
    put_counters(cmd, status, out);
}

void
status_silent(const struct cmd *cmd, const char *host, const char *link, const char *why,
              hde_text *out)
{
    if (!cmd->json) {
        hde_text_printf(out, "%s%s is %s%s: %s\n", cmd->color ? "\033[31m" : "", host, link,
                        cmd->color ? "\033[0m" : "", why);
        return;
    }
    hde_text_puts(out, "{\"host\":");
    hde_json_string(out, host);
    hde_text_puts(out, ",\"link\":");
    hde_json_string(out, link);
    hde_text_puts(out, ",\"error\":");
    hde_json_string(out, why);
    hde_text_puts(out, "}");
}

/* The other hosts of the graph; status is over with the first question to them. */
static void
put_others(const struct cmd *cmd, struct watch *watch, const Hde__EngineStatus *status,
           hde_text *out)
{
    size_t n = status->n_hosts;
    const char **names = arena_alloc(cmd->arena, (n + 1) * sizeof *names);
    const char **states = arena_alloc(cmd->arena, (n + 1) * sizeof *states);

    for (size_t i = 0; i < n; i++) {
        names[i] = arena_text(cmd->arena, status->hosts[i]->name);
        states[i] = arena_text(cmd->arena, status->hosts[i]->state);
    }
    for (size_t i = 0; i < n; i++) {
        struct err err = {0};
        const Hde__EngineStatus *other = watch_read_host(watch, names[i], &err);

        hde_text_puts(out, cmd->json ? "," : "\n");
        if (other)
            put_one(cmd, other, true, out);
        else
            status_silent(cmd, names[i], states[i], err.text, out);
    }
}

static int
run_status(const struct cmd *cmd, const void *options)
{
    const struct status_options *opt = options;
    const Hde__EngineStatus *status;
    struct watch *watch;
    hde_text out = {0};
    int exit = watch_open(cmd, &opt->target, &watch);

    if (exit)
        return exit;
    status = watch_read(watch, cmd->arena);
    if (!status) {
        watch_close(watch);
        return cmd_error(cmd, EX_UNAVAILABLE, "HDE-C012", NULL, "the engine does not answer");
    }
    hde_text_puts(&out, cmd->json && opt->all ? "[" : "");
    put_one(cmd, status, watch_answers(watch), &out);
    if (opt->all && watch_answers(watch))
        put_others(cmd, watch, status, &out);
    hde_text_puts(&out, cmd->json ? opt->all ? "]\n" : "\n" : "");
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    watch_close(watch);
    return exit;
}

const struct command cmd_status = {
    .name = "status",
    .args = "",
    .group = CMD_GROUP_LOOK,
    .summary = "what a running graph is doing",
    .help = "The ingress log, the newest epoch and the recovery of a graph with checkpoint: or "
            "record:, nodes with what they have worked on, edges with what waits on them, and who "
            "waits for whom where the graph does not move; the change that is under way or was the "
            "last, and builds on probation; the other hosts of a graph with hosts: up, "
            "down or refused, frames, the time there and back and how far their clocks are from this "
            "one's, and for whom a host stays that has come to its end. Works while an operator hangs: "
            "an engine that does not answer is read from its counters in shared memory.",
    .examples =
        (const struct cmd_example[]){{"hde status", "the only engine that runs"},
                                     {"hde status --graph market", "one of several"},
                                     {"hde status --all", "every host of its graph"},
                                     {"hde status --json | jq '.nodes[].errors'", "for scripts"},
                                     {0}},
    .options = (const struct cmd_option[]){{CMD_OPTION("all", struct status_options, all),
                                            .help = "of all hosts of the graph, asked through this "
                                                    "one; with --json a list"},
                                           TARGET_OPTIONS(struct status_options),
                                           {0}},
    .exits = (const struct cmd_exit[]){TARGET_EXITS, {0}},
    CMD_BLOCK(struct status_options),
    .run = run_status,
};
