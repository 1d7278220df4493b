/* SPDX-License-Identifier: Apache-2.0
 * relink - see relink.h.
 *
 *  (1) A host that does not read what the coordinator has read, or would not do the same with it,
 *      refuses before anything ends. [tests/hosts/relink.sh]
 *  (2) A start runs the graph that goes with its state, whatever the file was edited to meanwhile.
 *      [tests/hosts/relink.sh] */
#include "engine/relink.h"

#include "engine/rewire.h"
#include "graph/hosts.h"
#include "graph/plan.h"

static struct graph_options
options_of(const struct relink_ask *ask)
{
    const struct graph *graph = ask->before;

    return (struct graph_options){.for_run = true,
                                  .host = graph->hosts[graph->host].name,
                                  .insecure = true, /* it listens already */
                                  .moves = (const char *const *)(uintptr_t)ask->step->moves,
                                  .n_moves = ask->step->n_moves};
}

/* The first error of many. */
static bool
cannot_load(const struct diags *diags, struct err *err)
{
    for (size_t i = 0; i < diags->n; i++)
        if (diags->list[i].severity == SEVERITY_ERROR)
            return err_set(err, diags->list[i].code, "%s:%u: %s",
                           diags->list[i].place.file ? diags->list[i].place.file : "",
                           diags->list[i].place.line, diags->list[i].message);
    return err_set(err, "HDE-R050", "the graph cannot be read");
}

static struct graph *
load(const struct relink_ask *ask, struct err *err)
{
    const Hde__ControlApply *apply = ask->step->apply;
    struct graph_options options = options_of(ask);
    struct diags diags = {0};
    struct graph *graph;

    if (!apply->path && !ask->line->before)
        return err_set(err, "HDE-R056", "there is no graph before this one"), NULL;
    options.sets = (const char *const *)apply->set;
    options.n_sets = apply->n_set;
    graph = apply->path ? graph_load(apply->path, &options, ask->registry, &diags)
                        : line_load_text(ask->line->before, &options, ask->registry, &diags);
    if (!graph)
        cannot_load(&diags, err);
    diags_fini(&diags);
    return graph;
}

static bool
same_texts(const struct relink_ask *ask, const struct graph *after, struct err *err)
{
    unsigned long long here = hosts_texts(after), there = ask->step->files;

    return here == there ||
           err_set(err, "HDE-R210",
                   "%s says something else here than at the coordinator: the hash of its files is "
                   "%016llx, and %016llx there",
                   after->path, here, there);
}

static bool
may_change(const struct relink_ask *ask, const struct graph *after, struct err *err)
{
    struct change_plan *plan = change_plan_new(ask->before, after);
    bool ok;

    if (*plan->fixed)
        ok = err_set(err, "HDE-R051", "needs a new start of the graph: %s", plan->fixed);
    else if (!*plan->relinks)
        ok = err_set(err, "HDE-R261", "what runs here has these links already");
    else if (plan->n_lost && !ask->step->apply->drop_state)
        ok = err_set(err, "HDE-R052", "%zu nodes would lose their state", plan->n_lost);
    else
        ok = rewire_tries(ask->engine, plan, err);
    change_plan_free(plan);
    return ok;
}

/* (1) */
struct graph *
relink_load(const struct relink_ask *ask, struct err *err)
{
    struct graph *graph = load(ask, err);

    if (graph && same_texts(ask, graph, err) && may_change(ask, graph, err))
        return graph;
    graph_free(graph);
    return NULL;
}

/* What the file of the start says now. 0: it cannot be read, and no start goes on. */
static uint64_t
said_by_file(const struct relink_ask *ask)
{
    struct graph_options options = options_of(ask);
    struct diags diags = {0};
    struct graph *graph;
    uint64_t said;

    options.sets = ask->options->sets;
    options.n_sets = ask->options->n_sets;
    options.n_moves = 0;
    graph =
        ask->options->file ? graph_load(ask->options->file, &options, ask->registry, &diags) : NULL;
    said = graph ? hosts_texts(graph) : 0;
    graph_free(graph);
    diags_fini(&diags);
    return said;
}

/* (2) */
const Hde__GraphText *
relink_runs(const struct relink_ask *ask, const struct graph *graph, struct arena *arena)
{
    uint64_t said = said_by_file(ask);
    Hde__GraphText *runs;

    if (said == hosts_texts(graph))
        return NULL;
    runs = line_text(graph, arena);
    runs->instead = said;
    return runs;
}

bool
relink_holds(const struct relink_ask *ask, struct err *err)
{
    struct arena arena = {0};
    struct line line = *ask->line;
    bool ok;

    line.runs = relink_runs(ask, ask->before, &arena);
    ok = line_write(ask->before->checkpoint.store, &line, err);
    arena_fini(&arena);
    return ok;
}
