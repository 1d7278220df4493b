/* SPDX-License-Identifier: Apache-2.0
 * ingestion/chain_csv - recorded chains out of CSV files: one message, and one tick, for each
 * capture stamp and expiry, in the order of the file. */
#include "csv.h"

#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct chain_csv {
    hde_path path;
    const char *layout, *calendar, *source, *timezone, *rows, *oi_unit, *volume_unit, *iv;
    const char *underlying, *venue, *separator, *call, *put;
    hde_list stamp, expiry, missing;
    hde_map columns, aliases;
    hde_duration split;

    glob_t files;
    size_t next_file;
    struct layout own_layout;
    bool has_layout;
    struct calendar *cal;
    struct csv *csv;
    hde_ctx *ctx; /* of the call that is running: reports come from inside */
    uint64_t emitted, digest; /* of all chains so far */
    bool is_going_back;       /* what is read was reported before */
    struct csv_totals counted;
    hde_counter *rows_counter, *rejected, *bad_values, *duplicates, *flagged, *files_failed;
};

/* Where the source stands. Reading begins at the first byte again and passes over what has been
 * emitted: the flags of a chain depend on those before it, and so it shows when the files are no
 * longer those that were read. */
struct position {
    uint32_t version, file;
    uint64_t chains, offset, digest;
};
enum { POSITION_VERSION = 2 };

static void
on_report(void *user, enum csv_report what, const char *text)
{
    static const char *const events[] = {"csv.bad-row", "csv.bad-value", "csv.time-backwards"};
    struct chain_csv *self = user;

    if (!self->is_going_back)
        hde_log(self->ctx, HDE_WARN, events[what], "%s", text);
}

/* ---- Layout --------------------------------------------------------------------------------- */

static bool
set_list(struct layout *layout, const char *key, const hde_list *list, char *error, size_t size)
{
    for (size_t i = 0; i < list->n; i++)
        if (i == 0 ? !layout_set(layout, key, list->item[0], error, size)
                   : !layout_add(layout, key, list->item[i], error, size))
            return false;
    return true;
}

static bool
set_map(struct layout *layout, const char *prefix, const hde_map *map, char *error, size_t size)
{
    char key[160];

    for (size_t i = 0; i < map->n; i++) {
        snprintf(key, sizeof key, "%s.%s", prefix, map->key[i]);
        if (!layout_set(layout, key, map->value[i], error, size))
            return false;
    }
    return true;
}

/* The layout of the parameters: a named one or a blank one, with what they say on top. */
static bool
make_layout(struct chain_csv *self, char *error, size_t size)
{
    const struct {
        const char *key, *value;
    } single[] = {
        {"timezone", self->timezone},
        {"rows", self->rows},
        {"oi_unit", self->oi_unit},
        {"volume_unit", self->volume_unit},
        {"iv", self->iv},
        {"underlying", self->underlying},
        {"venue", self->venue},
        {"separator", self->separator},
        {"call", self->call},
        {"put", self->put},
    };
    bool is_auto = strcmp(self->layout, "auto") == 0;

    self->has_layout = !is_auto || self->columns.n > 0;
    if (!self->has_layout)
        return true;
    if (is_auto)
        layout_blank(&self->own_layout);
    else if (!layout_load(&self->own_layout, self->layout, error, size))
        return false;
    for (size_t i = 0; i < sizeof single / sizeof *single; i++)
        if (single[i].value &&
            !layout_set(&self->own_layout, single[i].key, single[i].value, error, size))
            return false;
    return set_list(&self->own_layout, "stamp", &self->stamp, error, size) &&
           set_list(&self->own_layout, "expiry", &self->expiry, error, size) &&
           set_list(&self->own_layout, "missing", &self->missing, error, size) &&
           set_map(&self->own_layout, "columns", &self->columns, error, size) &&
           set_map(&self->own_layout, "aliases", &self->aliases, error, size);
}

/* ---- Files ---------------------------------------------------------------------------------- */

/* Opens the next file that can be read; what cannot is logged and counted. */
static bool
open_next(hde_ctx *ctx, struct chain_csv *self)
{
    char error[700];

    while (self->next_file < self->files.gl_pathc) {
        const char *path = self->files.gl_pathv[self->next_file++];

        if (csv_open(self->csv, path, error, sizeof error)) {
            hde_log(ctx, HDE_INFO, "csv.file", "%s: layout %s", path, csv_layout_name(self->csv));
            return true;
        }
        hde_count(self->files_failed, 1);
        hde_log(ctx, HDE_ERROR, "csv.unreadable", "%s", error);
    }
    return false;
}

static bool
find_files(struct chain_csv *self)
{
    int flags = GLOB_BRACE;

    if (access(self->path.path, F_OK) == 0)
        flags = GLOB_NOMAGIC | GLOB_NOESCAPE; /* a name with brackets in it is still a name */
    if (glob(self->path.path, flags, NULL, &self->files) == 0)
        return true;
    return access(self->path.path, F_OK) == 0 &&
           glob(self->path.path, GLOB_NOCHECK | GLOB_NOESCAPE, NULL, &self->files) == 0;
}

static hde_status
chain_csv_open(hde_ctx *ctx, void *state)
{
    struct chain_csv *self = state;
    char error[700];

    self->ctx = ctx;
    self->rows_counter = hde_counter_open(ctx, "rows", "rows read");
    self->rejected = hde_counter_open(ctx, "rows_rejected", "malformed rows");
    self->bad_values = hde_counter_open(ctx, "bad_values", "values that were refused");
    self->duplicates = hde_counter_open(ctx, "duplicate_rows", "rows that a later one replaced");
    self->flagged = hde_counter_open(ctx, "chains_flagged", "chains with at least one flag");
    self->files_failed = hde_counter_open(ctx, "files_failed", "files that could not be read");

    self->cal = calendar_load(self->calendar, error, sizeof error);
    if (!self->cal)
        return hde_fail(ctx, "csv.calendar", "%s", error);
    if (!make_layout(self, error, sizeof error))
        return hde_fail(ctx, "csv.layout", "%s", error);
    if (!find_files(self))
        return hde_fail(ctx, "csv.no-file", "%s: no such file", self->path.path);
    self->csv = csv_new(&(struct csv_config){
        .calendar = self->cal,
        .layout = self->has_layout ? &self->own_layout : NULL,
        .split_ns = self->split.ns,
        .report = on_report,
        .user = self,
    });
    if (self->files.gl_pathc == 1) { /* a single file that cannot be read is the graph's error */
        const char *path = self->files.gl_pathv[self->next_file++];

        if (!csv_open(self->csv, path, error, sizeof error))
            return hde_fail(ctx, "csv.unreadable", "%s", error);
        hde_log(ctx, HDE_INFO, "csv.file", "%s: layout %s", path, csv_layout_name(self->csv));
        return HDE_OK;
    }
    if (!open_next(ctx, self))
        return hde_fail(ctx, "csv.unreadable", "%s: none of %zu files can be read", self->path.path,
                        self->files.gl_pathc);
    return HDE_OK;
}

static void
chain_csv_close(hde_ctx *ctx, void *state)
{
    struct chain_csv *self = state;

    csv_free(self->csv);
    calendar_free(self->cal);
    globfree(&self->files);
    self->csv = NULL;
    self->cal = NULL;
}

/* ---- Chains --------------------------------------------------------------------------------- */

static void
emit(hde_ctx *ctx, struct chain_csv *self, const struct csv_chain *c)
{
    hde_msg *msg = hde_msg_new(ctx, &hde__raw_chain__descriptor);
    Hde__RawChain *chain = (Hde__RawChain *)msg->body;
    char text[128];

    msg->event_ns = chain->event_ns = chain->exchange_ns = c->stamp_ns;
    chain->has_event_ns = true;
    snprintf(text, sizeof text, "%s:%s@%.60s", c->layout->venue, c->series->symbol, self->source);
    chain->feed = hde_msg_text(msg, text);
    chain->venue = hde_msg_text(msg, c->layout->venue);
    chain->underlying = hde_msg_text(msg, c->series->symbol);
    chain->source = hde_msg_text(msg, self->source);
    chain->expiry = hde_msg_text(msg, c->series->expiry_text);
    chain->has_expiry_ns = c->series->expiry_ns != 0;
    chain->expiry_ns = c->series->expiry_ns;
    chain->has_sequence = true;
    chain->sequence = c->sequence;
    chain->has_oi_unit = chain->has_volume_unit = true;
    chain->oi_unit = c->layout->oi_unit;
    chain->volume_unit = c->layout->volume_unit;
    if (c->has_session) {
        when_print_day(c->session.day, text);
        chain->session = hde_msg_text(msg, text);
        chain->has_session_open_ns = chain->has_session_close_ns = true;
        chain->session_open_ns = c->session.open_ns;
        chain->session_close_ns = c->session.close_ns;
    }
    snapshot_fill(c->snapshot, msg, chain);
    hde_emit(ctx, 0, msg);
}

static void
count_totals(struct chain_csv *self)
{
    const struct csv_totals *now = csv_totals(self->csv);

    hde_count(self->rows_counter, now->rows - self->counted.rows);
    hde_count(self->rejected, now->rows_rejected - self->counted.rows_rejected);
    hde_count(self->bad_values, now->bad_values - self->counted.bad_values);
    hde_count(self->duplicates, now->duplicates - self->counted.duplicates);
    hde_count(self->flagged, now->chains_flagged - self->counted.chains_flagged);
    self->counted = *now;
}

static hde_status
finish(hde_ctx *ctx, struct chain_csv *self)
{
    const struct csv_totals *t = csv_totals(self->csv);

    count_totals(self);
    hde_log(ctx, HDE_INFO, "csv.end",
            "%s: %" PRIu64 " rows, %" PRIu64 " rejected, %" PRIu64 " bad values, %" PRIu64
            " chains, %" PRIu64 " flagged",
            self->path.path, t->rows, t->rows_rejected, t->bad_values, t->chains,
            t->chains_flagged);
    return HDE_END;
}

/* False: there are no more in any file. */
static bool
next_chain(hde_ctx *ctx, struct chain_csv *self, struct csv_chain *chain)
{
    self->ctx = ctx;
    for (;;) {
        enum csv_result result = csv_next(self->csv, chain);

        if (result == CSV_ERROR) {
            hde_count(self->files_failed, 1);
            hde_log(ctx, HDE_ERROR, "csv.unreadable", "%s: reading failed",
                    self->files.gl_pathv[self->next_file - 1]);
        }
        if (result == CSV_CHAIN)
            break;
        if (!open_next(ctx, self))
            return false;
    }
    self->emitted++;
    self->digest ^= snapshot_hash(chain->snapshot) ^ (uint64_t)chain->stamp_ns;
    self->digest = (self->digest << 7 | self->digest >> 57) * UINT64_C(0x9e3779b97f4a7c15);
    return true;
}

static hde_status
chain_csv_poll(hde_ctx *ctx, void *state)
{
    struct chain_csv *self = state;
    struct position position = {.version = POSITION_VERSION};
    struct csv_chain chain;

    if (!next_chain(ctx, self, &chain))
        return finish(ctx, self);
    emit(ctx, self, &chain);
    count_totals(self);
    position.file = (uint32_t)self->next_file - 1;
    position.chains = self->emitted;
    position.offset = chain.offset;
    position.digest = self->digest;
    hde_position(ctx, 0, &position, sizeof position);
    return HDE_OK;
}

static hde_status
chain_csv_seek(hde_ctx *ctx, void *state, uint32_t partition, const void *bytes, size_t size)
{
    struct chain_csv *self = state;
    struct csv_chain chain;
    struct position position;
    bool is_there = true;

    if (partition != 0 || size != sizeof position)
        return hde_fail(ctx, "csv.position", "not a position of this operator");
    memcpy(&position, bytes, sizeof position);
    if (position.version != POSITION_VERSION)
        return hde_fail(ctx, "csv.position", "a position of version %u", position.version);
    self->is_going_back = true;
    while (is_there && self->emitted < position.chains)
        is_there = next_chain(ctx, self, &chain);
    self->is_going_back = false;
    self->counted = *csv_totals(self->csv);
    if (!is_there)
        return hde_fail(ctx, "csv.changed",
                        "%s: shorter than when it was read: it has %" PRIu64 " chains, %" PRIu64
                        " were read of it",
                        self->path.path, self->emitted, position.chains);
    if (self->digest != position.digest)
        return hde_fail(ctx, "csv.changed",
                        "%s: its first %" PRIu64 " chains are not those that were read: the file was "
                        "changed",
                        self->path.path, position.chains);
    return HDE_OK;
}

static const hde_port outputs[] = {
    {"chains", HDE_TYPES(&hde__raw_chain__descriptor), 0, "one a capture stamp and expiry"},
    {0},
};

static const hde_param params[] = {
    HDE_PARAM(struct chain_csv, path, .help = "a file, or a pattern like day-*.csv or {a,b}.csv"),
    HDE_PARAM(struct chain_csv, layout, .fallback = "auto",
              .help = "auto, nse_leg, nse_strike, hde_leg, or the path of a layout file"),
    HDE_PARAM(struct chain_csv, calendar, .fallback = "nse",
              .help = "shipped calendar (nse, always) or the path of a file"),
    HDE_PARAM(struct chain_csv, source, .fallback = "csv",
              .help = "last part of the feed's name, venue:underlying@source"),
    HDE_PARAM(struct chain_csv, columns, .fallback = "",
              .help = "our field: header name; with layout auto nothing else is mapped"),
    HDE_PARAM(struct chain_csv, rows, .fallback = "", .help = "leg or strike: what a row is"),
    HDE_PARAM(struct chain_csv, timezone, .fallback = "",
              .help = "offset of stamps that do not say, like +05:30"),
    HDE_PARAM(struct chain_csv, stamp, .fallback = "",
              .help = "patterns of %Y %m %d %b %H %M %S %f %z"),
    HDE_PARAM(struct chain_csv, expiry, .fallback = "", .help = "patterns of expiry dates"),
    HDE_PARAM(struct chain_csv, missing, .fallback = "",
              .help = "texts that stand for no value, besides empty"),
    HDE_PARAM(struct chain_csv, oi_unit, .fallback = "", .help = "units or lots"),
    HDE_PARAM(struct chain_csv, volume_unit, .fallback = "", .help = "units or lots"),
    HDE_PARAM(struct chain_csv, iv, .fallback = "", .help = "percent or decimal"),
    HDE_PARAM(struct chain_csv, aliases, .fallback = "", .help = "symbol in the file: our name"),
    HDE_PARAM(struct chain_csv, underlying, .fallback = "",
              .help = "of files without a symbol column"),
    HDE_PARAM(struct chain_csv, separator, .fallback = "",
              .help = "of columns: a character or tab"),
    HDE_PARAM(struct chain_csv, call, .fallback = "", .help = "what the type column says: CE"),
    HDE_PARAM(struct chain_csv, put, .fallback = "", .help = "what the type column says: PE"),
    HDE_PARAM(struct chain_csv, venue, .fallback = "", .help = "first part of the feed's name"),
    HDE_PARAM(struct chain_csv, split, .fallback = "90s", .min = 0, .max = 3600,
              .help = "captures at most this far apart, without an expiry in common, are one"),
    {0},
};

static const hde_operator chain_csv = {
    .size = sizeof(hde_operator),
    .flags = HDE_BLOCKING,
    .name = "ingestion/chain_csv",
    .summary = "Reads recorded option chains from CSV files",
    .help = "Rows are gathered by capture stamp; each expiry of a stamp is one message of its own\n"
            "tick. Malformed rows are rejected with file and line, unreadable values become\n"
            "absent; both are counted. Odd chains (stale, pre-open, split, repeated, time going\n"
            "backwards) carry flags and are not dropped.",
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct chain_csv),
    .open = chain_csv_open,
    .close = chain_csv_close,
    .poll = chain_csv_poll,
    .seek = chain_csv_seek,
};

HDE_PLUGIN(&chain_csv);
