/* SPDX-License-Identifier: Apache-2.0
 * savepoint - take one of a running graph; list, check, restore, move and remove those in a
 * store. */
#include "engine/across.h"
#include "base/clock.h"
#include "cmd/table.h"
#include "cmd/target.h"
#include "engine/line.h"
#include "graph/graph.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LOOK_MS = 20, WAIT_MS = 120 * 1000 };

struct savepoint_options {
    struct target_options target;
    struct cmd_list set;
    const char *plugins, *host;
};

/* ---- take --------------------------------------------------------------------------------- */

static const Hde__EngineSavepoint *
ask(const struct cmd *cmd, struct client *client, const char *name, bool take, int timeout_ms,
    int *exit)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlSavepoint savepoint = HDE__CONTROL_SAVEPOINT__INIT;
    const Hde__ControlReply *reply;
    const char *hint = NULL;
    struct err err = {0};

    request.ask_case = HDE__CONTROL_REQUEST__ASK_SAVEPOINT;
    request.savepoint = &savepoint;
    savepoint.name = (char *)(uintptr_t)name;
    savepoint.has_take = savepoint.take = take;
    reply = client_ask(client, &request, timeout_ms, &err, &hint);
    if (reply && reply->answer_case == HDE__CONTROL_REPLY__ANSWER_SAVEPOINT)
        return reply->savepoint;
    if (reply)
        err_set(&err, "HDE-C013", "the answer is not understood");
    *exit = cmd_error(cmd, strcmp(err.code, "HDE-C012") == 0 ? EX_UNAVAILABLE : CMD_FAILED,
                      err.code, hint, "%s", err.text);
    return NULL;
}

static int
tell_taken(const struct cmd *cmd, const Hde__EngineSavepoint *taken)
{
    hde_text out = {0};
    int exit;

    if (taken->error)
        return cmd_error(cmd, CMD_FAILED, taken->error->code, "the graph goes on", "%s",
                         taken->error->message);
    if (cmd->json) {
        hde_json_message(&out, &taken->base, HDE_JSON_FIELDS);
        hde_text_puts(&out, "\n");
    } else if (!cmd->quiet) {
        hde_text_printf(&out, "savepoint %s: tick %llu, %llu bytes in %s\n", taken->name,
                        (unsigned long long)taken->tick, (unsigned long long)taken->bytes,
                        taken->path);
    }
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

static int
run_take(const struct cmd *cmd, const struct savepoint_options *options)
{
    int64_t end_ns = clock_mono_ns() + WAIT_MS * (int64_t)NS_PER_MS;
    const Hde__EngineSavepoint *taken;
    struct engine_entry entry;
    struct client *client;
    struct err err = {0};
    int exit = target_find(cmd, &options->target, &entry);

    if (exit)
        return exit;
    client = client_open(entry.endpoint, &err);
    if (!client)
        return cmd_error_err(cmd, EX_UNAVAILABLE, &err);
    taken = ask(cmd, client, cmd->args[1], true, TARGET_TIMEOUT_MS, &exit);
    while (taken && taken->waiting && clock_mono_ns() < end_ns) {
        poll(NULL, 0, LOOK_MS);
        taken = ask(cmd, client, cmd->args[1], false, target_patience_ms(end_ns), &exit);
    }
    if (taken && taken->waiting)
        exit = cmd_error(cmd, EX_UNAVAILABLE, "HDE-C012", "'hde status' tells what waits for what",
                         "the savepoint is not complete after %d s", WAIT_MS / 1000);
    else if (taken)
        exit = tell_taken(cmd, taken);
    client_close(client);
    return exit;
}

/* ---- A store ------------------------------------------------------------------------------ */

struct home { /* of savepoints: the graph that keeps them */
    const struct savepoint_options *options;
    const char *path;
    struct registry *registry;
    struct graph *graph;
    const char *store, *log;
};

static void
close_home(struct home *home)
{
    graph_free(home->graph);
    registry_free(home->registry);
}

static int
open_home(const struct cmd *cmd, const struct savepoint_options *options, const char *path,
          struct home *out)
{
    struct graph_options graph = {.sets = options->set.item,
                                  .n_sets = options->set.n,
                                  .host = options->host,
                                  .insecure = true};
    struct diags diags = {0};
    struct err err = {0};
    hde_text text = {0};

    *out = (struct home){.options = options,
                         .path = path,
                         .registry = registry_new(options->plugins)};
    out->graph = line_load(path, &graph, out->registry, &diags, &err);
    if (!out->graph) {
        diags_sort(&diags);
        diags_print(&diags, &text, cmd->color_err);
        fwrite(text.data, 1, text.len, stderr);
        hde_text_free(&text);
    }
    diags_fini(&diags);
    if (err_is_set(&err))
        return cmd_error_err(cmd, EX_DATAERR, &err);
    if (!out->graph)
        return EX_CONFIG;
    if (out->graph->n_hosts && !options->host)
        return cmd_error(cmd, EX_USAGE, "HDE-R180", "--host NAME; --host all: of one process",
                         "%s runs on %zu hosts, and each has savepoints in its own store", path,
                         out->graph->n_hosts);
    out->store = out->graph->checkpoint.store;
    if (!out->store)
        return cmd_error(cmd, EX_CONFIG, "HDE-R086", "checkpoint: {every: 10s, store: kept}",
                         "%s keeps no state: it has no checkpoint:", path);
    out->log = out->graph->record ? out->graph->record
                                  : arena_printf(cmd->arena, "%s/log", out->store);
    return CMD_OK;
}

static int
read_named(const struct cmd *cmd, const struct home *home, const char *name, Hde__Epoch **out)
{
    struct err err = {0};

    if (!savepoint_is_name(name))
        return cmd_error(cmd, EX_USAGE, "HDE-R085", NULL, "'%s' is no name for a savepoint", name);
    *out = savepoint_read(savepoint_path(home->store, name, cmd->arena), &err);
    if (*out)
        return CMD_OK;
    return cmd_error_err(cmd, strcmp(err.code, "HDE-R083") == 0 ? EX_NOINPUT : EX_DATAERR, &err);
}

/* ---- ls ----------------------------------------------------------------------------------- */

static size_t
nodes_of(const Hde__Epoch *savepoint)
{
    size_t n = savepoint->n_nodes;

    for (size_t i = 0; i < savepoint->n_parts; i++)
        n += savepoint->parts[i]->n_nodes;
    return n;
}

static void
list_one(const struct cmd *cmd, const struct home *home, const char *name, struct table *table,
         hde_text *json)
{
    const char *path = savepoint_path(home->store, name, cmd->arena);
    struct err err = {0};
    Hde__Epoch *savepoint = savepoint_read(path, &err);
    struct stat st = {0};

    stat(path, &st);
    if (savepoint)
        TABLE_ROW(table, name, table_time(cmd->arena, savepoint->taken_ns),
                  arena_printf(cmd->arena, "%llu", (unsigned long long)savepoint->tick),
                  arena_printf(cmd->arena, "%zu", nodes_of(savepoint)),
                  arena_printf(cmd->arena, "%lld", (long long)st.st_size), savepoint->graph);
    else
        TABLE_ROW(table, name, "-", "-", "-",
                  arena_printf(cmd->arena, "%lld", (long long)st.st_size), "damaged");
    hde_text_puts(json, json->len ? ",{\"name\":" : "{\"name\":");
    hde_json_string(json, name);
    hde_text_printf(json, ",\"bytes\":%lld,\"ok\":%s", (long long)st.st_size,
                    savepoint ? "true" : "false");
    if (savepoint) {
        hde_text_printf(json, ",\"tick\":%llu,\"nodes\":%zu,\"taken\":",
                        (unsigned long long)savepoint->tick, nodes_of(savepoint));
        hde_json_time(json, savepoint->taken_ns);
        hde__epoch__free_unpacked(savepoint, NULL);
    }
    hde_text_puts(json, "}");
}

static int
is_savepoint(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    bool is_part = len > 5 && strcmp(entry->d_name + len - 5, ".part") == 0;

    return savepoint_is_name(entry->d_name) && !is_part;
}

static int
run_ls(const struct cmd *cmd, const struct home *home)
{
    struct table table = {.arena = cmd->arena};
    struct dirent **entries = NULL;
    hde_text out = {0}, json = {0};
    int n = scandir(savepoint_path(home->store, "", cmd->arena), &entries, is_savepoint,
                    alphasort),
        exit;

    TABLE_ROW(&table, "SAVEPOINT", "TAKEN", ">TICK", ">NODES", ">BYTES", "GRAPH");
    for (int i = 0; i < n; i++) {
        list_one(cmd, home, entries[i]->d_name, &table, &json);
        free(entries[i]);
    }
    free(entries);
    if (cmd->json)
        hde_text_printf(&out, "{\"savepoints\":[%s]}\n", json.data ? json.data : "");
    else if (n > 0)
        table_print(&table, &out, cmd->color ? "\033[1m" : "", cmd->color ? "\033[0m" : "", 0, 0);
    else
        hde_text_printf(&out, "no savepoints in %s\n", home->store);
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    hde_text_free(&json);
    return exit;
}

/* ---- check and restore -------------------------------------------------------------------- */

struct findings {
    struct table table;
    hde_text json;
    const char *unfit; /* the first node that does not fit */
};

static void
note(void *arg, enum savepoint_fit fit, const char *node, const char *text)
{
    static const char *const words[] = {"fits", "note", "does not fit"};
    struct findings *self = arg;

    TABLE_ROW(&self->table, arena_text(self->table.arena, node), words[fit],
              arena_text(self->table.arena, text));
    hde_text_puts(&self->json, self->json.len ? ",{\"node\":" : "{\"node\":");
    hde_json_string(&self->json, node);
    hde_text_printf(&self->json, ",\"fits\":%s,\"text\":", fit == SAVEPOINT_UNFIT ? "false" : "true");
    hde_json_string(&self->json, text);
    hde_text_puts(&self->json, "}");
    if (fit == SAVEPOINT_UNFIT && !self->unfit)
        self->unfit = arena_printf(self->table.arena, "node '%s' %s", node, text);
}

/* A graph file as it was at the time and as it is. */
static void
note_file(struct findings *findings, const Hde__GraphFile *file)
{
    FILE *now = fopen(file->path, "re");
    hde_text text = {0};
    char part[4096];
    size_t n;

    while (now && (n = fread(part, 1, sizeof part, now)))
        hde_text_put(&text, part, n);
    if (!now)
        note(findings, SAVEPOINT_NOTE, file->path, "the graph file is gone");
    else if (strcmp(text.data ? text.data : "", file->text) != 0)
        note(findings, SAVEPOINT_NOTE, file->path, "the graph file was changed since");
    if (now)
        fclose(now);
    hde_text_free(&text);
}

/* A savepoint over hosts goes back to where nodes lay then: each host has its share of those that
 * it had. NULL: the file does not have it any more, which is noted. */
static struct graph *
load_as_then(const struct home *home, const Hde__Epoch *savepoint, struct findings *out)
{
    const struct savepoint_options *options = home->options;
    struct graph_options graph = {.sets = options->set.item,
                                  .n_sets = options->set.n,
                                  .host = options->host,
                                  .insecure = true,
                                  .moves = (const char *const *)(uintptr_t)savepoint->moves,
                                  .n_moves = savepoint->n_moves};
    struct diags diags = {0};
    struct graph *then = graph_load(home->path, &graph, home->registry, &diags);

    if (!then)
        note(out, SAVEPOINT_UNFIT, home->graph->name,
             arena_printf(out->table.arena, "cannot be loaded with nodes where they lay then (%s)",
                          diags.n ? diags.list[0].message : "?"));
    diags_fini(&diags);
    return then;
}

static void
note_places(const struct graph *now, const struct graph *then, struct findings *out)
{
    for (size_t i = 0; i < then->n_nodes; i++)
        for (size_t k = 0; k < now->n_nodes; k++)
            if (!strcmp(then->nodes[i].name, now->nodes[k].name) &&
                then->nodes[i].host != now->nodes[k].host)
                note(out, SAVEPOINT_NOTE, then->nodes[i].name,
                     arena_printf(out->table.arena, "goes back to host '%s', where it lay then",
                                  then->hosts[then->nodes[i].host].name));
}

static bool
check(const struct cmd *cmd, const struct home *home, const Hde__Epoch *savepoint,
      struct findings *out)
{
    struct graph *then = NULL;
    bool ok;

    out->table.arena = cmd->arena;
    TABLE_ROW(&out->table, "NODE", "STATE", "WHY");
    for (size_t i = 0; i < savepoint->n_files; i++)
        note_file(out, savepoint->files[i]);
    if (!savepoint->has_across)
        return across_check(savepoint, home->graph, note, out);
    if (!(then = load_as_then(home, savepoint, out)))
        return false;
    note_places(home->graph, then, out);
    ok = across_check(savepoint, then, note, out);
    graph_free(then);
    return ok;
}

static int
run_check(const struct cmd *cmd, const struct home *home)
{
    struct findings findings = {0};
    Hde__Epoch *savepoint = NULL;
    hde_text out = {0};
    int exit = read_named(cmd, home, cmd->args[1], &savepoint);
    bool fits;

    if (exit)
        return exit;
    fits = check(cmd, home, savepoint, &findings);
    if (cmd->json) {
        hde_text_printf(&out, "{\"fits\":%s,\"findings\":[%s]}\n", fits ? "true" : "false",
                        findings.json.data);
    } else {
        table_print(&findings.table, &out, cmd->color ? "\033[1m" : "",
                    cmd->color ? "\033[0m" : "", 0, 0);
        hde_text_printf(&out, "%s: whole, and %s\n", cmd->args[1],
                        fits ? "fits this graph" : "does not fit this graph");
    }
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    hde_text_free(&findings.json);
    hde__epoch__free_unpacked(savepoint, NULL);
    return exit ? exit : fits ? CMD_OK : CMD_FAILED;
}

static int
run_restore(const struct cmd *cmd, const struct home *home)
{
    struct findings findings = {0};
    Hde__Epoch *savepoint = NULL;
    struct err err = {0};
    int exit = read_named(cmd, home, cmd->args[1], &savepoint);

    if (exit)
        return exit;
    if (!check(cmd, home, savepoint, &findings))
        exit = cmd_error(cmd, EX_DATAERR, "HDE-R015", "'hde savepoint check' shows every node",
                         "'%s' does not fit the graph: %s", cmd->args[1], findings.unfit);
    else if (!savepoint_restore(home->store, home->log, savepoint, &err))
        exit = cmd_error_err(cmd, CMD_FAILED, &err);
    else
        cmd_note(cmd, "hde: the next start goes on from '%s', tick %llu", cmd->args[1],
                 (unsigned long long)savepoint->tick);
    hde_text_free(&findings.json);
    hde__epoch__free_unpacked(savepoint, NULL);
    return exit;
}

/* ---- rm, export, import ------------------------------------------------------------------- */

static int
run_rm(const struct cmd *cmd, const struct home *home)
{
    struct err err = {0};

    if (!savepoint_is_name(cmd->args[1]))
        return cmd_error(cmd, EX_USAGE, "HDE-R085", NULL, "'%s' is no name for a savepoint",
                         cmd->args[1]);
    if (savepoint_remove(savepoint_path(home->store, cmd->args[1], cmd->arena), &err))
        return CMD_OK;
    return cmd_error_err(cmd, EX_NOINPUT, &err);
}

static int
run_export(const struct cmd *cmd, const struct home *home)
{
    Hde__Epoch *savepoint = NULL;
    struct err err = {0};
    int exit = read_named(cmd, home, cmd->args[1], &savepoint);

    if (exit)
        return exit;
    if (!savepoint_write(cmd->args[3], savepoint, &err))
        exit = cmd_error_err(cmd, CMD_FAILED, &err);
    hde__epoch__free_unpacked(savepoint, NULL);
    return exit;
}

static int
run_import(const struct cmd *cmd, const struct home *home)
{
    const char *path = savepoint_path(home->store, cmd->args[1], cmd->arena);
    struct err err = {0};
    Hde__Epoch *savepoint;
    struct stat st;
    int exit = CMD_OK;

    if (!savepoint_is_name(cmd->args[1]) || stat(path, &st) == 0)
        return cmd_error(cmd, EX_USAGE, "HDE-R085", NULL, "'%s' is no name, or is taken",
                         cmd->args[1]);
    savepoint = savepoint_read(cmd->args[3], &err);
    if (!savepoint)
        return cmd_error_err(cmd, EX_DATAERR, &err);
    if (!savepoint_write(path, savepoint, &err))
        exit = cmd_error_err(cmd, CMD_FAILED, &err);
    hde__epoch__free_unpacked(savepoint, NULL);
    return exit;
}

/* ---- The command -------------------------------------------------------------------------- */

static const struct action {
    const char *word, *usage;
    int n_args, graph; /* which argument is the graph file; 0: a running one */
    int (*run)(const struct cmd *cmd, const struct home *home);
} actions[] = {
    {"take", "hde savepoint take NAME", 2, 0, NULL},
    {"ls", "hde savepoint ls GRAPH", 2, 1, run_ls},
    {"check", "hde savepoint check NAME GRAPH", 3, 2, run_check},
    {"restore", "hde savepoint restore NAME GRAPH", 3, 2, run_restore},
    {"rm", "hde savepoint rm NAME GRAPH", 3, 2, run_rm},
    {"export", "hde savepoint export NAME GRAPH FILE", 4, 2, run_export},
    {"import", "hde savepoint import NAME GRAPH FILE", 4, 2, run_import},
};

static const struct action *
action_called(const char *word)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(actions[i].word, word) == 0)
            return &actions[i];
    return NULL;
}

static int
run_savepoint(const struct cmd *cmd, const void *block)
{
    const struct savepoint_options *options = block;
    const struct action *action = action_called(cmd->args[0]);
    struct home home;
    int exit;

    if (!action)
        return cmd_error(cmd, EX_USAGE, "HDE-C005", "take, ls, check, restore, rm, export, import",
                         "'%s' is nothing that can be done with savepoints", cmd->args[0]);
    if (cmd->n_args != action->n_args)
        return cmd_error(cmd, EX_USAGE, "HDE-C005", NULL, "usage: %s", action->usage);
    if (!action->graph)
        return run_take(cmd, options);
    exit = open_home(cmd, options, cmd->args[action->graph], &home);
    if (!exit)
        exit = action->run(cmd, &home);
    close_home(&home);
    return exit;
}

const struct command cmd_savepoint = {
    .name = "savepoint",
    .args = "take|ls|check|restore|rm|export|import [NAME] [GRAPH] [FILE]",
    .group = CMD_GROUP_RUN,
    .summary = "keep the state of a running graph under a name, and go back to it",
    .help = "take NAME makes an epoch of the running graph now and keeps it under a name in the "
            "store of checkpoint:, until rm. It is whole in one file: state, timers, positions of "
            "the sources, the graph's files and the builds; the log is not needed.\n\n"
            "check says of every node whether it would take its state with the graph file and the "
            "plugins as they are now. restore, with the graph stopped, makes the next start go on "
            "from the savepoint: sources go back to where they stood, ticks are above all before, "
            "so sinks with natural keys write the rows of the overlap over those that are there."
            "\n\nA graph that links cut into parts has one savepoint of all of them: it is complete when "
            "each part has taken what its links held when it was asked for, and goes back into parts "
            "of the same names. A part that has ended is in it as it ended. "
            "Of a graph with hosts: every host writes its share into its own store; take is asked "
            "for at any of them and led by the coordinator. restore is done on every host with "
            "--host, while all stand still; hosts that do not go back to the same savepoint refuse "
            "to talk to each other. A host that had ended and left by then is in none: it is not "
            "restored, and nobody waits for it. Nodes that were moved since ('hde apply --move') lie where they "
            "lay then."
            "\n\nexport and import copy one to a file and back, on another machine too.",
    .examples =
        (const struct cmd_example[]){
            {"hde savepoint take before-monday", "of the running graph"},
            {"hde savepoint ls market.yaml", "those in its store"},
            {"hde savepoint check before-monday market.yaml", "would it start from it?"},
            {"hde savepoint restore before-monday market.yaml", "the next start does"},
            {"hde savepoint restore before-monday graphs/distributed.yaml --host calc",
             "on each host of a graph"},
            {"hde savepoint export before-monday market.yaml /mnt/monday", "as one file"},
            {0}},
    .options =
        (const struct cmd_option[]){
            {CMD_OPTION("set", struct savepoint_options, set), .value = "NODE.PARAM=VALUE",
             .help = "of the graph file: set a parameter, or a variable with vars.NAME=VALUE"},
            {CMD_OPTION("plugins", struct savepoint_options, plugins), .value = "PATH",
             .env = "HDE_PLUGIN_PATH", .complete = CMD_COMPLETE_FOLDER,
             .help = "folders with operators, separated by colons"},
            {CMD_OPTION("host", struct savepoint_options, host), .value = "NAME",
             .help = "of the graph's hosts:, whose store it is; all: that of one process"},
            TARGET_OPTIONS(struct savepoint_options),
            {0}},
    .exits = (const struct cmd_exit[]){{CMD_FAILED, "it was not taken, or does not fit"},
                                       {EX_DATAERR, "it is damaged, or does not fit"},
                                       {EX_NOINPUT, "there is no such savepoint"},
                                       {EX_CONFIG, NULL},
                                       TARGET_EXITS,
                                       {0}},
    .words = "take|ls|check|restore|rm|export|import",
    .complete = CMD_COMPLETE_FILE,
    .min_args = 1,
    .max_args = 4,
    CMD_BLOCK(struct savepoint_options),
    .run = run_savepoint,
};
