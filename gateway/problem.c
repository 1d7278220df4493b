/* SPDX-License-Identifier: Apache-2.0
 * problem - what went wrong with a request, as application/problem+json. */
#include "problem.h"

#include "json.h"
#include "bounds.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct kind {
    const char *code;
    int status;
    bool hang_up;
    const char *title;
} kinds[] = {
    {"ambiguous_length", 400, true, "The length of the request's body is ambiguous"},
    {"bad_framing", 400, true, "The request is not framed as HTTP/1.1 wants it"},
    {"bad_host", 400, true, "The Host header is not one host"},
    {"body_not_allowed", 400, true, "This method takes no body"},
    {"bad_target", 400, false, "The request target is malformed"},
    {"too_many_parameters", 400, false, "Too many query parameters"},
    {"unsupported_parameter", 400, false, "This resource does not take this parameter"},
    {"duplicate_parameter", 400, false, "A parameter is given more than once"},
    {"invalid_parameter", 400, false, "A parameter has a value that it cannot have"},
    {"invalid_range", 400, false, "from and to do not make a range"},
    {"invalid_cursor", 400, false, "The cursor is not one of this query"},
    {"route_not_found", 404, false, "There is no such resource"},
    {"symbol_not_found", 404, false, "There is no such symbol"},
    {"expiry_not_found", 404, false, "There is no such expiry"},
    {"strike_not_found", 404, false, "There is no such strike"},
    {"method_not_allowed", 405, true, "This resource does not take this method"},
    {"target_too_long", 414, true, "The request target is too long"},
    {"headers_too_large", 431, true, "The request's header fields are too large"},
    {"history_unavailable", 503, false, "The store cannot be read"},
    {"internal", 500, true, "The gateway failed"},
};

static const struct kind *
find_kind(const char *code)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].code, code) == 0)
            return &kinds[i];
    }
    abort(); /* a code of ours that is not in the table */
}

void
problem_fini(struct problem *problem)
{
    hde_text_free(&problem->errors);
    *problem = (struct problem){0};
}

static void
set(struct problem *problem, const char *code, const char *detail)
{
    const struct kind *kind = find_kind(code);

    if (problem->status)
        return;
    problem->status = kind->status;
    problem->code = kind->code;
    problem->title = kind->title;
    problem->hang_up = kind->hang_up;
    snprintf(problem->detail, sizeof problem->detail, "%s", detail);
}

bool
problem_set(struct problem *problem, const char *code, const char *fmt, ...)
{
    char detail[sizeof problem->detail];
    va_list args;

    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    set(problem, code, detail);
    return false;
}

bool
problem_fault(struct problem *problem, const char *code, const struct fault *fault, const char *fmt,
              ...)
{
    char detail[sizeof problem->detail];
    struct json json = {.out = &problem->errors, .comma = problem->n_errors > 0};
    va_list args;

    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    set(problem, code, detail);
    if (problem->n_errors == LIMIT_FAULTS)
        return false;
    problem->n_errors++;
    json_open(&json, '{');
    json_field_text(&json, "parameter", fault->parameter);
    json_field_text(&json, "code", code);
    json_field_text(&json, "detail", detail);
    if (fault->allowed) {
        json_open_key(&json, "allowed", '[');
        for (size_t i = 0; i < fault->n_allowed; i++)
            json_text(&json, fault->allowed[i]);
        json_close(&json, ']');
    }
    if (fault->nearest)
        json_field_text(&json, "nearest", fault->nearest);
    json_close(&json, '}');
    return false;
}

void
problem_print(const struct problem *problem, const char *instance, const char *trace_id,
              hde_text *out)
{
    struct json json = {.out = out};
    char type[80];

    snprintf(type, sizeof type, "urn:hde:problem:%s", problem->code);
    json_open(&json, '{');
    json_field_text(&json, "type", type);
    json_field_text(&json, "title", problem->title);
    json_field_integer(&json, "status", problem->status);
    json_field_text(&json, "detail", problem->detail);
    json_field_text(&json, "instance", instance);
    json_field_text(&json, "code", problem->code);
    json_open_key(&json, "errors", '[');
    if (problem->errors.len)
        hde_text_put(out, problem->errors.data, problem->errors.len);
    json_close(&json, ']');
    json_field_text(&json, "trace_id", trace_id);
    json_close(&json, '}');
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Edits (insert, delete, replace) from a to b, both shorter than 48 bytes. */
static unsigned
distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    unsigned row[48];

    for (size_t j = 0; j <= n_b; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= n_a; i++) {
        unsigned corner = row[0];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= n_b; j++) {
            unsigned best = corner + (lower(a[i - 1]) != lower(b[j - 1]));

            corner = row[j];
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (row[j] + 1 < best)
                best = row[j] + 1;
            row[j] = best;
        }
    }
    return row[n_b];
}

const char *
nearest_word(const char *text, const char *const *words, size_t n_words)
{
    const char *best = NULL;
    size_t n_text = strlen(text);
    unsigned best_distance = 0;

    if (n_text >= 48)
        return NULL;
    for (size_t i = 0; i < n_words; i++) {
        size_t n_word = strlen(words[i]);
        unsigned d;

        if (n_word >= 48)
            continue;
        d = distance(text, n_text, words[i], n_word);
        if (d <= 1 + n_word / 3 && (!best || d < best_distance)) {
            best = words[i];
            best_distance = d;
        }
    }
    return best;
}
