/* SPDX-License-Identifier: Apache-2.0
 * explain - what does an error code mean, and what is right instead? */
#include "base/nearest.h"
#include "cmd/cmd.h"
#include "cmd/codes.h"

#include <stdio.h>
#include <string.h>

static void
put_indented(hde_text *out, const char *label, const char *text)
{
    if (!text)
        return;
    hde_text_printf(out, "\n%s\n", label);
    while (*text) {
        size_t len = strcspn(text, "\n");

        hde_text_printf(out, "    %.*s\n", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

/* Words in lines of at most 80 columns. */
static void
put_wrapped(hde_text *out, const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t len = strcspn(text, " ");

        if (column && column + 1 + len > 80) {
            hde_text_puts(out, "\n");
            column = 0;
        }
        hde_text_printf(out, "%s%.*s", column ? " " : "", (int)len, text);
        column += len + (column > 0);
        text += len + (text[len] == ' ');
    }
    hde_text_puts(out, "\n");
}

static void
put_text(const struct code *code, hde_text *out)
{
    hde_text_printf(out, "%s%s: %s\n\n", out->len ? "\n" : "", code->code, code->title);
    put_wrapped(out, code->text);
    put_indented(out, "wrong:", code->wrong);
    put_indented(out, "right:", code->right);
}

static void
put_json(const struct code *code, hde_text *out)
{
    const char *const names[] = {"code", "title", "text", "wrong", "right"};
    const char *const values[] = {code->code, code->title, code->text, code->wrong, code->right};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        hde_text_printf(out, "%s\"%s\":", i ? "," : out->len > 1 ? ",{" : "{", names[i]);
        hde_json_string(out, values[i]);
    }
    hde_text_puts(out, "}");
}

static int
unknown(const struct cmd *cmd, const char *word)
{
    struct nearest near = {.word = word};
    char hint[80] = "'hde explain' lists all codes";

    for (size_t i = 0; i < cmd_code_count(); i++)
        nearest_try(&near, cmd_code_at(i)->code);
    if (near.best)
        snprintf(hint, sizeof hint, "did you mean '%s'? 'hde explain' lists all", near.best);
    return cmd_error(cmd, EX_USAGE, "HDE-C030", hint, "there is no code '%s'", word);
}

static int
run_explain(const struct cmd *cmd, const void *block)
{
    hde_text out = {0};
    int exit;

    hde_text_puts(&out, cmd->json ? "[" : "");
    for (int i = 0; i < cmd->n_args; i++) {
        const struct code *code = cmd_code_find(cmd->args[i]);

        if (!code) {
            hde_text_free(&out);
            return unknown(cmd, cmd->args[i]);
        }
        (cmd->json ? put_json : put_text)(code, &out);
    }
    for (size_t i = 0; !cmd->n_args && i < cmd_code_count(); i++) {
        if (cmd->json)
            put_json(cmd_code_at(i), &out);
        else
            hde_text_printf(&out, "%s  %s\n", cmd_code_at(i)->code, cmd_code_at(i)->title);
    }
    hde_text_puts(&out, cmd->json ? "]\n" : "");
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

static const struct cmd_option options[] = {{0}};

const struct command cmd_explain = {
    .name = "explain",
    .args = "[CODE...]",
    .group = CMD_GROUP_WRITE,
    .summary = "tell what an error code means",
    .help = "Prints what a code means, why something is refused, and what is right instead: "
            "graphs (G), plugins (P), running (R), logs on disk (L), Redis (D), the command line "
            "(C). Without CODE it lists all. Codes keep their meaning for ever.",
    .examples = (const struct cmd_example[]){{"hde explain HDE-G077", "one code"},
                                             {"hde explain g77", "the same in short"},
                                             {"hde explain", "all codes"},
                                             {0}},
    .options = options,
    .complete = CMD_COMPLETE_CODE,
    .min_args = 0,
    .max_args = -1,
    .block_size = 1,
    .run = run_explain,
};
