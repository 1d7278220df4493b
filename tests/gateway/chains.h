/* SPDX-License-Identifier: Apache-2.0
 * chains - small synthetic chains and results with numbers that a test can predict. */
#ifndef GATEWAY_CHAINS_H
#define GATEWAY_CHAINS_H

#include <hde/operator.h>
#include <hde/schemas/analytics.pb-c.h>
#include <hde/schemas/market.pb-c.h>

#define MINUTE_NS (60 * (int64_t)1000000000)
#define CHAIN_OPEN_NS 1787111100000000000 /* 2026-08-19T03:45:00Z, 09:15 in India */

enum { CHAIN_STRIKES = 41 }; /* first, first + 50, ... */

struct chain_spec {
    const char *feed, *expiry;
    int64_t event_ns;
    double first_strike; /* spot is strike 20 + 10 */
};

/* Messages of a pool of the calling thread; the test's until it hands them on. At strike i: calls
 * have oi 1000 + i, puts 2000 + i; the put of strike 3 has no last price and no open interest. */
hde_msg *chain_raw_new(const struct chain_spec *spec);
hde_msg *chain_enriched_new(const struct chain_spec *spec);
hde_msg *chain_cumulative_new(const struct chain_spec *spec);
hde_msg *chain_velocity_new(const struct chain_spec *spec);
hde_msg *chain_buildup_new(const struct chain_spec *spec);
hde_msg *chain_zones_new(const struct chain_spec *spec);

#endif
