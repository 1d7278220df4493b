/* SPDX-License-Identifier: Apache-2.0
 * bisect - two builds of a plugin take the same log: where do their outputs part?
 *
 * First both runs are hashed in stretches of ticks, for every output of every node; then the first
 * stretch that differs is taken again with all messages kept, and compared one by one. */
#include "base/differ.h"
#include "base/hash64.h"
#include "cmd/kept.h"
#include "cmd/taking.h"
#include "plugin/check.h"
#include "seglog/seglog.h"

#include <hde/schemas/runtime.pb-c.h>

#include <stdlib.h>
#include <string.h>

enum { STRETCH = 64 /* ticks */ };

struct bisect_options {
    struct taking_options taking;
    const char *good, *bad;
};

/* ---- Stretches ---------------------------------------------------------------------------- */

struct stretches { /* of one output port of one instance */
    size_t n, cap;
    struct stretch {
        uint64_t number, hash;
    } *item;
};

struct side {
    const char *plugin;
    struct taking taking;
    uint32_t n_nodes, n_ports; /* instances; outputs of all of them */
    uint32_t *first_port;      /* of each instance */
    struct stretches *ports;
    struct kept kept; /* messages of the stretch */
};

/* Instances are numbered as the engine does: nodes of the graph in order, replicas of each. */
static void
number_ports(struct side *side)
{
    const struct graph *graph = side->taking.graph;

    for (size_t i = 0; i < graph->n_nodes; i++)
        for (int64_t r = 0; r < graph->nodes[i].replicas || r == 0; r++) {
            side->first_port =
                xrealloc(side->first_port, (side->n_nodes + 1) * sizeof *side->first_port);
            side->first_port[side->n_nodes++] = side->n_ports;
            side->n_ports += count_ports(graph->nodes[i].op->outputs);
        }
    side->ports = xcalloc(side->n_ports + 1, sizeof *side->ports);
}

static void
note_hash(void *arg, const struct engine_emitted *m)
{
    struct side *side = arg;
    struct stretches *list = &side->ports[side->first_port[m->id] + m->port];
    const uint64_t number = m->tick / STRETCH;
    struct stretch *last = list->n ? &list->item[list->n - 1] : NULL;
    uint64_t head[3];

    if (!last || last->number != number) {
        if (list->n == list->cap) {
            list->cap = list->cap ? 2 * list->cap : 64;
            list->item = xrealloc(list->item, list->cap * sizeof *list->item);
        }
        last = &list->item[list->n++];
        *last = (struct stretch){.number = number};
    }
    head[0] = last->hash;
    head[1] = m->tick;
    head[2] = (uint64_t)m->event_ns;
    last->hash = hash64(hash64(0, head, sizeof head), m->bytes, m->size);
}

/* The first stretch in which two outputs part, if it comes before *first. */
static void
part(const struct stretches *a, const struct stretches *b, uint64_t *first)
{
    uint64_t number;
    size_t i = 0;

    while (i < a->n && i < b->n && a->item[i].number == b->item[i].number &&
           a->item[i].hash == b->item[i].hash)
        i++;
    if (i == a->n && i == b->n)
        return;
    number = i == a->n ? b->item[i].number : a->item[i].number;
    if (i < a->n && i < b->n && b->item[i].number < number)
        number = b->item[i].number;
    if (number < *first)
        *first = number;
}

/* ---- The answer --------------------------------------------------------------------------- */

struct parting {
    const struct kept_message *good, *bad; /* one may be NULL: there is no such message */
    hde_text field, left, right;
    uint64_t after, up_to; /* the epoch; up_to 0: behind the last barrier */
};

static const struct kept_message *
where(const struct parting *parting)
{
    return parting->good ? parting->good : parting->bad;
}

static bool
find_parting(const struct kept *good, const struct kept *bad, struct parting *out)
{
    size_t i = 0;
    int order;

    while (i < good->n && i < bad->n && kept_equal(&good->item[i], &bad->item[i]))
        i++;
    out->good = i < good->n ? &good->item[i] : NULL;
    out->bad = i < bad->n ? &bad->item[i] : NULL;
    if (!out->good || !out->bad)
        return out->good || out->bad;
    order = kept_compare(out->good, out->bad);
    if (order < 0)
        out->bad = NULL;
    else if (order > 0)
        out->good = NULL;
    return true;
}

static void
name_field(struct parting *parting)
{
    const struct kept_message *a = parting->good, *b = parting->bad;
    ProtobufCMessage *left, *right;

    if (!a || !b)
        return;
    left = kept_unpack(a);
    right = kept_unpack(b);
    if (left && right && a->type == b->type)
        differ_message(left, right, &parting->field, &parting->left, &parting->right);
    if (!parting->field.len) {
        hde_text_puts(&parting->field, "event time");
        hde_text_printf(&parting->left, "%lld", (long long)a->event_ns);
        hde_text_printf(&parting->right, "%lld", (long long)b->event_ns);
    }
    if (left)
        protobuf_c_message_free_unpacked(left, NULL);
    if (right)
        protobuf_c_message_free_unpacked(right, NULL);
}

/* The barriers of the run around the tick. */
static int
find_epoch(const struct cmd *cmd, const char *log, uint64_t tick, struct parting *parting)
{
    struct seglog_record record;
    struct err err = {0};
    struct seglog_reader *reader = seglog_reader_open(log, &err);

    while (reader && !parting->up_to && seglog_next(reader, &record, &err) == SEGLOG_RECORD) {
        if (record.key.kind != HDE__LOG_KIND__LOG_KIND_BARRIER)
            continue;
        if (record.key.tick < tick)
            parting->after = record.key.tick;
        else
            parting->up_to = record.key.tick;
    }
    if (reader)
        seglog_reader_close(reader);
    return err_is_set(&err) ? cmd_error_err(cmd, EX_NOINPUT, &err) : CMD_OK;
}

static const char *
output_name(const struct side *side, const struct kept_message *m)
{
    const struct graph *graph = side->taking.graph;

    for (size_t i = 0; i < graph->n_nodes; i++)
        if (strcmp(graph->nodes[i].name, m->name) == 0 &&
            m->port < count_ports(graph->nodes[i].op->outputs))
            return graph->nodes[i].op->outputs[m->port].name;
    return "?";
}

static void
put_json(hde_text *out, const struct side *good, const struct parting *parting)
{
    const struct kept_message *m = where(parting);

    hde_text_printf(out, "{\"equal\":false,\"tick\":%llu,\"epoch\":[%llu,%llu],\"node\":",
                    (unsigned long long)m->tick, (unsigned long long)parting->after,
                    (unsigned long long)parting->up_to);
    hde_json_string(out, m->name);
    hde_text_puts(out, ",\"output\":");
    hde_json_string(out, output_name(good, m));
    hde_text_printf(out, ",\"message\":%u,\"type\":\"%s\",\"field\":", m->index + 1, m->type->name);
    hde_json_string(out, parting->field.len ? parting->field.data : NULL);
    hde_text_puts(out, ",\"good\":");
    hde_json_string(out, parting->good ? parting->left.data : NULL);
    hde_text_puts(out, ",\"bad\":");
    hde_json_string(out, parting->bad ? parting->right.data : NULL);
    hde_text_puts(out, "}\n");
}

static void
put_epoch(hde_text *out, const struct parting *parting)
{
    if (parting->after)
        hde_text_printf(out, "behind barrier %llu", (unsigned long long)parting->after);
    else
        hde_text_puts(out, "before the first barrier");
    if (parting->up_to)
        hde_text_printf(out, ", up to %llu", (unsigned long long)parting->up_to);
}

static void
put_text(hde_text *out, const struct side *good, const struct side *bad,
         const struct parting *parting)
{
    const struct kept_message *m = where(parting);

    hde_text_printf(out, "tick %llu (", (unsigned long long)m->tick);
    put_epoch(out, parting);
    hde_text_printf(out, "): node '%s', output '%s', message %u of the tick (%s)\n", m->name,
                    output_name(good, m), m->index + 1, m->type->name);
    if (!parting->good || !parting->bad)
        hde_text_printf(out, "  only with %s\n", parting->good ? good->plugin : bad->plugin);
    else
        hde_text_printf(out, "  %s: %s with %s, %s with %s\n", parting->field.data,
                        parting->left.data, good->plugin, parting->right.data, bad->plugin);
}

static int
tell(const struct cmd *cmd, const struct side *good, const struct side *bad,
     struct parting *parting)
{
    int exit = find_epoch(cmd, good->taking.log, where(parting)->tick, parting);
    hde_text out = {0};

    if (exit)
        return exit;
    name_field(parting);
    if (cmd->json)
        put_json(&out, good, parting);
    else
        put_text(&out, good, bad, parting);
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit ? exit : CMD_FAILED;
}

static int
tell_equal(const struct cmd *cmd, const struct side *good)
{
    hde_text out = {0};
    size_t n = 0;
    int exit;

    for (uint32_t i = 0; i < good->n_ports; i++)
        n += good->ports[i].n != 0;
    if (cmd->json)
        hde_text_printf(&out, "{\"equal\":true,\"outputs\":%zu}\n", n);
    else
        hde_text_printf(&out, "equal: both builds give the same messages on all %zu outputs\n", n);
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

/* ---- The command -------------------------------------------------------------------------- */

static int
open_side(const struct cmd *cmd, const struct bisect_options *options, struct side *out)
{
    int exit = taking_open(cmd, &options->taking, cmd->args[0], out->plugin, &out->taking);

    if (!exit)
        number_ports(out);
    return exit;
}

static void
close_side(struct side *side)
{
    for (uint32_t i = 0; i < side->n_ports; i++)
        free(side->ports[i].item);
    free(side->ports);
    free(side->first_port);
    kept_fini(&side->kept);
    taking_close(&side->taking);
}

static int
hash_all(struct side *side)
{
    const struct engine_trace trace = {.emitted = note_hash, .arg = side, .to = UINT64_MAX};

    return taking_run(&side->taking, NULL, &trace, 0);
}

static int
keep_stretch(struct side *side, uint64_t number)
{
    const struct engine_trace trace = {.emitted = kept_add,
                                       .arg = &side->kept,
                                       .from = number * STRETCH,
                                       .to = number * STRETCH + STRETCH - 1};
    int exit = taking_run(&side->taking, NULL, &trace, trace.to);

    kept_sort(&side->kept);
    return exit;
}

/* Whether any node runs another build on the two sides. */
static bool
builds_differ(const struct side *good, const struct side *bad)
{
    const struct graph *a = good->taking.graph, *b = bad->taking.graph;

    for (size_t i = 0; i < a->n_nodes; i++)
        if (strcmp(a->nodes[i].plugin_path, b->nodes[i].plugin_path) != 0)
            return true;
    return false;
}

static int
check_sides(const struct cmd *cmd, const struct side *good, const struct side *bad)
{
    if (good->n_nodes != bad->n_nodes || good->n_ports != bad->n_ports)
        return cmd_error(cmd, EX_DATAERR, "HDE-R081", NULL,
                         "the two builds do not have the same outputs");
    if (!builds_differ(good, bad))
        return cmd_error(cmd, EX_DATAERR, "HDE-R081", "'hde log cat' shows the nodes of a run",
                         "no node of the graph uses an operator of '%s' or '%s'", good->plugin,
                         bad->plugin);
    return CMD_OK;
}

static int
bisect(const struct cmd *cmd, struct side *good, struct side *bad)
{
    struct parting parting = {0};
    uint64_t first = UINT64_MAX;
    int exit;

    if ((exit = hash_all(good)) || (exit = hash_all(bad)))
        return exit;
    for (uint32_t i = 0; i < good->n_ports; i++)
        part(&good->ports[i], &bad->ports[i], &first);
    if (first == UINT64_MAX)
        return tell_equal(cmd, good);
    if ((exit = keep_stretch(good, first)) || (exit = keep_stretch(bad, first)))
        return exit;
    if (!find_parting(&good->kept, &bad->kept, &parting))
        return cmd_error(cmd, CMD_FAILED, "HDE-R082", NULL,
                         "the same build does not give the same messages twice");
    exit = tell(cmd, good, bad, &parting);
    hde_text_free(&parting.field);
    hde_text_free(&parting.left);
    hde_text_free(&parting.right);
    return exit;
}

static int
run_bisect(const struct cmd *cmd, const void *block)
{
    const struct bisect_options *options = block;
    struct side good = {.plugin = options->good}, bad = {.plugin = options->bad};
    int exit;

    if (!options->good || !options->bad)
        return cmd_error(cmd, EX_USAGE, "HDE-C005",
                         "hde bisect FOLDER --good FILE.so --bad FILE.so", "between which builds?");
    kept_init(&good.kept);
    kept_init(&bad.kept);
    if (!(exit = open_side(cmd, options, &good)) &&
        !(exit = open_side(cmd, options, &bad)) &&
        !(exit = check_sides(cmd, &good, &bad)))
        exit = bisect(cmd, &good, &bad);
    close_side(&good);
    close_side(&bad);
    return exit;
}

const struct command cmd_bisect = {
    .name = "bisect",
    .args = "FOLDER",
    .group = CMD_GROUP_RUN,
    .summary = "where the outputs of two builds of a plugin part, on a recorded run",
    .help = "Takes the log in FOLDER with one build, then with the other, and compares what every "
            "node emits. Names the first tick and node whose output differs, the epoch it lies in, "
            "and the first field. Nothing is written. Exit code 0: they are equal, 1: they are "
            "not.",
    .examples =
        (const struct cmd_example[]){
            {"hde bisect kept/log --good old/pcr.so --bad new/pcr.so", "two builds of a plugin"},
            {"hde bisect demo.log --good v1/plugins --bad v2/plugins", "two folders of plugins"},
            {0}},
    .options = (const struct cmd_option[]){{CMD_OPTION("good", struct bisect_options, good),
                                            .value = "PLUGIN", .complete = CMD_COMPLETE_FILE,
                                            .help = "a plugin file, or a folder of them"},
                                           {CMD_OPTION("bad", struct bisect_options, bad),
                                            .value = "PLUGIN", .complete = CMD_COMPLETE_FILE,
                                            .help = "the same of the other build"},
                                           TAKING_OPTIONS(struct bisect_options),
                                           {0}},
    .exits = (const struct cmd_exit[]){{CMD_FAILED, "the outputs differ, or a node failed"},
                                       {EX_DATAERR, "no node of the graph uses the plugins"},
                                       {EX_NOINPUT, NULL},
                                       {EX_CONFIG, NULL},
                                       {0}},
    .complete = CMD_COMPLETE_FOLDER,
    .min_args = 1,
    .max_args = 1,
    CMD_BLOCK(struct bisect_options),
    .run = run_bisect,
};
