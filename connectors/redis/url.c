/* SPDX-License-Identifier: Apache-2.0
 * url - the address of a Redis taken apart, and the slot of a key. */
#include "url.h"

#include "server.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PORT = 6379, DATABASE_MAX = 1 << 20 };

static bool
bad(struct redis_error *error, const char *what)
{
    return redis_fail(error, REDIS_TROUBLE_URL,
                      "%s: write redis://[[USER:]PASSWORD@]HOST[:PORT][/DATABASE] or "
                      "unix://[[USER:]PASSWORD@]/PATH[?db=DATABASE]",
                      what);
}

static int
hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* size bytes with %XX decoded to at most max - 1; no NUL. */
static bool
decode(const char *text, size_t size, char *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < size; i++) {
        int c = (unsigned char)text[i];

        if (c == '%') {
            int high = i + 2 < size ? hex(text[i + 1]) : -1, low = high < 0 ? -1 : hex(text[i + 2]);

            if (low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c == 0 || n + 1 >= max)
            return false;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return true;
}

static bool
parse_number(const char *text, size_t size, int max, int *out)
{
    int n = 0;

    if (size == 0 || size > 7)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        n = n * 10 + text[i] - '0';
    }
    *out = n;
    return n <= max;
}

bool
place_parse(const char *text, size_t size, int fallback_port, struct place *out)
{
    const char *colon = memrchr(text, ':', size), *bracket = memrchr(text, ']', size);
    size_t n = colon && colon > (bracket ? bracket : text - 1) ? (size_t)(colon - text) : size;

    out->port = fallback_port;
    if (n < size && !parse_number(text + n + 1, size - n - 1, 65535, &out->port))
        return false;
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    }
    if (n >= sizeof out->host)
        return false;
    if (n == 0)
        return out->port > 0;
    memcpy(out->host, text, n);
    out->host[n] = '\0';
    return out->port > 0;
}

/* [[USER:]PASSWORD@]: gives what follows. */
static const char *
parse_credentials(const char *text, struct url *out)
{
    const char *end = text + strcspn(text, "/?"), *at = memrchr(text, '@', (size_t)(end - text));
    const char *colon = at ? memchr(text, ':', (size_t)(at - text)) : NULL;
    const char *password = colon ? colon + 1 : text;

    if (!at)
        return text;
    if (colon && !decode(text, (size_t)(colon - text), out->user, sizeof out->user))
        return NULL;
    return decode(password, (size_t)(at - password), out->password, sizeof out->password) ? at + 1
                                                                                           : NULL;
}

static bool
parse_hosts(const char *text, struct url *out)
{
    size_t all = strcspn(text, "/");

    for (size_t at = 0; at <= all; at++) {
        size_t n = strcspn(text + at, ",/");
        struct place *place = &out->place[out->n];

        if (out->n == URL_HOSTS || n == 0 || !place_parse(text + at, n, DEFAULT_PORT, place) ||
            !place->host[0])
            return false;
        out->n++;
        at += n;
    }
    text += all;
    return *text == '\0' || text[1] == '\0' ||
           parse_number(text + 1, strlen(text + 1), DATABASE_MAX, &out->database);
}

static bool
parse_path(const char *text, struct url *out)
{
    size_t n = strcspn(text, "?");
    struct place *place = &out->place[out->n++];

    if (*text != '/' || !decode(text, n, place->host, sizeof place->host) || n > 107)
        return false;
    text += n;
    return *text == '\0' ||
           (strncmp(text, "?db=", 4) == 0 &&
            parse_number(text + 4, strlen(text + 4), DATABASE_MAX, &out->database));
}

bool
url_parse(const char *text, struct url *out, struct redis_error *error)
{
    bool is_unix = strncmp(text, "unix://", 7) == 0;

    *out = (struct url){0};
    if (strncmp(text, "rediss://", 9) == 0)
        return redis_fail(error, REDIS_TROUBLE_URL,
                          "rediss:// is Redis over TLS, which this build's hiredis cannot speak: "
                          "reach it through a local TLS proxy (stunnel) and redis:// or unix://");
    if (!is_unix && strncmp(text, "redis://", 8) != 0)
        return bad(error, "the URL of Redis begins with neither redis:// nor unix://");
    text = parse_credentials(strstr(text, "://") + 3, out);
    if (!text)
        return bad(error, "user and password in the URL of Redis are too long or badly escaped");
    if (!(is_unix ? parse_path(text, out) : parse_hosts(text, out)))
        return bad(error, is_unix ? "the path in the URL of Redis cannot be used"
                                  : "host, port or database in the URL of Redis cannot be used");
    return true;
}

/* ---- Slots -------------------------------------------------------------------------------- */

/* CRC-16 with polynomial 0x1021, from 0 (XMODEM): what the cluster specification names. */
static unsigned
crc16(const unsigned char *bytes, size_t size)
{
    unsigned crc = 0;

    while (size--) {
        crc ^= (unsigned)*bytes++ << 8;
        for (int i = 0; i < 8; i++)
            crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
        crc &= 0xffff;
    }
    return crc;
}

unsigned
redis_slot(const void *key, size_t size)
{
    const char *open = size ? memchr(key, '{', size) : NULL, *end = (const char *)key + size;
    const char *close = open ? memchr(open, '}', (size_t)(end - open)) : NULL;

    if (close && close > open + 1)
        return crc16((const unsigned char *)open + 1, (size_t)(close - open - 1)) % 16384;
    return crc16(key, size) % 16384;
}
