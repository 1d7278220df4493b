/* SPDX-License-Identifier: Apache-2.0
 * sim - a loopback stand-in for the Dhan v2 option-chain API over the synthetic market.
 *
 * POST /v2/optionchain and POST /v2/optionchain/expirylist answer as the service does, faults
 * included. GET /sim tells its clock and counts; POST /sim/fault?play=SCRIPT plays faults from
 * now on. One thread of its own; the calls below may come from any thread.
 *
 * A fault script is a comma separated list of NAME@N (the N-th request from now), NAME@N-M and
 * NAME@N+ (from the N-th on); `list.NAME@N` counts requests for expiry lists, else chains are
 * counted. The names are in sim_faults[]. */
#ifndef INGESTION_SIM_H
#define INGESTION_SIM_H

#include "market.h"

struct sim;

struct sim_config {
    uint64_t seed;
    const char *calendar;  /* shipped name or path; NULL: "always" */
    const char *token;     /* what access-token must be; NULL or "": any but none */
    const char *client_id; /* the same for client-id */
    const char *faults;    /* script, NULL or "": none */
    int port;              /* 0 picks a free one */
    int64_t start_ns;      /* what the clock shows at first; 0: the real time */
    double speed;          /* seconds of the market a real second; 0 stands still; 1 is real */
    int64_t interval_ns;   /* the same (underlying, expiry) asked again sooner: 429; 0: no limit */
};

struct sim_counts {
    uint64_t chains, lists; /* requests */
    uint64_t refused;       /* answered with 4xx, faults not counted */
    uint64_t faults;        /* played */
};

extern const struct sim_fault {
    const char *name, *help;
} sim_faults[]; /* ended by {0} */

/* Listens on 127.0.0.1. NULL with a text in error. */
struct sim *sim_start(const struct sim_config *config, char *error, size_t size);
void sim_stop(struct sim *sim); /* waits; open connections are cut */
int sim_port(const struct sim *sim);
int64_t sim_now(struct sim *sim);
/* Sets the clock; it goes on from there at its speed. */
void sim_set_now(struct sim *sim, int64_t ns);
/* Replaces the script; counting starts anew. */
bool sim_play(struct sim *sim, const char *script, char *error, size_t size);
/* Another token from now on. */
void sim_set_token(struct sim *sim, const char *token);
void sim_count(struct sim *sim, struct sim_counts *counts);

#endif
