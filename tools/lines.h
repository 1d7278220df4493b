/* SPDX-License-Identifier: Apache-2.0
 * lines - a file or pipe line by line in constant memory, and CSV lines into fields. */
#ifndef TOOLS_LINES_H
#define TOOLS_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE_MAX_BYTES = 1 << 16, LINE_BUFFER = 1 << 20 };

struct lines { /* starts as {.fd = ...} */
    int fd;
    uint64_t number; /* of the line given last, from 1 */
    size_t begin, end;
    bool at_end;
    int error;                     /* errno of a read that failed */
    char buffer[LINE_BUFFER + 1];
};

enum lines_got {
    LINES_END,
    LINES_LINE,
    LINES_LONG,  /* a line over LINE_MAX_BYTES, which is skipped */
    LINES_PAUSE, /* nothing to read now; only if asked for. The next call waits */
};

/* The next line without its end (and without a CR or the BOM of the first), ended by NUL; valid
 * until the next call. pause: rather say so than wait. */
enum lines_got lines_next(struct lines *l, bool pause, char **line, size_t *len);

/* Splits in place at commas; quotes around a field are taken off, "" inside of them is one.
 * Gives the number of fields, of which at most max are set. */
size_t lines_split(char *line, char **field, size_t max);

#endif
