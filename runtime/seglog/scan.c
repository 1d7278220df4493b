/* SPDX-License-Identifier: Apache-2.0 */
#include "seglog/scan.h"

#include "base/arena.h"
#include "base/io.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WINDOW = 256 * 1024 };

void
scan_forget(struct scan *scan)
{
    scan->have = 0;
}

void
scan_fini(struct scan *scan)
{
    free(scan->window);
    *scan = (struct scan){.fd = -1};
}

/* size bytes of the file at an offset, with more behind it in the window; NULL: the file is
 * shorter (*failed false) or cannot be read. */
static const void *
look(struct scan *scan, uint64_t at, size_t size, bool *failed)
{
    ssize_t n;

    *failed = false;
    if (at >= scan->window_at && at - scan->window_at + size <= scan->have)
        return scan->window + (at - scan->window_at);
    if (size > scan->cap || !scan->cap) {
        scan->cap = size > WINDOW ? size : WINDOW;
        scan->window = xrealloc(scan->window, scan->cap);
    }
    scan->window_at = at;
    n = io_read(scan->fd, scan->window, scan->cap, at);
    scan->have = n < 0 ? 0 : (size_t)n;
    *failed = n < 0;
    return scan->have >= size ? scan->window : NULL;
}

static uint64_t
file_size(const struct scan *scan)
{
    struct stat st;

    return fstat(scan->fd, &st) < 0 || st.st_size < 0 ? 0 : (uint64_t)st.st_size;
}

/* A record whose CRC is right; NULL otherwise. Its size is believed only inside of the file. */
static const struct record_head *
whole_at(struct scan *scan, uint64_t at, bool *failed)
{
    const struct record_head *head = look(scan, at, sizeof *head, failed);
    uint64_t whole;

    if (!head)
        return NULL;
    whole = record_whole(head->size);
    if (at - scan->window_at + whole > scan->have) {
        uint64_t size = file_size(scan);

        if (at > size || whole > size - at)
            return NULL;
        head = look(scan, at, whole, failed);
    }
    return head && head->crc == record_crc(head) ? head : NULL;
}

enum scan_found
scan_next(struct scan *scan, const struct record_head **head)
{
    bool failed;

    *head = whole_at(scan, scan->offset, &failed);
    if (failed)
        return SCAN_FAILED;
    if (!*head)
        return scan->have ? SCAN_BAD : SCAN_NONE;
    if (!(*head)->position)
        return SCAN_INDEX;
    if ((*head)->position != scan->position)
        return SCAN_BAD;
    scan->offset += record_whole((*head)->size);
    scan->position++;
    return SCAN_RECORD;
}

bool
scan_is_damage(struct scan *scan)
{
    uint64_t end = file_size(scan);
    bool failed;

    for (uint64_t at = scan->offset + RECORD_ALIGN; at + sizeof(struct record_head) <= end;
         at += RECORD_ALIGN) {
        const struct record_head *head = look(scan, at, sizeof *head, &failed);

        if (!head)
            return false;
        /* cheap to see first: of the positions that fit, or an index, and of a later state */
        if (head->position && (head->position <= scan->position ||
                               head->position - scan->position > end / sizeof *head))
            continue;
        if (record_durable(head) >= scan->position && whole_at(scan, at, &failed))
            return true;
    }
    return false;
}
