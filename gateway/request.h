/* SPDX-License-Identifier: Apache-2.0
 * request - a request target taken apart, and who asks. Pure: bytes in, parts or a problem out. */
#ifndef GATEWAY_REQUEST_H
#define GATEWAY_REQUEST_H

#include "bounds.h"
#include "problem.h"

enum method { METHOD_GET, METHOD_HEAD, METHOD_OPTIONS, METHOD_OTHER };

struct argument {
    const char *name, *value; /* decoded */
};

/* Segments and arguments point into text, so a target is not copied. */
struct target {
    char text[LIMIT_TARGET + 1];
    const char *segment[LIMIT_SEGMENTS];
    struct argument argument[LIMIT_PARAMETERS];
    size_t n_segments, n_arguments;
    bool asterisk; /* "*": the server itself, for OPTIONS */
};

struct request {
    enum method method;
    const char *method_name, *raw; /* as sent; raw is the whole target */
    const struct target *target;
    const char *if_none_match; /* or NULL */
    char trace_id[33];         /* lower-case hex: from traceparent, or made here */
    bool traced;               /* the client sent a traceparent */
};

enum method method_parse(const char *name);
/* raw: origin form ("/path?a=b"), absolute form or "*". Percent escapes are decoded strictly to
 * UTF-8 without control characters; '+' is a plus. */
bool target_parse(struct target *target, const char *raw, size_t size, struct problem *problem);
/* W3C trace context: version-traceid-spanid-flags. False: not valid, trace_id untouched. */
bool traceparent_parse(const char *header, char trace_id[33]);

#endif
