/* SPDX-License-Identifier: Apache-2.0
 * fault_test - every system call of the log fails once, the disk is full, the power goes. */
#include "check.h"
#include "rig.h"

#include "base/clock.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct rig rig;

enum call {
    OPEN,
    PREAD,
    PWRITE,
    FDATASYNC,
    FSYNC,
    FTRUNCATE,
    FALLOCATE,
    RENAME,
    UNLINK,
    MKDIR,
    CALLS
};
static const char *const call_names[CALLS] = {"open",      "pread",     "pwrite", "fdatasync",
                                              "fsync",     "ftruncate", "fallocate",
                                              "rename",    "unlink",    "mkdir"};

enum { FDS = 256, RENAMES = 256 };

/* The disk of this test. The log's thread and the appender do not call at the same time. */
static struct {
    unsigned calls[CALLS];
    enum call fail; /* the call of this kind */
    unsigned at;    /* with this number, from 1; 0: none */
    int error;      /* fails with this */
    bool for_ever;  /* and all calls of any kind after it: the power is gone */
    size_t most;    /* bytes of a write; 0: all */

    bool is_small;         /* the disk has a size */
    _Atomic uint64_t room; /* what is left of it */

    /* Files. */
    ino_t inode[FDS]; /* 0: a free entry */
    uint64_t allocated[FDS], synced[FDS]; /* bytes */
    /* Names that are not synced yet. */
    char renamed[RENAMES][2][160], removed[RENAMES][160];
    unsigned n_renamed, n_removed;
} disk;

static const struct io *system_io; /* the table as it was */

static int
fails(enum call call)
{
    bool now = ++disk.calls[call] == disk.at && disk.fail == call;

    if (!now && !(disk.for_ever && disk.calls[disk.fail] >= disk.at && disk.at))
        return 0;
    errno = disk.error;
    return 1;
}

/* The entry of a file; descriptors come and go. */
static unsigned
file_of(int fd)
{
    struct stat st;
    unsigned free_one = FDS;

    assert_int_equal(fstat(fd, &st), 0);
    for (unsigned i = 0; i < FDS; i++) {
        if (disk.inode[i] == st.st_ino)
            return i;
        if (!disk.inode[i] && free_one == FDS)
            free_one = i;
    }
    assert_true(free_one < FDS);
    disk.inode[free_one] = st.st_ino;
    disk.synced[free_one] = 0;
    disk.allocated[free_one] = 0;
    return free_one;
}

static int
fake_open(const char *path, int flags, mode_t mode)
{
    int fd = fails(OPEN) ? -1 : system_io->open(path, flags, mode);

    if (fd >= 0 && (flags & O_TRUNC)) {
        unsigned i = file_of(fd);

        disk.synced[i] = disk.allocated[i] = 0;
    }
    return fd;
}

static ssize_t
fake_pread(int fd, void *bytes, size_t size, off_t at)
{
    if (fails(PREAD))
        return -1;
    if (disk.most && size > disk.most)
        size = disk.most;
    return system_io->pread(fd, bytes, size, at);
}

static bool
take_blocks(int fd, uint64_t end)
{
    unsigned i = file_of(fd);
    uint64_t more = end > disk.allocated[i] ? end - disk.allocated[i] : 0;

    if (!disk.is_small)
        return true;
    if (more > disk.room)
        return errno = ENOSPC, false;
    disk.room -= more;
    disk.allocated[i] += more;
    return true;
}

static ssize_t
fake_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    if (fails(PWRITE)) {
        if (disk.error != EINTR && size > 1) /* some of it went through, nobody knows how much */
            system_io->pwrite(fd, bytes, size / 2, at);
        errno = disk.error;
        return -1;
    }
    if (disk.most && size > disk.most)
        size = disk.most;
    if (!take_blocks(fd, (uint64_t)at + size))
        return -1;
    return system_io->pwrite(fd, bytes, size, at);
}

static int
fake_fdatasync(int fd)
{
    struct stat st;

    if (fails(FDATASYNC))
        return -1;
    fstat(fd, &st);
    disk.synced[file_of(fd)] = (uint64_t)st.st_size;
    return 0;
}

/* Where a removed file is until the folder is synced. */
static void
grave_of(char grave[176], const char *path)
{
    snprintf(grave, 176, "%s.removed", path);
}

static int
fake_fsync(int fd)
{
    if (fails(FSYNC))
        return -1;
    disk.n_renamed = 0;
    while (disk.n_removed) {
        char grave[176];

        grave_of(grave, disk.removed[--disk.n_removed]);
        unlink(grave);
    }
    return 0;
}

static int
fake_ftruncate(int fd, off_t size)
{
    unsigned i = file_of(fd);

    if (fails(FTRUNCATE))
        return -1;
    if (disk.is_small && disk.allocated[i] > (uint64_t)size) {
        disk.room += disk.allocated[i] - (uint64_t)size;
        disk.allocated[i] = (uint64_t)size;
    }
    return system_io->ftruncate(fd, size);
}

static int
fake_fallocate(int fd, int mode, off_t at, off_t size)
{
    if (fails(FALLOCATE))
        return -1;
    return take_blocks(fd, (uint64_t)(at + size)) ? 0 : -1;
}

static int
fake_rename(const char *from, const char *to)
{
    if (fails(RENAME))
        return -1;
    if (disk.n_renamed < RENAMES) {
        snprintf(disk.renamed[disk.n_renamed][0], sizeof disk.renamed[0][0], "%s", from);
        snprintf(disk.renamed[disk.n_renamed++][1], sizeof disk.renamed[0][1], "%s", to);
    }
    return system_io->rename(from, to);
}

static int
fake_unlink(const char *path)
{
    char grave[176];

    if (fails(UNLINK))
        return -1;
    if (disk.n_removed == RENAMES || !strstr(path, ".seg"))
        return system_io->unlink(path);
    snprintf(disk.removed[disk.n_removed++], sizeof disk.removed[0], "%s", path);
    grave_of(grave, path);
    return rename(path, grave);
}

static int
fake_mkdir(const char *path, mode_t mode)
{
    return fails(MKDIR) ? -1 : system_io->mkdir(path, mode);
}

static const struct io fake = {
    .open = fake_open,
    .pread = fake_pread,
    .pwrite = fake_pwrite,
    .fdatasync = fake_fdatasync,
    .fsync = fake_fsync,
    .ftruncate = fake_ftruncate,
    .fallocate = fake_fallocate,
    .rename = fake_rename,
    .unlink = fake_unlink,
    .mkdir = fake_mkdir,
};

static void
disk_reset(void)
{
    memset(&disk, 0, sizeof disk);
}

static int
setup(void **state)
{
    static struct io before;

    before = io;
    system_io = &before;
    rig_init(&rig, true);
    disk_reset();
    io = fake;
    return 0;
}

static int
teardown(void **state)
{
    io = *system_io;
    rig_fini(&rig);
    return 0;
}

static void
remove_all(void)
{
    rig_empty(&rig);
    rmdir(rig.folder);
}

/* ---- A run over everything that a log does ------------------------------------------------- */

struct outcome {
    bool is_open, is_complete;
    uint64_t durable, first;
    struct err err; /* why it is not open or not complete */
};

static const struct seglog_options options = {.segment_bytes = 2000,
                                              .sync_ns = 3600 * (int64_t)NS_PER_S,
                                              .keep_bytes = 6000,
                                              .reserve_bytes = 1000};

enum { STEPS = 12 };

/* Appends one, when there is room. False: broken. */
static bool
append_when_possible(struct seglog *log)
{
    int64_t deadline = clock_mono_ns() + 20 * (int64_t)NS_PER_S;

    while (!rig_append(log, false)) {
        assert_true(clock_mono_ns() < deadline);
        if (seglog_error(log, NULL))
            return false;
        sched_yield();
    }
    return true;
}

static void
run_once(struct outcome *out)
{
    struct seglog *log = seglog_open(rig.folder, &options, NULL, &out->err);
    bool fine = true;

    out->is_complete = false;
    out->is_open = log != NULL;
    if (!log)
        return;
    for (int i = 0; i < STEPS && fine; i++) {
        for (int j = 0; j < 6 && fine; j++)
            fine = append_when_possible(log);
        if (seglog_last(log) > 30)
            seglog_need(log, seglog_last(log) - 30);
        fine = fine && seglog_wait(log, seglog_last(log), 20000);
        out->durable = seglog_durable(log);
        out->first = seglog_first(log);
    }
    out->is_complete = !seglog_error(log, &out->err);
    assert_true(fine || !out->is_complete);
    seglog_close(log);
}

static void
run(struct outcome *out)
{
    *out = (struct outcome){.first = 1};
    run_once(out);
    if (out->is_complete)
        run_once(out);
}

/* Everything durable is there, nothing is corrupt, and the log goes on. */
static void
check_after(const struct outcome *out)
{
    struct seglog *log;

    disk.at = 0;
    disk.for_ever = false;
    log = rig_open(&rig, &options, NULL);
    assert_true(seglog_last(log) >= out->durable);
    assert_true(seglog_first(log) <= out->first || seglog_first(log) <= out->durable);
    assert_int_equal(rig_check(&rig, seglog_first(log)), seglog_last(log));
    rig_append_all(log, 10);
    rig_sync(log);
    assert_int_equal(rig_check(&rig, seglog_first(log)), seglog_last(log));
    seglog_close(log);
}

/* Fails call after call of each kind as `how` says, until a run has no more of them. */
struct how {
    int error;
    bool for_ever;
    size_t most;
    void (*judge)(enum call call, const struct outcome *out);
    void (*crash)(void);
};

static unsigned
fail_each(const struct how *how)
{
    unsigned failed = 0;

    for (enum call call = 0; call < CALLS; call++) {
        unsigned n;

        for (n = 1;; n++) {
            struct outcome out;

            remove_all();
            disk_reset();
            disk.fail = call;
            disk.at = n;
            disk.error = how->error;
            disk.for_ever = how->for_ever;
            disk.most = how->most;
            run(&out);
            if (disk.calls[call] < n)
                break;
            failed++;
            if (how->judge)
                how->judge(call, &out);
            if (how->crash)
                how->crash();
            check_after(&out);
        }
        printf("%s %u, ", call_names[call], n - 1);
    }
    printf("%u in all\n", failed);
    return failed;
}

static void
judge_io_error(enum call call, const struct outcome *out)
{
    if (out->is_complete)
        /* closing, and what is tried again */
        assert_true(call == FTRUNCATE || call == UNLINK || call == PREAD);
    else
        assert_memory_equal(out->err.code, "HDE-L", 5);
    if (call == FDATASYNC && out->is_open)
        assert_string_equal(out->err.code, "HDE-L007");
}

static void
test_an_io_error_of_any_call_stops_the_log_with_its_reason_and_corrupts_nothing(void **state)
{
    assert_true(fail_each(&(struct how){EIO, .judge = judge_io_error}) > 100);
}

/* A full disk is waited for; only a log that is just begun says so and gives up. */
static void
judge_full(enum call call, const struct outcome *out)
{
    if (!out->is_open && (call == PWRITE || call == FALLOCATE || call == RENAME))
        assert_string_equal(out->err.code, "HDE-L008");
    if (out->is_open && !out->is_complete)
        assert_true(call == FDATASYNC || call == FSYNC || call == FTRUNCATE);
}

static void
test_a_disk_that_is_full_at_any_call_is_waited_for(void **state)
{
    assert_true(fail_each(&(struct how){ENOSPC, .judge = judge_full}) > 100);
    assert_true(fail_each(&(struct how){ENOSPC, .most = 300, .judge = judge_full}) > 100);
}

static void
judge_interrupted(enum call call, const struct outcome *out)
{
    if (call == PREAD || call == PWRITE || call == FALLOCATE)
        assert_true(out->is_complete);
}

static void
test_signals_during_calls_change_nothing(void **state)
{
    assert_true(fail_each(&(struct how){EINTR, .judge = judge_interrupted}) > 100);
}

static void
test_short_writes_and_reads_change_nothing(void **state)
{
    for (size_t most = 1; most < 100; most += 7) {
        struct outcome out;

        remove_all();
        disk_reset();
        disk.most = most;
        run(&out);
        assert_true(out.is_complete);
        check_after(&out);
    }
}

/* ---- Crashes ------------------------------------------------------------------------------ */

/* The power goes: of what was not synced, some blocks are there, some are zeros, some files are
 * shorter; names that were not synced may be the old ones. */
static void
lose_what_was_not_synced(void)
{
    static struct rig_file files[64];
    size_t n;

    while (disk.n_renamed) {
        unsigned i = --disk.n_renamed;

        if (rig_draw(&rig, 2))
            rename(disk.renamed[i][1], disk.renamed[i][0]);
    }
    while (disk.n_removed) {
        const char *path = disk.removed[--disk.n_removed];
        char grave[176];

        grave_of(grave, path);
        if (rig_draw(&rig, 2))
            rename(grave, path);
        else
            unlink(grave);
    }
    n = rig_files(&rig, files, 64);
    for (size_t i = 0; i < n; i++) {
        int fd = open(files[i].path, O_RDWR | O_CLOEXEC);
        uint64_t synced = disk.synced[file_of(fd)], size = files[i].size;
        const char zeros[64] = {0};

        for (uint64_t at = synced; at < size; at += sizeof zeros) {
            size_t len = size - at < sizeof zeros ? size - at : sizeof zeros;

            if (rig_draw(&rig, 3) == 0)
                assert_int_equal(pwrite(fd, zeros, len, (off_t)at), len);
        }
        if (size > synced && rig_draw(&rig, 2))
            assert_int_equal(ftruncate(fd, (off_t)(synced + rig_draw(&rig, size - synced))), 0);
        close(fd);
    }
}

static void
test_crash_at_every_call_leaves_a_log_that_opens_with_all_that_was_durable(void **state)
{
    for (int i = 0; i < 3; i++)
        assert_true(fail_each(&(struct how){EIO, true, .crash = lose_what_was_not_synced}) > 100);
}

/* A process that was killed has written what it has not synced; the next one finds it. */
static void
test_what_opening_finds_is_durable(void **state)
{
    for (unsigned n = 1; n < 20; n++) {
        struct outcome out;
        struct seglog *log;

        remove_all();
        disk_reset();
        disk.fail = FDATASYNC;
        disk.at = n;
        disk.error = EIO;
        run(&out);
        disk.at = 0;
        log = rig_open(&rig, &options, NULL);
        out.durable = seglog_durable(log);
        assert_int_equal(out.durable, seglog_last(log));
        seglog_close(log);
        lose_what_was_not_synced();
        check_after(&out);
    }
}

/* ---- A full disk -------------------------------------------------------------------------- */

static void
wait_until_full(struct seglog *log, bool full)
{
    int64_t deadline = clock_mono_ns() + 20 * (int64_t)NS_PER_S;

    while (seglog_is_full(log) != full && clock_mono_ns() < deadline)
        sched_yield();
    assert_int_equal(seglog_is_full(log), full);
}

static void
test_urgent_records_have_the_reserve_while_the_disk_is_full(void **state)
{
    const uint64_t reserve = 20000;
    struct seglog *log;
    uint64_t refused_at;

    disk.is_small = true;
    disk.room = 200000;
    log = rig_open(&rig,
                   &(struct seglog_options){.segment_bytes = 16384, .reserve_bytes = reserve},
                   NULL);
    while (rig_append(log, false)) {
        if (seglog_last(log) % 10 == 0)
            rig_sync(log);
        assert_true(seglog_last(log) < 5000);
    }
    assert_true(seglog_is_full(log));
    rig_sync(log); /* what was taken has its blocks */
    refused_at = seglog_last(log);
    while (rig_append(log, true)) {
        assert_false(rig_append(log, false));
        rig_sync(log);
        assert_true(seglog_is_full(log));
    }
    assert_true((seglog_last(log) - refused_at) * (40 + RIG_PAYLOAD_MAX) > reserve);
    assert_true(seglog_durable(log) == seglog_last(log));
    disk.room += 100000;
    wait_until_full(log, false); /* by itself */
    rig_append_all(log, 100);
    rig_sync(log);
    assert_int_equal(rig_check(&rig, 1), seglog_last(log));
    seglog_close(log);
}

static void
test_a_log_on_a_full_disk_opens_and_waits(void **state)
{
    struct seglog *log = rig_open(&rig, &options, NULL);

    rig_append_all(log, 20);
    seglog_close(log);
    disk.is_small = true;
    disk.room = 0;
    log = rig_open(&rig, &options, NULL);
    assert_true(seglog_is_full(log));
    assert_false(rig_append(log, false));
    assert_int_equal(seglog_durable(log), 20);
    disk.room = 100000;
    wait_until_full(log, false);
    rig_append_all(log, 20);
    rig_sync(log);
    seglog_close(log);
    assert_int_equal(rig_check(&rig, 1), 40);
}

static void
test_a_failed_sync_breaks_the_log(void **state)
{
    struct seglog *log = rig_open(&rig, &options, NULL);
    struct err err = {0};
    unsigned syncs;

    rig_append_all(log, 5);
    rig_sync(log);
    disk.fail = FDATASYNC;
    disk.at = disk.calls[FDATASYNC] + 1;
    disk.error = EIO;
    rig_append_all(log, 1);
    assert_false(seglog_wait(log, 6, 20000));
    syncs = disk.calls[FDATASYNC];
    assert_true(seglog_error(log, &err));
    assert_string_equal(err.code, "HDE-L007");
    assert_false(rig_append(log, true));
    assert_int_equal(seglog_durable(log), 5);
    seglog_close(log);
    assert_int_equal(disk.calls[FDATASYNC], syncs); /* it is not tried again */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_io_error_of_any_call_stops_the_log_with_its_reason_and_corrupts_nothing),
        TEST(test_a_disk_that_is_full_at_any_call_is_waited_for),
        TEST(test_signals_during_calls_change_nothing),
        TEST(test_short_writes_and_reads_change_nothing),
        TEST(test_crash_at_every_call_leaves_a_log_that_opens_with_all_that_was_durable),
        TEST(test_what_opening_finds_is_durable),
        TEST(test_urgent_records_have_the_reserve_while_the_disk_is_full),
        TEST(test_a_log_on_a_full_disk_opens_and_waits),
        TEST(test_a_failed_sync_breaks_the_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
