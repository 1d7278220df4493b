/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/registry.h"

#include "base/arena.h"
#include "plugin/load.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef HDE_LIBDIR
#define HDE_LIBDIR "lib"
#endif

struct folder {
    dev_t device;
    ino_t inode;
};

struct registry {
    struct arena arena; /* texts and operators */
    struct registry_operator *operators;
    size_t n_operators, operators_cap;
    struct registry_problem *problems;
    size_t n_problems, problems_cap;
    struct folder *folders; /* that were scanned */
    size_t n_folders;
};

/* ---- Operators ---------------------------------------------------------------------------- */

/* Where name is, or belongs. */
static size_t
position(const struct registry *registry, const char *name)
{
    size_t low = 0, high = registry->n_operators;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(registry->operators[middle].op->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct registry_operator *
registry_find(const struct registry *registry, const char *name)
{
    size_t at = position(registry, name);

    if (at == registry->n_operators || strcmp(registry->operators[at].op->name, name))
        return NULL;
    return &registry->operators[at];
}

size_t
registry_count(const struct registry *registry)
{
    return registry->n_operators;
}

const struct registry_operator *
registry_at(const struct registry *registry, size_t i)
{
    return &registry->operators[i];
}

size_t
registry_problems(const struct registry *registry, const struct registry_problem **out)
{
    *out = registry->problems;
    return registry->n_problems;
}

static void
add_problem(struct registry *registry, const char *path, const struct err *err)
{
    if (registry->n_problems == registry->problems_cap) {
        registry->problems_cap = registry->problems_cap ? 2 * registry->problems_cap : 8;
        registry->problems =
            xrealloc(registry->problems, registry->problems_cap * sizeof *registry->problems);
    }
    registry->problems[registry->n_problems++] =
        (struct registry_problem){.path = arena_text(&registry->arena, path), .err = *err};
}

static void
add_operator(struct registry *registry, struct registry_operator operator)
{
    size_t at = position(registry, operator.op->name);

    if (at < registry->n_operators &&
        !strcmp(registry->operators[at].op->name, operator.op->name)) {
        registry->operators[at] = operator;
        return;
    }
    if (registry->n_operators == registry->operators_cap) {
        registry->operators_cap = registry->operators_cap ? 2 * registry->operators_cap : 32;
        registry->operators =
            xrealloc(registry->operators, registry->operators_cap * sizeof *registry->operators);
    }
    memmove(registry->operators + at + 1, registry->operators + at,
            (registry->n_operators++ - at) * sizeof *registry->operators);
    registry->operators[at] = operator;
}

/* ---- Plugins ------------------------------------------------------------------------------ */

static bool
twice_in(const hde_plugin_table *table, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (table->operators[j]->name && table->operators[i]->name &&
            !strcmp(table->operators[j]->name, table->operators[i]->name))
            return true;
    }
    return false;
}

/* All operators of a plugin or none. */
static bool
open_plugin(struct registry *registry, const char *path, bool is_override, struct err *err)
{
    char file[PATH_MAX];
    const hde_plugin_table *table;
    struct plugin plugin;
    const hde_operator **own;
    const char *kept, *build_id;
    size_t n = 0;

    if (!realpath(path, file))
        return err_set(err, "HDE-P001", "%s: cannot be read: %s", path, strerror(errno));
    if (!plugin_load(file, &plugin, err))
        return false;
    table = plugin.table;
    while (table->operators[n])
        n++;
    own = arena_alloc(&registry->arena, (n + 1) * sizeof(*own));
    for (size_t i = 0; i < n; i++) {
        own[i] = plugin_operator(file, table->operators[i], &registry->arena, err);
        if (!own[i])
            return false;
        if (twice_in(table, i))
            return err_set(err, "HDE-P012", "%s: operator '%s' is in its list twice", file,
                           own[i]->name);
    }
    kept = arena_text(&registry->arena, file);
    build_id = arena_text(&registry->arena, plugin.elf.build_id);
    for (size_t i = 0; i < n; i++) {
        const struct registry_operator *other = registry_find(registry, own[i]->name);

        if (other && !is_override) {
            struct err duplicate = {0};

            err_set(&duplicate, "HDE-P013",
                    "%s: operator '%s' is already there from %s, which comes first on the path: "
                    "rename or remove one",
                    file, own[i]->name, other->path);
            add_problem(registry, file, &duplicate);
            continue;
        }
        add_operator(registry, (struct registry_operator){own[i], kept, build_id});
    }
    return true;
}

bool
registry_open(struct registry *registry, const char *file, struct err *err)
{
    return open_plugin(registry, file, true, err);
}

/* ---- The path ----------------------------------------------------------------------------- */

static int
is_plugin_file(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 3 && entry->d_name[0] != '.' && !strcmp(entry->d_name + len - 3, ".so");
}

static bool
is_first_visit(struct registry *registry, const struct stat *stat)
{
    for (size_t i = 0; i < registry->n_folders; i++) {
        if (registry->folders[i].device == stat->st_dev &&
            registry->folders[i].inode == stat->st_ino)
            return false;
    }
    registry->folders =
        xrealloc(registry->folders, (registry->n_folders + 1) * sizeof *registry->folders);
    registry->folders[registry->n_folders++] = (struct folder){stat->st_dev, stat->st_ino};
    return true;
}

static void
scan_folder(struct registry *registry, const char *folder)
{
    struct dirent **entries = NULL;
    struct err err = {0};
    struct stat status;
    char path[PATH_MAX];
    int n;

    if (stat(folder, &status)) {
        err_set(&err, "HDE-P015", "plugin folder %s: %s", folder, strerror(errno));
        add_problem(registry, folder, &err);
        return;
    }
    if (!is_first_visit(registry, &status))
        return;
    n = scandir(folder, &entries, is_plugin_file, alphasort);
    if (n < 0) {
        err_set(&err, "HDE-P015", "plugin folder %s: %s", folder, strerror(errno));
        add_problem(registry, folder, &err);
    }
    for (int i = 0; i < n; i++) {
        err = (struct err){0};
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (!open_plugin(registry, path, false, &err))
            add_problem(registry, path, &err);
        free(entries[i]);
    }
    free(entries);
}

static void
scan_path(struct registry *registry, const char *path)
{
    for (const char *at = path; at && *at;) {
        size_t len = strcspn(at, ":");
        char *folder = arena_textn(&registry->arena, at, len);

        if (len)
            scan_folder(registry, folder);
        at += len + (at[len] == ':');
    }
}

/* The folder that belongs to a program in prefix/bin, or to a library in prefix/lib. */
static void
scan_own(struct registry *registry)
{
    static const char *const places[] = {"../lib/hde/plugins", "../" HDE_LIBDIR "/hde/plugins",
                                         "../lib64/hde/plugins"};
    char path[PATH_MAX], folder[PATH_MAX + 64];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    Dl_info here;

    path[len > 0 ? len : 0] = 0;
    for (size_t i = 0; strrchr(path, '/') && i < sizeof places / sizeof *places; i++) {
        snprintf(folder, sizeof folder, "%.*s/%s", (int)(strrchr(path, '/') - path), path,
                 places[i]);
        if (!access(folder, F_OK))
            scan_folder(registry, folder);
    }
    if (dladdr((const void *)(uintptr_t)registry_new, &here) && here.dli_fname &&
        strrchr(here.dli_fname, '/')) {
        snprintf(folder, sizeof folder, "%.*s/hde/plugins",
                 (int)(strrchr(here.dli_fname, '/') - here.dli_fname), here.dli_fname);
        if (!access(folder, F_OK))
            scan_folder(registry, folder);
    }
}

struct registry *
registry_new_at(const char *path)
{
    struct registry *registry = xcalloc(1, sizeof *registry);

    scan_path(registry, path);
    return registry;
}

struct registry *
registry_new(const char *path)
{
    struct registry *registry = registry_new_at(path);

    scan_path(registry, getenv("HDE_PLUGIN_PATH"));
    scan_own(registry);
    return registry;
}

void
registry_free(struct registry *registry)
{
    if (!registry)
        return;
    arena_fini(&registry->arena);
    free(registry->operators);
    free(registry->problems);
    free(registry->folders);
    free(registry);
}
