/* SPDX-License-Identifier: Apache-2.0 */
#include "control/doing.h"

#include "base/clock.h"
#include "engine/over_hosts.h"
#include "engine/reload.h"

#include <string.h>

enum { PROBATIONS = 16 }; /* of a part, that are looked at */

static void
add_line(Hde__EngineStatus *out, const char *line)
{
    out->doing[out->n_doing++] = (char *)(uintptr_t)line;
}

static const char *
ago(struct arena *arena, int64_t ns)
{
    return arena_printf(arena, "%.1f s ago", (double)(clock_real_ns() - ns) / 1e9);
}

static const char *
state_of(Hde__ChangeState state)
{
    static const char *const words[] = {"?", "waits", "under way", "planned", "done", "refused"};

    return (size_t)state < sizeof words / sizeof *words ? words[state] : words[0];
}

static const char *
what_of(const Hde__GraphChange *change, struct arena *arena)
{
    if (change->reload)
        return arena_printf(arena, "reload of %s", change->reload);
    if (change->move)
        return "move of nodes";
    return change->rollback ? "rollback"
                            : arena_printf(arena, "apply of %s", change->path ? change->path : "?");
}

/* What the coordinator has heard of the others. */
static const char *
hosts_of(const Hde__GraphChange *change, struct arena *arena)
{
    const char *text = "";

    for (size_t i = 0; i < change->n_hosts; i++) {
        const Hde__HostChange *host = change->hosts[i];
        bool is_open = host->state == HDE__CHANGE_STATE__CHANGE_STATE_WORKING;

        text = arena_printf(arena, "%s; host %s: %s", text, host->host,
                            is_open ? "decided, not heard" : state_of(host->state));
    }
    return text;
}

static void
add_change(Hde__EngineStatus *out, const struct parts *parts, struct arena *arena)
{
    Hde__EngineChanges *changes = parts_apply_changes(parts, 0);
    const Hde__GraphChange *change = NULL;
    const char *why = "";

    for (size_t i = 0; i < changes->n_changes && !change; i++)
        if (changes->changes[i]->state != HDE__CHANGE_STATE__CHANGE_STATE_PLANNED)
            change = changes->changes[i];
    if (change && change->error)
        why = arena_printf(arena, ": %s", change->error->message);
    if (change)
        add_line(out,
                 arena_printf(arena, "%s: %s, %s%s%s%s%s", what_of(change, arena),
                              state_of(change->state),
                              ago(arena, change->ended_ns ? change->ended_ns : change->asked_ns),
                              change->who ? ", by " : "", change->who ? change->who : "", why,
                              hosts_of(change, arena)));
    hde__engine_changes__free_unpacked(changes, NULL);
}

static void
add_probations(Hde__EngineStatus *out, struct engine *engine, struct arena *arena)
{
    struct reload_report *reports = arena_alloc(arena, PROBATIONS * sizeof *reports);
    size_t n = reload_reports(engine, 0, reports, PROBATIONS);

    for (size_t i = 0; i < n; i++)
        if (reports[i].state == RELOAD_PROBATION)
            add_line(out, arena_printf(arena,
                                       "%s: build %.12s on probation for %.1f s more, then %.12s "
                                       "is let go",
                                       reports[i].target, reports[i].new_build,
                                       (double)(reports[i].until_ns - clock_real_ns()) / 1e9,
                                       reports[i].old_build));
}

void
doing_read(Hde__EngineStatus *out, const struct parts *parts, struct arena *arena)
{
    struct over_hosts *over_hosts = parts_over_hosts(parts);
    const char *line = over_hosts ? over_hosts_doing(over_hosts, arena) : NULL;
    size_t n = parts_count(parts);

    out->doing = arena_alloc(arena, (n * PROBATIONS + 3) * sizeof *out->doing);
    if (line)
        add_line(out, line);
    add_change(out, parts, arena);
    for (size_t i = 0; i < n; i++)
        add_probations(out, parts_engine(parts, i), arena);
}
