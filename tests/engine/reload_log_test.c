/* SPDX-License-Identifier: Apache-2.0
 * reload_log_test - reloads of a graph that keeps an ingress log: given again, and recovered.
 * HDE_RELOADS=N: that many in the first test (campaign). */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "engine/builds.h"
#include "folder.h"
#include "reload_rig.h"

static struct rig rig;

static int
begin(void **state)
{
    int status = make_folder(state);

    rig = (struct rig){0};
    snprintf(rig.folder, sizeof rig.folder, "%s", folder);
    return status;
}

/* ---- What was written --------------------------------------------------------------------- */

static char *
read_all(const char *name, size_t *size)
{
    char path[192], *bytes;
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", rig.folder, name);
    file = fopen(path, "r");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*size + 1);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    bytes[*size] = 0;
    fclose(file);
    return bytes;
}

static void
assert_same(const char *a, const char *b)
{
    size_t n_a, n_b, i = 0;
    char *bytes_a = read_all(a, &n_a), *bytes_b = read_all(b, &n_b);

    assert_true(n_a > 1000);
    while (i < n_a && i < n_b && bytes_a[i] == bytes_b[i])
        i++;
    if (i < n_a || i < n_b)
        fail_msg("%s has %zu bytes, %s %zu; they differ at %zu: '%.60s', '%.60s'", a, n_a, b, n_b,
                 i, bytes_a + i, bytes_b + i);
    free(bytes_a);
    free(bytes_b);
}

/* Every sample once and in order, counted without a gap; gives the builds that counted, in
 * order. */
static void
read_lines(const char *name, uint64_t *n, char *builds, size_t size)
{
    size_t bytes;
    char *text = read_all(name, &bytes), last[32] = "";

    *builds = 0;
    *n = 0;
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        unsigned long long tick, sequence, value;
        char build[32];

        assert_int_equal(sscanf(line, "%llu %llu %llu %31s", &tick, &sequence, &value, build), 4);
        if (sequence != *n || value != *n)
            fail_msg("line %llu is of sample %llu, counted as %llu", (unsigned long long)*n,
                     sequence, value);
        if (strcmp(build, last) != 0) {
            snprintf(builds + strlen(builds), size - strlen(builds), "%s ", build);
            memcpy(last, build, sizeof last);
        }
        ++*n;
    }
    free(text);
}

/* ---- Given again -------------------------------------------------------------------------- */

static const char *
yaml_of(const char *into, const char *more)
{
    static char text[1024];

    snprintf(text, sizeof text,
             "%s"
             "nodes:\n"
             "  feed:  {op: swap/feed, params: {burst: 7}}\n"
             "  count: {op: swap/count, params: {size: 1KiB}}\n"
             "  again: {op: swap/count}\n"
             "  check: {op: swap/check}\n"
             "  write: {op: swap/write, params: {path: %s}}\n"
             "edges: [feed -> again -> count, count -> check, count -> write]\n",
             more, into);
    return text;
}

static const char *
plugins_of(const char *version)
{
    static char path[1024];

    snprintf(path, sizeof path, "%s", variant(version));
    *strrchr(path, '/') = 0;
    return path;
}

/* The folder of the rig's own, where files change. */
static void
install(const char *version)
{
    char command[2400];

    snprintf(command, sizeof command,
             "mkdir -p %s/plugins && cp %s %s/plugins/new && mv %s/plugins/new %s/plugins/mine.so",
             rig.folder, variant(version), rig.folder, rig.folder, rig.folder);
    assert_int_equal(system(command), 0);
}

static const char *
log_of(void)
{
    static char path[96];

    snprintf(path, sizeof path, "%s/log", rig.folder);
    return path;
}

static void
start(const char *yaml, const char *version, const struct engine_options *options)
{
    struct err err = {0};
    char own[96];

    snprintf(own, sizeof own, "%s/plugins", rig.folder);
    rig_new(&rig, yaml, version ? plugins_of(version) : own, options, &err);
    assert_string_equal(err.text, "");
    assert_true(engine_start(rig.engine, &err));
}

/* Ends in good order, so that the sinks have written all. */
static void
drain(void)
{
    engine_drain(rig.engine);
    assert_true(engine_wait(rig.engine, DEADLINE_S * 1000));
    assert_string_equal(engine_error(rig.engine)->text, "");
    rig_free(&rig);
}

/* On any number of workers, cut anywhere, and with another file on disk than the one that ran. */
static void
assert_given_again(void)
{
    static const struct {
        const char *version;
        int64_t workers;
        bool force_boundaries;
    } cases[] = {{"v1", 1, false}, {"v2", 2, true}, {"twin", 2, false}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char into[16];

        snprintf(into, sizeof into, "again%zu", i);
        start(yaml_of(into, ""), cases[i].version,
              &(struct engine_options){.log = log_of(),
                                       .workers = cases[i].workers,
                                       .force_boundaries = cases[i].force_boundaries});
        assert_true(engine_wait(rig.engine, DEADLINE_S * 1000));
        assert_string_equal(engine_error(rig.engine)->text, "");
        assert_int_equal(counter(&rig, "check", "wrong"), 0);
        assert_int_equal(counter(&rig, "check", "uncounted"), 0);
        rig_free(&rig);
        assert_same("live", into);
    }
}

static int
by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static long
resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long size = 0, resident = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void
test_reloads_under_load_with_a_log_lose_double_and_reorder_nothing(void **state)
{
    int n = getenv("HDE_RELOADS") ? atoi(getenv("HDE_RELOADS")) : 30;
    int64_t *pause = calloc((size_t)n, sizeof *pause);
    long before = 0;

    assert_non_null(pause);
    start("nodes:\n"
          "  feed:  {op: swap/feed, params: {burst: 5, every: 1ms}}\n"
          "  count: {op: swap/count, params: {size: 1MiB}}\n"
          "  check: {op: swap/check}\n"
          "edges: [feed -> count -> check]\n",
          "v1", &(struct engine_options){.record = log_of()});
    await_seen(&rig, 100);
    for (int i = 0; i < n; i++) {
        struct reload_report report = await_report(
            &rig, ask(&rig, &(struct reload_ask){.target = "count",
                                                 .file = variant(i % 2 ? "twin" : "v2"),
                                                 .skips_trial = true,
                                                 .budget_ns = PATIENCE}));

        assert_done(&report);
        pause[i] = report.pause_ns;
        await_seen(&rig, 20);
        if (i == n / 3)
            before = resident_kib();
    }
    assert_intact(&rig);
    qsort(pause, (size_t)n, sizeof *pause, by_value);
    print_message("%d reloads with a log, state of 1 MiB: pause p50 %.3f ms, p99 %.3f ms; resident "
                  "%ld KiB, %+ld since a third of them\n",
                  n, (double)pause[n / 2] / 1e6, (double)pause[n - 1 - n / 100] / 1e6,
                  resident_kib(), resident_kib() - before);
    free(pause);
    engine_stop(rig.engine);
    rig_free(&rig);
}

static void
test_a_recorded_reload_is_given_again(void **state)
{
    struct reload_report report;
    char builds[256];
    uint64_t n;

    start(yaml_of("live", ""), "v1", &(struct engine_options){.record = log_of(), .workers = 2});
    await_seen(&rig, 100);
    for (int i = 0; i < 4; i++) {
        report = reload(&rig, "count", variant(i % 2 ? "twin" : "v2"));
        assert_done(&report);
        assert_int_equal(report.kept, RELOAD_KEPT);
        await_seen(&rig, 50);
    }
    report = reload(&rig, "swap/count", variant("v2")); /* both nodes, in one tick */
    assert_done(&report);
    assert_int_equal(report.nodes, 2);
    await_seen(&rig, 50);
    report = reload(&rig, "feed", variant("v2")); /* a source, a sink and a view of its own */
    assert_done(&report);
    report = reload(&rig, "write", variant("v2"));
    assert_done(&report);
    report = reload(&rig, "count", variant("other_ports"));
    assert_string_equal(report.err.code, "HDE-R021");
    assert_intact(&rig);
    drain();
    read_lines("live", &n, builds, sizeof builds);
    assert_string_equal(builds, "v1 v2 twin v2 twin v2 ");
    assert_given_again();
}

/* What the run wrote of its nodes at its barriers is what its replay finds. */
static void
assert_verified(void)
{
    struct engine_verified verified;

    start(yaml_of("verified", ""), "twin",
          &(struct engine_options){.log = log_of(), .verify = true, .workers = 2});
    assert_true(engine_wait(rig.engine, DEADLINE_S * 1000));
    assert_string_equal(engine_error(rig.engine)->text, "");
    assert_true(engine_join(rig.engine, DEADLINE_S * 1000));
    assert_true(engine_verify(rig.engine, &verified));
    if (verified.differs)
        fail_msg("%s of '%s' differs", verified.what, verified.node);
    assert_true(verified.barriers > 3);
    rig_free(&rig);
}

static void
test_a_return_in_the_middle_of_a_tick_is_given_again(void **state)
{
    static const char *const wrong[] = {"stumbles", "rejects"};
    struct reload_report report;
    char builds[256];
    uint64_t n;

    start(yaml_of("live", ""), "v1",
          &(struct engine_options){.record = log_of(), .workers = 2, .hashes_ns = 5 * NS_PER_MS});
    await_seen(&rig, 100);
    report = reload(&rig, "count", variant("v2"));
    assert_done(&report);
    for (size_t i = 0; i < 2; i++) {
        struct reload_ask wanted = {.target = i ? "swap/count" : "count",
                                    .file = variant(wrong[i]),
                                    .skips_trial = true,
                                    .probation_ns = PATIENCE,
                                    .budget_ns = PATIENCE};

        report = await_end(&rig, ask(&rig, &wanted));
        assert_int_equal(report.state, RELOAD_RETURNED);
        assert_string_equal(report.err.code, "HDE-R029");
        assert_intact(&rig);
    }
    report = await_report(&rig, ask(&rig, &(struct reload_ask){.target = "count",
                                                               .file = variant("load_fails"),
                                                               .skips_trial = true}));
    assert_int_equal(report.state, RELOAD_REFUSED); /* at the swap itself */
    assert_string_equal(report.err.code, "HDE-R026");
    assert_intact(&rig);
    drain();
    read_lines("live", &n, builds, sizeof builds);
    assert_string_equal(builds + strlen(builds) - 3, "v2 ");
    assert_given_again();
    assert_verified();
}

/* ---- Recovered ---------------------------------------------------------------------------- */

static const char *
kept_yaml(const char *into)
{
    return yaml_of(into, "checkpoint: {every: 50ms, store: kept}\n");
}

static struct engine_options
kept_options(void)
{
    static char log[128];

    snprintf(log, sizeof log, "%s/kept/log", rig.folder);
    return (struct engine_options){.record = log, .checkpoint = true, .workers = 2};
}

static void
await_ready(void)
{
    time_t deadline = time(NULL) + DEADLINE_S;
    hde_health health = {0};

    while (engine_health(rig.engine, &health), !health.ready) {
        assert_true(time(NULL) < deadline);
        sched_yield();
    }
    await_seen(&rig, 20);
}

static void
test_recovery_runs_the_build_that_ran(void **state)
{
    struct engine_options options = kept_options();
    struct reload_report report;
    char builds[256], v2[RELOAD_BUILD];
    uint64_t n, before;

    start(kept_yaml("lines"), "v1", &options);
    await_seen(&rig, 100);
    report = reload(&rig, "count", variant("v2"));
    assert_done(&report);
    snprintf(v2, sizeof v2, "%s", report.new_build);
    await_seen(&rig, 100);
    engine_stop(rig.engine);
    rig_free(&rig);
    read_lines("lines", &before, builds, sizeof builds);

    start(kept_yaml("lines"), "v1", &options); /* the file on the path is the first build */
    await_ready();
    assert_string_equal(view_of(&rig, "count").build_id, v2);
    assert_string_not_equal(view_of(&rig, "again").build_id, v2);
    drain();
    read_lines("lines", &n, builds, sizeof builds);
    assert_true(n > before);
    assert_string_equal(builds, "v1 v2 ");
}

/* A file that was built again while nothing ran: first the log with the build that ran, then a
 * reload like any other. */
static void
test_a_file_that_changed_while_nothing_ran_is_a_reload(void **state)
{
    struct engine_options options = kept_options();
    time_t deadline = time(NULL) + DEADLINE_S;
    char builds[256], v1[RELOAD_BUILD];
    uint64_t n;

    install("v1");
    start(kept_yaml("lines"), NULL, &options);
    await_seen(&rig, 100);
    snprintf(v1, sizeof v1, "%s", view_of(&rig, "count").build_id);
    engine_stop(rig.engine);
    rig_free(&rig);

    install("v2");
    start(kept_yaml("lines"), NULL, &options);
    while (!strcmp(view_of(&rig, "count").build_id, v1) ||
           !strcmp(view_of(&rig, "again").build_id, v1)) {
        assert_true(time(NULL) < deadline);
        sched_yield();
    }
    await_seen(&rig, 100);
    drain();
    read_lines("lines", &n, builds, sizeof builds);
    assert_string_equal(builds, "v1 v2 ");
}

/* Cut off at moments around a swap: before its entry, behind it, in front of the epoch, behind. */
static void
test_cut_off_in_a_reload_it_is_the_old_build_or_the_new_one(void **state)
{
    enum { ROUNDS = 12 };
    const char *given = getenv("HDE_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    struct engine_options options = kept_options();
    char builds[512];
    uint64_t n, last = 0;

    print_message("HDE_SEED=%u\n", seed);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t number;
        int64_t end_ns;

        start(kept_yaml("lines"), "v1", &options);
        await_ready();
        number = ask(&rig, &(struct reload_ask){.target = "count",
                                                .file = variant(i % 2 ? "twin" : "v2"),
                                                .skips_trial = true,
                                                .probation_ns = i % 3 ? PATIENCE : 0,
                                                .budget_ns = PATIENCE});
        if (i % 4 == 1)
            await_report(&rig, number);
        end_ns = clock_mono_ns() + rand_r(&seed) % 12000 * (int64_t)NS_PER_US;
        while (clock_mono_ns() < end_ns)
            sched_yield();
        engine_stop(rig.engine);
        rig_free(&rig);
        read_lines("lines", &n, builds, sizeof builds);
        assert_true(n >= last);
        last = n;
    }
    print_message("%s\n", builds);
    assert_non_null(strstr(builds, "twin"));
}

/* ---- The files beside the log -------------------------------------------------------------- */

static bool
is_among(void *arg, const char *id)
{
    return arg && strcmp(arg, id) == 0;
}

static struct builds *
open_builds(uint64_t last)
{
    struct err err = {0};
    struct builds *builds = builds_open(rig.folder, last, &err);

    assert_string_equal(err.text, "");
    return builds;
}

static bool
is_there(struct builds *builds, const char *id)
{
    struct arena arena = {0};
    struct build build;
    struct err err = {0};
    bool there = builds_find(builds, id, &arena, &build, &err);

    assert_true(there || !strcmp(err.code, "HDE-R040"));
    arena_fini(&arena);
    return there;
}

static void
test_a_build_that_nothing_names_is_deleted(void **state)
{
    static char a[] = "aaaa", b[] = "bbbb", c[] = "cccc";
    struct builds *builds = open_builds(0);
    struct err err = {0};

    assert_true(builds_keep(builds, variant("v1"), "/x/v1.so", true, a, &err));
    assert_true(builds_keep(builds, variant("v2"), "/x/v2.so", false, b, &err));
    assert_true(builds_keep(builds, variant("twin"), "/x/twin.so", false, c, &err));
    builds_named(builds, a, 5);
    builds_named(builds, b, 9);
    builds_retire(builds, 5, is_among, NULL); /* the entry at 5 is still there */
    assert_true(is_there(builds, a));
    builds_retire(builds, 6, is_among, a); /* an epoch names it */
    assert_true(is_there(builds, a));
    builds_retire(builds, 6, is_among, NULL);
    assert_false(is_there(builds, a));
    builds_retire(builds, UINT64_MAX, is_among, b);
    assert_true(is_there(builds, b));
    assert_true(is_there(builds, c)); /* about to be named */
    assert_true(builds_is_own(builds, b) == false);
    builds_close(builds);
    builds = open_builds(12); /* a crash: the last entry may have named it */
    builds_retire(builds, 12, is_among, NULL);
    assert_true(is_there(builds, c));
    builds_retire(builds, 13, is_among, NULL);
    assert_false(is_there(builds, c));
    builds_close(builds);
}

static void
test_what_was_kept_is_compared_with_its_checksum(void **state)
{
    struct builds *builds = open_builds(0);
    struct err err = {0};
    char path[192];
    FILE *file;

    assert_true(builds_keep(builds, variant("v1"), "/x/v1.so", true, "aaaa", &err));
    snprintf(path, sizeof path, "%s/builds/v1-aaaa.so", rig.folder);
    assert_int_equal(chmod(path, 0600), 0);
    file = fopen(path, "r+");
    assert_non_null(file);
    fputc('x', file);
    fclose(file);
    assert_false(is_there(builds, "aaaa"));
    builds_close(builds);
    snprintf(path, sizeof path, "%s/builds/catalogue", rig.folder);
    file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, 20, SEEK_SET);
    fputc(0xff, file);
    fclose(file);
    assert_null(builds_open(rig.folder, 0, &err));
    assert_string_equal(err.code, "HDE-R045");
}

static void
count_voids(void *arg, uint64_t swap, uint64_t until)
{
    assert_int_equal(swap, 70);
    assert_int_equal(until, 99);
    ++*(int *)arg;
}

static void
test_blocked_builds_and_void_swaps_survive(void **state)
{
    struct builds *builds = open_builds(0);
    const struct blocked *blocked;
    struct arena arena = {0};
    struct err err = {0};
    int voids = 0;

    assert_true(builds_keep(builds, variant("v1"), "/x/v1.so", true, "aaaa", &err));
    builds_named(builds, "aaaa", 3);
    assert_true(builds_void(builds, 70, 99, "aaaa", "it crashed", &err));
    builds_close(builds);
    builds = open_builds(0);
    builds_retire(builds, 50, is_among, NULL); /* the file goes, that it is blocked stays */
    assert_false(is_there(builds, "aaaa"));
    assert_true(builds_is_blocked(builds, "aaaa"));
    assert_true(builds_is_void(builds, 70));
    assert_false(builds_is_void(builds, 71));
    builds_each_void(builds, count_voids, &voids);
    assert_int_equal(voids, 1);
    assert_int_equal(builds_blocked(builds, &arena, &blocked), 1);
    assert_string_equal(blocked[0].why, "it crashed");
    assert_true(builds_unblock(builds, "aaaa", &err));
    assert_false(builds_is_blocked(builds, "aaaa"));
    arena_fini(&arena);
    builds_close(builds);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_reloads_under_load_with_a_log_lose_double_and_reorder_nothing, begin,
            remove_folder),
        cmocka_unit_test_setup_teardown(test_a_recorded_reload_is_given_again, begin,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_return_in_the_middle_of_a_tick_is_given_again, begin,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_recovery_runs_the_build_that_ran, begin,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_file_that_changed_while_nothing_ran_is_a_reload,
                                        begin, remove_folder),
        cmocka_unit_test_setup_teardown(test_cut_off_in_a_reload_it_is_the_old_build_or_the_new_one,
                                        begin, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_build_that_nothing_names_is_deleted, begin,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_what_was_kept_is_compared_with_its_checksum, begin,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_blocked_builds_and_void_swaps_survive, begin,
                                        remove_folder),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
