/* SPDX-License-Identifier: Apache-2.0
 * process_test - a writer and a reader in two processes, and a writer that is killed. */
#include "check.h"
#include "rig.h"

#include "base/clock.h"

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct rig rig;

/* Between the processes. */
struct shared {
    _Atomic uint64_t durable, first;
};
static struct shared *shared;

static int
setup(void **state)
{
    rig_init(&rig, false);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED;
}

static int
teardown(void **state)
{
    rig_fini(&rig);
    return munmap(shared, sizeof *shared);
}

static void
report(struct seglog *log)
{
    atomic_store(&shared->first, seglog_first(log));
    atomic_store(&shared->durable, seglog_durable(log));
}

/* Runs in a child; its exit code says what went wrong. */
static int
write_records(struct rig child, const struct seglog_options *options, uint64_t n, uint64_t keep)
{
    struct seglog *log = seglog_open(child.folder, options, NULL, NULL);

    if (!log)
        return 2;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t last = seglog_last(log);

        if (!rig_append(log, false))
            return 3;
        if (keep && last > keep)
            seglog_need(log, last - keep);
        if (rig_draw(&child, 50) == 0)
            seglog_want(log, last);
        if (last > seglog_durable(log) + 500 && !seglog_wait(log, last - 500, 20000))
            return 4;
        report(log);
    }
    if (!seglog_wait(log, seglog_last(log), 20000))
        return 4;
    report(log);
    seglog_close(log);
    return 0;
}

static int
reap(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void
test_a_reader_in_another_process_sees_every_record_whole_and_once(void **state)
{
    const struct seglog_options options = {.segment_bytes = 100000, .sync_ns = NS_PER_MS};
    const uint64_t n = 30000;
    int64_t deadline = clock_mono_ns() + 40 * (int64_t)NS_PER_S;
    struct seglog_reader *reader = NULL;
    struct seglog_record record;
    struct err err = {0};
    uint64_t last = 0, ends = 0;
    pid_t child = fork();

    if (!child)
        _exit(write_records(rig, &options, n, 0));
    while (last < n && clock_mono_ns() < deadline) {
        enum seglog_next next;

        if (!reader && !(reader = seglog_reader_open(rig.folder, NULL)))
            continue; /* the folder is not there yet */
        next = seglog_next(reader, &record, &err);
        if (next == SEGLOG_DAMAGED)
            fail_msg("%s", err.text);
        if (next == SEGLOG_END) {
            ends++;
            sched_yield();
            continue;
        }
        assert_int_equal(record.key.position, ++last);
        assert_true(rig_is_right(&record));
    }
    assert_int_equal(reap(child), 0);
    assert_int_equal(last, n);
    printf("the reader came to the end %" PRIu64 " times\n", ends);
    seglog_reader_close(reader);
}

/* Until the child has made some more durable, then a little, of which nobody knows how much. */
static void
kill_somewhere(pid_t child)
{
    uint64_t enough = atomic_load(&shared->durable) + rig_draw(&rig, 3000);
    int64_t deadline = clock_mono_ns() + 20 * (int64_t)NS_PER_S;

    while (atomic_load(&shared->durable) < enough && clock_mono_ns() < deadline)
        sched_yield();
    for (uint64_t spin = rig_draw(&rig, 200000); spin; spin--)
        atomic_load(&shared->durable);
    kill(child, SIGKILL);
}

static void
test_kill_of_the_writer_loses_nothing_durable(void **state)
{
    const struct seglog_options options = {
        .segment_bytes = 20000, .sync_ns = NS_PER_MS, .keep_bytes = 200000};
    uint64_t cuts = 0, removed = 0;

    for (int i = 0; i < 50; i++) {
        struct seglog_report found = {0};
        uint64_t durable, last;
        struct seglog *log;
        pid_t child = fork();

        if (!child)
            _exit(write_records(rig, &options, UINT64_MAX, 500));
        kill_somewhere(child);
        assert_int_equal(reap(child), 128 + SIGKILL);
        durable = atomic_load(&shared->durable);
        log = rig_open(&rig, &options, &found);
        last = seglog_last(log);
        assert_true(last >= durable);
        assert_true(seglog_first(log) >= atomic_load(&shared->first));
        assert_int_equal(rig_check(&rig, seglog_first(log)), last);
        cuts += found.cut_bytes > 0;
        removed = seglog_first(log) - 1;
        report(log);
        seglog_close(log);
    }
    assert_true(removed > 0);
    printf("50 kills, %" PRIu64 " torn tails, %" PRIu64 " records durable, %" PRIu64 " removed\n",
           cuts, atomic_load(&shared->durable), removed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_reader_in_another_process_sees_every_record_whole_and_once),
        TEST(test_kill_of_the_writer_loses_nothing_durable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
