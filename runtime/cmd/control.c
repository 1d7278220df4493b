/* SPDX-License-Identifier: Apache-2.0
 * control - the verbs that tell a running engine something: drain, stop. */
#include "cmd/target.h"

struct target_block {
    struct target_options target;
};

static const struct cmd_option target_rows[] = {TARGET_OPTIONS(struct target_block), {0}};

static int
run_drain(const struct cmd *cmd, const void *options)
{
    const struct target_block *block = options;
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlDrain drain = HDE__CONTROL_DRAIN__INIT;

    request.ask_case = HDE__CONTROL_REQUEST__ASK_DRAIN;
    request.drain = &drain;
    if (cmd->n_args)
        request.host = (char *)(uintptr_t)cmd->args[0];
    return target_tell(cmd, &block->target, &request, "draining");
}

static int
run_stop(const struct cmd *cmd, const void *options)
{
    const struct target_block *block = options;
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlStop stop = HDE__CONTROL_STOP__INIT;

    request.ask_case = HDE__CONTROL_REQUEST__ASK_STOP;
    request.stop = &stop;
    return target_tell(cmd, &block->target, &request, "stopping");
}

const struct command cmd_drain = {
    .name = "drain",
    .args = "[HOST]",
    .group = CMD_GROUP_RUN,
    .summary = "end a running graph gently",
    .help = "Sources stop, everything that is under way is finished, sinks flush, then the engine "
            "ends with exit code 0. The command returns when the draining has begun. A signal "
            "(Ctrl-C) does the same.\n\nOf a graph with hosts: the engine of that host, asked through any "
            "other. What the others send it meanwhile is kept for its next start, so hosts can be "
            "replaced one by one.",
    .examples = (const struct cmd_example[]){{"hde drain", "the only engine that runs"},
                                             {"hde drain --graph market", "one of several"},
                                             {"hde drain calc", "another host of its graph"},
                                             {0}},
    .options = target_rows,
    .exits = (const struct cmd_exit[]){TARGET_EXITS, {0}},
    .complete = CMD_COMPLETE_HOST,
    .max_args = 1,
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
