/* SPDX-License-Identifier: Apache-2.0
 * answer - what each request gets. */
#include "base/nearest.h"
#include "control/server.h"
#include "control/status.h"
#include "engine/apply.h"
#include "engine/dlq.h"
#include "engine/builds.h"
#include "engine/over_hosts.h"
#include "engine/reload.h"
#include "engine/savepoint.h"

#include <hde/observe.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
control_refuse(struct control *control, const struct peer *peer, uint64_t id, const char *code,
               const char *hint, const char *message)
{
    Hde__ControlReply reply = HDE__CONTROL_REPLY__INIT;
    Hde__ControlError error = HDE__CONTROL_ERROR__INIT;

    error.code = (char *)code;
    error.message = (char *)message;
    error.hint = (char *)hint;
    reply.has_version = reply.has_id = true;
    reply.version = CONTROL_VERSION;
    reply.id = id;
    reply.answer_case = HDE__CONTROL_REPLY__ANSWER_ERROR;
    reply.error = &error;
    control_send(control, peer, &reply);
}

static void
say_hello(struct control *control, Hde__ControlReply *reply, struct arena *arena)
{
    Hde__EngineHello *hello = arena_alloc(arena, sizeof *hello);

    hde__engine_hello__init(hello);
    hello->version = (char *)hde_version();
    hello->graph = (char *)parts_graph(control->parts)->name;
    hello->has_pid = true;
    hello->pid = (int32_t)getpid();
    reply->answer_case = HDE__CONTROL_REPLY__ANSWER_HELLO;
    reply->hello = hello;
}

static void
list_edges(struct control *control, Hde__ControlReply *reply, struct arena *arena)
{
    const struct graph *graph = parts_graph(control->parts);
    Hde__EngineEdges *edges = arena_alloc(arena, sizeof *edges);

    hde__engine_edges__init(edges);
    edges->n_name = graph->n_edges;
    edges->name = arena_alloc(arena, (graph->n_edges + 1) * sizeof *edges->name);
    for (size_t i = 0; i < graph->n_edges; i++)
        edges->name[i] = (char *)graph->edges[i].name;
    reply->answer_case = HDE__CONTROL_REPLY__ANSWER_EDGES;
    reply->edges = edges;
}

/* Gives an error's code, or NULL. */
static const char *
set_level(struct control *control, const Hde__ControlLog *log, struct arena *arena,
          const char **message, const char **hint)
{
    const struct graph *graph = parts_graph(control->parts);
    struct nearest near = {.word = log->node ? log->node : ""};
    int level = (int)log->level - (int)HDE__CONTROL_LOG_LEVEL__CONTROL_LOG_LEVEL_DEBUG;

    if (!log->has_level || level < HDE_DEBUG || level > HDE_ERROR) {
        *message = "a log level is debug, info, warn or error";
        return "HDE-C013";
    }
    if (parts_log_level(control->parts, log->node, level))
        return NULL;
    for (size_t i = 0; i < graph->n_nodes; i++)
        nearest_try(&near, graph->nodes[i].name);
    *message = arena_printf(arena, "there is no node '%s'", near.word);
    *hint = near.best ? arena_printf(arena, "did you mean '%s'?", near.best)
                      : "'hde status' lists the nodes";
    return "HDE-C015";
}

/* ---- Reloads ------------------------------------------------------------------------------ */

static char *
text_or_null(struct arena *arena, const char *text)
{
    return text[0] ? arena_text(arena, text) : NULL;
}

static Hde__ReloadAttempt *
show_attempt(const struct reload_report *report, struct arena *arena)
{
    Hde__ReloadAttempt *out = arena_alloc(arena, sizeof *out);

    hde__reload_attempt__init(out);
    out->has_number = out->has_state = out->has_nodes = out->has_asked_ns = true;
    out->number = report->number;
    out->state = (Hde__ReloadState)((int)report->state + 1);
    out->target = arena_text(arena, report->target);
    out->file = text_or_null(arena, report->file);
    out->old_build = text_or_null(arena, report->old_build);
    out->new_build = text_or_null(arena, report->new_build);
    out->nodes = report->nodes;
    out->asked_ns = report->asked_ns;
    out->has_ended_ns = report->ended_ns != 0;
    out->ended_ns = report->ended_ns;
    out->has_compared = report->compared != 0;
    out->compared = report->compared;
    out->has_until_ns = report->state == RELOAD_PROBATION;
    out->until_ns = report->until_ns;
    if (report->state == RELOAD_DONE || report->state == RELOAD_PROBATION ||
        report->state == RELOAD_RETURNED) {
        out->has_pause_seconds = out->has_kept = out->has_state_bytes = true;
        out->pause_seconds = (double)report->pause_ns / 1e9;
        out->kept = (Hde__ReloadKept)((int)report->kept + 1);
        out->state_bytes = report->state_bytes;
        out->retired = text_or_null(arena, report->retired);
    }
    if (report->err.code[0]) {
        out->error = arena_alloc(arena, sizeof *out->error);
        hde__control_error__init(out->error);
        out->error->code = arena_text(arena, report->err.code);
        out->error->message = arena_text(arena, report->err.text);
    }
    return out;
}

static void
show_blocked(struct engine *engine, Hde__EngineReloads *out, struct arena *arena)
{
    const struct blocked *blocked;
    size_t n = reload_blocked(engine, arena, &blocked);
    Hde__BlockedBuild **list = arena_alloc(arena, (out->n_blocked + n + 1) * sizeof *list);

    if (out->n_blocked)
        memcpy(list, out->blocked, out->n_blocked * sizeof *list);
    out->blocked = list;
    for (size_t i = 0; i < n; i++) {
        Hde__BlockedBuild *build = arena_alloc(arena, sizeof *build);

        hde__blocked_build__init(build);
        build->build_id = (char *)(uintptr_t)blocked[i].id;
        build->file = (char *)(uintptr_t)blocked[i].origin;
        build->why = (char *)(uintptr_t)blocked[i].why;
        build->has_since_ns = true;
        build->since_ns = blocked[i].since_ns;
        list[out->n_blocked++] = build;
    }
}

static void
list_reloads(struct control *control, uint64_t number, Hde__ControlReply *reply,
             struct arena *arena)
{
    struct reload_report *reports = xcalloc(RELOAD_HISTORY, sizeof *reports);
    Hde__EngineReloads *out = arena_alloc(arena, sizeof *out);

    hde__engine_reloads__init(out);
    out->n_attempts = parts_reload_reports(control->parts, number, reports, RELOAD_HISTORY);
    out->attempts = arena_alloc(arena, (out->n_attempts + 1) * sizeof *out->attempts);
    for (size_t i = 0; i < out->n_attempts; i++)
        out->attempts[i] = show_attempt(&reports[i], arena);
    free(reports);
    for (size_t i = 0; i < parts_count(control->parts); i++)
        show_blocked(parts_engine(control->parts, i), out, arena);
    reply->answer_case = HDE__CONTROL_REPLY__ANSWER_RELOADS;
    reply->reloads = out;
}

/* 0 for what makes no sense. */
static int64_t
to_ns(double seconds)
{
    return seconds > 0 && seconds < 1e6 ? (int64_t)(seconds * 1e9) : 0;
}

/* Gives an error's code, or NULL. */
static const char *
ask_reload(struct control *control, const Hde__ControlReload *said, Hde__ControlReply *reply,
           struct arena *arena, const char **message)
{
    struct err err = {0};
    uint64_t number;

    if (!said->target) {
        *message = "a reload names a node or an operator";
        return "HDE-C013";
    }
    if (parts_reload_is_change(control->parts, said->target)) {
        struct apply_ask change = {
            .reload = said, .timeout_ns = reload_timeout_ns(said), .who = "hde reload"};

        if ((number = parts_apply_ask(control->parts, &change, &err))) {
            reply->answer_case = HDE__CONTROL_REPLY__ANSWER_CHANGES;
            reply->changes = parts_apply_changes(control->parts, number);
        }
    } else {
        struct reload_ask ask = reload_ask_of(said);

        if ((number = parts_reload_ask(control->parts, &ask, &err)))
            list_reloads(control, number, reply, arena);
    }
    if (number)
        return NULL;
    *message = arena_text(arena, err.text);
    return arena_text(arena, err.code);
}

/* ---- Changes ------------------------------------------------------------------------------ */

/* Gives an error's code, or NULL. */
static const char *
ask_change(struct control *control, const Hde__ControlApply *ask, Hde__ControlReply *reply,
           struct arena *arena, const char **message)
{
    struct err err = {0};
    struct apply_ask change = {.path = ask->path,
                               .sets = (const char *const *)(uintptr_t)ask->set,
                               .n_sets = ask->n_set,
                               .plans_only = ask->plan_only,
                               .drops_state = ask->drop_state,
                               .timeout_ns = to_ns(ask->timeout_seconds),
                               .who = ask->who};
    uint64_t number = parts_apply_ask(control->parts, &change, &err);

    if (number) {
        reply->answer_case = HDE__CONTROL_REPLY__ANSWER_CHANGES;
        reply->changes = parts_apply_changes(control->parts, number);
        return NULL;
    }
    *message = arena_text(arena, err.text);
    return arena_text(arena, err.code);
}

/* ---- Dead letters ------------------------------------------------------------------------- */

/* Gives an error's code, or NULL. */
static const char *
ask_dlq(struct control *control, const Hde__ControlDlq *ask, Hde__ControlReply *reply,
        struct arena *arena, const char **message)
{
    struct dlq_choice choice = {.n_ids = ask->n_ids, .ids = ask->ids, .node = ask->node};
    Hde__EngineDlq *out = arena_alloc(arena, sizeof *out);
    struct err err = {0};
    struct engine *engine = parts_with(control->parts, ask->node, "a dead-letter queue", &err);

    if (!engine) {
        *message = arena_text(arena, err.text);
        return arena_text(arena, err.code);
    }
    hde__engine_dlq__init(out);
    out->has_letters = true;
    switch (ask->verb) {
    case HDE__DLQ_VERB__DLQ_VERB_DROP:
        out->letters = dlq_drop(engine, &choice, &err);
        break;
    case HDE__DLQ_VERB__DLQ_VERB_REPLAY:
        out->letters = dlq_replay(engine, &choice, &err);
        break;
    default:
        break;
    }
    dlq_flush(engine, UINT64_MAX); /* who asks may read the folder next */
    if (err_is_set(&err)) {
        *message = arena_text(arena, err.text);
        return arena_text(arena, err.code);
    }
    out->folder = (char *)(uintptr_t)status_dlq_folder(engine, arena);
    reply->answer_case = HDE__CONTROL_REPLY__ANSWER_DLQ;
    reply->dlq = out;
    return NULL;
}

/* ---- Savepoints --------------------------------------------------------------------------- */

/* Gives an error's code, or NULL. */
static const char *
ask_savepoint(struct control *control, const Hde__ControlSavepoint *ask, Hde__ControlReply *reply,
              struct arena *arena, const char **message)
{
    Hde__EngineSavepoint *out = arena_alloc(arena, sizeof *out);
    struct savepoint_report report;
    struct err err = {0};

    if (!ask->name) {
        *message = "a savepoint has a name";
        return "HDE-C013";
    }
    if (ask->take && !parts_savepoint_ask(control->parts, ask->name, &err)) {
        *message = arena_text(arena, err.text);
        return arena_text(arena, err.code);
    }
    parts_savepoint_report(control->parts, ask->name, &report);
    hde__engine_savepoint__init(out);
    out->name = arena_text(arena, ask->name);
    out->has_waiting = out->has_tick = out->has_bytes = true;
    out->waiting = report.state == SAVEPOINT_WAITING;
    out->tick = report.tick;
    out->bytes = report.bytes;
    out->path = text_or_null(arena, report.path);
    if (report.state == SAVEPOINT_NONE)
        err_set(&report.err, "HDE-R083", "nobody has asked for this savepoint");
    if (err_is_set(&report.err)) {
        out->error = arena_alloc(arena, sizeof *out->error);
        hde__control_error__init(out->error);
        out->error->code = arena_text(arena, report.err.code);
        out->error->message = arena_text(arena, report.err.text);
    }
    reply->answer_case = HDE__CONTROL_REPLY__ANSWER_SAVEPOINT;
    reply->savepoint = out;
    return NULL;
}

/* Gives an error's code, or NULL. */
static const char *
do_step(struct control *control, const Hde__HostStep *step, Hde__ControlReply *reply,
        struct arena *arena, const char **message)
{
    struct over_hosts *over_hosts = parts_over_hosts(control->parts);
    Hde__HostStepDone *out = arena_alloc(arena, sizeof *out);
    struct err err = {0};

    hde__host_step_done__init(out);
    if (!over_hosts)
        err_set(&err, "HDE-R086", "the graph keeps no state: it has no checkpoint:");
    if (over_hosts && over_hosts_step(over_hosts, step, out, arena, &err)) {
        reply->answer_case = HDE__CONTROL_REPLY__ANSWER_STEP;
        reply->step = out;
        return NULL;
    }
    *message = arena_text(arena, err.text);
    return arena_text(arena, err.code);
}

/* Gives an error's code, or NULL. */
static const char *
ask_move(struct control *control, const Hde__ControlMove *ask, Hde__ControlReply *reply,
         struct arena *arena, const char **message)
{
    struct over_hosts *over_hosts = parts_over_hosts(control->parts);
    Hde__EngineMove *out = arena_alloc(arena, sizeof *out);
    uint32_t number = ask->number;
    struct err err = {0};

    hde__engine_move__init(out);
    if (!over_hosts)
        err_set(&err, "HDE-R234", "nodes are moved between the hosts of a graph with checkpoint:");
    else if (!number)
        number = over_hosts_move(over_hosts, ask, &err);
    if (number && over_hosts) {
        over_hosts_moved(over_hosts, number, out, arena);
        reply->answer_case = HDE__CONTROL_REPLY__ANSWER_MOVE;
        reply->move = out;
        return NULL;
    }
    *message = arena_text(arena, err.text);
    return arena_text(arena, err.code);
}

/* Fills reply; an error's code, or NULL. */
static const char *
dispatch(struct control *control, const struct peer *peer, const Hde__ControlRequest *request,
         Hde__ControlReply *reply, struct arena *arena, hde_text *text, const char **message,
         const char **hint)
{
    reply->answer_case = HDE__CONTROL_REPLY__ANSWER_DONE;
    switch (request->ask_case) {
    case HDE__CONTROL_REQUEST__ASK_PING:
        say_hello(control, reply, arena);
        return NULL;
    case HDE__CONTROL_REQUEST__ASK_STATUS:
        reply->answer_case = HDE__CONTROL_REPLY__ANSWER_STATUS;
        reply->status = status_read(parts_stats(control->parts), control->parts, arena);
        return NULL;
    case HDE__CONTROL_REQUEST__ASK_METRICS:
        parts_prometheus(control->parts, text);
        reply->answer_case = HDE__CONTROL_REPLY__ANSWER_TEXT;
        hde_text_puts(text, "");
        reply->text = text->data;
        return NULL;
    case HDE__CONTROL_REQUEST__ASK_EDGES:
        list_edges(control, reply, arena);
        return NULL;
    case HDE__CONTROL_REQUEST__ASK_TAP:
        reply->answer_case = HDE__CONTROL_REPLY__ANSWER__NOT_SET;
        viewer_open(control, peer, request->id, request->tap);
        return NULL;
    case HDE__CONTROL_REQUEST__ASK_TAP_MORE:
        if (peer->question)
            return "HDE-C013";
        reply->answer_case = HDE__CONTROL_REPLY__ANSWER__NOT_SET;
        viewer_more(control, peer, request->tap_more);
        return NULL;
    case HDE__CONTROL_REQUEST__ASK_LOG:
        return set_level(control, request->log, arena, message, hint);
    case HDE__CONTROL_REQUEST__ASK_DRAIN:
        parts_drain(control->parts);
        return NULL;
    case HDE__CONTROL_REQUEST__ASK_STOP:
        parts_stop(control->parts);
        return NULL;
    case HDE__CONTROL_REQUEST__ASK_RELOAD:
        return ask_reload(control, request->reload, reply, arena, message);
    case HDE__CONTROL_REQUEST__ASK_DLQ:
        return ask_dlq(control, request->dlq, reply, arena, message);
    case HDE__CONTROL_REQUEST__ASK_SAVEPOINT:
        return ask_savepoint(control, request->savepoint, reply, arena, message);
    case HDE__CONTROL_REQUEST__ASK_STEP:
        if (!peer->question)
            return "HDE-C013";
        return do_step(control, request->step, reply, arena, message);
    case HDE__CONTROL_REQUEST__ASK_MOVE:
        return ask_move(control, request->move, reply, arena, message);
    case HDE__CONTROL_REQUEST__ASK_RELOADS:
        list_reloads(control, request->reloads->number, reply, arena);
        return NULL;
    case HDE__CONTROL_REQUEST__ASK_APPLY:
        return ask_change(control, request->apply, reply, arena, message);
    case HDE__CONTROL_REQUEST__ASK_SHARE:
        if (!peer->question) {
            *message = "hosts of a graph say this to each other";
            return "HDE-C013";
        }
        reply->answer_case = HDE__CONTROL_REPLY__ANSWER__NOT_SET;
        parts_change_over_hosts(control->parts, request->share, peer->question);
        return NULL;
    case HDE__CONTROL_REQUEST__ASK_CHANGES:
        reply->answer_case = HDE__CONTROL_REPLY__ANSWER_CHANGES;
        reply->changes =
            parts_apply_changes(control->parts, request->changes->number);
        return NULL;
    default:
        *message = "this hde does not know the request; it may be older than the one that asked";
        return "HDE-C013";
    }
}

static bool
is_elsewhere(const struct control *control, const Hde__ControlRequest *request)
{
    const struct graph *graph = parts_graph(control->parts);

    return request->host && !(graph_is_of_host(graph) &&
                              strcmp(graph->hosts[graph->host].name, request->host) == 0);
}

static bool
is_lost(const Hde__ControlMove *move, const char *host)
{
    for (size_t i = 0; i < move->n_lost; i++)
        if (!strcmp(move->lost[i], host))
            return true;
    return false;
}

/* The coordinator leads what is done to all hosts, whoever was asked, unless it is lost. */
static const char *
leader_of(const struct control *control, const struct peer *peer,
          const Hde__ControlRequest *request)
{
    const struct graph *graph = parts_graph(control->parts);
    bool is_led = request->ask_case == HDE__CONTROL_REQUEST__ASK_APPLY ||
                  request->ask_case == HDE__CONTROL_REQUEST__ASK_RELOAD ||
                  ((request->ask_case == HDE__CONTROL_REQUEST__ASK_SAVEPOINT ||
                    request->ask_case == HDE__CONTROL_REQUEST__ASK_MOVE) &&
                   parts_over_hosts(control->parts));

    if (!is_led || peer->question || request->host || !parts_net(control->parts) ||
        graph->coordinator == graph->host ||
        (request->ask_case == HDE__CONTROL_REQUEST__ASK_MOVE &&
         is_lost(request->move, graph->hosts[graph->coordinator].name)))
        return NULL;
    return graph->hosts[graph->coordinator].name;
}

void
control_answer(struct control *control, const struct peer *peer, const uint8_t *bytes, size_t size)
{
    Hde__ControlRequest *request = hde__control_request__unpack(NULL, size, bytes);
    Hde__ControlReply reply = HDE__CONTROL_REPLY__INIT;
    Hde__ControlDone done = HDE__CONTROL_DONE__INIT;
    const char *code, *message = NULL, *hint = NULL, *leader;
    struct arena arena = {0};
    hde_text text = {0};

    if (!request) {
        control_refuse(control, peer, 0, "HDE-C013", NULL, "these bytes are no request");
        return;
    }
    reply.has_version = reply.has_id = true;
    reply.version = CONTROL_VERSION;
    reply.id = request->id;
    reply.done = &done;
    leader = leader_of(control, peer, request);
    if (leader || is_elsewhere(control, request)) {
        hosts_forward(control, peer, leader ? leader : request->host, request, bytes, size);
        hde__control_request__free_unpacked(request, NULL);
        return;
    }
    if (request->version != CONTROL_VERSION) {
        code = "HDE-C013";
        message = "this engine speaks version 1 of the control protocol";
    } else {
        parts_look(control->parts);
        code = dispatch(control, peer, request, &reply, &arena, &text, &message, &hint);
        parts_looked(control->parts);
    }
    if (code)
        control_refuse(control, peer, request->id, code, hint, message);
    else if (reply.answer_case != HDE__CONTROL_REPLY__ANSWER__NOT_SET)
        control_send(control, peer, &reply);
    hde__control_request__free_unpacked(request, NULL);
    if (reply.answer_case == HDE__CONTROL_REPLY__ANSWER_CHANGES)
        hde__engine_changes__free_unpacked(reply.changes, NULL);
    arena_fini(&arena);
    hde_text_free(&text);
}

/* ---- --admin ------------------------------------------------------------------------------ */

/* The process as Prometheus names it. */
static void
process_metrics(hde_text *out)
{
    char line[1024] = "";
    FILE *file = fopen("/proc/self/stat", "re");
    double tick = (double)sysconf(_SC_CLK_TCK);
    unsigned long user = 0, kernel = 0;
    long pages = 0;
    char *at;

    if (file && fgets(line, sizeof line, file) && (at = strrchr(line, ')')))
        (void)!sscanf(at + 2,
                      "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d "
                      "%*d %*d %*u %*u %ld",
                      &user, &kernel, &pages);
    if (file)
        fclose(file);
    hde_text_printf(out,
                    "# HELP hde_build_info Version of hde.\n# TYPE hde_build_info gauge\n"
                    "hde_build_info{version=\"%s\"} 1\n"
                    "# HELP process_cpu_seconds_total Time on all cores.\n"
                    "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.2f\n"
                    "# HELP process_resident_memory_bytes Memory in use.\n"
                    "# TYPE process_resident_memory_bytes gauge\n"
                    "process_resident_memory_bytes %lld\n",
                    hde_version(), (double)(user + kernel) / tick,
                    (long long)pages * (long long)sysconf(_SC_PAGESIZE));
}

void
control_admin_page(void *arg, const char *path, struct http_reply *reply)
{
    const struct control *control = arg;
    hde_health health = {.size = sizeof health};

    parts_look(control->parts);
    parts_health(control->parts, &health);
    parts_looked(control->parts);
    if (strcmp(path, "/livez") == 0) {
        reply->status = health.live ? 200 : 503;
        hde_text_puts(&reply->body, health.live ? "live\n" : "not live\n");
    } else if (strcmp(path, "/readyz") == 0) {
        bool ready = health.ready && !health.draining;

        reply->status = ready ? 200 : 503;
        hde_text_printf(&reply->body, ready ? "ready\n" : "not ready: %s\n",
                        health.draining ? "draining" : health.reason);
        if (health.degraded)
            hde_text_printf(&reply->body, "degraded: %s\n", health.missing);
    } else if (strcmp(path, "/metrics") == 0) {
        reply->type = "text/plain; version=0.0.4; charset=utf-8";
        parts_look(control->parts);
        parts_prometheus(control->parts, &reply->body);
        parts_looked(control->parts);
        process_metrics(&reply->body);
    } else {
        reply->status = 404;
        hde_text_puts(&reply->body, "there are /livez, /readyz and /metrics\n");
    }
}
