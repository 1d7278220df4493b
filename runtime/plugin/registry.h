/* SPDX-License-Identifier: Apache-2.0
 * registry - operators by name, from the plugins on the search path.
 *
 * The path is a list of folders (colon separated): --plugins, HDE_PLUGIN_PATH, then the folder
 * that belongs to the running program (build tree or prefix). A plugin file is inspected as ELF
 * (machine, type, the hde_plugin symbol: magic, ABI, sizes) before it is opened, so no code of a
 * wrong plugin ever runs. Plugins stay open until registry_free(). Main thread only. */
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

/* path NULL: the default path. Scans at once (files *.so; duplicates: first in the path wins, the
 * rest is a problem). Never NULL. */
struct registry *registry_new(const char *path);
void registry_free(struct registry *registry);

/* NULL if no plugin exports it. */
const struct registry_operator *registry_find(const struct registry *registry, const char *name);
size_t registry_count(const struct registry *registry); /* sorted by name */
const struct registry_operator *registry_at(const struct registry *registry, size_t i);
size_t registry_problems(const struct registry *registry, const struct registry_problem **out);

/* Opens one more plugin file; its operators win over those of the same name. */
bool registry_open(struct registry *registry, const char *file, struct err *err);

#endif
