/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/follow.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/parts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { QUIET_MS = 300 }; /* a build may write a file several times */

struct folder {
    int watch;
    char path[PATH_MAX];
};

struct follow {
    struct parts *parts;
    int fd;
    size_t n_folders;
    struct folder *folders;
    const struct graph *graph; /* whose folders are watched */
    size_t n_changed;
    char **changed;  /* files that nothing was asked for yet */
    int64_t last_ns; /* of the last of them; 0: none */
};

static bool
add_folder(struct follow *self, const char *file, struct err *err)
{
    size_t len = (size_t)(strrchr(file, '/') - file);
    struct folder *folder;

    for (size_t i = 0; i < self->n_folders; i++)
        if (!strncmp(self->folders[i].path, file, len) && !self->folders[i].path[len])
            return true;
    self->folders = xrealloc(self->folders, (self->n_folders + 1) * sizeof *self->folders);
    folder = &self->folders[self->n_folders++];
    memcpy(folder->path, file, len);
    folder->path[len] = 0;
    folder->watch = inotify_add_watch(self->fd, folder->path, IN_CLOSE_WRITE | IN_MOVED_TO);
    return folder->watch >= 0 || err_set(err, "HDE-C022", "cannot watch '%s': %s", folder->path,
                                         strerror(errno));
}

/* Of the graph that runs now: a change may bring plugins from elsewhere. */
static bool
add_folders(struct follow *self, struct err *err)
{
    const struct graph *graph;
    bool ok = true;

    parts_look(self->parts);
    graph = parts_graph(self->parts);
    for (size_t i = 0; graph != self->graph && i < graph->n_nodes && ok; i++)
        ok = !graph->nodes[i].plugin_path || add_folder(self, graph->nodes[i].plugin_path, err);
    self->graph = graph;
    parts_looked(self->parts);
    return ok;
}

struct follow *
follow_open(struct parts *parts, struct err *err)
{
    struct follow *self = xcalloc(1, sizeof *self);

    self->parts = parts;
    self->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (self->fd < 0)
        err_set(err, "HDE-C022", "cannot watch folders: %s", strerror(errno));
    else if (add_folders(self, err))
        return self;
    follow_close(self);
    return NULL;
}

static void
forget_changes(struct follow *self)
{
    for (size_t i = 0; i < self->n_changed; i++)
        free(self->changed[i]);
    self->n_changed = 0;
    self->last_ns = 0;
}

void
follow_close(struct follow *self)
{
    if (!self)
        return;
    if (self->fd >= 0)
        close(self->fd);
    forget_changes(self);
    free(self->folders);
    free(self->changed);
    free(self);
}

int
follow_fd(const struct follow *self)
{
    return self->fd;
}

static bool
has_changed(const struct follow *self, const char *file)
{
    for (size_t i = 0; file && i < self->n_changed; i++)
        if (strcmp(self->changed[i], file) == 0)
            return true;
    return false;
}

static void
note_change(struct follow *self, const struct inotify_event *event)
{
    for (size_t i = 0; event->len && i < self->n_folders; i++) {
        char file[2 * PATH_MAX];

        if (self->folders[i].watch != event->wd)
            continue;
        snprintf(file, sizeof file, "%s/%s", self->folders[i].path, event->name);
        self->last_ns = clock_mono_ns();
        if (has_changed(self, file))
            continue;
        self->changed =
            xrealloc(self->changed, (self->n_changed + 1) * sizeof *self->changed);
        self->changed[self->n_changed++] = xstrdup(file);
    }
}

static void
read_changes(struct follow *self)
{
    _Alignas(struct inotify_event) char buffer[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
    ssize_t n;

    while ((n = read(self->fd, buffer, sizeof buffer)) > 0)
        for (char *at = buffer; at < buffer + n;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;

            note_change(self, event);
            at += sizeof *event + event->len;
        }
}

static bool
came_before(const struct graph *graph, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (graph->nodes[k].op == graph->nodes[i].op)
            return true;
    return false;
}

/* Nothing where the part has no such operator. */
static void
ask_part(struct engine *engine, const struct graph_node *node)
{
    const struct graph *graph = engine_graph(engine);
    struct err err = {0};
    bool has = false;

    for (size_t i = 0; i < graph->n_nodes; i++)
        has |= graph->nodes[i].op == node->op;
    if (has && !reload_ask(engine,
                           &(struct reload_ask){.target = node->op->name,
                                                .file = node->plugin_path,
                                                .probation_ns = RELOAD_PROBATION_NS},
                           &err))
        log_line(LEVEL_WARN, graph->name, NULL, "reload.refused", "%s: %s: %s", node->op->name,
                 err.code, err.text);
}

/* One request for each operator; what becomes of it stands in the log and in the history. */
static void
ask(struct follow *self)
{
    const struct graph *graph;

    parts_look(self->parts);
    graph = parts_graph(self->parts);
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (has_changed(self, graph->nodes[i].plugin_path) && !came_before(graph, i))
            for (size_t k = 0; k < parts_count(self->parts); k++)
                ask_part(parts_engine(self->parts, k), &graph->nodes[i]);
    parts_looked(self->parts);
    forget_changes(self);
}

int
follow_timeout_ms(const struct follow *self)
{
    int64_t left_ns;

    if (!self->last_ns)
        return -1;
    left_ns = self->last_ns + QUIET_MS * (int64_t)NS_PER_MS - clock_mono_ns();
    return left_ns > 0 ? (int)(left_ns / NS_PER_MS) + 1 : 0;
}

void
follow_serve(struct follow *self)
{
    add_folders(self, NULL);
    read_changes(self);
    if (self->last_ns && follow_timeout_ms(self) == 0)
        ask(self);
}
