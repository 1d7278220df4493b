/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "engine/stats.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct registry *registry;
static const char *name = "";

void
rig_open(const char *program)
{
    name = program;
    registry = registry_new(NULL);
}

void
rig_close(void)
{
    registry_free(registry);
}

double
clock_s(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void
die(const char *what, const char *text)
{
    fprintf(stderr, "hde bench %s: %s: %s\n", name, what, text);
    exit(70);
}

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double
quantile(double *values, size_t n, double q)
{
    qsort(values, n, sizeof *values, by_value);
    return values[(size_t)((double)(n - 1) * q)];
}

const char *
graphs_folder(void)
{
    return access(HDE_INSTALLED_GRAPHS "/processing.yaml", R_OK) == 0 ? HDE_INSTALLED_GRAPHS
                                                                      : HDE_GRAPHS;
}

struct running
rig_start(const char *yaml, const struct engine_options *options)
{
    char path[] = "/tmp/hde-bench-XXXXXX";
    struct graph_options graph_options = {.for_run = true};
    struct diags diags = {0};
    struct err err = {{0}, {0}};
    struct running run;
    hde_text text = {0};
    int fd = mkstemp(path);

    if (fd < 0 || write(fd, yaml, strlen(yaml)) != (ssize_t)strlen(yaml))
        die(path, "cannot be written");
    close(fd);
    run.graph = graph_load(path, &graph_options, registry, &diags);
    unlink(path);
    if (!run.graph) {
        diags_print(&diags, &text, false);
        die("graph", text.data);
    }
    diags_fini(&diags);
    run.engine = engine_new(run.graph, options, &err);
    if (!run.engine)
        die("engine", err.text);
    return run;
}

void
rig_begin(struct running *run)
{
    struct err err = {{0}, {0}};

    if (!engine_start(run->engine, &err))
        die("engine", err.text);
}

void
rig_until(struct running *run, uint64_t entries)
{
    while (STAT_GET(engine_stats(run->engine)->entries) < entries && !engine_wait(run->engine, 1))
        ;
}

static bool
is_ready(const struct engine *engine)
{
    hde_health health;

    engine_health(engine, &health);
    return health.ready;
}

void
rig_ready(struct running *run)
{
    while (!is_ready(run->engine) && !engine_wait(run->engine, 1))
        ;
}

void
rig_cut(struct running *run)
{
    engine_stop(run->engine);
    engine_wait(run->engine, 10000);
}

void
rig_finish(struct running *run)
{
    if (engine_state(run->engine) == ENGINE_FAILED)
        die("engine", engine_error(run->engine)->text);
    engine_free(run->engine);
    graph_free(run->graph);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

void
rig_remove(const char *folder)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void
rig_clear(const char *folder)
{
    rig_remove(folder);
    if (mkdir(folder, 0755))
        die(folder, "cannot be made");
}
