/* SPDX-License-Identifier: Apache-2.0
 * guarantees - `hde bench guarantees`: what checkpoints cost in throughput, latency and processor
 * time, how long a node stands still for a reload, how long a recovery takes.
 *
 * The graph is the shipped one: synthetic chains of 400 legs, graphs/processing.yaml, analytics,
 * and a sink with a mark, which waits for the log as a database would. */
#include "rig.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/run.h"
#include "engine/swap.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ROUNDS_MAX = 25, MODES = 3, SIZES = 4, LENGTHS = 3 };

static const char *const mode_names[MODES] = {"off", "every 1 s", "every 100 ms"};
static const char *const mode_every[MODES] = {NULL, "1s", "100ms"};
static const int64_t sizes[SIZES] = {4 << 10, 64 << 10, 1 << 20, 16 << 20};
static const long lengths[LENGTHS] = {100, 1000, 10000};

struct mode {
    double rate[ROUNDS_MAX];                      /* chains a second, as fast as they are taken */
    double share[ROUNDS_MAX];                     /* of the processor time: barrier, save, write */
    double p50_us[ROUNDS_MAX], p99_us[ROUNDS_MAX]; /* tick to commit, at the pace */
};

static char folder[PATH_MAX]; /* absolute: in graph files a path is relative to the file */

static double
cpu_s(void)
{
    return clock_s(CLOCK_PROCESS_CPUTIME_ID);
}

/* ---- The graph ---- */

struct load {
    const char *every; /* NULL: no checkpoints */
    const char *pace;  /* between snapshots; NULL: as fast as they are taken */
    long snapshots;
    int64_t state_bytes; /* of a node in the path */
};

static struct running
open_load(const struct load *load)
{
    static char log[PATH_MAX + 16];
    struct engine_options options = {0};
    struct running run;
    hde_text yaml = {0};

    hde_text_printf(&yaml, "hde: 1\ngraph: bench-guarantees\n");
    if (load->every) {
        snprintf(log, sizeof log, "%s/kept/log", folder);
        options.record = log;
        options.checkpoint = true;
        hde_text_printf(&yaml, "checkpoint: {every: %s, store: \"%s/kept\"}\n", load->every, folder);
    }
    hde_text_printf(&yaml,
                    "include:\n  processing: {chain: \"%s/processing.yaml\"}\n"
                    "  analytics: {chain: \"%s/analytics.yaml\"}\n"
                    "nodes:\n  source: {op: ingestion/synthetic, params: {ready: 64, snapshots: %ld",
                    graphs_folder(), graphs_folder(), load->snapshots);
    if (load->pace)
        hde_text_printf(&yaml, ", paced: true, step: %s", load->pace);
    hde_text_printf(&yaml,
                    "}}\n  weighty: {op: bench/weighty, params: {state: %lld}}\n"
                    "  late: {op: bench/late, params: {path: \"%s/late\"}}\n"
                    "edges:\n  - source -> processing.chains\n"
                    "  - processing.enriched -> weighty\n"
                    "  - weighty -> analytics.enriched\n  - analytics.results -> late\n",
                    (long long)load->state_bytes, folder);
    run = rig_start(yaml.data, &options);
    hde_text_free(&yaml);
    return run;
}

/* ---- What checkpoints cost ---- */

static void
run_fast(const char *every, long snapshots, double *rate, double *share)
{
    struct running run;
    double started, cpu;
    uint64_t cost_ns;

    rig_clear(folder);
    run = open_load(&(struct load){every, NULL, snapshots, 64 << 10});
    started = clock_s(CLOCK_MONOTONIC);
    cpu = cpu_s();
    rig_begin(&run);
    engine_wait(run.engine, -1);
    started = clock_s(CLOCK_MONOTONIC) - started;
    cpu = cpu_s() - cpu;
    cost_ns = engine_checkpoint_cpu_ns(run.engine);
    rig_finish(&run);
    *rate = (double)snapshots / started;
    *share = (double)cost_ns / 1e9 / cpu;
}

static void
run_paced(const char *every, long snapshots, double *p50_us, double *p99_us)
{
    struct running run;
    char path[PATH_MAX + 16];
    FILE *file;
    unsigned long long n = 0;

    rig_clear(folder);
    run = open_load(&(struct load){every, "10ms", snapshots, 64 << 10});
    rig_begin(&run);
    engine_wait(run.engine, -1);
    rig_finish(&run);
    snprintf(path, sizeof path, "%s/late", folder);
    file = fopen(path, "r");
    if (!file || fscanf(file, "%llu %lf %lf", &n, p50_us, p99_us) != 3 || !n)
        die(path, "the sink has measured nothing");
    fclose(file);
}

/* ---- How long a node stands still ---- */

static struct node *
node_called(const struct engine *engine, const char *name)
{
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (strcmp(engine->nodes[i]->def->name, name) == 0)
            return engine->nodes[i];
    die(name, "no such node");
}

static double
swap_once(struct node *node)
{
    struct swap swap = {.node = node, .keeps_state = true, .budget_ns = 10LL * NS_PER_S};
    struct err err = {{0}, {0}};

    swap.next = instance_new(node, node->ctx.op, NULL, &err);
    if (!node->instance)
        swap.shell = instance_shell(node);
    if (!swap.next || !instance_open(swap.next, &err))
        die("instance", err.text);
    if (!swap_run(&swap, 10LL * NS_PER_S))
        die("swap", swap.err.text);
    hde_msg_drop(swap.saved);
    if (!swap_close(swap.last, 10LL * NS_PER_S))
        die("swap", "the old instance was not closed");
    instance_free(swap.last);
    return (double)swap.pause_ns / 1e6;
}

static void
measure_pauses(int rounds, double ms[SIZES][ROUNDS_MAX])
{
    for (int s = 0; s < SIZES; s++) {
        struct running run;

        rig_clear(folder);
        run = open_load(&(struct load){NULL, "1ms", 10000000, sizes[s]});
        rig_begin(&run);
        for (int i = 0; i < rounds; i++)
            ms[s][i] = swap_once(node_called(run.engine, "weighty"));
        rig_cut(&run);
        rig_finish(&run);
    }
}

/* ---- How long a recovery takes ---- */

/* ms from the start of the engine to the first moment when it is ready, and the entries between. */
static double
recover_once(long entries, double *taken)
{
    struct running run;
    struct load load = {"1h", NULL, 100000000, 64 << 10};
    double started;

    rig_clear(folder);
    run = open_load(&load);
    rig_begin(&run);
    rig_until(&run, (uint64_t)entries);
    rig_cut(&run);
    *taken = (double)STAT_GET(run.engine->stats->entries);
    rig_finish(&run);
    started = clock_s(CLOCK_MONOTONIC);
    run = open_load(&load);
    rig_begin(&run);
    rig_ready(&run);
    started = clock_s(CLOCK_MONOTONIC) - started;
    rig_cut(&run);
    rig_finish(&run);
    return started * 1e3;
}

/* ---- Report ---- */

struct report {
    struct mode mode[MODES];
    double pause_ms[SIZES][ROUNDS_MAX];
    double recovery_ms[LENGTHS][ROUNDS_MAX], entries[LENGTHS][ROUNDS_MAX];
};

static void
print_modes(struct report *r, size_t n, bool json)
{
    for (int m = 0; m < MODES; m++) {
        struct mode *mode = &r->mode[m];

        printf(json ? "%s{\"checkpoints\":\"%s\",\"chains_per_s\":%.0f,\"cpu_share\":%.5f,"
                      "\"p50_us\":%.0f,\"p99_us\":%.0f}"
                    : "%scheckpoints %-12s %8.0f chains/s, %.2f %% of the processor time for them; "
                      "tick to commit %.0f us p50, %.0f us p99 at 100 chains/s\n",
               !json ? "" : m ? "," : "{\"modes\":[", mode_names[m], quantile(mode->rate, n, 0.5),
               quantile(mode->share, n, 0.5) * (json ? 1 : 100), quantile(mode->p50_us, n, 0.5),
               quantile(mode->p99_us, n, 0.5));
    }
}

static void
print_rest(struct report *r, size_t n, int lengths_n, bool json)
{
    for (int s = 0; s < SIZES; s++)
        printf(json ? "%s{\"state_bytes\":%lld,\"pause_ms\":%.3f,\"pause_ms_p99\":%.3f}"
                    : "%sreload, %9lld bytes of state: the node stands still for %.3f ms p50, "
                      "%.3f ms p99\n",
               !json ? "" : s ? "," : "],\"reload\":[", (long long)sizes[s],
               quantile(r->pause_ms[s], n, 0.5), quantile(r->pause_ms[s], n, 0.99));
    for (int l = 0; l < lengths_n; l++)
        printf(json ? "%s{\"entries\":%.0f,\"recovery_ms\":%.1f}"
                    : "%srecovery, %6.0f entries of 400 legs behind the epoch: ready after %.1f ms\n",
               !json ? "" : l ? "," : "],\"recovery\":[", quantile(r->entries[l], n, 0.5),
               quantile(r->recovery_ms[l], n, 0.5));
    if (json)
        printf("]}\n");
}

static const char usage[] =
    "usage: hde bench guarantees [-- [--rounds N] [--quick] [--json]]\n"
    "\n"
    "The shipped processing and analytics chains on 400-leg snapshots, without checkpoints, with\n"
    "one a second and ten a second, interleaved, medians of N rounds (3): chains a second,\n"
    "processor time in barrier, save and write over all of it, and the time from tick to commit at\n"
    "100 chains a second. Then how long a node stands still for a reload, by its state, and how\n"
    "long a start takes, by the length of the log behind the last epoch. Works in the working\n"
    "directory: that is the disk that is measured.\n"
    "\n"
    "  hde bench guarantees -- --quick     short, to see that it works\n";

int
main(int argc, char **argv)
{
    static struct report report;
    long fast = 20000, paced = 400;
    int rounds = 3, lengths_n = LENGTHS;
    char name[] = "./hde-bench-XXXXXX";
    bool json = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0) {
            rounds = atoi(argv[++i]) < ROUNDS_MAX ? atoi(argv[i]) : ROUNDS_MAX;
        } else if (strcmp(argv[i], "--quick") == 0) {
            rounds = 1;
            fast = 500;
            paced = 40;
            lengths_n = 1;
        } else if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else {
            bool help = strcmp(argv[i], "--help") == 0;

            fputs(usage, help ? stdout : stderr);
            return help ? 0 : 64;
        }
    }
    if (!mkdtemp(name) || !realpath(name, folder))
        die(name, "cannot be made");
    log_set_level(LEVEL_WARN);
    rig_open("guarantees");
    for (int i = 0; i < rounds; i++)
        for (int m = 0; m < MODES; m++) {
            struct mode *mode = &report.mode[m];

            run_fast(mode_every[m], fast, &mode->rate[i], &mode->share[i]);
            run_paced(mode_every[m], paced, &mode->p50_us[i], &mode->p99_us[i]);
        }
    measure_pauses(rounds, report.pause_ms);
    for (int l = 0; l < lengths_n; l++)
        for (int i = 0; i < rounds; i++)
            report.recovery_ms[l][i] = recover_once(lengths[l], &report.entries[l][i]);
    print_modes(&report, (size_t)rounds, json);
    print_rest(&report, (size_t)rounds, lengths_n, json);
    rig_remove(folder);
    rig_close();
    return 0;
}
