/* SPDX-License-Identifier: Apache-2.0
 * run - `hde run` and `hde replay`: load, start, wait for the end or for a signal. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/nearest.h"
#include "cmd/anew.h"
#include "cmd/follow.h"
#include "cmd/supervise.h"
#include "cmd/summary.h"
#include "control/control.h"
#include "control/engines.h"
#include "engine/generation.h"
#include "engine/last_words.h"
#include "engine/line.h"
#include "engine/over_hosts.h"
#include "engine/resolved.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { RUN_ANEW = -1 }; /* in place of an exit code: the program begins once more */
enum { STOP_MS = 3000 }; /* after the second signal, before the process goes without its threads */

struct run_options {
    struct cmd_list set, log_level;
    const char *plugins, *control, *admin, *log_format, *speed, *to, *graph, *stage, *partition;
    const char *host, *key;
    hde_duration duration, stall;
    int64_t workers, max_restarts, generation;
    bool insecure, watch_plugins, no_takeover, accept_changed, verify, own_builds, supervise;
};

/* Everything that lives while the graph runs. */
struct run {
    const struct cmd *cmd;
    const struct run_options *options;
    enum { RUN_LIVE, RUN_RECORD, RUN_REPLAY } mode;
    bool replay; /* with a virtual clock */
    const char *log; /* folder of the ingress log that is taken again, NULL: sources are asked */
    double speed;
    const char *path; /* of the graph file */
    const char **sets;
    size_t n_sets;
    struct log_start start; /* of the log */
    uint64_t from;          /* the generation that this start goes on from; 0: none */
    struct registry *registry;
    struct graph *graph;
    struct engine_entry entry;
    bool listed;
    struct parts *parts;
    struct control *control;
    struct follow *follow; /* --watch-plugins */
    int signals, timer;
    int64_t begin_ns;
};

/* ---- Loading ------------------------------------------------------------------------------ */

static int
show_findings(const struct cmd *cmd, struct diags *diags, bool failed)
{
    hde_text out = {0};

    if (cmd->json) {
        hde_text_puts(&out, "{\"diagnostics\":");
        diags_json(diags, &out);
        hde_text_puts(&out, "}\n");
    } else {
        diags_print(diags, &out, cmd->color_err);
    }
    if (diags->n)
        fwrite(out.data, 1, out.len, stderr);
    hde_text_free(&out);
    if (!failed)
        return CMD_OK;
    return diags->unreadable ? EX_NOINPUT : EX_CONFIG;
}

static int
refuse_live(struct run *run)
{
    for (size_t i = 0; run->replay && i < run->graph->n_nodes; i++) {
        const struct graph_node *node = &run->graph->nodes[i];

        if (node->op->flags & HDE_LIVE_ONLY)
            return cmd_error(run->cmd, EX_CONFIG, "HDE-C020",
                             "replay a graph that reads recorded data in its place",
                             "%s:%u: node '%s' (%s) talks to a live service and cannot be replayed",
                             node->place.file ? node->place.file : run->graph->path,
                             node->place.line, node->name, node->op->name);
    }
    return CMD_OK;
}

/* Which of the hosts this is, nobody can guess. */
static int
refuse_hostless(struct run *run)
{
    const struct graph *graph = run->graph;
    struct arena *arena = run->cmd->arena;
    const char *names = "";

    if (run->mode == RUN_REPLAY || run->options->host || !graph->n_hosts)
        return CMD_OK;
    for (size_t i = 0; i < graph->n_hosts; i++)
        names = arena_printf(arena, "%s%s%s", names, i ? ", " : "", graph->hosts[i].name);
    return cmd_error(run->cmd, EX_USAGE, "HDE-R180",
                     arena_printf(arena, "--host %s, or --host all for one process: hosts are %s",
                                  graph->hosts[0].name, names),
                     "graph '%s' runs on %zu hosts: say which one this is", graph->name,
                     graph->n_hosts);
}

static bool
is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* `hde replay FOLDER`: the graph and its settings are those that the log names. */
static int
use_log(struct run *run)
{
    struct arena *arena = run->cmd->arena;
    const struct cmd_list *given = &run->options->set;
    struct log_start start = {0};
    struct err err = {0};

    run->log = run->cmd->args[0];
    run->replay = false;
    if (!parts_log_start(run->log, arena, &start, &err))
        return cmd_error_err(run->cmd, EX_NOINPUT, &err);
    run->start = start;
    run->path = run->options->graph ? run->options->graph : start.path;
    run->n_sets = 0;
    run->sets = arena_alloc(arena, (start.n_sets + given->n + 1) * sizeof *run->sets);
    for (size_t i = 0; i < start.n_sets; i++)
        run->sets[run->n_sets++] = start.sets[i];
    for (size_t i = 0; i < given->n; i++)
        run->sets[run->n_sets++] = given->item[i];
    return CMD_OK;
}

/* The graph that the log says, with what --set gives. Variables are gone from it. */
static bool
has_resolved(const struct run *run)
{
    const struct cmd_list *given = &run->options->set;
    bool fits = run->log && run->start.resolved_size && !run->options->graph;

    for (size_t i = 0; i < given->n; i++)
        fits &= strncmp(given->item[i], "vars.", 5) != 0;
    return fits;
}

static int
load_resolved(struct run *run)
{
    struct resolved_options options = {.registry = run->registry,
                                       .sets = run->options->set.item,
                                       .n_sets = run->options->set.n};
    struct err err = {0};

    run->graph =
        graph_of_resolved(run->start.resolved, run->start.resolved_size, &options, &err);
    return run->graph ? CMD_OK : cmd_error_err(run->cmd, EX_CONFIG, &err);
}

/* What runs the same stage again, but for which partition: for kafka/members. Options that have
 * variables of the environment are inherited by these. */
static void
say_command(struct run *run, struct graph_options *out)
{
    const struct run_options *options = run->options;
    struct arena *arena = run->cmd->arena;
    const char **word =
        arena_alloc(arena, (2 * run->n_sets + 2 * options->log_level.n + 20) * sizeof *word);
    size_t n = 0;

#define SAY(name, value) (word[n++] = "--" name, word[n++] = (value))
    word[n++] = "run";
    word[n++] = run->path;
    if (options->stage)
        SAY("stage", options->stage);
    for (size_t i = 0; i < run->n_sets; i++)
        SAY("set", run->sets[i]);
    for (size_t i = 0; i < options->log_level.n; i++)
        SAY("log-level", options->log_level.item[i]);
    if (options->plugins)
        SAY("plugins", options->plugins);
    if (options->admin)
        SAY("admin", options->admin);
    if (options->workers)
        SAY("workers", arena_printf(arena, "%lld", (long long)options->workers));
    SAY("log-format", options->log_format);
    SAY("stall", arena_printf(arena, "%lldms", (long long)(options->stall.ns / NS_PER_MS)));
    if (options->insecure)
        word[n++] = "--insecure";
    if (options->accept_changed)
        word[n++] = "--accept-changed-source";
    if (run->cmd->quiet)
        word[n++] = "--quiet";
#undef SAY
    out->command = word;
    out->n_command = n;
}

/* The partition of a shared stage goes on in a store of its own. */
static int
begin_generation(struct run *run)
{
    struct graph *graph = run->graph;
    struct err err = {0};

    run->from = (uint64_t)run->options->generation;
    if (!graph->is_shared ||
        generation_begin(graph->checkpoint.store, &run->from, &graph->arena,
                         &graph->checkpoint.store, &graph->generation, &err))
        return CMD_OK;
    return cmd_error_err(run->cmd, strcmp(err.code, "HDE-R141") ? CMD_FAILED : EX_NOINPUT, &err);
}

static int
load(struct run *run)
{
    struct graph_options options = {.sets = run->sets,
                                    .n_sets = run->n_sets,
                                    .for_run = true,
                                    .direct_via = run->replay && !run->log,
                                    .stage = run->options->stage,
                                    .partition = run->options->partition,
                                    .host = run->log ? run->start.host : run->options->host,
                                    .insecure = run->options->insecure ||
                                                run->mode == RUN_REPLAY};
    const struct registry_problem *problem;
    struct diags diags = {0};
    struct err err = {0};
    size_t n;
    int exit;

    run->registry = registry_new(run->options->plugins);
    n = registry_problems(run->registry, &problem);
    for (size_t i = 0; run->cmd->verbose && i < n; i++)
        cmd_note(run->cmd, "hde: plugin left out: %s: %s: %s", problem[i].path, problem[i].err.code,
                 problem[i].err.text);
    if (has_resolved(run))
        return load_resolved(run);
    say_command(run, &options);
    run->graph = run->mode == RUN_LIVE
                     ? line_start(run->path, &options, run->registry, &diags, &err)
                     : graph_load(run->path, &options, run->registry, &diags);
    diags_sort(&diags);
    exit = show_findings(run->cmd, &diags, !run->graph);
    diags_fini(&diags);
    if (err_is_set(&err))
        exit = cmd_error_err(run->cmd, CMD_FAILED, &err);
    if (!exit)
        exit = refuse_live(run);
    if (!exit)
        exit = refuse_hostless(run);
    return exit ? exit : begin_generation(run);
}

/* ---- Logs --------------------------------------------------------------------------------- */

static int
bad_level(const struct cmd *cmd, const char *word)
{
    static const char *const words[] = {"debug", "info", "warn", "error"};
    struct nearest near = {.word = strchr(word, '=') ? strchr(word, '=') + 1 : word};
    char hint[100];

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        nearest_try(&near, words[i]);
    if (near.best)
        snprintf(hint, sizeof hint, "did you mean '%s'? levels: debug, info, warn, error",
                 near.best);
    else
        snprintf(hint, sizeof hint, "levels: debug, info, warn, error; for one node: node=LEVEL");
    return cmd_error(cmd, EX_USAGE, "HDE-C004", hint, "--log-level: '%s' is not a value for it",
                     word);
}

/* Words are checked before there are parts (NULL), nodes when there is one. */
static int
set_levels(const struct run *run)
{
    const struct cmd_list *list = &run->options->log_level;

    for (size_t i = 0; i < list->n; i++) {
        const char *equals = strchr(list->item[i], '=');
        const char *node =
            equals ? arena_textn(run->cmd->arena, list->item[i], (size_t)(equals - list->item[i]))
                   : NULL;
        enum level level;

        if (!log_level_parse(equals ? equals + 1 : list->item[i], &level))
            return bad_level(run->cmd, list->item[i]);
        if (!run->parts && !node)
            log_set_level(level);
        if (run->parts && !parts_log_level(run->parts, node, (int)level)) {
            struct nearest near = {.word = node ? node : ""};

            for (size_t k = 0; k < run->graph->n_nodes; k++)
                nearest_try(&near, run->graph->nodes[k].name);
            return cmd_error(run->cmd, EX_USAGE, "HDE-C015",
                             near.best
                                 ? arena_printf(run->cmd->arena, "did you mean '%s'?", near.best)
                                 : "'hde graph' shows the nodes",
                             "--log-level: there is no node '%s'", near.word);
        }
    }
    return CMD_OK;
}

/* "max", "1x", "10x", "0.5x" */
static int
parse_speed(struct run *run)
{
    const char *text = run->options->speed;
    char *end;

    if (!run->replay || strcmp(text, "max") == 0)
        return CMD_OK;
    run->speed = strtod(text, &end);
    if (end == text || (strcmp(end, "x") != 0 && *end) || !isfinite(run->speed) ||
        run->speed < 1e-3 || run->speed > 1e6)
        return cmd_error(run->cmd, EX_USAGE, "HDE-C004",
                         "expected max, 1x, 10x or another factor from 0.001x to 1000000x",
                         "--speed: '%s' is not a value for it", text);
    return CMD_OK;
}

/* ---- Starting ----------------------------------------------------------------------------- */

/* Whether another run has the store, or got farther than the state that this one began with. */
static bool
is_taken_over(const struct err *err)
{
    return strcmp(err->code, "HDE-R097") == 0 || strcmp(err->code, "HDE-R140") == 0;
}

static int
start_exit(const struct run *run, const struct err *err)
{
    int exit = strncmp(err->code, "HDE-C", 5) == 0 ? EX_UNAVAILABLE
               : is_taken_over(err)                ? EX_TEMPFAIL
                                                   : CMD_FAILED;

    return cmd_error_err(run->cmd, exit, err);
}

/* From here on signals are read, not delivered; all threads inherit that. */
static void
take_signals(struct run *run)
{
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    run->signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    run->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

static void
arm_timer(struct run *run)
{
    int64_t ns = run->options->duration.ns;
    struct itimerspec at = {.it_value = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S}};

    timerfd_settime(run->timer, 0, &at, NULL); /* 0 leaves it unarmed */
}

static const char *
record_folder(const struct run *run)
{
    if (run->mode == RUN_REPLAY)
        return NULL;
    if (run->options->to)
        return run->options->to;
    if (run->graph->checkpoint.store && !run->graph->record)
        return arena_printf(run->cmd->arena, "%s/log", run->graph->checkpoint.store);
    if (run->graph->record || run->mode != RUN_RECORD)
        return run->graph->record;
    return arena_printf(run->cmd->arena, "%s.log", run->graph->name);
}

static int64_t
hashes_ns(const struct graph *graph)
{
    return graph->checkpoint.hashes ? graph->checkpoint.every_ns : graph->hashes_ns;
}

/* The secret key of this host: the first line of the file. */
static int
read_key(struct run *run, const char **key)
{
    const char *path = run->options->key;
    char line[256] = "";
    FILE *file;

    *key = NULL;
    if (!path || !graph_is_of_host(run->graph))
        return CMD_OK;
    file = fopen(path, "re");
    if (!file || !fgets(line, sizeof line, file)) {
        int error = file && !ferror(file) ? 0 : errno;

        if (file)
            fclose(file);
        return cmd_error(run->cmd, EX_NOINPUT, "HDE-R182", NULL, "%s: no key can be read: %s", path,
                         error ? strerror(error) : "there is nothing in it");
    }
    fclose(file);
    line[strcspn(line, " \t\r\n")] = 0;
    *key = arena_text(run->cmd->arena, line);
    explicit_bzero(line, sizeof line);
    return CMD_OK;
}

/* Whether the parts end, or do not begin, because nodes are moved to other hosts. */
static bool
is_moving(const struct run *run)
{
    struct over_hosts *over_hosts = parts_over_hosts(run->parts);

    return over_hosts && over_hosts_is_moving(over_hosts);
}

static int
start(struct run *run)
{
    struct engine_options engine = {.virtual_clock = run->replay,
                                    .speed = run->speed,
                                    .workers = run->options->workers,
                                    .stall_ns = run->options->stall.ns,
                                    .log = run->log,
                                    .is_dry = run->options->verify,
                                    .verify = run->options->verify,
                                    .own_builds = run->options->own_builds,
                                    .hashes_ns = hashes_ns(run->graph),
                                    .record = record_folder(run),
                                    .payloads = run->mode == RUN_RECORD || run->options->to ||
                                                run->graph->record,
                                    .accepts_change = run->options->accept_changed,
                                    .refuses_takeover = run->options->no_takeover,
                                    .dlq = run->mode == RUN_REPLAY ? NULL
                                               : graph_dlq_folder(run->graph, run->cmd->arena),
                                    .checkpoint = run->mode != RUN_REPLAY &&
                                                  run->graph->checkpoint.store,
                                    .insecure = run->options->insecure,
                                    .host = graph_is_of_host(run->graph) ? run->options->host
                                                                         : NULL,
                                    .sets = run->sets,
                                    .n_sets = run->n_sets,
                                    .file = run->path};
    struct control_options control = {.admin = run->options->admin,
                                      .insecure = run->options->insecure};
    struct err err = {0};
    int exit;

    if ((exit = read_key(run, &engine.secret_key)))
        return exit;
    if (!engines_prepare(run->graph->name, run->graph->path, run->options->control, run->cmd->arena,
                         &run->entry, &err))
        return start_exit(run, &err);
    engine.stats_path = run->entry.stats;
    engine.registry = run->registry;
    if (run->log) { /* on top of what the log says */
        engine.sets = run->options->set.item;
        engine.n_sets = run->options->set.n;
    }
    engine.plugins = run->options->plugins;
    engine.plugin_folder = run->entry.plugins;
    engine.trial_program = "/proc/self/exe";
    run->parts = parts_new(run->graph, &engine, &err);
    if (!run->parts)
        return start_exit(run, &err);
    last_words_arm();
    if ((exit = set_levels(run)))
        return exit;
    control.endpoint = run->entry.endpoint;
    run->control = control_new(run->parts, &control, &err);
    if (!run->control)
        return start_exit(run, &err);
    run->entry.endpoint = arena_text(run->cmd->arena, control_endpoint(run->control));
    run->entry.admin = arena_text(run->cmd->arena, control_admin(run->control));
    run->listed = engines_add(&run->entry, &err);
    if (!run->listed || !(is_moving(run) ? parts_listen(run->parts, &err)
                                         : parts_start(run->parts, &err)))
        return start_exit(run, &err);
    if (run->options->watch_plugins && !(run->follow = follow_open(run->parts, &err)))
        return start_exit(run, &err);
    if (run->graph->generation)
        generation_forget_others(run->graph->checkpoint.store, run->from);
    run->begin_ns = clock_mono_ns();
    if (!run->options->verify)
        summary_start(run->cmd, run->parts, run->control);
    arm_timer(run);
    return CMD_OK;
}

/* ---- Running ------------------------------------------------------------------------------ */

/* The second signal: no patience. A thread that hangs in an operator cannot be joined. */
static int
interrupt(struct run *run)
{
    parts_stop(run->parts);
    if (parts_join(run->parts, STOP_MS))
        return CMD_INTERRUPTED;
    cmd_note(run->cmd, "hde: an operator does not return: ending without it");
    engines_remove(&run->entry);
    _exit(CMD_INTERRUPTED);
}

static int
wait_for_end(struct run *run)
{
    struct over_hosts *over_hosts = parts_over_hosts(run->parts);
    struct pollfd fds[] = {{.fd = parts_done_fd(run->parts), .events = POLLIN},
                           {.fd = run->signals, .events = POLLIN},
                           {.fd = run->timer, .events = POLLIN},
                           {.fd = run->follow ? follow_fd(run->follow) : -1, .events = POLLIN},
                           {.fd = over_hosts ? over_hosts_anew_fd(over_hosts) : -1,
                            .events = POLLIN}};
    struct signalfd_siginfo signal_info;
    bool signalled = false;

    for (;;) {
        int timeout_ms = run->follow ? follow_timeout_ms(run->follow) : -1;

        if (poll(fds, 5, timeout_ms) < 0 && errno != EINTR)
            return cmd_error(run->cmd, EX_SOFTWARE, "HDE-C021", NULL, "cannot wait: %s",
                             strerror(errno));
        if (fds[4].revents)
            return RUN_ANEW;
        if (fds[0].revents && !is_moving(run))
            return CMD_OK;
        if (fds[0].revents) /* it goes on when it is decided */
            fds[0] = (struct pollfd){.fd = -1};
        if (fds[1].revents &&
            read(run->signals, &signal_info, sizeof signal_info) == sizeof signal_info) {
            if (signalled)
                return interrupt(run);
            if (is_moving(run)) /* the next start asks what was decided */
                return CMD_OK;
            signalled = true;
            cmd_note(run->cmd, "hde: draining; a second signal stops at once");
            parts_drain(run->parts);
        }
        if (run->follow)
            follow_serve(run->follow);
        if (fds[2].revents) {
            fds[2].fd = -1;
            fds[2].revents = 0;
            parts_drain(run->parts);
        }
    }
}

/* ---- Verify ------------------------------------------------------------------------------- */

static const char *
role_left_out(const struct graph_node *node)
{
    bool has_outputs = node->op->outputs && node->op->outputs->name;

    if (node->op->poll)
        return "source";
    if (node->op->flags & HDE_IMPURE)
        return "impure";
    if (node->op->flags & HDE_VIEW)
        return "view";
    return has_outputs ? NULL : "sink";
}

static void
put_left_out(const struct run *run, hde_text *out)
{
    const char *comma = "";

    hde_text_puts(out, run->cmd->json ? ",\"left_out\":[" : "left out: ");
    for (size_t i = 0; i < run->graph->n_nodes; i++) {
        const struct graph_node *node = &run->graph->nodes[i];
        const char *role = role_left_out(node);

        if (!role)
            continue;
        hde_text_puts(out, comma);
        if (run->cmd->json)
            hde_json_string(out, node->name);
        else
            hde_text_printf(out, "%s (%s)", node->name, role);
        comma = run->cmd->json ? "," : ", ";
    }
    hde_text_puts(out, run->cmd->json ? "]" : "\n");
}

static void
put_verified(const struct run *run, const struct engine_verified *v, double seconds, hde_text *out)
{
    unsigned long long hashes = v->hashes, barriers = v->barriers, after = v->after, to = v->up_to;

    if (run->cmd->json) {
        hde_text_printf(out, "{\"equal\":%s,\"hashes\":%llu,\"barriers\":%llu,\"seconds\":%.3f",
                        v->differs ? "false" : "true", hashes, barriers, seconds);
        put_left_out(run, out);
        hde_text_printf(out, ",\"last_tick\":%llu", to);
        if (v->differs) {
            hde_text_printf(out, ",\"difference\":{\"after_tick\":%llu,\"node\":", after);
            hde_json_string(out, v->node);
            hde_text_puts(out, ",\"what\":");
            hde_json_string(out, v->what);
            hde_text_puts(out, "}");
        }
        hde_text_puts(out, "}\n");
        return;
    }
    put_left_out(run, out);
    if (v->differs)
        hde_text_printf(out, "different: node '%s', %s, in the epoch behind tick %llu up to %llu\n",
                        v->node, v->what, after, to);
    hde_text_printf(out, "%s: %llu hashes at %llu barriers compared, up to tick %llu, in %.1f s\n",
                    v->differs ? "not equal" : "equal", hashes, barriers, to, seconds);
}

static int
verify_end(struct run *run, double seconds)
{
    struct engine_verified result;
    hde_text out = {0};
    int exit;

    if (!parts_join(run->parts, STOP_MS) || !parts_verify(run->parts, &result))
        return cmd_error(run->cmd, EX_SOFTWARE, "HDE-C021", NULL, "an operator does not return");
    if (!result.barriers)
        return cmd_error(run->cmd, EX_DATAERR, "HDE-R080",
                         "record: {to: FOLDER, hashes: 10s}, or checkpoint: {hashes: true}",
                         "'%s' holds no hashes to compare with", run->log);
    put_verified(run, &result, seconds, &out);
    exit = cmd_print(run->cmd, &out, NULL);
    hde_text_free(&out);
    return exit ? exit : result.differs ? CMD_FAILED : CMD_OK;
}

static int
finish(struct run *run, int exit)
{
    double seconds = (double)(clock_mono_ns() - run->begin_ns) / 1e9;

    log_flush();
    if (run->options->verify && exit == CMD_OK && parts_state(run->parts) != ENGINE_FAILED)
        exit = verify_end(run, seconds);
    else
        summary_end(run->cmd, run->parts, seconds);
    if (exit == CMD_OK && parts_state(run->parts) == ENGINE_FAILED) {
        const struct err *err = parts_error(run->parts);

        exit = cmd_error_err(run->cmd, is_taken_over(err) ? EX_TEMPFAIL : CMD_FAILED, err);
    }
    return exit;
}

static void
close_all(struct run *run)
{
    control_free(run->control);
    follow_close(run->follow);
    last_words_disarm();
    parts_free(run->parts);
    if (run->listed)
        engines_remove(&run->entry);
    graph_free(run->graph);
    if (run->registry)
        registry_free(run->registry);
    log_flush();
    if (run->signals >= 0)
        close(run->signals);
    if (run->timer >= 0)
        close(run->timer);
}

static int
run_graph(const struct cmd *cmd, const struct run_options *options, int mode)
{
    struct run run = {.cmd = cmd,
                      .options = options,
                      .mode = mode,
                      .replay = mode == RUN_REPLAY,
                      .path = cmd->args[0],
                      .sets = (const char **)(uintptr_t)options->set.item,
                      .n_sets = options->set.n,
                      .signals = -1,
                      .timer = -1};
    int exit;

    log_set_format(strcmp(run.options->log_format, "json") == 0 ? LOG_JSON : LOG_LOGFMT);
    if (cmd->quiet)
        log_set_level(LEVEL_WARN);
    if (options->verify && !is_folder(run.path))
        return cmd_error(cmd, EX_USAGE, "HDE-C002", "hde replay FOLDER --verify",
                         "--verify is for a recorded run: '%s' is no folder", run.path);
    if (!(exit = parse_speed(&run)) && !(exit = set_levels(&run)) &&
        !(exit = mode == RUN_REPLAY && is_folder(run.path) ? use_log(&run) : CMD_OK) &&
        !(exit = load(&run))) {
        take_signals(&run);
        exit = start(&run);
        if (!exit && (exit = wait_for_end(&run)) != RUN_ANEW)
            exit = finish(&run, exit);
    }
    close_all(&run);
    if (exit == RUN_ANEW) {
        begin_anew();
        exit = cmd_error(cmd, EX_SOFTWARE, "HDE-C021", NULL, "cannot begin anew: %s",
                         strerror(errno));
    }
    return exit;
}

struct supervised {
    const struct cmd *cmd;
    const struct run_options *options;
};

static int
run_supervised(void *arg)
{
    const struct supervised *self = arg;

    return run_graph(self->cmd, self->options, RUN_LIVE);
}

static int
run_run(const struct cmd *cmd, const void *options)
{
    struct supervised self = {cmd, options};

    if (self.options->supervise)
        return supervise(cmd, self.options->max_restarts, run_supervised, &self);
    return run_supervised(&self);
}

static int
run_record(const struct cmd *cmd, const void *options)
{
    return run_graph(cmd, options, RUN_RECORD);
}

static int
run_replay(const struct cmd *cmd, const void *options)
{
    return run_graph(cmd, options, RUN_REPLAY);
}

/* ---- Tables ------------------------------------------------------------------------------- */

#define RUN_OPTIONS                                                                                \
    {CMD_OPTION("set", struct run_options, set), .value = "NODE.PARAM=VALUE",                      \
     .help = "set a parameter, or a variable with vars.NAME=VALUE"},                               \
        {CMD_OPTION("for", struct run_options, duration), .value = "TIME",                         \
         .help = "drain and end after this time, such as 20s"},                                    \
        {CMD_OPTION("plugins", struct run_options, plugins), .value = "PATH",                      \
         .env = "HDE_PLUGIN_PATH", .complete = CMD_COMPLETE_FOLDER,                                \
         .help = "folders with operators, separated by colons"},                                   \
        {CMD_OPTION("workers", struct run_options, workers),                                       \
         .value = "N",                                                                             \
         .env = "HDE_WORKERS",                                                                     \
         .min = 0,                                                                                 \
         .max = 64,                                                                                \
         .help = "threads that run the graph; 0: as the graph says"},                              \
        {CMD_OPTION("control", struct run_options, control), .value = "ENDPOINT",                  \
         .env = "HDE_CONTROL", .help = "control endpoint: ipc://FILE or tcp://127.0.0.1:PORT"},    \
        {CMD_OPTION("admin", struct run_options, admin), .value = "ADDRESS:PORT",                  \
         .env = "HDE_ADMIN", .help = "serve /livez, /readyz and /metrics over HTTP"},              \
        {CMD_OPTION("insecure", struct run_options, insecure),                                     \
         .help = "control and admin may listen on other addresses than loopback, and hosts "        \
                 "without keys"},                 \
        {CMD_OPTION("log-format", struct run_options, log_format),                                 \
         .value = "FORMAT",                                                                        \
         .env = "HDE_LOG_FORMAT",                                                                  \
         .choices = "logfmt|json",                                                                 \
         .fallback = "logfmt",                                                                     \
         .help = "form of the log lines on stderr"},                                               \
        {CMD_OPTION("log-level", struct run_options, log_level), .value = "LEVEL|NODE=LEVEL",      \
         .env = "HDE_LOG_LEVEL", .help = "debug, info, warn or error, of all nodes or of one"},    \
    {                                                                                              \
        CMD_OPTION("stall", struct run_options, stall),                                            \
            .value = "TIME", .fallback = "5s", .min = 0.01, .max = 86400,                          \
            .help = "the watchdog speaks when a node makes no progress for this long"              \
    }
#define RUN_EXITS                                                                                  \
    {CMD_FAILED, "a node failed, or could not be opened"}, {EX_NOINPUT, NULL}, {EX_CONFIG, NULL},  \
        {EX_UNAVAILABLE, "the control endpoint or the admin address cannot be had"},               \
        {EX_TEMPFAIL, "another run has the checkpoint store"},                                     \
    {                                                                                              \
        CMD_INTERRUPTED, NULL                                                                      \
    }

const struct command cmd_run = {
    .name = "run",
    .args = "GRAPH",
    .group = CMD_GROUP_RUN,
    .summary = "run a graph",
    .help = "Checks the graph, starts it and waits. Ctrl-C (or SIGTERM) once drains: sources stop, "
            "what is under way is finished, the exit code is 0. The second one stops at once with "
            "130. Status, top, tap, drain and stop of another terminal find the engine by "
            "themselves.\n\nWith --supervise a parent process runs it in a child, passes signals on, "
            "and starts it again after a crash: from the last checkpoint where the graph keeps one, "
            "and with the build before, where the one that crashed was just swapped in; that one is "
            "blocked then.\n\nAn edge via: a topic cuts the graph into stages, and --stage runs one. "
            "Of a stage that is named in kafka: {shared: [...]} any number of processes may run, on "
            "any machines that share the checkpoint store: each runs the stage once for each "
            "partition that it gets, as a child process GRAPH.STAGE.PARTITION with a status, and with "
            "--admin a port, of its own (that of the member, plus 1, plus the partition). One that "
            "starts gets some of the others' partitions, one that ends gives its back: each is "
            "drained where it was before it goes on elsewhere, the state with it. One without a "
            "partition waits. What is not heard of for kafka: {session: 10s} loses its partitions, "
            "and can commit nothing any more. A child that crashes is started again; Ctrl-C, drain "
            "and stop of the member drain its children.\n\nA host of hosts: on which no node lies is a "
            "spare one: it runs, is seen by 'hde status --all', and stands by until 'hde apply' gives it "
            "nodes (--move, or a graph with nodes there). It ends when the nodes of all other hosts have "
            "come to the end of their data, or when it is drained; one that is not there holds up nothing, "
            "and goes with what was changed meanwhile when it comes. Where one has not come the others "
            "wait some seconds for it at their end.\n\nLogs and the summary go to stderr; stdout belongs to the graph's own "
            "sinks, and with --json to one object at the start and one at the end.",
    .examples =
        (const struct cmd_example[]){
            {"hde run graphs/demo.yaml", "until Ctrl-C"},
            {"hde run demo.yaml --for 20s --set vars.rate=0.07", "twenty seconds, another rate"},
            {"hde run market.yaml --stage processing", "one stage; others run elsewhere, and where it "
                                                        "is shared this one elsewhere as well"},
            {"hde run graphs/distributed.yaml --host ingest", "what lies on this machine"},
            {"hde run demo.yaml --admin :9100", "with metrics on 127.0.0.1:9100"},
            {0}},
    .options =
        (const struct cmd_option[]){RUN_OPTIONS,
                                    {CMD_OPTION("accept-changed-source", struct run_options,
                                                accept_changed),
                                     .help = "a source whose data was changed while the graph was "
                                             "down goes on with what is there"},
                                    {CMD_OPTION("host", struct run_options, host),
                                     .value = "NAME", .complete = CMD_COMPLETE_HOST,
                                     .help = "what lies on this host of the graph's hosts:; all: "
                                             "everything in one process"},
                                    {CMD_OPTION("key", struct run_options, key), .value = "FILE",
                                     .env = "HDE_KEY", .complete = CMD_COMPLETE_FILE,
                                     .help = "the secret key of this host ('hde keygen')"},
                                    {CMD_OPTION("stage", struct run_options, stage),
                                     .value = "NAME",
                                     .help = "only this node or chain, and what is joined to it by "
                                             "edges that are not via: a topic"},
                                    {CMD_OPTION("partition", struct run_options, partition),
                                     .value = "N",
                                     .help = "with --stage: only this partition of its topics, with "
                                             "a state of its own"},
                                    {CMD_OPTION("generation", struct run_options, generation),
                                     .value = "N", .min = 0, .max = 16777215,
                                     .help = "with --partition of a shared stage: the state to go on "
                                             "from (its member says it); 0: the newest one"},
                                    {CMD_OPTION("no-takeover", struct run_options, no_takeover),
                                     .help = "do not start where another run has the checkpoint "
                                             "store; else that one is told to stop"},
                                    {CMD_OPTION("watch-plugins", struct run_options, watch_plugins),
                                     .help = "reload operators when their plugin files change"},
                                    {CMD_OPTION("supervise", struct run_options, supervise),
                                     .help = "a parent process starts it again after a crash"},
                                    {CMD_OPTION("max-restarts", struct run_options, max_restarts),
                                     .value = "N", .fallback = "10", .min = 0, .max = 1000000,
                                     .help = "crashes without a calm minute in between, before it "
                                             "is given up"},
                                    {0}},
    .exits = (const struct cmd_exit[]){RUN_EXITS, {0}},
    .complete = CMD_COMPLETE_FILE,
    .min_args = 1,
    .max_args = 1,
    CMD_BLOCK(struct run_options),
    .run = run_run,
};

const struct command cmd_record = {
    .name = "record",
    .args = "GRAPH",
    .group = CMD_GROUP_RUN,
    .summary = "run a graph and keep all that enters it",
    .help = "As 'hde run', and whatever enters the graph (batches of sources with their messages, "
            "processing-time timers, hand-overs of edges that drop) is kept, in order, in a folder: "
            "the ingress log. 'hde replay FOLDER' gives the run again, 'hde log' shows what is in "
            "it. A graph with the key record: does the same under 'hde run'.",
    .examples =
        (const struct cmd_example[]){
            {"hde record graphs/demo.yaml --for 1m", "into demo.log"},
            {"hde record demo.yaml --to /data/monday", "into another folder"},
            {0}},
    .options = (const struct cmd_option[]){{CMD_OPTION("to", struct run_options, to),
                                            .value = "FOLDER", .complete = CMD_COMPLETE_FOLDER,
                                            .help = "folder of the log; default: what the graph's "
                                                    "record: says, else NAME.log"},
                                           RUN_OPTIONS,
                                           {0}},
    .exits = (const struct cmd_exit[]){RUN_EXITS, {0}},
    .complete = CMD_COMPLETE_FILE,
    .min_args = 1,
    .max_args = 1,
    CMD_BLOCK(struct run_options),
    .run = run_record,
};

const struct command cmd_replay = {
    .name = "replay",
    .args = "GRAPH|LOG",
    .group = CMD_GROUP_RUN,
    .summary = "run a graph on recorded data, or a recorded run again",
    .help = "A graph: time is that of the data, so two replays give the same bytes, with any number "
            "of workers. Operators that talk to live services are refused by name.\n\nA folder "
            "that 'hde record' or 'record:' has written: its last run again, entry by entry, with "
            "the graph and the --set options of that run; sources are not asked, and views that "
            "listen or talk to a live service are left out. The outputs are those of the run.\n\n"
            "With --verify nothing is written: the log is taken again at full speed, the state and "
            "the outputs of every node are compared at each barrier with the hashes that the run "
            "has written (record: {to: FOLDER, hashes: 10s}, or checkpoint: {hashes: true}), and "
            "the first node and epoch that differ are named; the exit code is 1 then.",
    .examples =
        (const struct cmd_example[]){
            {"hde replay graphs/replay.yaml --set source.path=day.csv",
             "a recorded day, as fast as it goes"},
            {"hde replay replay.yaml --speed 10x", "ten times as fast as it was"},
            {"hde replay demo.log --set out.path=again.jsonl", "a recorded run, into another file"},
            {"hde replay demo.log --verify", "is it still what the run computed?"},
            {0}},
    .options = (const struct cmd_option[]){{CMD_OPTION("speed", struct run_options, speed),
                                            .value = "SPEED", .fallback = "max",
                                            .help = "max, or a factor of real time: 1x, 10x"},
                                           {CMD_OPTION("graph", struct run_options, graph),
                                            .value = "GRAPH", .complete = CMD_COMPLETE_FILE,
                                            .help = "a log: this graph instead of the recorded one"},
                                           {CMD_OPTION("verify", struct run_options, verify),
                                            .help = "a log: compare with the hashes that the run "
                                                    "left in it; nothing is written"},
                                           {CMD_OPTION("own-builds", struct run_options,
                                                       own_builds),
                                            .help = "a log: run the plugins that are found now, not "
                                                    "the builds that the log names"},
                                           RUN_OPTIONS,
                                           {0}},
    .exits = (const struct cmd_exit[]){{EX_DATAERR, "--verify: the log holds no hashes"},
                                       RUN_EXITS,
                                       {0}},
    .complete = CMD_COMPLETE_FILE,
    .min_args = 1,
    .max_args = 1,
    CMD_BLOCK(struct run_options),
    .run = run_replay,
};
