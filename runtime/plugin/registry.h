/* SPDX-License-Identifier: Apache-2.0
 * registry - operators by name, from the plugins on the search path.
 *
 * The path is a list of folders (colon separated): --plugins, HDE_PLUGIN_PATH, then the folder
 * that belongs to the running program (build tree or prefix). A plugin file is inspected as ELF
 * (machine, type, the hde_plugin symbol: magic, ABI, sizes) before it is opened, so no code of a
 * wrong plugin ever runs. Operators of older plugins, whose struct is shorter, are padded with
 * zeros: what the runtime sees is always a whole hde_operator of its own. Plugins stay mapped for
 * the life of the process, since nobody can prove that nothing points into them; the registry's
 * own memory goes with registry_free(). Main thread only. */
#ifndef PLUGIN_REGISTRY_H
#define PLUGIN_REGISTRY_H

#include "base/err.h"

#include <hde/operator.h>

struct registry;

struct registry_operator {
    const hde_operator *op;
    const char *path;     /* of the plugin file */
    const char *build_id; /* hex, "" where the file has none */
};

struct registry_problem { /* a file on the path that was refused */
    const char *path;
    struct err err;
};

/* Scans at once: path (NULL: none), HDE_PLUGIN_PATH, the program's own folder; every folder once,
 * files *.so by name. Duplicates: first in the path wins, the rest is a problem. Never NULL. */
struct registry *registry_new(const char *path);
/* Exactly these folders; "": none. */
struct registry *registry_new_at(const char *path);
void registry_free(struct registry *registry);

/* NULL if no plugin exports it. */
const struct registry_operator *registry_find(const struct registry *registry, const char *name);
size_t registry_count(const struct registry *registry); /* sorted by name */
const struct registry_operator *registry_at(const struct registry *registry, size_t i);
size_t registry_problems(const struct registry *registry, const struct registry_problem **out);

/* Opens one more plugin file; its operators win over those of the same name. */
bool registry_open(struct registry *registry, const char *file, struct err *err);

#endif
