/* SPDX-License-Identifier: Apache-2.0
 * log - `hde bench log`: what an append costs against copying and summing alone, how long a commit
 * takes, what a busy second costs, how long opening takes. Sides are interleaved, medians
 * printed. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "seglog/seglog.h"

#include <hde/schemas/runtime.pb-c.h>
#include <hde/text.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS_MAX = 99, COMMITS_MAX = 2000, PAYLOAD_MAX = 40000, HEAD = 40 };

static const size_t sizes[] = {16, 64, 256, 1024, PAYLOAD_MAX};
enum { SIZES = sizeof sizes / sizeof *sizes };
enum { HEADERS = 120 }; /* of an entry whose bodies stay out */

struct result {
    double append_ns[SIZES], alone_ns[SIZES]; /* a record */
    double commit_p50_ms, commit_p99_ms;
    double small_percent, large_percent; /* of a core, 100 messages of 40 kB a second, without and
                                            with their bodies */
    double open_ms, open_mib;
};

static uint8_t payload[PAYLOAD_MAX];

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
quantile(double *values, size_t n, double q)
{
    qsort(values, n, sizeof *values, by_value);
    return values[(size_t)((double)(n - 1) * q)];
}

static void
append(struct seglog *log, size_t size)
{
    struct seglog_key key = {.tick = seglog_last(log), .event_ns = INT64_MIN};

    if (seglog_append(log, &key, payload, size, false))
        return;
    fprintf(stderr, "hde-bench-log: the disk is full or broken\n");
    exit(1);
}

static double
time_appends(struct seglog *log, size_t size, int n)
{
    int64_t begin = clock_mono_ns();

    for (int i = 0; i < n; i++)
        append(log, size);
    return (double)(clock_mono_ns() - begin) / n;
}

/* What cannot be saved: a copy, and the checksum over head and payload. */
static double
time_alone(size_t size, int n)
{
    static _Alignas(8) uint8_t to[HEAD + PAYLOAD_MAX];
    volatile uint32_t sum = 0;
    int64_t begin = clock_mono_ns();

    for (int i = 0; i < n; i++) {
        to[8] = (uint8_t)i;
        memcpy(to + HEAD, payload, size);
        sum = sum ^ crc32c(0, to + 4, HEAD - 4 + size);
    }
    return (double)(clock_mono_ns() - begin) / n;
}

static void
measure_append(struct seglog *log, int rounds, struct result *result)
{
    for (size_t s = 0; s < SIZES; s++) {
        int n = sizes[s] > 10000 ? 100 : 1000;
        double with[ROUNDS_MAX], alone[ROUNDS_MAX];

        for (int i = 0; i < rounds; i++) {
            with[i] = time_appends(log, sizes[s], n);
            alone[i] = time_alone(sizes[s], n);
            seglog_wait(log, seglog_last(log), 60000);
        }
        result->append_ns[s] = quantile(with, (size_t)rounds, 0.5);
        result->alone_ns[s] = quantile(alone, (size_t)rounds, 0.5);
    }
}

static void
measure_commit(struct seglog *log, int n, struct result *result)
{
    static double ms[COMMITS_MAX];

    for (int i = 0; i < n; i++) {
        int64_t begin = clock_mono_ns();

        append(log, 100);
        seglog_wait(log, seglog_last(log), 60000);
        ms[i] = (double)(clock_mono_ns() - begin) / NS_PER_MS;
    }
    result->commit_p50_ms = quantile(ms, (size_t)n, 0.5);
    result->commit_p99_ms = quantile(ms, (size_t)n, 0.99);
}

/* As an entry of a source: packed, and kept or only summed. */
static void
append_message(struct seglog *log, bool with_body)
{
    static double values[PAYLOAD_MAX / sizeof(double)];
    Hde__Sample sample = HDE__SAMPLE__INIT;
    size_t size;

    sample.n_values = sizeof values / sizeof *values - 2; /* and the head of the field */
    sample.values = values;
    values[0]++;
    size = hde__sample__pack(&sample, payload);
    if (!with_body)
        memset(payload, (int)crc32c(0, payload, size), HEADERS);
    append(log, with_body ? size : HEADERS);
}

/* Processor time of the whole process at 100 messages a second. */
static double
measure_share(struct seglog *log, bool with_bodies, int n)
{
    int64_t begin = clock_mono_ns(), cpu = clock_read(CLOCK_PROCESS_CPUTIME_ID);

    for (int i = 1; i <= n; i++) {
        int64_t next = begin + i * (int64_t)(10 * NS_PER_MS);
        struct timespec at = {.tv_sec = next / NS_PER_S, .tv_nsec = next % NS_PER_S};

        append_message(log, with_bodies);
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    }
    return 100.0 * (double)(clock_read(CLOCK_PROCESS_CPUTIME_ID) - cpu) /
           (double)(clock_mono_ns() - begin);
}

static struct seglog *
open_log(const char *folder)
{
    struct err err = {0};
    struct seglog *log = seglog_open(folder, &(struct seglog_options){0}, NULL, &err);

    if (log)
        return log;
    fprintf(stderr, "hde-bench-log: %s %s\n", err.code, err.text);
    exit(1);
}

static void
measure_open(const char *folder, struct result *result)
{
    struct seglog_segment last[64];
    size_t n = seglog_segments(folder, last, 64, NULL);
    int64_t begin = clock_mono_ns();
    struct seglog *log = open_log(folder);

    result->open_ms = (double)(clock_mono_ns() - begin) / NS_PER_MS;
    result->open_mib = n && n <= 64 ? (double)last[n - 1].bytes / (1 << 20) : 0;
    seglog_close(log);
}

static void
remove_log(const char *folder)
{
    struct seglog_segment list[64];
    size_t n = seglog_segments(folder, list, 64, NULL);
    struct arena arena = {0};

    for (size_t i = 0; i < n && i < 64; i++)
        unlink(arena_printf(&arena, "%s/%s", folder, list[i].name));
    unlink(arena_printf(&arena, "%s/lock", folder));
    rmdir(folder);
    arena_fini(&arena);
}

static void
print(const struct result *r, bool json)
{
    for (size_t s = 0; s < SIZES; s++)
        printf(json ? "%s{\"payload\":%zu,\"append_ns\":%.1f,\"alone_ns\":%.1f}"
                    : "%sappend, payload of %5zu bytes: %8.1f ns; copy and checksum alone %8.1f ns\n",
               !json ? "" : s ? "," : "{\"append\":[", sizes[s], r->append_ns[s], r->alone_ns[s]);
    printf(json ? "],\"commit_p50_ms\":%.3f,\"commit_p99_ms\":%.3f,"
                : "append until durable: p50 %.3f ms, p99 %.3f ms\n",
           r->commit_p50_ms, r->commit_p99_ms);
    printf(json ? "\"percent_small\":%.2f,\"percent_40k\":%.2f,"
                : "100 messages of 40 kB a second: %.2f %% of a core, with their bodies in the log "
                  "%.2f %%\n",
           r->small_percent, r->large_percent);
    printf(json ? "\"open_ms\":%.1f,\"open_mib\":%.1f}\n"
                : "opening: %.1f ms, of which it reads the last segment (%.1f MiB)\n",
           r->open_ms, r->open_mib);
}

static const char usage[] =
    "usage: hde bench log [-- [--folder DIR] [--rounds N] [--quick] [--json]]\n"
    "What a log on disk costs. DIR (default: the working directory) is on the disk that is\n"
    "measured; the log is made there and removed again.\n";

int
main(int argc, char **argv)
{
    const char *base = ".";
    struct result result = {0};
    struct arena arena = {0};
    struct seglog *log;
    char *folder;
    bool json = false, quick = false;
    int rounds = 21;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0) {
            rounds = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--folder") == 0 && i + 1 < argc) {
            base = argv[++i];
        } else if (strcmp(argv[i], "--quick") == 0) {
            quick = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else {
            bool help = strcmp(argv[i], "--help") == 0;

            fputs(usage, help ? stdout : stderr);
            return help ? 0 : 64;
        }
    }
    rounds = quick ? 5 : rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX;
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7);
    folder = arena_printf(&arena, "%s/hde-bench-log.%ld", base, (long)getpid());
    log = open_log(folder);
    measure_append(log, rounds, &result);
    measure_commit(log, quick ? 50 : 500, &result);
    result.small_percent = measure_share(log, false, quick ? 50 : 500);
    result.large_percent = measure_share(log, true, quick ? 50 : 500);
    seglog_close(log);
    measure_open(folder, &result);
    remove_log(folder);
    print(&result, json);
    arena_fini(&arena);
    return 0;
}
