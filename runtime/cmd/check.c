/* SPDX-License-Identifier: Apache-2.0
 * check - everything that is wrong with graph files, before anything runs. */
#include "cmd/cmd.h"
#include "graph/delivery.h"
#include "graph/graph.h"
#include "graph/hosts.h"

struct check_options {
    bool strict, delivery, insecure;
    struct cmd_list set;
    const char *plugins;
};

/* What holds for every sink, and what keeps it from being better. */
static void
put_delivery(const struct cmd *cmd, const struct graph *graph, hde_text *out)
{
    const char *comma = "";

    hde_text_puts(out, cmd->json ? ",\"delivery\":[" : "");
    for (size_t i = 0; i < graph->n_nodes; i++) {
        struct delivery_proof proof;

        if (!delivery_is_sink(&graph->nodes[i]))
            continue;
        delivery_prove(graph, i, cmd->arena, &proof);
        if (!cmd->json) {
            hde_text_printf(out, "  %s: %s%s%s\n", graph->nodes[i].name,
                            delivery_name(proof.level), proof.why ? ": " : "",
                            proof.why ? proof.why : "");
            continue;
        }
        hde_text_printf(out, "%s{\"sink\":", comma);
        hde_json_string(out, graph->nodes[i].name);
        hde_text_puts(out, ",\"level\":");
        hde_json_string(out, delivery_name(proof.level));
        hde_text_puts(out, ",\"why\":");
        hde_json_string(out, proof.why);
        hde_text_puts(out, "}");
        comma = ",";
    }
    hde_text_puts(out, cmd->json ? "]" : "");
}

static void
put_ok(const char *path, const struct graph *graph, hde_text *out)
{
    size_t n_remote = 0, n_spare = 0;

    hde_text_printf(out, "%s: ok, graph %s, %zu nodes, %zu edges", path, graph->name,
                    graph->n_nodes, graph->n_edges);
    for (size_t i = 0; i < graph->n_edges; i++)
        n_remote += graph->edges[i].is_remote;
    for (size_t i = 0; i < graph->n_hosts; i++)
        n_spare += !hosts_has_nodes(graph, i);
    if (graph->n_hosts)
        hde_text_printf(out, ", %zu hosts, %zu edges between them", graph->n_hosts, n_remote);
    if (n_spare)
        hde_text_printf(out, ", no nodes on %zu of them", n_spare);
    hde_text_puts(out, "\n");
}

/* What is said about a file that is right. */
static void
put_file(const struct cmd *cmd, const char *path, const struct graph *graph, bool delivery,
         hde_text *out)
{
    if (!cmd->json) {
        if (graph && !cmd->quiet)
            put_ok(path, graph, out);
        if (graph && delivery)
            put_delivery(cmd, graph, out);
        return;
    }
    hde_text_puts(out, out->len ? "," : "");
    hde_text_puts(out, "{\"path\":");
    hde_json_string(out, path);
    hde_text_printf(out, ",\"ok\":%s", graph ? "true" : "false");
    if (graph) {
        hde_text_puts(out, ",\"name\":");
        hde_json_string(out, graph->name);
        hde_text_printf(out, ",\"nodes\":%zu,\"edges\":%zu", graph->n_nodes, graph->n_edges);
        if (delivery)
            put_delivery(cmd, graph, out);
    }
    hde_text_puts(out, "}");
}

static void
put_summary(const struct diags *diags, hde_text *out)
{
    size_t errors = diags->errors, all = diags->n + diags->left_out;

    if (all)
        hde_text_printf(out, "%zu error%s, %zu warning%s; 'hde explain CODE' tells more\n", errors,
                        errors == 1 ? "" : "s", all - errors, all - errors == 1 ? "" : "s");
}

static int
run_check(const struct cmd *cmd, const void *block)
{
    const struct check_options *check = block;
    struct graph_options options = {
        .sets = check->set.item,
        .n_sets = check->set.n,
        .strict = check->strict,
        .insecure = check->insecure};
    struct registry *registry = registry_new(check->plugins);
    hde_text files = {0}, out = {0};
    struct diags diags = {0};
    int exit, written;

    for (int i = 0; i < cmd->n_args; i++) {
        struct graph *graph = graph_load(cmd->args[i], &options, registry, &diags);

        put_file(cmd, cmd->args[i], graph, check->delivery, &files);
        graph_free(graph);
    }
    if (cmd->json) {
        hde_text_printf(&out, "{\"files\":[%s],\"errors\":%zu,\"findings\":",
                        files.data ? files.data : "", diags.errors);
        diags_json(&diags, &out);
        hde_text_puts(&out, "}\n");
    } else {
        diags_print(&diags, &out, cmd->color);
        hde_text_puts(&out, files.data ? files.data : "");
        put_summary(&diags, &out);
    }
    exit = diags.unreadable ? EX_NOINPUT : diags.errors ? EX_CONFIG : CMD_OK;
    written = out.len ? cmd_print(cmd, &out, NULL) : CMD_OK;
    diags_fini(&diags);
    registry_free(registry);
    hde_text_free(&files);
    hde_text_free(&out);
    return exit != CMD_OK ? exit : written;
}

static const struct cmd_option options[] = {
    {CMD_OPTION("strict", struct check_options, strict),
     .help = "take warnings for errors, such as secrets that are not there"},
    {CMD_OPTION("delivery", struct check_options, delivery),
     .help = "print for each sink how often messages reach it when processes die, and why"},
    {CMD_OPTION("insecure", struct check_options, insecure),
     .help = "hosts without keys may listen on any address: the network is trusted"},
    {CMD_OPTION("set", struct check_options, set), .letter = 's', .value = "NODE.PARAM=VALUE",
     .help = "set a parameter, or vars.NAME; may be given several times"},
    {CMD_OPTION("plugins", struct check_options, plugins), .value = "PATH",
     .complete = CMD_COMPLETE_FOLDER, .help = "look for plugins in these folders first"},
    {0},
};

const struct command cmd_check = {
    .name = "check",
    .args = "GRAPH...",
    .group = CMD_GROUP_WRITE,
    .summary = "find everything that is wrong with graph files",
    .help = "Reads each graph with all that it includes, resolves variables, checks parameters "
            "against the operators' own tables, ports, message types and cycles, and prints every "
            "finding of every file with its place, a stable code and the nearest valid name. "
            "Nothing is started.\n\n"
            "Chains can be checked alone. A missing secret or environment variable is a warning "
            "here and an error for 'hde run'; --strict makes it an error here too.",
    .examples =
        (const struct cmd_example[]){
            {"hde check graphs/demo.yaml", "one graph"},
            {"hde check graphs/*.yaml", "all of a folder, chains too"},
            {"hde check graphs/replay.yaml --set source.path=x.csv", "with a value put in"},
            {"hde check --delivery graphs/demo.yaml", "is anything lost or doubled by a crash?"},
            {"hde check --json graphs/demo.yaml", "for editors"},
            {0}},
    .options = options,
    .exits = (const struct cmd_exit[]){{EX_CONFIG, "something is wrong with a graph"},
                                       {EX_NOINPUT, "a file cannot be read"},
                                       {0}},
    .complete = CMD_COMPLETE_FILE,
    .min_args = 1,
    .max_args = -1,
    CMD_BLOCK(struct check_options),
    .run = run_check,
};
