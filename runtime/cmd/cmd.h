/* SPDX-License-Identifier: Apache-2.0
 * cmd - the command line: one table per command drives everything.
 *
 * A command is a `struct command`: its options are a table whose entries point into the command's
 * own block, as operators' parameters do. Parsing, environment, `hde help`, man page, bash
 * completion and "did you mean" all come from that table. To add a command, write
 *
 *     struct check_options { bool strict; struct cmd_list set; };
 *     const struct command cmd_check = {.name = "check", ..., CMD_BLOCK(struct check_options)};
 *
 * in cmd/check.c, declare it below, and add its line to the table in main.c.
 *
 * Results go to stdout, messages to stderr. Exit codes are those of sysexits.h, and 130 when a
 * second signal interrupted. SIGPIPE is ignored; a reader that went away is not an error. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "base/arena.h"
#include "base/err.h"

#include <hde/operator.h>
#include <hde/text.h>

#include <stddef.h>
#include <stdint.h>
#include <sysexits.h>

enum { CMD_OK = 0, CMD_FAILED = 1, CMD_INTERRUPTED = 130 };

struct cmd_list { /* of an option that may be given several times */
    size_t n;
    const char *const *item;
};

enum cmd_kind { CMD_FLAG = 1, CMD_TEXT, CMD_INT, CMD_REAL, CMD_DURATION, CMD_LIST };

/* What bash completes a value or an argument with. */
enum cmd_complete {
    CMD_COMPLETE_NONE,
    CMD_COMPLETE_FILE,
    CMD_COMPLETE_FOLDER,
    CMD_COMPLETE_COMMAND,  /* names of commands */
    CMD_COMPLETE_CODE,     /* codes of errors */
    CMD_COMPLETE_OPERATOR, /* names of operators on the plugin path */
    CMD_COMPLETE_ENGINE,   /* names of running graphs */
    CMD_COMPLETE_EDGE,     /* edges of the running graph */
    CMD_COMPLETE_NODE,     /* nodes of the running graph */
    CMD_COMPLETE_HOST,     /* hosts of the running graph */
    CMD_COMPLETE_BENCH,    /* installed hde-bench-NAME */
    CMD_COMPLETE_LOG,      /* nodes of the running graph, folders behind ls, cat, verify */
};

struct cmd_option {
    const char *name; /* long name without dashes; NULL ends the table */
    enum cmd_kind kind;
    size_t offset;        /* of the field in the command's block */
    char letter;          /* short name or 0 */
    const char *value;    /* what help calls the value: "PATH"; NULL for flags */
    const char *env;      /* read when the option is not given; NULL: none */
    const char *fallback; /* read when neither is given; NULL: the field stays zero */
    const char *choices;  /* text: "ascii|dot|json" */
    double min, max;      /* numbers, inclusive (durations: seconds); both 0: any value */
    enum cmd_complete complete;
    const char *help; /* one line, no full stop */
};

#define CMD_KIND(x)                                                                                \
    _Generic((x), bool: CMD_FLAG, const char *: CMD_TEXT, int64_t: CMD_INT, double: CMD_REAL,      \
        hde_duration: CMD_DURATION, struct cmd_list: CMD_LIST)
/* {CMD_OPTION("log-level", struct run_options, log_level), .value = "LEVEL", .help = "..."} */
#define CMD_OPTION(option, block, field)                                                           \
    .name = (option), .kind = CMD_KIND(((block *)0)->field), .offset = offsetof(block, field)

struct cmd_example {
    const char *line, *what; /* line NULL ends the table */
};

struct cmd_exit {
    int code;         /* 0 ends the table; 0 (fine) and 64 (usage) are in every help anyway */
    const char *when; /* NULL: the general meaning */
};

struct cmd;

enum cmd_group { CMD_GROUP_RUN, CMD_GROUP_LOOK, CMD_GROUP_WRITE, CMD_GROUP_TOOL, CMD_N_GROUPS };

struct command {
    const char *name;
    const char *args; /* for the usage line: "GRAPH [FILE...]"; "" for none */
    enum cmd_group group;
    const char *summary;                /* one line, no full stop: "run a graph" */
    const char *help;                   /* paragraphs separated by an empty line, or NULL */
    const struct cmd_example *examples; /* at least one */
    const struct cmd_option *options;   /* its own; those of every command are added */
    const struct cmd_exit *exits;       /* or NULL */
    const char *words;                  /* choices of the first argument: "operator|graph" */
    enum cmd_complete complete;         /* of the (other) arguments */
    int min_args, max_args;             /* arguments that are not options; max -1: any number */
    size_t block_size;
    /* options: block_size bytes filled from the table. Gives the exit code. */
    int (*run)(const struct cmd *cmd, const void *options);
};
#define CMD_BLOCK(type) .block_size = sizeof(type)

/* What every command gets. */
struct cmd {
    const struct command *command;
    const struct command *const *commands; /* all, ended by NULL */
    int n_args;
    const char *const *args; /* ended by NULL */
    bool json;               /* --json: results on stdout as JSON, errors on stderr as JSON */
    bool quiet, verbose;
    bool color, color_err; /* of stdout and stderr: --color, NO_COLOR, terminal */
    struct arena *arena;   /* until the command returns */
};

int cmd_main(const struct command *const *commands, int argc, char **argv);
/* main() of a program hde-VERB that is one command (library hde_cmd). With --man alone it prints
 * its manual page, which the build installs as hde-VERB(1). */
int cmd_program(const struct command *command, int argc, char **argv);

/* Says on stderr "hde VERB: error CODE: text" and the hint in a line of its own (NULL: none);
 * with --json as one JSON object. Gives exit, so that failing is one line. */
int cmd_error(const struct cmd *cmd, int exit, const char *code, const char *hint, const char *fmt,
              ...) __attribute__((format(printf, 5, 6)));
int cmd_error_err(const struct cmd *cmd, int exit, const struct err *err);
void cmd_note(const struct cmd *cmd, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* a line on stderr unless --quiet */
/* Writes all of text to stdout and clears it. EX_IOERR with a message if that fails; a reader that
 * went away counts as fine, with *gone set (may be NULL). */
int cmd_print(const struct cmd *cmd, hde_text *text, bool *gone);

const struct command *cmd_find(const struct command *const *commands, const char *name);
int cmd_unknown_verb(const struct cmd *cmd, const char *verb);
bool cmd_duration(const char *text, int64_t *ns); /* 5s, 250ms, 1h30m; plain numbers are refused */

/* options.c */
extern const struct cmd_option cmd_common_options[]; /* of every command */
/* Fills cmd and block from the words after the verb. False: *exit says how to leave. */
bool cmd_parse(struct cmd *cmd, void *block, int argc, char **argv, int *exit);

/* help.c: the same tables as text, man page and completion */
void cmd_help_overview(const struct command *const *commands, hde_text *out);
void cmd_help_command(const struct command *command, hde_text *out);
void cmd_help_json(const struct command *const *commands, hde_text *out);
void cmd_help_man(const struct command *const *commands, hde_text *out);
void cmd_help_man_program(const struct command *command, hde_text *out);
const char *cmd_exit_meaning(int exit);

/* external.c: programs called hde-VERB beside this program or in PATH. */
/* The file, or NULL. */
const char *cmd_external_find(const char *verb, struct arena *arena);
/* What follows "hde-PREFIX" in the names of programs, sorted, without doubles. */
struct cmd_list cmd_external_list(const char *prefix, struct arena *arena);
/* Runs it in place of this process; comes back only when that failed. */
int cmd_external_run(const struct cmd *cmd, const char *verb, const char *const *args);

/* words.c: the words of a kind ("edge", "operator", ...) that are valid now, one a line. file: a
 * graph whose hosts are asked for; NULL: those of the running one. */
void cmd_words(const struct cmd *cmd, const char *kind, const char *file, hde_text *out);

/* Commands, one file each. */
extern const struct command cmd_run, cmd_record, cmd_replay, cmd_reload, cmd_drain, cmd_stop;
extern const struct command cmd_plan, cmd_apply, cmd_rollback, cmd_history;
extern const struct command cmd_savepoint, cmd_bisect, cmd_why;
extern const struct command cmd_status, cmd_top, cmd_tap, cmd_log, cmd_dlq;
extern const struct command cmd_check, cmd_explain, cmd_graph;
extern const struct command cmd_describe, cmd_keygen, cmd_new;
extern const struct command cmd_bench, cmd_completion, cmd_version, cmd_help;

#endif
