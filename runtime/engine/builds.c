/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/builds.h"

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/io.h"
#include "base/whole.h"

#include <hde/schemas/runtime.pb-c.h>
#include <hde/text.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VERSION = 1, CHUNK = 64 * 1024 };
#define HELD UINT64_MAX /* an entry is about to name it */
static const char magic[WHOLE_MAGIC] = {'H', 'D', 'E', 'B', 'U', 'I', 'L', 'D'};

struct builds {
    char *folder, *catalogue;
    pthread_mutex_t lock;
    Hde__Builds *known;
};

/* ---- Catalogue ---------------------------------------------------------------------------- */

static bool
read_catalogue(struct builds *self, struct err *err)
{
    size_t size = 0;
    uint8_t *bytes = whole_read(self->catalogue, magic, &size);

    if (!bytes && errno != ENOENT)
        return err_set(err, "HDE-R045", "'%s' cannot be read: %s", self->catalogue,
                       errno == EBADMSG ? "it is damaged" : strerror(errno));
    if (bytes)
        self->known = hde__builds__unpack(NULL, size, bytes);
    free(bytes);
    if (self->known && self->known->version == VERSION)
        return true;
    if (bytes)
        return err_set(err, "HDE-R045", "'%s' is of another version of hde", self->catalogue);
    self->known = xmalloc(sizeof *self->known);
    hde__builds__init(self->known);
    self->known->has_version = true;
    self->known->version = VERSION;
    return true;
}

/* With the lock held. */
static bool
write_catalogue(struct builds *self, struct err *err)
{
    size_t size = hde__builds__get_packed_size(self->known);
    uint8_t *bytes = xmalloc(size + 1);
    bool ok;

    hde__builds__pack(self->known, bytes);
    ok = whole_write(self->catalogue, magic, bytes, size);
    free(bytes);
    return ok || err_set(err, "HDE-R042", "'%s' cannot be written: %s", self->catalogue,
                         strerror(errno));
}

static Hde__KeptBuild *
find(const struct builds *self, const char *id)
{
    for (size_t i = 0; i < self->known->n_builds; i++)
        if (strcmp(self->known->builds[i]->build_id, id) == 0)
            return self->known->builds[i];
    return NULL;
}

static Hde__KeptBuild *
add(struct builds *self, const char *id)
{
    Hde__Builds *known = self->known;
    Hde__KeptBuild *build = xmalloc(sizeof *build);

    hde__kept_build__init(build);
    build->build_id = xstrdup(id);
    known->builds = xrealloc(known->builds, (known->n_builds + 1) * sizeof *known->builds);
    known->builds[known->n_builds++] = build;
    return build;
}

struct builds *
builds_open(const char *log, uint64_t last, struct err *err)
{
    struct builds *self = xcalloc(1, sizeof *self);

    pthread_mutex_init(&self->lock, NULL);
    if (asprintf(&self->folder, "%s/builds", log) < 0 ||
        asprintf(&self->catalogue, "%s/catalogue", self->folder) < 0)
        hde_no_memory();
    if (!read_catalogue(self, err)) {
        builds_close(self);
        return NULL;
    }
    for (size_t i = 0; i < self->known->n_builds; i++)
        if (self->known->builds[i]->named == HELD)
            self->known->builds[i]->named = last;
    return self;
}

void
builds_close(struct builds *self)
{
    if (!self)
        return;
    if (self->known)
        hde__builds__free_unpacked(self->known, NULL);
    pthread_mutex_destroy(&self->lock);
    free(self->folder);
    free(self->catalogue);
    free(self);
}

/* ---- Files -------------------------------------------------------------------------------- */

/* Copies `from` to `to`, where `to` is a descriptor; -1: only reads. */
static bool
pass_bytes(int from, int to, Hde__KeptBuild *build)
{
    uint8_t *chunk = xmalloc(CHUNK);
    uint64_t at = 0;
    uint32_t crc = 0;
    ssize_t n;
    size_t done;

    while ((n = io_read(from, chunk, CHUNK, at)) > 0) {
        crc = crc32c(crc, chunk, (size_t)n);
        if (to >= 0 && !io_write(to, chunk, (size_t)n, at, &done)) {
            n = -1;
            break;
        }
        at += (uint64_t)n;
    }
    free(chunk);
    build->has_crc = build->has_size = true;
    build->crc = crc;
    build->size = at;
    return n == 0;
}

static bool
copy(const char *file, const char *path, Hde__KeptBuild *build)
{
    char draft[PATH_MAX + 8];
    int from = io.open(file, O_RDONLY | O_CLOEXEC, 0), to = -1, error;
    bool ok;

    snprintf(draft, sizeof draft, "%s.part", path);
    if (from >= 0)
        to = io.open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0500);
    ok = from >= 0 && to >= 0 && pass_bytes(from, to, build) && io.fsync(to) == 0;
    error = errno;
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    errno = error;
    if (ok)
        ok = io.rename(draft, path) == 0;
    return ok;
}

static char *
name_of(const char *origin, const char *id)
{
    const char *stem = strrchr(origin, '/') ? strrchr(origin, '/') + 1 : origin;
    size_t len = strlen(stem);
    char *name;

    if (len > 3 && !strcmp(stem + len - 3, ".so"))
        len -= 3;
    if (asprintf(&name, "%.*s-%s.so", (int)len, stem, id) < 0)
        hde_no_memory();
    return name;
}

/* With the lock held. */
static bool
keep(struct builds *self, const char *file, const char *origin, bool is_own, const char *id,
     struct err *err)
{
    Hde__KeptBuild *build = find(self, id);
    char path[PATH_MAX];

    if (!build)
        build = add(self, id);
    build->has_named = true;
    build->named = HELD;
    free(build->origin);
    build->origin = xstrdup(origin);
    build->has_own = true;
    build->own = is_own;
    if (!build->name) {
        char *name = name_of(origin, id);

        snprintf(path, sizeof path, "%s/%s", self->folder, name);
        if (!io_make_folders(self->folder) || !copy(file, path, build) ||
            !io_sync_folder(self->folder)) {
            free(name);
            build->named = 0;
            return err_set(err, "HDE-R042", "%s cannot be kept as '%s': %s", origin, path,
                           strerror(errno));
        }
        build->name = name;
    }
    return write_catalogue(self, err);
}

bool
builds_keep(struct builds *self, const char *file, const char *origin, bool is_own, const char *id,
            struct err *err)
{
    bool ok;

    pthread_mutex_lock(&self->lock);
    ok = keep(self, file, origin, is_own, id, err);
    pthread_mutex_unlock(&self->lock);
    return ok;
}

bool
builds_is_own(struct builds *self, const char *id)
{
    const Hde__KeptBuild *build;
    bool is_own;

    pthread_mutex_lock(&self->lock);
    build = find(self, id);
    is_own = build && build->own;
    pthread_mutex_unlock(&self->lock);
    return is_own;
}

void
builds_named(struct builds *self, const char *id, uint64_t position)
{
    Hde__KeptBuild *build;

    pthread_mutex_lock(&self->lock);
    build = find(self, id);
    if (build && (build->named == HELD || build->named < position))
        build->named = position; /* in the file with the next change: until then it is held */
    pthread_mutex_unlock(&self->lock);
}

/* With the lock held. */
static bool
is_whole(const char *path, const Hde__KeptBuild *build)
{
    Hde__KeptBuild got = HDE__KEPT_BUILD__INIT;
    int fd = io.open(path, O_RDONLY | O_CLOEXEC, 0);
    bool ok = fd >= 0 && pass_bytes(fd, -1, &got);

    if (fd >= 0)
        close(fd);
    return ok && got.crc == build->crc && got.size == build->size;
}

bool
builds_find(struct builds *self, const char *id, struct arena *arena, struct build *out,
            struct err *err)
{
    const Hde__KeptBuild *build;
    bool ok;

    pthread_mutex_lock(&self->lock);
    build = find(self, id);
    if (build && build->name)
        *out = (struct build){.id = arena_text(arena, id),
                              .path = arena_printf(arena, "%s/%s", self->folder, build->name),
                              .origin = arena_text(arena, build->origin),
                              .crc = build->crc,
                              .size = build->size};
    ok = build && build->name && is_whole(out->path, build);
    pthread_mutex_unlock(&self->lock);
    if (!build || !build->name)
        return err_set(err, "HDE-R040", "build %.12s is needed, and '%s' does not have it", id,
                       self->folder);
    return ok || err_set(err, "HDE-R040", "build %.12s is needed, and '%s' is not what was kept",
                         id, out->path);
}

/* ---- Blocked builds, void swaps ------------------------------------------------------------ */

/* With the lock held. */
static void
block(struct builds *self, const char *id, const char *why)
{
    Hde__KeptBuild *build = find(self, id);

    if (!build)
        build = add(self, id);
    free(build->blocked);
    build->blocked = xstrdup(why);
    build->has_blocked_ns = true;
    build->blocked_ns = clock_real_ns();
}

bool
builds_block(struct builds *self, const char *id, const char *why, struct err *err)
{
    bool ok;

    pthread_mutex_lock(&self->lock);
    block(self, id, why);
    ok = write_catalogue(self, err);
    pthread_mutex_unlock(&self->lock);
    return ok;
}

bool
builds_unblock(struct builds *self, const char *id, struct err *err)
{
    Hde__KeptBuild *build;
    bool ok = true;

    pthread_mutex_lock(&self->lock);
    build = find(self, id);
    if (build && build->blocked) {
        free(build->blocked);
        build->blocked = NULL;
        build->has_blocked_ns = false;
        ok = write_catalogue(self, err);
    }
    pthread_mutex_unlock(&self->lock);
    return ok;
}

bool
builds_is_blocked(struct builds *self, const char *id)
{
    const Hde__KeptBuild *build;
    bool is_blocked;

    pthread_mutex_lock(&self->lock);
    build = find(self, id);
    is_blocked = build && build->blocked;
    pthread_mutex_unlock(&self->lock);
    return is_blocked;
}

size_t
builds_blocked(struct builds *self, struct arena *arena, const struct blocked **out)
{
    struct blocked *list;
    size_t n = 0;

    pthread_mutex_lock(&self->lock);
    list = arena_alloc(arena, (self->known->n_builds + 1) * sizeof *list);
    for (size_t i = 0; i < self->known->n_builds; i++) {
        const Hde__KeptBuild *build = self->known->builds[i];

        if (build->blocked)
            list[n++] = (struct blocked){arena_text(arena, build->build_id),
                                         build->origin ? arena_text(arena, build->origin) : NULL,
                                         arena_text(arena, build->blocked), build->blocked_ns};
    }
    pthread_mutex_unlock(&self->lock);
    *out = list;
    return n;
}

bool
builds_void(struct builds *self, uint64_t swap, uint64_t until, const char *id, const char *why,
            struct err *err)
{
    Hde__SwapVoid *item = xmalloc(sizeof *item);
    Hde__Builds *known = self->known;
    bool ok;

    hde__swap_void__init(item);
    item->has_swap = item->has_until = true;
    item->swap = swap;
    item->until = until;
    pthread_mutex_lock(&self->lock);
    known->voids = xrealloc(known->voids, (known->n_voids + 1) * sizeof *known->voids);
    known->voids[known->n_voids++] = item;
    block(self, id, why);
    ok = write_catalogue(self, err);
    pthread_mutex_unlock(&self->lock);
    return ok;
}

bool
builds_is_void(struct builds *self, uint64_t swap)
{
    bool is_void = false;

    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < self->known->n_voids; i++)
        is_void |= self->known->voids[i]->swap == swap;
    pthread_mutex_unlock(&self->lock);
    return is_void;
}

void
builds_each_void(struct builds *self, void (*found)(void *arg, uint64_t swap, uint64_t until),
                 void *arg)
{
    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < self->known->n_voids; i++)
        found(arg, self->known->voids[i]->swap, self->known->voids[i]->until);
    pthread_mutex_unlock(&self->lock);
}

/* ---- History ------------------------------------------------------------------------------ */

void
builds_add_reload(struct builds *self, Hde__KeptReload *taken, size_t max)
{
    Hde__Builds *known = self->known;
    struct err err = {0};
    size_t i = 0;

    pthread_mutex_lock(&self->lock);
    while (i < known->n_reloads && known->reloads[i]->number != taken->number)
        i++;
    if (i < known->n_reloads) {
        hde__kept_reload__free_unpacked(known->reloads[i], NULL);
    } else {
        known->reloads =
            xrealloc(known->reloads, (known->n_reloads + 1) * sizeof *known->reloads);
        known->n_reloads++;
    }
    known->reloads[i] = taken;
    if (known->n_reloads > max) {
        hde__kept_reload__free_unpacked(known->reloads[0], NULL);
        memmove(known->reloads, known->reloads + 1, --known->n_reloads * sizeof *known->reloads);
    }
    if (io_make_folders(self->folder))
        write_catalogue(self, &err); /* otherwise with the next change */
    pthread_mutex_unlock(&self->lock);
}

void
builds_each_reload(struct builds *self, void (*found)(void *arg, const Hde__KeptReload *reload),
                   void *arg)
{
    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < self->known->n_reloads; i++)
        found(arg, self->known->reloads[i]);
    pthread_mutex_unlock(&self->lock);
}

/* ---- Retention ---------------------------------------------------------------------------- */

void
builds_retire(struct builds *self, uint64_t first, bool (*is_needed)(void *arg, const char *id),
              void *arg)
{
    struct err err = {0};
    char path[PATH_MAX];
    size_t n = 0, n_gone = 0;

    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < self->known->n_builds; i++) {
        Hde__KeptBuild *build = self->known->builds[i];

        if (build->named >= first || is_needed(arg, build->build_id)) {
            self->known->builds[n++] = build;
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", self->folder, build->name ? build->name : "");
        if (build->name)
            io.unlink(path);
        n_gone += build->name != NULL;
        if (build->blocked) { /* that is still known of it */
            free(build->name);
            build->name = NULL;
            self->known->builds[n++] = build;
            continue;
        }
        hde__kept_build__free_unpacked(build, NULL);
    }
    self->known->n_builds = n;
    if (n_gone)
        write_catalogue(self, &err); /* otherwise with the next change */
    pthread_mutex_unlock(&self->lock);
}
