/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/history.h"

#include "base/arena.h"
#include "base/io.h"
#include "base/whole.h"

#include <stdlib.h>

static const char magic[WHOLE_MAGIC] = "HDEHIST1";

bool
history_keep(const char *store, const Hde__EngineChanges *changes)
{
    char *path = xprintf("%s/history", store);
    size_t size = hde__engine_changes__get_packed_size(changes);
    uint8_t *bytes = xmalloc(size + 1);
    bool ok;

    hde__engine_changes__pack(changes, bytes);
    ok = whole_write(path, magic, bytes, size);
    free(bytes);
    free(path);
    return ok;
}

Hde__EngineChanges *
history_take(const char *store)
{
    char *path = xprintf("%s/history", store);
    size_t size = 0;
    uint8_t *bytes = whole_read(path, magic, &size);
    Hde__EngineChanges *changes = bytes ? hde__engine_changes__unpack(NULL, size, bytes) : NULL;

    if (bytes)
        io.unlink(path);
    free(bytes);
    free(path);
    return changes;
}
