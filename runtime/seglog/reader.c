/* SPDX-License-Identifier: Apache-2.0
 * reader - records of a log in order, from any process, also while another one appends.
 *
 *  (1) Only whole records with the next position are given: what the writer has not finished is
 *      the end for now, and is read again by the next call.
 *      [test_a_reader_in_another_process_sees_every_record_whole_and_once]
 *  (2) A segment is left for the next one only at its index, or after damage was reported. That
 *      there is a later segment is looked up before a bad end is read once more: by then a segment
 *      that is not the last one was closed, so it can get no better.
 *      [test_a_reader_follows_its_writer_from_record_to_record, test_a_missing_segment_is_an_error]
 *  (3) Indexes only choose where to begin; each record is checked for itself, and an index is
 *      believed only in a closed segment, whose end no record can imitate.
 *      [test_seek_finds_the_first_record_at_or_after]
 *  (4) A segment gives only positions between its first and that of the next one, whatever its
 *      records and its index say: positions never fall.
 *      [test_a_record_that_stands_in_two_segments_is_given_once] */
#include "base/arena.h"
#include "base/io.h"
#include "seglog/index.h"
#include "seglog/scan.h"
#include "seglog/seglog.h"
#include "seglog/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct seglog_reader {
    char folder[PATH_MAX];
    struct segment_list list; /* as it was looked up last */
    uint64_t first;           /* of the segment that is read; 0: none yet */
    uint64_t end;             /* where the one behind it begins; UINT64_MAX: none is known */
    bool is_bad;              /* its damage was reported: nothing more comes from it */
    struct segment_head head;
    struct scan scan; /* owns its descriptor; -1: none */
    struct index index;

    bool has_ahead; /* a seek has read it already */
    enum seglog_next ahead;
    struct seglog_record ahead_record;
    struct err ahead_err;
};

static void
leave(struct seglog_reader *reader)
{
    int fd = reader->scan.fd;

    scan_fini(&reader->scan);
    if (fd >= 0)
        close(fd);
    reader->scan.fd = -1;
}

struct seglog_reader *
seglog_reader_open(const char *folder, struct err *err)
{
    struct seglog_reader *reader = xcalloc(1, sizeof *reader);

    reader->scan.fd = -1;
    if (snprintf(reader->folder, sizeof reader->folder, "%s", folder) < PATH_MAX &&
        segment_list(&reader->list, folder, err))
        return reader;
    err_set(err, "HDE-L002", "the name of the folder is too long");
    seglog_reader_close(reader);
    return NULL;
}

void
seglog_reader_close(struct seglog_reader *reader)
{
    if (!reader)
        return;
    leave(reader);
    index_fini(&reader->index);
    segment_list_fini(&reader->list);
    free(reader);
}

/* ---- From segment to segment -------------------------------------------------------------- */

/* The segment behind this one; 0: there is none. *gone: this one was removed. */
static uint64_t
later_segment(const struct seglog_reader *reader, bool *gone)
{
    const struct segment_list *list = &reader->list;
    size_t i = segment_find(list, reader->first);

    *gone = i >= list->n || list->first[i] != reader->first;
    if (i < list->n && list->first[i] <= reader->first)
        i++;
    return i < list->n ? list->first[i] : 0;
}

/* False with err, then the segment counts as bad. */
static bool
enter(struct seglog_reader *reader, uint64_t first, struct err *err)
{
    uint64_t later;
    bool gone;
    int fd;

    leave(reader);
    reader->first = first;
    later = later_segment(reader, &gone);
    reader->end = later ? later : UINT64_MAX;
    fd = segment_open(reader->folder, first, O_RDONLY | O_CLOEXEC, &reader->head, err);
    reader->is_bad = fd < 0;
    reader->scan =
        (struct scan){.fd = fd, .offset = sizeof reader->head, .position = first};
    return fd >= 0;
}

static enum seglog_next
missing(struct seglog_reader *reader, uint64_t next, struct err *err)
{
    err_set(err, "HDE-L005",
            "in %s the records from position %" PRIu64 " to %" PRIu64 " are missing",
            reader->folder, reader->scan.position, next - 1);
    reader->is_bad = true;
    return SEGLOG_DAMAGED;
}

/* SEGLOG_RECORD: it stands at the begin of the next segment. Where retention was faster than the
 * reader, positions go on with what is there. */
static enum seglog_next
go_on(struct seglog_reader *reader, struct err *err)
{
    for (;;) {
        bool gone, was_bad = reader->is_bad || !reader->first;
        struct err own = {0};
        uint64_t first;

        if (!segment_list(&reader->list, reader->folder, err))
            return SEGLOG_DAMAGED;
        first = later_segment(reader, &gone);
        if (!first)
            return SEGLOG_END;
        if (!was_bad && !gone && first != reader->scan.position)
            return missing(reader, first, err);
        if (enter(reader, first, &own))
            return SEGLOG_RECORD;
        if (errno != ENOENT) {
            err_set(err, own.code, "%s", own.text);
            return SEGLOG_DAMAGED;
        }
    }
}

static enum seglog_next
damaged(struct seglog_reader *reader, const char *what, struct err *err)
{
    char path[PATH_MAX];

    segment_path(path, reader->folder, reader->first, SEGMENT_SUFFIX);
    err_set(err, "HDE-L003", "%s:%" PRIu64 ": the record at position %" PRIu64 " %s", path,
            reader->scan.offset, reader->scan.position, what);
    reader->is_bad = true;
    return SEGLOG_DAMAGED;
}

/* What an end that is no index means (2). */
static enum seglog_next
judge_end(struct seglog_reader *reader, enum scan_found found, bool is_last, struct err *err)
{
    if (found == SCAN_FAILED)
        return damaged(reader, strerror(errno), err);
    if (!is_last)
        return damaged(reader, found == SCAN_NONE ? "is missing" : "is damaged", err);
    if (found == SCAN_BAD && scan_is_damage(&reader->scan))
        return damaged(reader, "is damaged", err);
    return SEGLOG_END;
}

static enum scan_found
next_in_segment(struct seglog_reader *reader, const struct record_head **head, bool *is_last)
{
    enum scan_found found = scan_next(&reader->scan, head);
    bool gone;

    if (found == SCAN_RECORD || found == SCAN_INDEX)
        return found;
    *is_last = !segment_list(&reader->list, reader->folder, NULL) || !later_segment(reader, &gone);
    scan_forget(&reader->scan);
    return scan_next(&reader->scan, head);
}

static enum seglog_next
read_next(struct seglog_reader *reader, struct seglog_record *out, struct err *err)
{
    for (;;) {
        enum scan_found found = SCAN_INDEX;
        const struct record_head *head;
        enum seglog_next next;
        bool is_last = true;

        if (!reader->is_bad && reader->first)
            found = next_in_segment(reader, &head, &is_last);
        if (found == SCAN_RECORD && !(head->position >= reader->first && head->position < reader->end))
            return damaged(reader, "belongs to another segment", err);
        if (found == SCAN_RECORD) {
            *out = (struct seglog_record){
                .key = {head->position, head->tick, head->event_ns, head->kind},
                .bytes = (const uint8_t *)(head + 1),
                .size = head->size};
            return SEGLOG_RECORD;
        }
        if (found != SCAN_INDEX)
            return judge_end(reader, found, is_last, err);
        next = go_on(reader, err);
        if (next != SEGLOG_RECORD)
            return next;
    }
}

enum seglog_next
seglog_next(struct seglog_reader *reader, struct seglog_record *out, struct err *err)
{
    if (!reader->has_ahead)
        return read_next(reader, out, err);
    reader->has_ahead = false;
    *out = reader->ahead_record;
    if (err && reader->ahead == SEGLOG_DAMAGED)
        *err = reader->ahead_err;
    return reader->ahead;
}

/* ---- Seek --------------------------------------------------------------------------------- */

/* The key that is looked for, and by which of its fields. */
struct sought {
    enum { BY_POSITION, BY_TICK, BY_EVENT } by;
    struct seglog_key key;
};

static bool
is_reached(const struct sought *sought, const struct seglog_key *key)
{
    switch (sought->by) {
    case BY_POSITION:
        return key->position >= sought->key.position;
    case BY_TICK:
        return key->tick >= sought->key.tick;
    default:
        return key->event_ns >= sought->key.event_ns;
    }
}

/* Whether all records before the segment are before the key. */
static bool
begins_before(struct seglog_reader *reader, size_t i, const struct sought *sought)
{
    struct segment_head head;
    int fd;

    if (sought->by == BY_POSITION)
        return reader->list.first[i] <= sought->key.position;
    fd = segment_open(reader->folder, reader->list.first[i], O_RDONLY | O_CLOEXEC, &head, NULL);
    if (fd < 0)
        return false; /* whoever reads it says why */
    close(fd);
    return sought->by == BY_TICK ? head.tick_before < sought->key.tick
                                 : head.event_before < sought->key.event_ns;
}

/* The last segment that begins before, else the first. */
static size_t
find_segment(struct seglog_reader *reader, const struct sought *sought)
{
    size_t low = 0, high = reader->list.n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (begins_before(reader, middle, sought))
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : 0;
}

/* Stands the scan at the last place of the index before the key. False: the key is behind this
 * segment. */
static bool
skip_by_index(struct seglog_reader *reader, const struct sought *sought)
{
    const struct index_entry *entry;

    if (!index_read(&reader->index, reader->scan.fd))
        return true;
    switch (sought->by) {
    case BY_POSITION:
        entry = index_find_position(&reader->index, sought->key.position);
        break;
    case BY_TICK:
        entry = index_find_tick(&reader->index, sought->key.tick);
        break;
    default:
        if (reader->index.sums.last_event_ns < sought->key.event_ns)
            return false;
        entry = index_find_event(&reader->index, sought->key.event_ns);
    }
    if (entry) {
        reader->scan.offset = entry->offset;
        reader->scan.position = entry->position;
    }
    return true;
}

static bool
enter_nearest(struct seglog_reader *reader, const struct sought *sought, struct err *err)
{
    size_t last = reader->list.n - 1;

    for (size_t i = find_segment(reader, sought); i < last; i++) {
        struct err own = {0};

        if (enter(reader, reader->list.first[i], &own)) {
            if (skip_by_index(reader, sought))
                return true;
        } else if (errno != ENOENT) { /* else removed meanwhile */
            err_set(err, own.code, "%s", own.text);
            return false;
        }
    }
    return enter(reader, reader->list.first[last], err);
}

static bool
seek(struct seglog_reader *reader, const struct sought *sought)
{
    leave(reader);
    reader->first = 0;
    reader->is_bad = reader->has_ahead = false;
    reader->ahead_err = (struct err){0};
    reader->ahead = SEGLOG_DAMAGED;
    if (!segment_list(&reader->list, reader->folder, &reader->ahead_err))
        return reader->has_ahead = true;
    if (!reader->list.n)
        return false;
    if (!enter_nearest(reader, sought, &reader->ahead_err))
        return reader->has_ahead = true;
    do
        reader->ahead = read_next(reader, &reader->ahead_record, &reader->ahead_err);
    while (reader->ahead == SEGLOG_RECORD && !is_reached(sought, &reader->ahead_record.key));
    return reader->has_ahead = reader->ahead != SEGLOG_END;
}

bool
seglog_seek_position(struct seglog_reader *reader, uint64_t position)
{
    return seek(reader, &(struct sought){BY_POSITION, {.position = position}});
}

bool
seglog_seek_tick(struct seglog_reader *reader, uint64_t tick)
{
    return seek(reader, &(struct sought){BY_TICK, {.tick = tick}});
}

bool
seglog_seek_event(struct seglog_reader *reader, int64_t event_ns)
{
    return seek(reader, &(struct sought){BY_EVENT, {.event_ns = event_ns}});
}

/* ---- Segments ----------------------------------------------------------------------------- */

/* From the index, or by reading all of it. */
static void
sum_up(int fd, bool is_last, struct index *index, struct seglog_segment *out)
{
    struct scan scan = {
        .fd = fd, .offset = sizeof(struct segment_head), .position = out->first_position};
    const struct record_head *head;
    enum scan_found found;

    if (!is_last && index_read(index, fd))
        return;
    index_clear(index);
    while ((found = scan_next(&scan, &head)) == SCAN_RECORD)
        index_note(index, head, scan.offset - record_whole(head->size));
    out->torn = found != SCAN_INDEX && (found != SCAN_NONE || !is_last);
    if (out->torn)
        out->whole_bytes = scan.offset;
    scan_fini(&scan);
}

static void
describe(const char *folder, uint64_t first, bool is_last, struct seglog_segment *out)
{
    struct index index = {0};
    struct segment_head head;
    struct stat st;
    int fd = segment_open(folder, first, O_RDONLY | O_CLOEXEC, &head, NULL);

    index_clear(&index);
    *out = (struct seglog_segment){.first_position = first, .torn = fd < 0};
    snprintf(out->name, sizeof out->name, "%020" PRIu64 SEGMENT_SUFFIX, first);
    if (fd >= 0) {
        out->bytes = out->whole_bytes = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
        sum_up(fd, is_last, &index, out);
        close(fd);
    }
    out->records = index.sums.records;
    out->first_tick = index.sums.first_tick;
    out->last_tick = index.sums.last_tick;
    out->first_event_ns = index.sums.first_event_ns;
    out->last_event_ns = index.sums.last_event_ns;
    index_fini(&index);
}

size_t
seglog_segments(const char *folder, struct seglog_segment *out, size_t max, struct err *err)
{
    struct segment_list list = {0};
    size_t n = 0;

    if (segment_list(&list, folder, err)) {
        n = list.n;
        for (size_t i = 0; i < n && i < max; i++)
            describe(folder, list.first[i], i == n - 1, &out[i]);
    }
    segment_list_fini(&list);
    return n;
}
