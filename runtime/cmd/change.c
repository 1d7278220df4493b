/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/change.h"
#include "base/clock.h"
#include "cmd/move.h"
#include "cmd/table.h"
#include "graph/graph.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 10, WAIT_MS = 90 * 1000 };

static const char *
kind_name(Hde__ChangeKind kind)
{
    static const char *const names[] = {"?",     "same", "reconfigure", "restart", "swap",
                                        "split", "add",  "remove"};

    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "?";
}

static const char *
state_text(const struct cmd *cmd, const Hde__NodeChange *node)
{
    switch (node->state) {
    case HDE__CHANGED_STATE__CHANGED_STATE_KEPT:
        return "kept";
    case HDE__CHANGED_STATE__CHANGED_STATE_LOST:
        return arena_printf(cmd->arena, "LOST: %s", node->why_lost ? node->why_lost : "?");
    default:
        return "-";
    }
}

void
change_put_plan(const struct cmd *cmd, const Hde__GraphPlan *plan, hde_text *out)
{
    struct table table = {.arena = cmd->arena};

    TABLE_ROW(&table, "CHANGE", "NODE OR EDGE", "STATE", "WHAT");
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const Hde__NodeChange *node = plan->nodes[i];

        if (node->kind != HDE__CHANGE_KIND__CHANGE_KIND_SAME || cmd->verbose)
            TABLE_ROW(&table, kind_name(node->kind), node->name, state_text(cmd, node),
                      node->what ? node->what : "");
    }
    for (size_t i = 0; i < plan->n_edges; i++) {
        const Hde__EdgeChange *edge = plan->edges[i];

        if (edge->kind != HDE__CHANGE_KIND__CHANGE_KIND_SAME || cmd->verbose)
            TABLE_ROW(&table, kind_name(edge->kind), edge->name, "-",
                      edge->what ? edge->what : "");
    }
    if (table.n_rows > 1)
        table_print(&table, out, cmd->color ? "\033[1m" : "", cmd->color ? "\033[0m" : "", 0, 0);
    hde_text_printf(out, "%u of %zu nodes and edges change", plan->changes,
                    plan->n_nodes + plan->n_edges);
    if (plan->lost)
        hde_text_printf(out, "; %u nodes would lose their state (--drop-state agrees)", plan->lost);
    if (plan->fixed)
        hde_text_printf(out, "; needs a new start: %s", plan->fixed);
    hde_text_puts(out, "\n");
    if (plan->relinks)
        hde_text_printf(out,
                        "links between hosts change (%s): all hosts are asked first, then all of "
                        "them stop at one savepoint, behind all that is on the way, and begin anew "
                        "from there. Nothing is lost or doubled; for some seconds no host takes "
                        "anything in or answers, as long as after a restart\n",
                        plan->relinks);
}

struct graph *
change_load(const struct cmd *cmd, const char *path, const struct cmd_list *set,
            struct registry *registry, int *exit)
{
    struct graph_options options = {
        .sets = set->item, .n_sets = set->n, .insecure = true};
    struct diags diags = {0};
    hde_text out = {0};
    struct graph *graph = graph_load(path, &options, registry, &diags);

    *exit = graph ? CMD_OK : diags.unreadable ? EX_NOINPUT : EX_CONFIG;
    if (!graph && cmd->json) {
        hde_text_puts(&out, "{\"diagnostics\":");
        diags_json(&diags, &out);
        hde_text_puts(&out, "}\n");
    } else if (!graph) {
        diags_print(&diags, &out, cmd->color_err);
    }
    if (out.len)
        fwrite(out.data, 1, out.len, stderr);
    hde_text_free(&out);
    diags_fini(&diags);
    return graph;
}

char *
change_who(const struct cmd *cmd)
{
    const char *user = getenv("USER");

    return arena_printf(cmd->arena, "hde %s%s%s", cmd->command->name, user ? " by " : "",
                        user ? user : "");
}

const char *
change_state_word(Hde__ChangeState state)
{
    static const char *const words[] = {"?", "waiting", "working", "planned", "done", "refused"};

    return (size_t)state < sizeof words / sizeof *words ? words[state] : "?";
}

void
change_put_hosts(const struct cmd *cmd, const Hde__GraphChange *change, hde_text *out)
{
    for (size_t i = 0; i < change->n_hosts; i++) {
        const Hde__HostChange *host = change->hosts[i];

        hde_text_printf(out, "host %s: %s", host->host, change_state_word(host->state));
        if (host->state == HDE__CHANGE_STATE__CHANGE_STATE_PLANNED)
            hde_text_printf(out, ", %u changes", host->changes);
        if (host->has_pause_seconds)
            hde_text_printf(out, ", stood still for %s",
                            table_seconds(cmd->arena, host->pause_seconds));
        if (host->build)
            hde_text_printf(out, ", build %.12s", host->build);
        if (host->error)
            hde_text_printf(out, ": %s: %s", host->error->code, host->error->message);
        hde_text_puts(out, "\n");
    }
}

static bool
is_decided(const Hde__ControlReply *reply)
{
    return reply->answer_case == HDE__CONTROL_REPLY__ANSWER_CHANGES &&
           reply->changes->n_changes == 1 &&
           (reply->changes->changes[0]->state > HDE__CHANGE_STATE__CHANGE_STATE_WORKING ||
            reply->changes->changes[0]->has_relink);
}

static void *
unpack_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void
unpack_free(void *arena, void *memory)
{
}

/* All hosts begin anew, and who was asked knows no more of the change than that it was made: what
 * is told is what was planned. */
static int
follow_relink(const struct cmd *cmd, struct client *client, const Hde__GraphChange **change)
{
    size_t size = hde__graph_change__get_packed_size(*change);
    uint8_t *bytes = arena_alloc(cmd->arena, size + 1);
    ProtobufCAllocator memory = {unpack_alloc, unpack_free, cmd->arena};
    const Hde__EngineMove *move;
    Hde__ControlError *error;
    Hde__GraphChange *out;
    int exit;

    hde__graph_change__pack(*change, bytes);
    out = hde__graph_change__unpack(&memory, size, bytes);
    exit = move_follow(cmd, client, out->relink, &move);
    if (exit)
        return exit;
    out->state = HDE__CHANGE_STATE__CHANGE_STATE_DONE;
    *change = out;
    if (!move->error)
        return CMD_OK;
    error = arena_alloc(cmd->arena, sizeof *error);
    hde__control_error__init(error);
    error->code = arena_text(cmd->arena, move->error->code);
    error->message = arena_text(cmd->arena, move->error->message);
    out->error = error;
    out->state = HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;
    return CMD_OK;
}

int
change_follow(const struct cmd *cmd, struct client *client, const Hde__ControlReply *reply,
              const Hde__GraphChange **change)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlChanges ask = HDE__CONTROL_CHANGES__INIT;
    int64_t end_ns = clock_mono_ns() + WAIT_MS * (int64_t)NS_PER_MS;
    const char *hint = NULL;
    struct err err = {0};

    if (reply->answer_case != HDE__CONTROL_REPLY__ANSWER_CHANGES || !reply->changes->n_changes)
        return cmd_error(cmd, CMD_FAILED, "HDE-C013", NULL, "the answer is not understood");
    request.ask_case = HDE__CONTROL_REQUEST__ASK_CHANGES;
    request.changes = &ask;
    ask.has_number = true;
    ask.number = reply->changes->changes[0]->number;
    if (reply->changes->host)
        request.host = arena_text(cmd->arena, reply->changes->host);
    while (!is_decided(reply) && clock_mono_ns() < end_ns) {
        poll(NULL, 0, LOOK_MS);
        reply = client_ask(client, &request, target_patience_ms(end_ns), &err, &hint);
        if (!reply)
            return cmd_error(cmd, EX_UNAVAILABLE, err.code, hint, "%s", err.text);
    }
    if (!is_decided(reply))
        return cmd_error(cmd, EX_UNAVAILABLE, "HDE-C012", "'hde history' tells how it went on",
                         "the change is not decided after %d s", WAIT_MS / 1000);
    *change = reply->changes->changes[0];
    return (*change)->state == HDE__CHANGE_STATE__CHANGE_STATE_WORKING
               ? follow_relink(cmd, client, change)
               : CMD_OK;
}

int
change_ask(const struct cmd *cmd, const struct target_options *target, Hde__ControlApply *apply,
           struct client **client, const Hde__GraphChange **change)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    const Hde__ControlReply *reply;
    int exit;

    request.ask_case = HDE__CONTROL_REQUEST__ASK_APPLY;
    request.apply = apply;
    exit = target_ask(cmd, target, &request, client, &reply);
    return exit ? exit : change_follow(cmd, *client, reply, change);
}
