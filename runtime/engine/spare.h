/* SPDX-License-Identifier: Apache-2.0
 * spare - a host on which no node lies (graph/parts.h) goes with the others.
 *
 * It has no state, so what its own line says (line.h) means nothing: where the others go back to
 * something else, because nodes were moved, links changed or a savepoint restored while it was away,
 * it asks one of them what that is, takes it over and begins anew. Until then it takes no part in
 * what is led (HDE-R238). */
#ifndef ENGINE_SPARE_H
#define ENGINE_SPARE_H

#include "engine/engine.h"
#include "net/net.h"

struct spare;

/* NULL: nodes lie on this host. Borrows all; the net has stopped before spare_free(). */
struct spare *spare_new(const struct graph *graph, const struct engine_options *options,
                        struct net *net);
void spare_free(struct spare *self);

/* The others go back to something else. Any thread. */
bool spare_is_behind(const struct spare *self);
/* Now and then, on one thread. True: this process has to begin anew. */
bool spare_tick(struct spare *self);

#endif
