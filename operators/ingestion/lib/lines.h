/* SPDX-License-Identifier: Apache-2.0
 * lines - the lines of a file or of memory, through one buffer. */
#ifndef INGESTION_LINES_H
#define INGESTION_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lines { /* starts as {.fd = -1} */
    int fd;
    const char *rest; /* memory that was not copied yet, where there is no fd */
    size_t n_rest;
    char *buffer;
    size_t cap, start, end;
    bool eof;
    uint64_t offset; /* of the line given last */
    uint64_t number; /* of the line given last, from 1 */
    uint64_t consumed;
};

enum lines_result { LINES_LINE, LINES_LONG, LINES_END, LINES_ERROR };

bool lines_open(struct lines *lines, const char *path); /* errno */
void lines_open_bytes(struct lines *lines, const void *bytes, size_t n);
void lines_close(struct lines *lines); /* keeps the buffer */
void lines_free(struct lines *lines);
/* The next line without its end; the caller may change it, it is lent until the next call.
 * LINES_LONG: one of more than `most` bytes was passed over. LINES_ERROR: errno. */
enum lines_result lines_next(struct lines *lines, size_t most, char **line, size_t *size);

#endif
