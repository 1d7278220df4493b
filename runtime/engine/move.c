/* SPDX-License-Identifier: Apache-2.0
 * move - see move.h.
 *
 *  (1) Every state that was saved, and every position, has one place in the new graph; one without a
 *      place, or a node without a state, refuses the move. [tests/hosts/move.sh]
 *  (2) Ends of links begin anew: both ends were at the cut. Those of a host that is lost keep what
 *      they have, since the other end was not: the sender gives again all that its epoch kept.
 *      [tests/hosts/move_lost.sh]
 *  (3) Ticks go on above all of the shares, and above all that a lost host can have given: its
 *      incarnation is the one after the last in its store (S3). [tests/hosts/move_lost.sh]
 *      One that comes back finds a line by which nothing lies there, and nothing to go on from: it is
 *      a spare host (spare.h). One that has come back meanwhile is told to stop.
 *  (4) A node goes on from what the plan of the change says (graph/plan.h): from that of the node that
 *      it was, or, where replicas are others, from those of all of them. [tests/hosts/rescale.sh] */
#include "engine/move.h"

#include "base/clock.h"
#include "base/io.h"
#include "engine/epoch.h"
#include "engine/line.h"
#include "engine/owner.h"
#include "engine/savepoint.h"
#include "graph/plan.h"
#include "link/ends.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The same graph? ---------------------------------------------------------------------- */

static const struct graph_node *
node_called(const struct graph *graph, const char *name)
{
    for (size_t i = 0; name && i < graph->n_nodes; i++)
        if (!strcmp(graph->nodes[i].name, name))
            return &graph->nodes[i];
    return NULL;
}

static const struct graph_edge *
edge_called(const struct graph *graph, const char *name)
{
    for (size_t i = 0; name && i < graph->n_edges; i++)
        if (!strcmp(graph->edges[i].name, name))
            return &graph->edges[i];
    return NULL;
}

bool
move_is_plain(const struct graph *before, const struct graph *after, struct err *err)
{
    const char *other = NULL;

    for (size_t i = 0; i < before->n_nodes && !other; i++) {
        const struct graph_node *is = &before->nodes[i], *is_to = node_called(after, is->name);

        if (!is_to || strcmp(is->op->name, is_to->op->name) != 0 || is->replicas != is_to->replicas ||
            !same_spread(&is->spread, &is_to->spread))
            other = is->name;
    }
    for (size_t i = 0; i < after->n_nodes && !other; i++)
        if (!node_called(before, after->nodes[i].name))
            other = after->nodes[i].name;
    for (size_t i = 0; i < before->n_edges && !other; i++)
        if (!edge_called(after, before->edges[i].name))
            other = before->edges[i].name;
    return (!other && before->n_edges == after->n_edges) ||
           err_set(err, "HDE-R235",
                   "the graph file is not what runs ('%s' is another): apply that first, then move",
                   other ? other : "an edge");
}

/* ---- Where states come from --------------------------------------------------------------- */

struct states {
    const struct move_ask *ask;
    size_t n, cap;
    Hde__Epoch **from; /* shares of parts, owned */
    size_t n_whole;
    Hde__Epoch **whole; /* what some of them are in */
    uint64_t above;     /* ticks; of lost hosts */
};

static void
add_part(struct states *self, Hde__Epoch *part)
{
    if (self->n == self->cap) {
        self->cap = self->cap ? 2 * self->cap : 8;
        self->from = xrealloc(self->from, self->cap * sizeof *self->from);
    }
    self->from[self->n++] = part;
}

static void
add_whole(struct states *self, Hde__Epoch *epoch)
{
    self->whole = xrealloc(self->whole, (self->n_whole + 1) * sizeof *self->whole);
    self->whole[self->n_whole++] = epoch;
}

static bool
read_share(struct states *self, const char *path, struct err *err)
{
    Hde__Epoch *share = savepoint_read(path, err);

    if (!share)
        return false;
    add_whole(self, share);
    for (size_t i = 0; i < share->n_parts; i++)
        add_part(self, share->parts[i]);
    return (share->has_across && share->across == self->ask->number) ||
           err_set(err, "HDE-R230", "'%s' is the share of another savepoint", path);
}

const char *
move_store_of(const struct graph *graph, const char *host, struct arena *arena)
{
    const char *own = graph->checkpoint.store;
    size_t len = strlen(own) - strlen(graph->hosts[graph->host].name);

    return arena_printf(arena, "%s%s", arena_textn(arena, own, len), host);
}

/* (3) Whoever still runs on the store is told to stop. above: raised to the incarnation after his. */
static bool
take_over(const struct graph *here, const char *store, uint64_t *above, struct err *err)
{
    struct graph graph = *here;
    struct engine_options options = {.host = graph.hosts[graph.host].name};
    struct owner *owner;

    graph.checkpoint.store = store;
    graph.generation = 0;
    owner = owner_take(&graph, &options, err);
    if (!owner)
        return false;
    if (owner_first_tick(owner) > *above)
        *above = owner_first_tick(owner);
    owner_release(owner);
    return true;
}

bool
move_reaches(const struct graph *graph, const char *host, struct err *err)
{
    struct arena arena = {0};
    const char *folder = arena_printf(&arena, "%s/parts", move_store_of(graph, host, &arena));
    bool ok = access(folder, R_OK | X_OK) == 0 ||
              err_set(err, "HDE-R236",
                      "host '%s' is lost, and its last epochs are not here: there is no '%s'", host,
                      folder);

    arena_fini(&arena);
    return ok;
}

/* What a part goes on from: a share that it has not taken yet, else its last epoch; or nothing. */
static Hde__Epoch *
last_of(const char *part, struct arena *arena)
{
    Hde__Epoch *share = epoch_read(arena_printf(arena, "%s/restore", part));

    return share ? share : epochs_newest(part);
}

static bool
read_parts(struct states *self, const char *host, const char *store, struct arena *arena,
           struct err *err)
{
    const char *folder = arena_printf(arena, "%s/parts", store);
    DIR *dir = opendir(folder);
    struct dirent *entry;

    if (!dir)
        return err_set(err, "HDE-R236",
                       "host '%s' is lost, and its last epochs are not here: there is no '%s'",
                       host, folder);
    while ((entry = readdir(dir))) {
        const char *part = arena_printf(arena, "%s/%s", folder, entry->d_name);
        Hde__Epoch *last = entry->d_name[0] == '.' ? NULL : last_of(part, arena);

        if (last) {
            add_whole(self, last);
            add_part(self, last);
        }
    }
    closedir(dir);
    return true;
}

/* What it would have gone on from: where it was lost behind a move, before it has begun anew. */
static bool
read_lost(struct states *self, const char *host, struct arena *arena, struct err *err)
{
    const char *store = move_store_of(self->ask->before, host, arena);
    Hde__Epoch *restored = epoch_read(arena_printf(arena, "%s/restore", store));

    if (restored)
        add_whole(self, restored);
    for (size_t i = 0; restored && i < restored->n_parts; i++)
        add_part(self, restored->parts[i]);
    return (restored || read_parts(self, host, store, arena, err)) &&
           take_over(self->ask->before, store, &self->above, err);
}

/* (4) Whether a node of the new graph, with what the plan says of it, goes on from that one. */
static bool
is_heir(const struct change_plan *plan, const struct node_change *change,
        const struct graph_node *was)
{
    const struct graph_node *before = plan->before->nodes;

    if (change->before == CHANGE_NOWHERE || change->after == CHANGE_NOWHERE)
        return false;
    return was == &before[change->before] ||
           (change_is_split(&before[change->before], &plan->after->nodes[change->after]) &&
            same_family(was, &before[change->before]));
}

size_t
move_host_before(const struct graph *before, const struct graph_node *node)
{
    for (size_t i = 0; i < before->n_nodes; i++)
        if (!strcmp(before->nodes[i].name, node->name))
            return before->nodes[i].host;
    return node->host;
}

bool
move_feeds(const struct graph *before, const struct graph *after, size_t from, size_t to)
{
    struct change_plan *plan = change_plan_new(before, after);
    bool any = false;

    for (size_t i = 0; i < plan->n_nodes; i++)
        for (size_t k = 0; k < before->n_nodes && !any; k++)
            any = before->nodes[k].host == from &&
                  is_heir(plan, &plan->nodes[i], &before->nodes[k]) &&
                  after->nodes[plan->nodes[i].after].host == to;
    change_plan_free(plan);
    return any;
}

bool
move_gives_here(const struct move_ask *ask, const char *host)
{
    for (size_t i = 0; i < ask->before->n_hosts; i++)
        if (!strcmp(ask->before->hosts[i].name, host))
            return move_feeds(ask->before, ask->after, i, ask->after->host);
    return false;
}

static bool
read_states(struct states *self, struct arena *arena, struct err *err)
{
    for (size_t i = 0; i < self->ask->n_shares; i++)
        if (!read_share(self, self->ask->shares[i], err))
            return false;
    for (size_t i = 0; i < self->ask->n_lost; i++)
        if (move_gives_here(self->ask, self->ask->lost[i]) &&
            !read_lost(self, self->ask->lost[i], arena, err))
            return false;
    return true;
}

static void
states_fini(struct states *self)
{
    for (size_t i = 0; i < self->n_whole; i++)
        hde__epoch__free_unpacked(self->whole[i], NULL);
    free(self->whole);
    free(self->from);
}

/* ---- Links -------------------------------------------------------------------------------- */

static bool
is_lost(const struct move_ask *ask, size_t host)
{
    for (size_t i = 0; i < ask->n_lost; i++)
        if (!strcmp(ask->before->hosts[host].name, ask->lost[i]))
            return true;
    return false;
}

/* (2) Whether that end of a link keeps what it has: of a sender whose receiver is lost, or that is
 * lost itself; of a receiver that is. What a lost sender has sent is made again with other ticks. */
static bool
keeps_end(const struct move_ask *ask, const char *name, bool is_sender)
{
    const struct graph_edge *was = edge_called(ask->before, name);
    const struct graph_node *nodes = ask->before->nodes;

    return was && (is_lost(ask, nodes[was->to].host) ||
                   (is_sender && is_lost(ask, nodes[was->from].host)));
}

static bool
is_end(const struct graph_part *part, const struct graph_node *node)
{
    return part->graph.whole_node[node - part->graph.nodes] == SIZE_MAX;
}

static bool
is_sending_end(const struct graph_cut *cut, const struct graph_node *node)
{
    for (size_t i = 0; i < cut->n_links; i++)
        if (cut->links[i].sender == node)
            return true;
    return false;
}

/* The receiver of what a lost host has sent asks for all that there is. */
static bool
give_again(Hde__SavedNode *node, struct err *err)
{
    Hde__LinkState *state = hde__link_state__unpack(NULL, node->state.len, node->state.data);

    if (!state)
        return err_set(err, "HDE-R015", "link '%s': its state cannot be read", node->name);
    state->has_covered = true;
    state->covered = 0;
    free(node->state.data);
    node->state.len = hde__link_state__get_packed_size(state);
    node->state.data = xmalloc(node->state.len + 1);
    hde__link_state__pack(state, node->state.data);
    hde__link_state__free_unpacked(state, NULL);
    return true;
}

/* ---- Into the parts of the new graph ------------------------------------------------------- */

/* What this host goes on from. Nodes and the like are those of the states. */
struct going {
    const struct move_ask *ask;
    const struct states *states;
    const struct change_plan *plan;
    struct graph_cut cut;
    struct arena arena;
};

static bool
wants_sender(const struct going *self, const struct graph_part *part, const Hde__SavedNode *saved)
{
    const struct graph_node *node = node_called(&part->graph, saved->name);

    return node && is_end(part, node) && is_sending_end(&self->cut, node) &&
           keeps_end(self->ask, saved->name, true);
}

static bool
goes_on_from(const struct going *self, const struct node_change *change, const char *saved)
{
    const struct graph_node *was = node_called(self->ask->before, saved);

    return was && change->state != CHANGE_STATE_LOST && is_heir(self->plan, change, was);
}

/* What becomes of a node of the part; NULL: it is the end of a link. */
static const struct node_change *
change_of(const struct going *self, const struct graph_part *part, size_t node)
{
    size_t whole = part->graph.whole_node[node];

    for (size_t i = 0; whole != SIZE_MAX && i < self->plan->n_nodes; i++)
        if (self->plan->nodes[i].after == whole)
            return &self->plan->nodes[i];
    return NULL;
}

static bool
wants_source(const struct going *self, const struct graph_part *part, const Hde__SavedSource *saved)
{
    const struct graph_node *node = node_called(&part->graph, saved->node);

    return node && is_end(part, node) && !is_sending_end(&self->cut, node) &&
           keeps_end(self->ask, saved->node, false);
}

/* What an edge that drops has not handed over is dropped where the edge leads to another host now. */
static bool
wants_edge(const struct going *self, const struct graph_part *part, const Hde__SavedEdge *saved)
{
    const struct graph_edge *was = edge_called(self->ask->before, saved->name);
    const struct graph_edge *is = edge_called(self->ask->after, saved->name);

    return edge_called(&part->graph, saved->name) && was && is && !edge_is_link(was) &&
           !edge_is_link(is);
}

static bool
take_sender(const struct going *self, Hde__SavedNode *saved, Hde__Epoch *out, struct err *err)
{
    const struct graph_edge *was = edge_called(self->ask->before, saved->name);

    out->nodes[out->n_nodes++] = saved;
    return !was || !saved->has_state ||
           !is_lost(self->ask, self->ask->before->nodes[was->from].host) || give_again(saved, err);
}

/* Of other replicas each that there is now takes what is its own (epoch.c). */
static void
take_node(struct going *self, const struct node_change *change, const Hde__SavedNode *saved,
          Hde__Epoch *out)
{
    const struct graph_node *was = &self->ask->before->nodes[change->before];
    const struct graph_node *node = &self->ask->after->nodes[change->after];
    Hde__SavedNode *taken = arena_alloc(&self->arena, sizeof *taken);

    *taken = *saved;
    taken->name = (char *)(uintptr_t)node->name;
    taken->op = (char *)(uintptr_t)node->op->name;
    taken->has_by_key = taken->by_key = change_is_split(was, node);
    taken->has_spread_of = taken->has_spread_hosts = taken->has_spread_at = node->spread.of != 0;
    taken->spread_of = node->spread.of;
    taken->spread_hosts = node->spread.hosts;
    taken->spread_at = node->spread.at;
    out->nodes[out->n_nodes++] = taken;
}

static void
take_source(struct going *self, const struct node_change *change, const Hde__SavedSource *saved,
            Hde__Epoch *out)
{
    Hde__SavedSource *taken = arena_alloc(&self->arena, sizeof *taken);

    *taken = *saved;
    taken->node = (char *)(uintptr_t)self->ask->after->nodes[change->after].name;
    out->sources[out->n_sources++] = taken;
}

/* Nodes of the part, of what one part has saved. */
static void
fill_nodes(struct going *self, const struct graph_part *part, const Hde__Epoch *from,
           Hde__Epoch *out)
{
    for (size_t n = 0; n < part->graph.n_nodes; n++) {
        const struct node_change *change = change_of(self, part, n);

        for (size_t i = 0; change && i < from->n_nodes; i++)
            if (goes_on_from(self, change, from->nodes[i]->name))
                take_node(self, change, from->nodes[i], out);
        for (size_t i = 0; change && i < from->n_sources; i++)
            if (goes_on_from(self, change, from->sources[i]->node))
                take_source(self, change, from->sources[i], out);
    }
}

static void
make_room(struct going *self, const struct graph_part *part, Hde__Epoch *out)
{
    size_t nodes = 0, sources = 0, edges = 0, times = part->graph.n_nodes;

    for (size_t s = 0; s < self->states->n; s++) {
        nodes += self->states->from[s]->n_nodes;
        sources += self->states->from[s]->n_sources;
        edges += self->states->from[s]->n_edges;
    }
    out->nodes = arena_alloc(&self->arena, (times * nodes + 1) * sizeof(Hde__SavedNode *));
    out->sources = arena_alloc(&self->arena, (times * sources + 1) * sizeof(Hde__SavedSource *));
    out->edges = arena_alloc(&self->arena, (edges + 1) * sizeof(Hde__SavedEdge *));
}

static bool
fill_part(struct going *self, const struct graph_part *part, Hde__Epoch *out, struct err *err)
{
    bool ok = true;

    make_room(self, part, out);
    for (size_t s = 0; s < self->states->n && ok; s++) {
        const Hde__Epoch *from = self->states->from[s];

        fill_nodes(self, part, from, out);
        for (size_t i = 0; i < from->n_nodes && ok; i++)
            if (link_is_sender(from->nodes[i]->op) && wants_sender(self, part, from->nodes[i]))
                ok = take_sender(self, from->nodes[i], out, err);
        for (size_t i = 0; i < from->n_sources; i++)
            if (wants_source(self, part, from->sources[i]))
                out->sources[out->n_sources++] = from->sources[i];
        for (size_t i = 0; i < from->n_edges; i++)
            if (wants_edge(self, part, from->edges[i]))
                out->edges[out->n_edges++] = from->edges[i];
    }
    return ok;
}

/* (3) */
static Hde__Epoch *
new_part(struct going *self, const struct graph_part *part)
{
    Hde__Epoch *out = arena_alloc(&self->arena, sizeof *out);

    hde__epoch__init(out);
    out->has_version = out->has_tick = out->has_time_ns = true;
    out->version = self->states->from[0]->version;
    out->tick = self->states->above;
    out->graph = (char *)(uintptr_t)self->ask->after->name;
    out->part = (char *)(uintptr_t)part->name;
    out->start = self->states->from[0]->start;
    for (size_t s = 0; s < self->states->n; s++) {
        const Hde__Epoch *from = self->states->from[s];

        out->tick = from->tick > out->tick ? from->tick : out->tick;
        out->time_ns = from->time_ns > out->time_ns ? from->time_ns : out->time_ns;
    }
    return out;
}

/* (1) What a link keeps for a host that is lost goes on only over a link of that name. */
static bool
has_place(const struct going *self, const Hde__Epoch *whole, const Hde__SavedNode *saved)
{
    if (!link_is_sender(saved->op) || !keeps_end(self->ask, saved->name, true))
        return true;
    for (size_t p = 0; p < whole->n_parts; p++)
        for (size_t i = 0; i < whole->parts[p]->n_nodes; i++)
            if (whole->parts[p]->nodes[i] == saved)
                return true;
    return false;
}

bool
move_keeps_frames(const Hde__SavedNode *saved)
{
    Hde__LinkState *state = hde__link_state__unpack(NULL, saved->state.len, saved->state.data);
    bool any = state && state->n_items;

    if (state)
        hde__link_state__free_unpacked(state, NULL);
    return any;
}

static bool
check_places(const struct going *self, const Hde__Epoch *whole, struct err *err)
{
    for (size_t s = 0; s < self->states->n; s++)
        for (size_t i = 0; i < self->states->from[s]->n_nodes; i++) {
            const Hde__SavedNode *saved = self->states->from[s]->nodes[i];

            if (!has_place(self, whole, saved) && move_keeps_frames(saved))
                return err_set(err, "HDE-R237",
                               "edge '%s' holds what was on the way, and goes with others "
                               "after the move: move all that it leads to to one host",
                               saved->name);
        }
    return true;
}

static bool
write_whole(struct going *self, const char *path, struct err *err)
{
    const struct move_ask *ask = self->ask;
    Hde__Epoch whole = HDE__EPOCH__INIT;

    graph_cut(ask->after, &self->cut);
    link_ends_name(ask->after, &self->cut);
    whole.has_version = whole.has_tick = whole.has_across = whole.has_taken_ns = true;
    whole.version = self->states->from[0]->version;
    whole.across = ask->number;
    whole.taken_ns = clock_real_ns();
    whole.savepoint = (char *)(uintptr_t) "move";
    whole.graph = (char *)(uintptr_t)ask->after->name;
    whole.leader = (char *)(uintptr_t)ask->leader;
    whole.host = (char *)(uintptr_t)ask->after->hosts[ask->after->host].name;
    whole.n_moves = ask->n_moves;
    whole.moves = (char **)(uintptr_t)ask->moves;
    whole.runs = (Hde__GraphText *)(uintptr_t)ask->runs;
    whole.before = (Hde__GraphText *)(uintptr_t)ask->was;
    whole.lost = arena_alloc(&self->arena, (ask->n_lost + 1) * sizeof *whole.lost);
    for (size_t i = 0; i < ask->n_lost; i++)
        if (move_gives_here(ask, ask->lost[i]))
            whole.lost[whole.n_lost++] = (char *)(uintptr_t)ask->lost[i];
    whole.parts = arena_alloc(&self->arena, (self->cut.n_parts + 1) * sizeof(Hde__Epoch *));
    for (size_t i = 0; i < self->cut.n_parts; i++) {
        whole.parts[whole.n_parts++] = new_part(self, &self->cut.parts[i]);
        if (!fill_part(self, &self->cut.parts[i], whole.parts[i], err))
            return false;
        whole.tick = whole.parts[i]->tick;
    }
    return check_places(self, &whole, err) && savepoint_write(path, &whole, err);
}

bool
move_write(const struct move_ask *ask, const char *path, struct err *err)
{
    struct states states = {.ask = ask};
    struct change_plan *plan = change_plan_new(ask->before, ask->after);
    struct going going = {.ask = ask, .states = &states, .plan = plan};
    bool ok = read_states(&states, &going.arena, err) &&
              (states.n || err_set(err, "HDE-R235", "there is no state to move")) &&
              write_whole(&going, path, err);

    graph_cut_fini(&going.cut);
    arena_fini(&going.arena);
    states_fini(&states);
    change_plan_free(plan);
    return ok;
}

/* ---- At the next start --------------------------------------------------------------------- */

static bool
is_part(const struct graph_cut *cut, const char *name)
{
    for (size_t i = 0; i < cut->n_parts; i++)
        if (!strcmp(cut->parts[i].name, name))
            return true;
    return false;
}

bool
move_clear(const struct graph_cut *cut, const char *store, uint32_t number, struct err *err)
{
    struct arena arena = {0};
    const char *folder = arena_printf(&arena, "%s/parts", store);
    const char *aside = arena_printf(&arena, "%s/before/%u", store, (unsigned)number);
    DIR *dir = opendir(folder);
    struct dirent *entry;
    bool ok = true;

    while (dir && ok && (entry = readdir(dir))) {
        const char *to = arena_printf(&arena, "%s/%s", aside, entry->d_name);

        if (entry->d_name[0] == '.' || (cut && is_part(cut, entry->d_name)))
            continue;
        ok = (io_make_folders(aside) &&
              io.rename(arena_printf(&arena, "%s/%s", folder, entry->d_name), to) == 0) ||
             err_set(err, "HDE-R014", "%s cannot be written: %s", to, strerror(errno));
    }
    if (dir)
        closedir(dir);
    arena_fini(&arena);
    return ok;
}

/* (3) The line first: whoever starts there from now on is a spare host, whatever else there is. */
static bool
fence(const struct graph *graph, const struct line *line, const char *store, struct arena *arena,
      struct err *err)
{
    const char *gone[] = {arena_printf(arena, "%s/restore", store),
                          arena_printf(arena, "%s/moving", store)};
    struct line there;
    uint64_t above = 0;
    bool is_done = line_read(store, arena, &there, NULL) && there.number == line->number;

    if (!is_done && (!line_write(store, line, err) || !take_over(graph, store, &above, err)))
        return false;
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        if (io.unlink(gone[i]) && errno != ENOENT)
            return err_set(err, "HDE-R014", "%s cannot be removed: %s", gone[i], strerror(errno));
    return move_clear(NULL, store, line->number, err);
}

bool
move_fence(const struct graph *graph, const Hde__Epoch *restored, struct err *err)
{
    struct line line = {.number = restored->across,
                        .n_moves = restored->n_moves,
                        .moves = (const char **)(uintptr_t)restored->moves,
                        .runs = restored->runs,
                        .before = restored->before};
    struct arena arena = {0};
    bool ok = true;

    for (size_t i = 0; i < restored->n_lost && ok; i++)
        ok = fence(graph, &line, move_store_of(graph, restored->lost[i], &arena), &arena, err);
    arena_fini(&arena);
    return ok;
}
