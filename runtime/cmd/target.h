/* SPDX-License-Identifier: Apache-2.0
 * target - which running engine a command speaks to. */
#ifndef CMD_TARGET_H
#define CMD_TARGET_H

#include "cmd/cmd.h"
#include "control/client.h"
#include "control/engines.h"

/* First field of the blocks of such commands. */
struct target_options {
    const char *graph, *control;
    int64_t pid;
};
#define TARGET_OPTIONS(block)                                                                      \
    {CMD_OPTION("graph", block, target.graph), .value = "NAME", .env = "HDE_GRAPH",                \
     .complete = CMD_COMPLETE_ENGINE, .help = "the engine that runs the graph of this name"},      \
        {CMD_OPTION("pid", block, target.pid), .value = "PID", .min = 0, .max = 4194304,           \
         .help = "the engine with this process id"},                                               \
    {                                                                                              \
        CMD_OPTION("control", block, target.control),                                              \
            .value = "ENDPOINT", .env = "HDE_CONTROL",                                             \
            .help = "its control endpoint: ipc://FILE or tcp://ADDRESS:PORT"                       \
    }
#define TARGET_EXITS                                                                               \
    {                                                                                              \
        EX_UNAVAILABLE, "no engine runs, or it does not answer"                                    \
    }

/* Finds the one that is meant; with --control an entry without graph, file and stats (NULL). 0, or
 * the exit code after the error was said: 69 if none runs, 64 if several do. */
int target_find(const struct cmd *cmd, const struct target_options *options,
                struct engine_entry *entry);

enum { TARGET_TIMEOUT_MS = 2000 };

/* For an answer about something that was begun and may take until end_ns (monotonic): while it is
 * done the engine may have no time for answers. */
int target_patience_ms(int64_t end_ns);

/* target_find(), then one request. 0 with the answer (until client_close) or an exit code. */
int target_ask(const struct cmd *cmd, const struct target_options *options,
               Hde__ControlRequest *request, struct client **client,
               const Hde__ControlReply **reply);

/* The same for a request that is answered by doing it; says on stdout what was done. */
int target_tell(const struct cmd *cmd, const struct target_options *options,
                Hde__ControlRequest *request, const char *what);

/* A fresh status, by asking or, where the engine is on this machine and does not answer, from its
 * counters in shared memory. */
struct watch; /* keeps the connection and the mapping between readings */
int watch_open(const struct cmd *cmd, const struct target_options *options, struct watch **out);
/* NULL: the engine has gone. Lives in arena. */
const Hde__EngineStatus *watch_read(struct watch *watch, struct arena *arena);
/* That of another host of its graph, through the engine that is watched; lent until the next
 * reading. NULL with err: it does not answer. */
const Hde__EngineStatus *watch_read_host(struct watch *watch, const char *host, struct err *err);
bool watch_answers(const struct watch *watch); /* the last reading came from the endpoint */
void watch_close(struct watch *watch);

#endif
