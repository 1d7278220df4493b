/* SPDX-License-Identifier: Apache-2.0
 * load - opens a plugin file and takes operators out of its table. */
#ifndef PLUGIN_LOAD_H
#define PLUGIN_LOAD_H

#include "base/arena.h"
#include "plugin/elf.h"

struct plugin {
    struct elf_plugin elf; /* as the file says */
    void *handle;          /* dlclose() is the caller's affair */
    const hde_plugin_table *table;
};

/* Inspects the file, then opens it with every symbol resolved: its code may run from here on.
 * HDE-P001 to HDE-P011. */
bool plugin_load(const char *file, struct plugin *out, struct err *err);
/* A whole hde_operator, in arena, for one of any size; NULL (HDE-P008, P012, P014) where a newer
 * one uses what this runtime does not know, or where its table is not sound. */
const hde_operator *plugin_operator(const char *file, const hde_operator *theirs,
                                    struct arena *arena, struct err *err);

#endif
