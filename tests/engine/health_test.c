/* SPDX-License-Identifier: Apache-2.0
 * health_test - what a run tells of its log, its epochs and its recovery, and when it says that it
 * is not ready. */
#include "base/clock.h"
#include "base/io.h"
#include "check.h"
#include "engine/engine.h"
#include "engine/stats.h"
#include "folder.h"
#include "kept_ops.h"
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <hde/observe.h>
#include <hde/schemas/runtime.pb-c.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int64_t deadline_ns = 100 * INT64_C(1000000000);
static const int64_t often_ns = 2000000, never_ns = 3600 * INT64_C(1000000000);

/* ---- A disk without room, or that hangs ---------------------------------------------------- */

static struct io system_io;
static _Atomic bool is_full, hangs;

static bool
has_no_room(void)
{
    errno = ENOSPC;
    return atomic_load(&is_full);
}

static int
try_open(const char *path, int flags, mode_t mode)
{
    return flags & O_CREAT && has_no_room() ? -1 : system_io.open(path, flags, mode);
}

static ssize_t
try_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    return has_no_room() ? -1 : system_io.pwrite(fd, bytes, size, at);
}

static int
try_fallocate(int fd, int mode, off_t at, off_t size)
{
    return has_no_room() ? -1 : system_io.fallocate(fd, mode, at, size);
}

static int
try_fdatasync(int fd)
{
    while (atomic_load(&hangs))
        sched_yield();
    return system_io.fdatasync(fd);
}

/* ---- A graph that can be held up ---------------------------------------------------------- */

static _Atomic bool gate_is_closed;

static hde_status
gate_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    while (atomic_load(&gate_is_closed))
        sched_yield();
    for (; batch->done < batch->n; batch->done++)
        hde_emit(ctx, 0, hde_take(batch, batch->done));
    return HDE_OK;
}

#define SAMPLES HDE_TYPES(&hde__sample__descriptor)
static const hde_port gate_in[] = {{.name = "in", .types = SAMPLES}, {0}};
static const hde_port gate_out[] = {{.name = "out", .types = SAMPLES}, {0}};
static const hde_operator op_gate = {.size = sizeof(hde_operator),
                                     .flags = HDE_BLOCKING,
                                     .name = "test/gate",
                                     .inputs = gate_in,
                                     .outputs = gate_out,
                                     .batch = gate_batch};

struct world {
    struct store store;
    struct plan *plan;
    struct engine *engine;
    struct head_view head;
    hde_health health;
    int64_t stall_ns, capacity; /* of the watchdog, of the edges; 0: default */
};

static void
start(struct world *world, int64_t every_ns, int64_t timeout_ns)
{
    static char log[64];
    struct engine_options options = {
        .record = log, .checkpoint = true, .workers = 2, .stall_ns = world->stall_ns};
    struct err err = {0};
    struct graph *graph;

    snprintf(log, sizeof log, "%s/log", folder);
    world->plan = plan_new("health");
    plan_node(world->plan, "s", &op_steps, &(struct steps){.count = 100000000});
    plan_node(world->plan, "gate", &op_gate, NULL);
    plan_node(world->plan, "vault", &op_vault, &(struct vault){.store = &world->store});
    plan_edge(world->plan, "s", 0, "gate", 0);
    plan_edge(world->plan, "gate", 0, "vault", 0);
    graph = plan_graph(world->plan);
    for (size_t i = 0; i < graph->n_edges && world->capacity; i++)
        graph->edges[i].capacity_messages = world->capacity;
    graph->checkpoint = (struct checkpoint_policy){folder, every_ns, timeout_ns, 3};
    graph->log = (struct log_policy){.segment_bytes = 64 << 10, .max_bytes = 64 << 10};
    world->engine = engine_new(graph, &options, &err);
    assert_string_equal(err.text, "");
    assert_true(engine_start(world->engine, &err));
}

static void
end(struct world *world)
{
    engine_stop(world->engine);
    engine_free(world->engine);
    plan_free(world->plan);
    world->engine = NULL;
}

static void
look(struct world *world)
{
    world->health.size = sizeof world->health;
    engine_health(world->engine, &world->health);
    stats_head(engine_stats(world->engine), &world->head);
}

/* Looks until the condition holds. */
#define UNTIL(world, condition)                                                                    \
    do {                                                                                           \
        const int64_t begin_ns = clock_mono_ns();                                                  \
        look(world);                                                                               \
        while (!(condition)) {                                                                     \
            assert_true(clock_mono_ns() - begin_ns < deadline_ns);                                 \
            assert_int_not_equal(engine_state((world)->engine), ENGINE_FAILED);                    \
            sched_yield();                                                                         \
            look(world);                                                                           \
        }                                                                                          \
    } while (0)

static void
assert_metric(const struct world *world, const char *name, const char *value)
{
    hde_text text = {0};
    const char *at;
    char line[100];

    stats_prometheus(engine_stats(world->engine), &text);
    snprintf(line, sizeof line, "\n%s{graph=\"health\"", name);
    at = strstr(text.data, line);
    assert_non_null(at);
    at = strstr(at, "} ") + 2;
    if (value)
        assert_memory_equal(at, value, strlen(value));
    else
        assert_true(strtod(at, NULL) > 0);
    hde_text_free(&text);
}

/* ---- Tests -------------------------------------------------------------------------------- */

static void
test_a_full_disk_is_told_and_goes_away_without_a_restart(void **state)
{
    struct world world = {.store = {{0}}};
    uint64_t entries, stored;

    system_io = io;
    io.open = try_open;
    io.pwrite = try_pwrite;
    io.fallocate = try_fallocate;
    start(&world, often_ns, 5000000000);
    UNTIL(&world, world.health.ready && world.head.log.segments > 0 && world.head.entries > 1000);
    assert_false(world.head.log.is_full);
    assert_metric(&world, "hde_log_full", "0");

    atomic_store(&is_full, true);
    UNTIL(&world, world.head.log.is_full);
    UNTIL(&world, !world.health.ready);
    assert_non_null(strstr(world.health.reason, "no room on the disk for the log in"));
    assert_non_null(strstr(world.health.reason, folder));
    assert_true(world.health.live);
    assert_metric(&world, "hde_log_full", "1");
    entries = world.head.entries;
    stored = atomic_load(&world.store.n);

    atomic_store(&is_full, false);
    UNTIL(&world, world.health.ready && world.head.entries > entries + 1000);
    UNTIL(&world, atomic_load(&world.store.n) > stored + 1000);
    assert_false(world.head.log.is_full);
    engine_drain(world.engine);
    assert_true(engine_wait(world.engine, 30000));
    assert_int_equal(engine_state(world.engine), ENGINE_ENDED);
    end(&world);
    io = system_io;
    for (const char *line = world.store.lines.data; *line; line = strchr(line, '\n') + 1) {
        static long long next;
        long long sequence;

        assert_int_equal(sscanf(line, "0 %lld", &sequence), 1);
        assert_int_equal(sequence, next++);
    }
    hde_text_free(&world.store.lines);
}

static bool
is_said(const struct world *world, const char *pattern)
{
    hde_text text = {0};
    bool is;

    engine_stall_text(world->engine, &text);
    is = text.data && !fnmatch(pattern, text.data, 0);
    hde_text_free(&text);
    return is;
}

/* The sink itself, and who is held up by it. */
static void
test_who_stands_still_for_the_disk_of_the_log_names_it(void **state)
{
    struct world world = {.store = {{0}}, .capacity = 8, .stall_ns = 50000000};
    char sink[128], source[256];
    uint64_t stored;

    system_io = io;
    io.fdatasync = try_fdatasync;
    snprintf(sink, sizeof sink,
             "*'vault' paused because: vault waits for the ingress log in %s/log to be durable (*",
             folder);
    snprintf(source, sizeof source,
             "*'s' paused because: gate (*), vault (*: 0 of 8 credits, *), "
             "vault waits for the ingress log in %s/log to be durable (*",
             folder);
    start(&world, never_ns, 5000000000);
    UNTIL(&world, atomic_load(&world.store.n) > 100);

    atomic_store(&hangs, true);
    UNTIL(&world, is_said(&world, sink));
    UNTIL(&world, is_said(&world, source));
    UNTIL(&world, world.head.stalls > 0);
    stored = atomic_load(&world.store.n);

    atomic_store(&hangs, false);
    UNTIL(&world, atomic_load(&world.store.n) > stored + 100);
    UNTIL(&world, !is_said(&world, "?*"));
    end(&world);
    io = system_io;
    hde_text_free(&world.store.lines);
}

static void
test_the_log_tells_what_it_keeps_and_the_epochs_what_they_are(void **state)
{
    struct world world = {.store = {{0}}};
    uint64_t first;

    start(&world, often_ns, 5000000000);
    UNTIL(&world, world.head.log.is_on && world.head.log.first_tick);
    first = world.head.log.first_tick;
    assert_true(world.head.log.last_tick >= first);
    UNTIL(&world, world.head.epochs.completed > 3);
    assert_true(world.head.epochs.tick > first);
    assert_true(world.head.epochs.took_ns > 0 && world.head.epochs.bytes > 100);
    assert_true(world.head.epochs.age_ns > 0 && world.head.epochs.age_ns < deadline_ns);
    assert_int_equal(world.head.epochs.abandoned, 0);
    assert_false(world.head.recovery.is_on);
    /* and what no epoch needs goes */
    UNTIL(&world, world.head.log.first_tick > first);
    assert_true(world.head.log.bytes > 0);
    assert_true(world.head.log.sync_age_ns < deadline_ns);
    assert_metric(&world, "hde_log_bytes", NULL);
    assert_metric(&world, "hde_log_first_tick", NULL);
    assert_metric(&world, "hde_checkpoint_completed_total", NULL);
    assert_metric(&world, "hde_checkpoint_bytes", NULL);
    assert_metric(&world, "hde_checkpoint_duration_seconds", NULL);
    end(&world);
    hde_text_free(&world.store.lines);
}

/* Holds the gate for some timeouts. The edge before it may fill up before a barrier is given, and
 * then there is no epoch to abandon: the next time is another chance. */
static bool
was_abandoned(struct world *world)
{
    const int64_t begin_ns = clock_mono_ns();

    atomic_store(&gate_is_closed, true);
    while (!world->head.epochs.abandoned && clock_mono_ns() - begin_ns < 20000000)
        look(world);
    atomic_store(&gate_is_closed, false);
    return world->head.epochs.abandoned > 0;
}

static void
test_an_epoch_that_is_not_passed_in_time_is_counted(void **state)
{
    struct world world = {.store = {{0}}};

    start(&world, often_ns, 1000000);
    UNTIL(&world, world.head.epochs.completed > 0);
    UNTIL(&world, was_abandoned(&world));
    assert_metric(&world, "hde_checkpoint_abandoned_total", NULL);
    end(&world);
    hde_text_free(&world.store.lines);
}

static void
test_a_start_that_takes_its_log_again_says_how_far_it_is(void **state)
{
    struct world world = {.store = {{0}}};
    char wanted[64];
    uint64_t entries;

    start(&world, never_ns, 5000000000);
    UNTIL(&world, atomic_load(&world.store.n) > 5000); /* more than the edge holds */
    end(&world);

    atomic_store(&gate_is_closed, true);
    start(&world, never_ns, 5000000000);
    look(&world);
    assert_true(world.head.recovery.is_running);
    entries = world.head.recovery.entries;
    assert_true(entries > 5000);
    assert_false(world.health.ready);
    snprintf(wanted, sizeof wanted, " of %llu entries", (unsigned long long)entries);
    assert_non_null(strstr(world.health.reason, "the log is taken again: "));
    assert_non_null(strstr(world.health.reason, wanted));
    assert_metric(&world, "hde_recovery_running", "1");

    atomic_store(&gate_is_closed, false);
    UNTIL(&world, world.health.ready);
    assert_false(world.head.recovery.is_running);
    assert_int_equal(world.head.recovery.taken, entries);
    assert_true(world.head.recovery.took_ns > 0);
    assert_metric(&world, "hde_recovery_seconds", NULL);
    end(&world);
    hde_text_free(&world.store.lines);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_full_disk_is_told_and_goes_away_without_a_restart,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_who_stands_still_for_the_disk_of_the_log_names_it,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(
            test_the_log_tells_what_it_keeps_and_the_epochs_what_they_are, make_folder,
            remove_folder),
        cmocka_unit_test_setup_teardown(test_an_epoch_that_is_not_passed_in_time_is_counted,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_start_that_takes_its_log_again_says_how_far_it_is,
                                        make_folder, remove_folder),
    };

    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
