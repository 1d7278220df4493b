/* SPDX-License-Identifier: Apache-2.0
 * lines - the lines of a file or of memory, through one buffer. */
#include "lines.h"

#include <hde/text.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER (256u << 10)

static void
begin(struct lines *lines)
{
    lines->start = lines->end = 0;
    lines->offset = lines->number = lines->consumed = 0;
    lines->eof = false;
    if (lines->buffer)
        return;
    lines->cap = BUFFER;
    lines->buffer = malloc(lines->cap);
    if (!lines->buffer)
        hde_no_memory();
}

bool
lines_open(struct lines *lines, const char *path)
{
    lines_close(lines);
    lines->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (lines->fd < 0)
        return false;
    begin(lines);
    return true;
}

void
lines_open_bytes(struct lines *lines, const void *bytes, size_t n)
{
    lines_close(lines);
    lines->rest = bytes;
    lines->n_rest = n;
    begin(lines);
}

void
lines_close(struct lines *lines)
{
    if (lines->fd >= 0)
        close(lines->fd);
    lines->fd = -1;
    lines->rest = NULL;
    lines->n_rest = 0;
}

void
lines_free(struct lines *lines)
{
    lines_close(lines);
    free(lines->buffer);
    *lines = (struct lines){.fd = -1};
}

/* More bytes behind what is there. False on an error. */
static bool
fill(struct lines *lines)
{
    size_t room;
    ssize_t n;

    memmove(lines->buffer, lines->buffer + lines->start, lines->end - lines->start);
    lines->end -= lines->start;
    lines->start = 0;
    room = lines->cap - lines->end;
    if (lines->fd < 0) {
        n = (ssize_t)(lines->n_rest < room ? lines->n_rest : room);
        if (n > 0)
            memcpy(lines->buffer + lines->end, lines->rest, (size_t)n);
        lines->rest += n;
        lines->n_rest -= (size_t)n;
    } else {
        do
            n = read(lines->fd, lines->buffer + lines->end, room);
        while (n < 0 && errno == EINTR);
    }
    if (n < 0)
        return false;
    lines->eof = n == 0;
    lines->end += (size_t)n;
    return true;
}

/* Passes over what is left of a line that does not fit. */
static enum lines_result
pass_over(struct lines *lines)
{
    for (;;) {
        char *p = lines->buffer + lines->start;
        char *newline = memchr(p, '\n', lines->end - lines->start);

        if (newline || lines->eof) {
            size_t n = newline ? (size_t)(newline - p) + 1 : lines->end - lines->start;

            lines->start += n;
            lines->consumed += n;
            return LINES_LONG;
        }
        lines->consumed += lines->end - lines->start;
        lines->start = lines->end;
        if (!fill(lines))
            return LINES_ERROR;
    }
}

enum lines_result
lines_next(struct lines *lines, size_t most, char **line, size_t *size)
{
    size_t seen = 0;

    for (;;) {
        char *p = lines->buffer + lines->start;
        size_t n = lines->end - lines->start;
        char *newline = n > seen ? memchr(p + seen, '\n', n - seen) : NULL;

        if (newline || (lines->eof && n > 0)) {
            lines->offset = lines->consumed;
            lines->number++;
            *line = p;
            *size = newline ? (size_t)(newline - p) : n;
            lines->start += *size + (newline != NULL);
            lines->consumed += *size + (newline != NULL);
            if (*size > most)
                return LINES_LONG;
            if (*size > 0 && p[*size - 1] == '\r')
                --*size;
            return LINES_LINE;
        }
        if (lines->eof)
            return LINES_END;
        if (n > most) {
            lines->offset = lines->consumed;
            lines->number++;
            return pass_over(lines);
        }
        seen = n;
        if (!fill(lines))
            return LINES_ERROR;
    }
}
