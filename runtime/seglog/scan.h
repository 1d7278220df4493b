/* SPDX-License-Identifier: Apache-2.0
 * scan - the records of one segment file, one after the other, whatever its bytes are. */
#ifndef SEGLOG_SCAN_H
#define SEGLOG_SCAN_H

#include "seglog/format.h"

struct scan { /* {.fd = , .offset = , .position = } */
    int fd;            /* lent */
    uint64_t offset;   /* of the next record */
    uint64_t position; /* that it must have */
    uint8_t *window;   /* what was read of the file, from window_at on */
    size_t cap, have;
    uint64_t window_at;
};

enum scan_found {
    SCAN_RECORD, /* *head, payload behind it, until the next call; the scan stands behind it */
    SCAN_INDEX,  /* the segment is closed; the scan stays */
    SCAN_NONE,   /* the file ends just here; the scan stays */
    SCAN_BAD,    /* what is there is not a whole record; the scan stays */
    SCAN_FAILED, /* errno; the scan stays */
};

enum scan_found scan_next(struct scan *scan, const struct record_head **head);
/* Something behind a SCAN_BAD shows that the record there had been durable. */
bool scan_is_damage(struct scan *scan);
void scan_forget(struct scan *scan); /* reads the file again: it may have changed */
void scan_fini(struct scan *scan);   /* {0} is fine; leaves fd open */

#endif
