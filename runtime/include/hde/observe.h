/* SPDX-License-Identifier: Apache-2.0
 * hde/observe.h - what a view may ask of the process it runs in. Any thread. */
#ifndef HDE_OBSERVE_H
#define HDE_OBSERVE_H

#include <hde/operator.h>
#include <hde/text.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct hde_health {
    uint32_t size;
    bool live;  /* the process turns over */
    bool ready; /* every node is open and none is stopped by an error */
    bool draining;
    char reason[256]; /* why not ready: node and cause */
    bool degraded;    /* something is missing that the graph works without */
    char missing[256];
} hde_health;

/* Prometheus text of all nodes and edges: hde_node_*{graph,node,op,host}, hde_edge_*{...}. */
void hde_metrics(const hde_ctx *ctx, hde_text *out);
void hde_get_health(const hde_ctx *ctx, hde_health *out);
const char *hde_version(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
