/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/stage.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The copy ----------------------------------------------------------------------------- */

static bool
copy_bytes(int from, int to)
{
    char buffer[64 * 1024];
    ssize_t n;

    while ((n = read(from, buffer, sizeof buffer)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        for (ssize_t at = 0; at < n;) {
            ssize_t written = write(to, buffer + at, (size_t)(n - at));

            if (written < 0 && errno != EINTR)
                return false;
            at += written > 0 ? written : 0;
        }
    }
    return true;
}

/* A copy is there as a whole or not at all. */
static bool
copy_file(const char *file, const char *path, struct arena *arena)
{
    const char *draft = arena_printf(arena, "%s.new", path);
    int from = open(file, O_RDONLY | O_CLOEXEC);
    int to = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = from >= 0 && to >= 0 && copy_bytes(from, to) && !fchmod(to, 0500) && !fsync(to);
    int why = errno;

    if (from >= 0)
        close(from);
    if (to >= 0 && close(to)) {
        ok = false;
        why = errno;
    }
    if (ok && !rename(draft, path))
        return true;
    if (ok)
        why = errno;
    unlink(draft);
    errno = why;
    return false;
}

static const char *
stem(struct arena *arena, const char *file)
{
    const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    size_t len = strlen(name);

    return arena_textn(arena, name, len > 3 && !strcmp(name + len - 3, ".so") ? len - 3 : len);
}

static bool
make_copy(struct stage *stage, const char *from, const char *folder, struct err *err)
{
    static _Atomic unsigned long long number;
    struct elf_plugin elf, copied;

    if (!elf_inspect(from, &elf, err))
        return false;
    if (!elf.build_id[0])
        return err_set(err, "HDE-P017", "%s: has no build id: link it with -Wl,--build-id", from);
    stage->build_id = arena_text(&stage->arena, elf.build_id);
    stage->path = arena_printf(&stage->arena, "%s/%s-%s-%llu.so", folder,
                               stem(&stage->arena, stage->file), stage->build_id,
                               atomic_fetch_add(&number, 1) + 1);
    if ((mkdir(folder, 0700) && errno != EEXIST) ||
        !copy_file(from, stage->path, &stage->arena))
        return err_set(err, "HDE-P018", "%s: cannot be copied to %s: %s", from, stage->path,
                       strerror(errno));
    if (!elf_inspect(stage->path, &copied, err))
        return false;
    if (strcmp(copied.build_id, elf.build_id) != 0)
        return err_set(err, "HDE-P004", "%s: changed while it was copied: try again", from);
    return true;
}

static struct stage *
stage_of(const char *file, const char *from, const char *folder, struct err *err)
{
    struct stage *stage = xcalloc(1, sizeof *stage);

    stage->file = arena_text(&stage->arena, file);
    if (make_copy(stage, from, folder, err))
        return stage;
    stage_leave(stage);
    return NULL;
}

struct stage *
stage_new(const char *file, const char *folder, struct err *err)
{
    char full[PATH_MAX];

    if (!realpath(file, full)) {
        err_set(err, "HDE-P001", "%s: cannot be read: %s", file, strerror(errno));
        return NULL;
    }
    return stage_of(full, full, folder, err);
}

struct stage *
stage_again(const char *kept, const char *file, const char *folder, struct err *err)
{
    return stage_of(file, kept, folder, err);
}

/* ---- The code ----------------------------------------------------------------------------- */

/* Whether the table that was found is that of the copy: the loader gives older code where it knows
 * the name, and a symbol may come from somewhere else. */
static bool
is_of_copy(const struct stage *stage)
{
    Dl_info where;

    return dladdr(stage->plugin.table, &where) && where.dli_fname &&
           !strcmp(where.dli_fname, stage->path);
}

bool
stage_load(struct stage *stage, struct err *err)
{
    void *known = dlopen(stage->path, RTLD_NOW | RTLD_NOLOAD);

    if (known) {
        dlclose(known);
        return err_set(err, "HDE-P019", "%s: the loader knows this path already", stage->path);
    }
    if (!plugin_load(stage->path, &stage->plugin, err))
        return err_wrap(err, "%s", stage->file);
    if (is_of_copy(stage))
        return true;
    return err_set(err, "HDE-P019", "%s: the loader gave the table of another file: %s",
                   stage->file, stage->path);
}

const hde_operator *
stage_find(struct stage *stage, const char *name, struct err *err)
{
    for (const hde_operator *const *op = stage->plugin.table->operators; *op; op++) {
        const hde_operator *own;

        if ((*op)->size < offsetof(hde_operator, open) || !(*op)->name ||
            strcmp((*op)->name, name) != 0)
            continue;
        own = plugin_operator(stage->path, *op, &stage->arena, err);
        if (!own)
            err_wrap(err, "%s", stage->file);
        return own;
    }
    err_set(err, "HDE-P016", "%s: has no operator '%s'", stage->file, name);
    return NULL;
}

/* ---- And its end -------------------------------------------------------------------------- */

static bool
is_mapped(const char *path)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[PATH_MAX + 128];
    bool found = false;

    while (maps && !found && fgets(line, sizeof line, maps))
        found = strstr(line, path) != NULL;
    if (maps)
        fclose(maps);
    return found;
}

static bool
uses_thread_storage(void *handle)
{
    size_t module = 0;

    return dlinfo(handle, RTLD_DI_TLS_MODID, &module) == 0 && module != 0;
}

const char *
stage_free(struct stage *stage)
{
    const char *why = NULL;

    if (stage->plugin.handle) {
        bool has_tls = uses_thread_storage(stage->plugin.handle);

        dlclose(stage->plugin.handle);
        if (is_mapped(stage->path))
            why = has_tls ? "its thread-local data has destructors or is in use"
                          : "the loader keeps it (a unique symbol, nodelete, or another library "
                            "needs it)";
    }
    stage_leave(stage);
    return why;
}

void
stage_leave(struct stage *stage)
{
    if (!stage)
        return;
    if (stage->path)
        unlink(stage->path);
    arena_fini(&stage->arena);
    free(stage);
}
