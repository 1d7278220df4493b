/* SPDX-License-Identifier: Apache-2.0 */
#include "control/status.h"
#include "base/clock.h"
#include "control/doing.h"
#include "engine/dlq.h"
#include "net/net.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SET(message, field, value) ((message)->has_##field = true, (message)->field = (value))

static char *
text(struct arena *arena, const char *value)
{
    return value && *value ? arena_text(arena, value) : NULL;
}

static void
read_counters(Hde__NodeStatus *out, const struct node_view *view, struct arena *arena)
{
    Hde__NodeCounter *counter = arena_alloc(arena, (view->n_counters + 1) * sizeof *counter);

    out->counters = arena_alloc(arena, (view->n_counters + 1) * sizeof *out->counters);
    out->n_counters = view->n_counters;
    for (size_t i = 0; i < view->n_counters; i++) {
        hde__node_counter__init(&counter[i]);
        counter[i].name = text(arena, view->counter[i].name);
        SET(&counter[i], value, view->counter[i].value);
        out->counters[i] = &counter[i];
    }
}

static Hde__NodeStatus *
read_node(const struct stats *stats, size_t i, struct arena *arena)
{
    Hde__NodeStatus *out = arena_alloc(arena, sizeof *out);
    struct node_view view;

    if (!stats_node(stats, i, &view))
        return NULL; /* on another host */
    hde__node_status__init(out);
    out->name = text(arena, view.name);
    out->op = text(arena, view.op);
    out->state = text(arena, node_state_name(view.state));
    out->build_id = text(arena, view.build_id);
    SET(out, replicas, view.replicas);
    SET(out, worker, view.worker);
    SET(out, blocking, view.blocking);
    SET(out, calls, view.calls);
    SET(out, messages, view.messages);
    if (isfinite(view.ns_per_message))
        SET(out, ns_per_message, view.ns_per_message);
    SET(out, rejects, view.rejects);
    SET(out, retries, view.retries);
    SET(out, errors, view.errors);
    SET(out, skips, view.skips);
    SET(out, restarts, view.restarts);
    SET(out, reloads, view.reloads);
    SET(out, reload_failures, view.reload_failures);
    if (view.is_held_up || view.is_degraded) {
        out->standing = text(arena, view.is_held_up ? "held_up" : "degraded");
        out->standing_text = text(arena, view.standing);
        SET(out, standing_seconds, (double)view.standing_ns / 1e9);
    }
    if (view.watermark_ns != INT64_MIN && view.watermark_ns != INT64_MAX && view.watermark_ns != 0)
        SET(out, watermark_ns, view.watermark_ns);
    read_counters(out, &view, arena);
    return out;
}

static void
add_drop(Hde__EdgeStatus *out, struct arena *arena, const char *reason, uint64_t n)
{
    Hde__EdgeDrops *drops;

    if (!n)
        return;
    drops = arena_alloc(arena, sizeof *drops);
    hde__edge_drops__init(drops);
    drops->reason = text(arena, reason);
    SET(drops, messages, n);
    out->drops[out->n_drops++] = drops;
}

static Hde__EdgeStatus *
read_edge(const struct stats *stats, size_t i, struct arena *arena)
{
    Hde__EdgeStatus *out = arena_alloc(arena, sizeof *out);
    struct edge_view view;

    if (!stats_edge(stats, i, &view))
        return NULL;
    hde__edge_status__init(out);
    out->name = text(arena, view.name);
    out->kind = text(arena, edge_kind_name(view.kind));
    SET(out, messages, view.messages);
    SET(out, batches, view.batches);
    SET(out, depth, view.depth_messages);
    if (view.capacity_messages > 0) {
        SET(out, capacity, view.capacity_messages);
        SET(out, credit, view.credit_messages);
    }
    if (view.age_ns > 0)
        SET(out, age_seconds, (double)view.age_ns / 1e9);
    SET(out, blocked, view.blocked);
    SET(out, blocked_seconds, (double)view.blocked_ns / 1e9);
    if (view.kind == EDGE_SPILL || view.kind == EDGE_JOURNAL || view.kind == EDGE_HOST) {
        SET(out, kept, view.kept);
        SET(out, spilled, view.spilled);
        SET(out, journal_messages, view.journal_messages);
        SET(out, journal_bytes, view.journal_bytes);
    }
    out->drops = arena_alloc(arena, (STATS_DROPS + 1) * sizeof *out->drops);
    for (int reason = 0; reason < STATS_DROPS; reason++)
        add_drop(out, arena, drop_reason_name(reason), view.dropped[reason]);
    add_drop(out, arena, "corrupt", view.corrupt);
    return out;
}

static Hde__WorkerStatus *
read_worker(const struct stats *stats, size_t i, struct arena *arena)
{
    Hde__WorkerStatus *out = arena_alloc(arena, sizeof *out);
    struct worker_view view;

    stats_worker(stats, i, &view);
    hde__worker_status__init(out);
    out->name = text(arena, view.name);
    out->node = text(arena, view.node);
    SET(out, turns, view.turns);
    SET(out, parks, view.parks);
    SET(out, spins, view.spins);
    SET(out, lingers, view.lingers);
    SET(out, wakes, view.wakes);
    return out;
}

const char *
status_dlq_folder(const struct engine *engine, struct arena *arena)
{
    const char *folder = engine_dlq_folder(engine);
    char full[PATH_MAX], work[PATH_MAX];

    if (!folder || folder[0] == '/')
        return folder;
    if (realpath(folder, full))
        return arena_text(arena, full);
    return getcwd(work, sizeof work) ? arena_printf(arena, "%s/%s", work, folder) : folder;
}

/* The folder of the only part; several parts have a folder each in it. */
static Hde__DlqStatus *
read_dlq(const struct head_view *head, const struct parts *parts, struct arena *arena)
{
    Hde__DlqStatus *out = arena_alloc(arena, sizeof *out);

    hde__dlq_status__init(out);
    if (parts && parts_count(parts) == 1)
        out->folder = (char *)(uintptr_t)status_dlq_folder(parts_engine(parts, 0), arena);
    SET(out, letters, head->dlq.letters);
    SET(out, bytes, head->dlq.bytes);
    SET(out, put, head->dlq.put);
    SET(out, replayed, head->dlq.replayed);
    SET(out, dropped, head->dlq.dropped);
    SET(out, expired, head->dlq.expired);
    SET(out, lost, head->dlq.lost);
    return out;
}

static Hde__LogStatus *
read_log(const struct head_view *head, struct arena *arena)
{
    Hde__LogStatus *out;

    if (!head->log.is_on)
        return NULL;
    out = arena_alloc(arena, sizeof *out);
    hde__log_status__init(out);
    SET(out, segments, head->log.segments);
    SET(out, bytes, head->log.bytes);
    if (head->log.first_tick) {
        SET(out, first_tick, head->log.first_tick);
        SET(out, last_tick, head->log.last_tick);
    }
    SET(out, sync_age_seconds, (double)head->log.sync_age_ns / 1e9);
    SET(out, full, head->log.is_full);
    return out;
}

static Hde__EpochStatus *
read_epoch(const struct head_view *head, struct arena *arena)
{
    Hde__EpochStatus *out;

    if (!head->epochs.is_on)
        return NULL;
    out = arena_alloc(arena, sizeof *out);
    hde__epoch_status__init(out);
    if (head->epochs.tick) {
        SET(out, tick, head->epochs.tick);
        SET(out, age_seconds, (double)head->epochs.age_ns / 1e9);
    }
    if (head->epochs.took_ns) {
        SET(out, took_seconds, (double)head->epochs.took_ns / 1e9);
        SET(out, bytes, head->epochs.bytes);
    }
    SET(out, completed, head->epochs.completed);
    SET(out, failed, head->epochs.failed);
    SET(out, abandoned, head->epochs.abandoned);
    return out;
}

static Hde__RecoveryStatus *
read_recovery(const struct head_view *head, struct arena *arena)
{
    Hde__RecoveryStatus *out;

    if (!head->recovery.is_on)
        return NULL;
    out = arena_alloc(arena, sizeof *out);
    hde__recovery_status__init(out);
    SET(out, running, head->recovery.is_running);
    SET(out, entries, head->recovery.entries);
    SET(out, taken, head->recovery.taken);
    SET(out, seconds, (double)head->recovery.took_ns / 1e9);
    return out;
}

/* ---- Other hosts -------------------------------------------------------------------------- */

static Hde__HostStatus *
read_host(const struct net_seen *seen, struct arena *arena)
{
    Hde__HostStatus *out = arena_alloc(arena, sizeof *out);

    hde__host_status__init(out);
    out->name = text(arena, seen->name);
    out->state = text(arena, net_state_name(seen->state));
    out->why = text(arena, seen->why);
    SET(out, seconds, (double)(clock_real_ns() - seen->since_ns) / 1e9);
    SET(out, connects, seen->connects);
    SET(out, frames_sent, seen->frames[0]);
    SET(out, frames_received, seen->frames[1]);
    SET(out, bytes_sent, seen->bytes[0]);
    SET(out, bytes_received, seen->bytes[1]);
    SET(out, resent, seen->resent);
    SET(out, duplicates, seen->duplicates);
    SET(out, malformed, seen->malformed);
    SET(out, refused, seen->refused);
    SET(out, edges_waiting, seen->edges_waiting);
    if (seen->round_ns) {
        SET(out, round_seconds, (double)seen->round_ns / 1e9);
        SET(out, skew_seconds, (double)seen->skew_ns / 1e9);
    }
    return out;
}

static void
read_hosts(Hde__EngineStatus *out, const struct parts *parts, struct arena *arena)
{
    const struct graph *graph = parts_graph(parts);
    struct net *net = parts_net(parts);
    struct net_seen *seen;

    if (!net)
        return;
    seen = arena_alloc(arena, (graph->n_hosts + 1) * sizeof *seen);
    out->hosts = arena_alloc(arena, (graph->n_hosts + 1) * sizeof *out->hosts);
    out->n_hosts = net_look(net, seen, graph->n_hosts);
    for (size_t i = 0; i < out->n_hosts; i++)
        (out->hosts[i] = read_host(&seen[i], arena))->waits = (char *)(uintptr_t)parts_waits(
            parts, seen[i].name, seen[i].state == NET_UP, arena);
    SET(out, strangers, net_strangers(net));
}

/* ---- Who waits for whom ------------------------------------------------------------------- */

static void
add_line(Hde__EngineStatus *out, const char *line)
{
    out->blocking[out->n_blocking++] = (char *)line;
}

static void
part_lines(Hde__EngineStatus *out, const struct parts *parts, struct arena *arena)
{
    hde_text lines = {0};
    size_t n = 1;

    parts_stall_text(parts, &lines);
    for (size_t i = 0; i < lines.len; i++)
        n += lines.data[i] == '\n';
    out->blocking = arena_alloc(arena, (n + 1) * sizeof *out->blocking);
    for (const char *c = lines.data; c && *c;) {
        size_t len = strcspn(c, "\n");

        if (len)
            add_line(out, arena_textn(arena, c, len));
        c += len + (c[len] == '\n');
    }
    hde_text_free(&lines);
}

/* What a segment alone tells: edges whose writer waits for credit, and the node a worker is in. */
static void
segment_lines(Hde__EngineStatus *out, struct arena *arena)
{
    out->blocking = arena_alloc(arena, (out->n_edges + out->n_workers + 1) * sizeof *out->blocking);
    for (size_t i = 0; i < out->n_edges; i++) {
        const Hde__EdgeStatus *edge = out->edges[i];

        if (edge->blocked)
            add_line(out, arena_printf(arena, "%s: %llu messages wait for the reader", edge->name,
                                       (unsigned long long)edge->depth));
    }
    for (size_t i = 0; i < out->n_workers && out->n_blocking; i++)
        if (out->workers[i]->node)
            add_line(out, arena_printf(arena, "%s is in node %s", out->workers[i]->name,
                                       out->workers[i]->node));
}

static Hde__EngineStatus *
read_all(const struct stats *stats, const struct parts *parts, struct arena *arena)
{
    Hde__EngineStatus *out = arena_alloc(arena, sizeof *out);
    hde_health health = {.size = sizeof health};
    struct head_view head;
    /* A change of the graph may come between: room is made once for what is read. */
    const size_t n_nodes = stats_nodes(stats), n_edges = stats_edges(stats),
                 n_workers = stats_workers(stats);

    stats_head(stats, &head);
    hde__engine_status__init(out);
    out->graph = text(arena, stats->graph);
    out->host = text(arena, stats->host);
    SET(out, pid, stats->pid);
    SET(out, state,
        (Hde__EngineState)((int)head.state + (int)HDE__ENGINE_STATE__ENGINE_STATE_NEW));
    SET(out, started_ns, stats->start_ns);
    SET(out, read_ns, clock_real_ns());
    SET(out, virtual_clock, stats->virtual_clock != 0);
    SET(out, tick, head.tick);
    SET(out, entries, head.entries);
    if (head.now_ns)
        SET(out, now_ns, head.now_ns);
    SET(out, stalls, head.stalls);
    out->dlq = read_dlq(&head, parts, arena);
    out->log = read_log(&head, arena);
    out->epoch = read_epoch(&head, arena);
    out->recovery = read_recovery(&head, arena);
    out->nodes = arena_alloc(arena, (n_nodes + 1) * sizeof *out->nodes);
    for (size_t i = 0; i < n_nodes; i++)
        if ((out->nodes[out->n_nodes] = read_node(stats, i, arena)))
            out->n_nodes++;
    out->edges = arena_alloc(arena, (n_edges + 1) * sizeof *out->edges);
    for (size_t i = 0; i < n_edges; i++)
        if ((out->edges[out->n_edges] = read_edge(stats, i, arena)))
            out->n_edges++;
    out->workers = arena_alloc(arena, (n_workers + 1) * sizeof *out->workers);
    for (; out->n_workers < n_workers; out->n_workers++)
        out->workers[out->n_workers] = read_worker(stats, out->n_workers, arena);
    if (!parts) {
        segment_lines(out, arena);
        return out;
    }
    parts_health(parts, &health);
    SET(out, ready, health.ready);
    out->reason = text(arena, health.reason);
    part_lines(out, parts, arena);
    read_hosts(out, parts, arena);
    return out;
}

Hde__EngineStatus *
status_read(const struct stats *stats, const struct parts *parts, struct arena *arena)
{
    enum { TRIES = 100 };
    Hde__EngineStatus *out;
    uint64_t look;
    int i = 0;

    do {
        look = stats_look(stats);
        out = read_all(stats, parts, arena);
    } while (!stats_looked(stats, look) && ++i < TRIES);
    if (parts)
        doing_read(out, parts, arena);
    return out;
}
