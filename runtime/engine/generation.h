/* SPDX-License-Identifier: Apache-2.0
 * generation - the checkpoint stores of one partition of a shared stage, one for each start.
 *
 *   ROOT/7/   the store of the seventh start: epochs, log, dead letters; ROOT/8/ that of the next
 *
 * A start never writes where another one may still write: it takes what an earlier generation has
 * into a new one of its own. Any process on any machine that shares ROOT. */
#ifndef ENGINE_GENERATION_H
#define ENGINE_GENERATION_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Makes the next generation from *from (0: it becomes the newest that is whole, if there is one).
 * *store is its folder, in arena; the first tick in it has its number as incarnation. False:
 * HDE-R141 where *from is not there, HDE-R014. */
bool generation_begin(const char *root, uint64_t *from, struct arena *arena, const char **store,
                      uint64_t *number, struct err *err);
/* After the sinks of `store` are open: removes what is older than it, but for `from`. */
void generation_forget_others(const char *store, uint64_t from);
/* Whether a later start has a generation; what cannot be read has none. */
bool generation_is_over(const char *store);

#endif
