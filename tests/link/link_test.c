/* SPDX-License-Identifier: Apache-2.0
 * link_test - what a link keeps and gives back: order, journal, bounds, state. */
#include "base/arena.h"
#include "base/io.h"
#include "folder.h"
#include "link/link.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct stats_edge counters;
static const ProtobufCMessageDescriptor *const types[] = {&hde__sample__descriptor, NULL};

static int
begin(void **state)
{
    memset(&counters, 0, sizeof counters);
    return make_folder(state);
}

static struct link_config
config_of(void)
{
    static char journal[64];

    snprintf(journal, sizeof journal, "%s/journal", folder);
    return (struct link_config){.name = "a -> b",
                                .graph = "test",
                                .types = types,
                                .capacity_messages = 4,
                                .capacity_bytes = 1 << 20,
                                .journal = journal,
                                .journal_bytes = 1 << 20,
                                .is_kept = true,
                                .stats = &counters};
}

static struct link *
open_link(const struct link_config *config)
{
    struct err err = {0};
    struct link *link = link_new(config, &err);

    assert_string_equal(err.text, "");
    return link;
}

/* A frame with n messages of values tick, tick + 0.1, ... */
static enum link_put
put_n(struct link *link, uint64_t tick, uint32_t n, bool is_new, struct err *err)
{
    struct hde_msgvec vec = {0};
    struct record record = {.tick = tick, .watermark_ns = (int64_t)tick * 10, .n = n};
    enum link_put result;

    for (uint32_t i = 0; i < n; i++) {
        hde_msg *msg = msg_new(msg_pool_current(), &hde__sample__descriptor);
        Hde__Sample *sample = (Hde__Sample *)msg->body;

        sample->has_value = true;
        sample->value = (double)tick + 0.1 * i;
        msg->event_ns = (int64_t)tick;
        msgvec_push(&vec, msg);
    }
    record.lines = msgvec_lines(&vec);
    result = link_put(link, &record, vec.item, is_new, err);
    msgvec_fini(&vec);
    return result;
}

static void
put(struct link *link, uint64_t tick)
{
    struct err err = {0};

    assert_int_equal(put_n(link, tick, 1, false, &err), LINK_PUT);
}

/* The next frame's tick, 0: none. What the journal has not written yet is waited for. */
static uint64_t
take(struct link *link)
{
    struct hde_msgvec vec = {0};
    struct record record = {0};
    struct err err = {0};
    struct timespec begin, now;
    enum link_take result;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        result = link_take(link, &record, &vec, &err);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (result == LINK_EMPTY &&
             STAT_GET(counters.messages) > STAT_GET(counters.done_messages) &&
             now.tv_sec - begin.tv_sec < 10);
    assert_string_equal(err.text, "");
    if (result != LINK_FRAME)
        return 0;
    assert_int_equal(record.watermark_ns, (int64_t)record.tick * 10);
    for (uint32_t i = 0; i < vec.n; i++) {
        assert_true(((Hde__Sample *)vec.item[i]->body)->value == (double)record.tick + 0.1 * i);
        assert_int_equal(vec.item[i]->event_ns, record.tick);
    }
    msgvec_fini(&vec);
    return record.tick;
}

static void
seek(struct link *link, uint64_t tick)
{
    struct err err = {0};

    assert_true(link_seek(link, tick, &err));
}

static void
test_what_does_not_fit_comes_back_in_order(void **state)
{
    const char *given = getenv("HDE_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    struct link_config config = config_of();
    struct link *link = open_link(&config);
    uint64_t in = 0, out = 0, covered = 0;
    struct err err = {0};

    print_message("HDE_SEED=%u\n", seed);
    seek(link, 0);
    while (out < 3000) {
        switch (rand_r(&seed) % 5) {
        case 0:
        case 1:
            for (int i = rand_r(&seed) % 40; i && in < 3000; i--)
                assert_int_equal(put_n(link, ++in, (uint32_t)rand_r(&seed) % 3, true, &err),
                                 LINK_PUT);
            break;
        case 2:
            covered += out > covered ? (uint64_t)rand_r(&seed) % (out - covered + 1) : 0;
            link_cover(link, covered);
            break;
        default:
            for (int i = rand_r(&seed) % 40; i && out < in; i--) {
                uint64_t tick = take(link);

                if (!tick) /* a frame without messages that is not written yet */
                    break;
                assert_int_equal(tick, ++out);
            }
        }
    }
    assert_int_equal(take(link), 0);
    assert_true(STAT_GET(counters.spilled) > 100);
    assert_true(STAT_GET(counters.spilled) < STAT_GET(counters.messages));
    link_cover(link, 3000);
    assert_int_equal(STAT_GET(counters.kept), 0);
    assert_int_equal(STAT_GET(counters.journal_messages), 0);
    assert_int_equal(STAT_GET(counters.journal_bytes), 0);
    link_free(link);
}

static void
test_without_epochs_what_was_taken_is_gone(void **state)
{
    struct link_config config = config_of();
    struct link *link;

    config.is_kept = false;
    link = open_link(&config);
    seek(link, 0);
    for (uint64_t tick = 1; tick <= 4; tick++)
        put(link, tick);
    assert_int_equal(STAT_GET(counters.kept), 4);
    for (uint64_t tick = 1; tick <= 4; tick++)
        assert_int_equal(take(link), tick);
    assert_int_equal(STAT_GET(counters.kept), 0);
    assert_int_equal(STAT_GET(counters.spilled), 0);
    link_free(link);
}

static void
test_at_the_bound_of_the_journal_the_sender_waits(void **state)
{
    struct link_config config = config_of();
    struct link *link;
    struct err err = {0};
    uint64_t last = 0, next = 0;

    config.journal_bytes = 4096;
    link = open_link(&config);
    seek(link, 0);
    while (put_n(link, last + 1, 1, true, &err) == LINK_PUT)
        last++;
    assert_in_range(last, 10, 100);
    assert_true(STAT_GET(counters.blocked_since_ns) != 0);
    assert_int_equal(put_n(link, last + 1, 1, true, &err), LINK_FULL);
    while (next < last)
        assert_int_equal(take(link), ++next);
    assert_int_equal(put_n(link, last + 1, 1, true, &err), LINK_FULL);
    link_cover(link, last);
    assert_int_equal(put_n(link, last + 1, 1, true, &err), LINK_PUT);
    assert_int_equal(STAT_GET(counters.blocked_since_ns), 0);
    assert_true(STAT_GET(counters.blocked_ns) > 0);
    assert_int_equal(take(link), last + 1);
    link_free(link);
}

/* What link_save() gives, packed and read again. */
static Hde__LinkState *
state_of(struct link *link)
{
    hde_msg *msg = msg_new(msg_pool_current(), &hde__link_state__descriptor);
    Hde__LinkState *state;
    uint8_t *bytes;
    size_t size;

    while (!link_is_durable(link))
        ;
    link_save(link, msg);
    size = protobuf_c_message_get_packed_size(msg->body);
    bytes = malloc(size + 1);
    protobuf_c_message_pack(msg->body, bytes);
    state = hde__link_state__unpack(NULL, size, bytes);
    free(bytes);
    hde_msg_drop(msg);
    return state;
}

static struct link *
restart(struct link *link, const struct link_config *config, Hde__LinkState *saved)
{
    struct err err = {0};

    link_free(link);
    memset(&counters, 0, sizeof counters);
    link = open_link(config);
    assert_true(link_load(link, saved, &err));
    hde__link_state__free_unpacked(saved, NULL);
    return link;
}

/* The sender's epoch is cut at tick 30; up to 50 it is sent again, as its log says. */
static void
check_restart(const struct link_config *config)
{
    struct link *link = open_link(config);
    Hde__LinkState *saved;
    uint64_t next;

    seek(link, 0);
    for (uint64_t tick = 1; tick <= 30; tick++)
        put(link, tick);
    for (uint64_t tick = 1; tick <= 12; tick++)
        assert_int_equal(take(link), tick);
    link_cover(link, 9);
    saved = state_of(link);
    for (uint64_t tick = 31; tick <= 50; tick++)
        put(link, tick);
    for (uint64_t tick = 13; tick <= 20; tick++)
        assert_int_equal(take(link), tick);
    while (!link_is_durable(link))
        ;
    link = restart(link, config, saved);
    seek(link, 17); /* less than it took: the rest was not in its log */
    next = 17;
    for (uint64_t tick = link_mark(link) > 30 ? link_mark(link) + 1 : 31; tick <= 60; tick++) {
        put(link, tick);
        if (tick % 2)
            assert_int_equal(take(link), ++next);
    }
    while (next < 60)
        assert_int_equal(take(link), ++next);
    assert_int_equal(take(link), 0);
    link_cover(link, 60);
    assert_int_equal(STAT_GET(counters.kept), 0);
    link_free(link);
}

static void
test_a_link_goes_on_from_its_state(void **state)
{
    struct link_config config = config_of();

    check_restart(&config);
}

static void
test_a_journal_of_everything_is_its_own_state(void **state)
{
    struct link_config config = config_of();

    config.writes_all = true;
    check_restart(&config);
}

static void
test_frames_that_are_gone_are_an_error(void **state)
{
    struct link_config config = config_of();
    struct link *link = open_link(&config);
    struct err err = {0};

    seek(link, 0);
    for (uint64_t tick = 1; tick <= 3; tick++) {
        put(link, tick);
        assert_int_equal(take(link), tick);
    }
    link_cover(link, 2);
    link = restart(link, &config, state_of(link));
    assert_false(link_seek(link, 1, &err));
    assert_string_equal(err.code, "HDE-R070");
    assert_non_null(strstr(err.text, "behind tick 2"));
    link_free(link);
}

static void
test_a_receiver_without_its_store_is_an_error(void **state)
{
    struct link_config config = config_of();
    struct link *link = open_link(&config);
    struct record record;
    struct hde_msgvec vec = {0};
    struct err err = {0};

    put(link, 1);
    assert_int_equal(take(link), 1);
    link_cover(link, 1);
    put(link, 2);
    link = restart(link, &config, state_of(link));
    assert_int_equal(link_take(link, &record, &vec, &err), LINK_DAMAGED);
    assert_string_equal(err.code, "HDE-R070");
    link_free(link);
}

static void
test_a_sender_behind_its_receiver_is_an_error(void **state)
{
    struct link_config config = config_of();
    struct link *link = open_link(&config);
    struct err err = {0};

    seek(link, 100);
    assert_int_equal(put_n(link, 5, 1, false, &err), LINK_PUT); /* as the log says */
    assert_int_equal(put_n(link, 6, 1, true, &err), LINK_BROKEN);
    assert_string_equal(err.code, "HDE-R071");
    link_free(link);
}

static void
test_a_torn_tail_of_the_journal_is_made_again(void **state)
{
    struct link_config config = config_of();
    struct link *link;
    char path[128];
    int fd;

    config.writes_all = true;
    link = open_link(&config);
    for (uint64_t tick = 1; tick <= 20; tick++)
        put(link, tick);
    link_free(link);
    snprintf(path, sizeof path, "%s/00000000000000000001.seg", config.journal);
    fd = open(path, O_WRONLY | O_APPEND);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "half a record", 13), 13);
    close(fd);
    memset(&counters, 0, sizeof counters);
    link = open_link(&config);
    assert_int_equal(link_mark(link), 20);
    seek(link, 0);
    put(link, 21);
    for (uint64_t tick = 1; tick <= 21; tick++)
        assert_int_equal(take(link), tick);
    link_free(link);
}

static _Atomic bool disk_is_full;
static struct io system_io;

static ssize_t
try_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    if (!atomic_load(&disk_is_full))
        return system_io.pwrite(fd, bytes, size, at);
    errno = ENOSPC;
    return -1;
}

/* Frames from there on until one is not taken, at most for ten seconds; gives the last. */
static uint64_t
put_until_full(struct link *link, uint64_t last, bool is_full)
{
    struct timespec begin, now;
    struct err err = {0};

    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        enum link_put result = put_n(link, last + 1, 1, true, &err);

        assert_string_equal(err.text, "");
        if ((result == LINK_FULL) == is_full)
            return last + !is_full;
        last += result == LINK_PUT;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - begin.tv_sec < 10);
    fail();
    return 0;
}

static void
test_on_a_full_disk_the_sender_waits_and_goes_on(void **state)
{
    struct link_config config = config_of();
    struct link *link;
    uint64_t last, next = 0;

    config.journal_bytes = 1 << 30;
    system_io = io;
    io.pwrite = try_pwrite;
    link = open_link(&config);
    seek(link, 0);
    for (uint64_t tick = 1; tick <= 20; tick++)
        put(link, tick);
    atomic_store(&disk_is_full, true);
    last = put_until_full(link, 20, true);
    assert_true(STAT_GET(counters.blocked_since_ns) != 0);
    atomic_store(&disk_is_full, false);
    last = put_until_full(link, last, false);
    while (next < last)
        assert_int_equal(take(link), ++next);
    link_free(link);
    io = system_io;
}

static void
count_ask(void *arg)
{
    ++*(int *)arg;
}

static void
test_at_half_of_the_capacity_an_epoch_is_asked_for(void **state)
{
    struct link_config config = config_of();
    struct link *link = open_link(&config);
    int asks = 0;

    link_ask_with(link, count_ask, &asks);
    seek(link, 0);
    for (uint64_t tick = 1; tick <= 4; tick++)
        put(link, tick);
    assert_int_equal(take(link), 1);
    assert_int_equal(asks, 0);
    assert_int_equal(take(link), 2);
    assert_int_equal(take(link), 3);
    assert_int_equal(asks, 1);
    link_cover(link, 3);
    assert_int_equal(take(link), 4);
    assert_int_equal(asks, 1);
    link_free(link);
}

static void
test_nothing_behind_a_marker_is_taken(void **state)
{
    struct link_config config = config_of();
    struct link *link;

    config.capacity_messages = 2; /* the marker stands in the journal */
    link = open_link(&config);
    assert_false(link_is_at_marker(link));
    for (uint64_t tick = 1; tick <= 4; tick++)
        put(link, tick);
    link_put_marker(link, 1);
    for (uint64_t tick = 5; tick <= 6; tick++)
        put(link, tick);
    for (uint64_t tick = 1; tick <= 4; tick++) {
        struct hde_msgvec vec = {0};
        struct record record;
        struct err err = {0};

        assert_false(link_is_at_marker(link));
        assert_int_equal(take(link), tick);
        if (tick == 4)
            assert_int_equal(link_take(link, &record, &vec, &err), LINK_MARKER);
    }
    assert_true(link_is_at_marker(link));
    assert_true(link_may_give(link));
    link_drop_marker(link);
    assert_false(link_is_at_marker(link));
    assert_int_equal(take(link), 5);
    assert_int_equal(take(link), 6);
    link_free(link);
}

static void
count(void *arg)
{
    ++*(int *)arg;
}

static void
test_a_bell_rings_once_for_each_time_that_nothing_was_found(void **state)
{
    struct link_config config = config_of();
    struct link *link;
    struct err err = {0};
    int rung[2] = {0};

    config.journal = NULL;
    config.capacity_messages = 2;
    link = open_link(&config);
    for (int end = LINK_SENDER; end <= LINK_RECEIVER; end++)
        link_listen(link, (enum link_end)end, &(struct link_bell){count, &rung[end]});
    put(link, 1);
    put(link, 2);
    assert_int_equal(rung[LINK_RECEIVER], 1);
    assert_int_equal(put_n(link, 3, 1, false, &err), LINK_FULL);
    assert_int_equal(rung[LINK_SENDER], 0);
    assert_int_equal(take(link), 1);
    link_cover(link, 1);
    assert_int_equal(rung[LINK_SENDER], 1);
    put(link, 3);
    assert_int_equal(rung[LINK_RECEIVER], 1); /* it has not come to the end of it */
    assert_int_equal(put_n(link, 4, 1, false, &err), LINK_FULL);
    assert_int_equal(take(link), 2);
    assert_int_equal(take(link), 3);
    assert_int_equal(take(link), 0);
    link_cover(link, 2);
    link_cover(link, 3);
    assert_int_equal(rung[LINK_SENDER], 2);
    put(link, 4);
    assert_int_equal(rung[LINK_RECEIVER], 2);
    assert_string_equal(err.text, "");
    link_free(link);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, remove_folder)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_does_not_fit_comes_back_in_order),
        TEST(test_without_epochs_what_was_taken_is_gone),
        TEST(test_at_the_bound_of_the_journal_the_sender_waits),
        TEST(test_a_link_goes_on_from_its_state),
        TEST(test_a_journal_of_everything_is_its_own_state),
        TEST(test_frames_that_are_gone_are_an_error),
        TEST(test_a_receiver_without_its_store_is_an_error),
        TEST(test_a_sender_behind_its_receiver_is_an_error),
        TEST(test_a_torn_tail_of_the_journal_is_made_again),
        TEST(test_on_a_full_disk_the_sender_waits_and_goes_on),
        TEST(test_nothing_behind_a_marker_is_taken),
        TEST(test_a_bell_rings_once_for_each_time_that_nothing_was_found),
        TEST(test_at_half_of_the_capacity_an_epoch_is_asked_for),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    msg_pools_fini();
    return failed;
}
