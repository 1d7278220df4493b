/* SPDX-License-Identifier: Apache-2.0
 * fault_test - every system call on log and epochs fails once, for each reason there is, and the
 * disk is full for a while. Nothing is lost, nothing doubled, nothing damaged: the run goes on, or
 * ends with a named error and the next start goes on.
 *
 * The seeded scheduler makes the n-th call the same one in every run. HDE_SEED=s takes another
 * graph. */
#include "seeded.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST_CALLS = 16 /* of a kind that are let fail one by one */, GRAPHS = 1 };

enum call { OPEN, PREAD, PWRITE, FDATASYNC, FSYNC, FTRUNCATE, FALLOCATE, RENAME, UNLINK, MKDIR, CALLS };
static const char *const call_names[CALLS] = {"open",      "pread",     "pwrite", "fdatasync",
                                              "fsync",     "ftruncate", "fallocate",
                                              "rename",    "unlink",    "mkdir"};

/* The calls come one at a time: the log's thread works while the scheduler waits for it. */
static struct {
    unsigned calls[CALLS];
    enum call kind;
    unsigned at; /* the call of that kind that fails; 0: none */
    int error;   /* 0: it writes or reads a part only */
    bool failed;
    _Atomic bool is_full;
    _Atomic unsigned refused;
} disk;

static struct io system_io;

static bool
fails(enum call kind)
{
    if (++disk.calls[kind] != disk.at || kind != disk.kind)
        return false;
    disk.failed = true;
    errno = disk.error;
    return true;
}

static bool
has_no_room(void)
{
    if (!atomic_load(&disk.is_full))
        return false;
    atomic_fetch_add(&disk.refused, 1);
    errno = ENOSPC;
    return true;
}

static int
try_open(const char *path, int flags, mode_t mode)
{
    if (fails(OPEN) || (flags & O_CREAT && has_no_room()))
        return -1;
    return system_io.open(path, flags, mode);
}

static ssize_t
try_pread(int fd, void *bytes, size_t size, off_t at)
{
    bool now = fails(PREAD);

    if (now && disk.error)
        return -1;
    return system_io.pread(fd, bytes, now && size > 1 ? size / 2 : size, at);
}

static ssize_t
try_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    bool now = fails(PWRITE);
    int error = errno;

    if (!now && has_no_room())
        return -1;
    if (now && size > 1) {
        ssize_t n = system_io.pwrite(fd, bytes, size / 2, at);

        if (!disk.error)
            return n;
    }
    errno = error;
    return now ? -1 : system_io.pwrite(fd, bytes, size, at);
}

static int
try_fdatasync(int fd)
{
    return fails(FDATASYNC) ? -1 : system_io.fdatasync(fd);
}

static int
try_fsync(int fd)
{
    return fails(FSYNC) ? -1 : system_io.fsync(fd);
}

static int
try_ftruncate(int fd, off_t size)
{
    return fails(FTRUNCATE) ? -1 : system_io.ftruncate(fd, size);
}

static int
try_fallocate(int fd, int mode, off_t at, off_t size)
{
    return fails(FALLOCATE) || has_no_room() ? -1 : system_io.fallocate(fd, mode, at, size);
}

static int
try_rename(const char *from, const char *to)
{
    return fails(RENAME) ? -1 : system_io.rename(from, to);
}

static int
try_unlink(const char *path)
{
    return fails(UNLINK) ? -1 : system_io.unlink(path);
}

static int
try_mkdir(const char *path, mode_t mode)
{
    return fails(MKDIR) || has_no_room() ? -1 : system_io.mkdir(path, mode);
}

static int
begin(void **state)
{
    system_io = io;
    io = (struct io){try_open,  try_pread,     try_pwrite,    try_fdatasync, try_fsync,
                     try_ftruncate, try_fallocate, try_rename, try_unlink,    try_mkdir};
    return seeded_begin(state);
}

static void
disk_is_fine(void)
{
    memset(disk.calls, 0, sizeof disk.calls);
    disk.at = 0;
    disk.failed = false;
}

/* ---- One call fails ----------------------------------------------------------------------- */

/* An error that a user sees has a code and says what and why. */
static void
assert_clear(const struct err *err)
{
    assert_int_equal(strncmp(err->code, "HDE-", 4), 0);
    assert_true(strlen(err->text) > 20);
}

/* True: it came to its end. */
static bool
run_once(const struct spec *spec, struct steps *steps, struct store *store)
{
    struct plan *plan = spec_plan(spec, store);
    struct engine_options options = {.record = seeded_log,
                                     .checkpoint = true,
                                     .workers = spec->workers,
                                     .steps = steps};
    struct err err = {0};
    struct engine *engine = engine_new(plan_graph(plan), &options, &err);
    bool ended = false;

    if (engine) {
        assert_true(engine_start(engine, &err));
        assert_int_equal(steps_run(steps, STEPS_MAX), STEPS_OVER);
        ended = engine_state(engine) == ENGINE_ENDED;
        if (!ended)
            err = *engine_error(engine);
    }
    if (!ended)
        assert_clear(&err);
    engine_free(engine);
    plan_free(plan);
    return ended;
}

/* The run with that failure, and one or two more without; true: the call was reached. */
static bool
run_with(uint64_t seed, enum call kind, unsigned at, int error)
{
    struct steps *steps = steps_new(seed);
    struct store store[SINKS] = {{{0}}};
    struct spec spec;
    bool failed;

    seeded_clear();
    disk_is_fine();
    spec_make(&spec, steps);
    disk.kind = kind;
    disk.at = at;
    disk.error = error;
    if (!run_once(&spec, steps, store)) {
        assert_true(disk.failed);
        disk.at = 0;
        assert_true(run_once(&spec, steps, store));
    }
    failed = disk.failed;
    disk_is_fine();
    assert_witness(&spec, &store[SINKS - 1]);
    steps_free(steps);
    assert_replays(&spec, store);
    stores_free(store);
    return failed;
}

static uint64_t
first_seed(void)
{
    const char *given = getenv("HDE_SEED");

    return given ? strtoull(given, NULL, 10) : 11;
}

static void
test_each_call_that_fails_once_loses_and_doubles_nothing(void **state)
{
    static const int errors[] = {EIO, ENOSPC, 0};
    uint64_t seed = first_seed();
    unsigned runs = 0;

    for (uint64_t s = seed; s < seed + GRAPHS; s++)
        for (int kind = 0; kind < CALLS; kind++)
            for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
                unsigned at = 1;

                if (!errors[e] && kind != PREAD && kind != PWRITE)
                    continue;
                for (; at <= MOST_CALLS && run_with(s, (enum call)kind, at, errors[e]); at++)
                    runs++;
                if (at == 1)
                    print_message("seed %llu: no call of %s\n", (unsigned long long)s,
                                  call_names[kind]);
            }
    print_message("%u calls have failed\n", runs);
    assert_true(runs > 100);
}

/* ---- The disk is full for a while --------------------------------------------------------- */

static void
test_a_disk_that_was_full_needs_no_restart(void **state)
{
    struct steps *random = steps_new(first_seed());
    struct store store[SINKS] = {{{0}}};
    struct err err = {0};
    struct spec spec;
    struct plan *plan;
    struct engine *engine;

    seeded_clear();
    disk_is_fine();
    spec_make(&spec, random);
    steps_free(random); /* from here on threads and the clock */
    spec.every_ns = 1000000;
    for (uint32_t i = 0; i < spec.n_sinks; i++)
        spec.sink[i].busy_every = 0; /* a backoff is real time here */
    for (uint32_t i = 0; i < spec.n_sources; i++)
        spec.feed[i].count = 900;
    plan = spec_plan(&spec, store);
    engine = seeded_start_kept(plan, &spec, NULL);
    atomic_store(&disk.refused, 0);
    atomic_store(&disk.is_full, true);
    while (atomic_load(&disk.refused) < 6 && !engine_wait(engine, 1))
        ;
    assert_int_equal(engine_state(engine), ENGINE_RUNNING);
    atomic_store(&disk.is_full, false);
    assert_true(engine_wait(engine, 30000));
    err = *engine_error(engine);
    assert_string_equal(err.text, "");
    assert_int_equal(engine_state(engine), ENGINE_ENDED);
    engine_free(engine);
    plan_free(plan);
    assert_witness(&spec, &store[SINKS - 1]);
    assert_replays(&spec, store);
    stores_free(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call_that_fails_once_loses_and_doubles_nothing),
        cmocka_unit_test(test_a_disk_that_was_full_needs_no_restart),
    };

    return cmocka_run_group_tests(tests, begin, seeded_end);
}
