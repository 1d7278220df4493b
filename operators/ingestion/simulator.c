/* SPDX-License-Identifier: Apache-2.0
 * ingestion/simulator - the stand-in of the Dhan API inside of a graph: no ports, a server on
 * loopback that ingestion/dhan_chain of the same graph can poll. */
#include "sim.h"

#include <hde/operator.h>

struct simulator {
    int64_t port, seed;
    const char *calendar, *fault;
    hde_secret token;
    double speed;
    hde_duration interval;
    struct sim *sim;
};

static hde_status
simulator_open(hde_ctx *ctx, void *state)
{
    struct simulator *self = state;
    char error[256];

    self->sim = sim_start(
        &(struct sim_config){
            .seed = (uint64_t)self->seed,
            .calendar = self->calendar,
            .token = self->token.text,
            .faults = self->fault,
            .port = (int)self->port,
            .speed = self->speed,
            .interval_ns = self->interval.ns,
        },
        error, sizeof error);
    if (!self->sim)
        return hde_fail(ctx, "simulator.start", "%s", error);
    hde_log(ctx, HDE_INFO, "simulator.listening", "http://127.0.0.1:%d", sim_port(self->sim));
    return HDE_OK;
}

static void
simulator_close(hde_ctx *ctx, void *state)
{
    struct simulator *self = state;

    sim_stop(self->sim);
    self->sim = NULL;
}

static const hde_param params[] = {
    HDE_PARAM(struct simulator, port, .fallback = "8991", .min = 0, .max = 65535,
              .help = "on 127.0.0.1; 0 picks a free one, which is logged"),
    HDE_PARAM(struct simulator, seed, .fallback = "1", .min = 0, .max = 9007199254740991.0,
              .help = "of the market: the same seed and instant give the same numbers"),
    HDE_PARAM(struct simulator, calendar, .fallback = "always",
              .help = "shipped calendar (always, nse) or the path of a file"),
    HDE_PARAM(struct simulator, speed, .fallback = "1", .min = 0, .max = 1e6,
              .unit = "seconds of the market a second", .help = "0 stands still"),
    HDE_PARAM(struct simulator, interval, .fallback = "0s", .min = 0, .max = 3600,
              .help = "the same chain asked again sooner is refused with 429; 0s: never"),
    HDE_PARAM(struct simulator, token, .fallback = "",
              .help = "the only access token that is let in; empty: any"),
    HDE_PARAM(struct simulator, fault, .fallback = "",
              .help = "faults to play: NAME@N,NAME@N-M,NAME@N+ (hde simulate --help lists them)"),
    {0},
};

static const hde_operator simulator = {
    .size = sizeof(hde_operator),
    .flags = HDE_VIEW | HDE_EXCLUSIVE | HDE_LIVE_ONLY,
    .name = "ingestion/simulator",
    .summary = "Serves a synthetic options market like the Dhan API, on loopback",
    .help = "Has no ports. The market moves at every hour of every day with `calendar: always`.",
    .params = params,
    .state_size = sizeof(struct simulator),
    .open = simulator_open,
    .close = simulator_close,
};

HDE_PLUGIN(&simulator);
