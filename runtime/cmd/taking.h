/* SPDX-License-Identifier: Apache-2.0
 * taking - a recorded run taken again by a command that looks into it: nothing is written, sources
 * are not asked. */
#ifndef CMD_TAKING_H
#define CMD_TAKING_H

#include "cmd/cmd.h"
#include "engine/engine.h"
#include "graph/parts.h"

struct taking_options {
    struct cmd_list set;
    const char *plugins, *graph;
};
#define TAKING_OPTIONS(block)                                                                      \
    {CMD_OPTION("graph", block, taking.graph), .value = "GRAPH", .complete = CMD_COMPLETE_FILE,    \
     .help = "this graph instead of the recorded one"},                                            \
        {CMD_OPTION("set", block, taking.set), .value = "NODE.PARAM=VALUE",                        \
         .help = "set a parameter, or a variable with vars.NAME=VALUE"},                           \
    {                                                                                              \
        CMD_OPTION("plugins", block, taking.plugins), .value = "PATH", .env = "HDE_PLUGIN_PATH",   \
            .complete = CMD_COMPLETE_FOLDER, .help = "folders with operators, separated by colons" \
    }

struct taking {
    const struct cmd *cmd;
    const char *log;
    struct registry *registry;
    struct graph *graph;
    char *folder;
    bool own_builds; /* the graph's, not those that the log names */
    const char **sets;
    size_t n_sets;
    struct graph_cut cut; /* n_links 0: the log is that of a graph in one part */
};

/* Loads the graph that the log names. plugin: a file, or a folder, whose operators win over those
 * of the same name, and over the builds that the log names; NULL: none. An exit code;
 * taking_close() after either. */
int taking_open(const struct cmd *cmd, const struct taking_options *options, const char *log,
                const char *plugin, struct taking *out);
/* Takes entries up to that tick (0: all) and shows what nodes emit; of one part, or (NULL) of all
 * that there are, each with ticks of its own. An exit code. */
int taking_run(struct taking *self, const char *part, const struct engine_trace *trace,
               uint64_t until);
/* The folder of a part's log (NULL: the graph is not cut). */
const char *taking_log(const struct taking *self, const char *part);
/* The part that a node is in; NULL: the graph is not cut. */
const char *taking_part(const struct taking *self, const char *node);
void taking_close(struct taking *self);

#endif
