/* SPDX-License-Identifier: Apache-2.0 */
#include "seeded.h"

#include "base/log.h"
#include "folder.h"
#include "plugin/elf.h"

#include <hde/operator.h>
#include <hde/schemas/runtime.pb-c.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char base[] = "/dev/shm/hde-seeded-XXXXXX";
char seeded_store[64], seeded_log[80], seeded_kept[80], seeded_copies[80];

/* ---- Files -------------------------------------------------------------------------------- */

static void
copy_file(const char *from, const char *to)
{
    char bytes[65536];
    int in = open(from, O_RDONLY), out;
    ssize_t n;

    if (in < 0 && errno == ENOENT)
        return; /* a draft that the reload thread has given its name meanwhile */
    out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, bytes, sizeof bytes)) > 0)
        assert_int_equal(write(out, bytes, (size_t)n), n);
    assert_int_equal(n, 0);
    close(in);
    close(out);
}

void
folder_copy(const char *from, const char *to)
{
    DIR *dir = opendir(from);
    struct dirent *entry;

    folder_remove(to);
    assert_int_equal(mkdir(to, 0755), 0);
    while (dir && (entry = readdir(dir))) {
        char a[512], b[512];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(a, sizeof a, "%s/%s", from, entry->d_name);
        snprintf(b, sizeof b, "%s/%s", to, entry->d_name);
        if (entry->d_type == DT_DIR)
            folder_copy(a, b);
        else
            copy_file(a, b);
    }
    if (dir)
        closedir(dir);
}

/* ---- The two builds of the operators that fold --------------------------------------------- */

static struct {
    const hde_plugin_table *table;
    struct elf_plugin elf;
} folds;

const char *
seeded_build(int version)
{
    static char path[1024];

    snprintf(path, sizeof path, "%s/tests/folded/%d/folded.so", HDE_BINARY_DIR, version);
    return path;
}

static int
load_folds(void)
{
    struct err err = {0};
    void *library = dlopen(seeded_build(1), RTLD_NOW | RTLD_LOCAL);

    folds.table = library ? dlsym(library, "hde_plugin") : NULL;
    return folds.table && elf_inspect(seeded_build(1), &folds.elf, &err) ? 0 : -1;
}

int
seeded_begin(void **state)
{
    log_set_level(LEVEL_ERROR);
    if (!mkdtemp(base)) { /* no /dev/shm */
        snprintf(base, sizeof base, "/tmp/hde-seeded-XXXXXX");
        if (!mkdtemp(base))
            return -1;
    }
    snprintf(seeded_store, sizeof seeded_store, "%s/store", base);
    snprintf(seeded_log, sizeof seeded_log, "%s/log", seeded_store);
    snprintf(seeded_kept, sizeof seeded_kept, "%s/kept", seeded_store);
    snprintf(seeded_copies, sizeof seeded_copies, "%s/copies", base);
    return load_folds();
}

int
seeded_end(void **state)
{
    folder_remove(base);
    return 0;
}

void
seeded_clear(void)
{
    folder_remove(seeded_store);
    assert_int_equal(mkdir(seeded_store, 0755), 0);
}

/* ---- Operators ---------------------------------------------------------------------------- */

static const hde_port in2[] = {
    {.name = "a", .types = HDE_TYPES(&hde__sample__descriptor)},
    {.name = "b", .types = HDE_TYPES(&hde__sample__descriptor), .flags = HDE_PORT_OPTIONAL},
    {0}};
static const hde_port out1[] = {{.name = "out", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};

static hde_status
feed_poll(hde_ctx *ctx, void *state)
{
    struct feed *self = state;

    if (self->at >= self->count)
        return HDE_END;
    if (self->silent_every && ++self->polls % self->silent_every == 0)
        return HDE_OK;
    for (int64_t i = 0; i < self->per_poll && self->at < self->count; i++) {
        hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
        Hde__Sample *sample = (Hde__Sample *)msg->body;

        msg->event_ns = self->at;
        sample->has_sequence = sample->has_value = true;
        sample->sequence = (uint64_t)(self->first + self->at++);
        sample->value = (double)sample->sequence;
        hde_emit(ctx, 0, msg);
    }
    hde_position(ctx, 0, &self->at, sizeof self->at);
    return HDE_OK;
}

static hde_status
feed_seek(hde_ctx *ctx, void *state, uint32_t partition, const void *bytes, size_t size)
{
    struct feed *self = state;

    if (partition || size != sizeof self->at)
        return HDE_FAIL;
    memcpy(&self->at, bytes, size);
    return HDE_OK;
}

#define FEED(op_name, op_flags)                                                                    \
    {                                                                                              \
        .size = sizeof(hde_operator), .flags = op_flags, .name = op_name, .outputs = out1,         \
        .state_size = sizeof(struct feed), .poll = feed_poll, .seek = feed_seek                    \
    }
static const hde_operator op_feed = FEED("test/feed", 0);
static const hde_operator op_feed_blocking = FEED("test/feed_blocking", HDE_BLOCKING);

struct vault {
    struct store *store;
    hde_text waiting;
    int64_t busy_every, calls; /* HDE_RETRY, so often */
};

static hde_status
vault_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct vault *self = state;

    if (self->busy_every && ++self->calls % self->busy_every == 0)
        return HDE_RETRY;
    for (; batch->done < batch->n; batch->done++) {
        const Hde__Sample *sample = (const Hde__Sample *)batch->msg[batch->done]->body;

        hde_text_printf(&self->waiting, "%llu %u %lld %.0f\n", (unsigned long long)batch->tick,
                        batch->port, sample->has_sequence ? (long long)sample->sequence : -1LL,
                        sample->value);
    }
    return HDE_OK;
}

static hde_status
vault_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct vault *self = state;

    if (!self->waiting.len)
        return HDE_OK;
    hde_text_put(&self->store->lines, self->waiting.data, self->waiting.len);
    self->store->mark = tick;
    hde_text_clear(&self->waiting);
    return HDE_OK;
}

static hde_status
vault_mark(hde_ctx *ctx, void *state, uint64_t *tick)
{
    *tick = ((struct vault *)state)->store->mark;
    return HDE_OK;
}

static void
vault_close(hde_ctx *ctx, void *state)
{
    hde_text_free(&((struct vault *)state)->waiting); /* what was not committed is lost */
}

static hde_status
pass_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    for (; batch->done < batch->n; batch->done++)
        hde_emit(ctx, 0, hde_take(batch, batch->done));
    return HDE_OK;
}

static const hde_operator op_pass = {.size = sizeof(hde_operator),
                                     .name = "test/pass",
                                     .inputs = in2,
                                     .outputs = out1,
                                     .batch = pass_batch};

/* Nobody answers twice the same; every fifth time nobody is there at first. */
static hde_status
asks_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    static uint64_t world;

    for (; batch->done < batch->n; batch->done++) {
        hde_msg *msg;

        if (++world % 5 == 0)
            return HDE_RETRY;
        msg = hde_msg_writable(ctx, hde_take(batch, batch->done));
        ((Hde__Sample *)msg->body)->value = (double)(world % 1000003);
        hde_emit(ctx, 0, msg);
    }
    return HDE_OK;
}

static const hde_operator op_asks = {.size = sizeof(hde_operator),
                                     .flags = HDE_IMPURE,
                                     .name = "test/asks",
                                     .inputs = in2,
                                     .outputs = out1,
                                     .batch = asks_batch};

/* Answers in event() or timer(), in any order: one a call. It never waits for room: what answers
 * comes behind the tick that asks. */
enum { OPEN_MAX = 1024 };
struct later {
    uint32_t n;
    struct {
        uint64_t question;
        hde_msg *msg;
    } item[OPEN_MAX];
};

static hde_status
later_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    static uint64_t world;
    struct later *self = state;

    for (; batch->done < batch->n; batch->done++) {
        uint64_t question = hde_question(ctx, batch, batch->done);

        if (++world % 7 == 0)
            return HDE_RETRY;
        assert_true(question && self->n < OPEN_MAX);
        self->item[self->n].question = question;
        self->item[self->n++].msg = hde_take(batch, batch->done);
        if (world % 3 == 0)
            hde_timer_after(ctx, (uint32_t)question, (int64_t)(world % 5) * 1000);
        else
            hde_post(ctx, (uint32_t)world, NULL);
    }
    return HDE_OK;
}

static void
later_answer(hde_ctx *ctx, struct later *self, uint32_t i)
{
    if (!self->n)
        return;
    i %= self->n;
    hde_emit(ctx, 0, self->item[i].msg);
    assert_true(hde_answer(ctx, self->item[i].question));
    assert_false(hde_answer(ctx, self->item[i].question));
    self->item[i] = self->item[--self->n];
}

static hde_status
later_event(hde_ctx *ctx, void *state, const hde_event *event)
{
    later_answer(ctx, state, event->tag);
    return HDE_OK;
}

static hde_status
later_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    later_answer(ctx, state, id);
    return HDE_OK;
}

static void
later_close(hde_ctx *ctx, void *state)
{
    struct later *self = state;

    while (self->n)
        hde_msg_drop(self->item[--self->n].msg);
}

static const hde_operator op_later = {.size = sizeof(hde_operator),
                                      .flags =
                                          HDE_IMPURE | HDE_ANSWERS_LATER | HDE_PROCESSING_TIMERS,
                                      .name = "test/later",
                                      .inputs = in2,
                                      .outputs = out1,
                                      .state_size = sizeof(struct later),
                                      .batch = later_batch,
                                      .event = later_event,
                                      .timer = later_timer,
                                      .close = later_close};

#define VAULT(op_name, op_flags)                                                                   \
    {                                                                                              \
        .size = sizeof(hde_operator), .flags = op_flags, .name = op_name, .inputs = in2,           \
        .state_size = sizeof(struct vault), .batch = vault_batch, .flush = vault_flush,            \
        .mark = vault_mark, .close = vault_close                                                   \
    }
static const hde_operator op_vault = VAULT("test/vault", 0);
static const hde_operator op_vault_blocking = VAULT("test/vault_blocking", HDE_BLOCKING);

/* ---- A graph from a seed ------------------------------------------------------------------ */

static uint64_t
below(struct steps *random, uint64_t n)
{
    return steps_random(random, n);
}

void
spec_make(struct spec *spec, struct steps *random)
{
    memset(spec, 0, sizeof *spec);
    spec->n_sources = 1 + (uint32_t)below(random, SOURCES);
    spec->n_folds = 1 + (uint32_t)below(random, FOLDS);
    spec->n_sinks = 1 + (uint32_t)below(random, ANSWERS);
    spec->workers = 1 + (int64_t)below(random, 3);
    spec->every_ns = 10000 + (int64_t)below(random, 300000);
    for (uint32_t i = 0; i < spec->n_sources; i++) {
        spec->feed[i] = (struct feed){.count = 1 + (int64_t)below(random, 40),
                                      .per_poll = 1 + (int64_t)below(random, 3),
                                      .first = 1000 * i,
                                      .silent_every = below(random, 3) ? 0 : 3};
        spec->feed_blocks[i] = below(random, 3) == 0;
    }
    for (uint32_t i = 0; i < spec->n_folds; i++) {
        uint32_t before = spec->n_sources + i;

        spec->fold[i].boundary = below(random, 2);
        spec->fold[i].n_inputs = 1 + (below(random, 2) != 0);
        spec->fold[i].blocks = spec->fold[i].n_inputs == 1 && below(random, 4) == 0;
        spec->fold[i].fold.more = below(random, 3) ? 0 : (int64_t)below(random, 3);
        spec->fold[i].fold.drop_every = below(random, 3) ? 0 : 2;
        for (int p = 0; p < 2; p++)
            spec->fold[i].from[p] = (uint32_t)below(random, before);
    }
    for (uint32_t i = 0; i < spec->n_sinks; i++) {
        spec->sink[i].boundary = below(random, 2);
        spec->sink[i].blocks = below(random, 2);
        spec->sink[i].busy_every = below(random, 2) ? 0 : 3 + (int64_t)below(random, 5);
        spec->sink[i].n_inputs = 1 + (below(random, 2) != 0);
        for (int p = 0; p < 2; p++)
            spec->sink[i].from[p] = (uint32_t)below(random, spec->n_sources + spec->n_folds);
    }
    for (int i = 0; i < 32; i++)
        spec->capacity[i] = 1 + (int64_t)below(random, 4);
    spec->drops = below(random, 2) ? DROPS_NONE : 1 + (int)below(random, 2);
    spec->is_cut = below(random, 2);
    spec->asks = below(random, 2) ? (below(random, 2) ? ASKS_LATER : ASKS) : ASKS_NOT;
    spec->asks_apart = below(random, 2);
}

static const char *
name_of(const struct spec *spec, uint32_t node)
{
    static char names[4][16];
    static int at;
    char *name = names[at++ % 4];

    if (node < spec->n_sources)
        snprintf(name, sizeof names[0], "s%u", node);
    else
        snprintf(name, sizeof names[0], "f%u", node - spec->n_sources);
    return name;
}

static void
name_build(const struct spec *spec, struct graph_node *node)
{
    if (!spec->reloads)
        return;
    node->plugin_path = seeded_build(1);
    node->build_id = folds.elf.build_id;
}

/* A source, an edge that drops, an operator with timers, a sink. */
static void
plan_drops(const struct spec *spec, struct plan *plan, struct store *store)
{
    struct graph_node *late;

    plan_node(plan, "newest", &op_pass, NULL)->boundary = spec->is_cut;
    late = plan_node(plan, "late", folds.table->operators[0], &(struct fold){0});
    late->boundary = true;
    name_build(spec, late);
    plan_node(plan, "seen", &op_vault, &(struct vault){.store = store});
    plan_edge(plan, name_of(spec, 0), 0, "newest", 0);
    plan_edge(plan, "newest", 0, "late", 0)->full =
        spec->drops == DROPS_LATEST ? FULL_LATEST : FULL_DROP_OLDEST;
    plan_edge(plan, "late", 0, "seen", 0);
}

/* A source, an operator that asks outside, one with timers, a sink. */
static void
plan_asks(const struct spec *spec, struct plan *plan, struct store *store)
{
    plan_node(plan, "asks", spec->asks == ASKS ? &op_asks : &op_later, NULL)->boundary =
        spec->asks_apart;
    name_build(spec, plan_node(plan, "after", folds.table->operators[0], &(struct fold){0}));
    plan_node(plan, "answers", &op_vault, &(struct vault){.store = store});
    plan_edge(plan, name_of(spec, 0), 0, "asks", 0);
    plan_edge(plan, "asks", 0, "after", 0);
    plan_edge(plan, "after", 0, "answers", 0);
}

struct plan *
spec_plan(const struct spec *spec, struct store *store)
{
    struct plan *plan = plan_new("seeded");
    struct graph *graph;
    char name[16];
    int edges = 0;

    for (uint32_t i = 0; i < spec->n_sources; i++)
        plan_node(plan, name_of(spec, i), spec->feed_blocks[i] ? &op_feed_blocking : &op_feed,
                  &spec->feed[i]);
    for (uint32_t i = 0; i < spec->n_folds; i++) {
        int op = spec->fold[i].n_inputs == 2 ? 1 : spec->fold[i].blocks ? 2 : 0;
        struct graph_node *node = plan_node(plan, name_of(spec, spec->n_sources + i),
                                            folds.table->operators[op], &spec->fold[i].fold);

        node->boundary = spec->fold[i].boundary;
        name_build(spec, node);
    }
    for (uint32_t i = 0; i < spec->n_sinks; i++) {
        struct vault vault = {.store = &store[i], .busy_every = spec->sink[i].busy_every};

        snprintf(name, sizeof name, "k%u", i);
        plan_node(plan, name, spec->sink[i].blocks ? &op_vault_blocking : &op_vault, &vault)
            ->boundary = spec->sink[i].boundary;
    }
    plan_node(plan, "witness", &op_vault, &(struct vault){.store = &store[SINKS - 1]});
    for (uint32_t i = 0; i < spec->n_folds; i++)
        for (uint32_t p = 0; p < spec->fold[i].n_inputs; p++)
            plan_edge(plan, name_of(spec, spec->fold[i].from[p]), 0,
                      name_of(spec, spec->n_sources + i), p);
    for (uint32_t i = 0; i < spec->n_sinks; i++)
        for (uint32_t p = 0; p < spec->sink[i].n_inputs; p++) {
            snprintf(name, sizeof name, "k%u", i);
            plan_edge(plan, name_of(spec, spec->sink[i].from[p]), 0, name, p);
        }
    for (uint32_t i = 0; i < spec->n_sources; i++)
        plan_edge(plan, name_of(spec, i), 0, "witness", 0);
    if (spec->asks)
        plan_asks(spec, plan, &store[ANSWERS]);
    if (spec->drops)
        plan_drops(spec, plan, &store[SEEN]);
    graph = plan_graph(plan);
    for (size_t i = 0; i < graph->n_edges; i++)
        graph->edges[i].capacity_messages = spec->capacity[edges++ % 32];
    graph->workers = spec->workers;
    graph->checkpoint = (struct checkpoint_policy){seeded_store, spec->every_ns, 50000000, 2};
    return plan;
}

/* ---- Runs --------------------------------------------------------------------------------- */

struct engine *
seeded_start(struct plan *plan, const struct engine_options *options)
{
    struct err err = {0};
    struct engine *engine = engine_new(plan_graph(plan), options, &err);

    assert_string_equal(err.text, "");
    assert_non_null(engine);
    assert_true(engine_start(engine, &err));
    return engine;
}

struct engine *
seeded_start_kept(struct plan *plan, const struct spec *spec, struct steps *steps)
{
    struct engine_options options = {.record = seeded_log,
                                     .checkpoint = true,
                                     .workers = spec->workers,
                                     .plugin_folder = seeded_copies,
                                     .steps = steps};

    return seeded_start(plan, &options);
}

void
stores_free(struct store *store)
{
    for (int i = 0; i < SINKS; i++)
        hde_text_free(&store[i].lines);
}

void
assert_witness(const struct spec *spec, const struct store *store)
{
    int64_t next[SOURCES] = {0};

    for (const char *line = store->lines.data; line && *line; line = strchr(line, '\n') + 1) {
        unsigned long long tick;
        unsigned port;
        long long sequence;

        assert_int_equal(sscanf(line, "%llu %u %lld", &tick, &port, &sequence), 3);
        assert_int_equal(sequence % 1000, next[sequence / 1000]++);
    }
    for (uint32_t i = 0; i < spec->n_sources; i++)
        assert_int_equal(next[i], spec->feed[i].count);
}

void
assert_answers(const struct spec *spec, const struct store *store)
{
    int64_t n = 0;
    bool was[64] = {false};

    assert_true(spec->feed[0].count <= 64);
    for (const char *line = store->lines.data; line && *line; line = strchr(line, '\n') + 1) {
        unsigned long long tick;
        unsigned port;
        long long sequence;

        assert_int_equal(sscanf(line, "%llu %u %lld", &tick, &port, &sequence), 3);
        if (sequence < 0)
            continue; /* of a timer */
        assert_true(sequence < spec->feed[0].count);
        assert_false(was[sequence]);
        was[sequence] = true;
        if (spec->asks == ASKS)
            assert_int_equal(sequence, n);
        n++;
    }
    assert_int_equal(n, spec->asks ? spec->feed[0].count : 0);
}

void
assert_seen(const struct spec *spec, const struct store *store)
{
    int64_t last = -1;

    for (const char *line = store->lines.data; line && *line; line = strchr(line, '\n') + 1) {
        unsigned long long tick;
        unsigned port;
        long long sequence;

        assert_int_equal(sscanf(line, "%llu %u %lld", &tick, &port, &sequence), 3);
        if (sequence < 0)
            continue; /* of a timer */
        assert_true(sequence > last);
        last = sequence;
    }
    assert_int_equal(last, spec->drops ? spec->feed[0].count - 1 : -1);
}

void
assert_replays(const struct spec *spec, const struct store *store)
{
    struct store again[SINKS] = {{{0}}};
    struct plan *plan = spec_plan(spec, again);
    struct steps *steps = steps_new(1);
    struct engine *engine = seeded_start(
        plan, &(struct engine_options){
                  .log = seeded_log, .workers = 1, .plugin_folder = seeded_copies, .steps = steps});

    assert_int_equal(steps_run(steps, STEPS_MAX), STEPS_OVER);
    assert_int_equal(engine_state(engine), ENGINE_ENDED);
    engine_free(engine);
    plan_free(plan);
    steps_free(steps);
    for (int i = 0; i < SINKS; i++) {
        assert_int_equal(store[i].lines.len, again[i].lines.len);
        if (store[i].lines.len)
            assert_string_equal(store[i].lines.data, again[i].lines.data);
    }
    stores_free(again);
}
