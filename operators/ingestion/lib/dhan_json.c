/* SPDX-License-Identifier: Apache-2.0
 * dhan_json - answers of the Dhan v2 option-chain API: bytes in, structures out. */
#include "dhan_json.h"

#include "number.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *key;
    enum leg_field field;
} leg_keys[] =
    {
        {"last_price", LEG_LAST},
        {"top_bid_price", LEG_BID},
        {"top_ask_price", LEG_ASK},
        {"top_bid_quantity", LEG_BID_QTY},
        {"top_ask_quantity", LEG_ASK_QTY},
        {"volume", LEG_VOLUME},
        {"oi", LEG_OI},
        {"previous_oi", LEG_PREV_OI},
        {"previous_close_price", LEG_PREV_CLOSE},
        {"previous_volume", LEG_PREV_VOLUME},
        {"average_price", LEG_AVERAGE},
        {"implied_volatility", LEG_IV},
},
  greek_keys[] = {
      {"delta", LEG_DELTA},
      {"gamma", LEG_GAMMA},
      {"theta", LEG_THETA},
      {"vega", LEG_VEGA},
};

/* Codes of the service (its annexure) and what they mean to us. */
static const struct {
    const char *code;
    enum dhan_result result;
} codes[] = {
    {"805", DHAN_LIMITED}, {"DH-904", DHAN_LIMITED}, {"DH-901", DHAN_AUTH}, {"807", DHAN_AUTH},
    {"808", DHAN_AUTH},    {"809", DHAN_AUTH},       {"810", DHAN_AUTH},    {"401", DHAN_AUTH},
    {"811", DHAN_EXPIRY},  {"812", DHAN_EXPIRY},
};

static void
say(struct dhan_said *said, const char *code, const char *text)
{
    size_t n = 0;

    snprintf(said->code, sizeof said->code, "%.15s", code ? code : "");
    for (const char *p = text ? text : ""; *p && n + 1 < sizeof said->text; p++)
        said->text[n++] = (unsigned char)*p < ' ' || *p == 127 ? ' ' : *p;
    said->text[n] = '\0';
    for (char *p = said->code; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p > 126)
            *p = '?';
}

static enum dhan_result
meaning(const char *code)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(codes[i].code, code) == 0)
            return codes[i].result;
    return DHAN_REFUSED;
}

/* An object, or NULL with what is wrong. A key that comes twice is told, not refused. */
static json_t *
load(const char *bytes, size_t size, struct dhan_said *said)
{
    json_error_t error;
    json_t *root =
        json_loadb(bytes, size, JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, &error);

    memset(said, 0, sizeof *said);
    if (!root && json_error_code(&error) == json_error_duplicate_key) {
        said->duplicate_keys = true;
        root = json_loadb(bytes, size, JSON_DECODE_INT_AS_REAL, &error);
    }
    if (!root) {
        char text[200];

        snprintf(text, sizeof text, "%.120s at byte %d of %zu", error.text, error.position, size);
        say(said, "", text);
    }
    return root;
}

static const char *
text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* {"errorType","errorCode","errorMessage"} or {"status":"failed","data":{"805":"..."}} or
 * {"status":"failed","remarks":{"error_code","error_message"}}. */
static enum dhan_result
read_error(const json_t *root, struct dhan_said *said)
{
    const json_t *remarks = json_object_get(root, "remarks"), *data = json_object_get(root, "data");
    const char *code = text_of(root, "errorCode"), *text = text_of(root, "errorMessage");
    void *first = json_object_iter((json_t *)data);

    if (!code && text_of(remarks, "error_code")) {
        code = text_of(remarks, "error_code");
        text = text_of(remarks, "error_message");
    }
    if (!code && first) {
        code = json_object_iter_key(first);
        text = json_string_value(json_object_iter_value(first));
    }
    say(said, code, text && *text ? text : "the service gave no reason");
    return meaning(said->code);
}

static bool
is_error(const json_t *root)
{
    const char *status = text_of(root, "status");

    return json_object_get(root, "errorCode") || json_object_get(root, "errorType") ||
           (status && strcmp(status, "success") != 0);
}

enum dhan_result
dhan_parse_error(const char *bytes, size_t size, int status, struct dhan_said *said)
{
    json_t *root = load(bytes, size, said);
    enum dhan_result result = DHAN_REFUSED;

    if (json_is_object(root))
        result = read_error(root, said);
    else
        say(said, "", "no JSON object");
    json_decref(root);
    if (result == DHAN_REFUSED && (status == 401 || status == 403))
        result = DHAN_AUTH;
    if (result == DHAN_REFUSED && status == 429)
        result = DHAN_LIMITED;
    return result;
}

/* A number, or text that is one; NaN where it is null or absent. False: something else. */
static bool
number_of(const json_t *value, double *out)
{
    *out = NAN;
    if (!value || json_is_null(value))
        return true;
    if (json_is_number(value)) {
        *out = json_number_value(value);
        return true;
    }
    return json_is_string(value) &&
           number_parse(json_string_value(value), json_string_length(value), out);
}

static void
read_value(struct snapshot *snapshot, struct snapshot_row *row, enum side side,
           enum leg_field field, const json_t *json)
{
    double value;

    if (!number_of(json, &value))
        snapshot->bad_values++;
    else if (!isnan(value))
        snapshot_set(snapshot, row, side, field, field == LEG_IV ? value / 100 : value);
}

static void
read_leg(struct snapshot *snapshot, struct snapshot_row *row, enum side side, const json_t *leg)
{
    const json_t *greeks;
    double id;

    if (!leg || json_is_null(leg))
        return;
    if (!json_is_object(leg)) {
        snapshot->bad_values++;
        return;
    }
    row->has[side] = true;
    for (size_t i = 0; i < sizeof leg_keys / sizeof *leg_keys; i++)
        read_value(snapshot, row, side, leg_keys[i].field, json_object_get(leg, leg_keys[i].key));
    greeks = json_object_get(leg, "greeks");
    for (size_t i = 0; i < sizeof greek_keys / sizeof *greek_keys; i++)
        read_value(snapshot, row, side, greek_keys[i].field,
                   json_object_get(greeks, greek_keys[i].key));
    if (number_of(json_object_get(leg, "security_id"), &id) && id > 0 && id < 1e15)
        row->security_id[side] = (int64_t)id;
}

static enum dhan_result
read_chain(const json_t *root, struct snapshot *snapshot, struct dhan_said *said)
{
    json_t *data = json_object_get(root, "data"), *oc = json_object_get(data, "oc"), *entry;
    const char *key;

    if (!json_is_object(data) || !json_is_object(oc)) {
        say(said, "", json_is_object(data) ? "data.oc is no object" : "data is no object");
        return DHAN_SHAPE;
    }
    if (!number_of(json_object_get(data, "last_price"), &snapshot->spot))
        snapshot->bad_values++;
    json_object_foreach(oc, key, entry)
    {
        struct snapshot_row *row;
        double strike;

        if (!number_parse(key, strlen(key), &strike) || !(strike > 0) || strike > 1e12 ||
            !json_is_object(entry)) {
            snapshot->bad_values++;
            continue;
        }
        row = snapshot_add(snapshot, strike);
        read_leg(snapshot, row, SIDE_CALL, json_object_get(entry, "ce"));
        read_leg(snapshot, row, SIDE_PUT, json_object_get(entry, "pe"));
    }
    return DHAN_OK;
}

enum dhan_result
dhan_parse_chain(const char *bytes, size_t size, struct snapshot *snapshot, struct dhan_said *said)
{
    json_t *root = load(bytes, size, said);
    enum dhan_result result;

    if (!root)
        return DHAN_NOT_JSON;
    result = is_error(root) ? read_error(root, said) : read_chain(root, snapshot, said);
    json_decref(root);
    return result;
}

static int
by_value(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

static enum dhan_result
read_list(const json_t *root, int32_t *days, size_t *n, size_t *bad, struct dhan_said *said)
{
    json_t *data = json_object_get(root, "data"), *entry;
    size_t i, kept = 0;

    if (!json_is_array(data)) {
        say(said, "", "data is no list");
        return DHAN_SHAPE;
    }
    json_array_foreach(data, i, entry)
    {
        const char *text = json_string_value(entry);
        int64_t ns;

        if (!text || !when_parse("%Y-%m-%d", text, strlen(text), 0, &ns))
            ++*bad;
        else if (*n < DHAN_EXPIRIES_MAX)
            days[(*n)++] = when_day_of(ns, 0);
    }
    qsort(days, *n, sizeof *days, by_value);
    for (i = 0; i < *n; i++)
        if (kept == 0 || days[kept - 1] != days[i])
            days[kept++] = days[i];
    *n = kept;
    return DHAN_OK;
}

enum dhan_result
dhan_parse_list(const char *bytes, size_t size, int32_t *days, size_t *n, size_t *bad,
                struct dhan_said *said)
{
    json_t *root = load(bytes, size, said);
    enum dhan_result result;

    *n = *bad = 0;
    if (!root)
        return DHAN_NOT_JSON;
    result = is_error(root) ? read_error(root, said) : read_list(root, days, n, bad, said);
    json_decref(root);
    return result;
}
