/* SPDX-License-Identifier: Apache-2.0
 * console - one line a chain for people: where the market stands.
 *
 *   10:57:03 NIFTY      2026-08-25  spot 24,212.80  fwd 24,230.15  iv  9.87%  pcr 0.93 ... */
#include "common/chain.h"
#include "out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* When a line was last shown for an expiry. */
struct shown {
    char feed[96], expiry[16];
    int64_t at_ns;
};
enum { SHOWN_MAX = 256 };

struct console {
    hde_duration every;
    bool nearest;
    const char *utc_offset;

    int64_t offset_s;
    struct out out;
    struct shown shown[SHOWN_MAX];
    size_t n_shown;
    hde_counter *lines;
};

/* ---- Numbers ------------------------------------------------------------------------------- */

static void
put_padded(hde_text *text, const char *label, const char *value, int width)
{
    hde_text_printf(text, "  %s %*s", label, width, value);
}

/* 24212.8 with 2 places is "24,212.80"; NaN is "-". */
static void
group(char *buf, size_t size, double x, int places)
{
    char digits[64];
    int len, point;
    size_t n = 0;

    if (isnan(x)) {
        snprintf(buf, size, "-");
        return;
    }
    len = snprintf(digits, sizeof digits, "%.*f", places, x);
    point = places ? len - places - 1 : len;
    for (int i = 0; i < len && n + 2 < size; i++) {
        if (i > 0 && i < point && (point - i) % 3 == 0 && digits[i - 1] != '-')
            buf[n++] = ',';
        buf[n++] = digits[i];
    }
    buf[n] = '\0';
}

/* 1234567890 is "+1.23 bn". */
static void
magnitude(char *buf, size_t size, double x)
{
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1e12, " tn"}, {1e9, " bn"}, {1e6, " mn"}, {1e3, " k"}, {1, ""}};
    size_t i = 0;

    if (isnan(x)) {
        snprintf(buf, size, "-");
        return;
    }
    while (i + 1 < sizeof units / sizeof *units && fabs(x) < units[i].unit)
        i++;
    snprintf(buf, size, "%+.2f%s", x / units[i].unit, units[i].name);
}

static void
put_number(hde_text *text, const char *label, bool has, double x, int places, int width)
{
    char buf[64];

    group(buf, sizeof buf, has ? x : NAN, places);
    put_padded(text, label, buf, width);
}

/* ---- The line ------------------------------------------------------------------------------ */

static void
put_time(hde_text *text, const struct console *self, int64_t event_ns)
{
    time_t seconds = (time_t)(event_ns / 1000000000 + self->offset_s);
    struct tm tm;
    char buf[32];

    strftime(buf, sizeof buf, "%H:%M:%S", gmtime_r(&seconds, &tm));
    hde_text_puts(text, buf);
}

static void
put_line(struct console *self, const hde_msg *msg, const Hde__RawChain *raw)
{
    static const Hde__EnrichedChain none = HDE__ENRICHED_CHAIN__INIT;
    static const Hde__ChainMetrics no_metrics = HDE__CHAIN_METRICS__INIT;
    const Hde__EnrichedChain *chain = msg->body->descriptor == &hde__enriched_chain__descriptor
                                          ? (const Hde__EnrichedChain *)msg->body
                                          : &none;
    const Hde__ChainMetrics *metrics = chain->metrics ? chain->metrics : &no_metrics;
    const Hde__Forward *forward = chain->forward;
    const Hde__Skew *skew = metrics->skew;
    const Hde__Pcr *pcr = metrics->pcr;
    const Hde__MaxPain *pain = metrics->max_pain;
    const Hde__GammaExposure *gex = metrics->gex;
    hde_text *text = &self->out.text;
    char buf[64];

    put_time(text, self, raw->event_ns);
    hde_text_printf(text, " %-10s %s", raw->underlying ? raw->underlying : raw->feed, raw->expiry);
    put_number(text, "spot", raw->has_spot, raw->spot, 2, 10);
    put_number(text, "fwd", forward && forward->has_forward, forward ? forward->forward : 0, 2, 10);
    if (skew && skew->has_atm_iv)
        snprintf(buf, sizeof buf, "%.2f%%", 100 * skew->atm_iv);
    else
        snprintf(buf, sizeof buf, "-");
    put_padded(text, "iv", buf, 7);
    put_number(text, "pcr", pcr && pcr->has_oi, pcr ? pcr->oi : 0, 2, 5);
    put_number(text, "max pain", pain && pain->has_strike, pain ? pain->strike : 0, 0, 7);
    magnitude(buf, sizeof buf, gex && gex->has_net ? gex->net : NAN);
    put_padded(text, "gex", buf, 10);
    hde_text_puts(text, "\n");
}

/* ---- What is shown ------------------------------------------------------------------------- */

static struct shown *
entry(struct console *self, const Hde__RawChain *raw)
{
    struct shown *oldest = &self->shown[0];

    for (size_t i = 0; i < self->n_shown; i++) {
        struct shown *shown = &self->shown[i];

        if (strcmp(shown->expiry, raw->expiry) == 0 && strcmp(shown->feed, raw->feed) == 0)
            return shown;
        if (shown->at_ns < oldest->at_ns)
            oldest = shown;
    }
    if (self->n_shown < SHOWN_MAX)
        oldest = &self->shown[self->n_shown++];
    snprintf(oldest->feed, sizeof oldest->feed, "%s", raw->feed);
    snprintf(oldest->expiry, sizeof oldest->expiry, "%s", raw->expiry);
    oldest->at_ns = INT64_MIN;
    return oldest;
}

/* Dates sort as text; expiries before the session have passed. */
static bool
is_nearest(const struct console *self, const Hde__RawChain *raw)
{
    for (size_t i = 0; i < self->n_shown; i++) {
        const struct shown *other = &self->shown[i];

        if (strcmp(other->feed, raw->feed) == 0 && strcmp(other->expiry, raw->expiry) < 0 &&
            (!raw->session || strcmp(other->expiry, raw->session) >= 0))
            return false;
    }
    return true;
}

static hde_status
console_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct console *self = state;
    int64_t now_ns = hde_now_ns(ctx);

    for (; batch->done < batch->n; batch->done++) {
        const hde_msg *msg = batch->msg[batch->done];
        const Hde__RawChain *raw = chain_raw(msg);
        struct shown *shown;

        if (!raw || !raw->feed || !raw->expiry)
            return hde_reject(ctx, "console.no-key", "a chain without feed or expiry");
        shown = entry(self, raw);
        if ((self->nearest && !is_nearest(self, raw)) ||
            (shown->at_ns != INT64_MIN && now_ns - shown->at_ns < self->every.ns))
            continue;
        shown->at_ns = now_ns;
        put_line(self, msg, raw);
        hde_count(self->lines, 1);
    }
    if (out_write(&self->out) != 0) /* nobody reads: a view goes on without */
        hde_text_clear(&self->out.text), self->out.done = 0;
    return HDE_OK;
}

static hde_status
console_open(hde_ctx *ctx, void *state)
{
    struct console *self = state;
    int hours, minutes;
    char sign;

    self->out.fd = STDOUT_FILENO;
    self->lines = hde_counter_open(ctx, "lines", "lines shown");
    if (sscanf(self->utc_offset, "%c%2d:%2d", &sign, &hours, &minutes) != 3 ||
        (sign != '+' && sign != '-'))
        return hde_fail(ctx, "console.bad-offset", "utc_offset: '%s' is not like +05:30",
                        self->utc_offset);
    self->offset_s = (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return HDE_OK;
}

static void
console_close(hde_ctx *ctx, void *state)
{
    hde_text_free(&((struct console *)state)->out.text);
}

static const hde_param params[] = {
    HDE_PARAM(struct console, every, .fallback = "0s", .min = 0, .max = 86400,
              .help = "at most one line in this time for each expiry; 0: every chain",
              .flags = HDE_PARAM_LIVE),
    HDE_PARAM(struct console, nearest, .fallback = "false",
              .help = "only the nearest expiry of each feed", .flags = HDE_PARAM_LIVE),
    HDE_PARAM(struct console, utc_offset, .fallback = "+00:00",
              .help = "of the clock times that are shown, like +05:30"),
    {0}};

static const hde_port inputs[] = {{"in", CHAIN_TYPES, .help = "chains"}, {0}};

static const hde_operator console = {
    .size = sizeof(hde_operator),
    .flags = HDE_VIEW | HDE_BLOCKING,
    .name = "storage/console",
    .summary = "one line a chain on standard output: spot, forward, volatility, PCR, max pain, GEX",
    .help =
        "A view: outside of order and log. gex is in currency units per 1 % move; - is unknown.",
    .inputs = inputs,
    .params = params,
    .state_size = sizeof(struct console),
    .open = console_open,
    .batch = console_batch,
    .close = console_close,
};

HDE_PLUGIN(&console);
