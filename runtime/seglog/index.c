/* SPDX-License-Identifier: Apache-2.0 */
#include "seglog/index.h"

#include "base/arena.h"
#include "base/io.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ENTRY_EACH = 64 * 1024 }; /* bytes of records */

#define INDEX_MAGIC UINT64_C(0x0a78646e692d6568)

/* Ends the file, so that the index is found from there. */
struct index_end {
    uint64_t offset; /* of the index's record */
    uint64_t magic;
};

void
index_clear(struct index *index)
{
    index->sums = (struct index_sums){.first_event_ns = INT64_MIN, .last_event_ns = INT64_MIN};
    index->entry_from = 0;
    index->n = 0;
}

void
index_fini(struct index *index)
{
    free(index->entries);
    *index = (struct index){0};
}

static void
add_entry(struct index *index, const struct record_head *head, uint64_t offset)
{
    if (index->n == index->cap) {
        index->cap = index->cap ? 2 * index->cap : 64;
        index->entries = xrealloc(index->entries, index->cap * sizeof *index->entries);
    }
    index->entries[index->n++] = (struct index_entry){.position = head->position,
                                                      .offset = offset,
                                                      .tick = index->sums.last_tick,
                                                      .event_ns = index->sums.last_event_ns};
    index->entry_from = offset + ENTRY_EACH;
}

void
index_note(struct index *index, const struct record_head *head, uint64_t offset)
{
    struct index_sums *sums = &index->sums;

    if (offset >= index->entry_from)
        add_entry(index, head, offset);
    if (!sums->records++)
        sums->first_tick = head->tick;
    sums->last_tick = head->tick;
    if (head->event_ns == INT64_MIN)
        return;
    if (sums->first_event_ns == INT64_MIN || head->event_ns < sums->first_event_ns)
        sums->first_event_ns = head->event_ns;
    if (head->event_ns > sums->last_event_ns)
        sums->last_event_ns = head->event_ns;
}

static size_t
payload_size(size_t entries)
{
    return sizeof(struct index_sums) + entries * sizeof(struct index_entry) +
           sizeof(struct index_end);
}

size_t
index_size(const struct index *index)
{
    return sizeof(struct record_head) + payload_size(index->n);
}

struct record_head *
index_record(const struct index *index, uint64_t offset, uint64_t durable)
{
    struct record_head *head = xcalloc(1, index_size(index));
    const struct index_end end = {offset, INDEX_MAGIC};
    char *at = (char *)(head + 1);

    head->size = (uint32_t)payload_size(index->n);
    head->tick = durable;
    head->event_ns = INT64_MIN;
    head->lag = UINT32_MAX;
    memcpy(at, &index->sums, sizeof index->sums);
    at += sizeof index->sums;
    if (index->n)
        memcpy(at, index->entries, index->n * sizeof *index->entries);
    memcpy(at + index->n * sizeof *index->entries, &end, sizeof end);
    head->crc = record_crc(head);
    return head;
}

/* The record at the end of the file, or NULL. */
static struct record_head *
load(int fd)
{
    struct record_head *head;
    struct index_end end;
    struct stat st;
    uint64_t size;

    if (fstat(fd, &st) < 0 || (size_t)st.st_size < sizeof *head + payload_size(0))
        return NULL;
    size = (uint64_t)st.st_size;
    if (io_read(fd, &end, sizeof end, size - sizeof end) != (ssize_t)sizeof end)
        return NULL;
    if (end.magic != INDEX_MAGIC || end.offset > size || size - end.offset > UINT32_MAX ||
        size - end.offset < sizeof *head + payload_size(0))
        return NULL;
    size -= end.offset;
    head = xmalloc(size);
    if (io_read(fd, head, size, end.offset) == (ssize_t)size && !head->position &&
        head->size == size - sizeof *head && head->crc == record_crc(head) &&
        (head->size - payload_size(0)) % sizeof(struct index_entry) == 0)
        return head;
    free(head);
    return NULL;
}

bool
index_read(struct index *index, int fd)
{
    struct record_head *head = load(fd);
    const char *at;

    index_clear(index);
    if (!head)
        return false;
    at = (const char *)(head + 1);
    memcpy(&index->sums, at, sizeof index->sums);
    index->n = (head->size - payload_size(0)) / sizeof *index->entries;
    if (index->n > index->cap) {
        index->cap = index->n;
        index->entries = xrealloc(index->entries, index->cap * sizeof *index->entries);
    }
    if (index->n)
        memcpy(index->entries, at + sizeof index->sums, index->n * sizeof *index->entries);
    free(head);
    return true;
}

/* The last entry that `before` holds for; it holds for a first part of them. */
static const struct index_entry *
last_before(const struct index *index, bool (*before)(const struct index_entry *, const void *),
            const void *key)
{
    size_t low = 0, high = index->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (before(&index->entries[middle], key))
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &index->entries[low - 1] : NULL;
}

static bool
position_before(const struct index_entry *entry, const void *key)
{
    return entry->position <= *(const uint64_t *)key;
}

static bool
tick_before(const struct index_entry *entry, const void *key)
{
    return entry->tick < *(const uint64_t *)key;
}

static bool
event_before(const struct index_entry *entry, const void *key)
{
    return entry->event_ns < *(const int64_t *)key;
}

const struct index_entry *
index_find_position(const struct index *index, uint64_t position)
{
    return last_before(index, position_before, &position);
}

const struct index_entry *
index_find_tick(const struct index *index, uint64_t tick)
{
    return last_before(index, tick_before, &tick);
}

const struct index_entry *
index_find_event(const struct index *index, int64_t event_ns)
{
    return last_before(index, event_before, &event_ns);
}
