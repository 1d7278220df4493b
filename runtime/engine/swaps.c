/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/swaps.h"

#include "base/log.h"
#include "engine/epoch.h"
#include "engine/ingress.h"
#include "engine/last_words.h"
#include "engine/owner.h"
#include "engine/reload.h"

#include <stdio.h>
#include <stdlib.h>

static const int64_t look_ns = 20 * NS_PER_MS;
static const int64_t least_young_ns = 60LL * NS_PER_S;

struct returned { /* what the log says */
    uint64_t swap;
    const struct node *node;
    struct swap_place place;
};

struct young { /* a swap that a crash takes back */
    uint64_t tick;
    int64_t since_ns, until_ns; /* wall clock */
    const char *build; /* of the log, reading it */
    bool has_returned;
};

struct swaps {
    struct engine *engine;
    struct arena arena;
    const char **first; /* by node of the graph: the build to begin with; NULL: the graph's */
    struct stage **stages;
    uint32_t n_stages;
    uint32_t n_returned;
    struct returned *returned;

    _Atomic bool is_passing;
    struct swap_cut *cut; /* under way: of interest to actors whose swap_tick says so */

    _Atomic bool has_news;
    pthread_mutex_t lock; /* all below, and is_done of a cut */
    pthread_cond_t changed;
    uint32_t n_young, cap_young;
    struct young *young;
    bool is_stopped; /* no worker runs any more */
    struct swap_cut *asked;
    struct decision *decisions, *queue, **tail;
};

/* ---- Builds to begin with ----------------------------------------------------------------- */

static size_t
graph_node(const struct engine *engine, const char *name)
{
    size_t i = 0;

    while (i < engine->graph->n_nodes && strcmp(engine->graph->nodes[i].name, name) != 0)
        i++;
    return i;
}

static bool
is_in_order(const struct node *node)
{
    return !node->source && epochs_reach(node->actor);
}

static struct node *
node_at(const struct engine *engine, size_t graph_node, uint32_t replica)
{
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (engine->nodes[i]->graph_node == graph_node && engine->nodes[i]->replica == replica)
            return engine->nodes[i];
    return NULL;
}

static void
note_first(struct swaps *self, const char *node, const char *build_id)
{
    size_t i = node ? graph_node(self->engine, node) : self->engine->graph->n_nodes;

    if (i < self->engine->graph->n_nodes && build_id && *build_id)
        self->first[i] = arena_text(&self->arena, build_id);
}

static void
note_start(struct swaps *self, const Hde__LogStart *start)
{
    for (size_t i = 0; i < start->n_nodes && !start->recovered; i++)
        note_first(self, start->nodes[i]->name, start->nodes[i]->build_id);
}

static void
note_swap(struct swaps *self, const Hde__LogEntry *entry)
{
    const Hde__LogSwap *swap = entry->swap;

    if (builds_is_void(self->engine->builds, entry->tick))
        return;
    for (size_t i = 0; i < swap->n_nodes; i++) {
        const struct node *node =
            node_at(self->engine, graph_node(self->engine, swap->nodes[i]), 0);

        if (node && !is_in_order(node))
            note_first(self, swap->nodes[i], swap->build_id);
    }
}

static void
note_return(struct swaps *self, const Hde__LogEntry *entry)
{
    const Hde__LogReturn *back = entry->back;
    struct returned *returned;

    self->returned = xrealloc(self->returned, (self->n_returned + 1) * sizeof *self->returned);
    returned = &self->returned[self->n_returned++];
    *returned = (struct returned){
        .swap = back->swap,
        .node = entry->node ? node_at(self->engine, graph_node(self->engine, entry->node),
                                      entry->replica)
                            : NULL,
        .place = {back->tick, (enum swap_step)back->place, back->port, back->done, back->timer,
                  back->at_ns}};
}

static void
note_entry(void *arg, const Hde__LogEntry *entry)
{
    struct swaps *self = arg;

    if (entry->start)
        note_start(self, entry->start);
    else if (entry->swap)
        note_swap(self, entry);
    else if (entry->back)
        note_return(self, entry);
}

static bool
read_log(struct swaps *self, struct err *err)
{
    static const Hde__LogKind kinds[] = {HDE__LOG_KIND__LOG_KIND_START,
                                         HDE__LOG_KIND__LOG_KIND_SWAP,
                                         HDE__LOG_KIND__LOG_KIND_RETURN};
    const struct engine *engine = self->engine;
    const Hde__Epoch *epoch = ingress_behind(engine->ingress);

    if (engine->options.own_builds)
        return true;
    for (size_t i = 0; epoch && i < epoch->n_nodes; i++)
        note_first(self, epoch->nodes[i]->name, epoch->nodes[i]->build_id);
    if (!engine->is_taking && !engine->epochs)
        return true; /* a run of its own */
    return ingress_scan(engine, kinds, sizeof kinds / sizeof *kinds, note_entry, self, err);
}

/* ---- Young swaps -------------------------------------------------------------------------- */

int64_t
swaps_young_until(int64_t time_ns, int64_t probation_ns)
{
    return time_ns + (probation_ns > least_young_ns ? probation_ns : least_young_ns);
}

uint64_t
swaps_young(struct swaps *self)
{
    int64_t now_ns = clock_real_ns();
    uint64_t tick = UINT64_MAX;

    pthread_mutex_lock(&self->lock);
    for (uint32_t i = 0; i < self->n_young;) {
        if (self->young[i].until_ns < now_ns) {
            self->young[i] = self->young[--self->n_young];
            continue;
        }
        if (self->young[i].tick < tick)
            tick = self->young[i].tick;
        i++;
    }
    pthread_mutex_unlock(&self->lock);
    return tick;
}

/* With the lock held, or before there are threads. */
static void
add_young(struct swaps *self, struct young young)
{
    if (self->n_young == self->cap_young) {
        self->cap_young = self->cap_young ? 2 * self->cap_young : 8;
        self->young = xrealloc(self->young, self->cap_young * sizeof *self->young);
    }
    self->young[self->n_young++] = young;
}

static void
note_young(void *arg, const Hde__LogEntry *entry)
{
    struct swaps *self = arg;

    if (entry->swap && entry->swap->build_id &&
        !builds_is_void(self->engine->builds, entry->tick))
        add_young(self, (struct young){.tick = entry->tick,
                                       .since_ns = entry->time_ns,
                                       .until_ns = swaps_young_until(entry->time_ns,
                                                                     entry->swap->probation_ns),
                                       .build = arena_text(&self->arena, entry->swap->build_id)});
    for (uint32_t i = 0; entry->back && i < self->n_young; i++)
        self->young[i].has_returned |= self->young[i].tick == entry->back->swap;
}

/* ---- After a crash ------------------------------------------------------------------------ */

/* The newest swap that was young when it crashed and may be the reason. */
static const struct young *
suspect(const struct swaps *self, const struct crash_note *note)
{
    const struct young *found = NULL;

    for (uint32_t i = 0; i < self->n_young; i++) {
        const struct young *young = &self->young[i];

        if (!young->has_returned && note->time_ns >= young->since_ns &&
            note->time_ns <= young->until_ns && (!found || young->tick > found->tick) &&
            (!strcmp(note->build, "-") || !strcmp(note->build, young->build)))
            found = young;
    }
    return found;
}

static bool
take_back(struct swaps *self, const struct young *young, const struct crash_note *note,
          struct err *err)
{
    struct engine *engine = self->engine;
    /* up to the crash, which may have come in a later start than the swap */
    uint64_t first = owner_first_tick(engine->owner);
    uint64_t until = (first ? first : (HDE_TICK_INCARNATION(young->tick) + 1) << 40) - 1;
    char why[256];

    snprintf(why, sizeof why, "%s in node '%s' at tick %llu, while its swap was young",
             note->signal, note->node, (unsigned long long)note->tick);
    if (!builds_void(engine->builds, young->tick, until, young->build, why, err))
        return false;
    log_line(LEVEL_ERROR, engine->graph->name, NULL, "reload.void",
             "the build before %.12s comes back, and %.12s is blocked: %s", young->build,
             young->build, why);
    return true;
}

/* The crash was quicker than the log: its swap is in no entry, so there is nothing to take back. */
static bool
is_unheard_of(const struct swaps *self, const struct crash_note *note)
{
    const Hde__Epoch *epoch = epochs_last(self->engine->epochs);

    if (!strcmp(note->build, "-") || !epoch)
        return false;
    for (size_t i = 0; i < epoch->n_nodes; i++)
        if (!strcmp(epoch->nodes[i]->build_id, note->build))
            return false;
    for (uint32_t i = 0; i < self->n_young; i++)
        if (!strcmp(self->young[i].build, note->build))
            return false;
    return true;
}

static bool
block_it(struct swaps *self, const struct crash_note *note, struct err *err)
{
    char why[256];

    snprintf(why, sizeof why, "%s in node '%s' at tick %llu, when it was swapped in", note->signal,
             note->node, (unsigned long long)note->tick);
    if (!builds_block(self->engine->builds, note->build, why, err))
        return false;
    log_line(LEVEL_ERROR, self->engine->graph->name, NULL, "reload.blocked", "%.12s is blocked: %s",
             note->build, why);
    return true;
}

/* A start on this store ended with a crash. */
static bool
judge_crash(struct swaps *self, struct err *err)
{
    struct engine *engine = self->engine;
    const char *store = engine->graph->checkpoint.store;
    const struct young *young;
    struct crash_note note;

    if (!crash_note_read(store, &note))
        return true;
    young = suspect(self, &note);
    if (young && !epochs_has_before(engine->epochs, young->tick) &&
        epochs_last(engine->epochs)) {
        log_line(LEVEL_ERROR, engine->graph->name, NULL, "reload.not-void",
                 "build %.12s crashed, and there is no epoch from before its swap", young->build);
        young = NULL;
    }
    if (young && !take_back(self, young, &note, err))
        return false;
    if (is_unheard_of(self, &note) && !block_it(self, &note, err))
        return false;
    crash_note_remove(store);
    return true;
}

static void
forget(void *arg, uint64_t swap, uint64_t until)
{
    epochs_forget(arg, swap, until);
}

static bool
look_back(struct swaps *self, struct err *err)
{
    static const Hde__LogKind kinds[] = {HDE__LOG_KIND__LOG_KIND_SWAP,
                                         HDE__LOG_KIND__LOG_KIND_RETURN};
    struct engine *engine = self->engine;
    Hde__Epoch *oldest;
    bool ok;

    if (engine->is_taking || !engine->epochs)
        return true;
    oldest = epochs_oldest(engine->epochs);
    ok = ingress_look_back(engine, oldest, kinds, sizeof kinds / sizeof *kinds, note_young, self,
                           err) &&
         judge_crash(self, err);
    if (oldest)
        hde__epoch__free_unpacked(oldest, NULL);
    last_words_note(engine, engine->graph->checkpoint.store);
    if (ok)
        builds_each_void(engine->builds, forget, engine->epochs);
    return ok;
}

/* ---- Opening ------------------------------------------------------------------------------ */

/* One stage a build, for all nodes that begin with it. */
static struct stage *
stage_of(struct swaps *self, const char *id, struct err *err)
{
    const struct engine *engine = self->engine;
    struct build build;
    struct stage *stage;

    for (uint32_t i = 0; i < self->n_stages; i++)
        if (strcmp(self->stages[i]->build_id, id) == 0)
            return self->stages[i];
    if (!engine->options.plugin_folder)
        return err_set(err, "HDE-R040", "build %.12s is needed, and there is no folder for plugins",
                       id),
               NULL;
    if (!builds_find(engine->builds, id, &self->arena, &build, err))
        return NULL;
    stage = stage_again(build.path, build.origin, engine->options.plugin_folder, err);
    if (!stage || !stage_load(stage, err)) {
        stage_leave(stage);
        return NULL;
    }
    self->stages = xrealloc(self->stages, (self->n_stages + 1) * sizeof(struct stage *));
    return self->stages[self->n_stages++] = stage;
}

static bool
begin_with(struct swaps *self, struct node *node, const char *id, struct err *err)
{
    struct stage *stage = stage_of(self, id, err);
    const hde_operator *op = stage ? swap_operator(stage, node, err) : NULL;
    struct instance *instance;

    if (op && swap_fits(node, op, stage->file, err) &&
        (instance = instance_new(node, op, stage, err))) {
        swap_begin(node, instance);
        return true;
    }
    if (stage && !stage->users) {
        stage_leave(stage);
        self->n_stages--; /* it was the last one */
    }
    return err_wrap(err, "node '%s' ran build %.12s, and its file is another one now",
                    node->def->name, id);
}

static bool
begin_all(struct swaps *self, struct err *err)
{
    const struct engine *engine = self->engine;

    for (uint32_t i = 0; i < engine->n_nodes; i++) {
        struct node *node = engine->nodes[i];
        const char *id = self->first[node->graph_node];
        bool is_left_out = engine->is_taking && !is_in_order(node);

        if (id && node->def->build_id && *node->def->build_id && !is_left_out &&
            strcmp(id, node->def->build_id) != 0 && !begin_with(self, node, id, err))
            return false;
    }
    return true;
}

static bool
is_in_no_epoch(void *arg, const char *id)
{
    return false;
}

bool
swaps_open(struct engine *engine, struct err *err)
{
    struct swaps *self;
    uint64_t last;

    if (!engine->ingress)
        return true;
    self = engine->swaps = xcalloc(1, sizeof *self);
    self->engine = engine;
    self->tail = &self->queue;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->first = arena_alloc(&self->arena, (engine->graph->n_nodes + 1) * sizeof *self->first);
    last = engine->is_taking ? 0 : ingress_last(engine->ingress);
    engine->builds = builds_open(
        engine->is_taking ? engine->options.log : engine->options.record, last, err);
    if (engine->builds && engine->options.record && !engine->epochs) /* else with every epoch */
        builds_retire(engine->builds, ingress_first(engine->ingress), is_in_no_epoch, NULL);
    return engine->builds && look_back(self, err);
}

bool
swaps_begin(struct engine *engine, struct err *err)
{
    return !engine->swaps || (read_log(engine->swaps, err) && begin_all(engine->swaps, err));
}

void
swaps_close(struct swaps *self)
{
    if (!self)
        return;
    last_words_note(self->engine, NULL);
    while (self->decisions) {
        struct decision *decision = self->decisions;

        self->decisions = decision->next;
        free(decision);
    }
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self->young);
    free(self->stages);
    free(self->returned);
    arena_fini(&self->arena);
    free(self);
}

/* ---- What a start names ------------------------------------------------------------------- */

static bool
keep_own(struct engine *engine, const struct graph_node *def, struct err *err)
{
    struct elf_plugin elf;

    if (!elf_inspect(def->plugin_path, &elf, err))
        return false;
    if (strcmp(elf.build_id, def->build_id) != 0)
        return err_set(err, "HDE-R042", "%s changed while the graph was loaded: start again",
                       def->plugin_path);
    return builds_keep(engine->builds, def->plugin_path, def->plugin_path, true, def->build_id,
                       err);
}

bool
swaps_keep(struct engine *engine, struct err *err)
{
    for (uint32_t i = 0; i < engine->n_nodes; i++) {
        const struct node *node = engine->nodes[i];
        const struct graph_node *def = node->def;

        if (!node->instance && node->replica == 0 && def->plugin_path && def->build_id &&
            *def->build_id && !keep_own(engine, def, err))
            return false;
    }
    return true;
}

void
swaps_started(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        builds_named(engine->builds, node_build(engine->nodes[i]),
                     ingress_start_position(engine->ingress));
}

/* The plugin path gives another build than the node runs, which came from there as well. */
static bool
is_news(const struct engine *engine, const struct node *node)
{
    const char *id = node->def->build_id;

    return node->replica == 0 && id && *id && strcmp(id, node_build(node)) != 0 &&
           builds_is_own(engine->builds, node_build(node));
}

void
swaps_renew(struct engine *engine)
{
    struct err err = {0};

    for (uint32_t i = 0; i < engine->n_nodes; i++) {
        const struct graph_node *def = engine->nodes[i]->def;

        if (is_news(engine, engine->nodes[i]) &&
            !reload_ask(engine,
                        &(struct reload_ask){.target = def->name,
                                             .file = def->plugin_path,
                                             .probation_ns = RELOAD_PROBATION_NS},
                        &err))
            log_line(LEVEL_WARN, engine->graph->name, def->name, "reload.refused",
                     "%s is another build now: %s: %s", def->plugin_path, err.code, err.text);
    }
}

/* ---- Cuts --------------------------------------------------------------------------------- */

static void
finish(struct swaps *self, struct swap_cut *cut)
{
    void (*done)(void *arg) = cut->done;
    void *arg = cut->arg;

    pthread_mutex_lock(&self->lock);
    cut->is_done = true; /* whoever waits may free it now */
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    if (done)
        done(arg);
    atomic_store(&self->is_passing, false);
    full_fence(); /* pairs with that of a sequencing worker that wants to give the next one */
    worker_wake_if_parked(self->engine->first);
}

static void
wait_a_while(struct swaps *self)
{
    int64_t at_ns = clock_real_ns() + look_ns;
    struct timespec at = {at_ns / NS_PER_S, at_ns % NS_PER_S};

    pthread_cond_timedwait(&self->changed, &self->lock, &at);
}

/* Once it is claimed a cut belongs to the workers until it is done, or they are gone. */
static bool
is_left(const struct swaps *self, const struct swap_cut *cut, int64_t end_ns)
{
    enum engine_state state = engine_state(self->engine);

    if (cut->is_claimed)
        return self->is_stopped;
    return state == ENGINE_ENDED || state == ENGINE_FAILED || clock_mono_ns() >= end_ns;
}

void
swaps_stop(struct swaps *self)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->is_stopped = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

bool
swaps_run(struct engine *engine, struct swap_cut *cut, int64_t timeout_ns, struct err *err)
{
    struct swaps *self = engine->swaps;
    int64_t end_ns = clock_mono_ns() + timeout_ns;
    bool is_done;

    pthread_mutex_lock(&self->lock);
    self->asked = cut;
    atomic_store(&self->has_news, true);
    full_fence();
    worker_wake_if_parked(engine->first);
    while (!cut->is_done && !is_left(self, cut, end_ns))
        wait_a_while(self);
    self->asked = NULL;
    is_done = cut->is_done;
    pthread_mutex_unlock(&self->lock);
    return is_done || err_set(err, "HDE-R030",
                              cut->is_claimed ? "the graph ended in the middle of the swap"
                                        : "the swap could not begin: a node waits for its next try "
                                          "or for room on an edge, or the graph has ended");
}

bool
swaps_have_news(const struct swaps *self)
{
    return atomic_load_explicit(&self->has_news, memory_order_relaxed);
}

struct decision *
swaps_next_decision(struct swaps *self)
{
    struct decision *decision;

    pthread_mutex_lock(&self->lock);
    decision = self->queue;
    if (decision)
        self->queue = decision->queued;
    if (!self->queue)
        self->tail = &self->queue;
    atomic_store(&self->has_news, self->asked || self->queue);
    pthread_mutex_unlock(&self->lock);
    return decision;
}

bool
swaps_is_passing(const struct swaps *self)
{
    return atomic_load(&self->is_passing);
}

struct swap_cut *
swaps_claim(struct swaps *self)
{
    struct swap_cut *cut;

    pthread_mutex_lock(&self->lock);
    cut = self->asked;
    self->asked = NULL;
    if (cut) {
        cut->is_claimed = true;
        add_young(self, (struct young){.tick = self->engine->sequencer.last + 1,
                                       .until_ns = cut->young_until_ns});
    }
    atomic_store(&self->has_news, self->queue != NULL);
    pthread_mutex_unlock(&self->lock);
    return cut;
}

static void
make_due(struct actor *actor, uint64_t tick)
{
    /* release: who sees it sees the cut */
    atomic_store_explicit(&actor->swap_tick, tick, memory_order_release);
}

void
swaps_give(struct swaps *self, struct swap_cut *cut, uint64_t tick)
{
    cut->tick = tick;
    atomic_store(&cut->waits, cut->n + (cut->returns != NULL) + 1);
    atomic_store(&self->is_passing, true);
    self->cut = cut;
    if (cut->returns)
        make_due(cut->returns, tick);
    for (uint32_t i = 0; i < cut->n; i++) {
        cut->swaps[i].tick = tick;
        make_due(cut->swaps[i].node->actor, tick);
    }
}

void
swaps_given(struct swaps *self, struct swap_cut *cut)
{
    if (atomic_fetch_sub(&cut->waits, 1) == 1)
        finish(self, cut);
}

bool
swaps_pass(struct actor *actor)
{
    struct swaps *self = actor->engine->swaps;
    struct swap_cut *cut;
    uint32_t passed = 0;

    if (!self || atomic_load_explicit(&actor->swap_tick, memory_order_acquire) != actor->tick)
        return false;
    cut = self->cut;
    for (uint32_t i = 0; i < cut->n; i++)
        if (cut->swaps[i].node->actor == actor) {
            swap_in_tick(&cut->swaps[i]);
            passed++;
        }
    passed += cut->returns == actor;
    if (passed && atomic_fetch_sub(&cut->waits, passed) == passed)
        finish(self, cut);
    return true;
}

/* ---- Decisions ---------------------------------------------------------------------------- */

/* A tick that is under way is held at its end, or before its next try. */
static void
hold(struct actor *actor, struct decision *decision)
{
    actor->decision = decision;
    if (actor->state == ACTOR_READY && !actor->is_flushing)
        actor_hold(actor);
}

static void
decide(struct node *node, struct decision *decision)
{
    struct engine *engine = node->engine;
    struct swaps *self = engine->swaps;

    decision->node = node;
    pthread_mutex_lock(&self->lock);
    decision->next = self->decisions;
    self->decisions = decision;
    *self->tail = decision;
    self->tail = &decision->queued;
    atomic_store(&self->has_news, true);
    pthread_mutex_unlock(&self->lock);
    if (!engine->is_taking && !atomic_load(&engine->recovering))
        hold(node->actor, decision);
    full_fence();
    worker_wake_if_parked(engine->first);
}

void
swaps_decide(struct node *node, uint64_t swap, struct swap_place place)
{
    struct decision *decision = xcalloc(1, sizeof *decision);

    decision->swap = swap;
    decision->place = place;
    decide(node, decision);
}

void
swaps_decide_aside(struct node *node, struct swap_place place, const char *event,
                   const char *text)
{
    struct decision *decision = xcalloc(1, sizeof *decision);

    decision->place = place;
    snprintf(decision->event, sizeof decision->event, "%s", event);
    snprintf(decision->text, sizeof decision->text, "%s", text);
    decide(node, decision);
}

bool
swaps_may_go_on(struct actor *actor)
{
    uint64_t tick = atomic_load(&actor->decision->tick);

    if (!tick || !ingress_is_durable(actor->engine, tick))
        return false;
    actor->decision = NULL;
    return true;
}

/* ---- Taking a log ------------------------------------------------------------------------- */

bool
swaps_place(const struct swaps *self, const struct node *node, uint64_t swap,
            struct swap_place *out)
{
    for (uint32_t i = 0; i < self->n_returned; i++)
        if (self->returned[i].swap == swap && self->returned[i].node == node) {
            *out = self->returned[i].place;
            return true;
        }
    return false;
}

static void
free_cut(void *arg)
{
    free(arg);
}

static struct swap_cut *
take_return(const struct engine *engine, const Hde__LogEntry *entry)
{
    const struct node *node =
        node_at(engine, graph_node(engine, entry->node ? entry->node : ""), entry->replica);
    struct swap_cut *cut = xcalloc(1, sizeof *cut);

    if (node && is_in_order(node))
        cut->returns = node->actor;
    cut->done = free_cut;
    cut->arg = cut;
    return cut;
}

struct swap_cut *
swaps_take(struct engine *engine, const Hde__LogEntry *entry, struct err *err)
{
    if (swaps_is_passing(engine->swaps))
        return NULL;
    if (entry->kind == HDE__LOG_KIND__LOG_KIND_RETURN)
        return take_return(engine, entry);
    if (!entry->swap || !entry->swap->build_id)
        return err_set(err, "HDE-R012", "tick %llu: a swap that names no build",
                       (unsigned long long)entry->tick),
               NULL;
    return reload_take(engine, entry, err);
}
