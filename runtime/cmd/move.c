/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/move.h"

#include "base/clock.h"
#include "cmd/change.h"

#include <poll.h>
#include <string.h>

enum { LOOK_MS = 50, WAIT_MS = 180 * 1000, PATIENCE_MS = 2000 };

static const Hde__EngineMove *
ask(struct client *client, Hde__ControlMove *move, int timeout_ms, struct err *err,
    const char **hint)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    const Hde__ControlReply *reply;

    request.ask_case = HDE__CONTROL_REQUEST__ASK_MOVE;
    request.move = move;
    reply = client_ask(client, &request, timeout_ms, err, hint);
    if (reply && reply->answer_case == HDE__CONTROL_REPLY__ANSWER_MOVE)
        return reply->move;
    if (reply)
        err_set(err, "HDE-C013", "the answer is not understood");
    return NULL;
}

static int
tell(const struct cmd *cmd, const Hde__EngineMove *move, const hde_text *lines, bool plans_only)
{
    hde_text out = {0};
    int exit;

    if (move->error)
        return cmd_error(cmd, CMD_FAILED, move->error->code, "the graph goes on as it was", "%s",
                         move->error->message);
    if (cmd->json) {
        hde_json_message(&out, &move->base, HDE_JSON_FIELDS);
        hde_text_puts(&out, "\n");
    } else if (!cmd->quiet) {
        hde_text_printf(&out, "%s%s\n", lines->data ? lines->data : "",
                        plans_only ? "nothing was changed" : "done");
    }
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

static void
keep_lines(const Hde__EngineMove *move, hde_text *out)
{
    if (out->len)
        return;
    for (size_t i = 0; i < move->n_lines; i++)
        hde_text_printf(out, "%s\n", move->lines[i]);
}

/* The hosts begin anew meanwhile, also the one that is asked: it answers again some time later. The
 * first answer that has lines is kept. */
static int
follow(const struct cmd *cmd, struct client *client, uint32_t number,
       const Hde__ControlMove *asked, hde_text *lines, const Hde__EngineMove **out)
{
    int64_t end_ns = clock_mono_ns() + WAIT_MS * (int64_t)NS_PER_MS;
    Hde__ControlMove look = HDE__CONTROL_MOVE__INIT;
    const Hde__EngineMove *move = NULL;
    const char *hint = NULL;
    struct err err = {0};

    look.has_number = true;
    look.number = number;
    look.n_lost = asked->n_lost; /* not to be asked */
    look.lost = asked->lost;
    while ((!move || move->waiting) && clock_mono_ns() < end_ns) {
        err = (struct err){0};
        move = ask(client, &look, PATIENCE_MS, &err, &hint);
        if (move)
            keep_lines(move, lines);
        if (!move || move->waiting)
            poll(NULL, 0, LOOK_MS);
    }
    *out = move;
    return move && !move->waiting
               ? CMD_OK
               : cmd_error(cmd, EX_UNAVAILABLE, "HDE-C012",
                           "'hde status --all' tells how hosts are",
                           "the move is not decided after %d s (%s)", WAIT_MS / 1000, err.text);
}

int
move_follow(const struct cmd *cmd, struct client *client, uint32_t number,
            const Hde__EngineMove **out)
{
    const Hde__ControlMove none = HDE__CONTROL_MOVE__INIT;
    hde_text lines = {0};
    int exit = follow(cmd, client, number, &none, &lines, out);

    hde_text_free(&lines);
    return exit;
}

static int
follow_and_tell(const struct cmd *cmd, struct client *client, uint32_t number,
                const Hde__ControlMove *asked)
{
    const Hde__EngineMove *move;
    hde_text lines = {0};
    int exit = follow(cmd, client, number, asked, &lines, &move);

    if (!exit)
        exit = tell(cmd, move, &lines, asked->plan_only);
    hde_text_free(&lines);
    return exit;
}

int
run_move(const struct cmd *cmd, const struct target_options *target, const struct move_words *words,
         bool plans_only)
{
    Hde__ControlMove move = HDE__CONTROL_MOVE__INIT;
    const Hde__EngineMove *begun;
    struct engine_entry entry;
    struct client *client;
    const char *hint = NULL;
    struct err err = {0};
    int exit = target_find(cmd, target, &entry);

    if (exit)
        return exit;
    client = client_open(entry.endpoint, &err);
    if (!client)
        return cmd_error_err(cmd, EX_UNAVAILABLE, &err);
    move.n_moves = words->moves.n;
    move.moves = (char **)(uintptr_t)words->moves.item;
    move.n_lost = words->lost.n;
    move.lost = (char **)(uintptr_t)words->lost.item;
    move.has_plan_only = move.plan_only = plans_only;
    move.who = change_who(cmd);
    begun = ask(client, &move, TARGET_TIMEOUT_MS, &err, &hint);
    if (begun)
        exit = follow_and_tell(cmd, client, begun->number, &move);
    else
        exit = cmd_error(cmd, strcmp(err.code, "HDE-C012") == 0 ? EX_UNAVAILABLE : CMD_FAILED,
                         err.code, hint, "%s", err.text);
    client_close(client);
    return exit;
}
