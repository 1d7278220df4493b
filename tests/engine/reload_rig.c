/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "reload_rig.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *
variant(const char *name)
{
    static char path[1024];

    snprintf(path, sizeof path, "%s/tests/swapped/%s/swapped.so", HDE_BINARY_DIR, name);
    return path;
}

bool
rig_new(struct rig *rig, const char *yaml, const char *plugins,
        const struct engine_options *options, struct err *err)
{
    struct engine_options all = options ? *options : (struct engine_options){0};
    struct diags diags = {0};
    hde_text text = {0};
    char path[128];
    FILE *file;

    snprintf(rig->copies, sizeof rig->copies, "%s/copies", rig->folder);
    snprintf(path, sizeof path, "%s/graph.yaml", rig->folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "hde: 1\ngraph: reload\n%s", yaml);
    fclose(file);
    rig->registry = registry_new_at(plugins);
    rig->graph = graph_load(path, NULL, rig->registry, &diags);
    diags_print(&diags, &text, false);
    assert_string_equal(text.data ? text.data : "", "");
    hde_text_free(&text);
    diags_fini(&diags);
    all.plugin_folder = rig->copies;
    all.trial_program = HDE_BINARY_DIR "/bin/hde";
    rig->engine = engine_new(rig->graph, &all, err);
    return rig->engine != NULL;
}

void
rig_free(struct rig *rig)
{
    engine_free(rig->engine);
    graph_free(rig->graph);
    registry_free(rig->registry);
}

void
rig_open(struct rig *rig, const char *yaml)
{
    char plugins[1024];
    struct err err = {0};

    snprintf(rig->folder, sizeof rig->folder, "/tmp/hde-reload.XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(plugins, sizeof plugins, "%s/tests/swapped/v1", HDE_BINARY_DIR);
    rig_new(rig, yaml, plugins, NULL, &err);
    assert_string_equal(err.text, "");
    assert_true(engine_start(rig->engine, &err));
}

void
rig_close(struct rig *rig)
{
    char path[128];

    rig_free(rig);
    snprintf(path, sizeof path, "%s/graph.yaml", rig->folder);
    unlink(path);
    rmdir(rig->copies); /* every copy is gone by now */
    assert_int_equal(rmdir(rig->folder), 0);
}

uint64_t
counter(const struct rig *rig, const char *node, const char *name)
{
    for (size_t i = 0; i < rig->graph->n_nodes; i++) {
        struct node_view view;

        stats_node(engine_stats(rig->engine), i, &view);
        for (unsigned c = 0; c < view.n_counters && !strcmp(view.name, node); c++)
            if (!strcmp(view.counter[c].name, name))
                return view.counter[c].value;
    }
    return 0;
}

struct node_view
view_of(const struct rig *rig, const char *node)
{
    struct node_view view = {0};

    for (size_t i = 0; i < rig->graph->n_nodes; i++) {
        stats_node(engine_stats(rig->engine), i, &view);
        if (!strcmp(view.name, node))
            break;
    }
    return view;
}

void
await_seen(const struct rig *rig, uint64_t more)
{
    time_t deadline = time(NULL) + DEADLINE_S;
    uint64_t least = counter(rig, "check", "seen") + more;

    while (counter(rig, "check", "seen") < least) {
        if (time(NULL) > deadline || engine_state(rig->engine) != ENGINE_RUNNING)
            fail_msg("%llu of %llu samples have come: %s",
                     (unsigned long long)counter(rig, "check", "seen"), (unsigned long long)least,
                     engine_error(rig->engine)->text);
        sched_yield();
    }
}

struct reload_report
await_report(const struct rig *rig, uint64_t number)
{
    time_t deadline = time(NULL) + DEADLINE_S;
    struct reload_report report;

    do {
        if (time(NULL) > deadline)
            fail_msg("reload %llu is not decided", (unsigned long long)number);
        sched_yield();
        assert_int_equal(reload_reports(rig->engine, number, &report, 1), 1);
    } while (report.state == RELOAD_WAITING || report.state == RELOAD_WORKING);
    return report;
}

struct reload_report
await_end(const struct rig *rig, uint64_t number)
{
    time_t deadline = time(NULL) + DEADLINE_S;
    struct reload_report report;

    while ((report = await_report(rig, number)).state == RELOAD_PROBATION) {
        if (time(NULL) > deadline)
            fail_msg("reload %llu is still on probation", (unsigned long long)number);
    }
    return report;
}

uint64_t
ask(const struct rig *rig, const struct reload_ask *ask)
{
    struct err err = {0};
    uint64_t number = reload_ask(rig->engine, ask, &err);

    assert_string_equal(err.text, "");
    assert_true(number > 0);
    return number;
}

struct reload_report
reload(const struct rig *rig, const char *target, const char *file)
{
    return await_report(rig, ask(rig, &(struct reload_ask){
                                          .target = target, .file = file, .budget_ns = PATIENCE}));
}

void
assert_done(const struct reload_report *report)
{
    if (report->state != RELOAD_DONE)
        fail_msg("%s: %s %s: %s", report->target, reload_state_name(report->state),
                 report->err.code, report->err.text);
}

void
assert_intact(const struct rig *rig)
{
    await_seen(rig, 500);
    assert_int_equal(counter(rig, "check", "wrong"), 0);
    assert_int_equal(counter(rig, "check", "uncounted"), 0);
}

