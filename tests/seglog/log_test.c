/* SPDX-License-Identifier: Apache-2.0
 * log_test - what comes back, when it is durable, what opening finds, seek, retention. */
#include "check.h"
#include "rig.h"

#include "base/clock.h"
#include "base/io.h"
#include "seglog/format.h"

#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct rig rig;

enum { FILES = 400 };
static struct rig_file files[FILES];

static const struct seglog_options plain = {0};
/* Nothing is synced before somebody wants it. */
static const struct seglog_options lazy = {.sync_ns = 3600 * (int64_t)NS_PER_S,
                                           .sync_bytes = UINT64_C(1) << 40};
static const struct seglog_options small = {.segment_bytes = 4096};

/* Nobody pulls the plug here: fault_test does. */
static int
no_sync(int fd)
{
    return 0;
}

static int
setup(void **state)
{
    io.fdatasync = io.fsync = no_sync;
    rig_init(&rig, true);
    return 0;
}

static int
teardown(void **state)
{
    rig_fini(&rig);
    return 0;
}

/* ---- Appending ---------------------------------------------------------------------------- */

static void
test_records_come_back_as_they_were_appended(void **state)
{
    struct seglog *log = rig_open(&rig, &plain, NULL);

    rig_append_all(log, 20000); /* several chunks */
    rig_sync(log);
    assert_int_equal(rig_check(&rig, 1), 20000);
    seglog_close(log);
    assert_int_equal(rig_check(&rig, 1), 20000);
}

static void
test_a_record_larger_than_a_chunk_comes_back(void **state)
{
    const size_t size = 3 << 20;
    uint8_t *bytes = malloc(size);
    struct seglog *log = rig_open(&rig, &small, NULL);
    struct seglog_reader *reader;
    struct seglog_record record;
    struct seglog_key key = {.tick = 7, .event_ns = 8, .kind = 9};

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 13 + (i >> 9));
    for (int i = 0; i < 3; i++)
        assert_true(seglog_append(log, &key, bytes, size, false));
    seglog_close(log);
    reader = seglog_reader_open(rig.folder, NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(seglog_next(reader, &record, NULL), SEGLOG_RECORD);
        assert_int_equal(record.size, size);
        assert_memory_equal(record.bytes, bytes, size);
    }
    assert_int_equal(seglog_next(reader, &record, NULL), SEGLOG_END);
    seglog_reader_close(reader);
    free(bytes);
}

static void
test_a_log_that_is_opened_again_goes_on_where_it_was(void **state)
{
    for (uint64_t i = 1; i <= 5; i++) {
        struct seglog_report report;
        struct seglog *log = rig_open(&rig, &small, &report);

        assert_int_equal(report.records, (i - 1) * 100);
        assert_int_equal(report.cut_bytes, 0);
        assert_int_equal(seglog_last(log), (i - 1) * 100);
        assert_int_equal(seglog_durable(log), (i - 1) * 100);
        rig_append_all(log, 100);
        seglog_close(log); /* syncs what is left */
        assert_int_equal(rig_check(&rig, 1), i * 100);
    }
}

static void
test_a_second_writer_is_refused_with_the_process_id_of_the_first(void **state)
{
    struct seglog *log = rig_open(&rig, &plain, NULL);
    struct err err = {0};
    char pid[32];

    snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
    assert_null(seglog_open(rig.folder, &plain, NULL, &err));
    assert_string_equal(err.code, "HDE-L001");
    assert_non_null(strstr(err.text, pid));
    seglog_close(log);
    log = rig_open(&rig, &plain, NULL);
    seglog_close(log);
}

/* ---- When it is durable ------------------------------------------------------------------- */

struct moves {
    _Atomic int n;
};

static void
count_move(void *arg)
{
    struct moves *moves = arg;

    atomic_fetch_add(&moves->n, 1);
}

static void
test_an_append_is_durable_by_the_timer(void **state)
{
    struct moves moves = {0};
    struct seglog *log = rig_open(
        &rig, &(struct seglog_options){.moved = count_move, .arg = &moves, .sync_ns = NS_PER_MS},
        NULL);

    for (uint64_t i = 1; i <= 20; i++) {
        int64_t deadline = clock_mono_ns() + 20 * (int64_t)NS_PER_S;

        rig_append_all(log, 1);
        while (seglog_durable(log) < i && clock_mono_ns() < deadline)
            sched_yield();
        assert_int_equal(seglog_durable(log), i);
        assert_int_equal(rig_check(&rig, 1), i);
    }
    seglog_close(log);
    assert_true(atomic_load(&moves.n) >= 20);
}

static void
test_enough_bytes_are_durable_before_the_timer(void **state)
{
    struct seglog_options options = lazy;
    struct seglog *log;
    int64_t deadline = clock_mono_ns() + 20 * (int64_t)NS_PER_S;

    options.sync_bytes = 10000;
    log = rig_open(&rig, &options, NULL);
    rig_append_all(log, 10);
    assert_int_equal(seglog_durable(log), 0);
    rig_append_all(log, 1000);
    while (!seglog_durable(log) && clock_mono_ns() < deadline)
        sched_yield();
    assert_true(seglog_durable(log) > 0);
    seglog_close(log);
}

static void
test_what_is_wanted_is_durable_before_the_timer(void **state)
{
    struct seglog *log = rig_open(&rig, &lazy, NULL);

    for (uint64_t i = 1; i <= 50; i++) {
        rig_append_all(log, 3);
        assert_true(seglog_wait(log, 3 * i, 20000));
    }
    seglog_want(log, 152); /* before it is there */
    rig_append_all(log, 2);
    while (seglog_durable(log) < 152)
        sched_yield();
    seglog_close(log);
}

static void
test_waiting_for_what_never_comes_ends_in_time(void **state)
{
    struct seglog *log = rig_open(&rig, &plain, NULL);

    assert_false(seglog_wait(log, 1, 20));
    seglog_close(log);
}

static void
test_an_idle_log_uses_no_processor(void **state)
{
    struct seglog *log = rig_open(&rig, &plain, NULL);
    struct rusage before, after;

    rig_append_all(log, 100);
    rig_sync(log);
    assert_false(seglog_wait(log, 101, 100)); /* past the last timer */
    getrusage(RUSAGE_SELF, &before);
    assert_false(seglog_wait(log, 101, 300));
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_nvcsw - before.ru_nvcsw <= 4);
    seglog_close(log);
}

/* ---- What opening finds ------------------------------------------------------------------- */

/* Where the records of the last segment begin. */
static size_t
offsets(const struct rig_file *file, uint64_t *out, size_t max)
{
    uint8_t *bytes = rig_load(file);
    uint64_t at = sizeof(struct segment_head);
    size_t n = 0;

    while (at + sizeof(struct record_head) <= file->size && n < max) {
        struct record_head head;

        memcpy(&head, bytes + at, sizeof head);
        if (!head.position)
            break;
        out[n++] = at;
        at += record_whole(head.size);
    }
    free(bytes);
    return n;
}

static void
test_a_torn_tail_is_cut_off_with_a_report(void **state)
{
    struct seglog *log = rig_open(&rig, &plain, NULL);
    uint64_t at[32];
    uint8_t *bytes;
    size_t n;

    rig_append_all(log, 20);
    seglog_close(log);
    assert_int_equal(rig_files(&rig, files, FILES), 1);
    n = offsets(&files[0], at, 32);
    assert_int_equal(n, 20);
    bytes = rig_load(&files[0]);
    for (uint64_t size = files[0].size - 1; size > at[15]; size--) {
        struct seglog_report report = {0};
        uint64_t whole = 0;
        char where[64];

        while (whole < 20 && (whole == 19 ? files[0].size : at[whole + 1]) <= size)
            whole++;
        rig_save(&files[0], bytes, size);
        log = rig_open(&rig, &plain, &report);
        snprintf(where, sizeof where, "00000000000000000001.seg:%" PRIu64, at[whole]);
        assert_int_equal(report.records, whole);
        assert_int_equal(report.cut_bytes, size - at[whole]);
        if (report.cut_bytes)
            assert_string_equal(report.cut_where, where);
        rig_append_all(log, 3);
        seglog_close(log);
        assert_int_equal(rig_check(&rig, 1), whole + 3);
    }
    free(bytes);
}

static void
test_damage_that_nobody_can_tell_from_a_torn_tail_is_cut_off(void **state)
{
    struct seglog *log = rig_open(&rig, &lazy, NULL);
    struct seglog_report report = {0};
    uint64_t at[32];

    rig_append_all(log, 20); /* one group: no record says that another was durable */
    seglog_close(log);
    rig_files(&rig, files, FILES);
    offsets(&files[0], at, 32);
    rig_flip(&files[0], at[10] + 50);
    log = rig_open(&rig, &plain, &report);
    assert_int_equal(report.records, 10);
    assert_int_equal(report.cut_bytes, files[0].size - at[10]);
    seglog_close(log);
    assert_int_equal(rig_check(&rig, 1), 10);
}

static void
test_damage_of_what_was_durable_is_an_error_with_its_place(void **state)
{
    struct seglog *log = rig_open(&rig, &lazy, NULL);
    struct seglog_reader *reader;
    struct seglog_record record;
    struct err err = {0};
    uint64_t at[64];
    char where[160];
    uint8_t *bytes;

    rig_append_all(log, 20);
    rig_sync(log);
    rig_append_all(log, 20);
    seglog_close(log);
    rig_files(&rig, files, FILES);
    assert_int_equal(offsets(&files[0], at, 64), 40);
    bytes = rig_load(&files[0]);
    for (int i = 0; i < 200; i++) {
        uint64_t which = rig_draw(&rig, 20);
        uint64_t byte = at[which] + rig_draw(&rig, sizeof(struct record_head));

        rig_save(&files[0], bytes, files[0].size);
        rig_flip(&files[0], byte);
        err = (struct err){0};
        assert_null(seglog_open(rig.folder, &plain, NULL, &err));
        assert_string_equal(err.code, "HDE-L003");
        snprintf(where, sizeof where, "%s:%" PRIu64 ":", files[0].path, at[which]);
        assert_non_null(strstr(err.text, where));

        err = (struct err){0};
        reader = seglog_reader_open(rig.folder, NULL);
        for (uint64_t j = 0; j < which; j++)
            assert_int_equal(seglog_next(reader, &record, &err), SEGLOG_RECORD);
        assert_int_equal(seglog_next(reader, &record, &err), SEGLOG_DAMAGED);
        assert_non_null(strstr(err.text, where));
        assert_int_equal(seglog_next(reader, &record, &err), SEGLOG_END);
        seglog_reader_close(reader);
    }
    free(bytes);
}

static void
test_damage_in_a_closed_segment_is_named_and_reading_goes_on_behind_it(void **state)
{
    struct seglog *log = rig_open(&rig, &small, NULL);
    struct seglog_reader *reader;
    struct seglog_record record;
    struct err err = {0};
    uint64_t at[64], position = 0;
    enum seglog_next next;
    int damages = 0;

    rig_append_all(log, 200);
    seglog_close(log);
    assert_true(rig_files(&rig, files, FILES) > 4);
    offsets(&files[1], at, 64);
    rig_flip(&files[1], at[3] + 41);
    reader = seglog_reader_open(rig.folder, NULL);
    while ((next = seglog_next(reader, &record, &err)) != SEGLOG_END) {
        if (next == SEGLOG_DAMAGED) {
            char where[160];

            snprintf(where, sizeof where, "%s:%" PRIu64 ":", files[1].path, at[3]);
            assert_non_null(strstr(err.text, where));
            damages++;
            continue;
        }
        assert_true(record.key.position > position);
        assert_true(rig_is_right(&record));
        position = record.key.position;
    }
    assert_int_equal(damages, 1);
    assert_int_equal(position, 200);
    seglog_reader_close(reader);
    /* a closed segment without its index is read when the log is opened */
    rig_flip(&files[1], files[1].size - 30);
    err = (struct err){0};
    assert_null(seglog_open(rig.folder, &small, NULL, &err));
    assert_string_equal(err.code, "HDE-L003");
}

static void
test_a_missing_segment_is_an_error(void **state)
{
    struct seglog *log = rig_open(&rig, &small, NULL);
    struct seglog_reader *reader;
    struct seglog_record record;
    struct err err = {0};
    enum seglog_next next;

    rig_append_all(log, 200);
    seglog_close(log);
    rig_files(&rig, files, FILES);
    unlink(files[2].path);
    assert_null(seglog_open(rig.folder, &small, NULL, &err));
    assert_string_equal(err.code, "HDE-L005");
    reader = seglog_reader_open(rig.folder, NULL);
    err = (struct err){0};
    while ((next = seglog_next(reader, &record, &err)) == SEGLOG_RECORD)
        ;
    assert_int_equal(next, SEGLOG_DAMAGED);
    assert_string_equal(err.code, "HDE-L005");
    while ((next = seglog_next(reader, &record, &err)) == SEGLOG_RECORD)
        ;
    assert_int_equal(next, SEGLOG_END);
    assert_int_equal(record.key.position, 200);
    seglog_reader_close(reader);
}

/* The first segment has the first record of the second one at its end, in place of its index. */
static void
test_a_record_that_stands_in_two_segments_is_given_once(void **state)
{
    struct seglog *log = rig_open(&rig, &small, NULL);
    struct seglog_reader *reader;
    struct seglog_record record;
    struct record_head head;
    struct err err = {0};
    enum seglog_next next;
    uint64_t at = sizeof(struct segment_head), last = 0;
    unsigned damages = 0;
    uint8_t *first, *second;

    rig_append_all(log, 200);
    seglog_close(log);
    rig_files(&rig, files, FILES);
    first = rig_load(&files[0]);
    second = rig_load(&files[1]);
    for (memcpy(&head, first + at, sizeof head); head.position; memcpy(&head, first + at, sizeof head))
        at += record_whole(head.size);
    memcpy(&head, second + sizeof(struct segment_head), sizeof head);
    first = realloc(first, at + record_whole(head.size));
    memcpy(first + at, second + sizeof(struct segment_head), record_whole(head.size));
    rig_save(&files[0], first, at + record_whole(head.size));
    reader = seglog_reader_open(rig.folder, NULL);
    while ((next = seglog_next(reader, &record, &err)) != SEGLOG_END) {
        if (next == SEGLOG_DAMAGED) {
            damages++;
            assert_string_equal(err.code, "HDE-L003");
            err = (struct err){0};
            continue;
        }
        assert_int_equal(record.key.position, last + 1);
        last = record.key.position;
    }
    assert_int_equal(last, 200);
    assert_int_equal(damages, 1);
    seglog_reader_close(reader);
    free(first);
    free(second);
}

static void
test_a_file_of_another_kind_or_version_is_an_error(void **state)
{
    struct segment_head head;
    struct err err = {0};
    uint8_t *bytes;

    seglog_close(rig_open(&rig, &plain, NULL));
    rig_files(&rig, files, FILES);
    bytes = rig_load(&files[0]);
    memcpy(&head, bytes, sizeof head);
    head.version = SEGMENT_VERSION + 1;
    memcpy(bytes, &head, sizeof head);
    rig_save(&files[0], bytes, files[0].size);
    assert_null(seglog_open(rig.folder, &plain, NULL, &err));
    assert_string_equal(err.code, "HDE-L004");
    err = (struct err){0};
    rig_save(&files[0], (const uint8_t *)"hello", 5);
    assert_null(seglog_open(rig.folder, &plain, NULL, &err));
    assert_string_equal(err.code, "HDE-L004");
    free(bytes);
}

static void
test_what_a_crash_left_before_a_segment_had_its_name_is_removed(void **state)
{
    struct rig_file left;
    struct seglog *log = rig_open(&rig, &plain, NULL);

    rig_append_all(log, 10);
    seglog_close(log);
    snprintf(left.path, sizeof left.path, "%s/00000000000000000011.tmp", rig.folder);
    rig_save(&left, (const uint8_t *)"half a he", 9);
    log = rig_open(&rig, &plain, NULL);
    assert_int_equal(access(left.path, F_OK), -1);
    rig_append_all(log, 10);
    seglog_close(log);
    assert_int_equal(rig_check(&rig, 1), 20);
}

/* ---- Segments, seek, retention ------------------------------------------------------------ */

static void
test_segments_are_named_by_their_first_position_and_say_what_is_in_them(void **state)
{
    struct seglog *log = rig_open(&rig, &small, NULL);
    struct seglog_segment *list = calloc(FILES, sizeof *list);
    uint64_t next = 1;
    size_t n;

    rig_append_all(log, 500);
    rig_sync(log);
    n = seglog_segments(rig.folder, list, FILES, NULL);
    assert_int_equal(n, rig_files(&rig, files, FILES));
    assert_true(n > 10);
    for (size_t i = 0; i < n; i++) {
        int64_t smallest = INT64_MAX, largest = INT64_MIN;
        uint8_t payload[RIG_PAYLOAD_MAX];
        struct seglog_key key;
        size_t size;

        assert_string_equal(list[i].name, strrchr(files[i].path, '/') + 1);
        assert_int_equal(list[i].first_position, next);
        assert_int_equal(list[i].bytes, files[i].size);
        assert_false(list[i].torn);
        rig_record(next, &key, payload, &size);
        assert_int_equal(list[i].first_tick, key.tick);
        for (uint64_t j = 0; j < list[i].records; j++) {
            rig_record(next++, &key, payload, &size);
            if (key.event_ns != INT64_MIN && key.event_ns < smallest)
                smallest = key.event_ns;
            if (key.event_ns > largest)
                largest = key.event_ns;
        }
        assert_int_equal(list[i].last_tick, key.tick);
        assert_true(list[i].first_event_ns == smallest);
        assert_true(list[i].last_event_ns == largest);
    }
    assert_int_equal(next, 501);
    seglog_close(log);
    free(list);
}

static uint64_t
linear(uint64_t first, uint64_t last, uint64_t tick, int64_t event_ns)
{
    for (uint64_t i = first; i <= last; i++) {
        uint8_t payload[RIG_PAYLOAD_MAX];
        struct seglog_key key;
        size_t size;

        rig_record(i, &key, payload, &size);
        if (key.tick >= tick && key.event_ns >= event_ns)
            return i;
    }
    return 0;
}

static void
expect_at(struct seglog_reader *reader, bool found, uint64_t position)
{
    struct seglog_record record;
    struct err err = {0};

    assert_int_equal(found, position != 0);
    assert_int_equal(seglog_next(reader, &record, &err), position ? SEGLOG_RECORD : SEGLOG_END);
    if (!position)
        return;
    assert_int_equal(record.key.position, position);
    assert_true(rig_is_right(&record));
    if (seglog_next(reader, &record, &err) == SEGLOG_RECORD) /* and on from there */
        assert_int_equal(record.key.position, position + 1);
}

static void
check_seeks(uint64_t first, uint64_t last)
{
    struct seglog_reader *reader = seglog_reader_open(rig.folder, NULL);

    for (int i = 0; i < 300; i++) {
        uint64_t position = rig_draw(&rig, last + 10);
        uint64_t tick = (UINT64_C(1) << 48) + rig_draw(&rig, last / 3 + 5);
        int64_t event_ns = (int64_t)rig_draw(&rig, (last + 20) * 1000) - 10000;
        uint64_t there = position < first ? first : position > last ? 0 : position;

        expect_at(reader, seglog_seek_position(reader, position), there);
        expect_at(reader, seglog_seek_tick(reader, tick), linear(first, last, tick, INT64_MIN));
        expect_at(reader, seglog_seek_event(reader, event_ns), linear(first, last, 0, event_ns));
    }
    seglog_reader_close(reader);
}

static void
test_seek_finds_the_first_record_at_or_after(void **state)
{
    struct seglog *log = rig_open(&rig, &small, NULL);
    struct seglog_options large = {.segment_bytes = 300000}; /* several entries an index */

    rig_append_all(log, 1000);
    rig_sync(log);
    check_seeks(1, 1000);
    seglog_close(log);
    log = rig_open(&rig, &large, NULL);
    rig_append_all(log, 9000);
    rig_sync(log);
    check_seeks(1, 10000);
    seglog_close(log);
}

static void
test_seek_works_where_old_segments_were_removed(void **state)
{
    struct seglog_options options = {.segment_bytes = 4096, .keep_bytes = 40000};
    struct seglog *log = rig_open(&rig, &options, NULL);

    rig_append_all(log, 1000);
    seglog_need(log, 900);
    rig_append_all(log, 1000);
    rig_sync(log);
    assert_true(seglog_first(log) > 700 && seglog_first(log) <= 900);
    check_seeks(seglog_first(log), 2000);
    seglog_close(log);
}

static uint64_t
folder_bytes(void)
{
    size_t n = rig_files(&rig, files, FILES);
    uint64_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += files[i].size;
    return bytes;
}

static void
test_retention_by_size_stops_before_what_is_needed(void **state)
{
    struct seglog_options options = {.segment_bytes = 4096, .keep_bytes = 20000};
    struct seglog *log = rig_open(&rig, &options, NULL);

    rig_append_all(log, 1000);
    rig_sync(log);
    assert_int_equal(seglog_first(log), 1); /* nobody has said what is needed */
    for (uint64_t need = 100; need <= 1000; need += 100) {
        seglog_need(log, need);
        rig_append_all(log, 1); /* a group, if need alone is none */
        rig_sync(log);
        assert_true(seglog_first(log) <= need);
        assert_true(seglog_first(log) + 40 > need || folder_bytes() <= 20000);
        assert_int_equal(rig_check(&rig, seglog_first(log)), 1000 + need / 100);
    }
    assert_true(seglog_first(log) > 800);
    assert_true(folder_bytes() > 12000 && folder_bytes() <= 20000 + 4096);
    seglog_close(log);
    log = rig_open(&rig, &options, NULL);
    assert_int_equal(seglog_last(log), 1010);
    seglog_close(log);
}

static void
test_retention_by_age_removes_what_is_older(void **state)
{
    struct seglog_options options = {.segment_bytes = 4096, .keep_ns = 1};
    struct seglog *log = rig_open(&rig, &options, NULL);

    rig_append_all(log, 200);
    rig_sync(log);
    assert_int_equal(seglog_first(log), 1);
    seglog_need(log, 150);
    rig_append_all(log, 1);
    rig_sync(log);
    assert_true(seglog_first(log) > 110 && seglog_first(log) <= 150);
    seglog_close(log);
    options.keep_ns = 3600 * (int64_t)NS_PER_S;
    log = rig_open(&rig, &options, NULL);
    rig_append_all(log, 200);
    seglog_need(log, UINT64_MAX);
    rig_append_all(log, 1);
    rig_sync(log);
    assert_true(seglog_first(log) <= 150);
    seglog_close(log);
}

static void
test_a_segment_older_than_what_is_kept_is_closed_before_it_is_full(void **state)
{
    struct seglog_options options = lazy; /* ten records are one group */
    struct seglog *log;

    options.keep_ns = 1;
    log = rig_open(&rig, &options, NULL);
    for (int i = 0; i < 5; i++) {
        rig_append_all(log, 10);
        rig_sync(log);
    }
    assert_true(rig_files(&rig, files, FILES) >= 5);
    seglog_need(log, UINT64_MAX);
    rig_append_all(log, 10);
    rig_sync(log);
    assert_int_equal(rig_files(&rig, files, FILES), 1);
    assert_true(seglog_first(log) > 50); /* seglog_need() may have begun a group among the ten */
    assert_int_equal(rig_check(&rig, seglog_first(log)), 60);
    seglog_close(log);
}

static void
test_a_reader_follows_its_writer_from_record_to_record(void **state)
{
    struct seglog *log = rig_open(&rig, &small, NULL);
    struct seglog_reader *reader = seglog_reader_open(rig.folder, NULL);
    struct seglog_record record;
    struct err err = {0};

    for (uint64_t i = 1; i <= 300; i++) {
        assert_int_equal(seglog_next(reader, &record, &err), SEGLOG_END);
        rig_append_all(log, 1);
        rig_sync(log);
        assert_int_equal(seglog_next(reader, &record, &err), SEGLOG_RECORD);
        assert_int_equal(record.key.position, i);
        assert_true(rig_is_right(&record));
    }
    seglog_close(log);
    seglog_reader_close(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_records_come_back_as_they_were_appended),
        TEST(test_a_record_larger_than_a_chunk_comes_back),
        TEST(test_a_log_that_is_opened_again_goes_on_where_it_was),
        TEST(test_a_second_writer_is_refused_with_the_process_id_of_the_first),
        TEST(test_an_append_is_durable_by_the_timer),
        TEST(test_enough_bytes_are_durable_before_the_timer),
        TEST(test_what_is_wanted_is_durable_before_the_timer),
        TEST(test_waiting_for_what_never_comes_ends_in_time),
        TEST(test_an_idle_log_uses_no_processor),
        TEST(test_a_torn_tail_is_cut_off_with_a_report),
        TEST(test_damage_that_nobody_can_tell_from_a_torn_tail_is_cut_off),
        TEST(test_damage_of_what_was_durable_is_an_error_with_its_place),
        TEST(test_damage_in_a_closed_segment_is_named_and_reading_goes_on_behind_it),
        TEST(test_a_missing_segment_is_an_error),
        TEST(test_a_record_that_stands_in_two_segments_is_given_once),
        TEST(test_a_file_of_another_kind_or_version_is_an_error),
        TEST(test_what_a_crash_left_before_a_segment_had_its_name_is_removed),
        TEST(test_segments_are_named_by_their_first_position_and_say_what_is_in_them),
        TEST(test_seek_finds_the_first_record_at_or_after),
        TEST(test_seek_works_where_old_segments_were_removed),
        TEST(test_retention_by_size_stops_before_what_is_needed),
        TEST(test_retention_by_age_removes_what_is_older),
        TEST(test_a_segment_older_than_what_is_kept_is_closed_before_it_is_full),
        TEST(test_a_reader_follows_its_writer_from_record_to_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
