/* SPDX-License-Identifier: Apache-2.0
 * wire - what libmicrohttpd lets through and we do not.
 *
 * A request that two parsers on its way may read differently is how requests are smuggled past a
 * proxy, so ambiguous framing is refused and the connection closed (RFC 9112, 11.2).
 *
 * libmicrohttpd 0.9.75 parses the head where it was received and puts a NUL in the place of each
 * byte of a line's end. So after CR LF there are exactly two bytes between the end of one part and
 * the begin of the next, and anything else betrays a bare LF, a folded line or a NUL inside. Other
 * versions may copy; there this check is left out. */
#include "wire.h"

#include "bounds.h"

#include <string.h>
#include <strings.h>

struct fields {
    struct problem *problem;
    unsigned n, n_host, n_length, n_coding;
    const char *end; /* of the part before */
    bool checks_layout;
};

static bool
is_layout_known(void)
{
    return strcmp(MHD_get_version(), "0.9.75") == 0;
}

static void
check_length(struct fields *fields, const char *value, size_t size)
{
    if (++fields->n_length > 1)
        problem_set(fields->problem, "ambiguous_length", "Content-Length is given twice");
    else if (size == 0 || size > 18 || strspn(value, "0123456789") != size)
        problem_set(fields->problem, "ambiguous_length",
                    "Content-Length is not a plain decimal number");
}

/* host, host:port, [v6], [v6]:port */
static bool
is_host(const char *s)
{
    size_t n;

    if (*s == '[') {
        n = strspn(s + 1, "0123456789abcdefABCDEF:.%") + 1;
        if (s[n] != ']')
            return false;
        n++;
    } else {
        n = strcspn(s, ":");
        if (n == 0 || strcspn(s, " \t/\\?#@<>\"'(),;={}") < n)
            return false;
    }
    s += n;
    if (*s == '\0')
        return true;
    n = strspn(s + 1, "0123456789");
    return *s == ':' && n <= 5 && s[n + 1] == '\0';
}

static void
check_host(struct fields *fields, const char *value, size_t size)
{
    if (++fields->n_host > 1)
        problem_set(fields->problem, "bad_host", "Host is given twice");
    else if (strlen(value) != size || size > 255 || !is_host(value))
        problem_set(fields->problem, "bad_host", "Host is not a host name with an optional port");
}

static bool
is_token(const char *s, size_t size)
{
    static const char other[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < size; i++) {
        char c = s[i];

        if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
              (c && strchr(other, c))))
            return false;
    }
    return size > 0;
}

static enum MHD_Result
check_field(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_size,
            const char *value, size_t value_size)
{
    struct fields *fields = cls;

    fields->n++;
    if (!value) {
        value = "";
        value_size = 0;
        fields->checks_layout = false;
    }
    if (!is_token(name, name_size))
        problem_set(fields->problem, "bad_framing", "a header field's name is not a token");
    if (fields->checks_layout && name - fields->end != 2)
        problem_set(fields->problem, "bad_framing",
                    "a line does not end in CR LF, or is folded, or holds a NUL");
    for (size_t i = 0; i < value_size; i++) {
        unsigned char c = (unsigned char)value[i];

        if ((c < 0x20 && c != '\t') || c == 0x7F) {
            problem_set(fields->problem, "bad_framing", "a header field holds a control character");
            break;
        }
    }
    if (strcasecmp(name, "Content-Length") == 0)
        check_length(fields, value, value_size);
    else if (strcasecmp(name, "Host") == 0)
        check_host(fields, value, value_size);
    else if (strcasecmp(name, "Transfer-Encoding") == 0 &&
             (++fields->n_coding > 1 || strcasecmp(value, "chunked") != 0))
        problem_set(fields->problem, "ambiguous_length",
                    "Transfer-Encoding is something else than chunked");
    fields->end = value + value_size;
    return MHD_YES;
}

static size_t
head_size(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return info ? info->header_size : 0;
}

bool
wire_check(struct MHD_Connection *connection, const struct wire_head *head, struct problem *problem)
{
    struct fields fields = {.problem = problem, .checks_layout = is_layout_known()};
    size_t size = head_size(connection);

    fields.end = head->version + strlen(head->version);
    if (head->target_size > LIMIT_TARGET)
        return problem_set(problem, "target_too_long", "the target is longer than %d bytes",
                           LIMIT_TARGET);
    if (size > LIMIT_HEADERS + head->target_size)
        return problem_set(problem, "headers_too_large",
                           "the head without its target is larger than %d bytes", LIMIT_HEADERS);
    if (fields.checks_layout && (head->target != head->method + strlen(head->method) + 1 ||
                                 head->version != head->target + head->target_size + 1))
        return problem_set(problem, "bad_framing", "the request line is not three words");
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, check_field, &fields);
    if (fields.n > LIMIT_FIELDS)
        problem_set(problem, "headers_too_large", "more than %d header fields", LIMIT_FIELDS);
    if (fields.checks_layout && fields.end + 4 != head->method + size)
        problem_set(problem, "bad_framing",
                    "a line does not end in CR LF, or is folded, or holds a NUL");
    if (fields.n_coding && fields.n_length)
        problem_set(problem, "ambiguous_length",
                    "Content-Length and Transfer-Encoding exclude each other");
    if (fields.n_coding && strcmp(head->version, "HTTP/1.1") != 0)
        problem_set(problem, "ambiguous_length", "HTTP/1.0 has no transfer codings");
    return problem->status == 0;
}

bool
wire_has_body(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");

    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding") != NULL ||
           (length && strspn(length, "0") != strlen(length));
}
