/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"
#include "base/nearest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
say_error(const struct cmd *cmd, int exit, const char *code, const char *hint, const char *text)
{
    const char *verb = cmd->command ? cmd->command->name : NULL;
    hde_text out = {0};

    if (cmd->json) {
        hde_text_puts(&out, "{\"error\":{\"code\":");
        hde_json_string(&out, code);
        hde_text_puts(&out, ",\"message\":");
        hde_json_string(&out, text);
        hde_text_puts(&out, ",\"hint\":");
        hde_json_string(&out, hint);
        hde_text_printf(&out, ",\"exit\":%d}}\n", exit);
    } else {
        const char *red = cmd->color_err ? "\033[31m" : "", *off = cmd->color_err ? "\033[0m" : "";

        hde_text_printf(&out, "hde%s%s: %serror %s:%s %s\n", verb ? " " : "", verb ? verb : "", red,
                        code, off, text);
        if (hint)
            hde_text_printf(&out, "  %s\n", hint);
    }
    fflush(stdout);
    fwrite(out.data, 1, out.len, stderr);
    hde_text_free(&out);
    return exit;
}

int
cmd_error(const struct cmd *cmd, int exit, const char *code, const char *hint, const char *fmt, ...)
{
    va_list args;
    char text[2000];

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return say_error(cmd, exit, code, hint, text);
}

int
cmd_error_err(const struct cmd *cmd, int exit, const struct err *err)
{
    return say_error(cmd, exit, err->code, NULL, err->text);
}

void
cmd_note(const struct cmd *cmd, const char *fmt, ...)
{
    va_list args;

    if (cmd->quiet)
        return;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

int
cmd_print(const struct cmd *cmd, hde_text *text, bool *gone)
{
    size_t done = 0;
    int exit = CMD_OK;

    if (gone)
        *gone = false;
    while (done < text->len) {
        ssize_t n = write(STDOUT_FILENO, text->data + done, text->len - done);

        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EPIPE) {
            if (gone)
                *gone = true;
            break;
        } else if (errno != EINTR) {
            exit = cmd_error(cmd, EX_IOERR, "HDE-C008", NULL, "cannot write to stdout: %s",
                             strerror(errno));
            break;
        }
    }
    hde_text_clear(text);
    return exit;
}

const struct command *
cmd_find(const struct command *const *commands, const char *name)
{
    for (; *commands; commands++)
        if (strcmp((*commands)->name, name) == 0)
            return *commands;
    return NULL;
}

int
cmd_unknown_verb(const struct cmd *cmd, const char *verb)
{
    struct nearest near = {.word = verb};
    struct arena arena = {0};
    struct cmd_list external = cmd_external_list("", &arena);
    char hint[200];

    for (size_t i = 0; cmd->commands[i]; i++)
        nearest_try(&near, cmd->commands[i]->name);
    for (size_t i = 0; i < external.n; i++)
        nearest_try(&near, external.item[i]);
    if (near.best)
        snprintf(hint, sizeof hint, "did you mean 'hde %s'?", near.best);
    else
        snprintf(hint, sizeof hint, "'hde help' lists the commands");
    arena_fini(&arena);
    return cmd_error(cmd, EX_USAGE, "HDE-C001", hint,
                     "unknown command '%s' (and no program hde-%s beside hde or in PATH)", verb,
                     verb);
}

static int
run_command(struct cmd *cmd, int argc, char **argv)
{
    void *block = arena_alloc(cmd->arena, cmd->command->block_size);
    int exit;

    if (!cmd_parse(cmd, block, argc, argv, &exit))
        return exit;
    return cmd->command->run(cmd, block);
}

static int
dispatch(struct cmd *cmd, int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "help";

    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0)
        verb = "help";
    else if (strcmp(verb, "--version") == 0 || strcmp(verb, "-V") == 0)
        verb = "version";
    cmd->command = cmd_find(cmd->commands, verb);
    if (cmd->command)
        return run_command(cmd, argc > 2 ? argc - 2 : 0, argv + (argc > 2 ? 2 : argc));
    if (verb[0] == '-')
        return cmd_error(cmd, EX_USAGE, "HDE-C002", "the command comes first: hde VERB [OPTION...]",
                         "unknown option '%s'", verb);
    if (cmd_external_find(verb, cmd->arena))
        return cmd_external_run(cmd, verb, (const char *const *)argv + 2);
    return cmd_unknown_verb(cmd, verb);
}

/* A file opened later must not become stdin, stdout or stderr. */
static void
open_standard_files(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);
}

int
cmd_main(const struct command *const *commands, int argc, char **argv)
{
    struct arena arena = {0};
    struct cmd cmd = {.commands = commands, .arena = &arena};
    int exit;

    open_standard_files();
    signal(SIGPIPE, SIG_IGN);
    exit = dispatch(&cmd, argc, argv);
    arena_fini(&arena);
    return exit;
}

int
cmd_program(const struct command *command, int argc, char **argv)
{
    const struct command *const commands[] = {command, NULL};
    struct arena arena = {0};
    struct cmd cmd = {.command = command, .commands = commands, .arena = &arena};
    int exit;

    open_standard_files();
    signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && strcmp(argv[1], "--man") == 0) {
        hde_text page = {0};

        cmd_help_man_program(command, &page);
        exit = cmd_print(&cmd, &page, NULL);
        hde_text_free(&page);
    } else {
        exit = run_command(&cmd, argc - 1, argv + 1);
    }
    arena_fini(&arena);
    return exit;
}
