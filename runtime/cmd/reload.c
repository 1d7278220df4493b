/* SPDX-License-Identifier: Apache-2.0
 * reload - another build of an operator for a running graph. */
#include "base/clock.h"
#include "cmd/change.h"
#include "cmd/table.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 20, WAIT_MS = 60 * 1000 };

struct reload_options {
    struct target_options target;
    const char *so;
    hde_duration probation, budget, shadow;
    double tolerance;
    bool drop_state, no_trial, force, status, history;
};

static const char *
state_word(Hde__ReloadState state)
{
    static const char *const words[] = {"?",    "waiting",  "working", "probation",
                                        "done", "returned", "refused", "superseded"};

    return (size_t)state < sizeof words / sizeof *words ? words[state] : "?";
}

static bool
is_under_way(const Hde__ReloadAttempt *attempt)
{
    return attempt->state == HDE__RELOAD_STATE__RELOAD_STATE_WAITING ||
           attempt->state == HDE__RELOAD_STATE__RELOAD_STATE_WORKING;
}

static bool
is_on_probation(const Hde__ReloadAttempt *attempt)
{
    return attempt->state == HDE__RELOAD_STATE__RELOAD_STATE_PROBATION;
}

static bool
is_done(const Hde__ReloadAttempt *attempt)
{
    return attempt->state == HDE__RELOAD_STATE__RELOAD_STATE_DONE || is_on_probation(attempt);
}

static const char *
kept_text(const Hde__ReloadAttempt *attempt, struct arena *arena)
{
    switch (attempt->kept) {
    case HDE__RELOAD_KEPT__RELOAD_KEPT_ALL:
        return arena_printf(arena, "kept %llu bytes", (unsigned long long)attempt->state_bytes);
    case HDE__RELOAD_KEPT__RELOAD_KEPT_DROPPED:
        return "dropped";
    case HDE__RELOAD_KEPT__RELOAD_KEPT_NONE:
        return "none";
    default:
        return "-";
    }
}

static const char *
probation_text(const Hde__ReloadAttempt *attempt, struct arena *arena)
{
    int64_t left_ns = attempt->until_ns - clock_real_ns();

    return arena_printf(arena, "comes back at the first error in the next %s",
                        table_seconds(arena, left_ns > 0 ? (double)left_ns / 1e9 : 0));
}

/* ---- One request -------------------------------------------------------------------------- */

/* Asks until it is decided. */
static const Hde__ReloadAttempt *
follow(const struct cmd *cmd, struct client *client, uint64_t number, int64_t shadow_ns, int *exit)
{
    int64_t end_ns = clock_mono_ns() + WAIT_MS * (int64_t)NS_PER_MS + shadow_ns;
    const char *hint = NULL;
    struct err err = {0};

    while (clock_mono_ns() < end_ns) {
        Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
        Hde__ControlReloads ask = HDE__CONTROL_RELOADS__INIT;
        const Hde__ControlReply *reply;

        request.ask_case = HDE__CONTROL_REQUEST__ASK_RELOADS;
        request.reloads = &ask;
        ask.has_number = true;
        ask.number = number;
        reply = client_ask(client, &request, target_patience_ms(end_ns), &err, &hint);
        if (!reply) {
            *exit = cmd_error(cmd, EX_UNAVAILABLE, err.code, hint, "%s", err.text);
            return NULL;
        }
        if (reply->answer_case == HDE__CONTROL_REPLY__ANSWER_RELOADS &&
            reply->reloads->n_attempts == 1 && !is_under_way(reply->reloads->attempts[0]))
            return reply->reloads->attempts[0];
        poll(NULL, 0, LOOK_MS);
    }
    *exit = cmd_error(cmd, EX_UNAVAILABLE, "HDE-C012", "'hde reload --status' tells how it went on",
                      "the reload is not decided after %d s", WAIT_MS / 1000);
    return NULL;
}

static int
tell(const struct cmd *cmd, const Hde__ReloadAttempt *attempt)
{
    hde_text out = {0};
    int exit;

    if (cmd->json)
        hde_json_message(&out, &attempt->base, HDE_JSON_FIELDS);
    else if (is_done(attempt) && !cmd->quiet)
        hde_text_printf(&out,
                        "%s: %u nodes run build %.12s in place of %.12s\n"
                        "state: %s; stood still for %s; old build: %s",
                        attempt->target, attempt->nodes, attempt->new_build, attempt->old_build,
                        kept_text(attempt, cmd->arena),
                        table_seconds(cmd->arena, attempt->pause_seconds),
                        is_on_probation(attempt) ? probation_text(attempt, cmd->arena)
                                                 : attempt->retired);
    if (out.len && !cmd->json && attempt->has_compared)
        hde_text_printf(&out, "\nshadow: %llu messages agreed",
                        (unsigned long long)attempt->compared);
    if (out.len)
        hde_text_puts(&out, "\n");
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    if (exit || is_done(attempt))
        return exit;
    if (cmd->json || !attempt->error)
        return CMD_FAILED;
    return cmd_error(cmd, CMD_FAILED, attempt->error->code,
                     attempt->state == HDE__RELOAD_STATE__RELOAD_STATE_RETURNED
                         ? "the old build runs again"
                         : "nothing has changed: the old build runs on",
                     "%s", attempt->error->message);
}

/* Of all parts and hosts that run it. */
static int
tell_change(const struct cmd *cmd, struct client *client, const Hde__ControlReply *reply)
{
    const Hde__GraphChange *change;
    hde_text out = {0};
    bool is_done;
    int exit = change_follow(cmd, client, reply, &change);

    if (exit)
        return exit;
    is_done = change->state == HDE__CHANGE_STATE__CHANGE_STATE_DONE;
    if (cmd->json) {
        hde_json_message(&out, &change->base, HDE_JSON_FIELDS);
        hde_text_puts(&out, "\n");
    } else if (is_done && !cmd->quiet) {
        hde_text_printf(&out, "%s: reloaded", change->reload);
        if (change->build)
            hde_text_printf(&out, ", build %.12s, stood still for %s", change->build,
                            table_seconds(cmd->arena, change->pause_seconds));
        hde_text_puts(&out, "\n");
        change_put_hosts(cmd, change, &out);
    }
    exit = out.len ? cmd_print(cmd, &out, NULL) : CMD_OK;
    hde_text_free(&out);
    if (exit || is_done)
        return exit;
    if (cmd->json || !change->error)
        return CMD_FAILED;
    return cmd_error(cmd, CMD_FAILED, change->error->code, NULL, "%s", change->error->message);
}

static int
ask_reload(const struct cmd *cmd, const struct reload_options *opt)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlReload reload = HDE__CONTROL_RELOAD__INIT;
    const Hde__ReloadAttempt *attempt;
    const Hde__ControlReply *reply;
    struct client *client;
    char full[PATH_MAX];
    int exit;

    request.ask_case = HDE__CONTROL_REQUEST__ASK_RELOAD;
    request.reload = &reload;
    reload.target = (char *)cmd->args[0];
    if (opt->so) /* the engine may have another working folder; one that is not there it names */
        reload.file = realpath(opt->so, full) ? full : (char *)opt->so;
    reload.has_drop_state = true;
    reload.drop_state = opt->drop_state;
    reload.has_skip_trial = reload.has_probation_seconds = reload.has_budget_seconds = true;
    reload.probation_seconds = (double)opt->probation.ns / 1e9;
    reload.skip_trial = opt->no_trial;
    reload.has_force = reload.force = opt->force;
    reload.has_shadow_seconds = reload.has_tolerance = opt->shadow.ns > 0;
    reload.shadow_seconds = (double)opt->shadow.ns / 1e9;
    reload.tolerance = opt->tolerance;
    reload.budget_seconds = (double)opt->budget.ns / 1e9;
    exit = target_ask(cmd, &opt->target, &request, &client, &reply);
    if (exit)
        return exit;
    if (reply->answer_case == HDE__CONTROL_REPLY__ANSWER_CHANGES) {
        exit = tell_change(cmd, client, reply);
        client_close(client);
        return exit;
    }
    if (reply->answer_case != HDE__CONTROL_REPLY__ANSWER_RELOADS || !reply->reloads->n_attempts) {
        client_close(client);
        return cmd_error(cmd, CMD_FAILED, "HDE-C013", NULL, "the answer is not understood");
    }
    attempt = follow(cmd, client, reply->reloads->attempts[0]->number, opt->shadow.ns, &exit);
    if (attempt)
        exit = tell(cmd, attempt);
    client_close(client);
    return exit;
}

/* ---- What there was ----------------------------------------------------------------------- */

static void
put_attempts(const struct cmd *cmd, const Hde__EngineReloads *reloads, hde_text *out)
{
    struct table table = {.arena = cmd->arena};

    TABLE_ROW(&table, ">NO", "TARGET", "RESULT", ">NODES", "OLD BUILD", "NEW BUILD", ">PAUSE",
              "STATE", "WHY");
    for (size_t i = 0; i < reloads->n_attempts; i++) {
        const Hde__ReloadAttempt *a = reloads->attempts[i];

        TABLE_ROW(&table, arena_printf(cmd->arena, "%llu", (unsigned long long)a->number),
                  a->target, state_word(a->state), table_count(cmd->arena, a->nodes),
                  arena_printf(cmd->arena, "%.12s", a->old_build ? a->old_build : "-"),
                  arena_printf(cmd->arena, "%.12s", a->new_build ? a->new_build : "-"),
                  is_done(a) ? table_seconds(cmd->arena, a->pause_seconds) : "-",
                  kept_text(a, cmd->arena),
                  a->error ? arena_printf(cmd->arena, "%s: %s", a->error->code, a->error->message)
                           : "");
    }
    if (reloads->n_attempts)
        table_print(&table, out, cmd->color ? "\033[1m" : "", cmd->color ? "\033[0m" : "", 0, 0);
    else
        hde_text_puts(out, "nothing was reloaded so far\n");
    for (size_t i = 0; i < reloads->n_blocked; i++)
        hde_text_printf(out, "blocked: build %.12s (%s): %s\n", reloads->blocked[i]->build_id,
                        reloads->blocked[i]->file ? reloads->blocked[i]->file : "?",
                        reloads->blocked[i]->why);
}

static int
show_status(const struct cmd *cmd, const struct reload_options *opt)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlReloads ask = HDE__CONTROL_RELOADS__INIT;
    const Hde__ControlReply *reply;
    struct client *client;
    hde_text out = {0};
    int exit;

    request.ask_case = HDE__CONTROL_REQUEST__ASK_RELOADS;
    request.reloads = &ask;
    exit = target_ask(cmd, &opt->target, &request, &client, &reply);
    if (exit)
        return exit;
    if (reply->answer_case != HDE__CONTROL_REPLY__ANSWER_RELOADS) {
        exit = cmd_error(cmd, CMD_FAILED, "HDE-C013", NULL, "the answer is not understood");
    } else {
        if (cmd->json) {
            hde_json_message(&out, &reply->reloads->base, HDE_JSON_FIELDS);
            hde_text_puts(&out, "\n");
        } else {
            put_attempts(cmd, reply->reloads, &out);
        }
        exit = cmd_print(cmd, &out, NULL);
    }
    hde_text_free(&out);
    client_close(client);
    return exit;
}

static int
run_reload(const struct cmd *cmd, const void *options)
{
    const struct reload_options *opt = options;

    if (opt->status || opt->history)
        return show_status(cmd, opt);
    if (!cmd->n_args)
        return cmd_error(cmd, EX_USAGE, "HDE-C005", "hde reload NODE, or hde reload --status",
                         "say which node or operator is reloaded");
    return ask_reload(cmd, opt);
}

const struct command cmd_reload = {
    .name = "reload",
    .args = "[NODE|OPERATOR]",
    .group = CMD_GROUP_RUN,
    .summary = "put another build of an operator into a running graph",
    .help =
        "The file is inspected before anything of it runs, and copied. A child process tries it "
        "with the parameters, the state and some messages of the running node (only loads it, "
        "where an operator touches the world), so a crash or an endless loop costs nothing. Then "
        "it is loaded beside the old build and checked: ports, parameters of the graph, state. "
        "Then each node changes over between two calls: save() of the old build, load() of the "
        "new one. Nothing is lost or doubled, what waits on edges stays there. Whatever fails "
        "before that leaves the old build running, and the reason is said.\n\nFor the time of "
        "--probation the old build is kept: the first failure of the new one, or rejects beyond "
        "the rate of the old one, bring it back by itself, with the state, and the call that "
        "failed is made again. Another reload ends a probation.\n\nWith the name of an operator "
        "all nodes that run it change over, or none. An operator that cannot live twice (a "
        "listening port, a file) is closed before its successor opens. A new build with other "
        "ports needs a new start of the graph.\n\nWith record: or checkpoint: the swap is an entry of "
        "the log: recovery and replay run the builds that ran. A build that crashes the engine "
        "within its probation, or a minute, is taken back by the next start and blocked.\n\nOver "
        "several hosts (hosts:) each has its own file; all of them stage and try theirs, led by "
        "the coordinator, and swap when all can, or none does. A host whose probation fails goes "
        "back alone, and says so in its --status. A file that --so names lies under that path on "
        "every host that runs the operator.",
    .examples =
        (const struct cmd_example[]){
            {"hde reload processing/pcr", "the file it was loaded from was built again"},
            {"hde reload pcr --so build/my-pcr.so", "one node, from another file"},
            {"hde reload pcr --probation 10m", "errors in ten minutes bring the old one back"},
            {"hde reload pcr --shadow 60s", "beside the old one first; a difference is named"},
            {"hde reload --status", "what was reloaded so far, and what was refused why"},
            {0}},
    .options =
        (const struct cmd_option[]){
            {CMD_OPTION("so", struct reload_options, so), .value = "FILE",
             .complete = CMD_COMPLETE_FILE, .help = "the plugin file; else the one it came from"},
            {CMD_OPTION("drop-state", struct reload_options, drop_state),
             .help = "agree to lose state that cannot be handed over"},
            {CMD_OPTION("no-trial", struct reload_options, no_trial),
             .help = "do not run the new build in a child process first"},
            {CMD_OPTION("force", struct reload_options, force),
             .help = "also a build that is blocked since it crashed"},
            {CMD_OPTION("probation", struct reload_options, probation), .value = "TIME",
             .fallback = "60s", .max = 86400,
             .help = "how long errors bring the old build back; 0s: it goes at once"},
            {CMD_OPTION("shadow", struct reload_options, shadow), .value = "TIME", .max = 86400,
             .help = "run beside the old build so long first, and swap only if the outputs agree"},
            {CMD_OPTION("tolerance", struct reload_options, tolerance), .value = "X",
             .fallback = "1e-9", .max = 1,
             .help = "how much outputs may differ: numbers relatively, times in seconds"},
            {CMD_OPTION("budget", struct reload_options, budget), .value = "TIME",
             .fallback = "50ms", .min = 0.001, .max = 60,
             .help = "how long saving and loading the state may take"},
            {CMD_OPTION("status", struct reload_options, status),
             .help = "show the reloads so far, newest first"},
            {CMD_OPTION("history", struct reload_options, history),
             .help = "the same; with a log also those of earlier starts"},
            TARGET_OPTIONS(struct reload_options),
            {0}},
    .exits = (const struct cmd_exit[]){{CMD_FAILED, "refused: the old build goes on"},
                                       TARGET_EXITS,
                                       {0}},
    .complete = CMD_COMPLETE_NODE,
    .max_args = 1,
    CMD_BLOCK(struct reload_options),
    .run = run_reload,
};
