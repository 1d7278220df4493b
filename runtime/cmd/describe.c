/* SPDX-License-Identifier: Apache-2.0
 * describe - what operators are there, and what does one take? */
#include "base/nearest.h"
#include "cmd/cmd.h"
#include "plugin/describe.h"

#include <string.h>

struct describe_options {
    const char *plugins;
    bool markdown;
};

/* Files that were refused: said, but no reason not to show the rest. */
static void
note_problems(const struct cmd *cmd, const struct registry *registry)
{
    const struct registry_problem *problems;
    size_t n = registry_problems(registry, &problems);

    for (size_t i = 0; i < n; i++)
        cmd_note(cmd, "%s: %s", problems[i].err.code, problems[i].err.text);
}

static int
no_such_operator(const struct cmd *cmd, const struct registry *registry, const char *name)
{
    struct nearest near = {.word = name};
    const char *hint = "hde describe lists what there is; --plugins and HDE_PLUGIN_PATH say where";

    for (size_t i = 0; i < registry_count(registry); i++) {
        const char *full = registry_at(registry, i)->op->name;

        nearest_try(&near, full);
        if (!strcmp(strchr(full, '/') + 1, name))
            near.best = full, near.distance = 0;
    }
    if (near.best)
        hint = arena_printf(cmd->arena, "did you mean '%s'?", near.best);
    note_problems(cmd, registry);
    return cmd_error(cmd, EX_UNAVAILABLE, "HDE-P016", hint, "no plugin has an operator '%s'", name);
}

static bool
is_file(const char *name)
{
    size_t len = strlen(name);

    return len > 3 && !strcmp(name + len - 3, ".so");
}

static void
put_one(const struct cmd *cmd, const struct describe_options *options,
        const struct registry_operator *operator, hde_text * out)
{
    if (out->len)
        hde_text_puts(out, cmd->json ? "," : "\n");
    if (cmd->json)
        describe_json(operator, out);
    else if (options->markdown)
        describe_markdown(operator, out);
    else
        describe_text(operator, out);
}

/* The operators of one argument: a name, or all of a plugin file. */
static int
put_argument(const struct cmd *cmd, const struct describe_options *options,
             struct registry *registry, const char *name, hde_text *out)
{
    const struct registry_operator *operator;
    struct registry *alone;
    struct err err = {0};

    if (!is_file(name)) {
        operator= registry_find(registry, name);
        if (!operator)
            return no_such_operator(cmd, registry, name);
        put_one(cmd, options, operator, out);
        return CMD_OK;
    }
    alone = registry_new_at("");
    if (!registry_open(alone, name, &err)) {
        registry_free(alone);
        return cmd_error_err(cmd, EX_DATAERR, &err);
    }
    for (size_t i = 0; i < registry_count(alone); i++)
        put_one(cmd, options, registry_at(alone, i), out);
    registry_free(alone);
    return CMD_OK;
}

static int
put_all(const struct cmd *cmd, const struct describe_options *options,
        const struct registry *registry, hde_text *out)
{
    if (cmd->json)
        describe_list_json(registry, out);
    else if (options->markdown)
        describe_list_markdown(registry, out);
    else
        describe_list(registry, out);
    note_problems(cmd, registry);
    return CMD_OK;
}

static int
run_describe(const struct cmd *cmd, const void *block)
{
    const struct describe_options *options = block;
    struct registry *registry = registry_new(options->plugins);
    hde_text out = {0}, list = {0};
    int exit = CMD_OK, written;

    if (!cmd->n_args)
        exit = put_all(cmd, options, registry, &out);
    for (int i = 0; i < cmd->n_args && exit == CMD_OK; i++)
        exit = put_argument(cmd, options, registry, cmd->args[i], &list);
    if (list.len && cmd->json)
        hde_text_printf(&out, cmd->n_args > 1 || is_file(cmd->args[0]) ? "[%s]\n" : "%s\n",
                        list.data);
    else if (list.len)
        hde_text_put(&out, list.data, list.len);
    written = out.len ? cmd_print(cmd, &out, NULL) : CMD_OK;
    hde_text_free(&out);
    hde_text_free(&list);
    registry_free(registry);
    return exit != CMD_OK ? exit : written;
}

static const struct cmd_option options[] = {
    {CMD_OPTION("plugins", struct describe_options, plugins), .value = "PATH",
     .complete = CMD_COMPLETE_FOLDER, .help = "look for plugins in these folders first"},
    {CMD_OPTION("markdown", struct describe_options, markdown),
     .help = "as Markdown: without OPERATOR the whole reference"},
    {0},
};

const struct command cmd_describe = {
    .name = "describe",
    .args = "[OPERATOR | FILE.so]...",
    .group = CMD_GROUP_WRITE,
    .summary = "list operators, or show the ports and parameters of one",
    .help = "Everything is printed from the operator's own tables, so it cannot be outdated. "
            "Plugins come from --plugins, HDE_PLUGIN_PATH (folders separated by colons) and the "
            "folder that belongs to this program; the first of a name wins. Files that are "
            "refused are named on stderr with the reason.",
    .examples =
        (const struct cmd_example[]){
            {"hde describe", "all operators"},
            {"hde describe processing/pcr", "ports, parameters and their defaults"},
            {"hde describe ./build/my-operator.so", "what a plugin file has"},
            {"hde describe --markdown > operators.md", "the whole reference"},
            {"hde describe --json processing/pcr", "for editors and scripts"},
            {0}},
    .options = options,
    .exits = (const struct cmd_exit[]){{EX_UNAVAILABLE, "there is no such operator"},
                                       {EX_DATAERR, "a plugin file was refused"},
                                       {0}},
    .complete = CMD_COMPLETE_OPERATOR,
    .min_args = 0,
    .max_args = -1,
    CMD_BLOCK(struct describe_options),
    .run = run_describe,
};
