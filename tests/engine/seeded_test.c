/* SPDX-License-Identifier: Apache-2.0
 * seeded_test - random graphs under the seeded scheduler (engine/steps.h): one thread, the seed
 * decides the graph, who goes on, when the disk has what, and when the process dies.
 *
 * Every seed makes a graph with little credit, merges, amplifiers, timers and sinks with a mark,
 * runs it with barriers every few microseconds of the scheduler's time, reloads nodes with a build
 * whose results differ, cuts it off at random steps (the tail of the log that was not durable is
 * lost, or not), and starts it again until it comes to its end. Then:
 *   - every message of every source has come out once, in order;
 *   - what was asked outside was answered once, in order;
 *   - over an edge that drops none has come twice, and the newest has come;
 *   - the log, taken again by a plain fused engine, gives what the sinks have, byte by byte;
 *   - nobody was ever stuck.
 * HDE_SEEDS=n runs n seeds, HDE_ONE=s runs one and tells its steps. */
#include "seeded.h"

#include "engine/reload.h"
#include "engine/run.h"
#include "engine/swaps.h"
#include "folder.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
enum { SEEDS = 600 };
#elif defined(__clang__)
enum { SEEDS = 600 };
#else
enum { SEEDS = 10000 };
#endif
enum {
    CRASHES = 4,
    FEW_STEPS = 300, /* within which a start may be cut off */
    PATIENCE = 1000, /* looks at the reload thread before a step goes by */
    RELOADS = 8,     /* in every so many seeds nodes are reloaded while they run */
};

static struct {
    uint64_t steps, starts, reloads;
    unsigned left; /* reloads of the seed that runs */
    uint64_t seed; /* that runs; 0: none */
} total;

static bool
is_under_way(struct engine *engine, uint64_t number)
{
    struct reload_report report;

    return reload_reports(engine, number, &report, 1) == 1 &&
           (report.state == RELOAD_WAITING || report.state == RELOAD_WORKING);
}

/* Asks for another build of a node, and goes on when the swap is asked for: when it gets its tick
 * is the seed's affair. The reload thread waits for workers as well, for one to close the instance
 * of the reload before: steps that go by for that depend on the machine, not on the seed. */
static void
ask_reload(struct engine *engine, const struct spec *spec, struct steps *steps)
{
    char node[16];
    struct err err = {0};
    uint64_t number;

    snprintf(node, sizeof node, "f%u", (unsigned)steps_random(steps, spec->n_folds));
    number = reload_ask(engine,
                        &(struct reload_ask){.target = node,
                                             .file = seeded_build(1 + (int)steps_random(steps, 2)),
                                             .skips_trial = true},
                        &err);
    for (unsigned looks = 1;
         number && is_under_way(engine, number) && !swaps_have_news(engine->swaps); looks++) {
        sched_yield();
        if (looks % PATIENCE == 0 && steps_run(steps, 1) != STEPS_SPENT)
            return;
    }
    total.reloads += swaps_have_news(engine->swaps);
}

/* n steps at most, reloads between them. */
static enum steps_end
run_reloads(struct engine *engine, const struct spec *spec, struct steps *steps, uint64_t n)
{
    enum steps_end end = STEPS_SPENT;

    while (n && end == STEPS_SPENT) {
        uint64_t some = 1 + steps_random(steps, 100);

        some = some < n ? some : n;
        end = steps_run(steps, some);
        n -= some;
        if (end == STEPS_SPENT && engine_state(engine) == ENGINE_RUNNING && total.left) {
            total.left--;
            ask_reload(engine, spec, steps);
        }
    }
    return end;
}

/* One start, for at most n steps; true: it came to its end. */
static bool
run_steps(const struct spec *spec, struct steps *steps, struct store *store, uint64_t n)
{
    struct plan *plan = spec_plan(spec, store);
    struct engine *engine = seeded_start_kept(plan, spec, steps);
    enum steps_end end = spec->reloads ? run_reloads(engine, spec, steps, n) : steps_run(steps, n);
    bool loses = end == STEPS_SPENT && steps_random(steps, 2);

    if (engine_state(engine) == ENGINE_FAILED)
        fail_msg("failed: %s", engine_error(engine)->text);
    if (end == STEPS_STUCK || (end == STEPS_SPENT && n == STEPS_MAX)) {
        hde_text text = {0};

        engine_stall_text(engine, &text);
        fail_msg("%s:\n%s", end == STEPS_STUCK ? "stuck" : "no end", text.data ? text.data : "");
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

static void
run_seed(uint64_t seed, bool is_loud)
{
    struct steps *steps = steps_new(seed);
    struct store store[SINKS] = {{{0}}};
    struct spec spec;
    uint64_t crashes, starts = 1;

    seeded_clear();
    spec_make(&spec, steps);
    spec.reloads = seed % RELOADS == 0;
    for (uint32_t i = 0; i < spec.n_folds && spec.reloads; i++)
        spec.fold[i].fold = (struct fold){0}; /* a new build gets its parameters from YAML: none */
    total.left = 4;
    for (crashes = steps_random(steps, CRASHES + 1); crashes; crashes--, starts++)
        if (run_steps(&spec, steps, store, 1 + steps_random(steps, FEW_STEPS)))
            break;
    if (!crashes)
        assert_true(run_steps(&spec, steps, store, STEPS_MAX));
    assert_witness(&spec, &store[SINKS - 1]);
    assert_answers(&spec, &store[ANSWERS]);
    assert_seen(&spec, &store[SEEN]);
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
    const char *one = getenv("HDE_ONE"), *many = getenv("HDE_SEEDS");
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
    print_message("%llu seeds, %llu starts, %llu reloads, %llu steps\n", (unsigned long long)n,
                  (unsigned long long)total.starts, (unsigned long long)total.reloads,
                  (unsigned long long)total.steps);
    assert_true(total.starts > n && total.reloads > n / RELOADS);
}

static int
end(void **state)
{
    if (total.seed)
        print_message("HDE_ONE=%llu\n", (unsigned long long)total.seed);
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
