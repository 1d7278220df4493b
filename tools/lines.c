/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static bool
would_wait(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 0;
}

static void
fill(struct lines *l)
{
    ssize_t n;

    if (l->begin > 0) {
        memmove(l->buffer, l->buffer + l->begin, l->end - l->begin);
        l->end -= l->begin;
        l->begin = 0;
    }
    do
        n = read(l->fd, l->buffer + l->end, LINE_BUFFER - l->end);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        l->error = errno;
    if (n <= 0)
        l->at_end = true;
    else
        l->end += (size_t)n;
}

/* Line ends at `at`. */
static enum lines_got
take(struct lines *l, char *at, char **line, size_t *len)
{
    static const char bom[] = "\xEF\xBB\xBF";

    *line = l->buffer + l->begin;
    *len = (size_t)(at - *line);
    l->begin = (size_t)(at - l->buffer) + (at < l->buffer + l->end);
    l->number++;
    if (*len > 0 && at[-1] == '\r')
        --*len;
    (*line)[*len] = 0;
    if (l->number == 1 && *len >= 3 && memcmp(*line, bom, 3) == 0) {
        *line += 3;
        *len -= 3;
    }
    return *len > LINE_MAX_BYTES ? LINES_LONG : LINES_LINE;
}

enum lines_got
lines_next(struct lines *l, bool pause, char **line, size_t *len)
{
    size_t looked = 0;
    bool cut = false; /* the begin of this line is gone: it did not fit */

    for (;;) {
        char *from = l->buffer + l->begin + looked;
        char *at = memchr(from, '\n', l->end - l->begin - looked);

        if (at || (l->at_end && l->begin < l->end))
            return take(l, at ? at : l->buffer + l->end, line, len) == LINES_LONG || cut
                       ? LINES_LONG
                       : LINES_LINE;
        if (l->at_end)
            return LINES_END;
        looked = l->end - l->begin;
        if (looked == LINE_BUFFER) {
            cut = true;
            l->begin = l->end;
            looked = 0;
        }
        if (pause && !cut && would_wait(l->fd))
            return LINES_PAUSE;
        fill(l);
    }
}

/* The field at *at without its quotes; *at goes behind it. False at the end of the line. */
static bool
unquote(char **at)
{
    char *to = *at, *from = *at + 1;

    for (; *from && !(*from == '"' && from[1] != '"'); from++) {
        from += *from == '"';
        *to++ = *from;
    }
    from += *from == '"';
    while (*from && *from != ',')
        *to++ = *from++;
    *at = from + 1;
    if (*from == 0) {
        *to = 0;
        return false;
    }
    *to = 0;
    return true;
}

size_t
lines_split(char *line, char **field, size_t max)
{
    bool more = true;
    size_t n = 0;

    for (char *at = line; more; n++) {
        if (n < max)
            field[n] = at;
        if (*at == '"') {
            more = unquote(&at);
            continue;
        }
        at = strchr(at, ',');
        more = at != NULL;
        if (more)
            *at++ = 0;
    }
    return n;
}
