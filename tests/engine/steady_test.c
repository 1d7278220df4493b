/* SPDX-License-Identifier: Apache-2.0
 * steady_test - in steady state the engine allocates nothing, shown with an interposed malloc. */
#include "engine/engine.h"
#include "ops.h"
#include "plan.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

enum { CAPACITY = 32, WARM_UP = 100000, MEASURED = 100000, WINDOWS = 4, DEADLINE_S = 60 };

static _Atomic uint64_t allocations;

#ifndef SANITIZED
/* glibc's own entry points: what the interposed functions stand in front of */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *
malloc(size_t size)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_calloc(n, size);
}

void *
realloc(void *old, size_t size)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_realloc(old, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_memalign(alignment, size);
}
#endif

static void
await(_Atomic uint64_t *value, uint64_t least)
{
    time_t deadline = time(NULL) + DEADLINE_S;

    while (atomic_load(value) < least) {
        if (time(NULL) > deadline)
            fail_msg("still %llu of %llu", (unsigned long long)atomic_load(value),
                     (unsigned long long)least);
        sched_yield();
    }
}

/* Pools grow as far as edges and outboxes hold messages at once, which threads may come to late:
 * one of a few windows has to be without an allocation. */
static uint64_t
least_of_windows(_Atomic uint64_t *got)
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < WINDOWS && least; i++) {
        uint64_t before = atomic_load(&allocations), made;

        await(got, atomic_load(got) + MEASURED);
        made = atomic_load(&allocations) - before;
        least = made < least ? made : least;
    }
    return least;
}

static void
run(bool cut, int64_t workers, int64_t per_poll)
{
    struct plan *plan = plan_new("steady");
    struct engine_options options = {.force_boundaries = cut, .workers = workers};
    struct err err = {0};
    struct engine *engine;
    _Atomic uint64_t got = 0;

    plan_node(plan, "feed", &op_feed,
              &(struct feed){.count = INT64_MAX, .per_poll = per_poll, .step_ns = 1});
    plan_node(plan, "mix", &op_mix, &(struct mix){.salt = 1});
    plan_node(plan, "sink", &op_collect, &(struct collect){.n = &got});
    /* pools grow as far as edges hold messages: small edges have been full once after the start */
    plan_edge(plan, "feed", 0, "mix", 0)->capacity_messages = CAPACITY;
    plan_edge(plan, "mix", 0, "sink", 0)->capacity_messages = CAPACITY;
    engine = engine_new(plan_graph(plan), &options, &err);
    assert_non_null(engine);
    assert_true(engine_start(engine, &err));
    await(&got, WARM_UP);
    assert_int_equal(least_of_windows(&got), 0);
    engine_free(engine);
    plan_free(plan);
}

static void
test_fused_graphs_allocate_nothing(void **state)
{
#ifdef SANITIZED
    skip();
#endif
    run(false, 1, 1);
    run(false, 1, 8);
}

static void
test_graphs_with_rings_allocate_nothing(void **state)
{
#ifdef SANITIZED
    skip();
#endif
    run(true, 1, 8);
    run(true, 2, 1);
    run(true, 2, 8);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fused_graphs_allocate_nothing),
        cmocka_unit_test(test_graphs_with_rings_allocate_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
