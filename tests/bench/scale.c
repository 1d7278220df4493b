/* SPDX-License-Identifier: Apache-2.0
 * scale - `hde bench scale`: what a chain, a leg, a hop to another host, an entry of the log and a
 * key of the state cost on this machine, as straight lines through measurements, and what that
 * makes of a load that is asked for. docs/scale.md says what to do with it.
 *
 * The graph is the shipped one: synthetic chains, processing, analytics, a sink with a mark; spread
 * over processes as in bench/spread.h. */
#include "rig.h"

#include "base/log.h"
#include "bench/spread.h"
#include "engine/run.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POINTS = 4, ROUNDS_MAX = 25 };

/* What is measured: x, y, and the line through them. */
struct line {
    const char *name, *json, *x_name, *unit; /* unit: of y */
    size_t n;
    double x[POINTS], y[POINTS];
    double base, slope; /* y = base + slope x */
};

enum lines {
    CHAIN,
    HOP_RAW,
    HOP_ENRICHED,
    HOP_RESULTS,
    WIRE_RAW,
    WIRE_ENRICHED,
    WIRE_RESULTS,
    EPOCH,
    LOG,
    RECOVERY,
    LINES
};

static struct line lines[LINES] = {
    [CHAIN] = {"a chain, all of it in one process", "chain", "leg", "us"},
    [HOP_RAW] = {"its hop to another host as it comes in", "hop_raw", "leg", "us"},
    [HOP_ENRICHED] = {"its hop with everything computed", "hop_enriched", "leg", "us"},
    [HOP_RESULTS] = {"the hop of its results", "hop_results", "leg", "us"},
    [WIRE_RAW] = {"on the wire, as it comes in", "wire_raw", "leg", "bytes"},
    [WIRE_ENRICHED] = {"on the wire, with everything computed", "wire_enriched", "leg", "bytes"},
    [WIRE_RESULTS] = {"on the wire, its results", "wire_results", "leg", "bytes"},
    [EPOCH] = {"an epoch", "epoch", "key", "bytes"},
    [LOG] = {"an entry of the ingress log (of a source that can be asked again: without bodies)",
             "log_entry", "leg", "bytes"},
    [RECOVERY] = {"a recovery", "recovery", "entry", "ms"},
};

static char folder[PATH_MAX];

/* ---- Lines --------------------------------------------------------------------------------- */

static void
add_point(struct line *line, double x, double y)
{
    line->x[line->n] = x;
    line->y[line->n++] = y;
}

/* Least squares of the relative differences, so that small loads count as much as large ones. */
static void
fit(struct line *line)
{
    double w = 0, wx = 0, wy = 0, wxx = 0, wxy = 0;

    for (size_t i = 0; i < line->n; i++) {
        double x = line->x[i], y = line->y[i], weight = 1 / fmax(y * y, 1e-12);

        w += weight;
        wx += weight * x;
        wy += weight * y;
        wxx += weight * x * x;
        wxy += weight * x * y;
    }
    line->slope = (w * wxy - wx * wy) / (w * wxx - wx * wx);
    line->base = (wy - line->slope * wx) / w;
}

static double
at(enum lines which, double x)
{
    return lines[which].base + lines[which].slope * x;
}

static double
residual(const struct line *line, size_t i)
{
    return (line->base + line->slope * line->x[i]) / line->y[i] - 1;
}

/* ---- Measuring: processor time ------------------------------------------------------------- */

/* us of one chain more, median of the rounds. */
static double
chain_us(int hosts, int strikes, long chains, int rounds)
{
    double us[ROUNDS_MAX];

    for (int i = 0; i < rounds; i++)
        us[i] = spread_chain_s(hosts, strikes, chains) * 1e6;
    return quantile(us, (size_t)rounds, 0.5);
}

static const int strikes[POINTS] = {25, 50, 100, 200};
enum { CHECK_STRIKES = 150 }; /* in none of the lines */

static void
measure_hops(size_t points, long chains, int rounds)
{
    for (size_t i = POINTS - points; i < POINTS; i++) {
        double before = 0;

        for (int hosts = 1; hosts <= SPREAD_HOSTS; hosts++) {
            double us = chain_us(hosts, strikes[i], chains, rounds);

            add_point(&lines[CHAIN + hosts - 1], 2 * strikes[i], us - before);
            before = us;
        }
        for (int host = 0; host < SPREAD_HOSTS - 1; host++)
            add_point(&lines[WIRE_RAW + host], 2 * strikes[i], spread_sent(host));
    }
}

/* ---- Measuring: what is kept --------------------------------------------------------------- */

struct kept {
    const char *every;
    long snapshots;
    int strikes, expiries;
};

static struct running
open_kept(const struct kept *load)
{
    static char log[PATH_MAX + 16];
    struct engine_options options = {.record = log, .checkpoint = true};
    struct running run;
    hde_text yaml = {0};

    snprintf(log, sizeof log, "%s/kept/log", folder);
    hde_text_printf(&yaml,
                    "hde: 1\ngraph: bench-scale\ncheckpoint: {every: %s, store: \"%s/kept\"}\n"
                    "include:\n  processing: {chain: \"%s/processing.yaml\"}\n"
                    "  analytics: {chain: \"%s/analytics.yaml\"}\n"
                    "nodes:\n  source: {op: ingestion/synthetic, params: {snapshots: %ld, "
                    "strikes: %d, expiries: %d}}\n"
                    "  late: {op: bench/late, params: {path: \"%s/late\"}}\n"
                    "edges:\n  - source -> processing.chains\n"
                    "  - processing.enriched -> analytics.enriched\n"
                    "  - analytics.results -> late\n",
                    load->every, folder, graphs_folder(), graphs_folder(), load->snapshots,
                    load->strikes, load->expiries, folder);
    run = rig_start(yaml.data, &options);
    hde_text_free(&yaml);
    return run;
}

/* Until that many chains of each expiry have come, and an epoch after that: its bytes. */
static double
epoch_bytes(int expiries, long chains)
{
    struct running run;
    uint64_t entries = (uint64_t)chains * (uint64_t)expiries, epochs = 0;
    double bytes;

    rig_clear(folder);
    run = open_kept(&(struct kept){"100ms", 100000000, 100, expiries});
    rig_begin(&run);
    while (STAT_GET(run.engine->stats->entries) < entries && !engine_wait(run.engine, 1))
        epochs = STAT_GET(run.engine->stats->epochs.completed) + 1; /* one may be under way */
    while (STAT_GET(run.engine->stats->epochs.completed) <= epochs && !engine_wait(run.engine, 1))
        ;
    bytes = (double)STAT_GET(run.engine->stats->epochs.bytes);
    rig_cut(&run);
    rig_finish(&run);
    return bytes;
}

/* Leaves a log of that many entries without an epoch behind it, as a crash does. Gives its
 * bytes. */
static double
make_log(const struct kept *load, long entries, double *taken)
{
    struct running run = open_kept(load);
    double bytes;

    rig_begin(&run);
    rig_until(&run, (uint64_t)entries);
    rig_cut(&run);
    *taken = (double)STAT_GET(run.engine->stats->entries);
    bytes = (double)STAT_GET(run.engine->stats->log.bytes);
    rig_finish(&run);
    return bytes;
}

static double
recovery_ms(const struct kept *load)
{
    struct running run;
    double started = clock_s(CLOCK_MONOTONIC);

    run = open_kept(load);
    rig_begin(&run);
    rig_ready(&run);
    started = clock_s(CLOCK_MONOTONIC) - started;
    rig_cut(&run);
    rig_finish(&run);
    return started * 1e3;
}

static void
measure_kept(size_t points, long entries, int rounds)
{
    for (size_t i = 0; i < points; i++) {
        struct kept log = {"1h", 100000000, strikes[POINTS - points + i], 1};
        struct kept crash = {"1h", 100000000, 200, 1};
        double taken, bytes, ms[ROUNDS_MAX];

        add_point(&lines[EPOCH], 1 << i, epoch_bytes(1 << i, entries));
        rig_clear(folder);
        bytes = make_log(&log, entries, &taken);
        add_point(&lines[LOG], 2 * log.strikes, bytes / taken);
        for (int k = 0; k < rounds; k++) {
            rig_clear(folder);
            make_log(&crash, entries << i, &taken);
            ms[k] = recovery_ms(&crash) / taken;
        }
        add_point(&lines[RECOVERY], taken, quantile(ms, (size_t)rounds, 0.5) * taken);
    }
}

/* ---- Report -------------------------------------------------------------------------------- */

static double
all_hosts_us(double legs)
{
    return at(CHAIN, legs) + at(HOP_RAW, legs) + at(HOP_ENRICHED, legs) + at(HOP_RESULTS, legs);
}

struct asked {
    double chains, legs, keys, epoch_s; /* a second; of a chain; of the state; between epochs */
};

static void
print_lines(bool json)
{
    for (int i = 0; i < LINES; i++) {
        const struct line *line = &lines[i];

        printf(json ? "%s{\"name\":\"%s\",\"unit\":\"%s\",\"base\":%.4f,\"slope\":%.6f,\"points\":["
                    : "%s%s: %s, %.4g + %.4g for each %s; measured",
               json && i ? "," : "", json ? line->json : line->name, line->unit, line->base,
               line->slope, line->x_name);
        for (size_t k = 0; k < line->n; k++)
            printf(json ? "%s{\"x\":%.0f,\"y\":%.4f,\"residual\":%.4f}"
                        : "%s %.0f: %.4g (%+.1f %%)",
                   k ? "," : "", line->x[k], line->y[k], residual(line, k) * (json ? 1 : 100));
        printf(json ? "]}" : "\n");
    }
}

static void
print_load(const struct asked *asked, bool json)
{
    double one = asked->chains * at(CHAIN, asked->legs) / 1e6;
    double four = asked->chains * all_hosts_us(asked->legs) / 1e6;
    double log = asked->chains * at(LOG, asked->legs);
    double wire[] = {asked->chains * at(WIRE_RAW, asked->legs),
                     asked->chains * at(WIRE_ENRICHED, asked->legs),
                     asked->chains * at(WIRE_RESULTS, asked->legs)};
    double recovery_s = at(RECOVERY, asked->chains * asked->epoch_s) / 1e3;

    printf(json ? ",\"load\":{\"chains_per_s\":%.0f,\"legs\":%.0f,\"cores_one_process\":%.3f,"
                  "\"cores_four_hosts\":%.3f,\"wire_bytes_per_s\":[%.0f,%.0f,%.0f],"
                  "\"log_bytes_per_s\":%.0f,\"epoch_bytes\":%.0f,\"recovery_s\":%.2f}}\n"
                : "\n%.0f chains a second of %.0f legs: %.2f cores in one process, %.2f over four "
                  "hosts; bytes a second %.3g, %.3g and %.3g on the three links, %.3g in each log; "
                  "an epoch of %.3g bytes; %.2g s to take again what came since an epoch\n",
           asked->chains, asked->legs, one, four, wire[0], wire[1], wire[2], log,
           at(EPOCH, asked->keys), recovery_s);
}

static const char usage[] =
    "usage: hde bench scale [-- [--chains N] [--legs N] [--keys N] [--epoch SECONDS]\n"
    "                           [--rounds N] [--quick] [--json]]\n"
    "\n"
    "Straight lines through what the shipped chains cost on this machine: processor time a chain "
    "and\n"
    "leg in one process and for each hop to another host (processes of their own, network\n"
    "namespaces where they may be made; bytes on the wire need those), bytes of epochs and log, "
    "time of a recovery; with the\n"
    "residuals, and a prediction for a size that is in none of the lines against what it takes. "
    "Then\n"
    "what the lines say of a load (100 chains a second of 400 legs, 100 keys, an epoch every 5 "
    "s).\n"
    "Works in the working directory: that is the disk that is measured. Some minutes.\n";

static bool
parse(int argc, char **argv, struct asked *asked, int *rounds, bool *quick, bool *json)
{
    static const char *const names[] = {"--chains", "--legs", "--keys", "--epoch"};
    double *const values[] = {&asked->chains, &asked->legs, &asked->keys, &asked->epoch_s};

    for (int i = 1; i < argc; i++) {
        double value = i + 1 < argc ? atof(argv[i + 1]) : 0;
        bool is_known = false;

        for (size_t k = 0; k < sizeof names / sizeof *names && value > 0; k++)
            if (strcmp(argv[i], names[k]) == 0) {
                *values[k] = value;
                is_known = true;
            }
        if (value >= 1 && strcmp(argv[i], "--rounds") == 0) {
            *rounds = value < ROUNDS_MAX ? (int)value : ROUNDS_MAX;
            is_known = true;
        }
        if (is_known)
            i++;
        else if (strcmp(argv[i], "--quick") == 0)
            *quick = true;
        else if (strcmp(argv[i], "--json") == 0)
            *json = true;
        else
            return false;
    }
    return true;
}

int
main(int argc, char **argv)
{
    struct asked asked = {100, 400, 100, 5};
    char name[] = "./hde-bench-XXXXXX";
    bool json = false, quick = false;
    int rounds = 3;
    double check, said;

    if (!parse(argc, argv, &asked, &rounds, &quick, &json)) {
        bool help = argc > 1 && strcmp(argv[1], "--help") == 0;

        fputs(usage, help ? stdout : stderr);
        return help ? 0 : 64;
    }
    if (!mkdtemp(name) || !realpath(name, folder))
        die(name, "cannot be made");
    log_set_level(LEVEL_WARN);
    rig_open("scale");
    spread_open(graphs_folder());
    measure_hops(quick ? 2 : POINTS, quick ? 200 : 3000, quick ? 1 : rounds);
    measure_kept(quick ? 2 : POINTS, quick ? 50 : 500, quick ? 1 : rounds);
    for (int i = 0; i < LINES; i++)
        fit(&lines[i]);
    check = chain_us(SPREAD_HOSTS, CHECK_STRIKES, quick ? 200 : 3000, quick ? 1 : rounds);
    said = all_hosts_us(2 * CHECK_STRIKES);
    printf(json ? "{\"namespaces\":%s,\"lines\":[" : "",
           spread_has_namespaces() ? "true" : "false");
    print_lines(json);
    printf(json
               ? "],\"check\":{\"legs\":%d,\"hosts\":%d,\"predicted_us\":%.2f,\"measured_us\":%.2f}"
               : "check: a chain of %d legs over %d hosts: %.1f us predicted, %.1f us measured\n",
           2 * CHECK_STRIKES, SPREAD_HOSTS, said, check);
    print_load(&asked, json);
    spread_close();
    rig_remove(folder);
    rig_close();
    return 0;
}
