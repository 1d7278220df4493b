/* SPDX-License-Identifier: Apache-2.0
 * pipeline - `hde bench pipeline`: legs per second through the processing chain, and how long a
 * chain takes from the HTTP answer that brought it to the REST answer that shows it. */
#include "rig.h"

#include <hde/schemas/market.pb-c.h>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES_MAX = 100000, ROUNDS_MAX = 99 };

/* ---- legs per second ---- */

static size_t
legs_of_first_chain(struct engine *engine)
{
    struct tap *tap = engine_tap_open(engine, 0, 1);
    struct tap_item item;
    size_t legs = 0;

    if (tap && tap_next(tap, &item, 5000) && item.type == &hde__raw_chain__descriptor)
        legs = 2 * ((const Hde__RawChain *)item.message)->n_strike;
    engine_tap_close(tap);
    return legs;
}

/* One run of `chains` chains; gives chains a second. */
static double
run_processing(long chains, size_t *legs)
{
    hde_text yaml = {0};
    struct err err = {{0}, {0}};
    struct running run;
    double started;

    hde_text_printf(&yaml,
                    "hde: 1\ngraph: bench-processing\n"
                    "include:\n  processing: {chain: \"%s/processing.yaml\"}\n"
                    "nodes:\n  source: {op: ingestion/synthetic, params: {ready: 64, snapshots: "
                    "%ld}}\n"
                    "edges:\n  - source -> processing.chains\n",
                    graphs_folder(), chains);
    run = rig_start(yaml.data, &(struct engine_options){.virtual_clock = true});
    started = clock_s(CLOCK_MONOTONIC);
    if (!engine_start(run.engine, &err))
        die("engine", err.text);
    if (legs)
        *legs = legs_of_first_chain(run.engine);
    engine_wait(run.engine, -1);
    started = clock_s(CLOCK_MONOTONIC) - started;
    rig_finish(&run);
    hde_text_free(&yaml);
    return (double)chains / started;
}

/* ---- from the HTTP answer to the REST answer ---- */

static int
free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0), port = 0;

    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        port = ntohs(address.sin_port);
    if (fd >= 0)
        close(fd);
    if (port == 0)
        die("port", "none is free");
    return port;
}

static size_t
take_body(char *bytes, size_t size, size_t n, void *text)
{
    hde_text_put(text, bytes, size * n);
    return size * n;
}

/* "as_of":"2026-11-23T03:45:00.123456789Z" of a body; NaN without. Seconds since 1970. */
static double
as_of(const char *body)
{
    const char *at = strstr(body, "\"as_of\":\"");
    struct tm tm = {0};
    const char *rest;

    if (!at)
        return NAN;
    rest = strptime(at + 9, "%Y-%m-%dT%H:%M:%S", &tm);
    return rest ? (double)timegm(&tm) + (*rest == '.' ? strtod(rest, NULL) : 0) : NAN;
}

struct latency {
    double *ms; /* SAMPLES_MAX */
    size_t n;
};

/* Asks until a newer chain is shown, again and again. */
static void
ask_for(double seconds, const char *url, struct latency *out)
{
    CURL *curl = curl_easy_init();
    double until = clock_s(CLOCK_MONOTONIC) + seconds, seen = 0;
    hde_text body = {0};

    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 2000L);
    while (clock_s(CLOCK_MONOTONIC) < until && out->n < SAMPLES_MAX) {
        double stamp;

        hde_text_clear(&body);
        if (curl_easy_perform(curl) != CURLE_OK || !body.data)
            continue;
        stamp = as_of(body.data);
        if (stamp > seen) {
            if (seen > 0)
                out->ms[out->n++] = (clock_s(CLOCK_REALTIME) - stamp) * 1e3;
            seen = stamp;
        }
    }
    hde_text_free(&body);
    curl_easy_cleanup(curl);
}

static void
run_latency(double seconds, struct latency *out)
{
    int sim = free_port(), rest = free_port();
    hde_text yaml = {0};
    struct err err = {{0}, {0}};
    struct running run;
    char url[128];

    hde_text_printf(
        &yaml,
        "hde: 1\ngraph: bench-latency\n"
        "include:\n  processing: {chain: \"%s/processing.yaml\"}\n"
        "nodes:\n"
        "  simulator: {op: ingestion/simulator, params: {port: %d}}\n"
        "  dhan: {op: ingestion/dhan_chain, params: {base_url: \"http://127.0.0.1:%d/v2\","
        " client_id: \"1\", token: bench, calendar: always, expiries: 1, interval: 20ms,"
        " spacing: 0ms}}\n"
        "  gateway: {op: gateway/rest, params: {listen: \"127.0.0.1:%d\"}}\n"
        "edges:\n  - dhan.chains -> processing.chains\n"
        "  - {path: processing.enriched -> gateway.live, full: latest, key: [feed, expiry]}\n",
        graphs_folder(), sim, sim, rest);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1/option-chain/NIFTY?strikes=atm%%C2%%B11",
             rest);
    run = rig_start(yaml.data, NULL);
    if (!engine_start(run.engine, &err))
        die("engine", err.text);
    ask_for(seconds, url, out);
    engine_stop(run.engine);
    engine_wait(run.engine, 5000);
    rig_finish(&run);
    hde_text_free(&yaml);
}

/* ---- report ---- */

static const char usage[] =
    "usage: hde bench pipeline [--rounds N] [--seconds S] [--quick] [--json]\n"
    "\n"
    "Legs per second through graphs/processing.yaml (median of N runs, 5), and the time from an\n"
    "HTTP answer received to its chain being visible over REST: simulator, ingestion, processing\n"
    "and gateway in one process, asked without pause for S seconds (10).\n"
    "\n"
    "  hde bench pipeline --quick     short, to see that it works\n";

int
main(int argc, char **argv)
{
    static double samples[SAMPLES_MAX];
    struct latency latency = {.ms = samples};
    double rate[ROUNDS_MAX], seconds = 10, chains;
    long per_run = 20000;
    size_t legs = 0;
    int rounds = 5;
    bool json = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0) {
            rounds = atoi(argv[++i]) < ROUNDS_MAX ? atoi(argv[i]) : ROUNDS_MAX;
        } else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc && atof(argv[i + 1]) > 0) {
            seconds = atof(argv[++i]);
        } else if (strcmp(argv[i], "--quick") == 0) {
            rounds = 1;
            per_run = 500;
            seconds = 1;
        } else if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else {
            bool help = strcmp(argv[i], "--help") == 0;

            fputs(usage, help ? stdout : stderr);
            return help ? 0 : 64;
        }
    }
    rig_open("pipeline");
    run_processing(100, &legs);
    for (int i = 0; i < rounds; i++)
        rate[i] = run_processing(per_run, NULL);
    run_latency(seconds, &latency);
    if (legs == 0)
        die("processing", "no chain came through");
    if (latency.n == 0)
        die("latency", "no chain became visible");
    chains = quantile(rate, (size_t)rounds, 0.5);
    if (json)
        printf("{\"chains_per_s\":%.1f,\"legs_per_chain\":%zu,\"legs_per_s\":%.0f,"
               "\"visible_ms_p50\":%.3f,\"visible_ms_p99\":%.3f,\"samples\":%zu}\n",
               chains, legs, chains * (double)legs, quantile(samples, latency.n, 0.5),
               quantile(samples, latency.n, 0.99), latency.n);
    else
        printf("processing chain          %12.0f chains/s of %zu legs, %.0f legs/s\n"
               "answer to visible by REST %12.3f ms p50, %.3f ms p99 (%zu chains)\n",
               chains, legs, chains * (double)legs, quantile(samples, latency.n, 0.5),
               quantile(samples, latency.n, 0.99), latency.n);
    rig_close();
    return 0;
}
