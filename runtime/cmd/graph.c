/* SPDX-License-Identifier: Apache-2.0
 * graph - a picture of a graph file. */
#include "cmd/cmd.h"
#include "graph/write.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

struct graph_block {
    const char *format;
    struct cmd_list set;
    const char *plugins;
};

/* Graphviz makes the picture from the dot text on its stdin and writes to our stdout. */
static int
write_svg(const struct cmd *cmd, const hde_text *dot)
{
    FILE *pipe = popen("dot -Tsvg", "w");
    size_t written = pipe ? fwrite(dot->data, 1, dot->len, pipe) : 0;
    int status = pipe ? pclose(pipe) : -1;

    if (status == 0 && written == dot->len)
        return CMD_OK;
    if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return cmd_error(cmd, EX_UNAVAILABLE, "HDE-C031", "install graphviz, or use --format dot",
                         "the program 'dot' is not there");
    return cmd_error(cmd, EX_IOERR, "HDE-C032", NULL, "'dot' could not make the picture");
}

static int
put_graph(const struct cmd *cmd, const struct graph *graph, const char *format)
{
    bool svg = strcmp(format, "svg") == 0;
    enum graph_format kind = cmd->json || strcmp(format, "json") == 0 ? GRAPH_JSON
                             : svg || strcmp(format, "dot") == 0      ? GRAPH_DOT
                             : strcmp(format, "mermaid") == 0         ? GRAPH_MERMAID
                                                                      : GRAPH_ASCII;
    hde_text out = {0};
    int exit;

    graph_write(graph, kind, NULL, &out);
    exit = svg && !cmd->json ? write_svg(cmd, &out) : cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

static int
run_graph(const struct cmd *cmd, const void *block)
{
    const struct graph_block *given = block;
    struct graph_options options = {
        .sets = given->set.item, .n_sets = given->set.n, .insecure = true};
    struct registry *registry = registry_new(given->plugins);
    struct diags diags = {0};
    struct graph *graph = graph_load(cmd->args[0], &options, registry, &diags);
    hde_text said = {0};
    int exit;

    if (graph) {
        exit = put_graph(cmd, graph, given->format);
    } else {
        if (cmd->json)
            diags_json(&diags, &said);
        else
            diags_print(&diags, &said, cmd->color_err);
        fprintf(stderr, "%s%s", said.data ? said.data : "", cmd->json ? "\n" : "");
        exit = diags.unreadable ? EX_NOINPUT : EX_CONFIG;
    }
    hde_text_free(&said);
    graph_free(graph);
    diags_fini(&diags);
    registry_free(registry);
    return exit;
}

static const struct cmd_option options[] = {
    {CMD_OPTION("format", struct graph_block, format), .letter = 'f', .value = "FORMAT",
     .fallback = "ascii", .choices = "ascii|dot|mermaid|json|svg",
     .help = "ascii, dot, mermaid, json, or svg through graphviz"},
    {CMD_OPTION("set", struct graph_block, set), .letter = 's', .value = "NODE.PARAM=VALUE",
     .help = "set a parameter, or vars.NAME; may be given several times"},
    {CMD_OPTION("plugins", struct graph_block, plugins), .value = "PATH",
     .complete = CMD_COMPLETE_FOLDER, .help = "look for plugins in these folders first"},
    {0},
};

const struct command cmd_graph = {
    .name = "graph",
    .args = "GRAPH",
    .group = CMD_GROUP_WRITE,
    .summary = "draw a graph file",
    .help = "Nodes come in topological order; in ascii a rail runs from each node down to the last "
            "one that reads it. Chains are boxes in dot, mermaid and svg. json is the whole model "
            "with parameters and places; secrets are never shown.",
    .examples =
        (const struct cmd_example[]){{"hde graph graphs/demo.yaml", "in the terminal"},
                                     {"hde graph graphs/demo.yaml -f svg > demo.svg", "a picture"},
                                     {"hde graph graphs/demo.yaml -f mermaid", "for a README"},
                                     {"hde graph graphs/demo.yaml --json", "for scripts"},
                                     {0}},
    .options = options,
    .exits = (const struct cmd_exit[]){{EX_CONFIG, "something is wrong with the graph"},
                                       {EX_NOINPUT, "a file cannot be read"},
                                       {EX_UNAVAILABLE, "graphviz is not there"},
                                       {0}},
    .complete = CMD_COMPLETE_FILE,
    .min_args = 1,
    .max_args = 1,
    CMD_BLOCK(struct graph_block),
    .run = run_graph,
};
