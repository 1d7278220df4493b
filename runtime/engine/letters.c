/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/letters.h"

#include "base/arena.h"
#include "seglog/seglog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- The index ---------------------------------------------------------------------------- */

void
letters_fini(struct letters *letters)
{
    for (size_t i = 0; i < letters->n_marks; i++)
        free(letters->marks[i].node);
    free(letters->marks);
    free(letters->item);
    *letters = (struct letters){0};
}

/* Ids grow, so the index is sorted. */
void
letters_add(struct letters *letters, const struct letter_at *at)
{
    if (letters->n == letters->cap && letters->first > letters->n / 2) {
        letters->n -= letters->first;
        memmove(letters->item, letters->item + letters->first,
                letters->n * sizeof *letters->item);
        letters->first = 0;
    }
    if (letters->n == letters->cap) {
        letters->cap = letters->cap ? 2 * letters->cap : 64;
        letters->item = xrealloc(letters->item, letters->cap * sizeof *letters->item);
    }
    letters->item[letters->n++] = *at;
    letters->n_live++;
    letters->live_bytes += at->bytes;
}

struct letter_at *
letters_find(const struct letters *letters, uint64_t id)
{
    size_t low = letters->first, high = letters->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (letters->item[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < letters->n && letters->item[low].id == id && !letters->item[low].is_gone
               ? &letters->item[low]
               : NULL;
}

bool
letters_remove(struct letters *letters, uint64_t id)
{
    struct letter_at *at = letters_find(letters, id);

    if (!at)
        return false;
    at->is_gone = true;
    letters->n_live--;
    letters->live_bytes -= at->bytes;
    while (letters->first < letters->n && letters->item[letters->first].is_gone)
        letters->first++;
    return true;
}

const struct letter_at *
letters_oldest(const struct letters *letters)
{
    return letters->first < letters->n ? &letters->item[letters->first] : NULL;
}

uint32_t
letters_mark(struct letters *letters, const char *node, uint32_t replica)
{
    uint32_t i = 0;

    while (i < letters->n_marks &&
           (letters->marks[i].replica != replica || strcmp(letters->marks[i].node, node) != 0))
        i++;
    if (i == letters->n_marks) {
        letters->marks = xrealloc(letters->marks, (i + 1) * sizeof *letters->marks);
        letters->marks[letters->n_marks++] =
            (struct letter_mark){.node = xstrdup(node), .replica = replica};
    }
    return i;
}

/* ---- Records ------------------------------------------------------------------------------ */

static bool
take_letter(struct letters *letters, const struct seglog_record *record)
{
    Hde__DeadLetter *letter = hde__dead_letter__unpack(NULL, record->size, record->bytes);
    struct letter_at at = {.id = record->key.position, .bytes = record->size};

    if (!letter || !letter->node) {
        if (letter)
            hde__dead_letter__free_unpacked(letter, NULL);
        return false;
    }
    at.time_ns = letter->time_ns;
    at.mark = letters_mark(letters, letter->node, letter->replica);
    letters_add(letters, &at);
    letters->marks[at.mark].tick = letter->tick;
    letters->marks[at.mark].index = letter->index;
    hde__dead_letter__free_unpacked(letter, NULL);
    return true;
}

static bool
take_removal(struct letters *letters, const struct seglog_record *record)
{
    Hde__DeadRemoval *removal = hde__dead_removal__unpack(NULL, record->size, record->bytes);

    if (!removal)
        return false;
    for (size_t i = 0; i < removal->n_ids; i++)
        letters_remove(letters, removal->ids[i]);
    for (size_t i = 0; i < removal->n_marks; i++) {
        const Hde__DeadMark *saved = removal->marks[i];
        uint32_t mark = letters_mark(letters, saved->node ? saved->node : "", saved->replica);

        letters->marks[mark].tick = saved->tick;
        letters->marks[mark].index = saved->index;
    }
    hde__dead_removal__free_unpacked(removal, NULL);
    return true;
}

static bool
take_record(struct letters *letters, const struct seglog_record *record)
{
    switch (record->key.kind) {
    case LETTER_RECORD:
        return take_letter(letters, record);
    case REMOVAL_RECORD:
        letters->last_removal = record->key.position;
        return take_removal(letters, record);
    default:
        return false;
    }
}

static bool
is_there(const char *folder)
{
    struct stat st;

    return stat(folder, &st) == 0 || errno != ENOENT;
}

bool
letters_read(struct letters *letters, const char *folder, struct err *err)
{
    struct seglog_reader *reader;
    struct seglog_record record;
    enum seglog_next next;

    if (!is_there(folder))
        return true;
    reader = seglog_reader_open(folder, err);
    if (!reader)
        return false;
    while ((next = seglog_next(reader, &record, err)) == SEGLOG_RECORD)
        if (!take_record(letters, &record)) {
            err_set(err, "HDE-R090", "'%s' holds no dead letters: record %llu is something else",
                    folder, (unsigned long long)record.key.position);
            break;
        }
    seglog_reader_close(reader);
    return next == SEGLOG_END;
}

bool
letters_each(const struct letters *letters, const char *folder, letters_each_fn *each, void *arg,
             struct err *err)
{
    const struct letter_at *oldest = letters_oldest(letters);
    struct seglog_reader *reader;
    struct seglog_record record;
    enum seglog_next next;

    if (!oldest)
        return true;
    reader = seglog_reader_open(folder, err);
    if (!reader)
        return false;
    seglog_seek_position(reader, oldest->id);
    while ((next = seglog_next(reader, &record, err)) == SEGLOG_RECORD) {
        Hde__DeadLetter *letter =
            letters_find(letters, record.key.position)
                ? hde__dead_letter__unpack(NULL, record.size, record.bytes)
                : NULL;

        if (!letter)
            continue;
        each(arg, record.key.position, letter);
        hde__dead_letter__free_unpacked(letter, NULL);
    }
    seglog_reader_close(reader);
    return next == SEGLOG_END;
}

/* NULL with err: there is none of this id. */
static Hde__DeadLetter *
read_at(struct seglog_reader *reader, const char *folder, uint64_t id, struct err *err)
{
    struct seglog_record record;
    Hde__DeadLetter *letter = NULL;

    if (seglog_seek_position(reader, id) && seglog_next(reader, &record, err) == SEGLOG_RECORD &&
        record.key.position == id && record.key.kind == LETTER_RECORD)
        letter = hde__dead_letter__unpack(NULL, record.size, record.bytes);
    if (!letter)
        err_set(err, "HDE-R095", "'%s' holds no dead letter %llu", folder, (unsigned long long)id);
    return letter;
}

bool
letters_pick(const char *folder, const uint64_t *ids, size_t n, letters_each_fn *each, void *arg,
             struct err *err)
{
    struct seglog_reader *reader = seglog_reader_open(folder, err);

    for (size_t i = 0; reader && i < n && !err_is_set(err); i++) {
        Hde__DeadLetter *letter = read_at(reader, folder, ids[i], err);

        if (!letter)
            break;
        each(arg, ids[i], letter);
        hde__dead_letter__free_unpacked(letter, NULL);
    }
    seglog_reader_close(reader);
    return !err_is_set(err);
}

Hde__DeadLetter *
letter_read(const char *folder, uint64_t id, struct err *err)
{
    struct seglog_reader *reader = seglog_reader_open(folder, err);
    Hde__DeadLetter *letter = reader ? read_at(reader, folder, id, err) : NULL;

    seglog_reader_close(reader);
    return letter;
}
