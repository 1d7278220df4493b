/* SPDX-License-Identifier: Apache-2.0
 * request - a request target taken apart, and who asks. */
#include "request.h"

#include <string.h>
#include <strings.h>

enum method
method_parse(const char *name)
{
    static const char *const names[] = {"GET", "HEAD", "OPTIONS"};

    for (unsigned i = 0; i < METHOD_OTHER; i++) {
        if (strcmp(name, names[i]) == 0)
            return (enum method)i;
    }
    return METHOD_OTHER;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Length of the well-formed UTF-8 character at s, 0 if there is none (RFC 3629: no overlong forms,
 * no surrogates). */
static size_t
utf8_length(const unsigned char *s, size_t left)
{
    static const struct {
        unsigned char first, last, low, high;
        size_t length;
    } forms[] = {
        {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
        {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
        {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };

    if (s[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (s[0] < forms[i].first || s[0] > forms[i].last)
            continue;
        if (left < forms[i].length || s[1] < forms[i].low || s[1] > forms[i].high)
            return 0;
        for (size_t j = 2; j < forms[i].length; j++) {
            if ((s[j] & 0xC0) != 0x80)
                return 0;
        }
        return forms[i].length;
    }
    return 0;
}

static bool
is_clean_text(const char *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;

    for (size_t i = 0, step; i < size; i += step) {
        if (s[i] < 0x20 || s[i] == 0x7F)
            return false;
        step = utf8_length(s + i, size - i);
        if (step == 0)
            return false;
    }
    return true;
}

/* Decodes one piece to *to, ends it with a NUL and moves *to behind it. */
static const char *
decode(const char *raw, size_t size, char **to, struct problem *problem)
{
    char *start = *to, *out = *to;

    for (size_t i = 0; i < size; i++) {
        int high, low;

        if (raw[i] != '%') {
            *out++ = raw[i];
            continue;
        }
        high = i + 2 < size ? hex_digit(raw[i + 1]) : -1;
        low = i + 2 < size ? hex_digit(raw[i + 2]) : -1;
        if (high < 0 || low < 0) {
            problem_set(problem, "bad_target", "a %% is not followed by two hex digits");
            return NULL;
        }
        *out++ = (char)(high << 4 | low);
        i += 2;
    }
    if (!is_clean_text(start, (size_t)(out - start))) {
        problem_set(problem, "bad_target",
                    "the target holds a control character or bytes that are not UTF-8");
        return NULL;
    }
    *out++ = '\0';
    *to = out;
    return start;
}

/* "http://host/path" is the form for proxies; a server takes it too (RFC 9112, 3.2.2). */
static void
skip_authority(const char **raw, const char *end)
{
    const char *s = *raw;

    if (end - s >= 7 && strncasecmp(s, "http://", 7) == 0) {
        s += 7;
        while (s < end && *s != '/' && *s != '?')
            s++;
        *raw = s;
    }
}

static bool
parse_path(struct target *target, const char *raw, const char *end, char **to,
           struct problem *problem)
{
    if (raw == end || *raw != '/')
        return problem_set(problem, "bad_target", "the path does not begin with /");
    while (raw < end) {
        const char *start = ++raw, *segment;

        while (raw < end && *raw != '/')
            raw++;
        if (target->n_segments == LIMIT_SEGMENTS)
            return problem_set(problem, "bad_target", "the path has more than %d segments",
                               LIMIT_SEGMENTS);
        segment = decode(start, (size_t)(raw - start), to, problem);
        if (!segment)
            return false;
        if (strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0 || strchr(segment, '/') ||
            strchr(segment, '\\'))
            return problem_set(problem, "bad_target",
                               "dot segments and escaped slashes are not resolved");
        target->segment[target->n_segments++] = segment;
    }
    return true;
}

static bool
parse_query(struct target *target, const char *raw, const char *end, char **to,
            struct problem *problem)
{
    while (raw < end) {
        const char *stop = memchr(raw, '&', (size_t)(end - raw)), *equals;
        struct argument *argument;

        stop = stop ? stop : end;
        if (stop == raw) {
            raw++;
            continue;
        }
        if (target->n_arguments == LIMIT_PARAMETERS)
            return problem_set(problem, "too_many_parameters", "at most %d query parameters",
                               LIMIT_PARAMETERS);
        equals = memchr(raw, '=', (size_t)(stop - raw));
        argument = &target->argument[target->n_arguments++];
        argument->name = decode(raw, (size_t)((equals ? equals : stop) - raw), to, problem);
        if (!argument->name)
            return false;
        argument->value = "";
        if (equals)
            argument->value = decode(equals + 1, (size_t)(stop - equals - 1), to, problem);
        if (!argument->value)
            return false;
        raw = stop + (stop < end);
    }
    return true;
}

bool
target_parse(struct target *target, const char *raw, size_t size, struct problem *problem)
{
    const char *end = raw + size, *question, *fragment;
    char *to = target->text;

    target->n_segments = target->n_arguments = 0;
    target->asterisk = size == 1 && raw[0] == '*';
    if (size > LIMIT_TARGET)
        return problem_set(problem, "target_too_long", "the target is longer than %d bytes",
                           LIMIT_TARGET);
    if (target->asterisk)
        return true;
    fragment = memchr(raw, '#', size);
    if (fragment)
        return problem_set(problem, "bad_target", "a fragment (#) is not sent to a server");
    skip_authority(&raw, end);
    question = memchr(raw, '?', (size_t)(end - raw));
    return parse_path(target, raw, question ? question : end, &to, problem) &&
           (!question || parse_query(target, question + 1, end, &to, problem));
}

bool
traceparent_parse(const char *header, char trace_id[33])
{
    static const char form[] = "hh-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";
    bool trace_is_zero = true, span_is_zero = true;

    for (size_t i = 0; i < sizeof form - 1; i++) {
        char c = header[i];

        if (form[i] == '-' ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        if (i >= 3 && i < 35 && c != '0')
            trace_is_zero = false;
        if (i >= 36 && i < 52 && c != '0')
            span_is_zero = false;
    }
    /* Later versions may append; version 00 may not, ff is forbidden. */
    if (strncmp(header, "ff", 2) == 0 || trace_is_zero || span_is_zero)
        return false;
    if (header[sizeof form - 1] != '\0' &&
        (strncmp(header, "00", 2) == 0 || header[sizeof form - 1] != '-'))
        return false;
    memcpy(trace_id, header + 3, 32);
    trace_id[32] = '\0';
    return true;
}
