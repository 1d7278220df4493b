/* SPDX-License-Identifier: Apache-2.0
 * completion - bash completion from the tables.
 *
 * The script that is printed knows commands, options and fixed values; what only the moment
 * knows (edges of the running graph, installed operators) it asks for with
 * `hde completion --words KIND`, hosts of the graph file that is written already with
 * `hde completion --words host --of FILE`; the options of a program hde-VERB are those in its
 * help. */
#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>

struct completion_options {
    const char *words, *of;
};

static const char *
action(enum cmd_complete complete)
{
    switch (complete) {
    case CMD_COMPLETE_FILE:
        return "_hde_files -f";
    case CMD_COMPLETE_FOLDER:
        return "_hde_files -d";
    case CMD_COMPLETE_COMMAND:
        return "_hde_words \"$(hde completion --words command 2>/dev/null)\"";
    case CMD_COMPLETE_CODE:
        return "_hde_words \"$(hde completion --words code 2>/dev/null)\"";
    case CMD_COMPLETE_OPERATOR:
        return "_hde_words \"$(hde completion --words operator 2>/dev/null)\"";
    case CMD_COMPLETE_ENGINE:
        return "_hde_words \"$(hde completion --words engine 2>/dev/null)\"";
    case CMD_COMPLETE_EDGE:
        return "_hde_words \"$(hde completion --words edge 2>/dev/null)\"";
    case CMD_COMPLETE_NODE:
        return "_hde_words \"$(hde completion --words node 2>/dev/null)\"";
    case CMD_COMPLETE_HOST:
        return "_hde_words \"$(hde completion --words host --of \"$(_hde_graph)\" 2>/dev/null)\"";
    case CMD_COMPLETE_BENCH:
        return "_hde_words \"$(hde completion --words bench 2>/dev/null)\"";
    case CMD_COMPLETE_LOG:
        return "case ${COMP_WORDS[2]} in ls|cat|verify) _hde_files -d ;; *) _hde_words "
               "\"$(hde completion --words node 2>/dev/null)\" ;; esac";
    case CMD_COMPLETE_NONE:
        break;
    }
    return ":";
}

static void
put_words(hde_text *out, const char *choices)
{
    hde_text_puts(out, "_hde_words \"");
    for (const char *c = choices; *c; c++)
        hde_text_puts(out, *c == '|' ? " " : (char[]){*c, 0});
    hde_text_puts(out, "\"");
}

/* A case of "$verb $prev": values of options. */
static void
value_cases(hde_text *out, const char *verb, const struct cmd_option *option)
{
    for (; option && option->name; option++) {
        if (option->kind == CMD_FLAG)
            continue;
        hde_text_printf(out, "    '%s --%s'", verb, option->name);
        if (option->letter)
            hde_text_printf(out, "|'%s -%c'", verb, option->letter);
        hde_text_puts(out, ") ");
        if (option->choices)
            put_words(out, option->choices);
        else
            hde_text_puts(out, action(option->complete));
        hde_text_puts(out, "; return ;;\n");
    }
}

static void
option_words(hde_text *out, const struct cmd_option *option)
{
    for (; option && option->name; option++)
        hde_text_printf(out, " --%s", option->name);
}

static void
script(const struct command *const *commands, hde_text *out)
{
    hde_text_puts(out, "# bash completion of hde; made by 'hde completion bash'\n"
                       "_hde_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }\n"
                       "_hde_files() { mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$cur\"); "
                       "compopt -o filenames 2>/dev/null; }\n"
                       "_hde_graph() { printf '%s\\n' \"${COMP_WORDS[@]:2}\" | grep -m 1 '[.]yaml$'; }\n"
                       "_hde() {\n  local cur=${COMP_WORDS[COMP_CWORD]} prev= verb=${COMP_WORDS[1]}"
                       "\n  ((COMP_CWORD > 1)) && prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                       "  COMPREPLY=()\n  if ((COMP_CWORD == 1)); then\n    ");
    hde_text_puts(out, action(CMD_COMPLETE_COMMAND));
    hde_text_puts(out, "\n    return\n  fi\n  case \"$verb $prev\" in\n");
    for (size_t i = 0; commands[i]; i++) {
        value_cases(out, commands[i]->name, commands[i]->options);
        value_cases(out, commands[i]->name, cmd_common_options);
    }
    hde_text_puts(out, "  esac\n  case $verb in\n");
    for (size_t i = 0; commands[i]; i++) {
        hde_text_printf(out, "    %s) if [[ $cur == -* ]]; then _hde_words \"", commands[i]->name);
        option_words(out, commands[i]->options);
        option_words(out, cmd_common_options);
        hde_text_puts(out, "\"; ");
        if (commands[i]->words) {
            hde_text_puts(out, "elif ((COMP_CWORD == 2)); then ");
            put_words(out, commands[i]->words);
            hde_text_puts(out, "; ");
        }
        hde_text_printf(out, "else %s; fi ;;\n", action(commands[i]->complete));
    }
    hde_text_puts(out, "    *) if [[ $cur == -* ]]; then\n      _hde_words \"$(hde help \"$verb\" 2>/dev/null "
                       "| grep -oE -- '--[a-z][a-z-]*' | sort -u)\"\n    else _hde_files -f; fi ;;\n"
                       "  esac\n}\ncomplete -F _hde hde\n");
}

static int
run_completion(const struct cmd *cmd, const void *options)
{
    const struct completion_options *opt = options;
    hde_text out = {0};
    int exit;

    if (!opt->words && !cmd->n_args)
        return cmd_error(cmd, EX_USAGE, "HDE-C005", "write: hde completion bash",
                         "which shell? bash is the one that is known");
    if (!opt->words)
        script(cmd->commands, &out);
    else
        cmd_words(cmd, opt->words, opt->of && opt->of[0] ? opt->of : NULL, &out);
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

const struct command cmd_completion = {
    .name = "completion",
    .args = "[SHELL]",
    .group = CMD_GROUP_TOOL,
    .summary = "print the completion script of a shell",
    .help = "The installed hde puts it where bash finds it by itself.",
    .examples =
        (const struct cmd_example[]){
            {"source <(hde completion bash)", "in this shell, now"},
            {"hde completion bash > ~/.local/share/bash-completion/completions/hde",
             "for this user"},
            {0}},
    .options =
        (const struct cmd_option[]){{CMD_OPTION("words", struct completion_options, words),
                                     .value = "KIND",
                                     .choices = "command|bench|code|operator|engine|edge|node|host",
                                     .help = "the words of a kind, one a line, that are valid now"},
                                    {CMD_OPTION("of", struct completion_options, of),
                                     .value = "GRAPH", .complete = CMD_COMPLETE_FILE,
                                     .help = "hosts of this graph file, not of the one that runs"},
                                    {0}},
    .words = "bash",
    .max_args = 1,
    CMD_BLOCK(struct completion_options),
    .run = run_completion,
};
