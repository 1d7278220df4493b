/* SPDX-License-Identifier: Apache-2.0
 * apply - another graph in place of the running one: apply, rollback, history. */
#include "base/clock.h"
#include "cmd/change.h"
#include "cmd/move.h"
#include "cmd/table.h"
#include "graph/graph.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct apply_options {
    struct target_options target;
    struct cmd_list set;
    struct move_words move;
    const char *plugins;
    hde_duration timeout;
    bool drop_state;
};

static int
tell(const struct cmd *cmd, const Hde__GraphChange *change)
{
    bool is_done = change->state == HDE__CHANGE_STATE__CHANGE_STATE_DONE;
    hde_text out = {0};
    int exit;

    if (cmd->json) {
        hde_json_message(&out, &change->base, HDE_JSON_FIELDS);
        hde_text_puts(&out, "\n");
    } else if (is_done && !cmd->quiet) {
        change_put_plan(cmd, change->plan, &out);
        if (change->has_relink)
            hde_text_puts(&out, "done: all hosts begin anew\n");
        else
            hde_text_printf(&out, "done: stood still for %s\n",
                            table_seconds(cmd->arena, change->pause_seconds));
        change_put_hosts(cmd, change, &out);
    }
    exit = out.len ? cmd_print(cmd, &out, NULL) : CMD_OK;
    hde_text_free(&out);
    if (exit || is_done)
        return exit;
    if (cmd->json || !change->error)
        return CMD_FAILED;
    return cmd_error(cmd, CMD_FAILED, change->error->code, "nothing has changed: the graph runs on",
                     "%s", change->error->message);
}

static int
ask(const struct cmd *cmd, const struct apply_options *options, Hde__ControlApply *apply)
{
    const Hde__GraphChange *change;
    struct client *client = NULL;
    int exit;

    apply->has_drop_state = apply->has_timeout_seconds = true;
    apply->drop_state = options->drop_state;
    apply->timeout_seconds = (double)options->timeout.ns / 1e9;
    apply->who = change_who(cmd);
    exit = change_ask(cmd, &options->target, apply, &client, &change);
    if (!exit)
        exit = tell(cmd, change);
    client_close(client);
    return exit;
}

static int
run_apply(const struct cmd *cmd, const void *block)
{
    const struct apply_options *options = block;
    Hde__ControlApply apply = HDE__CONTROL_APPLY__INIT;
    struct registry *registry;
    char path[PATH_MAX];
    struct graph *graph;
    int exit;

    if (options->move.moves.n && !cmd->n_args)
        return run_move(cmd, &options->target, &options->move, false);
    if (!cmd->n_args || options->move.moves.n || options->move.lost.n)
        return cmd_error(cmd, EX_USAGE, "HDE-C005", NULL,
                         "usage: hde apply GRAPH, or hde apply --move NODE=HOST");
    registry = registry_new(options->plugins);
    graph = change_load(cmd, cmd->args[0], &options->set, registry, &exit);
    if (graph) {
        apply.path = realpath(cmd->args[0], path) ? path : (char *)(uintptr_t)cmd->args[0];
        apply.n_set = options->set.n;
        apply.set = (char **)(uintptr_t)options->set.item;
        exit = ask(cmd, options, &apply);
    }
    graph_free(graph);
    registry_free(registry);
    return exit;
}

static int
run_rollback(const struct cmd *cmd, const void *options)
{
    Hde__ControlApply apply = HDE__CONTROL_APPLY__INIT;

    return ask(cmd, options, &apply);
}

/* ---- History ------------------------------------------------------------------------------ */

static const char *
time_text(struct arena *arena, int64_t ns)
{
    time_t at = (time_t)(ns / NS_PER_S);
    struct tm tm;
    char text[32];

    localtime_r(&at, &tm);
    strftime(text, sizeof text, "%F %T", &tm);
    return arena_text(arena, text);
}

/* Why it was refused, or which hosts are not as far. */
static const char *
why(const struct cmd *cmd, const Hde__GraphChange *change)
{
    const char *text = change->error ? arena_printf(cmd->arena, "%s: %s", change->error->code,
                                                    change->error->message)
                                     : "";

    for (size_t i = 0; i < change->n_hosts && !change->error; i++)
        if (change->hosts[i]->state != change->state)
            text = arena_printf(cmd->arena, "%s%shost %s: %s", text, *text ? ", " : "",
                                change->hosts[i]->host, change_state_word(change->hosts[i]->state));
    return text;
}

static const char *
what(const struct cmd *cmd, const Hde__GraphChange *change)
{
    if (change->rollback)
        return "(back)";
    if (change->reload)
        return arena_printf(cmd->arena, "reload %s", change->reload);
    if (change->move)
        return change->n_moved ? arena_printf(cmd->arena, "move %s", change->moved[0]) : "move";
    return change->path ? change->path : "-";
}

static void
put_history(const struct cmd *cmd, const Hde__EngineChanges *changes, hde_text *out)
{
    struct table table = {.arena = cmd->arena};

    TABLE_ROW(&table, ">NO", "TIME", "RESULT", ">CHANGES", ">PAUSE", "GRAPH", "WHO", "WHY");
    for (size_t i = 0; i < changes->n_changes; i++) {
        const Hde__GraphChange *change = changes->changes[i];

        TABLE_ROW(&table, arena_printf(cmd->arena, "%llu", (unsigned long long)change->number),
                  time_text(cmd->arena, change->asked_ns), change_state_word(change->state),
                  table_count(cmd->arena, change->plan ? change->plan->changes : 0),
                  change->has_pause_seconds ? table_seconds(cmd->arena, change->pause_seconds)
                                            : "-",
                  what(cmd, change), change->who ? change->who : "-", why(cmd, change));
        for (size_t k = 1; k < change->n_moved; k++)
            TABLE_ROW(&table, "", "", "", "", "",
                      arena_printf(cmd->arena, "     %s", change->moved[k]), "", "");
    }
    if (changes->n_changes)
        table_print(&table, out, cmd->color ? "\033[1m" : "", cmd->color ? "\033[0m" : "", 0, 0);
    else
        hde_text_puts(out, "the graph was not changed so far\n");
}

static int
run_history(const struct cmd *cmd, const void *options)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlChanges changes = HDE__CONTROL_CHANGES__INIT;
    const Hde__ControlReply *reply;
    struct client *client;
    hde_text out = {0};
    int exit;

    request.ask_case = HDE__CONTROL_REQUEST__ASK_CHANGES;
    request.changes = &changes;
    exit = target_ask(cmd, options, &request, &client, &reply);
    if (exit)
        return exit;
    if (reply->answer_case != HDE__CONTROL_REPLY__ANSWER_CHANGES) {
        exit = cmd_error(cmd, CMD_FAILED, "HDE-C013", NULL, "the answer is not understood");
    } else {
        if (cmd->json) {
            hde_json_message(&out, &reply->changes->base, HDE_JSON_FIELDS);
            hde_text_puts(&out, "\n");
        } else {
            put_history(cmd, reply->changes, &out);
        }
        exit = cmd_print(cmd, &out, NULL);
    }
    hde_text_free(&out);
    client_close(client);
    return exit;
}

/* ---- Tables ------------------------------------------------------------------------------- */

#define CHANGE_OPTIONS                                                                             \
    {CMD_OPTION("drop-state", struct apply_options, drop_state),                                   \
     .help = "agree to lose state that cannot be kept"},                                           \
    {                                                                                              \
        CMD_OPTION("timeout", struct apply_options, timeout),                                      \
            .value = "TIME", .fallback = "10s", .min = 0.1, .max = 3600,                           \
            .help = "how long nodes may take to come to the end of their ticks"                    \
    }

const struct command cmd_apply = {
    .name = "apply",
    .args = "[GRAPH]",
    .group = CMD_GROUP_RUN,
    .summary = "put another graph in place of the running one",
    .help =
        "What runs afterwards is what 'hde run GRAPH' with the same --set would run; 'hde plan' "
        "shows beforehand what that changes. New nodes are made and opened while the old graph "
        "runs. Then the sources wait, what is on its way comes to its end, and the graph is joined "
        "anew: some milliseconds. Nodes that are the same go on as they are, with their state, "
        "connections and threads; parameters that may change while a node runs just change; new "
        "instances of old nodes get their state, also over another number of replicas where the "
        "operator keeps it by key. Nothing is lost or doubled on edges that keep order.\n\n"
        "Whatever is refused or fails leaves the old graph running, and the reason is said. A node "
        "whose state would be lost refuses without --drop-state.\n\n"
        "Over several hosts (hosts:) any of them can be asked; the one that coordinator: names "
        "leads. Each host reads its own file, which lies under the same path and says the same "
        "everywhere. When all of them have everything prepared the change is decided, and each "
        "changes over by itself; whatever one of them refuses is made by none, and a host that is "
        "down is named.\n\nWhere links between hosts change (nodes that send to another host come, go or "
        "move there), all hosts are asked first, then all of them stop at one savepoint, behind all that "
        "was on the way, and begin anew from there, some seconds later: nothing is lost or doubled. So it is "
        "for another number of replicas, or list of hosts, of a node with host: [a, b], whose states go to "
        "the replicas that own their keys then; each of these hosts has to run before. "
        "'hde plan' says so beforehand. From then on that graph runs, also after restarts, until the "
        "file that the start names is edited; 'hde rollback' goes back once."
        "\n\n--move puts nodes of a graph "
        "with hosts: on other hosts, led by the coordinator: all hosts stop at one cut, states go "
        "where the nodes go, and every host begins anew from there, some seconds later. It is exact. "
        "From then on the nodes lie there, also after restarts and whatever host: says in the file, "
        "until they are moved again. A host to which nodes go has to run; it may be a spare one, on which "
        "none lie yet ('hde help run'), and one that they have left is spare from then on. A host whose "
        "machine is lost is named with --lost, and all its "
        "nodes are moved: they go on from their last epochs, which have to be in a store that all "
        "hosts share; what was done since is done again. If that host comes back it is a spare one, which "
        "does not run what it had. 'hde plan --move' shows it beforehand. Where the "
        "lost host is the coordinator, write another one into coordinator: of the graph file, on "
        "every host, and ask that one: it leads from then on. What the lost one had decided and not "
        "told everybody is found in its store, and made; what it had not decided is dropped.",
    .examples =
        (const struct cmd_example[]){
            {"hde apply graphs/demo.yaml", "the file has changed"},
            {"hde apply graphs/demo.yaml --set processing.clean.max_spread=20%",
             "another parameter"},
            {"hde rollback", "the graph before that again"},
            {"hde apply --move analytics=calc", "an include of a graph with hosts"},
            {"hde apply --move analytics=calc --lost analyse", "its machine is gone"},
            {"hde apply --graph market.serve --move processing=serve --lost calc",
             "the coordinator's machine is gone, and the file says coordinator: serve"},
            {0}},
    .options =
        (const struct cmd_option[]){
            MOVE_OPTIONS(struct apply_options),
            {CMD_OPTION("set", struct apply_options, set), .letter = 's',
             .value = "NODE.PARAM=VALUE", .help = "as 'hde run' would be given"},
            CHANGE_OPTIONS,
            {CMD_OPTION("plugins", struct apply_options, plugins), .value = "PATH",
             .env = "HDE_PLUGIN_PATH", .complete = CMD_COMPLETE_FOLDER,
             .help = "folders with operators, separated by colons"},
            TARGET_OPTIONS(struct apply_options),
            {0}},
    .exits = (const struct cmd_exit[]){{CMD_FAILED, "refused: the old graph runs on"},
                                       {EX_NOINPUT, NULL},
                                       {EX_CONFIG, NULL},
                                       TARGET_EXITS,
                                       {0}},
    .complete = CMD_COMPLETE_FILE,
    .max_args = 1,
    CMD_BLOCK(struct apply_options),
    .run = run_apply,
};

const struct command cmd_rollback = {
    .name = "rollback",
    .args = "",
    .group = CMD_GROUP_RUN,
    .summary = "undo the last change of the running graph",
    .help = "Applies the graph that ran before the last change, as 'hde apply' would. State that "
            "the change had dropped does not come back. Another rollback goes one change further.",
    .examples = (const struct cmd_example[]){{"hde rollback", "the graph before 'hde apply'"}, {0}},
    .options = (const struct cmd_option[]){CHANGE_OPTIONS, TARGET_OPTIONS(struct apply_options), {0}},
    .exits = (const struct cmd_exit[]){{CMD_FAILED, "refused: the graph runs on as it is"},
                                       TARGET_EXITS,
                                       {0}},
    CMD_BLOCK(struct apply_options),
    .run = run_rollback,
};

const struct command cmd_history = {
    .name = "history",
    .args = "",
    .group = CMD_GROUP_LOOK,
    .summary = "show how the running graph was changed",
    .help = "One line for each plan, apply and rollback, newest first: when, by whom, how many "
            "nodes and edges, how long the graph stood still, and why it was refused. A move of "
            "nodes (--move) has a line for each of them, from which host to which; in --json "
            "relink is its number, the same on all hosts. Who led it lists refused ones too, the "
            "others what was made.",
    .examples = (const struct cmd_example[]){{"hde history", "newest first"},
                                             {"hde history --json | jq '.changes[0].plan'",
                                              "what the last one changed"},
                                             {0}},
    .options = (const struct cmd_option[]){TARGET_OPTIONS(struct apply_options), {0}},
    .exits = (const struct cmd_exit[]){TARGET_EXITS, {0}},
    CMD_BLOCK(struct apply_options),
    .run = run_history,
};
