/* SPDX-License-Identifier: Apache-2.0
 * options - words of the command line into the block of a command, as its table says. */
#include "base/nearest.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The block of the options that every command has. */
struct common {
    bool json, quiet, verbose, help;
    const char *color;
};

const struct cmd_option cmd_common_options[] = {
    {CMD_OPTION("json", struct common, json), .help = "results and errors as JSON"},
    {CMD_OPTION("color", struct common, color), .value = "WHEN", .choices = "auto|always|never",
     .fallback = "auto", .help = "colours; auto: on a terminal, unless NO_COLOR is set"},
    {CMD_OPTION("quiet", struct common, quiet), .letter = 'q', .help = "only errors on stderr"},
    {CMD_OPTION("verbose", struct common, verbose), .letter = 'v', .help = "say more on stderr"},
    {CMD_OPTION("help", struct common, help), .letter = 'h', .help = "show this help"},
    {0},
};

struct parse {
    struct cmd *cmd;
    char *block;
    struct common common;
    uint64_t given[2]; /* bit i: option i of the own table, of the common one */
    struct cmd_list *lists;
};

struct found {
    const struct cmd_option *option;
    char *block;
    unsigned table, index;
};

static const struct cmd_option *
table_of(const struct parse *parse, unsigned table)
{
    return table == 0 ? parse->cmd->command->options : cmd_common_options;
}

static char *
block_of(struct parse *parse, unsigned table)
{
    return table == 0 ? parse->block : (char *)&parse->common;
}

static bool
find_option(struct parse *parse, const char *name, size_t len, char letter, struct found *found)
{
    for (unsigned table = 0; table < 2; table++) {
        const struct cmd_option *option = table_of(parse, table);

        for (unsigned i = 0; option && option[i].name; i++) {
            bool same =
                letter ? option[i].letter == letter
                       : strlen(option[i].name) == len && strncmp(option[i].name, name, len) == 0;

            if (same) {
                *found = (struct found){&option[i], block_of(parse, table), table, i};
                return true;
            }
        }
    }
    return false;
}

static int
unknown_option(struct parse *parse, const char *word, size_t len)
{
    struct nearest near = {.word = arena_textn(parse->cmd->arena, word, len)};
    const char *verb = parse->cmd->command->name;
    char hint[200];

    for (unsigned table = 0; table < 2; table++) {
        const struct cmd_option *option = table_of(parse, table);

        for (; option && option->name; option++)
            nearest_try(&near, arena_printf(parse->cmd->arena, "--%s", option->name));
    }
    if (near.best)
        snprintf(hint, sizeof hint, "did you mean '%s'?", near.best);
    else
        snprintf(hint, sizeof hint, "'hde help %s' lists the options", verb);
    return cmd_error(parse->cmd, EX_USAGE, "HDE-C002", hint, "unknown option '%s'", near.word);
}

bool
cmd_duration(const char *text, int64_t *ns)
{
    static const struct unit {
        const char *name;
        double ns;
    } units[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6},   {"s", 1e9},
                 {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
    double sum = 0;

    if (!*text)
        return false;
    while (*text) {
        char *end;
        double x = strtod(text, &end);
        size_t len = strspn(end, "abcdefghijklmnopqrstuvwxyz");
        const struct unit *unit = units;

        if (end == text || !isfinite(x) || x < 0 || strchr("+-xX", *text))
            return false;
        while (unit < units + sizeof units / sizeof *units &&
               (strlen(unit->name) != len || strncmp(unit->name, end, len) != 0))
            unit++;
        if (unit == units + sizeof units / sizeof *units)
            return false;
        sum += x * unit->ns;
        text = end + len;
    }
    if (sum > 9.2e18)
        return false;
    *ns = (int64_t)sum;
    return true;
}

static bool
in_range(const struct cmd_option *option, double x)
{
    return (option->min == 0 && option->max == 0) || (x >= option->min && x <= option->max);
}

/* from: "--workers", or "HDE_WORKERS in the environment". */
static int
bad_value(struct parse *parse, const struct cmd_option *option, const char *from, const char *value,
          const char *expected)
{
    char hint[200];

    if (option->min == 0 && option->max == 0)
        snprintf(hint, sizeof hint, "expected %s", expected);
    else
        snprintf(hint, sizeof hint, "expected %s from %g to %g", expected, option->min,
                 option->max);
    return cmd_error(parse->cmd, EX_USAGE, "HDE-C004", hint, "%s: '%s' is not a value for it", from,
                     value);
}

static bool
is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);

    for (const char *c = choices; *c;) {
        size_t n = strcspn(c, "|");

        if (n == len && strncmp(c, value, n) == 0)
            return true;
        c += n + (c[n] == '|');
    }
    return false;
}

static int
bad_choice(struct parse *parse, const char *choices, const char *from, const char *value)
{
    struct nearest near = {.word = value};
    struct arena *arena = parse->cmd->arena;
    hde_text words = {0};
    const char *hint;

    for (const char *c = choices; *c;) {
        size_t n = strcspn(c, "|");

        nearest_try(&near, arena_textn(arena, c, n));
        hde_text_printf(&words, "%s%.*s", words.len ? ", " : "", (int)n, c);
        c += n + (c[n] == '|');
    }
    hint = near.best ? arena_printf(arena, "did you mean '%s'? values: %s", near.best, words.data)
                     : arena_printf(arena, "values: %s", words.data);
    hde_text_free(&words);
    return cmd_error(parse->cmd, EX_USAGE, "HDE-C004", hint, "%s: '%s' is not a value for it", from,
                     value);
}

static void
list_add(struct parse *parse, struct cmd_list *list, const char *value)
{
    const char **item = arena_alloc(parse->cmd->arena, (list->n + 1) * sizeof *item);

    if (list->n)
        memcpy(item, list->item, list->n * sizeof *item);
    item[list->n++] = value;
    list->item = item;
}

/* Sets the field; gives 0 or an exit code after an error was said. */
static int
set_value(struct parse *parse, const struct cmd_option *option, char *block, const char *from,
          const char *value)
{
    void *field = block + option->offset;
    char *end = NULL;
    double real;
    int64_t number;

    switch (option->kind) {
    case CMD_FLAG:
        if (!is_choice("1|0|true|false|yes|no", value))
            return bad_value(parse, option, from, value, "true or false");
        *(bool *)field = is_choice("1|true|yes", value);
        return 0;
    case CMD_TEXT:
        if (option->choices && !is_choice(option->choices, value))
            return bad_choice(parse, option->choices, from, value);
        *(const char **)field = value;
        return 0;
    case CMD_INT:
        errno = 0;
        number = strtoll(value, &end, 10);
        if (end == value || *end || errno || !in_range(option, (double)number))
            return bad_value(parse, option, from, value, "a whole number");
        *(int64_t *)field = number;
        return 0;
    case CMD_REAL:
        real = strtod(value, &end);
        if (end == value || *end || !isfinite(real) || !in_range(option, real))
            return bad_value(parse, option, from, value, "a number");
        *(double *)field = real;
        return 0;
    case CMD_DURATION:
        if (!cmd_duration(value, &number) || !in_range(option, (double)number / 1e9))
            return bad_value(parse, option, from, value, "a time such as 500ms, 20s or 1h30m");
        ((hde_duration *)field)->ns = number;
        return 0;
    case CMD_LIST:
        list_add(parse, field, value);
        return 0;
    }
    return 0;
}

static int
set_found(struct parse *parse, const struct found *found, const char *value)
{
    char from[64];

    snprintf(from, sizeof from, "--%s", found->option->name);
    parse->given[found->table] |= (uint64_t)1 << found->index;
    return set_value(parse, found->option, found->block, from, value);
}

static int
missing_value(struct parse *parse, const struct cmd_option *option)
{
    char hint[200];

    snprintf(hint, sizeof hint, "write --%s %s (%s)", option->name, option->value, option->help);
    return cmd_error(parse->cmd, EX_USAGE, "HDE-C003", hint, "--%s needs a value", option->name);
}

/* --name, --name=value, --name value; *used counts words. */
static int
parse_long(struct parse *parse, char **words, int *used)
{
    const char *name = words[0] + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    struct found found;

    if (!find_option(parse, name, len, 0, &found))
        return unknown_option(parse, words[0], len + 2);
    if (found.option->kind == CMD_FLAG)
        return set_found(parse, &found, equals ? equals + 1 : "1");
    if (equals)
        return set_found(parse, &found, equals + 1);
    if (!words[1])
        return missing_value(parse, found.option);
    *used = 2;
    return set_found(parse, &found, words[1]);
}

/* -q, -qv, -nVALUE, -n VALUE */
static int
parse_short(struct parse *parse, char **words, int *used)
{
    for (const char *c = words[0] + 1; *c; c++) {
        char word[3] = {'-', *c, 0};
        struct found found;
        int exit;

        if (!find_option(parse, NULL, 0, *c, &found))
            return unknown_option(parse, c == words[0] + 1 ? words[0] : word,
                                  c == words[0] + 1 ? strlen(words[0]) : 2);
        if (found.option->kind != CMD_FLAG) {
            if (c[1])
                return set_found(parse, &found, c + 1);
            if (!words[1])
                return missing_value(parse, found.option);
            *used = 2;
            return set_found(parse, &found, words[1]);
        }
        if ((exit = set_found(parse, &found, "1")))
            return exit;
    }
    return 0;
}

/* What was not given: environment, then fallback. */
static int
fill_rest(struct parse *parse)
{
    for (unsigned table = 0; table < 2; table++) {
        const struct cmd_option *option = table_of(parse, table);

        for (unsigned i = 0; option && option[i].name; i++) {
            const char *env = option[i].env, *value = env ? getenv(env) : NULL;
            char from[100];
            int exit;

            if (value && *value) {
                snprintf(from, sizeof from, "%s in the environment", env);
            } else {
                value = option[i].fallback;
                snprintf(from, sizeof from, "--%s", option[i].name);
            }
            if ((parse->given[table] >> i & 1) || !value)
                continue;
            if ((exit = set_value(parse, &option[i], block_of(parse, table), from, value)))
                return exit;
        }
    }
    return 0;
}

static int
check_arguments(struct parse *parse)
{
    const struct cmd *cmd = parse->cmd;
    const struct command *command = cmd->command;
    char hint[300];

    snprintf(hint, sizeof hint, "usage: hde %s%s%s; 'hde help %s' explains", command->name,
             *command->args ? " " : "", command->args, command->name);
    if (cmd->n_args < command->min_args)
        return cmd_error(cmd, EX_USAGE, "HDE-C005", hint, "an argument is missing");
    if (command->max_args >= 0 && cmd->n_args > command->max_args)
        return cmd_error(cmd, EX_USAGE, "HDE-C005", hint, "'%s' is one argument too many",
                         cmd->args[command->max_args]);
    if (command->words && cmd->n_args > 0 && !is_choice(command->words, cmd->args[0]))
        return bad_choice(parse, command->words, command->args, cmd->args[0]);
    return 0;
}

static int
parse_words(struct parse *parse, int argc, char **argv)
{
    const char **args = arena_alloc(parse->cmd->arena, ((size_t)argc + 1) * sizeof *args);
    bool only_arguments = false;
    int exit;

    parse->cmd->args = args;
    for (int i = 0; i < argc;) {
        int used = 1;

        if (only_arguments || argv[i][0] != '-' || !argv[i][1])
            args[parse->cmd->n_args++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            only_arguments = true;
        else if ((exit = argv[i][1] == '-' ? parse_long(parse, argv + i, &used)
                                           : parse_short(parse, argv + i, &used)))
            return exit;
        i += used;
    }
    return 0;
}

/* Asked before anything else is looked at, so that errors are said in the way that was asked. */
static void
look_ahead(struct cmd *cmd, int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        cmd->json |= strcmp(argv[i], "--json") == 0;
}

static bool
wants_color(const char *when, int fd)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    if (strcmp(when, "auto") != 0)
        return strcmp(when, "always") == 0;
    return isatty(fd) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

bool
cmd_parse(struct cmd *cmd, void *block, int argc, char **argv, int *exit)
{
    struct parse parse = {.cmd = cmd, .block = block};

    look_ahead(cmd, argc, argv);
    if ((*exit = parse_words(&parse, argc, argv)))
        return false;
    if (parse.common.help) {
        hde_text help = {0};

        cmd_help_command(cmd->command, &help);
        *exit = cmd_print(cmd, &help, NULL);
        hde_text_free(&help);
        return false;
    }
    if ((*exit = fill_rest(&parse)) || (*exit = check_arguments(&parse)))
        return false;
    cmd->json = parse.common.json;
    cmd->quiet = parse.common.quiet;
    cmd->verbose = parse.common.verbose;
    cmd->color = wants_color(parse.common.color, STDOUT_FILENO);
    cmd->color_err = wants_color(parse.common.color, STDERR_FILENO);
    return true;
}
