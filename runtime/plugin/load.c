/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/load.h"

#include "plugin/check.h"

#include <dlfcn.h>
#include <string.h>

/* Opens an inspected file. */
static bool
open_file(const char *file, struct plugin *out, struct err *err)
{
    const hde_plugin_table *table;

    out->handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    table = out->handle ? dlsym(out->handle, "hde_plugin") : NULL;
    if (!table) {
        const char *why = dlerror();

        return err_set(err, "HDE-P011", "%s: cannot be loaded: %s", file,
                       why ? why : "no hde_plugin");
    }
    if (table->magic != out->elf.magic || table->abi != out->elf.abi ||
        table->size != out->elf.size || !table->operators)
        return err_set(err, "HDE-P011",
                       "%s: what was loaded is not what the file says: it changed meanwhile, or "
                       "lists no operators",
                       file);
    out->table = table;
    return true;
}

bool
plugin_load(const char *file, struct plugin *out, struct err *err)
{
    *out = (struct plugin){0};
    if (!elf_inspect(file, &out->elf, err))
        return false;
    if (open_file(file, out, err))
        return true;
    if (out->handle)
        dlclose(out->handle);
    *out = (struct plugin){0};
    return false;
}

const hde_operator *
plugin_operator(const char *file, const hde_operator *theirs, struct arena *arena, struct err *err)
{
    size_t size = theirs->size;
    hde_operator *own;

    if (size < offsetof(hde_operator, open))
        return err_set(err, "HDE-P008", "%s: an operator has the impossible size %zu", file, size),
               NULL;
    for (size_t i = sizeof *own; i < size; i++) {
        if (((const char *)theirs)[i])
            return err_set(err, "HDE-P014",
                           "%s: operator '%s' uses functions that this runtime (%s) does not have: "
                           "update hde",
                           file, theirs->name ? theirs->name : "?", HDE_VERSION),
                   NULL;
    }
    own = arena_alloc(arena, sizeof *own);
    memcpy(own, theirs, size < sizeof *own ? size : sizeof *own);
    own->size = sizeof *own;
    if (!operator_check(own, err)) {
        err_wrap(err, "%s", file);
        return NULL;
    }
    return own;
}
