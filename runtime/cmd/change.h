/* SPDX-License-Identifier: Apache-2.0
 * change - how plans and changes of the running graph are asked for and shown. */
#ifndef CMD_CHANGE_H
#define CMD_CHANGE_H

#include "cmd/target.h"

/* Appends what is not the same (all of it with --verbose), and a line that sums it up. */
void change_put_plan(const struct cmd *cmd, const Hde__GraphPlan *plan, hde_text *out);

/* A line for each other host of the graph: what became of the change there. */
void change_put_hosts(const struct cmd *cmd, const Hde__GraphChange *change, hde_text *out);
const char *change_state_word(Hde__ChangeState state);
char *change_who(const struct cmd *cmd); /* who asks for it */

/* Loads a graph to find mistakes before anybody is asked. NULL with *exit set after the findings
 * were shown. */
struct graph;
struct registry;
struct graph *change_load(const struct cmd *cmd, const char *path, const struct cmd_list *set,
                          struct registry *registry, int *exit);

/* Asks and waits until it is decided. 0 with the change (until client_close), or an exit code. */
int change_ask(const struct cmd *cmd, const struct target_options *target,
               Hde__ControlApply *apply, struct client **client, const Hde__GraphChange **change);
/* The same when it was asked, and reply is the answer. */
int change_follow(const struct cmd *cmd, struct client *client, const Hde__ControlReply *reply,
                  const Hde__GraphChange **change);

enum { CHANGE_WOULD_LOSE = 2 }; /* exit code of a plan that loses state */

#endif
