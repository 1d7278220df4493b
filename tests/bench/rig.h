/* SPDX-License-Identifier: Apache-2.0
 * rig - what the benchmarks of whole graphs share. */
#ifndef BENCH_RIG_H
#define BENCH_RIG_H

#include "engine/engine.h"

#include <time.h>

void rig_open(const char *program); /* hde-bench-PROGRAM: for messages; finds the plugins */
void rig_close(void);
_Noreturn void die(const char *what, const char *text);
double clock_s(clockid_t id);
double quantile(double *values, size_t n, double q); /* sorts; q in [0, 1] */
const char *graphs_folder(void);

struct running {
    struct graph *graph;
    struct engine *engine;
};

/* Opened, not started. */
struct running rig_start(const char *yaml, const struct engine_options *options);
void rig_begin(struct running *run);
void rig_until(struct running *run, uint64_t entries); /* have entered, or it is over */
void rig_ready(struct running *run);                   /* it is ready, or over */
void rig_cut(struct running *run);    /* ends it without a last epoch, as a crash does */
void rig_finish(struct running *run); /* frees it; a failed run ends the program */
void rig_remove(const char *folder);
void rig_clear(const char *folder); /* an empty one of that name */

#endif
