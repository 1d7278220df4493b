/* SPDX-License-Identifier: Apache-2.0
 * seeded_test - random graphs under the seeded scheduler (engine/steps.h): one thread, the seed
 * decides the graph, who goes on, when the disk has what, and when the process dies.
 *
 * Every seed makes a graph with little credit, merges, amplifiers, timers and sinks with a mark,
 * runs it with barriers every few microseconds of the scheduler's time, cuts it off at random steps
 * (the tail of the log that was not durable is lost, or not), and starts it again until it comes to
 * its end. Then:
 *   - every message of every source has come out once, in order;
 *   - the log, taken again by a plain fused engine, gives what the sinks have, byte by byte;
 *   - nobody was ever stuck.
 * HDE_SEEDS=n runs n seeds, HDE_SEED=s runs one and tells its steps. */
#include "seeded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
enum { SEEDS = 1500 };
#elif defined(__clang__)
enum { SEEDS = 2500 };
#else
enum { SEEDS = 10000 };
#endif
enum {
    CRASHES = 6,
    FEW_STEPS = 300, /* within which a start may be cut off */
};

/* One start, for at most n steps; true: it came to its end. */
static bool
run_steps(const struct spec *spec, struct steps *steps, struct store *store, uint64_t n)
{
    struct plan *plan = spec_plan(spec, store);
    struct engine *engine = seeded_start_kept(plan, spec, steps);
    enum steps_end end = steps_run(steps, n);
    bool loses = end == STEPS_SPENT && steps_random(steps, 2);

    if (engine_state(engine) == ENGINE_FAILED)
        fail_msg("failed: %s", engine_error(engine)->text);
    if (end == STEPS_STUCK) {
        hde_text text = {0};

        engine_stall_text(engine, &text);
        fail_msg("stuck:\n%s", text.data ? text.data : "");
    }
    if (loses) /* what was appended and is not synced was never written */
        folder_copy(seeded_log, seeded_kept);
    engine_free(engine);
    plan_free(plan);
    if (loses) {
        folder_remove(seeded_log);
        assert_int_equal(rename(seeded_kept, seeded_log), 0);
    }
    return end == STEPS_OVER;
}

static struct {
    uint64_t steps, starts;
    uint64_t seed; /* that runs; 0: none */
} total;

static void
run_seed(uint64_t seed, bool is_loud)
{
    struct steps *steps = steps_new(seed);
    struct store store[SINKS] = {{{0}}};
    struct spec spec;
    uint64_t crashes, starts = 1;

    seeded_clear();
    spec_make(&spec, steps);
    for (crashes = steps_random(steps, CRASHES + 1); crashes; crashes--, starts++)
        if (run_steps(&spec, steps, store, 1 + steps_random(steps, FEW_STEPS)))
            break;
    if (!crashes)
        assert_true(run_steps(&spec, steps, store, STEPS_MAX));
    assert_witness(&spec, &store[SINKS - 1]);
    total.steps += steps_done(steps);
    total.starts += starts;
    if (is_loud)
        print_message("%llu starts, %llu steps\n", (unsigned long long)starts,
                      (unsigned long long)steps_done(steps));
    steps_free(steps);
    assert_replays(&spec, store);
    stores_free(store);
}

static void
test_every_interleaving_and_crash_gives_the_same_tables(void **state)
{
    const char *one = getenv("HDE_SEED"), *many = getenv("HDE_SEEDS");
    uint64_t n = many ? strtoull(many, NULL, 10) : SEEDS;

    if (one) {
        run_seed(strtoull(one, NULL, 10), true);
        return;
    }
    for (uint64_t seed = 1; seed <= n; seed++) {
        total.seed = seed;
        run_seed(seed, false);
    }
    total.seed = 0;
    print_message("%llu seeds, %llu starts, %llu steps\n", (unsigned long long)n,
                  (unsigned long long)total.starts, (unsigned long long)total.steps);
    assert_true(total.starts > n);
}

static int
end(void **state)
{
    if (total.seed)
        print_message("HDE_SEED=%llu\n", (unsigned long long)total.seed);
    return seeded_end(state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_interleaving_and_crash_gives_the_same_tables),
    };

    return cmocka_run_group_tests(tests, seeded_begin, end);
}
