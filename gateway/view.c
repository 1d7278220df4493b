/* SPDX-License-Identifier: Apache-2.0
 * view - what a route's function sees while it writes the "data" of one answer. */
#include "view.h"

#include <stdio.h>
#include <string.h>

void
view_missing(struct view *view, const char *field)
{
    for (size_t i = 0; i < view->n_missing; i++) {
        if (strcmp(view->missing[i], field) == 0)
            return;
    }
    if (view->n_missing < VIEW_MISSING)
        view->missing[view->n_missing++] = field;
}

void
view_note_time(struct view *view, const Hde__RawChain *raw)
{
    if (!raw || !raw->has_event_ns || raw->event_ns <= view->as_of_ns)
        return;
    view->as_of_ns = raw->event_ns;
    view->received_ns = raw->has_receive_ns ? raw->receive_ns : raw->event_ns;
}

static const void *
body_of(const struct snapshot *snapshot, enum live_kind kind)
{
    return snapshot->msg[kind] ? snapshot->msg[kind]->body : NULL;
}

static double
reference_price(const struct chain_view *chain)
{
    double price = FIELD(chain->forward, forward);

    if (!isfinite(price))
        price = FIELD(chain->raw, future);
    return isfinite(price) ? price : FIELD(chain->raw, spot);
}

/* Ties go to the lower strike. */
static size_t
nearest_strike(const double *strikes, size_t n, double price)
{
    size_t best = n;

    for (size_t i = 0; i < n && isfinite(price); i++) {
        if (best == n || fabs(strikes[i] - price) < fabs(strikes[best] - price))
            best = i;
    }
    return best;
}

void
chain_view_init(struct chain_view *chain, const struct snapshot *snapshot)
{
    *chain = (struct chain_view){
        .expiry = snapshot->expiry,
        .enriched = body_of(snapshot, LIVE_ENRICHED),
        .cumulative_oi = body_of(snapshot, LIVE_CUMULATIVE_OI),
        .velocity = body_of(snapshot, LIVE_VELOCITY),
        .buildup = body_of(snapshot, LIVE_BUILDUP),
        .zones = body_of(snapshot, LIVE_ZONES),
    };
    if (chain->enriched) {
        chain->raw = chain->enriched->raw;
        chain->forward = chain->enriched->forward;
        chain->call_model = chain->enriched->calls;
        chain->put_model = chain->enriched->puts;
        chain->metrics = chain->enriched->metrics;
    }
    if (!chain->raw)
        chain->raw = body_of(snapshot, LIVE_RAW);
    chain->n_strikes = chain->raw ? chain->raw->n_strike : 0;
    chain->atm = chain->n_strikes
                     ? nearest_strike(chain->raw->strike, chain->n_strikes, reference_price(chain))
                     : 0;
}

double
chain_view_atm_strike(const struct chain_view *chain)
{
    return chain->atm < chain->n_strikes ? chain->raw->strike[chain->atm] : NAN;
}

double
oi_change_at(const Hde__Quotes *quotes, size_t n, size_t i)
{
    double change = COLUMN(quotes, oi_change, n, i);

    return isfinite(change) ? change : COLUMN(quotes, oi, n, i) - COLUMN(quotes, prev_oi, n, i);
}

size_t
find_strike(const double *strikes, size_t n, double strike)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strikes[middle] < strike)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && strikes[low] == strike ? low : n;
}

static bool
refuse_strike(struct view *view, const struct chain_view *chain, double strike)
{
    size_t nearest = nearest_strike(chain->raw->strike, chain->n_strikes, strike);
    char word[32] = "";

    if (nearest < chain->n_strikes)
        snprintf(word, sizeof word, "%.10g", chain->raw->strike[nearest]);
    return problem_fault(view->problem, "strike_not_found",
                         &(struct fault){"strikes", .nearest = word[0] ? word : NULL},
                         "the chain of %s has no strike %.10g", chain->expiry, strike);
}

bool
select_strikes(struct selection *selection, struct view *view, const struct chain_view *chain)
{
    const struct ask *ask = view->ask;
    bool good = true;

    *selection = (struct selection){0, chain->n_strikes, NULL};
    if (ask->strikes == STRIKES_ATM && chain->atm < chain->n_strikes) {
        size_t aside = ask->strikes_aside;

        selection->first = chain->atm > aside ? chain->atm - aside : 0;
        if (chain->atm + aside + 1 < chain->n_strikes)
            selection->end = chain->atm + aside + 1;
    } else if (ask->strikes == STRIKES_ATM) {
        selection->end = 0; /* nothing is at the money of an unknown price */
    } else if (ask->strikes == STRIKES_LIST) {
        selection->list = ask;
        for (size_t i = 0; i < ask->n_strikes && ask->expiry != EXPIRY_ALL; i++) {
            if (!chain->raw || find_strike(chain->raw->strike, chain->n_strikes, ask->strike[i]) ==
                                   chain->n_strikes)
                good = refuse_strike(view, chain, ask->strike[i]);
        }
    }
    return good;
}

bool
selection_has(const struct selection *selection, double strike)
{
    if (!selection->list)
        return true;
    for (size_t i = 0; i < selection->list->n_strikes; i++) {
        if (selection->list->strike[i] == strike)
            return true;
    }
    return false;
}
