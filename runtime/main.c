/* SPDX-License-Identifier: Apache-2.0
 * hde - the table of subcommands; see cmd/cmd.h. */
#include "base/fault.h"
#include "cmd/cmd.h"
#include "engine/isolate.h"
#include "engine/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the order in which help lists them. */
static const struct command *const commands[] = {
    &cmd_run,
    &cmd_record,
    &cmd_replay,
    &cmd_savepoint,
    &cmd_bisect,
    &cmd_why,
    &cmd_reload,
    &cmd_plan,
    &cmd_apply,
    &cmd_rollback,
    &cmd_drain,
    &cmd_stop,
    &cmd_status,
    &cmd_top,
    &cmd_tap,
    &cmd_log,
    &cmd_dlq,
    &cmd_history,
    &cmd_check,
    &cmd_explain,
    &cmd_graph,
    &cmd_describe,
    &cmd_keygen,
    &cmd_new,
    &cmd_bench,
    &cmd_completion,
    &cmd_version,
    &cmd_help,
    NULL,
};

int
main(int argc, char **argv)
{
    const char *fault = getenv("HDE_FAULT"); /* tests alone set it */

    if (argc == 2 && strcmp(argv[1], TRIAL_ARGUMENT) == 0)
        return trial_child();
    if (argc == 3 && strcmp(argv[1], ISOLATE_ARGUMENT) == 0)
        return isolate_child(argv[2]);
    if (fault && !fault_arm(fault)) {
        fprintf(stderr, "hde: HDE_FAULT=%s is no PLACE:N (base/fault.h)\n", fault);
        return 64;
    }
    return cmd_main(commands, argc, argv);
}
