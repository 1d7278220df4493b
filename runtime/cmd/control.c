/* SPDX-License-Identifier: Apache-2.0
 * control - the verbs that tell a running engine something: drain, stop, log. */
#include "base/log.h"
#include "cmd/target.h"

#include <stdio.h>
#include <string.h>

struct target_block {
    struct target_options target;
};

static const struct cmd_option target_rows[] = {TARGET_OPTIONS(struct target_block), {0}};

static int
done(const struct cmd *cmd, const char *what)
{
    hde_text out = {0};
    int exit;

    if (cmd->json)
        hde_text_printf(&out, "{\"ok\":true,\"did\":\"%s\"}\n", what);
    else if (!cmd->quiet)
        hde_text_printf(&out, "%s\n", what);
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

static int
tell(const struct cmd *cmd, const void *options, Hde__ControlRequest *request, const char *what)
{
    const struct target_block *block = options;
    const Hde__ControlReply *reply;
    struct client *client;
    int exit = target_ask(cmd, &block->target, request, &client, &reply);

    if (exit)
        return exit;
    client_close(client);
    return done(cmd, what);
}

static int
run_drain(const struct cmd *cmd, const void *options)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlDrain drain = HDE__CONTROL_DRAIN__INIT;

    request.ask_case = HDE__CONTROL_REQUEST__ASK_DRAIN;
    request.drain = &drain;
    return tell(cmd, options, &request, "draining");
}

static int
run_stop(const struct cmd *cmd, const void *options)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlStop stop = HDE__CONTROL_STOP__INIT;

    request.ask_case = HDE__CONTROL_REQUEST__ASK_STOP;
    request.stop = &stop;
    return tell(cmd, options, &request, "stopping");
}

static int
run_log(const struct cmd *cmd, const void *options)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlLog log = HDE__CONTROL_LOG__INIT;
    enum level level = LEVEL_INFO;
    char what[200];

    log_level_parse(cmd->args[0], &level);
    request.ask_case = HDE__CONTROL_REQUEST__ASK_LOG;
    request.log = &log;
    log.has_level = true;
    log.level = (Hde__ControlLogLevel)((int)level + 1);
    log.node = (char *)(cmd->n_args > 1 ? cmd->args[1] : NULL);
    snprintf(what, sizeof what, "%s logs from %s on", log.node ? log.node : "every node",
             cmd->args[0]);
    return tell(cmd, options, &request, what);
}

const struct command cmd_drain = {
    .name = "drain",
    .args = "",
    .group = CMD_GROUP_RUN,
    .summary = "end a running graph gently",
    .help = "Sources stop, everything that is under way is finished, sinks flush, then the engine "
            "ends with exit code 0. The command returns when the draining has begun. A signal "
            "(Ctrl-C) does the same.",
    .examples = (const struct cmd_example[]){{"hde drain", "the only engine that runs"},
                                             {"hde drain --graph market", "one of several"},
                                             {0}},
    .options = target_rows,
    .exits = (const struct cmd_exit[]){TARGET_EXITS, {0}},
    CMD_BLOCK(struct target_block),
    .run = run_drain,
};

const struct command cmd_stop = {
    .name = "stop",
    .args = "",
    .group = CMD_GROUP_RUN,
    .summary = "end a running graph now",
    .help = "What is under way inside the graph is dropped. 'hde drain' loses nothing.",
    .examples = (const struct cmd_example[]){{"hde stop", "the only engine that runs"},
                                             {"hde stop --pid 4711", "one of several"},
                                             {0}},
    .options = target_rows,
    .exits = (const struct cmd_exit[]){TARGET_EXITS, {0}},
    CMD_BLOCK(struct target_block),
    .run = run_stop,
};

const struct command cmd_log = {
    .name = "log",
    .args = "LEVEL [NODE]",
    .group = CMD_GROUP_LOOK,
    .summary = "change what a running graph logs",
    .examples = (const struct cmd_example[]){{"hde log debug processing.iv", "all of one node"},
                                             {"hde log warn", "less of every node"},
                                             {0}},
    .options = target_rows,
    .exits = (const struct cmd_exit[]){{EX_DATAERR, "there is no such node"}, TARGET_EXITS, {0}},
    .words = "debug|info|warn|error",
    .complete = CMD_COMPLETE_NODE,
    .min_args = 1,
    .max_args = 2,
    CMD_BLOCK(struct target_block),
    .run = run_log,
};
