/* SPDX-License-Identifier: Apache-2.0
 * prometheus - the counters as Prometheus text. */
#include "engine/engine.h"
#include "engine/stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void
label(hde_text *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            hde_text_put(out, "\\", 1);
        if (*value == '\n')
            hde_text_puts(out, "\\n");
        else
            hde_text_put(out, value, 1);
    }
}

static void
head(hde_text *out, const char *name, const char *type, const char *help)
{
    hde_text_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
node_line(const struct stats *stats, hde_text *out, const char *metric,
          const struct node_view *node)
{
    hde_text_printf(out, "%s{graph=\"", metric);
    label(out, stats->graph);
    hde_text_puts(out, "\",node=\"");
    label(out, node->name);
    hde_text_puts(out, "\",op=\"");
    label(out, node->op);
    hde_text_puts(out, "\",host=\"");
    label(out, stats->host);
    hde_text_puts(out, "\"");
}

static void
edge_line(const struct stats *stats, hde_text *out, const char *metric,
          const struct edge_view *edge)
{
    hde_text_printf(out, "%s{graph=\"", metric);
    label(out, stats->graph);
    hde_text_puts(out, "\",edge=\"");
    label(out, edge->name);
    hde_text_puts(out, "\",host=\"");
    label(out, stats->host);
    hde_text_puts(out, "\"");
}

static void
end_line(hde_text *out, double value)
{
    if (isnan(value))
        hde_text_puts(out, "} NaN\n");
    else
        hde_text_printf(out, "} %.17g\n", value);
}

/* Each metric is one row here; the value is picked by its offset in the view. */
struct metric {
    const char *name, *type, *help;
    size_t offset;
    enum { U64, I64_NS, U64_NS, REAL, FLAG } kind;
};
#define NODE(field) offsetof(struct node_view, field)
#define EDGE(field) offsetof(struct edge_view, field)
#define HEAD(field) offsetof(struct head_view, field)

static const struct metric node_metrics[] = {
    {"hde_node_calls_total", "counter", "Calls of the operator.", NODE(calls), U64},
    {"hde_node_messages_total", "counter",
     "Messages given to the operator, or taken from a source.", NODE(messages), U64},
    {"hde_node_rejects_total", "counter", "Messages the operator refused.", NODE(rejects), U64},
    {"hde_node_skips_total", "counter", "Messages put into the dead-letter queue.", NODE(skips), U64},
    {"hde_node_retries_total", "counter", "Calls that asked to be repeated.", NODE(retries), U64},
    {"hde_node_errors_total", "counter", "Calls that failed.", NODE(errors), U64},
    {"hde_node_restarts_total", "counter", "Restarts of the node.", NODE(restarts), U64},
    {"hde_node_reloads_total", "counter", "Times another build took over.", NODE(reloads), U64},
    {"hde_node_reload_failures_total", "counter", "Reloads that were refused or taken back.",
     NODE(reload_failures), U64},
    {"hde_node_reload_pause_seconds", "gauge", "Time the node stood still for the last reload.",
     NODE(reload_pause_ns), I64_NS},
    {"hde_node_held_up", "gauge", "1 while the node waits for something outside of the process.",
     NODE(is_held_up), FLAG},
    {"hde_node_degraded", "gauge", "1 while something is missing that the graph works without.",
     NODE(is_degraded), FLAG},
    {"hde_node_sampled_seconds_total", "counter", "Time in sampled calls.", NODE(sampled_ns),
     U64_NS},
    {"hde_node_sampled_messages_total", "counter", "Messages of sampled calls.",
     NODE(sampled_messages), U64},
};

static const struct metric edge_metrics[] = {
    {"hde_edge_messages_total", "counter", "Messages put on the edge.", EDGE(messages), U64},
    {"hde_edge_batches_total", "counter", "Batches put on the edge.", EDGE(batches), U64},
    {"hde_edge_depth_messages", "gauge", "Messages on the edge, with those being worked on.",
     EDGE(depth_messages), U64},
    {"hde_edge_depth_bytes", "gauge", "Bytes of messages on the edge.", EDGE(depth_bytes), U64},
    {"hde_edge_capacity_messages", "gauge", "Capacity in messages; 0 for a fused edge.",
     EDGE(capacity_messages), U64},
    {"hde_edge_credit_messages", "gauge", "Messages that the edge still takes.",
     EDGE(credit_messages), U64},
    {"hde_edge_credit_bytes", "gauge", "Bytes that the edge still takes.", EDGE(credit_bytes), U64},
    {"hde_edge_oldest_seconds", "gauge", "Age of the oldest batch that waits.", EDGE(age_ns),
     I64_NS},
    {"hde_edge_blocked_seconds_total", "counter", "Time the writer waited for credit.",
     EDGE(blocked_ns), U64_NS},
    {"hde_edge_blocked", "gauge", "1 while the writer waits for credit.", EDGE(blocked), FLAG},
    {"hde_edge_tap_dropped_total", "counter", "Messages that a tap did not get.", EDGE(tap_dropped),
     U64},
    {"hde_edge_kept", "gauge", "Links: frames, or runs of them, that no epoch covers yet.",
     EDGE(kept), U64},
    {"hde_edge_spilled_messages_total", "counter", "Links: messages written to the journal.",
     EDGE(spilled), U64},
    {"hde_edge_journal_messages", "gauge", "Links: messages in the journal that are needed.",
     EDGE(journal_messages), U64},
    {"hde_edge_journal_bytes", "gauge", "Links: their bytes.", EDGE(journal_bytes), U64},
    {"hde_edge_corrupt_total", "counter", "Frames that could not be read.", EDGE(corrupt), U64},
};

static double
metric_value(const struct metric *metric, const void *view)
{
    const char *field = (const char *)view + metric->offset;
    uint64_t bits;

    switch (metric->kind) {
    case FLAG:
        return *(const bool *)field;
    case REAL:
        return *(const double *)field;
    case I64_NS:
        return (double)*(const int64_t *)field * 1e-9;
    case U64_NS:
        return (double)*(const uint64_t *)field * 1e-9;
    case U64:
        break;
    }
    memcpy(&bits, field, sizeof bits);
    return (double)(int64_t)bits;
}

static void
node_states(const struct stats *stats, hde_text *out)
{
    head(out, "hde_node_state", "gauge", "1 for the state the node is in.");
    for (size_t i = 0; i < stats_nodes(stats); i++) {
        struct node_view node;

        if (!stats_node(stats, i, &node))
            continue;
        for (enum node_state s = NODE_IDLE; s <= NODE_ENDED; s++) {
            node_line(stats, out, "hde_node_state", &node);
            hde_text_printf(out, ",state=\"%s\"", node_state_name(s));
            end_line(out, node.state == s);
        }
    }
}

/* All gauges of the name that this one has, of all nodes. */
static void
gauges_like(const struct stats *stats, hde_text *out, const char *name, const char *help)
{
    size_t len = strcspn(name, "{");
    char metric[STATS_COUNTER_NAME + 4];

    snprintf(metric, sizeof metric, "hde_%.*s", (int)len, name);
    head(out, metric, "gauge", help);
    for (size_t i = 0; i < stats_nodes(stats); i++) {
        struct node_view node;

        stats_node(stats, i, &node);
        for (unsigned c = 0; c < node.n_counters; c++) {
            const char *labels = node.counter[c].name + len + 1;

            if (strncmp(node.counter[c].name, name, len + 1) != 0)
                continue;
            node_line(stats, out, metric, &node);
            if (strlen(labels) > 1)
                hde_text_printf(out, ",%.*s", (int)strlen(labels) - 1, labels);
            end_line(out, (double)node.counter[c].value);
        }
    }
}

/* Whether a gauge of that name came before: then it is written. */
static bool
is_written(const struct stats *stats, size_t n, unsigned of_last, const char *name)
{
    size_t len = strcspn(name, "{");

    for (size_t i = 0; i <= n; i++) {
        struct node_view node;

        stats_node(stats, i, &node);
        for (unsigned c = 0; c < (i < n ? node.n_counters : of_last); c++)
            if (!strncmp(node.counter[c].name, name, len + 1))
                return true;
    }
    return false;
}

static void
node_gauges(const struct stats *stats, hde_text *out)
{
    for (size_t i = 0; i < stats_nodes(stats); i++) {
        struct node_view node;

        stats_node(stats, i, &node);
        for (unsigned c = 0; c < node.n_counters; c++)
            if (strchr(node.counter[c].name, '{') && !is_written(stats, i, c, node.counter[c].name))
                gauges_like(stats, out, node.counter[c].name, node.counter[c].help);
    }
}

static void
node_counters(const struct stats *stats, hde_text *out)
{
    head(out, "hde_node_counter_total", "counter", "Counters that operators keep, by name.");
    for (size_t i = 0; i < stats_nodes(stats); i++) {
        struct node_view node;

        stats_node(stats, i, &node);
        for (unsigned c = 0; c < node.n_counters; c++) {
            if (strchr(node.counter[c].name, '{'))
                continue;
            node_line(stats, out, "hde_node_counter_total", &node);
            hde_text_printf(out, ",counter=\"");
            label(out, node.counter[c].name);
            hde_text_puts(out, "\"");
            end_line(out, (double)node.counter[c].value);
        }
    }
}

static void
edge_drops(const struct stats *stats, hde_text *out)
{
    head(out, "hde_edge_dropped_total", "counter", "Messages dropped, by reason.");
    for (size_t i = 0; i < stats_edges(stats); i++) {
        struct edge_view edge;

        if (!stats_edge(stats, i, &edge))
            continue;
        for (enum drop_reason r = DROP_REPLACED; r <= DROP_FULL; r++) {
            edge_line(stats, out, "hde_edge_dropped_total", &edge);
            hde_text_printf(out, ",reason=\"%s\"", drop_reason_name(r));
            end_line(out, (double)edge.dropped[r]);
        }
    }
}

static const struct metric dlq_metrics[] = {
    {"hde_dlq_letters", "gauge", "Messages in the dead-letter queue.", HEAD(dlq.letters), U64},
    {"hde_dlq_bytes", "gauge", "Bytes in the dead-letter queue.", HEAD(dlq.bytes), U64},
    {"hde_dlq_put_total", "counter", "Messages put into the dead-letter queue.", HEAD(dlq.put),
     U64},
    {"hde_dlq_replayed_total", "counter", "Dead letters fed again and worked off.",
     HEAD(dlq.replayed), U64},
    {"hde_dlq_dropped_total", "counter", "Dead letters removed by hand.", HEAD(dlq.dropped), U64},
    {"hde_dlq_expired_total", "counter",
     "Dead letters removed because there was no room or too old.", HEAD(dlq.expired), U64},
    {"hde_dlq_lost_total", "counter", "Messages that the dead-letter queue could not take.",
     HEAD(dlq.lost), U64},
};

static const struct metric log_metrics[] = {
    {"hde_log_segments", "gauge", "Segments of the ingress log.", HEAD(log.segments), U64},
    {"hde_log_bytes", "gauge", "Bytes of the ingress log.", HEAD(log.bytes), U64},
    {"hde_log_first_tick", "gauge", "Oldest tick that the ingress log keeps.",
     HEAD(log.first_tick), U64},
    {"hde_log_last_tick", "gauge", "Newest tick that is written.", HEAD(log.last_tick), U64},
    {"hde_log_sync_age_seconds", "gauge", "Time since the ingress log was synced.",
     HEAD(log.sync_age_ns), I64_NS},
    {"hde_log_full", "gauge", "1 while the disk has no room for the ingress log.",
     HEAD(log.is_full), FLAG},
};

static const struct metric epoch_metrics[] = {
    {"hde_checkpoint_completed_total", "counter", "Epochs that were committed.",
     HEAD(epochs.completed), U64},
    {"hde_checkpoint_failed_total", "counter", "Epochs that could not be written.",
     HEAD(epochs.failed), U64},
    {"hde_checkpoint_abandoned_total", "counter", "Epochs that were not passed by all in time.",
     HEAD(epochs.abandoned), U64},
    {"hde_checkpoint_tick", "gauge", "Tick of the newest epoch; 0: none yet.", HEAD(epochs.tick),
     U64},
    {"hde_checkpoint_age_seconds", "gauge", "Time since the barrier of the newest epoch.",
     HEAD(epochs.age_ns), I64_NS},
    {"hde_checkpoint_duration_seconds", "gauge", "From the barrier of the newest epoch to its commit.",
     HEAD(epochs.took_ns), I64_NS},
    {"hde_checkpoint_bytes", "gauge", "Size of the newest epoch.", HEAD(epochs.bytes), U64},
};

static const struct metric recovery_metrics[] = {
    {"hde_recovery_running", "gauge", "1 while the log is taken again.", HEAD(recovery.is_running),
     FLAG},
    {"hde_recovery_entries", "gauge", "Entries that this start had to take again.",
     HEAD(recovery.entries), U64},
    {"hde_recovery_taken_total", "counter", "Entries taken again so far.", HEAD(recovery.taken),
     U64},
    {"hde_recovery_seconds", "gauge", "Time that the recovery took, or has taken so far.",
     HEAD(recovery.took_ns), I64_NS},
};

static void
head_metrics(const struct stats *stats, const struct head_view *view, const struct metric *metrics,
             size_t n, hde_text *out)
{
    for (size_t i = 0; i < n; i++) {
        head(out, metrics[i].name, metrics[i].type, metrics[i].help);
        hde_text_printf(out, "%s{graph=\"", metrics[i].name);
        label(out, stats->graph);
        hde_text_puts(out, "\",host=\"");
        label(out, stats->host);
        hde_text_puts(out, "\"");
        end_line(out, metric_value(&metrics[i], view));
    }
}

/* What belongs to the graph as a whole, as far as it has it. */
static void
graph_totals(const struct stats *stats, hde_text *out)
{
    struct head_view view;

    stats_head(stats, &view);
    head_metrics(stats, &view, dlq_metrics, sizeof dlq_metrics / sizeof *dlq_metrics, out);
    if (view.log.is_on)
        head_metrics(stats, &view, log_metrics, sizeof log_metrics / sizeof *log_metrics, out);
    if (view.epochs.is_on)
        head_metrics(stats, &view, epoch_metrics, sizeof epoch_metrics / sizeof *epoch_metrics,
                     out);
    if (view.recovery.is_on)
        head_metrics(stats, &view, recovery_metrics,
                     sizeof recovery_metrics / sizeof *recovery_metrics, out);
}

void
stats_prometheus(const struct stats *stats, hde_text *out)
{
    for (size_t m = 0; m < sizeof node_metrics / sizeof *node_metrics; m++) {
        head(out, node_metrics[m].name, node_metrics[m].type, node_metrics[m].help);
        for (size_t i = 0; i < stats_nodes(stats); i++) {
            struct node_view node;

            if (!stats_node(stats, i, &node))
                continue;
            node_line(stats, out, node_metrics[m].name, &node);
            end_line(out, metric_value(&node_metrics[m], &node));
        }
    }
    node_states(stats, out);
    node_counters(stats, out);
    node_gauges(stats, out);
    for (size_t m = 0; m < sizeof edge_metrics / sizeof *edge_metrics; m++) {
        head(out, edge_metrics[m].name, edge_metrics[m].type, edge_metrics[m].help);
        for (size_t i = 0; i < stats_edges(stats); i++) {
            struct edge_view edge;

            if (!stats_edge(stats, i, &edge))
                continue;
            edge_line(stats, out, edge_metrics[m].name, &edge);
            end_line(out, metric_value(&edge_metrics[m], &edge));
        }
    }
    edge_drops(stats, out);
    graph_totals(stats, out);
}
