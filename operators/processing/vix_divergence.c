/* SPDX-License-Identifier: Apache-2.0
 * vix_divergence - 30-day volatilities of our own against a published volatility index. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/columns.h"
#include "quant/skew.h"
#include "quant/vix.h"

enum { TERMS_MAX = 128, FEED_MAX = 64, EXPIRY_MAX = 16 };

/* The last chain of one expiry of one feed. */
struct term {
    char feed[FEED_MAX], expiry[EXPIRY_MAX];
    int64_t event_ns;
    double t, model_free, at_the_money; /* years; annual variances, NaN is absent */
};

struct state {
    hde_duration max_age;
    struct term term[TERMS_MAX];
    size_t n;
    hde_counter *no_inputs, *evicted;
};

static hde_status
open_vix(hde_ctx *ctx, void *state)
{
    struct state *s = state;

    s->no_inputs = hde_counter_open(ctx, "no_inputs", "chains without forward or volatilities");
    s->evicted = hde_counter_open(ctx, "evicted", "expiries forgotten for want of room");
    return HDE_OK;
}

/* The entry of a feed's expiry: its own, a free one, or that with the oldest chain. */
static struct term *
find_term(struct state *s, const char *feed, const char *expiry)
{
    struct term *oldest = s->term, *t;

    for (size_t i = 0; i < s->n; i++) {
        if (!strncmp(s->term[i].feed, feed, FEED_MAX - 1) &&
            !strncmp(s->term[i].expiry, expiry, EXPIRY_MAX - 1))
            return &s->term[i];
        if (s->term[i].event_ns < oldest->event_ns)
            oldest = &s->term[i];
    }
    if (s->n == TERMS_MAX)
        hde_count(s->evicted, 1);
    t = s->n < TERMS_MAX ? &s->term[s->n++] : oldest;
    *t = (struct term){.t = NAN};
    snprintf(t->feed, sizeof t->feed, "%s", feed);
    snprintf(t->expiry, sizeof t->expiry, "%s", expiry);
    return t;
}

/* Term structures of the expiries of `of`'s feed that are about as old as it. */
static size_t
gather(const struct state *s, const struct term *of, struct vix_point *model_free,
       struct vix_point *at_the_money)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        const struct term *t = &s->term[i];
        int64_t age;

        if (strcmp(t->feed, of->feed) != 0 ||
            __builtin_sub_overflow(of->event_ns, t->event_ns, &age) || age > s->max_age.ns ||
            age < -s->max_age.ns)
            continue;
        model_free[n] = (struct vix_point){t->t, t->model_free};
        at_the_money[n] = (struct vix_point){t->t, t->at_the_money};
        n++;
    }
    return n;
}

static double
points(double variance)
{
    return 100 * sqrt(variance);
}

static void
measure(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain)
{
    struct state *s = state;
    const Hde__RawChain *raw = chain->raw;
    size_t n = raw->n_strike, terms;
    double forward = CHAIN_GET(chain->forward, forward), t = CHAIN_GET(chain->forward, t_years);
    double published = CHAIN_GET(raw, vix), own, iv30, atm;
    struct vix_point model_free[TERMS_MAX], at_the_money[TERMS_MAX];
    struct term *term;
    Hde__ChainMetrics *metrics;
    Hde__VixDivergence *out;

    if (!(forward > 0) || !(t > 0) || !chain->calls || !chain->puts) {
        hde_count(s->no_inputs, 1);
        return;
    }
    term = find_term(s, raw->feed ? raw->feed : "", raw->expiry ? raw->expiry : "");
    atm = skew_atm(n, raw->strike, forward, CHAIN_COLUMN(ctx, chain->calls, iv, n),
                   CHAIN_COLUMN(ctx, chain->puts, iv, n), 0.05);
    term->event_ns = msg->event_ns;
    term->t = t;
    term->at_the_money = atm * atm;
    term->model_free = vix_variance(n, raw->strike, CHAIN_COLUMN(ctx, chain->calls, input_price, n),
                                    CHAIN_COLUMN(ctx, chain->puts, input_price, n), forward,
                                    CHAIN_GET(chain->forward, discount), t);
    terms = gather(s, term, model_free, at_the_money);
    own = points(vix_at(terms, model_free, VIX_DAYS));
    iv30 = points(vix_at(terms, at_the_money, VIX_DAYS));
    metrics = chain_metrics(msg);
    out = hde_msg_edit(msg, &metrics->vix, &hde__vix_divergence__descriptor);
    CHAIN_PUT(out, published, published);
    CHAIN_PUT(out, model_free, own);
    CHAIN_PUT(out, iv30, iv30);
    CHAIN_PUT(out, divergence, iv30 - published);
    CHAIN_PUT(out, ratio, published > 0 ? iv30 / published : NAN);
    CHAIN_PUT(out, own_divergence, iv30 - own);
}

static hde_msg *
each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    return chain_each(ctx, state, taken, measure);
}

static hde_status
save_vix(hde_ctx *ctx, const void *state, hde_msg *out)
{
    const struct state *s = state;
    Hde__VixTerms *saved = (Hde__VixTerms *)out->body;

    (void)ctx;
    saved->terms = hde_msg_alloc(out, (s->n ? s->n : 1) * sizeof *saved->terms);
    for (size_t i = 0; i < s->n; i++) {
        const struct term *t = &s->term[i];
        Hde__VixTerm *term;

        saved->terms[i] = NULL;
        term = hde_msg_edit(out, &saved->terms[i], &hde__vix_term__descriptor);
        term->feed = hde_msg_text(out, t->feed);
        term->expiry = hde_msg_text(out, t->expiry);
        term->has_event_ns = true;
        term->event_ns = t->event_ns;
        CHAIN_PUT(term, t_years, t->t);
        CHAIN_PUT(term, model_free, t->model_free);
        CHAIN_PUT(term, at_the_money, t->at_the_money);
    }
    saved->n_terms = s->n;
    return HDE_OK;
}

static hde_status
load_vix(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema)
{
    const Hde__VixTerms *terms = (const Hde__VixTerms *)saved;
    struct state *s = state;

    (void)schema;
    for (size_t i = 0; i < terms->n_terms; i++) {
        const Hde__VixTerm *from = terms->terms[i];
        const char *feed = from->feed ? from->feed : "";
        const char *expiry = from->expiry ? from->expiry : "";
        struct term *t;
        bool is_ours;

        if (chain_owns(ctx, feed, expiry, &is_ours))
            return HDE_FAIL;
        if (!is_ours)
            continue;
        t = find_term(s, feed, expiry);
        t->event_ns = from->has_event_ns ? from->event_ns : 0;
        t->t = CHAIN_GET(from, t_years);
        t->model_free = CHAIN_GET(from, model_free);
        t->at_the_money = CHAIN_GET(from, at_the_money);
    }
    return HDE_OK;
}

static const hde_param params[] = {
    HDE_PARAM(struct state, max_age, .fallback = "5m", .min = 0, .max = 86400,
              .flags = HDE_PARAM_LIVE,
              .help = "chains of other expiries count when stamped within this of the present one"),
    {0},
};

static const hde_operator vix_divergence = {
    .size = sizeof(hde_operator),
    .flags = HDE_KEYED_STATE,
    .name = "processing/vix_divergence",
    .summary = "30-day volatility, at the money and model-free, against the published index",
    .help =
        "Remembers the last chain of each expiry of a feed and interpolates total variance to 30\n"
        "days between the two around it (flat outside of them). model_free follows the Cboe\n"
        "method. divergence is the at-the-money volatility less the published index, and absent\n"
        "where the feed has none: no constant stands in for it. Sets metrics.vix.",
    .inputs = chain_inputs,
    .outputs = chain_outputs,
    .params = params,
    .state_size = sizeof(struct state),
    .open = open_vix,
    .batch = hde_each,
    .each = each,
    .state_type = &hde__vix_terms__descriptor,
    .state_schema = 1,
    .save = save_vix,
    .load = load_vix,
};

HDE_PLUGIN(&vix_divergence);
