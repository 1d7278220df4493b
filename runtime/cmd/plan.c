/* SPDX-License-Identifier: Apache-2.0
 * plan - what another graph would change, of the running one or of a file. */
#include "cmd/change.h"
#include "cmd/move.h"
#include "engine/plan_show.h"

#include <limits.h>
#include <stdlib.h>

struct plan_options {
    struct target_options target;
    struct cmd_list set;
    struct move_words move;
    const char *plugins;
};

static bool
is_refused(const Hde__GraphChange *change)
{
    for (size_t i = 0; i < change->n_hosts; i++)
        if (change->hosts[i]->error)
            return true;
    return false;
}

/* Another graph runs on one of the hosts. */
static bool
has_other_hosts(const Hde__GraphChange *change)
{
    for (size_t i = 0; i < change->n_hosts; i++)
        if (change->hosts[i]->changes != change->plan->changes)
            return true;
    return false;
}

/* change: of the graph that runs; NULL: two files are compared. */
static int
show(const struct cmd *cmd, const Hde__GraphPlan *plan, const Hde__GraphChange *change)
{
    bool is_no = change && is_refused(change);
    hde_text out = {0};
    int exit;

    if (cmd->json) {
        hde_json_message(&out, &plan->base, HDE_JSON_FIELDS);
        hde_text_puts(&out, "\n");
    } else {
        change_put_plan(cmd, plan, &out);
        if (change && (is_no || has_other_hosts(change)))
            change_put_hosts(cmd, change, &out);
    }
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    if (exit || is_no)
        return exit ? exit : CMD_FAILED;
    return plan->lost || plan->fixed ? CHANGE_WOULD_LOSE : CMD_OK;
}

static int
plan_files(const struct cmd *cmd, const struct plan_options *options, struct registry *registry)
{
    struct change_plan *plan = NULL;
    int exit;
    struct graph *after = NULL;
    struct graph *before = change_load(cmd, cmd->args[0], &options->set, registry, &exit);

    if (before)
        after = change_load(cmd, cmd->args[1], &options->set, registry, &exit);
    if (after) {
        plan = change_plan_new(before, after);
        exit = show(cmd, change_plan_show(plan, cmd->arena), NULL);
    }
    change_plan_free(plan);
    graph_free(after);
    graph_free(before);
    return exit;
}

static int
plan_running(const struct cmd *cmd, const struct plan_options *options, struct registry *registry)
{
    Hde__ControlApply apply = HDE__CONTROL_APPLY__INIT;
    const Hde__GraphChange *change;
    struct client *client = NULL;
    char path[PATH_MAX];
    int exit;
    struct graph *graph = change_load(cmd, cmd->args[0], &options->set, registry, &exit);

    if (!graph)
        return exit;
    graph_free(graph);
    apply.path = realpath(cmd->args[0], path) ? path : (char *)(uintptr_t)cmd->args[0];
    apply.n_set = options->set.n;
    apply.set = (char **)(uintptr_t)options->set.item;
    apply.has_plan_only = apply.plan_only = true;
    exit = change_ask(cmd, &options->target, &apply, &client, &change);
    if (!exit && change->plan)
        exit = show(cmd, change->plan, change);
    else if (!exit)
        exit = cmd_error(cmd, CMD_FAILED, change->error->code, NULL, "%s", change->error->message);
    client_close(client);
    return exit;
}

static int
run_plan(const struct cmd *cmd, const void *block)
{
    const struct plan_options *options = block;
    struct registry *registry;
    int exit;

    if (options->move.moves.n && !cmd->n_args)
        return run_move(cmd, &options->target, &options->move, true);
    if (!cmd->n_args || options->move.moves.n || options->move.lost.n)
        return cmd_error(cmd, EX_USAGE, "HDE-C005", NULL,
                         "usage: hde plan [OLD] NEW, or hde plan --move NODE=HOST");
    registry = registry_new(options->plugins);
    exit = cmd->n_args == 2 ? plan_files(cmd, options, registry)
                                : plan_running(cmd, options, registry);

    registry_free(registry);
    return exit;
}

const struct command cmd_plan = {
    .name = "plan",
    .args = "[[OLD] NEW]",
    .group = CMD_GROUP_RUN,
    .summary = "show what another graph would change",
    .help =
        "Compares a graph file with the graph that runs, or with another file, and prints for each "
        "node and edge what 'hde apply' would do: same, reconfigure (parameters that may change "
        "while the node runs), restart (a new instance of the same operator), swap (another "
        "operator), split (another number of replicas or another key), add, remove; and whether "
        "the state of the node is kept. Where links between hosts change, it says that all hosts stop "
        "for that. Nothing is changed.\n\nNodes are the same where their "
        "names are; a node that was renamed says was: OLDNAME. -v shows what stays the same too.",
    .examples =
        (const struct cmd_example[]){
            {"hde plan graphs/demo.yaml", "the file has changed: against what runs"},
            {"hde plan old.yaml new.yaml", "two files"},
            {"hde plan new.yaml --json | jq '.nodes[] | select(.state==\"CHANGED_STATE_LOST\")'",
             "who would lose state"},
            {"hde plan --move analytics=calc", "what 'hde apply --move' would do"},
            {0}},
    .options =
        (const struct cmd_option[]){
            MOVE_OPTIONS(struct plan_options),
            {CMD_OPTION("set", struct plan_options, set), .letter = 's',
             .value = "NODE.PARAM=VALUE", .help = "as 'hde run' would be given"},
            {CMD_OPTION("plugins", struct plan_options, plugins), .value = "PATH",
             .env = "HDE_PLUGIN_PATH", .complete = CMD_COMPLETE_FOLDER,
             .help = "folders with operators, separated by colons"},
            TARGET_OPTIONS(struct plan_options),
            {0}},
    .exits = (const struct cmd_exit[]){{CHANGE_WOULD_LOSE,
                                        "state would be lost, or it needs a new start"},
                                       {CMD_FAILED, "it would be refused"},
                                       {EX_NOINPUT, NULL},
                                       {EX_CONFIG, NULL},
                                       TARGET_EXITS,
                                       {0}},
    .complete = CMD_COMPLETE_FILE,
    .max_args = 2,
    CMD_BLOCK(struct plan_options),
    .run = run_plan,
};
