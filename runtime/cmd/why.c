/* SPDX-License-Identifier: Apache-2.0
 * why - the entry that caused what happened in a tick, or a stored row, and its way through the
 * nodes: the log is taken again up to that tick, and what every node emits in it is kept. */
#include "cmd/kept.h"
#include "cmd/taking.h"
#include "engine/parts.h"
#include "seglog/seglog.h"

#include <hde/schemas/runtime.pb-c.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct why_options {
    struct taking_options taking;
    const char *part;
    bool full;
};

/* Parts of a graph that links cut have ticks of their own. */
struct moment {
    const char *part; /* NULL: the graph is not cut */
    uint64_t tick;
};

/* ---- A row's key -------------------------------------------------------------------------- */

struct field {
    const char *name, *value;
};

/* Which messages are the row: all fields have these values, and a sink takes them. */
struct search {
    const struct taking *taking;
    size_t n;
    struct field *field;
    pthread_mutex_t lock;
    struct moment last; /* that had one; tick 0: none */
};

static bool
parse_key(const struct cmd *cmd, const char *text, struct search *out)
{
    char *rest = arena_text(cmd->arena, text), *part;

    out->field = arena_alloc(cmd->arena, (strlen(text) + 1) * sizeof *out->field);
    while ((part = strsep(&rest, ","))) {
        char *equals = strchr(part, '=');

        if (!equals || equals == part)
            return false;
        *equals = 0;
        out->field[out->n++] = (struct field){part, equals + 1};
    }
    return out->n > 0;
}

static bool
parse_integer(const char *text, int64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoll(text, &end, 10);
    return *text && !*end && !errno;
}

static bool
has_value(const ProtobufCMessage *message, const struct field *wanted)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, wanted->name);
    const char *at = (const char *)message;
    const char *text;
    int64_t number;
    char *end;

    if (!field || field->label == PROTOBUF_C_LABEL_REPEATED)
        return false;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        text = *(char *const *)(at + field->offset);
        return text && strcmp(text, wanted->value) == 0;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return parse_integer(wanted->value, &number) &&
               *(const int64_t *)(at + field->offset) == number;
    case PROTOBUF_C_TYPE_DOUBLE:
        return *(const double *)(at + field->offset) == strtod(wanted->value, &end) && !*end;
    default:
        return false;
    }
}

static bool
leads_to_sink(const struct graph *graph, const char *node, uint32_t port)
{
    for (size_t i = 0; i < graph->n_edges; i++) {
        const struct graph_edge *edge = &graph->edges[i];
        const hde_operator *to = graph->nodes[edge->to].op;

        if (edge->from_port == port && strcmp(graph->nodes[edge->from].name, node) == 0 &&
            !(to->outputs && to->outputs->name) && !(to->flags & HDE_VIEW))
            return true;
    }
    return false;
}

static void
look_for_row(void *arg, const struct engine_emitted *m)
{
    struct search *self = arg;
    ProtobufCMessage *message;
    size_t i = 0;

    if (!leads_to_sink(self->taking->graph, m->node, m->port))
        return;
    message = protobuf_c_message_unpack(m->type, NULL, m->size, m->bytes);
    while (message && i < self->n && has_value(message, &self->field[i]))
        i++;
    if (message)
        protobuf_c_message_free_unpacked(message, NULL);
    if (i < self->n)
        return;
    pthread_mutex_lock(&self->lock);
    if (m->tick > self->last.tick)
        self->last = (struct moment){taking_part(self->taking, m->node), m->tick};
    pthread_mutex_unlock(&self->lock);
}

/* Of the log's first entry, where those before it were retired; 0: nothing was. */
static uint64_t
oldest_tick(const char *log)
{
    struct seglog_segment first;
    struct err err = {0};

    return seglog_segments(log, &first, 1, &err) && first.first_position > 1 ? first.first_tick : 0;
}

/* The tick that wrote the row last. */
static int
find_row(struct taking *taking, const char *part, const char *key, struct moment *out)
{
    const struct cmd *cmd = taking->cmd;
    struct search search = {.taking = taking, .lock = PTHREAD_MUTEX_INITIALIZER};
    const struct engine_trace trace = {.emitted = look_for_row, .arg = &search, .to = UINT64_MAX};
    int exit;

    if (!parse_key(cmd, key, &search))
        return cmd_error(cmd, EX_USAGE, "HDE-C004",
                         "hde why feed=NIFTY,expiry=2026-12-01,event_ns=1796000000000000000 LOG",
                         "'%s' is neither a tick nor the key of a row", key);
    exit = taking_run(taking, part, &trace, 0);
    if (exit)
        return exit;
    *out = search.last;
    if (out->tick)
        return CMD_OK;
    if (oldest_tick(taking->log))
        return cmd_error(cmd, EX_DATAERR, "HDE-R100", NULL,
                         "nothing that is left of this log gives a sink %s; entries before tick "
                         "%" PRIu64 " were retired",
                         key, oldest_tick(taking->log));
    return cmd_error(cmd, EX_DATAERR, "HDE-R087",
                     "fields are those of the message that is stored; '--full' of a tick shows them",
                     "nothing that this log gives to a sink has %s", key);
}

/* ---- The entry ---------------------------------------------------------------------------- */

static Hde__LogEntry *
read_entry(const char *log, uint64_t tick, struct err *err)
{
    struct seglog_reader *reader = seglog_reader_open(log, err);
    Hde__LogEntry *entry = NULL;
    struct seglog_record record;

    if (!reader)
        return NULL;
    if (seglog_seek_tick(reader, tick) && seglog_next(reader, &record, err) == SEGLOG_RECORD &&
        record.key.tick == tick)
        entry = hde__log_entry__unpack(NULL, record.size, record.bytes);
    seglog_reader_close(reader);
    if (entry || err_is_set(err))
        return entry;
    if (oldest_tick(log) > tick)
        err_set(err, "HDE-R100", "%s: tick %" PRIu64 " was retired, the oldest entry is tick %" PRIu64,
                log, tick, oldest_tick(log));
    else
        err_set(err, "HDE-R087", "%s has no entry with tick %" PRIu64, log, tick);
    return NULL;
}

static const char *
kind_word(const Hde__LogEntry *entry)
{
    switch (entry->kind) {
    case HDE__LOG_KIND__LOG_KIND_START:
        return "start";
    case HDE__LOG_KIND__LOG_KIND_SOURCE:
        return "source";
    case HDE__LOG_KIND__LOG_KIND_IDLE:
        return "idle source";
    case HDE__LOG_KIND__LOG_KIND_TIMER:
        return "timer";
    case HDE__LOG_KIND__LOG_KIND_ANSWER:
        return "answer";
    case HDE__LOG_KIND__LOG_KIND_HANDOVER:
        return "hand-over";
    case HDE__LOG_KIND__LOG_KIND_BARRIER:
        return "barrier";
    case HDE__LOG_KIND__LOG_KIND_LETTER:
        return "dead letter";
    case HDE__LOG_KIND__LOG_KIND_HASHES:
        return "hashes";
    default:
        return "entry";
    }
}

static const ProtobufCMessageDescriptor *
type_called(const struct graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        for (const hde_port *port = graph->nodes[i].op->outputs; port && port->name; port++)
            for (size_t t = 0; port->types[t]; t++)
                if (strcmp(port->types[t]->name, name) == 0)
                    return port->types[t];
    return NULL;
}

/* As JSON; null where the type is not known. */
static void
put_payload(hde_text *out, const struct graph *graph, const Hde__LogMessage *item)
{
    const ProtobufCMessageDescriptor *type = item->type ? type_called(graph, item->type) : NULL;
    ProtobufCMessage *message =
        type ? protobuf_c_message_unpack(type, NULL, item->body.len, item->body.data) : NULL;

    if (!message || !item->has_body) { /* a source has it, not the log */
        if (message)
            protobuf_c_message_free_unpacked(message, NULL);
        hde_text_puts(out, "null");
        return;
    }
    hde_json_message(out, message, HDE_JSON_PROTO);
    protobuf_c_message_free_unpacked(message, NULL);
}

static const hde_port *
output_of(const struct graph *graph, const struct kept_message *m)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (strcmp(graph->nodes[i].name, m->name) == 0)
            return &graph->nodes[i].op->outputs[m->port];
    return NULL;
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void
put_entry_json(hde_text *out, const struct graph *graph, const Hde__LogEntry *entry)
{
    hde_text_printf(out, "{\"tick\":%" PRIu64 ",\"entry\":{\"kind\":\"%s\",\"node\":", entry->tick,
                    kind_word(entry));
    hde_json_string(out, entry->node);
    hde_text_puts(out, ",\"time\":");
    hde_json_time(out, entry->time_ns);
    hde_text_puts(out, ",\"messages\":[");
    for (size_t i = 0; i < entry->n_messages; i++) {
        hde_text_puts(out, i ? ",{\"type\":" : "{\"type\":");
        hde_json_string(out, entry->messages[i]->type);
        hde_text_puts(out, ",\"event_time\":");
        hde_json_time(out, entry->messages[i]->event_ns);
        hde_text_puts(out, ",\"message\":");
        put_payload(out, graph, entry->messages[i]);
        hde_text_puts(out, "}");
    }
    hde_text_puts(out, "]}");
}

static void
put_targets_json(hde_text *out, const struct graph *graph, const struct kept_message *m)
{
    const char *comma = "";

    for (size_t i = 0; i < graph->n_edges; i++) {
        const struct graph_edge *edge = &graph->edges[i];

        if (edge->from_port != m->port || strcmp(graph->nodes[edge->from].name, m->name) != 0)
            continue;
        hde_text_puts(out, comma);
        hde_json_string(out, graph->nodes[edge->to].name);
        comma = ",";
    }
}

static void
put_kept_json(hde_text *out, const struct graph *graph, const struct kept_message *m)
{
    ProtobufCMessage *message = kept_unpack(m);

    hde_text_puts(out, "{\"node\":");
    hde_json_string(out, m->name);
    hde_text_puts(out, ",\"output\":");
    hde_json_string(out, output_of(graph, m)->name);
    hde_text_printf(out, ",\"type\":\"%s\",\"event_time\":", m->type->name);
    hde_json_time(out, m->event_ns);
    hde_text_puts(out, ",\"to\":[");
    put_targets_json(out, graph, m);
    hde_text_puts(out, "],\"message\":");
    if (message)
        hde_json_message(out, message, HDE_JSON_PROTO);
    else
        hde_text_puts(out, "null");
    hde_text_puts(out, "}");
    if (message)
        protobuf_c_message_free_unpacked(message, NULL);
}

/* Not its end: what is upstream may follow. */
static void
put_json(hde_text *out, const struct graph *graph, const struct moment *at,
         const Hde__LogEntry *entry, const struct kept *kept)
{
    put_entry_json(out, graph, entry);
    if (at->part) {
        hde_text_puts(out, ",\"part\":");
        hde_json_string(out, at->part);
    }
    hde_text_puts(out, ",\"emitted\":[");
    for (size_t i = 0; i < kept->n; i++) {
        hde_text_puts(out, i ? "," : "");
        put_kept_json(out, graph, &kept->item[i]);
    }
    hde_text_puts(out, "]");
}

/* ---- Text --------------------------------------------------------------------------------- */

static void
put_time(hde_text *out, int64_t ns)
{
    hde_text text = {0};

    hde_json_time(&text, ns);
    hde_text_put(out, text.data + 1, text.len - 2); /* without the quotes */
    hde_text_free(&text);
}

static void
put_entry(hde_text *out, const struct graph *graph, const Hde__LogEntry *entry)
{
    hde_text_printf(out, "tick %" PRIu64 ": %s%s%s%s, ", entry->tick, kind_word(entry),
                    entry->node ? " '" : "", entry->node ? entry->node : "",
                    entry->node ? "'" : "");
    put_time(out, entry->time_ns);
    hde_text_puts(out, entry->end ? ", its end\n" : "\n");
    for (size_t i = 0; i < entry->n_messages; i++) {
        hde_text_printf(out, "  %s ", entry->messages[i]->type ? entry->messages[i]->type : "?");
        put_payload(out, graph, entry->messages[i]);
        hde_text_puts(out, "\n");
    }
}

static void
put_targets(hde_text *out, const struct graph *graph, const struct kept_message *m)
{
    const char *sign = " -> ";

    for (size_t i = 0; i < graph->n_edges; i++) {
        const struct graph_edge *edge = &graph->edges[i];

        if (edge->from_port != m->port || strcmp(graph->nodes[edge->from].name, m->name) != 0)
            continue;
        hde_text_printf(out, "%s%s", sign, graph->nodes[edge->to].name);
        sign = ", ";
    }
}

static void
put_kept(hde_text *out, const struct graph *graph, const struct kept_message *m, bool full)
{
    ProtobufCMessage *message = full ? kept_unpack(m) : NULL;

    hde_text_printf(out, "  %s.%s (%s, %zu bytes)", m->name, output_of(graph, m)->name,
                    m->type->name, m->size);
    put_targets(out, graph, m);
    hde_text_puts(out, "\n");
    if (!message)
        return;
    hde_text_puts(out, "    ");
    hde_json_message(out, message, HDE_JSON_PROTO);
    hde_text_puts(out, "\n");
    protobuf_c_message_free_unpacked(message, NULL);
}

static void
put_text(hde_text *out, const struct graph *graph, const Hde__LogEntry *entry,
         const struct kept *kept, bool full)
{
    put_entry(out, graph, entry);
    hde_text_puts(out, kept->n ? "what it caused:\n" : "no node emitted anything in this tick\n");
    for (size_t i = 0; i < kept->n; i++)
        put_kept(out, graph, &kept->item[i], full);
}

/* ---- The command -------------------------------------------------------------------------- */

/* Where the entry came from, if over a link: its position is the tick of the sender. */
static bool
came_over_link(const struct taking *taking, const Hde__LogEntry *entry, struct moment *from)
{
    for (size_t i = 0; i < taking->cut.n_links && entry->node && entry->n_positions; i++) {
        const struct graph_link *link = &taking->cut.links[i];
        const ProtobufCBinaryData *at = &entry->positions[0]->at;

        if (strcmp(entry->node, taking->graph->edges[link->edge].name) != 0)
            continue;
        *from = (struct moment){taking->cut.parts[link->from].name, parts_link_tick(at->data, at->len)};
        return true;
    }
    return false;
}

struct telling {
    struct kept kept;
    Hde__LogEntry *entry;
    size_t n_asked;
};

static void
keep_emitted(void *arg, const struct engine_emitted *m)
{
    kept_add(&((struct telling *)arg)->kept, m);
}

/* The log does not have what the source has given again: the entry gets it. */
static void
keep_asked(void *arg, const struct engine_emitted *m)
{
    struct telling *self = arg;
    Hde__LogMessage *item;

    if (self->n_asked == self->entry->n_messages)
        return;
    item = self->entry->messages[self->n_asked++];
    item->body.data = malloc(m->size + 1);
    if (!item->body.data)
        hde_no_memory();
    memcpy(item->body.data, m->bytes, m->size);
    item->body.len = m->size;
    item->has_body = true;
}

static int
tell(struct taking *taking, const struct moment *at, bool full, hde_text *out)
{
    const struct cmd *cmd = taking->cmd;
    struct err err = {0};
    Hde__LogEntry *entry = read_entry(taking_log(taking, at->part), at->tick, &err);
    struct telling telling = {.entry = entry};
    struct moment from;
    int exit;

    if (!entry)
        return cmd_error_err(cmd, EX_DATAERR, &err);
    kept_init(&telling.kept);
    exit = taking_run(taking, at->part,
                      &(struct engine_trace){.emitted = keep_emitted,
                                             .asked = keep_asked,
                                             .arg = &telling,
                                             .from = at->tick,
                                             .to = at->tick},
                      at->tick);
    kept_sort(&telling.kept);
    if (!exit && cmd->json)
        put_json(out, taking->graph, at, entry, &telling.kept);
    else if (!exit)
        put_text(out, taking->graph, entry, &telling.kept, full);
    if (!exit && came_over_link(taking, entry, &from)) {
        if (cmd->json)
            hde_text_puts(out, ",\"upstream\":");
        else
            hde_text_printf(out, "which came over that link from the part of '%s':\n", from.part);
        exit = tell(taking, &from, full, out);
    }
    hde_text_puts(out, cmd->json ? "}" : "");
    kept_fini(&telling.kept);
    hde__log_entry__free_unpacked(entry, NULL);
    return exit;
}

/* The part whose log has the tick, if only one has. */
static int
find_tick(struct taking *taking, const char *part, struct moment *at)
{
    const struct cmd *cmd = taking->cmd;
    size_t found = 0;

    at->part = part;
    for (size_t i = 0; !part && taking->cut.n_links && i < taking->cut.n_parts; i++) {
        const char *name = taking->cut.parts[i].name;
        Hde__LogEntry *entry = read_entry(taking_log(taking, name), at->tick, &(struct err){0});

        if (!entry)
            continue;
        hde__log_entry__free_unpacked(entry, NULL);
        at->part = name;
        found++;
    }
    if (found > 1)
        return cmd_error(cmd, EX_USAGE, "HDE-R087", arena_printf(cmd->arena, "--part %s", at->part),
                         "%zu parts of the graph have a tick %" PRIu64, found, at->tick);
    if (taking->cut.n_links && !at->part)
        return cmd_error(cmd, EX_DATAERR, "HDE-R087", NULL, "%s has no entry with tick %" PRIu64,
                         taking->log, at->tick);
    return CMD_OK;
}

static int
run_why(const struct cmd *cmd, const void *block)
{
    const struct why_options *options = block;
    struct taking taking;
    struct moment at = {0};
    int64_t number = 0;
    hde_text out = {0};
    int exit = taking_open(cmd, &options->taking, cmd->args[1], NULL, &taking);

    if (!exit && parse_integer(cmd->args[0], &number)) {
        at.tick = (uint64_t)number;
        exit = find_tick(&taking, options->part, &at);
    } else if (!exit) {
        exit = find_row(&taking, options->part, cmd->args[0], &at);
    }
    if (!exit)
        exit = tell(&taking, &at, options->full, &out);
    if (cmd->json)
        hde_text_puts(&out, "\n");
    if (!exit)
        exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    taking_close(&taking);
    return exit;
}

const struct command cmd_why = {
    .name = "why",
    .args = "TICK|KEY=VALUE,... LOG",
    .group = CMD_GROUP_LOOK,
    .summary = "the entry that caused a tick or a stored row, and its way through the nodes",
    .help = "Takes the log in the folder LOG again, from the epoch before the tick or from its "
            "start, up to the tick, and shows the entry (source, time, payload) and what every "
            "node emitted because of it. Nothing is written.\n\n"
            "A stored row is named by its natural key: the fields of the message that a sink "
            "stores, with the values of its columns. If several ticks wrote it, the last one is "
            "shown.\n\nOf a graph that links cut into parts LOG is the folder with the logs of all. "
            "What came over a link is followed to the entry of the part that sent it.",
    .examples =
        (const struct cmd_example[]){
            {"hde why 1099511627891 kept/log", "what happened in this tick"},
            {"hde why feed=NIFTY,expiry=2026-12-01,event_ns=1796097600000000000 kept/log",
             "where a row comes from"},
            {"hde why 1099511627891 kept/log --json | jq '.emitted[].node'", "its way"},
            {0}},
    .options = (const struct cmd_option[]){{CMD_OPTION("full", struct why_options, full),
                                            .help = "with the messages of the nodes"},
                                           {CMD_OPTION("part", struct why_options, part),
                                            .value = "NAME",
                                            .help = "the part whose tick it is"},
                                           TAKING_OPTIONS(struct why_options),
                                           {0}},
    .exits = (const struct cmd_exit[]){{CMD_FAILED, "a node failed"},
                                       {EX_DATAERR, "there is no such entry or row"},
                                       {EX_NOINPUT, NULL},
                                       {EX_CONFIG, NULL},
                                       {0}},
    .complete = CMD_COMPLETE_FOLDER,
    .min_args = 2,
    .max_args = 2,
    CMD_BLOCK(struct why_options),
    .run = run_why,
};
