/* SPDX-License-Identifier: Apache-2.0
 * probe - stands between the output ports of a node and what they lead to, and sees every message
 * on its way: for hashes at barriers (hash.h), and for whoever traces a run. */
#ifndef ENGINE_PROBE_H
#define ENGINE_PROBE_H

#include "engine/run.h"

struct probe {
    struct capture out; /* where the node emits */
    struct digest {
        uint64_t hash, messages; /* since the last barrier, in order */
    } *port;
    uint8_t *bytes; /* of the message that is looked at */
    size_t cap;
};

/* Nodes whose outputs are a function of the log: no sources, views, impure operators or sinks. */
bool probe_fits(const struct node *node);
/* Puts probes into all of those, and into those that come later; before the first tick. They make
 * every actor take the slow path. */
void probes_open(struct engine *engine);
void probe_open(struct node *node); /* not wired yet; nothing where none fits */
void probe_close(struct node *node);
/* Worker: what the node has emitted in this tick is looked at and goes on. */
void probe_pass(struct node *node);

#endif
