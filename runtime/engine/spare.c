/* SPDX-License-Identifier: Apache-2.0
 * spare - see spare.h.
 *
 *  (1) A spare host follows what all hosts say that have nodes and are there, and only if it has
 *      none by that either: what was moved to it, and is not in its store, it never runs.
 *      [tests/hosts/spare.sh]
 *  (2) What it asks for is one question at a time; the answer waits for the next tick.
 *  (3) Where they go back to the same as it does, but run other files of the graph, it was away while
 *      that was changed, or they began with others. It begins anew if that makes it run the same.
 *      [tests/hosts/spare.sh] */
#include "engine/spare.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/line.h"
#include "graph/hosts.h"
#include "plugin/registry.h"

#include <hde/schemas/control.pb-c.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_S = 2, SETTLED_S = 3 };

struct spare {
    const struct graph *graph;
    struct engine_options options;
    struct net *net;
    uint32_t line;        /* number, of this host */
    uint32_t refused;     /* that it cannot follow; 0: none. This and below: the thread of ticks */
    uint64_t others_run;  /* (3): texts of a graph that is not the one here; 0: none */
    int64_t since_ns;     /* that they run it; INT64_MAX: it was looked whether a start would */
    pthread_mutex_t lock; /* all below */
    bool is_asking;
    size_t size;
    uint8_t *heard; /* a packed line; NULL: nothing yet */
};

struct spare *
spare_new(const struct graph *graph, const struct engine_options *options, struct net *net)
{
    struct spare *self;
    struct arena arena = {0};
    struct line line = {0};

    if (hosts_has_nodes(graph, graph->host))
        return NULL;
    self = xcalloc(1, sizeof *self);
    self->graph = graph;
    self->options = *options;
    self->net = net;
    if (line_read(graph->checkpoint.store, &arena, &line, NULL))
        self->line = line.number;
    arena_fini(&arena);
    pthread_mutex_init(&self->lock, NULL);
    return self;
}

void
spare_free(struct spare *self)
{
    if (!self)
        return;
    pthread_mutex_destroy(&self->lock);
    free(self->heard);
    free(self);
}

/* (1) Who is to be asked; false: nobody, or they do not agree. Its texts are 0 where those differ. */
static bool
find_guide(const struct spare *self, struct net_seen *out)
{
    struct net_seen *seen = xcalloc(self->graph->n_hosts, sizeof *seen);
    size_t n = net_look(self->net, seen, self->graph->n_hosts), n_found = 0;
    uint64_t texts = 0;
    bool agree = true, agree_in_texts = true;

    for (size_t i = 0; i < n; i++) {
        if (seen[i].state != NET_UP || seen[i].is_spare)
            continue;
        agree &= !n_found || seen[i].line == out->line;
        agree_in_texts &= !n_found || seen[i].texts == texts;
        texts = seen[i].texts;
        *out = seen[i];
        n_found++;
    }
    out->texts = agree_in_texts ? texts : 0;
    free(seen);
    return n_found && agree;
}

bool
spare_is_behind(const struct spare *self)
{
    struct net_seen guide;

    return find_guide(self, &guide) && guide.line != self->line;
}

/* ---- Asking --------------------------------------------------------------------------------- */

/* On the net's thread. (2) */
static void
heard(void *arg, const uint8_t *bytes, size_t size, const struct err *err)
{
    struct spare *self = arg;
    Hde__ControlReply *reply = err ? NULL : hde__control_reply__unpack(NULL, size, bytes);

    pthread_mutex_lock(&self->lock);
    self->is_asking = false;
    if (reply && reply->answer_case == HDE__CONTROL_REPLY__ANSWER_STEP && reply->step->has_piece) {
        free(self->heard);
        self->size = reply->step->piece.len;
        self->heard = xmalloc(self->size + 1);
        if (self->size)
            memcpy(self->heard, reply->step->piece.data, self->size);
    }
    pthread_mutex_unlock(&self->lock);
    if (reply)
        hde__control_reply__free_unpacked(reply, NULL);
}

/* With the lock held. */
static void
ask(struct spare *self, const char *host)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__HostStep step = HDE__HOST_STEP__INIT;
    uint8_t bytes[64];
    size_t size;

    request.has_version = true;
    request.version = 1;
    request.ask_case = HDE__CONTROL_REQUEST__ASK_STEP;
    request.step = &step;
    step.has_verb = true;
    step.verb = HDE__HOST_VERB__HOST_VERB_LINE;
    size = hde__control_request__pack(&request, bytes);
    self->is_asking =
        net_ask(self->net, host, bytes, size, ANSWER_S * (int64_t)NS_PER_S, heard, self, NULL);
}

/* The answer, the caller's; NULL: none yet, and the host is asked. */
static uint8_t *
take_heard(struct spare *self, const char *host, size_t *size)
{
    uint8_t *bytes;

    pthread_mutex_lock(&self->lock);
    bytes = self->heard;
    *size = self->size;
    self->heard = NULL;
    if (!bytes && !self->is_asking)
        ask(self, host);
    pthread_mutex_unlock(&self->lock);
    return bytes;
}

/* ---- Following ------------------------------------------------------------------------------ */

static struct graph *
load(const struct spare *self, const struct line *line, struct registry *registry, struct err *err)
{
    struct graph_options options = {.sets = self->options.sets,
                                    .n_sets = self->options.n_sets,
                                    .for_run = true,
                                    .host = self->graph->hosts[self->graph->host].name,
                                    .insecure = true /* it listens already */};
    struct diags diags = {0};
    struct graph *graph = line_try(self->options.file, &options, registry, line, &diags);

    for (size_t i = 0; i < diags.n && !graph && !err_is_set(err); i++)
        if (diags.list[i].severity == SEVERITY_ERROR)
            err_set(err, diags.list[i].code, "%s", diags.list[i].message);
    diags_fini(&diags);
    return graph;
}

/* (1) */
static bool
may_follow(const struct spare *self, const struct line *line, struct err *err)
{
    struct registry *registry = registry_new(self->options.plugins);
    struct graph *graph = load(self, line, registry, err);
    const char *host = self->graph->hosts[self->graph->host].name;
    bool ok = graph && (!hosts_has_nodes(graph, graph->host) ||
                        err_set(err, "HDE-R300",
                                "nodes lie on '%s' by what the others go on from, and what they "
                                "had is not in '%s'",
                                host, self->graph->checkpoint.store));

    graph_free(graph);
    registry_free(registry);
    return ok;
}

static bool
follow(struct spare *self, const struct net_seen *guide, const uint8_t *bytes, size_t size)
{
    struct arena arena = {0};
    struct err err = {0};
    struct line line;
    bool ok = line_unpack(bytes, size, &arena, &line, &err);

    if (ok && line.number != guide->line) { /* it has gone on meanwhile */
        arena_fini(&arena);
        return false;
    }
    ok = ok && may_follow(self, &line, &err) &&
         line_write(self->graph->checkpoint.store, &line, &err);
    arena_fini(&arena);
    if (ok) {
        log_line(
            LEVEL_INFO, self->graph->name, NULL, "host.follows",
            "the graph was changed while this host was away: it goes on from what '%s' goes on "
            "from, and begins anew",
            guide->name);
        return true;
    }
    self->refused = guide->line;
    log_line(LEVEL_ERROR, self->graph->name, NULL, "host.follows",
             "it cannot follow the others: %s: %s", err.code, err.text);
    return false;
}

/* (3) */
static bool
would_run(const struct spare *self, uint64_t texts)
{
    struct registry *registry = registry_new(self->options.plugins);
    struct arena arena = {0};
    struct line line = {0};
    struct err none = {0};
    struct graph *graph = line_read(self->graph->checkpoint.store, &arena, &line, &none)
                              ? load(self, &line, registry, &none)
                              : NULL;
    bool would = graph && hosts_texts(graph) == texts && !hosts_has_nodes(graph, graph->host);

    graph_free(graph);
    registry_free(registry);
    arena_fini(&arena);
    return would;
}

/* (3) What was just changed is heard of some beats later. */
static bool
runs_another(struct spare *self, const struct net_seen *guide)
{
    int64_t now_ns = clock_mono_ns();

    if (!guide->texts || guide->texts == net_texts(self->net)) {
        self->others_run = 0;
        return false;
    }
    if (self->others_run != guide->texts) {
        self->others_run = guide->texts;
        self->since_ns = now_ns;
    }
    if (self->since_ns == INT64_MAX || now_ns - self->since_ns < SETTLED_S * (int64_t)NS_PER_S)
        return false;
    self->since_ns = INT64_MAX;
    if (would_run(self, guide->texts)) {
        log_line(LEVEL_INFO, self->graph->name, NULL, "host.follows",
                 "'%s' and the others run another graph, which its file has, too: it begins anew",
                 guide->name);
        return true;
    }
    log_line(LEVEL_WARN, self->graph->name, NULL, "host.apart",
             "'%s' and the others run other files of the graph than this host, or with another "
             "--set: if that was applied while it was away, give it their file and start it again",
             guide->name);
    return false;
}

bool
spare_tick(struct spare *self)
{
    struct net_seen guide;
    uint8_t *bytes;
    size_t size;
    bool ok;

    if (!find_guide(self, &guide) || (self->refused && self->refused == guide.line))
        return false;
    if (guide.line == self->line)
        return runs_another(self, &guide);
    bytes = take_heard(self, guide.name, &size);
    ok = bytes && follow(self, &guide, bytes, size);
    free(bytes);
    return ok;
}
