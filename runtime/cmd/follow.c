/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/follow.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/reload.h"

#include <errno.h>
#include <limits.h>
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
    struct engine *engine;
    int fd;
    size_t n_folders;
    struct folder *folders;
    bool *changed;   /* by node of the graph: its file */
    int64_t last_ns; /* of a change that was not asked for yet; 0: none */
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

struct follow *
follow_open(struct engine *engine, struct err *err)
{
    const struct graph *graph = engine_graph(engine);
    struct follow *self = xcalloc(1, sizeof *self);

    self->engine = engine;
    self->changed = xcalloc(graph->n_nodes + 1, sizeof *self->changed);
    self->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (self->fd < 0)
        err_set(err, "HDE-C022", "cannot watch folders: %s", strerror(errno));
    for (size_t i = 0; self->fd >= 0 && i < graph->n_nodes; i++)
        if (graph->nodes[i].plugin_path && !add_folder(self, graph->nodes[i].plugin_path, err)) {
            close(self->fd);
            self->fd = -1;
        }
    if (self->fd >= 0)
        return self;
    follow_close(self);
    return NULL;
}

void
follow_close(struct follow *self)
{
    if (!self)
        return;
    if (self->fd >= 0)
        close(self->fd);
    free(self->folders);
    free(self->changed);
    free(self);
}

int
follow_fd(const struct follow *self)
{
    return self->fd;
}

static void
note_change(struct follow *self, const struct inotify_event *event)
{
    const struct graph *graph = engine_graph(self->engine);

    for (size_t i = 0; event->len && i < self->n_folders; i++) {
        const struct folder *folder = &self->folders[i];
        size_t len = strlen(folder->path);

        if (folder->watch != event->wd)
            continue;
        for (size_t k = 0; k < graph->n_nodes; k++) {
            const char *file = graph->nodes[k].plugin_path;

            if (!file || strncmp(file, folder->path, len) != 0 || file[len] != '/' ||
                strcmp(file + len + 1, event->name) != 0)
                continue;
            self->changed[k] = true;
            self->last_ns = clock_mono_ns();
        }
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
came_before(const struct graph *graph, const bool *changed, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (changed[k] && graph->nodes[k].op == graph->nodes[i].op)
            return true;
    return false;
}

/* One request for each operator; what becomes of it stands in the log and in the history. */
static void
ask(struct follow *self)
{
    const struct graph *graph = engine_graph(self->engine);
    struct err err = {0};

    for (size_t i = 0; i < graph->n_nodes; i++)
        if (self->changed[i] && !came_before(graph, self->changed, i) &&
            !reload_ask(self->engine,
                        &(struct reload_ask){.target = graph->nodes[i].op->name,
                                             .file = graph->nodes[i].plugin_path,
                                             .probation_ns = RELOAD_PROBATION_NS},
                        &err))
            log_line(LEVEL_WARN, graph->name, NULL, "reload.refused", "%s: %s: %s",
                     graph->nodes[i].op->name, err.code, err.text);
    memset(self->changed, 0, graph->n_nodes * sizeof *self->changed);
    self->last_ns = 0;
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
    read_changes(self);
    if (self->last_ns && follow_timeout_ms(self) == 0)
        ask(self);
}
