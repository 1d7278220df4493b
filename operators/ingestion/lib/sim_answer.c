/* SPDX-License-Identifier: Apache-2.0
 * sim_answer - the stand-in's JSON, with the faults that change what is in it. */
#include "sim_answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
is(const char *fault, const char *name)
{
    return fault && strcmp(fault, name) == 0;
}

static void
spoil_leg(struct market_leg *leg, const char *fault)
{
    if (is(fault, "zero-legs"))
        *leg = (struct market_leg){.security_id = leg->security_id};
    if (is(fault, "zero-ltp"))
        leg->last = 0;
    if (is(fault, "negative-oi"))
        leg->oi = -leg->oi - 1;
    if (is(fault, "crossed")) {
        double bid = leg->bid;

        leg->bid = leg->ask;
        leg->ask = bid;
    }
}

static void
spoil(struct market_chain *chain, const char *fault)
{
    for (size_t i = 0; i < chain->n; i++) {
        spoil_leg(&chain->call[i], fault);
        spoil_leg(&chain->put[i], fault);
    }
    if (is(fault, "empty-oc"))
        chain->n = 0;
    if (is(fault, "zero-spot"))
        chain->spot = 0;
    if (is(fault, "jump"))
        chain->spot = round(chain->spot * 1.2 * 20) / 20;
}

static void
print_leg(FILE *out, const struct market_leg *leg, const char *fault)
{
    const char *q = is(fault, "text-values") ? "\"" : "";

    if (is(fault, "wrong-type")) {
        fputs("[]", out);
        return;
    }
    fprintf(out,
            "{\"average_price\":%s%.10g%s,\"greeks\":{\"delta\":%.5f,\"theta\":%.5f,"
            "\"gamma\":%.5f,\"vega\":%.5f},\"implied_volatility\":",
            q, leg->average, q, leg->delta, leg->theta, leg->gamma, leg->vega);
    if (is(fault, "null-iv"))
        fputs("null", out);
    else
        fprintf(out, "%.15g", leg->iv * 100);
    fprintf(out,
            ",\"last_price\":%s%.10g%s,\"oi\":%s%.0f%s,\"previous_close_price\":%.10g,"
            "\"previous_oi\":%.0f,\"previous_volume\":%.0f,\"security_id\":%d,"
            "\"top_ask_price\":%.10g,\"top_ask_quantity\":%.0f,\"top_bid_price\":%.10g,"
            "\"top_bid_quantity\":%.0f,\"volume\":%.0f}",
            q, leg->last, q, q, leg->oi, q, leg->prev_close, leg->prev_oi, leg->prev_volume,
            leg->security_id, leg->ask, leg->ask_qty, leg->bid, leg->bid_qty, leg->volume);
}

static void
print_strike(FILE *out, const struct market_chain *chain, size_t i, const char *fault)
{
    bool lame = is(fault, "missing-leg") && i % 3 == 0;

    if (is(fault, "strike-text") && i == chain->n / 2)
        fputs("\"at the money\":{", out);
    else
        fprintf(out, "\"%.6f\":{", chain->strike[i]);
    if (!lame || i % 2 == 0) {
        fputs("\"ce\":", out);
        print_leg(out, &chain->call[i], fault);
    }
    if (!lame)
        fputc(',', out);
    if (!lame || i % 2 == 1) {
        fputs("\"pe\":", out);
        print_leg(out, &chain->put[i], fault);
    }
    fputc('}', out);
}

static char *
finish(FILE *out, char **text, size_t *size)
{
    bool ok = !ferror(out);

    if (fclose(out) != 0 || !ok) {
        free(*text);
        *text = NULL;
    }
    return *text;
}

char *
sim_print_chain(struct market_chain *chain, const char *fault, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);

    if (!out)
        return NULL;
    spoil(chain, fault);
    fprintf(out, "{\"data\":{\"last_price\":%.10g,\"oc\":{", chain->spot);
    for (size_t i = 0; i < chain->n; i++) {
        if (i > 0)
            fputc(',', out);
        print_strike(out, chain, i, fault);
        if (is(fault, "duplicate-strike") && i == chain->n / 2) {
            fputc(',', out);
            print_strike(out, chain, i, NULL);
        }
    }
    fputs("}},\"status\":\"success\"}", out);
    if (finish(out, &text, size) && is(fault, "cut")) {
        *size /= 2;
        text[*size] = '\0';
    }
    return text;
}

char *
sim_print_list(const struct market *market, const struct market_underlying *u, int64_t now_ns,
               const char *fault, size_t *size)
{
    int32_t days[MARKET_EXPIRIES_MAX];
    size_t n = market_expiries(market, u, now_ns, days);
    char *text = NULL, day[16];
    FILE *out = open_memstream(&text, size);

    if (!out)
        return NULL;
    fputs("{\"data\":[", out);
    for (size_t i = 0; i < n && !is(fault, "no-expiries"); i++) {
        when_print_day(days[i] - (is(fault, "past-expiry") ? 400 : 0), day);
        fprintf(out, "%s\"%s\"", i > 0 ? "," : "", is(fault, "bad-dates") ? "soon" : day);
    }
    fputs("],\"status\":\"success\"}", out);
    if (finish(out, &text, size) && is(fault, "cut")) {
        *size /= 2;
        text[*size] = '\0';
    }
    return text;
}
