/* SPDX-License-Identifier: Apache-2.0
 * log - the verb with two objects: what a running graph logs (a level), and logs on disk (ls, cat,
 * verify of a folder). The first word says which. */
#include "base/log.h"
#include "cmd/table.h"
#include "cmd/target.h"
#include "seglog/seglog.h"

#include <hde/schemas/runtime.pb-c.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FLUSH_BYTES = 64 * 1024 };

struct log_options {
    struct target_options target;
    const char *from, *to;
    bool payload;
};

/* ---- Ranges ------------------------------------------------------------------------------- */

/* One end of a range. */
struct bound {
    enum { OPEN_END, BY_POSITION, BY_TICK, BY_TIME } by;
    uint64_t number;
    int64_t event_ns;
};

struct range {
    struct bound from, to;
};

static bool
parse_number(const char *text, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno;
}

/* 2026-08-19T05:57:00.5Z, or 2026-08-19 */
static bool
parse_time(const char *text, int64_t *ns)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%d", &tm);
    int64_t scale = 100000000, fraction = 0;

    if (rest && *rest == 'T')
        rest = strptime(rest, "T%H:%M:%S", &tm);
    else if (rest && *rest)
        return false;
    if (rest && *rest == '.')
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
            fraction += (*rest - '0') * scale;
    if (!rest || (*rest && strcmp(rest, "Z") != 0) || tm.tm_year < -230 || tm.tm_year > 350)
        return false;
    *ns = (int64_t)timegm(&tm) * INT64_C(1000000000) + fraction;
    return true;
}

static bool
parse_bound(const char *text, struct bound *bound)
{
    *bound = (struct bound){OPEN_END};
    if (!text)
        return true;
    bound->by = strncmp(text, "tick:", 5) == 0 ? BY_TICK
                : strchr(text, '-')            ? BY_TIME
                                               : BY_POSITION;
    if (bound->by == BY_TIME)
        return parse_time(text, &bound->event_ns);
    return parse_number(text + (bound->by == BY_TICK ? 5 : 0), &bound->number);
}

/* Whether the key is below the bound (-1), at it (0) or above (1). */
static int
compare(const struct seglog_key *key, const struct bound *bound)
{
    switch (bound->by) {
    case BY_POSITION:
        return key->position < bound->number ? -1 : key->position > bound->number;
    case BY_TICK:
        return key->tick < bound->number ? -1 : key->tick > bound->number;
    default:
        return key->event_ns < bound->event_ns ? -1 : key->event_ns > bound->event_ns;
    }
}

static bool
is_in(const struct range *range, const struct seglog_key *key)
{
    bool by_time = range->from.by == BY_TIME || range->to.by == BY_TIME;

    return !(by_time && key->event_ns == INT64_MIN) &&
           (range->from.by == OPEN_END || compare(key, &range->from) >= 0) &&
           (range->to.by == OPEN_END || compare(key, &range->to) <= 0);
}

/* Nothing behind the key is in the range. Event times may fall. */
static bool
is_past(const struct range *range, const struct seglog_key *key)
{
    return (range->to.by == BY_POSITION || range->to.by == BY_TICK) && compare(key, &range->to) > 0;
}

static void
seek(struct seglog_reader *reader, const struct bound *from)
{
    switch (from->by) {
    case OPEN_END:
        break;
    case BY_POSITION:
        seglog_seek_position(reader, from->number);
        break;
    case BY_TICK:
        seglog_seek_tick(reader, from->number);
        break;
    case BY_TIME:
        seglog_seek_event(reader, from->event_ns);
        break;
    }
}

/* ---- ls ----------------------------------------------------------------------------------- */

static bool
overlaps(const struct range *range, const struct seglog_segment *segment)
{
    struct seglog_key low = {segment->first_position, segment->first_tick, segment->first_event_ns,
                             0};
    struct seglog_key high = {segment->first_position + segment->records - 1, segment->last_tick,
                              segment->last_event_ns, 0};

    if (range->from.by == OPEN_END && range->to.by == OPEN_END)
        return true;
    return segment->records &&
           (range->from.by == OPEN_END || compare(&high, &range->from) >= 0) &&
           (range->to.by == OPEN_END || compare(&low, &range->to) <= 0);
}

static void
put_time(hde_text *out, int64_t ns)
{
    if (ns == INT64_MIN)
        hde_text_puts(out, "null");
    else
        hde_json_time(out, ns);
}

static void
put_segment(hde_text *out, const struct seglog_segment *s)
{
    hde_text_printf(out,
                    "{\"name\":\"%s\",\"first_position\":%llu,\"records\":%llu,\"bytes\":%llu,"
                    "\"first_tick\":%llu,\"last_tick\":%llu,\"first_time\":",
                    s->name, (unsigned long long)s->first_position, (unsigned long long)s->records,
                    (unsigned long long)s->bytes, (unsigned long long)s->first_tick,
                    (unsigned long long)s->last_tick);
    put_time(out, s->first_event_ns);
    hde_text_puts(out, ",\"last_time\":");
    put_time(out, s->last_event_ns);
    hde_text_printf(out, ",\"torn\":%s}", s->torn ? "true" : "false");
}

static const char *
number_cell(struct arena *arena, uint64_t n)
{
    return arena_printf(arena, "%llu", (unsigned long long)n);
}

static void
segment_row(struct table *table, const struct seglog_segment *s)
{
    struct arena *arena = table->arena;
    bool any = s->records > 0;

    TABLE_ROW(table, s->name, any ? number_cell(arena, s->first_position) : "-",
              any ? number_cell(arena, s->first_position + s->records - 1) : "-",
              any ? number_cell(arena, s->first_tick) : "-",
              any ? number_cell(arena, s->last_tick) : "-", table_time(arena, s->first_event_ns),
              table_time(arena, s->last_event_ns), number_cell(arena, s->bytes),
              s->torn ? "torn" : "");
}

/* NULL after the error was said. */
static struct seglog_segment *
read_segments(const struct cmd *cmd, size_t *n, int *exit)
{
    const char *folder = cmd->args[1];
    struct seglog_segment *list;
    struct err err = {0};
    size_t max = seglog_segments(folder, NULL, 0, &err);

    list = arena_alloc(cmd->arena, (max + 1) * sizeof *list);
    *n = seglog_segments(folder, list, max, &err);
    if (*n > max) /* one was added meanwhile */
        *n = max;
    *exit = CMD_OK;
    if (err_is_set(&err))
        *exit = cmd_error_err(cmd, EX_NOINPUT, &err);
    else if (!*n)
        *exit = cmd_error(cmd, EX_NOINPUT, "HDE-L009", NULL, "there is no log in %s", folder);
    return *exit ? NULL : list;
}

static int
run_ls(const struct cmd *cmd, const struct log_options *options, const struct range *range)
{
    struct table table = {.arena = cmd->arena};
    hde_text out = {0};
    const char *comma = "";
    int exit;
    size_t n;
    const struct seglog_segment *list = read_segments(cmd, &n, &exit);

    if (!list)
        return exit;
    TABLE_ROW(&table, "SEGMENT", ">FIRST", ">LAST", ">TICK", ">TO TICK", "TIME", "TO TIME",
              ">BYTES", "STATE");
    hde_text_puts(&out, cmd->json ? "{\"segments\":[" : "");
    for (size_t i = 0; i < n; i++) {
        if (!overlaps(range, &list[i]))
            continue;
        segment_row(&table, &list[i]);
        if (!cmd->json)
            continue;
        hde_text_puts(&out, comma);
        put_segment(&out, &list[i]);
        comma = ",";
    }
    if (cmd->json)
        hde_text_puts(&out, "]}\n");
    else
        table_print(&table, &out, cmd->color ? "\033[1m" : "", cmd->color ? "\033[0m" : "", 0, 0);
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

/* ---- cat ---------------------------------------------------------------------------------- */

static void
put_base64(hde_text *out, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t three = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        const char four[4] = {digits[three >> 18], digits[three >> 12 & 63],
                              left > 1 ? digits[three >> 6 & 63] : '=',
                              left > 2 ? digits[three & 63] : '='};

        hde_text_put(out, four, sizeof four);
    }
}

/* The entry of an ingress log that the record is; NULL: it is something else. */
static Hde__LogEntry *
entry_of(const struct seglog_record *record)
{
    Hde__LogEntry *entry = hde__log_entry__unpack(NULL, record->size, record->bytes);

    if (entry && entry->kind == (Hde__LogKind)record->key.kind && entry->tick == record->key.tick)
        return entry;
    if (entry)
        hde__log_entry__free_unpacked(entry, NULL);
    return NULL;
}

/* ,"entry":"source","node":"feed" */
static void
put_entry(hde_text *out, const Hde__LogEntry *entry)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&hde__log_kind__descriptor, (int)entry->kind);
    size_t at;

    if (value) {
        hde_text_puts(out, ",\"entry\":\"");
        at = out->len;
        hde_text_puts(out, value->name + strlen("LOG_KIND_"));
        for (; at < out->len; at++)
            out->data[at] = (char)tolower((unsigned char)out->data[at]);
        hde_text_puts(out, "\"");
    }
    if (!entry->node)
        return;
    hde_text_puts(out, ",\"node\":");
    hde_json_string(out, entry->node);
}

/* As one JSON value: an object of an entry or a frame, base64 of anything else. */
static void
put_payload(hde_text *out, const struct seglog_record *record, const ProtobufCMessage *message)
{
    hde_text_puts(out, ",\"payload\":");
    if (message) {
        hde_json_message(out, message, HDE_JSON_PROTO);
        return;
    }
    hde_text_puts(out, "\"");
    put_base64(out, record->bytes, record->size);
    hde_text_puts(out, "\"");
}

/* What the journal of a link holds; NULL: it is no frame. */
static Hde__Frame *
frame_of(const struct seglog_record *record)
{
    return record->key.kind == HDE__LOG_KIND__LOG_KIND_FRAME
               ? hde__frame__unpack(NULL, record->size, record->bytes)
               : NULL;
}

static void
put_record(hde_text *out, const struct seglog_record *record, bool payload)
{
    Hde__Frame *frame = frame_of(record);
    Hde__LogEntry *entry = frame ? NULL : entry_of(record);

    hde_text_printf(out, "{\"position\":%llu,\"tick\":%llu,\"kind\":%u,\"time\":",
                    (unsigned long long)record->key.position, (unsigned long long)record->key.tick,
                    record->key.kind);
    put_time(out, record->key.event_ns);
    hde_text_printf(out, ",\"size\":%zu", record->size);
    if (entry)
        put_entry(out, entry);
    if (frame)
        hde_text_printf(out, ",\"entry\":\"frame\",\"messages\":%zu", frame->n_messages);
    if (payload)
        put_payload(out, record, frame ? &frame->base : entry ? &entry->base : NULL);
    hde_text_puts(out, "}\n");
    if (entry)
        hde__log_entry__free_unpacked(entry, NULL);
    if (frame)
        hde__frame__free_unpacked(frame, NULL);
}

/* Over the records of a range, and what is damaged among them. */
struct walk {
    const struct cmd *cmd;
    const struct log_options *options;
    uint64_t records, bytes, damages;
    hde_text out;
    bool gone; /* the reader of stdout */
    void (*record)(struct walk *walk, const struct seglog_record *record);
    void (*damage)(struct walk *walk, const struct err *err);
};

static int
flush(struct walk *walk)
{
    return walk->out.len < FLUSH_BYTES ? CMD_OK : cmd_print(walk->cmd, &walk->out, &walk->gone);
}

static int
walk_all(struct walk *walk, struct seglog_reader *reader, const struct range *range)
{
    int exit = CMD_OK;

    while (!exit && !walk->gone) {
        struct seglog_record record;
        struct err err = {0};
        enum seglog_next next = seglog_next(reader, &record, &err);

        if (next == SEGLOG_END || (next == SEGLOG_RECORD && is_past(range, &record.key)))
            break;
        if (next == SEGLOG_DAMAGED) {
            walk->damages++;
            walk->damage(walk, &err);
        } else if (is_in(range, &record.key)) {
            walk->records++;
            walk->bytes += record.size;
            walk->record(walk, &record);
        }
        exit = flush(walk);
    }
    return exit;
}

/* Who asks for a record that is gone gets the ones behind it, and hears of it. */
static void
note_retired(const struct cmd *cmd, const struct bound *from)
{
    struct seglog_segment first;
    struct seglog_key key;

    if ((from->by != BY_POSITION && from->by != BY_TICK) ||
        !seglog_segments(cmd->args[1], &first, 1, NULL) || first.first_position == 1)
        return;
    key = (struct seglog_key){.position = first.first_position, .tick = first.first_tick};
    if (compare(&key, from) > 0)
        cmd_note(cmd, "hde: records before position %llu, tick %llu, were retired",
                 (unsigned long long)key.position, (unsigned long long)key.tick);
}

static int
walk_folder(struct walk *walk, const struct range *range)
{
    struct err err = {0};
    struct seglog_reader *reader = seglog_reader_open(walk->cmd->args[1], &err);
    int exit;

    if (!reader)
        return cmd_error_err(walk->cmd, EX_NOINPUT, &err);
    note_retired(walk->cmd, &range->from);
    seek(reader, &range->from);
    exit = walk_all(walk, reader, range);
    seglog_reader_close(reader);
    return exit;
}

static void
cat_record(struct walk *walk, const struct seglog_record *record)
{
    put_record(&walk->out, record, walk->options->payload);
}

static void
cat_damage(struct walk *walk, const struct err *err)
{
    cmd_print(walk->cmd, &walk->out, &walk->gone); /* in order, where both go to a terminal */
    cmd_error_err(walk->cmd, EX_DATAERR, err);
}

static int
run_cat(const struct cmd *cmd, const struct log_options *options, const struct range *range)
{
    struct walk walk = {
        .cmd = cmd, .options = options, .record = cat_record, .damage = cat_damage};
    int exit;
    size_t n;

    if (!read_segments(cmd, &n, &exit))
        return exit;
    exit = walk_folder(&walk, range);
    if (!exit && !walk.gone)
        exit = cmd_print(cmd, &walk.out, NULL);
    hde_text_free(&walk.out);
    return exit ? exit : walk.damages ? CMD_FAILED : CMD_OK;
}

/* ---- verify ------------------------------------------------------------------------------- */

static void
verify_record(struct walk *walk, const struct seglog_record *record)
{
}

static void
verify_damage(struct walk *walk, const struct err *err)
{
    if (walk->cmd->json) {
        hde_text_printf(&walk->out, "%s{\"code\":\"%s\",\"text\":", walk->damages > 1 ? "," : "",
                        err->code);
        hde_json_string(&walk->out, err->text);
        hde_text_puts(&walk->out, "}");
    } else {
        hde_text_printf(&walk->out, "damage: %s %s\n", err->code, err->text);
    }
}

/* The last segment ends with something that is no record, and that nobody calls damage: a crash
 * left it, or it is being written. */
static bool
is_torn(const struct walk *walk, const struct seglog_segment *last)
{
    return last->torn && !walk->damages;
}

/* What retention has removed is no damage, but who counts records wants to know. */
static void
put_retired(struct walk *walk, const struct seglog_segment *first)
{
    unsigned long long position = first->first_position, tick = first->first_tick;
    bool any = position > 1;

    if (walk->cmd->json && any)
        hde_text_printf(&walk->out, ",\"retired\":{\"before_position\":%llu,\"before_tick\":%llu}",
                        position, tick);
    else if (walk->cmd->json)
        hde_text_puts(&walk->out, ",\"retired\":null");
    else if (any)
        hde_text_printf(&walk->out, "retired: records before position %llu, tick %llu\n", position,
                        tick);
}

static void
put_result(struct walk *walk, const struct seglog_segment *first, size_t segments)
{
    const struct seglog_segment *last = &first[segments - 1];
    unsigned long long records = walk->records, bytes = walk->bytes;
    unsigned long long at = last->whole_bytes, left = last->bytes - last->whole_bytes;
    bool torn = is_torn(walk, last);

    if (walk->cmd->json) {
        hde_text_printf(&walk->out, "],\"records\":%llu,\"bytes\":%llu,\"segments\":%zu,\"torn\":",
                        records, bytes, segments);
        if (torn)
            hde_text_printf(&walk->out, "{\"file\":\"%s\",\"offset\":%llu,\"bytes\":%llu}",
                            last->name, at, left);
        hde_text_puts(&walk->out, torn ? "" : "null");
        put_retired(walk, first);
        hde_text_printf(&walk->out, ",\"ok\":%s}\n", walk->damages ? "false" : "true");
        return;
    }
    if (torn)
        hde_text_printf(&walk->out,
                        "torn tail: %s/%s:%llu: %llu bytes that are no whole record; they were "
                        "not durable and go when the log is opened, or are being written\n",
                        walk->cmd->args[1], last->name, at, left);
    put_retired(walk, first);
    hde_text_printf(&walk->out, "%llu records with %llu bytes in %zu segments: %s\n", records,
                    bytes, segments, walk->damages ? "damaged" : "fine");
}

static int
run_verify(const struct cmd *cmd, const struct log_options *options, const struct range *range)
{
    struct walk walk = {
        .cmd = cmd, .options = options, .record = verify_record, .damage = verify_damage};
    int exit;
    size_t n;
    const struct seglog_segment *list = read_segments(cmd, &n, &exit);

    if (!list)
        return exit;
    hde_text_puts(&walk.out, cmd->json ? "{\"damage\":[" : "");
    exit = walk_folder(&walk, range);
    put_result(&walk, list, n);
    if (!exit)
        exit = cmd_print(cmd, &walk.out, NULL);
    hde_text_free(&walk.out);
    return exit ? exit : walk.damages ? CMD_FAILED : CMD_OK;
}

/* ---- The verb ----------------------------------------------------------------------------- */

static int
run_level(const struct cmd *cmd, const struct log_options *options)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlLog log = HDE__CONTROL_LOG__INIT;
    enum level level = LEVEL_INFO;
    char what[200];

    log_level_parse(cmd->args[0], &level);
    request.ask_case = HDE__CONTROL_REQUEST__ASK_LOG;
    request.log = &log;
    log.has_level = true;
    log.level = (Hde__ControlLogLevel)((int)level + 1);
    log.node = (char *)(cmd->n_args > 1 ? cmd->args[1] : NULL);
    snprintf(what, sizeof what, "%s logs from %s on", log.node ? log.node : "every node",
             cmd->args[0]);
    return target_tell(cmd, &options->target, &request, what);
}

static int
bad_bound(const struct cmd *cmd, const char *option, const char *value)
{
    return cmd_error(cmd, EX_USAGE, "HDE-C004",
                     "a position (1200), a tick (tick:1200) or an event time "
                     "(2026-08-19T05:57:00Z, 2026-08-19)",
                     "%s: '%s' is not a value for it", option, value);
}

static int
run_folder(const struct cmd *cmd, const struct log_options *options)
{
    struct range range;

    if (cmd->n_args < 2)
        return cmd_error(cmd, EX_USAGE, "HDE-C005", "usage: hde log ls|cat|verify FOLDER",
                         "of which folder?");
    if (!parse_bound(options->from, &range.from))
        return bad_bound(cmd, "--from", options->from);
    if (!parse_bound(options->to, &range.to))
        return bad_bound(cmd, "--to", options->to);
    switch (cmd->args[0][0]) {
    case 'l':
        return run_ls(cmd, options, &range);
    case 'c':
        return run_cat(cmd, options, &range);
    default:
        return run_verify(cmd, options, &range);
    }
}

static int
run_log(const struct cmd *cmd, const void *block)
{
    const struct log_options *options = block;
    enum level level;

    if (!log_level_parse(cmd->args[0], &level))
        return run_folder(cmd, options);
    if (options->from || options->to || options->payload)
        return cmd_error(cmd, EX_USAGE, "HDE-C002", "they belong to hde log ls, cat and verify",
                         "--from, --to and --payload are for logs on disk");
    return run_level(cmd, options);
}

const struct command cmd_log = {
    .name = "log",
    .args = "LEVEL [NODE] | ls|cat|verify FOLDER",
    .group = CMD_GROUP_LOOK,
    .summary = "change what a running graph logs; look into a log on disk",
    .help = "LEVEL (debug, info, warn, error) is from which level on a running graph, or one node "
            "of it, writes log lines.\n\n"
            "ls, cat and verify read the log that a graph keeps in FOLDER (its checkpoint: or "
            "record: folder, the journal of a link), also while it is being written. ls shows its "
            "segments, cat prints a JSON line a record (of an ingress log with the kind of entry "
            "and its node), verify reads all and names every damage "
            "with file and offset. A torn tail, which a crash leaves, is named but is no "
            "damage, and neither is what retention (log: {max_size, max_age}) has removed.\n\n"
            "A range is given by positions (1200), ticks (tick:1200) or event times "
            "(2026-08-19T05:57:00Z, 2026-08-19), both ends included.",
    .examples =
        (const struct cmd_example[]){
            {"hde log debug processing.iv", "all of one node of the running graph"},
            {"hde log warn", "less of every node"},
            {"hde log ls state/log", "segments of a log on disk"},
            {"hde log cat state/log --from 2026-08-19T09:15:00Z | jq .kind",
             "its records from a time on"},
            {"hde log verify state/log", "is all of it whole?"},
            {0}},
    .options =
        (const struct cmd_option[]){
            {CMD_OPTION("from", struct log_options, from), .value = "WHERE",
             .help = "begin there: a position, tick:N or a time"},
            {CMD_OPTION("to", struct log_options, to), .value = "WHERE",
             .help = "end there"},
            {CMD_OPTION("payload", struct log_options, payload),
             .help = "cat: with what is in each record: an entry of an ingress log, else base64"},
            TARGET_OPTIONS(struct log_options),
            {0}},
    .exits = (const struct cmd_exit[]){{CMD_FAILED, "the log is damaged"},
                                       {EX_DATAERR, "there is no such node"},
                                       {EX_NOINPUT, "there is no log in FOLDER"},
                                       TARGET_EXITS,
                                       {0}},
    .words = "debug|info|warn|error|ls|cat|verify",
    .complete = CMD_COMPLETE_LOG,
    .min_args = 1,
    .max_args = 2,
    CMD_BLOCK(struct log_options),
    .run = run_log,
};
