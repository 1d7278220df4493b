/* SPDX-License-Identifier: Apache-2.0
 * help - what the tables say: as text, as JSON, and the verb `hde help`. */
#include "base/wrap.h"
#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>

enum { COLUMN = 26 };

static const char *const group_titles[CMD_N_GROUPS] = {
    [CMD_GROUP_RUN] = "Run",
    [CMD_GROUP_LOOK] = "Look at a running graph",
    [CMD_GROUP_WRITE] = "Write graphs and operators",
    [CMD_GROUP_TOOL] = "Everything else",
};

const char *
cmd_exit_meaning(int exit)
{
    switch (exit) {
    case CMD_OK:
        return "fine";
    case CMD_FAILED:
        return "it ran and failed";
    case EX_USAGE:
        return "the command line is wrong";
    case EX_DATAERR:
        return "input data is wrong";
    case EX_NOINPUT:
        return "a file cannot be read";
    case EX_UNAVAILABLE:
        return "something that is needed is not there: no running engine, a service, a program";
    case EX_SOFTWARE:
        return "a fault in hde itself";
    case EX_CANTCREAT:
        return "a file cannot be made";
    case EX_IOERR:
        return "reading or writing failed";
    case EX_TEMPFAIL:
        return "try again later";
    case EX_NOPERM:
        return "not allowed";
    case EX_CONFIG:
        return "the graph has errors";
    case CMD_INTERRUPTED:
        return "interrupted by a second signal";
    default:
        return "failed";
    }
}

/* Paragraphs are separated by an empty line; lines that begin with a space stay as they are. */
static void
paragraphs(hde_text *out, const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t len = end ? (size_t)(end - text) : strlen(text);

        if (*text == ' ')
            hde_text_printf(out, "%.*s\n", (int)len, text);
        else
            wrap_words(out, text, len, 0, 0);
        text += len + (end ? 2 : 0);
        if (*text)
            hde_text_puts(out, "\n");
    }
}

/* "  left   right", wrapped behind COLUMN. */
static void
row(hde_text *out, const char *left, const char *right)
{
    size_t len = 2 + strlen(left);

    hde_text_printf(out, "  %s", left);
    if (len + 1 > COLUMN) {
        hde_text_puts(out, "\n");
        len = 0;
    }
    wrap_words(out, right, strlen(right), COLUMN, len);
}

static void
option_row(hde_text *out, const struct cmd_option *option)
{
    hde_text left = {0}, right = {0};

    if (option->letter)
        hde_text_printf(&left, "-%c, ", option->letter);
    hde_text_printf(&left, "--%s", option->name);
    if (option->kind != CMD_FLAG)
        hde_text_printf(&left, " %s", option->value);
    hde_text_puts(&right, option->help);
    if (option->choices) {
        hde_text_puts(&right, ": ");
        for (const char *c = option->choices; *c; c++)
            hde_text_puts(&right, *c == '|' ? ", " : (char[]){*c, 0});
    }
    if (option->kind == CMD_LIST)
        hde_text_puts(&right, "; may be given several times");
    if (option->fallback)
        hde_text_printf(&right, " [default: %s]", option->fallback);
    if (option->env)
        hde_text_printf(&right, " [environment: %s]", option->env);
    row(out, left.data, right.data);
    hde_text_free(&left);
    hde_text_free(&right);
}

static void
option_rows(hde_text *out, const struct cmd_option *option)
{
    for (; option && option->name; option++)
        option_row(out, option);
}

static void
exit_rows(hde_text *out, const struct command *command)
{
    static const struct cmd_exit none[] = {{0}};
    char number[16];

    row(out, "0", cmd_exit_meaning(0));
    for (const struct cmd_exit *e = command->exits ? command->exits : none; e->code; e++) {
        snprintf(number, sizeof number, "%d", e->code);
        row(out, number, e->when ? e->when : cmd_exit_meaning(e->code));
    }
    row(out, "64", cmd_exit_meaning(EX_USAGE));
}

void
cmd_help_command(const struct command *command, hde_text *out)
{
    hde_text_printf(out, "hde %s - %s\n\nExamples\n", command->name, command->summary);
    for (const struct cmd_example *e = command->examples; e->line; e++)
        hde_text_printf(out, "  %s\n      %s\n", e->line, e->what);
    hde_text_printf(out, "\nUsage\n  hde %s [OPTION...]%s%s\n", command->name,
                    *command->args ? " " : "", command->args);
    if (command->help) {
        hde_text_puts(out, "\n");
        paragraphs(out, command->help);
    }
    hde_text_puts(out, "\nOptions\n");
    option_rows(out, command->options);
    option_rows(out, cmd_common_options);
    hde_text_puts(out, "\nExit codes\n");
    exit_rows(out, command);
}

void
cmd_help_overview(const struct command *const *commands, hde_text *out)
{
    struct arena arena = {0};
    struct cmd_list external = cmd_external_list("", &arena);

    hde_text_puts(out, "hde - a real-time dataflow engine: YAML graphs of operators\n\nExamples\n"
                       "  hde run graph.yaml          run a graph until Ctrl-C\n"
                       "  hde check graph.yaml        find every error before anything starts\n"
                       "  hde top                     watch what is running\n"
                       "  hde help run                all about one command\n"
                       "\nUsage\n  hde VERB [OPTION...] [ARGUMENT...]\n");
    for (int group = 0; group < CMD_N_GROUPS; group++) {
        hde_text_printf(out, "\n%s\n", group_titles[group]);
        for (size_t i = 0; commands[i]; i++)
            if ((int)commands[i]->group == group)
                row(out, commands[i]->name, commands[i]->summary);
    }
    for (size_t i = 0; i < external.n; i++) {
        if (strncmp(external.item[i], "bench-", 6) == 0)
            continue;
        if (out->len && !strstr(out->data, "\nInstalled programs"))
            hde_text_puts(out, "\nInstalled programs\n");
        row(out, external.item[i],
            arena_printf(&arena, "hde-%s; 'hde help %s' explains", external.item[i],
                         external.item[i]));
    }
    arena_fini(&arena);
}

static void
json_options(hde_text *out, const struct cmd_option *option)
{
    static const char *const kinds[] = {
        [CMD_FLAG] = "flag",   [CMD_TEXT] = "text",         [CMD_INT] = "integer",
        [CMD_REAL] = "number", [CMD_DURATION] = "duration", [CMD_LIST] = "list"};

    hde_text_puts(out, "[");
    for (const char *comma = ""; option && option->name; option++, comma = ",") {
        hde_text_printf(out, "%s{\"name\":\"%s\",\"kind\":\"%s\",\"value\":", comma, option->name,
                        kinds[option->kind]);
        hde_json_string(out, option->value);
        hde_text_puts(out, ",\"choices\":");
        hde_json_string(out, option->choices);
        hde_text_puts(out, ",\"default\":");
        hde_json_string(out, option->fallback);
        hde_text_puts(out, ",\"environment\":");
        hde_json_string(out, option->env);
        hde_text_puts(out, ",\"help\":");
        hde_json_string(out, option->help);
        hde_text_puts(out, "}");
    }
    hde_text_puts(out, "]");
}

static void
json_command(hde_text *out, const struct command *command)
{
    hde_text_printf(out, "{\"name\":\"%s\",\"args\":", command->name);
    hde_json_string(out, command->args);
    hde_text_puts(out, ",\"summary\":");
    hde_json_string(out, command->summary);
    hde_text_puts(out, ",\"help\":");
    hde_json_string(out, command->help);
    hde_text_puts(out, ",\"examples\":[");
    for (const struct cmd_example *e = command->examples; e->line; e++) {
        hde_text_puts(out, e == command->examples ? "" : ",");
        hde_json_string(out, e->line);
    }
    hde_text_puts(out, "],\"options\":");
    json_options(out, command->options);
    hde_text_puts(out, "}");
}

void
cmd_help_json(const struct command *const *commands, hde_text *out)
{
    hde_text_puts(out, "{\"commands\":[");
    for (size_t i = 0; commands[i]; i++) {
        hde_text_puts(out, i ? "," : "");
        json_command(out, commands[i]);
    }
    hde_text_puts(out, "],\"common_options\":");
    json_options(out, cmd_common_options);
    hde_text_puts(out, "}\n");
}

struct help_options {
    bool man;
};

static int
run_help(const struct cmd *cmd, const void *options)
{
    const struct help_options *opt = options;
    const struct command *command = cmd->n_args ? cmd_find(cmd->commands, cmd->args[0]) : NULL;
    struct arena arena = {0};
    hde_text out = {0};
    int exit = CMD_OK;

    if (cmd->n_args && !command) {
        bool external = cmd_external_find(cmd->args[0], &arena) != NULL;

        arena_fini(&arena);
        if (external)
            return cmd_external_run(cmd, cmd->args[0], (const char *const[]){"--help", NULL});
        return cmd_unknown_verb(cmd, cmd->args[0]);
    }
    if (opt->man)
        cmd_help_man(cmd->commands, &out);
    else if (cmd->json)
        cmd_help_json(command ? (const struct command *const[]){command, NULL} : cmd->commands,
                      &out);
    else if (command)
        cmd_help_command(command, &out);
    else
        cmd_help_overview(cmd->commands, &out);
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

const struct command cmd_help = {
    .name = "help",
    .args = "[VERB]",
    .group = CMD_GROUP_TOOL,
    .summary = "explain a command",
    .help = "Without VERB: all commands. For a verb that is a program of its own (hde-VERB), that "
            "program is asked with --help.",
    .examples = (const struct cmd_example[]){{"hde help run", "examples, options and exit codes of "
                                                              "one command"},
                                             {"hde help", "all commands"},
                                             {"hde help --man | man -l -", "the manual page"},
                                             {0}},
    .options = (const struct cmd_option[]){{CMD_OPTION("man", struct help_options, man),
                                            .help = "the manual page hde(1) of all commands"},
                                           {0}},
    .complete = CMD_COMPLETE_COMMAND,
    .max_args = 1,
    CMD_BLOCK(struct help_options),
    .run = run_help,
};
