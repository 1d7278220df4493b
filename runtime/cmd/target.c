/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/target.h"
#include "base/clock.h"
#include "base/nearest.h"
#include "control/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
none_runs(const struct cmd *cmd)
{
    return cmd_error(cmd, EX_UNAVAILABLE, "HDE-C010",
                     "start one with 'hde run GRAPH'; one of another user or machine is reached "
                     "with --control ENDPOINT",
                     "no engine of this user is running");
}

static int
not_that_one(const struct cmd *cmd, const struct target_options *options,
             const struct engine_entry *list, size_t n)
{
    struct nearest near = {.word = options->graph ? options->graph : ""};
    hde_text hint = {0};

    for (size_t i = 0; options->graph && i < n; i++)
        nearest_try(&near, list[i].graph);
    if (near.best)
        hde_text_printf(&hint, "did you mean '%s'? ", near.best);
    hde_text_puts(&hint, "running:");
    for (size_t i = 0; i < n; i++)
        hde_text_printf(&hint, "%s %s (pid %d)", i ? "," : "", list[i].graph, list[i].pid);
    if (options->pid)
        cmd_error(cmd, EX_UNAVAILABLE, "HDE-C010", hint.data,
                  "no engine of this user has the process id %lld", (long long)options->pid);
    else
        cmd_error(cmd, EX_UNAVAILABLE, "HDE-C010", hint.data, "no engine runs a graph called '%s'",
                  options->graph);
    hde_text_free(&hint);
    return EX_UNAVAILABLE;
}

static int
too_many(const struct cmd *cmd, const struct engine_entry *list, size_t n)
{
    hde_text hint = {0};

    hde_text_puts(&hint, "say which one:");
    for (size_t i = 0; i < n; i++)
        hde_text_printf(&hint, "\n    --graph %s --pid %d    %s", list[i].graph, list[i].pid,
                        list[i].file);
    cmd_error(cmd, EX_USAGE, "HDE-C011", hint.data, "%zu engines are running", n);
    hde_text_free(&hint);
    return EX_USAGE;
}

int
target_find(const struct cmd *cmd, const struct target_options *options, struct engine_entry *entry)
{
    struct engine_entry *list;
    size_t n, fits = 0;

    if (options->control) {
        *entry = (struct engine_entry){.endpoint = options->control, .admin = ""};
        return CMD_OK;
    }
    n = engines_list(cmd->arena, &list);
    if (!n)
        return none_runs(cmd);
    for (size_t i = 0; i < n; i++) {
        if ((options->graph && strcmp(options->graph, list[i].graph) != 0) ||
            (options->pid && options->pid != list[i].pid))
            continue;
        list[fits++] = list[i];
    }
    if (!fits) {
        n = engines_list(cmd->arena, &list);
        return not_that_one(cmd, options, list, n);
    }
    if (fits > 1)
        return too_many(cmd, list, fits);
    *entry = list[0];
    return CMD_OK;
}

static int
exit_of(const struct err *err)
{
    if (strcmp(err->code, "HDE-C012") == 0)
        return EX_UNAVAILABLE;
    if (strcmp(err->code, "HDE-R094") == 0 || strcmp(err->code, "HDE-R095") == 0)
        return EX_DATAERR;
    if (strncmp(err->code, "HDE-R", 5) == 0)
        return EX_UNAVAILABLE;
    if (strcmp(err->code, "HDE-C014") == 0 || strcmp(err->code, "HDE-C015") == 0)
        return EX_DATAERR;
    return strcmp(err->code, "HDE-C019") == 0 ? EX_TEMPFAIL : CMD_FAILED;
}

int
target_patience_ms(int64_t end_ns)
{
    int64_t left_ms = (end_ns - clock_mono_ns()) / NS_PER_MS;

    return left_ms > TARGET_TIMEOUT_MS ? (int)left_ms : TARGET_TIMEOUT_MS;
}

int
target_ask(const struct cmd *cmd, const struct target_options *options,
           Hde__ControlRequest *request, struct client **client, const Hde__ControlReply **reply)
{
    struct engine_entry entry;
    const char *hint = NULL;
    struct err err = {0};
    int exit = target_find(cmd, options, &entry);

    *client = NULL;
    if (exit)
        return exit;
    *client = client_open(entry.endpoint, &err);
    *reply = *client ? client_ask(*client, request, TARGET_TIMEOUT_MS, &err, &hint) : NULL;
    if (*reply)
        return CMD_OK;
    if (!hint && strcmp(err.code, "HDE-C012") == 0)
        hint = "'hde status' reads the counters even when an engine hangs";
    exit = cmd_error(cmd, exit_of(&err), err.code, hint, "%s", err.text);
    client_close(*client);
    *client = NULL;
    return exit;
}

static int
say_done(const struct cmd *cmd, const char *what)
{
    hde_text out = {0};
    int exit;

    if (cmd->json)
        hde_text_printf(&out, "{\"ok\":true,\"did\":\"%s\"}\n", what);
    else if (!cmd->quiet)
        hde_text_printf(&out, "%s\n", what);
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

int
target_tell(const struct cmd *cmd, const struct target_options *options,
            Hde__ControlRequest *request, const char *what)
{
    const Hde__ControlReply *reply;
    struct client *client;
    int exit = target_ask(cmd, options, request, &client, &reply);

    if (exit)
        return exit;
    client_close(client);
    return say_done(cmd, what);
}

/* ---- Watching ----------------------------------------------------------------------------- */

struct watch {
    struct client *client;
    const struct stats *stats;
    bool answers;
};

void
watch_close(struct watch *watch)
{
    if (!watch)
        return;
    client_close(watch->client);
    stats_close(watch->stats);
    free(watch);
}

int
watch_open(const struct cmd *cmd, const struct target_options *options, struct watch **out)
{
    struct watch *watch;
    struct engine_entry entry;
    struct err err = {0};
    int exit = target_find(cmd, options, &entry);

    if (exit)
        return exit;
    watch = xcalloc(1, sizeof *watch);
    watch->client = client_open(entry.endpoint, &err);
    if (!watch->client) {
        free(watch);
        return cmd_error_err(cmd, EX_UNAVAILABLE, &err);
    }
    watch->stats = entry.stats ? stats_open(entry.stats, NULL) : NULL;
    watch->answers = true;
    *out = watch;
    return CMD_OK;
}

bool
watch_answers(const struct watch *watch)
{
    return watch->answers;
}

static bool
has_ended(const Hde__EngineStatus *status)
{
    return status->state == HDE__ENGINE_STATE__ENGINE_STATE_ENDED ||
           status->state == HDE__ENGINE_STATE__ENGINE_STATE_FAILED;
}

const Hde__EngineStatus *
watch_read(struct watch *watch, struct arena *arena)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlStatus ask = HDE__CONTROL_STATUS__INIT;
    const Hde__ControlReply *reply;
    const Hde__EngineStatus *status;
    /* one that did not answer is not waited for again so long */
    int timeout = watch->answers ? TARGET_TIMEOUT_MS : TARGET_TIMEOUT_MS / 20;

    request.ask_case = HDE__CONTROL_REQUEST__ASK_STATUS;
    request.status = &ask;
    reply = client_ask(watch->client, &request, timeout, NULL, NULL);
    watch->answers = reply && reply->answer_case == HDE__CONTROL_REPLY__ANSWER_STATUS;
    if (watch->answers)
        return reply->status;
    if (!watch->stats)
        return NULL;
    status = status_read(watch->stats, NULL, arena);
    return has_ended(status) ? NULL : status;
}

const Hde__EngineStatus *
watch_read_host(struct watch *watch, const char *host, struct err *err)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlStatus ask = HDE__CONTROL_STATUS__INIT;
    const Hde__ControlReply *reply;

    request.ask_case = HDE__CONTROL_REQUEST__ASK_STATUS;
    request.status = &ask;
    request.host = (char *)(uintptr_t)host;
    reply = client_ask(watch->client, &request, TARGET_TIMEOUT_MS, err, NULL);
    return reply && reply->answer_case == HDE__CONTROL_REPLY__ANSWER_STATUS ? reply->status : NULL;
}
