/* SPDX-License-Identifier: Apache-2.0
 * move - nodes to other hosts of a running graph: what apply and plan do with --move. */
#ifndef CMD_MOVE_H
#define CMD_MOVE_H

#include "cmd/target.h"

struct move_words {
    struct cmd_list moves, lost;
};

/* Asks, waits for the outcome and tells it. */
int run_move(const struct cmd *cmd, const struct target_options *target,
             const struct move_words *words, bool plans_only);

/* Waits until what all hosts stop for is decided. 0 with the outcome (until the next question), or
 * an exit code. */
int move_follow(const struct cmd *cmd, struct client *client, uint32_t number,
                const Hde__EngineMove **out);

#define MOVE_OPTIONS(block)                                                                        \
    {CMD_OPTION("move", block, move.moves), .value = "NODE=HOST",                                  \
     .help = "instead of GRAPH: the node, or all nodes of that include, lie on this host"},        \
    {                                                                                              \
        CMD_OPTION("lost", block, move.lost),                                                      \
            .value = "HOST",                                                                       \
            .help =                                                                                \
                "with --move: this host does not come back, and its nodes go on elsewhere from "   \
                "their last epochs"                                                                \
    }

#endif
