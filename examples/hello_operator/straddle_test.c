/* SPDX-License-Identifier: Apache-2.0
 * straddle_test - the real plugin, with a clock and chains of the test's own. */
#include <hde/schemas/market.pb-c.h>
#include <hde/schemas/runtime.pb-c.h>
#include <hde/testing.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x) ((x) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x), abort()))

/* Three strikes around the spot; `put` is the price of the middle put. */
static hde_msg *
chain(hde_harness *h, double spot, double put)
{
    static const double strike[] = {24000, 24050, 24100}, call[] = {130, 101.5, 75};
    hde_msg *msg = hde_harness_new(h, &hde__raw_chain__descriptor);
    Hde__RawChain *body = (Hde__RawChain *)msg->body;
    Hde__Quotes *calls = hde_msg_edit(msg, &body->calls, &hde__quotes__descriptor);
    Hde__Quotes *puts = hde_msg_edit(msg, &body->puts, &hde__quotes__descriptor);

    body->spot = spot, body->has_spot = true;
    body->n_strike = calls->n_last = puts->n_last = 3;
    body->strike = hde_msg_doubles(msg, 3);
    calls->last = hde_msg_doubles(msg, 3);
    puts->last = hde_msg_doubles(msg, 3);
    memcpy(body->strike, strike, sizeof strike);
    memcpy(calls->last, call, sizeof call);
    puts->last[1] = put;
    return msg;
}

static double
pulled(hde_harness *h)
{
    hde_msg *msg = hde_harness_pull(h, "out");
    const Hde__Sample *out;
    double value;

    CHECK(msg);
    out = (const Hde__Sample *)msg->body;
    value = out->has_value ? out->value : NAN;
    hde_msg_drop(msg);
    return value;
}

int
main(void)
{
    hde_harness *h = hde_harness_open("hello/straddle", "max_distance: 40");
    hde_msg *empty;

    CHECK(hde_harness_push(h, "in", chain(h, 24060, 95)) == HDE_OK);
    CHECK(pulled(h) == 196.5);
    CHECK(hde_harness_push(h, "in", chain(h, 24060, NAN)) == HDE_OK);
    CHECK(isnan(pulled(h))); /* a leg without a price */
    CHECK(hde_harness_push(h, "in", chain(h, 24200, 95)) == HDE_OK);
    CHECK(isnan(pulled(h))); /* no strike at the money */

    empty = hde_harness_new(h, &hde__raw_chain__descriptor);
    CHECK(hde_harness_push(h, "in", empty) == HDE_REJECT);
    CHECK(!strcmp(hde_harness_said(h), "straddle.empty: a chain without spot or strikes"));
    CHECK(!hde_harness_pull(h, "out"));
    hde_harness_close(h);
    return 0;
}
