/* SPDX-License-Identifier: Apache-2.0
 * man - the manual pages hde(1) and hde-VERB(1) from the tables. */
#include "cmd/cmd.h"

#include <ctype.h>
#include <string.h>

/* Text of roff: no line may begin with a dot or an apostrophe, dashes stay dashes. */
static void
put(hde_text *out, const char *text, size_t len)
{
    bool line_start = !out->len || out->data[out->len - 1] == '\n';

    for (size_t i = 0; i < len; i++) {
        if (line_start && (text[i] == '.' || text[i] == '\''))
            hde_text_puts(out, "\\&");
        if (text[i] == '-')
            hde_text_puts(out, "\\-");
        else if (text[i] == '\\')
            hde_text_puts(out, "\\e");
        else if (text[i] == '\'')
            hde_text_puts(out, "\\(aq");
        else
            hde_text_put(out, &text[i], 1);
        line_start = text[i] == '\n';
    }
}

static void
puts_roff(hde_text *out, const char *text)
{
    put(out, text, strlen(text));
}

static void
man_option(hde_text *out, const struct cmd_option *option)
{
    hde_text_puts(out, ".TP\n\\fB");
    if (option->letter)
        hde_text_printf(out, "\\-%c\\fR, \\fB", option->letter);
    hde_text_puts(out, "\\-\\-");
    puts_roff(out, option->name);
    hde_text_puts(out, "\\fR");
    if (option->kind != CMD_FLAG)
        hde_text_printf(out, " \\fI%s\\fR", option->value);
    hde_text_puts(out, "\n");
    puts_roff(out, option->help);
    if (option->choices) {
        hde_text_puts(out, ": ");
        for (const char *c = option->choices; *c; c++)
            puts_roff(out, *c == '|' ? ", " : (char[]){*c, 0});
    }
    hde_text_puts(out, ".");
    if (option->kind == CMD_LIST)
        hde_text_puts(out, " May be given several times.");
    if (option->fallback) {
        hde_text_puts(out, " Default: ");
        puts_roff(out, option->fallback);
        hde_text_puts(out, ".");
    }
    if (option->env)
        hde_text_printf(out, " Environment: %s.", option->env);
    hde_text_puts(out, "\n");
}

static void
man_command(hde_text *out, const struct command *command)
{
    hde_text_printf(out, ".SS hde %s %s\n", command->name, command->args);
    hde_text_printf(out, "%c", toupper((unsigned char)command->summary[0]));
    puts_roff(out, command->summary + 1);
    hde_text_puts(out, ".\n");
    for (const char *text = command->help ? command->help : ""; *text;) {
        const char *end = strstr(text, "\n\n");
        size_t len = end ? (size_t)(end - text) : strlen(text);

        hde_text_puts(out, *text == ' ' ? ".PP\n.nf\n" : ".PP\n");
        put(out, text, len);
        hde_text_puts(out, *text == ' ' ? "\n.fi\n" : "\n");
        text += len + (end ? 2 : 0);
    }
    for (const struct cmd_example *e = command->examples; e->line; e++) {
        hde_text_puts(out, ".TP\n.B ");
        puts_roff(out, e->line);
        hde_text_puts(out, "\n");
        puts_roff(out, e->what);
        hde_text_puts(out, "\n");
    }
    for (const struct cmd_option *o = command->options; o && o->name; o++)
        man_option(out, o);
    if (command->exits) {
        hde_text_puts(out, ".PP\nExit codes:");
        for (const struct cmd_exit *e = command->exits; e->code; e++) {
            hde_text_printf(out, "%s %d (", e == command->exits ? "" : ",", e->code);
            puts_roff(out, e->when ? e->when : cmd_exit_meaning(e->code));
            hde_text_puts(out, ")");
        }
        hde_text_puts(out, ".\n");
    }
}

void
cmd_help_man(const struct command *const *commands, hde_text *out)
{
    static const int exits[] = {
        CMD_OK,       CMD_FAILED, EX_USAGE,    EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE, EX_SOFTWARE,
        EX_CANTCREAT, EX_IOERR,   EX_TEMPFAIL, EX_NOPERM,  EX_CONFIG,  CMD_INTERRUPTED};

    hde_text_puts(out, ".TH HDE 1 \"\" \"hde " HDE_VERSION "\" \"HFT Data Engine\"\n"
                       ".SH NAME\nhde \\- run graphs of operators on live and recorded data\n"
                       ".SH SYNOPSIS\n.B hde\n.I VERB\n.RI [ OPTION ...]\n.RI [ ARGUMENT ...]\n"
                       ".SH DESCRIPTION\n.B hde\nloads operators from plugins, wires them into the "
                       "graph that a YAML file describes (see\n.BR hde\\-graph (5)),\nand keeps it "
                       "running. A verb that is not in the list runs the program\n.BI hde\\- VERB\n"
                       "beside hde or in PATH.\n"
                       ".PP\nResults go to stdout, messages to stderr. Precedence of options: "
                       "command line, environment, default.\n"
                       ".SH OPTIONS OF EVERY COMMAND\n");
    for (const struct cmd_option *o = cmd_common_options; o->name; o++)
        man_option(out, o);
    hde_text_puts(out, ".SH COMMANDS\n");
    for (size_t i = 0; commands[i]; i++)
        man_command(out, commands[i]);
    hde_text_puts(out, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < sizeof exits / sizeof *exits; i++) {
        hde_text_printf(out, ".TP\n.B %d\n", exits[i]);
        puts_roff(out, cmd_exit_meaning(exits[i]));
        hde_text_puts(out, "\n");
    }
    hde_text_puts(out, ".SH SEE ALSO\n.BR hde\\-graph (5)\n");
}

void
cmd_help_man_program(const struct command *command, hde_text *out)
{
    hde_text_puts(out, ".TH HDE\\-");
    for (const char *c = command->name; *c; c++)
        hde_text_printf(out, *c == '-' ? "\\-" : "%c", toupper((unsigned char)*c));
    hde_text_puts(out, " 1 \"\" \"hde " HDE_VERSION "\" \"HFT Data Engine\"\n.SH NAME\nhde\\-");
    puts_roff(out, command->name);
    hde_text_puts(out, " \\- ");
    puts_roff(out, command->summary);
    hde_text_puts(out, "\n.SH DESCRIPTION\n");
    man_command(out, command);
    hde_text_puts(out, ".SH COMMON OPTIONS\n");
    for (const struct cmd_option *o = cmd_common_options; o->name; o++)
        man_option(out, o);
    hde_text_puts(out, ".SH SEE ALSO\n.BR hde (1)\n");
}
