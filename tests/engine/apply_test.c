/* SPDX-License-Identifier: Apache-2.0
 * apply_test - another graph in place of the one that runs, while messages flow. */
#include "engine/apply.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "engine/stats.h"
#include "graph/plan.h"
#include "ops.h"
#include "plan.h"

#include <hde/schemas/runtime.pb-c.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { DEADLINE_S = 100, STEP = 3000, KEYS = 10 };

/* ---- Operators ---------------------------------------------------------------------------- */

static const hde_port in1[] = {{"in", HDE_TYPES(&hde__sample__descriptor), 0, NULL}, {0}};
static const hde_port out1[] = {{"out", HDE_TYPES(&hde__sample__descriptor), 0, NULL}, {0}};

/* A source that goes on until the test says so, three messages a call. */
struct flow {
    int64_t at;
    _Atomic bool *done;
    _Atomic int64_t *total;
    int64_t salt; /* a parameter */
};

static hde_status
flow_poll(hde_ctx *ctx, void *state)
{
    struct flow *self = state;

    if (atomic_load(self->done))
        return HDE_END;
    for (int i = 0; i < 3; i++) {
        hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
        Hde__Sample *sample = (Hde__Sample *)msg->body;
        char key[24];

        msg->event_ns = self->at * 10;
        sample->has_sequence = sample->has_value = true;
        sample->sequence = (uint64_t)self->at;
        snprintf(key, sizeof key, "k%d", (int)(self->at % KEYS));
        sample->key = hde_msg_text(msg, key);
        self->at++;
        hde_emit(ctx, 0, msg);
    }
    atomic_store(self->total, self->at);
    return HDE_OK;
}

static const hde_operator op_flow = {.size = sizeof(hde_operator),
                                     .name = "test/flow",
                                     .outputs = out1,
                                     .state_size = sizeof(struct flow),
                                     .poll = flow_poll};
static const hde_operator op_flow_blocking = {.size = sizeof(hde_operator),
                                              .flags = HDE_BLOCKING,
                                              .name = "test/flow_blocking",
                                              .outputs = out1,
                                              .state_size = sizeof(struct flow),
                                              .poll = flow_poll};

/* Sets a timer of its own and takes it back, in turn. */
static hde_status
flow_timed_poll(hde_ctx *ctx, void *state)
{
    const struct flow *self = state;

    hde_timer_after(ctx, 1, self->at % 2 ? 3600LL * NS_PER_S : -1);
    return flow_poll(ctx, state);
}

static const hde_operator op_flow_timed = {.size = sizeof(hde_operator),
                                           .flags = HDE_BLOCKING,
                                           .name = "test/flow_timed",
                                           .outputs = out1,
                                           .state_size = sizeof(struct flow),
                                           .poll = flow_timed_poll};

/* One that can be asked again. */
static hde_status
flow_placed_poll(hde_ctx *ctx, void *state)
{
    const struct flow *self = state;
    hde_status status = flow_poll(ctx, state);

    hde_position(ctx, 0, &self->at, sizeof self->at);
    return status;
}

static hde_status
flow_placed_seek(hde_ctx *ctx, void *state, uint32_t partition, const void *bytes, size_t size)
{
    struct flow *self = state;

    memcpy(&self->at, bytes, sizeof self->at);
    return HDE_OK;
}

static const hde_param flow_params[] = {
    HDE_PARAM(struct flow, salt, .fallback = "0", .help = "nothing"), {0}};

#define FLOW_PLACED(op, op_flags)                                                                  \
    static const hde_operator op = {.size = sizeof(hde_operator),                                  \
                                    .flags = op_flags,                                             \
                                    .name = "test/" #op,                                           \
                                    .outputs = out1,                                               \
                                    .params = flow_params,                                         \
                                    .state_size = sizeof(struct flow),                             \
                                    .poll = flow_placed_poll,                                      \
                                    .seek = flow_placed_seek}
FLOW_PLACED(op_flow_placed, 0);
FLOW_PLACED(op_flow_placed_blocking, HDE_BLOCKING);
FLOW_PLACED(op_flow_placed_alone, HDE_BLOCKING | HDE_EXCLUSIVE);

/* Sequences have to come one after the other. */
struct checked {
    int64_t next;
    _Atomic int64_t *n, *bad;
};

static hde_status
check_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct checked *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const Hde__Sample *sample = (const Hde__Sample *)batch->msg[batch->done]->body;

        if ((int64_t)sample->sequence != self->next)
            atomic_fetch_add(self->bad, 1);
        self->next = (int64_t)sample->sequence + 1;
        atomic_fetch_add(self->n, 1);
    }
    return HDE_OK;
}

static const hde_operator op_check = {.size = sizeof(hde_operator),
                                      .name = "test/check",
                                      .inputs = in1,
                                      .state_size = sizeof(struct checked),
                                      .batch = check_batch};
static const hde_operator op_check_blocking = {.size = sizeof(hde_operator),
                                               .flags = HDE_BLOCKING,
                                               .name = "test/check_blocking",
                                               .inputs = in1,
                                               .state_size = sizeof(struct checked),
                                               .batch = check_batch};

/* Counts messages by key: the value of the n-th of a key becomes n. */
struct tally {
    bool refuses_open, refuses_load;
    int64_t bonus; /* a live parameter: added to each count that is emitted */
    int64_t salt;  /* another parameter */
    char key[64][16];
    int64_t n[64];
    uint32_t n_keys;
    _Atomic int64_t *opened, *closed;
};

static int64_t *
count_of(struct tally *self, const char *key)
{
    for (uint32_t i = 0; i < self->n_keys; i++)
        if (strcmp(self->key[i], key) == 0)
            return &self->n[i];
    snprintf(self->key[self->n_keys], sizeof self->key[0], "%s", key);
    return &self->n[self->n_keys++];
}

static hde_status
tally_open(hde_ctx *ctx, void *state)
{
    struct tally *self = state;

    if (self->opened)
        atomic_fetch_add(self->opened, 1);
    return self->refuses_open ? hde_fail(ctx, "test.open", "told to refuse") : HDE_OK;
}

static void
tally_close(hde_ctx *ctx, void *state)
{
    struct tally *self = state;

    if (self->closed)
        atomic_fetch_add(self->closed, 1);
}

static hde_status
tally_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct tally *self = state;

    for (; batch->done < batch->n; batch->done++) {
        hde_msg *msg = hde_msg_writable(ctx, hde_take(batch, batch->done));
        Hde__Sample *sample = (Hde__Sample *)msg->body;

        sample->value = (double)(++*count_of(self, sample->key) + self->bonus);
        hde_emit(ctx, 0, msg);
    }
    return HDE_OK;
}

static hde_status
tally_save(hde_ctx *ctx, const void *state, hde_msg *out)
{
    const struct tally *self = state;
    Hde__Sample *sample = (Hde__Sample *)out->body;
    hde_text text = {0};

    for (uint32_t i = 0; i < self->n_keys; i++)
        hde_text_printf(&text, "%s %lld\n", self->key[i], (long long)self->n[i]);
    sample->key = hde_msg_text(out, text.data ? text.data : "");
    hde_text_free(&text);
    return HDE_OK;
}

static hde_status
tally_load(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema)
{
    const Hde__Sample *sample = (const Hde__Sample *)saved;
    struct tally *self = state;
    const char *at = sample->key;
    char key[16];
    long long n;
    int len;

    if (self->refuses_load)
        return hde_fail(ctx, "test.load", "told to refuse");
    for (; sscanf(at, "%15s %lld\n%n", key, &n, &len) == 2; at += len) {
        Hde__Sample like = HDE__SAMPLE__INIT;

        like.key = key;
        if (hde_owns(ctx, &like.base, NULL))
            *count_of(self, key) = n;
    }
    return HDE_OK;
}

static const hde_param tally_params[] = {
    HDE_PARAM(struct tally, bonus, .fallback = "0", .flags = HDE_PARAM_LIVE, .help = "added"),
    HDE_PARAM(struct tally, salt, .fallback = "0", .help = "nothing"),
    {0}};

#define TALLY(op, op_flags)                                                                        \
    static const hde_operator op = {.size = sizeof(hde_operator),                                  \
                                    .flags = op_flags,                                             \
                                    .name = "test/" #op,                                           \
                                    .inputs = in1,                                                 \
                                    .outputs = out1,                                               \
                                    .params = tally_params,                                        \
                                    .state_size = sizeof(struct tally),                            \
                                    .open = tally_open,                                            \
                                    .batch = tally_batch,                                          \
                                    .close = tally_close,                                          \
                                    .state_type = &hde__sample__descriptor,                        \
                                    .save = tally_save,                                            \
                                    .load = tally_load}
TALLY(op_tally, HDE_KEYED_STATE);
TALLY(op_tally_alone, HDE_EXCLUSIVE);
TALLY(op_tally_unkeyed, 0);

/* Values have to be the count of their key, with a bonus that may grow. */
struct counted {
    int64_t seen[KEYS];
    _Atomic int64_t *n, *bad, *bonus;
};

static hde_status
counted_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct counted *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const Hde__Sample *sample = (const Hde__Sample *)batch->msg[batch->done]->body;
        int64_t more = (int64_t)sample->value - ++self->seen[atoi(sample->key + 1)];

        if (more < atomic_load(self->bonus))
            atomic_fetch_add(self->bad, 1);
        atomic_store(self->bonus, more);
        atomic_fetch_add(self->n, 1);
    }
    return HDE_OK;
}

static const hde_operator op_counted = {.size = sizeof(hde_operator),
                                        .name = "test/counted",
                                        .inputs = in1,
                                        .state_size = sizeof(struct counted),
                                        .batch = counted_batch};

/* ---- A running graph ---------------------------------------------------------------------- */

struct rig {
    _Atomic int64_t n, bad, opened, closed, bonus, total;
    _Atomic bool done;
    struct plan *plans[64];
    size_t n_plans;
    struct engine *engine;
};

static struct plan *
rig_plan(struct rig *rig)
{
    struct plan *plan = rig->plans[rig->n_plans++] = plan_new("rig");

    return plan;
}

static void
rig_start(struct rig *rig, struct plan *plan, const struct engine_options *options)
{
    struct err err = {0};

    rig->engine = engine_new(plan_graph(plan), options, &err);
    assert_string_equal(err.text, "");
    assert_true(engine_start(rig->engine, &err));
}

static void
rig_close(struct rig *rig)
{
    engine_free(rig->engine);
    for (size_t i = 0; i < rig->n_plans; i++)
        plan_free(rig->plans[i]);
}

/* As many messages more have arrived. */
static void
flow_on(struct rig *rig)
{
    int64_t n = atomic_load(&rig->n) + STEP;
    int64_t end_ns = clock_mono_ns() + DEADLINE_S * (int64_t)NS_PER_S;

    while (atomic_load(&rig->n) < n && clock_mono_ns() < end_ns)
        sched_yield();
    assert_true(atomic_load(&rig->n) >= n);
}

/* Gives the code of the refusal, "" if it was done. */
static const char *
change(struct rig *rig, struct apply_ask ask)
{
    static char code[16];
    int64_t end_ns = clock_mono_ns() + DEADLINE_S * (int64_t)NS_PER_S;
    struct err err = {0};
    uint64_t number = apply_ask(rig->engine, &ask, &err);
    Hde__ChangeState state = HDE__CHANGE_STATE__CHANGE_STATE_WAITING;

    snprintf(code, sizeof code, "%s", err.code);
    while (number && state <= HDE__CHANGE_STATE__CHANGE_STATE_WORKING) {
        Hde__EngineChanges *changes = apply_changes(rig->engine, number);

        assert_int_equal(changes->n_changes, 1);
        state = changes->changes[0]->state;
        snprintf(code, sizeof code, "%s",
                 changes->changes[0]->error ? changes->changes[0]->error->code : "");
        hde__engine_changes__free_unpacked(changes, NULL);
        assert_true(clock_mono_ns() < end_ns);
        sched_yield();
    }
    return code;
}

static const char *
apply(struct rig *rig, struct plan *plan)
{
    return change(rig, (struct apply_ask){.graph = plan_graph(plan)});
}

static void
assert_whole(struct rig *rig)
{
    flow_on(rig);
    atomic_store(&rig->done, true);
    assert_true(engine_wait(rig->engine, DEADLINE_S * 1000));
    assert_int_equal(engine_state(rig->engine), ENGINE_ENDED);
    assert_int_equal(atomic_load(&rig->bad), 0);
    assert_int_equal(atomic_load(&rig->n), atomic_load(&rig->total));
}

/* ---- Plans -------------------------------------------------------------------------------- */

static enum change_kind
kind_in(const struct change_plan *plan, const char *name, enum change_state *state)
{
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const struct node_change *c = &plan->nodes[i];
        const struct graph_node *node = c->after == CHANGE_NOWHERE ? &plan->before->nodes[c->before]
                                                                   : &plan->after->nodes[c->after];

        if (strcmp(node->name, name) != 0)
            continue;
        *state = c->state;
        return c->kind;
    }
    fail_msg("'%s' is not in the plan", name);
    return CHANGE_SAME;
}

#define assert_change(plan, name, wanted_kind, wanted_state)                                       \
    do {                                                                                           \
        enum change_state state_;                                                                  \
        assert_int_equal(kind_in(plan, name, &state_), wanted_kind);                               \
        assert_int_equal(state_, wanted_state);                                                    \
    } while (0)

static void
test_what_becomes_of_each_node(void **state)
{
    struct plan *a = plan_new("g"), *b = plan_new("g");
    struct change_plan *plan;
    struct graph_node *node;

    plan_node(a, "same", &op_tally, &(struct tally){.salt = 1});
    plan_node(a, "live", &op_tally, &(struct tally){.bonus = 1});
    plan_node(a, "other", &op_tally, &(struct tally){.salt = 1});
    plan_node(a, "swapped", &op_tally, &(struct tally){0});
    plan_node(a, "mixed", &op_tally, &(struct tally){0});
    plan_node(a, "keyed", &op_tally, &(struct tally){0});
    plan_node(a, "unkeyed", &op_tally_unkeyed, &(struct tally){0});
    plan_node(a, "old", &op_tally, &(struct tally){0});
    plan_node(a, "gone", &op_tally, &(struct tally){0});
    plan_node(b, "same", &op_tally, &(struct tally){.salt = 1});
    plan_node(b, "live", &op_tally, &(struct tally){.bonus = 2});
    plan_node(b, "other", &op_tally, &(struct tally){.salt = 2});
    plan_node(b, "swapped", &op_tally_unkeyed, &(struct tally){0});
    plan_node(b, "mixed", &op_mix, &(struct mix){0});
    node = plan_node(b, "keyed", &op_tally, &(struct tally){0});
    node->replicas = 3;
    node->key = "key";
    node = plan_node(b, "unkeyed", &op_tally_unkeyed, &(struct tally){0});
    node->replicas = 3;
    node->key = "key";
    plan_node(b, "new", &op_tally, &(struct tally){0})->was = "old";
    plan_node(b, "added", &op_tally, &(struct tally){0})->was = "same"; /* who is there still */
    plan = change_plan_new(plan_graph(a), plan_graph(b));
    assert_change(plan, "same", CHANGE_SAME, CHANGE_STATE_KEPT);
    assert_change(plan, "live", CHANGE_RECONFIGURE, CHANGE_STATE_KEPT);
    assert_change(plan, "other", CHANGE_RESTART, CHANGE_STATE_KEPT);
    assert_change(plan, "swapped", CHANGE_SWAP, CHANGE_STATE_KEPT);
    assert_change(plan, "mixed", CHANGE_SWAP, CHANGE_STATE_LOST);
    assert_change(plan, "keyed", CHANGE_SPLIT, CHANGE_STATE_KEPT);
    assert_change(plan, "unkeyed", CHANGE_SPLIT, CHANGE_STATE_LOST);
    assert_change(plan, "new", CHANGE_RESTART, CHANGE_STATE_KEPT);
    assert_change(plan, "added", CHANGE_ADD, CHANGE_STATE_NONE);
    assert_change(plan, "gone", CHANGE_REMOVE, CHANGE_STATE_LOST);
    assert_int_equal(plan->n_lost, 3);
    change_plan_free(plan);
    plan_free(a);
    plan_free(b);
}

/* ---- Messages ----------------------------------------------------------------------------- */

/* feed -> [mix -> mix ...] -> check; which of the middle nodes are there changes. */
static struct plan *
line(struct rig *rig, const hde_operator *source, const hde_operator *sink, unsigned middle,
     bool boundary)
{
    struct plan *plan = rig_plan(rig);
    const char *from = "feed";
    static const char *const names[] = {"m0", "m1", "m2"};

    plan_node(plan, "feed", source, &(struct flow){.done = &rig->done, .total = &rig->total});
    for (unsigned i = 0; i < 3; i++)
        if (middle >> i & 1)
            plan_node(plan, names[i], &op_mix, &(struct mix){0})->boundary = boundary;
    plan_node(plan, "check", sink, &(struct checked){.n = &rig->n, .bad = &rig->bad});
    for (unsigned i = 0; i < 3; i++)
        if (middle >> i & 1) {
            plan_edge(plan, from, 0, names[i], 0);
            from = names[i];
        }
    plan_edge(plan, from, 0, "check", 0);
    return plan;
}

static void
lines_change(const hde_operator *source, const hde_operator *sink, bool boundary, int workers)
{
    enum { CHANGES = 24 };
    struct rig rig = {0};

    rig_start(&rig, line(&rig, source, sink, 1, boundary),
              &(struct engine_options){.workers = workers});
    for (unsigned i = 0; i < CHANGES; i++) {
        flow_on(&rig);
        assert_string_equal(apply(&rig, line(&rig, source, sink, (i + 2) % 8, boundary)), "");
    }
    assert_whole(&rig);
    rig_close(&rig);
}

static void
test_nodes_that_stay_lose_and_double_nothing(void **state)
{
    lines_change(&op_flow, &op_check, false, 1);
    lines_change(&op_flow, &op_check, true, 3);
    lines_change(&op_flow_blocking, &op_check_blocking, false, 2);
    lines_change(&op_flow_blocking, &op_check, true, 2);
}

static void
test_a_source_on_its_own_thread_does_not_notice(void **state)
{
    lines_change(&op_flow_timed, &op_check, true, 2);
}

static void
test_counters_go_on_over_a_change(void **state)
{
    struct rig rig = {0};
    struct node_view node;
    struct edge_view edge;

    rig_start(&rig, line(&rig, &op_flow, &op_check_blocking, 1, false), NULL);
    flow_on(&rig);
    assert_string_equal(apply(&rig, line(&rig, &op_flow, &op_check_blocking, 3, false)), "");
    assert_whole(&rig);
    assert_int_equal(stats_nodes(engine_stats(rig.engine)), 4);
    stats_node(engine_stats(rig.engine), 1, &node);
    assert_string_equal(node.name, "m0");
    assert_int_equal(node.messages, rig.total);
    stats_node(engine_stats(rig.engine), 2, &node);
    assert_string_equal(node.name, "m1");
    assert_true(node.messages < (uint64_t)rig.total);
    stats_edge(engine_stats(rig.engine), 0, &edge);
    assert_string_equal(edge.name, "feed.0 -> m0.0");
    assert_int_equal(edge.messages, rig.total);
    rig_close(&rig);
}

/* ---- State -------------------------------------------------------------------------------- */

static struct plan *
tallies(struct rig *rig, const hde_operator *op, int64_t replicas, struct tally with)
{
    struct plan *plan = rig_plan(rig);
    struct graph_node *tally;

    with.opened = &rig->opened;
    with.closed = &rig->closed;
    plan_node(plan, "feed", &op_flow, &(struct flow){.done = &rig->done, .total = &rig->total});
    tally = plan_node(plan, "tally", op, &with);
    tally->replicas = replicas;
    tally->key = replicas > 1 ? "key" : NULL;
    plan_node(plan, "counted", &op_counted,
              &(struct counted){.n = &rig->n, .bad = &rig->bad, .bonus = &rig->bonus});
    plan_edge(plan, "feed", 0, "tally", 0);
    plan_edge(plan, "tally", 0, "counted", 0);
    return plan;
}

static void
test_keyed_state_follows_replicas(void **state)
{
    static const int64_t replicas[] = {3, 2, 1, 5, 2, 4, 1};
    struct rig rig = {0};

    rig_start(&rig, tallies(&rig, &op_tally, 1, (struct tally){0}),
              &(struct engine_options){.workers = 3});
    for (size_t i = 0; i < sizeof replicas / sizeof *replicas; i++) {
        flow_on(&rig);
        assert_string_equal(
            apply(&rig, tallies(&rig, &op_tally, replicas[i], (struct tally){0})), "");
    }
    assert_whole(&rig);
    rig_close(&rig);
    assert_int_equal(rig.opened, rig.closed);
}

static void
test_what_stays_is_not_called(void **state)
{
    struct rig rig = {0};

    rig_start(&rig, tallies(&rig, &op_tally, 1, (struct tally){0}), NULL);
    flow_on(&rig);
    assert_string_equal(apply(&rig, tallies(&rig, &op_tally, 1, (struct tally){.bonus = 5})), "");
    flow_on(&rig);
    assert_int_equal(rig.opened, 1);
    assert_int_equal(rig.closed, 0);
    assert_whole(&rig);
    assert_int_equal(rig.bonus, 5);
    rig_close(&rig);
}

static void
test_a_restarted_node_keeps_its_state(void **state)
{
    static const hde_operator *const ops[] = {&op_tally, &op_tally_alone};

    for (size_t i = 0; i < 2; i++) {
        struct rig rig = {0};

        rig_start(&rig, tallies(&rig, ops[i], 1, (struct tally){0}), NULL);
        flow_on(&rig);
        assert_string_equal(apply(&rig, tallies(&rig, ops[i], 1, (struct tally){.salt = 1})), "");
        assert_int_equal(rig.opened, 2);
        assert_int_equal(rig.closed, 1);
        assert_whole(&rig);
        rig_close(&rig);
        assert_int_equal(rig.opened, rig.closed);
    }
}

static struct plan *
placed(struct rig *rig, const hde_operator *op, int64_t salt)
{
    struct plan *plan = rig_plan(rig);

    plan_node(plan, "feed", op,
              &(struct flow){.done = &rig->done, .total = &rig->total, .salt = salt});
    plan_node(plan, "check", &op_check, &(struct checked){.n = &rig->n, .bad = &rig->bad});
    plan_edge(plan, "feed", 0, "check", 0);
    return plan;
}

static void
test_a_restarted_source_goes_on_where_it_stood(void **state)
{
    static const hde_operator *const ops[] = {&op_flow_placed, &op_flow_placed_blocking,
                                              &op_flow_placed_alone};

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        struct rig rig = {0};

        rig_start(&rig, placed(&rig, ops[i], 0), NULL);
        for (int64_t salt = 1; salt <= 3; salt++) {
            flow_on(&rig);
            assert_string_equal(apply(&rig, placed(&rig, ops[i], salt)), "");
        }
        assert_whole(&rig);
        rig_close(&rig);
    }
}

/* ---- What is refused, and what fails ------------------------------------------------------ */

static void
test_what_fails_leaves_the_old_graph(void **state)
{
    static const hde_operator *const ops[] = {&op_tally, &op_tally_alone};

    for (size_t i = 0; i < 2; i++) {
        struct rig rig = {0};
        struct plan *same = tallies(&rig, ops[i], 1, (struct tally){0});

        rig_start(&rig, same, NULL);
        flow_on(&rig);
        assert_string_equal(
            apply(&rig, tallies(&rig, ops[i], 1, (struct tally){.salt = 1, .refuses_open = true})),
            "HDE-R001");
        flow_on(&rig);
        assert_string_equal(
            apply(&rig, tallies(&rig, ops[i], 1, (struct tally){.salt = 1, .refuses_load = true})),
            "HDE-R055");
        flow_on(&rig);
        assert_ptr_equal(engine_graph(rig.engine), plan_graph(same));
        assert_whole(&rig);
        rig_close(&rig);
        assert_int_equal(rig.opened, rig.closed);
    }
}

static void
test_state_is_not_lost_without_consent(void **state)
{
    struct rig rig = {0};
    struct plan *plan;

    rig_start(&rig, tallies(&rig, &op_tally_unkeyed, 1, (struct tally){0}), NULL);
    flow_on(&rig);
    plan = tallies(&rig, &op_tally_unkeyed, 2, (struct tally){0});
    assert_string_equal(apply(&rig, plan), "HDE-R052");
    assert_string_equal(
        change(&rig, (struct apply_ask){.graph = plan_graph(plan), .drops_state = true}), "");
    flow_on(&rig);
    atomic_store(&rig.done, true);
    assert_true(engine_wait(rig.engine, DEADLINE_S * 1000));
    assert_int_equal(rig.n, rig.total);
    assert_true(rig.bad > 0);
    rig_close(&rig);
}

static void
test_a_rollback_brings_the_graph_before(void **state)
{
    struct rig rig = {0};
    struct plan *plan[3];

    for (int i = 0; i < 3; i++)
        plan[i] = tallies(&rig, &op_tally, 1 + i, (struct tally){0});
    rig_start(&rig, plan[0], NULL);
    assert_string_equal(change(&rig, (struct apply_ask){0}), "HDE-R056");
    assert_string_equal(apply(&rig, plan[1]), "");
    assert_string_equal(apply(&rig, plan[2]), "");
    assert_string_equal(change(&rig, (struct apply_ask){0}), "");
    assert_ptr_equal(engine_graph(rig.engine), plan_graph(plan[1]));
    assert_string_equal(change(&rig, (struct apply_ask){0}), "");
    assert_ptr_equal(engine_graph(rig.engine), plan_graph(plan[0]));
    assert_whole(&rig);
    rig_close(&rig);
}

static void
test_settings_of_the_start_refuse(void **state)
{
    struct rig rig = {0};
    struct plan *plan = rig.plans[1] = plan_new("another");

    rig_start(&rig, tallies(&rig, &op_tally, 1, (struct tally){0}), NULL);
    rig.n_plans = 2;
    assert_string_equal(
        change(&rig, (struct apply_ask){.graph = plan_graph(plan), .drops_state = true}),
        "HDE-R051");
    assert_whole(&rig);
    rig_close(&rig);
}

/* Whoever joins the workers finds those of one graph or of the other. */
static void
test_the_end_comes_in_the_middle_of_a_change(void **state)
{
    enum { ROUNDS = 24 };

    for (int i = 0; i < ROUNDS; i++) {
        struct rig rig = {0};
        struct err err = {0};
        struct plan *next;

        rig_start(&rig, line(&rig, &op_flow, &op_check, 1, true),
                  &(struct engine_options){.workers = 2});
        flow_on(&rig);
        next = line(&rig, &op_flow, &op_check, 6, true);
        assert_true(apply_ask(rig.engine, &(struct apply_ask){.graph = plan_graph(next)}, &err) > 0);
        for (int k = 0; k < i * 200; k++)
            sched_yield();
        engine_stop(rig.engine);
        assert_true(engine_join(rig.engine, DEADLINE_S * 1000));
        rig_close(&rig);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_becomes_of_each_node),
        cmocka_unit_test(test_nodes_that_stay_lose_and_double_nothing),
        cmocka_unit_test(test_a_source_on_its_own_thread_does_not_notice),
        cmocka_unit_test(test_counters_go_on_over_a_change),
        cmocka_unit_test(test_keyed_state_follows_replicas),
        cmocka_unit_test(test_what_stays_is_not_called),
        cmocka_unit_test(test_a_restarted_node_keeps_its_state),
        cmocka_unit_test(test_a_restarted_source_goes_on_where_it_stood),
        cmocka_unit_test(test_what_fails_leaves_the_old_graph),
        cmocka_unit_test(test_state_is_not_lost_without_consent),
        cmocka_unit_test(test_a_rollback_brings_the_graph_before),
        cmocka_unit_test(test_settings_of_the_start_refuse),
        cmocka_unit_test(test_the_end_comes_in_the_middle_of_a_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
