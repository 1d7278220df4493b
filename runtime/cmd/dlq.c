/* SPDX-License-Identifier: Apache-2.0
 * dlq - the dead-letter queue of a graph: what nodes have refused or given up.
 *
 * ls and show read the folder, whether a graph runs or not; drop asks the running graph, which
 * alone may write there. */
#include "cmd/table.h"
#include "cmd/target.h"
#include "engine/dlq.h"
#include "engine/letters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct dlq_options {
    struct target_options target;
    const char *node, *plugins;
    bool all;
};

struct which {
    const char *word; /* as given; NULL: the running graph */
    const char *folder;
    size_t n_ids;
    uint64_t *ids;
};

/* ---- Which queue -------------------------------------------------------------------------- */

static bool
is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int
ask(const struct cmd *cmd, const struct dlq_options *opt, Hde__DlqVerb verb,
    const struct which *which, Hde__EngineDlq **out)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlDlq dlq = HDE__CONTROL_DLQ__INIT;
    const Hde__ControlReply *reply;
    struct client *client;
    int exit;

    request.ask_case = HDE__CONTROL_REQUEST__ASK_DLQ;
    request.dlq = &dlq;
    dlq.has_verb = true;
    dlq.verb = verb;
    dlq.ids = which->ids;
    dlq.n_ids = which->n_ids;
    dlq.node = (char *)(uintptr_t)opt->node;
    exit = target_ask(cmd, &opt->target, &request, &client, &reply);
    if (exit)
        return exit;
    if (reply->answer_case == HDE__CONTROL_REPLY__ANSWER_DLQ) {
        *out = arena_alloc(cmd->arena, sizeof **out);
        **out = *reply->dlq;
        if ((*out)->folder)
            (*out)->folder = arena_text(cmd->arena, (*out)->folder);
    } else {
        exit = cmd_error(cmd, CMD_FAILED, "HDE-C013", NULL, "the answer is not understood");
    }
    client_close(client);
    return exit;
}

/* A graph file says where its queue is. */
static int
folder_of_graph(const struct cmd *cmd, const struct dlq_options *opt, const char *path,
                const char **folder)
{
    struct registry *registry = registry_new(opt->plugins);
    struct diags diags = {0};
    struct graph *graph = graph_load(path, &(struct graph_options){.insecure = true}, registry, &diags);
    int exit = CMD_OK;

    if (graph) {
        *folder = arena_text(cmd->arena, graph_dlq_folder(graph, cmd->arena));
    } else {
        hde_text text = {0};

        diags_print(&diags, &text, cmd->color_err);
        fwrite(text.data, 1, text.len, stderr);
        hde_text_free(&text);
        exit = diags.unreadable ? EX_NOINPUT : EX_CONFIG;
    }
    diags_fini(&diags);
    graph_free(graph);
    registry_free(registry);
    return exit;
}

static int
find_folder(const struct cmd *cmd, const struct dlq_options *opt, struct which *which)
{
    const char *inner;
    Hde__EngineDlq *dlq;
    int exit;

    if (which->word && !is_folder(which->word))
        return folder_of_graph(cmd, opt, which->word, &which->folder);
    if (which->word) {
        inner = arena_printf(cmd->arena, "%s/dlq", which->word);
        which->folder = is_folder(inner) ? inner : which->word;
        return CMD_OK;
    }
    exit = ask(cmd, opt, HDE__DLQ_VERB__DLQ_VERB_FOLDER, &(struct which){0}, &dlq);
    if (exit)
        return exit;
    which->folder = dlq->folder;
    return which->folder ? CMD_OK
                         : cmd_error(cmd, CMD_FAILED, "HDE-R090", NULL,
                                     "this run keeps no dead letters: it is a replay");
}

/* Numbers are ids, a word is a folder or a graph file. */
static int
read_words(const struct cmd *cmd, struct which *which)
{
    which->ids = arena_alloc(cmd->arena, (size_t)(cmd->n_args + 1) * sizeof *which->ids);
    for (int i = 1; i < cmd->n_args; i++) {
        char *end;
        unsigned long long id = strtoull(cmd->args[i], &end, 10);

        if (!*end && cmd->args[i][0] >= '0' && cmd->args[i][0] <= '9')
            which->ids[which->n_ids++] = id;
        else if (!which->word)
            which->word = cmd->args[i];
        else
            return cmd_error(cmd, EX_USAGE, "HDE-C005", NULL, "'%s' is one folder too many",
                             cmd->args[i]);
    }
    return CMD_OK;
}

/* ---- ls ----------------------------------------------------------------------------------- */

struct list {
    const struct cmd *cmd;
    const struct dlq_options *opt;
    struct table table;
    hde_text out;
    const char *comma;
    size_t n;
};

static void
list_letter(void *arg, uint64_t id, const Hde__DeadLetter *letter)
{
    struct list *list = arg;
    struct arena *arena = list->cmd->arena;
    Hde__DeadLetter shown = *letter;

    if (list->opt->node && strcmp(letter->node, list->opt->node) != 0)
        return;
    list->n++;
    if (list->cmd->json) {
        shown.has_body = false; /* show has it */
        hde_text_printf(&list->out, "%s{\"id\":%llu,\"size\":%zu,\"letter\":", list->comma,
                        (unsigned long long)id, letter->body.len);
        hde_json_message(&list->out, &shown.base, HDE_JSON_FIELDS);
        hde_text_puts(&list->out, "}");
        list->comma = ",";
        return;
    }
    TABLE_ROW(&list->table, arena_printf(arena, "%llu", (unsigned long long)id),
              table_time(arena, letter->time_ns),
              arena_printf(arena, "%s.%s", letter->node, letter->port),
              arena_printf(arena, "%llu", (unsigned long long)letter->tick),
              letter->type ? arena_text(arena, letter->type) : "(taken)",
              arena_printf(arena, "%zu", letter->body.len), arena_text(arena, letter->code),
              arena_printf(arena, "%s: %s", letter->event, letter->text));
}

static int
run_ls(const struct cmd *cmd, const struct dlq_options *opt, const struct which *which)
{
    struct list list = {.cmd = cmd, .opt = opt, .table = {.arena = cmd->arena}, .comma = ""};
    struct letters letters = {0};
    struct err err = {0};
    int exit;

    if (cmd->json)
        hde_text_puts(&list.out, "{\"letters\":[");
    else
        TABLE_ROW(&list.table, ">ID", "TIME", "NODE", ">TICK", "TYPE", ">BYTES", "CODE", "REASON");
    if (!letters_read(&letters, which->folder, &err) ||
        !letters_each(&letters, which->folder, list_letter, &list, &err)) {
        exit = cmd_error_err(cmd, EX_DATAERR, &err);
    } else {
        if (cmd->json)
            hde_text_puts(&list.out, "]}\n");
        else if (list.n)
            table_print(&list.table, &list.out, cmd->color ? "\033[1m" : "",
                        cmd->color ? "\033[0m" : "", 0, 0);
        else
            hde_text_printf(&list.out, "no dead letters in %s\n", which->folder);
        exit = cmd_print(cmd, &list.out, NULL);
    }
    hde_text_free(&list.out);
    letters_fini(&letters);
    return exit;
}

/* ---- show --------------------------------------------------------------------------------- */

/* The message, by the types that the operator's input takes; NULL: the plugin is not here. */
static ProtobufCMessage *
unpack(const struct registry *registry, const Hde__DeadLetter *letter)
{
    const struct registry_operator *found = registry_find(registry, letter->op);

    for (const hde_port *port = found ? found->op->inputs : NULL; port && port->name; port++)
        for (size_t i = 0; letter->type && port->types[i]; i++)
            if (strcmp(port->types[i]->name, letter->type) == 0)
                return protobuf_c_message_unpack(port->types[i], NULL, letter->body.len,
                                                 letter->body.data);
    return NULL;
}

static void
put_letter(const struct cmd *cmd, uint64_t id, const Hde__DeadLetter *letter,
           const ProtobufCMessage *message, hde_text *out)
{
    if (cmd->json) {
        hde_text_printf(out, "{\"id\":%llu,\"letter\":", (unsigned long long)id);
        hde_json_message(out, &letter->base, HDE_JSON_FIELDS);
        hde_text_puts(out, ",\"message\":");
    } else {
        hde_text_printf(out,
                        "letter %llu, %s\nnode:   %s, input %s, tick %llu\nbuild:  %s, %.12s\n"
                        "reason: %s %s: %s\ntype:   %s, %zu bytes\n",
                        (unsigned long long)id, table_time(cmd->arena, letter->time_ns),
                        letter->node, letter->port, (unsigned long long)letter->tick, letter->op,
                        letter->build_id ? letter->build_id : "-", letter->code, letter->event,
                        letter->text, letter->type ? letter->type : "the operator has taken it",
                        letter->body.len);
    }
    if (message)
        hde_json_message(out, message, HDE_JSON_PROTO);
    else if (cmd->json)
        hde_text_puts(out, "null");
    hde_text_puts(out, cmd->json ? "}\n" : message ? "\n" : "");
}

static int
run_show(const struct cmd *cmd, const struct dlq_options *opt, const struct which *which)
{
    struct registry *registry;
    hde_text out = {0};
    int exit = CMD_OK;

    if (!which->n_ids)
        return cmd_error(cmd, EX_USAGE, "HDE-C005", "hde dlq show ID", "say which letter is shown");
    registry = registry_new(opt->plugins);
    for (size_t i = 0; i < which->n_ids && !exit; i++) {
        struct letters letters = {0};
        struct err err = {0};
        Hde__DeadLetter *letter = NULL;

        if (letters_read(&letters, which->folder, &err) && !letters_find(&letters, which->ids[i]))
            err_set(&err, "HDE-R095", "there is no dead letter %llu in '%s'",
                    (unsigned long long)which->ids[i], which->folder);
        if (!err_is_set(&err))
            letter = letter_read(which->folder, which->ids[i], &err);
        if (letter) {
            ProtobufCMessage *message = unpack(registry, letter);

            put_letter(cmd, which->ids[i], letter, message, &out);
            if (message)
                protobuf_c_message_free_unpacked(message, NULL);
            hde__dead_letter__free_unpacked(letter, NULL);
        } else {
            exit = cmd_error_err(cmd, EX_DATAERR, &err);
        }
        letters_fini(&letters);
    }
    if (!exit)
        exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    registry_free(registry);
    return exit;
}

/* ---- drop, replay ------------------------------------------------------------------------- */

static int
say_done(const struct cmd *cmd, const char *what, size_t n)
{
    hde_text out = {0};
    int exit;

    if (cmd->json)
        hde_text_printf(&out, "{\"ok\":true,\"letters\":%zu}\n", n);
    else if (!cmd->quiet)
        hde_text_printf(&out, "%zu dead letters %s\n", n, what);
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

static int
drop_in(const struct cmd *cmd, const struct dlq_options *opt, struct which *which)
{
    struct dlq_choice choice = {.n_ids = which->n_ids, .ids = which->ids, .node = opt->node};
    struct err err = {0};
    int exit = find_folder(cmd, opt, which);
    size_t n;

    if (exit)
        return exit;
    n = dlq_drop_in(which->folder, &choice, &err);
    if (err_is_set(&err))
        return cmd_error_err(cmd, strcmp(err.code, "HDE-R095") ? CMD_FAILED : EX_DATAERR, &err);
    return say_done(cmd, "dropped", n);
}

static int
change(const struct cmd *cmd, const struct dlq_options *opt, struct which *which, bool drops)
{
    Hde__EngineDlq *dlq;
    int exit;

    if (!which->n_ids && !opt->node && !opt->all)
        return cmd_error(cmd, EX_USAGE, "HDE-C005", "an id of 'hde dlq ls', --node NODE, or --all",
                         "say which letters are meant");
    if (drops && which->word)
        return drop_in(cmd, opt, which);
    if (which->word)
        return cmd_error(cmd, EX_USAGE, "HDE-C005", "--graph and --pid choose among several",
                         "letters are fed into a running graph, '%s' is none", which->word);
    exit = ask(cmd, opt,
               drops ? HDE__DLQ_VERB__DLQ_VERB_DROP : HDE__DLQ_VERB__DLQ_VERB_REPLAY, which, &dlq);
    return exit ? exit : say_done(cmd, drops ? "dropped" : "are fed again", dlq->letters);
}

static int
run_dlq(const struct cmd *cmd, const void *options)
{
    const struct dlq_options *opt = options;
    struct which which = {0};
    int exit = read_words(cmd, &which);

    if (exit)
        return exit;
    if (strcmp(cmd->args[0], "drop") == 0)
        return change(cmd, opt, &which, true);
    if (strcmp(cmd->args[0], "replay") == 0)
        return change(cmd, opt, &which, false);
    exit = find_folder(cmd, opt, &which);
    if (exit)
        return exit;
    return strcmp(cmd->args[0], "ls") == 0 ? run_ls(cmd, opt, &which) : run_show(cmd, opt, &which);
}

const struct command cmd_dlq = {
    .name = "dlq",
    .args = "ls|show|replay|drop [ID...] [GRAPH|FOLDER]",
    .group = CMD_GROUP_LOOK,
    .summary = "messages that nodes have refused or given up",
    .help = "A message that an operator rejects, or that on_error: skip gives up, goes to the "
            "dead-letter queue with the reason and its original bytes. ls lists the queue, show "
            "prints a letter with its message, drop removes letters, replay feeds them into the "
            "running graph again, at the node that refused them.\n\n"
            "Without GRAPH or FOLDER the queue of the running graph is meant; a folder may be the "
            "queue's own or a checkpoint store. Under a running graph only that graph changes its "
            "queue.\n\n"
            "A letter that is fed again is an entry of its own, as if it came from outside: order, "
            "log and recovery hold for it. It leaves the queue when the graph has worked it off and "
            "the log is durable; a node that refuses it again makes a new letter of it.",
    .examples = (const struct cmd_example[]){{"hde dlq ls", "of the running graph"},
                                             {"hde dlq ls kept --node store --json", "of a store"},
                                             {"hde dlq show 17", "with the message as JSON"},
                                             {"hde dlq replay --node store", "feed them again"},
                                             {"hde dlq drop 17 18", "they are not needed"},
                                             {0}},
    .options =
        (const struct cmd_option[]){
            {CMD_OPTION("node", struct dlq_options, node), .value = "NODE",
             .complete = CMD_COMPLETE_NODE, .help = "letters of this node"},
            {CMD_OPTION("all", struct dlq_options, all), .help = "replay, drop: all letters"},
            {CMD_OPTION("plugins", struct dlq_options, plugins), .value = "PATH",
             .env = "HDE_PLUGIN_PATH", .complete = CMD_COMPLETE_FOLDER,
             .help = "folders with operators, separated by colons"},
            TARGET_OPTIONS(struct dlq_options),
            {0}},
    .exits = (const struct cmd_exit[]){{EX_DATAERR, "there is no such letter"},
                                       {CMD_FAILED, "the queue cannot be used"},
                                       TARGET_EXITS,
                                       {0}},
    .words = "ls|show|replay|drop",
    .complete = CMD_COMPLETE_FILE,
    .min_args = 1,
    .max_args = -1,
    CMD_BLOCK(struct dlq_options),
    .run = run_dlq,
};
