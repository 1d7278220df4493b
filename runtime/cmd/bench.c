/* SPDX-License-Identifier: Apache-2.0
 * bench - runs an installed hde-bench-NAME. */
#include "base/nearest.h"
#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>

static int
list(const struct cmd *cmd, const struct cmd_list *names)
{
    hde_text out = {0};
    int exit;

    if (cmd->json)
        hde_text_puts(&out, "{\"benchmarks\":[");
    for (size_t i = 0; i < names->n; i++) {
        if (cmd->json) {
            hde_text_puts(&out, i ? "," : "");
            hde_json_string(&out, names->item[i]);
        } else {
            hde_text_printf(&out, "%s\n", names->item[i]);
        }
    }
    if (cmd->json)
        hde_text_puts(&out, "]}\n");
    if (!names->n)
        cmd_note(cmd, "no benchmark is installed (a program hde-bench-NAME beside hde or in PATH)");
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

static int
run_bench(const struct cmd *cmd, const void *options)
{
    struct arena arena = {0};
    struct cmd_list names = cmd_external_list("bench-", &arena);
    struct nearest near = {.word = cmd->n_args ? cmd->args[0] : ""};
    int exit = EX_USAGE;
    char hint[200];

    if (!cmd->n_args) {
        exit = list(cmd, &names);
        arena_fini(&arena);
        return exit;
    }
    for (size_t i = 0; i < names.n; i++) {
        nearest_try(&near, names.item[i]);
        if (strcmp(names.item[i], cmd->args[0]) == 0)
            exit = CMD_OK;
    }
    if (near.best)
        snprintf(hint, sizeof hint, "did you mean 'hde bench %s'?", near.best);
    else
        snprintf(hint, sizeof hint, "'hde bench' lists those that are installed");
    if (exit)
        cmd_error(cmd, exit, "HDE-C009", hint, "there is no benchmark '%s'", cmd->args[0]);
    else
        exit = cmd_external_run(cmd, arena_printf(&arena, "bench-%s", cmd->args[0]), cmd->args + 1);
    arena_fini(&arena);
    return exit;
}

const struct command cmd_bench = {
    .name = "bench",
    .args = "[NAME [-- OPTION...]]",
    .group = CMD_GROUP_TOOL,
    .summary = "run a benchmark, or list them",
    .help = "A benchmark is a program hde-bench-NAME beside hde or in PATH. What follows -- is "
            "passed on to it.",
    .examples = (const struct cmd_example[]){{"hde bench", "the installed benchmarks"},
                                             {"hde bench edges", "cost of a hop of each kind"},
                                             {"hde bench edges -- --help", "its own options"},
                                             {0}},
    .exits =
        (const struct cmd_exit[]){{CMD_FAILED, "the benchmark failed or missed its target"}, {0}},
    .complete = CMD_COMPLETE_BENCH,
    .max_args = -1,
    .run = run_bench,
};
