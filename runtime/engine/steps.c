/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/steps.h"

#include "base/arena.h"
#include "base/asan.h"
#include "engine/epoch.h"
#include "engine/ingress.h"

#include <stdlib.h>
#include <ucontext.h>

#if HDE_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

enum {
    STACK_BYTES = 1024 * 1024,
    WORKERS = 64,
    STEP_NS = 4000,
    PAUSES = 3, /* of so many step points one is a stop */
    FOREIGN_LOOKS = 50000,
    DISK = 12,  /* where workers can go on, the disk moves in one step of so many */
};

/* ---- Stacks ------------------------------------------------------------------------------- */

struct stack { /* the scheduler's own, or a worker's */
    ucontext_t context;
    const void *bottom; /* for AddressSanitizer */
    size_t size;
    void *fake;
};

struct fiber {
    struct stack stack;
    struct steps *steps;
    struct worker *worker;
    void *memory;
    bool sleeps, is_over;
    int64_t until_ns; /* SLEEPS: INT64_MAX: until it is woken */
};

struct steps {
    struct stack own;
    uint64_t random, done;
    int64_t now_ns;
    uint64_t durable; /* entries up to this tick are */
    struct engine *engine;
    uint32_t n;
    struct fiber *fiber[WORKERS];
};

static void
change(struct stack *from, struct stack *to)
{
#if HDE_ASAN
    __sanitizer_start_switch_fiber(&from->fake, to->bottom, to->size);
#endif
    swapcontext(&from->context, &to->context);
#if HDE_ASAN
    __sanitizer_finish_switch_fiber(from->fake, NULL, NULL);
#endif
}

static void
leave(struct fiber *fiber)
{
    change(&fiber->stack, &fiber->steps->own);
}

/* makecontext() passes ints. */
static void
begin(unsigned high, unsigned low)
{
    struct fiber *fiber = (struct fiber *)((uintptr_t)high << 32 | (uintptr_t)low);

#if HDE_ASAN
    __sanitizer_finish_switch_fiber(NULL, &fiber->steps->own.bottom, &fiber->steps->own.size);
#endif
    worker_run(fiber->worker);
    fiber->is_over = true;
    leave(fiber);
}

bool
steps_adopt(struct steps *steps, struct worker *worker)
{
    struct fiber *fiber;
    uintptr_t at;

    if (steps->n == WORKERS)
        return false;
    fiber = xcalloc(1, sizeof *fiber);
    at = (uintptr_t)fiber;
    fiber->steps = steps;
    fiber->worker = worker;
    fiber->memory = xmalloc(STACK_BYTES);
    fiber->stack.bottom = fiber->memory;
    fiber->stack.size = STACK_BYTES;
    getcontext(&fiber->stack.context);
    fiber->stack.context.uc_stack.ss_sp = fiber->memory;
    fiber->stack.context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&fiber->stack.context, (void (*)(void))(uintptr_t)begin, 2, (unsigned)(at >> 32),
                (unsigned)at);
    worker->fiber = fiber;
    steps->engine = worker->engine;
    steps->fiber[steps->n++] = fiber;
    return true;
}

void
steps_leave(struct steps *steps)
{
    for (uint32_t i = 0; i < steps->n; i++) {
        free(steps->fiber[i]->memory);
        free(steps->fiber[i]);
    }
    steps->n = 0;
    steps->engine = NULL;
    steps->durable = 0;
}

void
steps_pause(struct worker *worker)
{
    if (steps_random(worker->fiber->steps, PAUSES) == 0)
        leave(worker->fiber);
}

void
steps_sleep(struct worker *worker, int64_t timeout_ns)
{
    struct fiber *fiber = worker->fiber;

    fiber->sleeps = true;
    fiber->until_ns = timeout_ns < 0 ? INT64_MAX : fiber->steps->now_ns + timeout_ns;
    leave(fiber);
}

/* ---- The seed decides --------------------------------------------------------------------- */

uint64_t
steps_random(struct steps *steps, uint64_t below)
{
    uint64_t x;

    /* splitmix64 */
    x = steps->random += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    return below ? x % below : x;
}

struct steps *
steps_new(uint64_t seed)
{
    struct steps *steps = xcalloc(1, sizeof *steps);

    steps->random = seed;
    steps->now_ns = NS_PER_S;
    clock_held_ns = steps->now_ns;
    return steps;
}

void
steps_free(struct steps *steps)
{
    if (!steps)
        return;
    steps_leave(steps);
    clock_held_ns = 0;
    free(steps);
}

uint64_t
steps_done(const struct steps *steps)
{
    return steps->done;
}

bool
steps_is_durable(const struct steps *steps, uint64_t tick)
{
    return tick <= steps->durable;
}

static bool
may_run(const struct fiber *fiber)
{
    if (fiber->is_over)
        return false;
    return !fiber->sleeps || fiber->until_ns <= fiber->steps->now_ns ||
           !atomic_load_explicit(&fiber->worker->parked, memory_order_relaxed);
}

static void
run(struct steps *steps, struct fiber *fiber)
{
    fiber->sleeps = false;
    change(&steps->own, &fiber->stack);
}

/* What the disk may do next. */
enum { DISK_SYNC = 1, DISK_EPOCH = 2 };

static unsigned
disk_may(const struct steps *steps)
{
    const struct engine *engine = steps->engine;
    unsigned may = 0;

    if (engine->is_recording && (engine->sequencer.last > steps->durable ||
                                 ingress_must_wait(engine->ingress)))
        may |= DISK_SYNC;
    if (engine->epochs && epochs_is_ready(engine->epochs))
        may |= DISK_EPOCH;
    return may;
}

static void
run_disk(struct steps *steps, unsigned may)
{
    struct engine *engine = steps->engine;

    if (may == (DISK_SYNC | DISK_EPOCH))
        may = steps_random(steps, 2) ? DISK_SYNC : DISK_EPOCH;
    if (may == DISK_EPOCH) {
        epochs_write(engine->epochs);
        return;
    }
    ingress_sync(engine->ingress);
    steps->durable = engine->sequencer.last;
    for (uint32_t i = 0; i < steps->n; i++)
        worker_wake_if_parked(steps->fiber[i]->worker);
}

/* All sleep and no deadline is near: a thread that is not ours (reloads) may have something under
 * way. */
static bool
has_been_woken(const struct steps *steps)
{
    const struct timespec moment = {.tv_nsec = 100 * NS_PER_US};

    for (int i = 0; i < FOREIGN_LOOKS && steps->engine->reloader; i++) {
        for (uint32_t k = 0; k < steps->n; k++)
            if (may_run(steps->fiber[k]))
                return true;
        nanosleep(&moment, NULL);
    }
    return false;
}

/* All sleep: on to the next deadline. False: there is none. */
static bool
leap(struct steps *steps)
{
    int64_t next_ns = INT64_MAX;

    for (uint32_t i = 0; i < steps->n; i++)
        if (!steps->fiber[i]->is_over && steps->fiber[i]->until_ns < next_ns)
            next_ns = steps->fiber[i]->until_ns;
    if (next_ns == INT64_MAX)
        return has_been_woken(steps);
    if (steps->now_ns < next_ns)
        steps->now_ns = next_ns;
    return true;
}

/* One step; false: nobody can take one. */
static bool
step(struct steps *steps)
{
    struct fiber *ready[WORKERS];
    uint64_t n = 0;
    unsigned disk = disk_may(steps);

    for (uint32_t i = 0; i < steps->n; i++)
        if (may_run(steps->fiber[i]))
            ready[n++] = steps->fiber[i];
    if (!n && !disk)
        return leap(steps);
    if (disk && (!n || steps_random(steps, DISK) == 0))
        run_disk(steps, disk);
    else
        run(steps, ready[steps_random(steps, n)]);
    return true;
}

enum steps_end
steps_run(struct steps *steps, uint64_t n)
{
    enum steps_end end = STEPS_SPENT;

    for (; n && end == STEPS_SPENT; n--) {
        enum engine_state state = engine_state(steps->engine);

        steps->now_ns += (int64_t)steps_random(steps, STEP_NS);
        clock_held_ns = steps->now_ns;
        if (state == ENGINE_ENDED || state == ENGINE_FAILED)
            end = STEPS_OVER;
        else if (!step(steps))
            end = STEPS_STUCK;
        steps->done++;
    }
    return end;
}
