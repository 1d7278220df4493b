/* SPDX-License-Identifier: Apache-2.0
 * tap - messages of an edge as JSON lines. */
#include "base/clock.h"
#include "cmd/target.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { CREDIT = 64, WAIT_MS = 15 * 1000 };

struct tap_options {
    struct target_options target;
    int64_t limit;
    hde_duration duration;
};

struct session {
    const struct cmd *cmd;
    const struct tap_options *options;
    struct client *client;
    uint64_t printed, dropped;
    unsigned used; /* credit that was used up and not given back yet */
    bool gone;     /* nobody reads stdout */
};

static int
print_item(struct session *s, const Hde__TapItem *item)
{
    hde_text out = {0};
    int exit;

    hde_text_puts(&out, "{\"edge\":");
    hde_json_string(&out, item->edge);
    if (item->host) {
        hde_text_puts(&out, ",\"host\":");
        hde_json_string(&out, item->host);
    }
    hde_text_printf(&out, ",\"tick\":%llu,\"time\":", (unsigned long long)item->tick);
    hde_json_time(&out, item->event_ns);
    hde_text_puts(&out, ",\"type\":");
    hde_json_string(&out, item->type);
    hde_text_printf(&out, ",\"message\":%s}\n", item->json);
    exit = cmd_print(s->cmd, &out, &s->gone);
    hde_text_free(&out);
    s->printed++;
    return exit;
}

static bool
give_credit(struct session *s, struct err *err)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlTapMore more = HDE__CONTROL_TAP_MORE__INIT;

    if (++s->used < CREDIT / 2)
        return true;
    more.has_credit = true;
    more.credit = s->used;
    s->used = 0;
    request.ask_case = HDE__CONTROL_REQUEST__ASK_TAP_MORE;
    request.tap_more = &more;
    return client_send(s->client, &request, err);
}

/* Until the limit, the time, a signal, the end of the engine or of the reader. */
static int
follow(struct session *s, int signals)
{
    int64_t end = s->options->duration.ns ? clock_mono_ns() + s->options->duration.ns : INT64_MAX;
    struct err err = {0};
    int exit = CMD_OK;

    while (!exit && !s->gone && (!s->options->limit || s->printed < (uint64_t)s->options->limit)) {
        int64_t left = (end - clock_mono_ns()) / NS_PER_MS;
        const Hde__ControlReply *reply;

        if (left <= 0)
            break;
        /* the engine says something every five seconds, also where nothing flows */
        reply = client_next(s->client, (int)(left < WAIT_MS ? left : WAIT_MS), signals, &err);
        if (!reply)
            return err_is_set(&err) && left >= WAIT_MS ? cmd_error_err(s->cmd, EX_UNAVAILABLE, &err)
                                                       : CMD_OK;
        if (reply->answer_case == HDE__CONTROL_REPLY__ANSWER_ERROR)
            return cmd_error(s->cmd, EX_UNAVAILABLE, reply->error->code, reply->error->hint, "%s",
                             reply->error->message);
        if (reply->answer_case != HDE__CONTROL_REPLY__ANSWER_TAP)
            return cmd_error(s->cmd, CMD_FAILED, "HDE-C013", NULL, "the engine ended the tap");
        s->dropped = reply->tap->dropped;
        if (reply->tap->note)
            cmd_note(s->cmd, "%s", reply->tap->note);
        if (reply->tap->end)
            break;
        if (!reply->tap->json)
            continue;
        exit = print_item(s, reply->tap);
        if (!exit && !give_credit(s, &err))
            return cmd_error_err(s->cmd, EX_UNAVAILABLE, &err);
    }
    return exit;
}

static void
say_goodbye(struct session *s)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlTapMore more = HDE__CONTROL_TAP_MORE__INIT;

    more.has_end = more.end = true;
    request.ask_case = HDE__CONTROL_REQUEST__ASK_TAP_MORE;
    request.tap_more = &more;
    client_send(s->client, &request, NULL);
    if (s->dropped)
        cmd_note(s->cmd, "%llu messages came faster than they were read and are not shown",
                 (unsigned long long)s->dropped);
}

static int
run_tap(const struct cmd *cmd, const void *options)
{
    const struct tap_options *opt = options;
    struct session session = {.cmd = cmd, .options = opt};
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlTap tap = HDE__CONTROL_TAP__INIT;
    const Hde__ControlReply *reply;
    sigset_t ends;
    int signals, exit;

    request.ask_case = HDE__CONTROL_REQUEST__ASK_TAP;
    request.tap = &tap;
    tap.edge = (char *)cmd->args[0];
    tap.has_credit = true;
    tap.credit = CREDIT;
    if (opt->limit && opt->limit < CREDIT)
        tap.credit = (uint32_t)opt->limit;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    exit = target_ask(cmd, &opt->target, &request, &session.client, &reply);
    if (!exit) {
        exit = follow(&session, signals);
        say_goodbye(&session);
        client_close(session.client);
    }
    close(signals);
    return exit;
}

const struct command cmd_tap = {
    .name = "tap",
    .args = "EDGE",
    .group = CMD_GROUP_LOOK,
    .summary = "print the messages of an edge, one JSON line each",
    .help = "EDGE is the name of an edge as 'hde status' shows it, an output or input as "
            "node.port, or a node (all its outputs); * and ? stand for other letters.\n\n"
            "A line has edge, tick, time (event time), type and message in the JSON names of "
            "Protocol Buffers. A viewer never slows the graph: what comes faster than it is read "
            "is dropped, newest first, and the number of dropped messages is said at the end.\n\n"
            "Of a graph with hosts: any of its engines is asked, wherever the edge lies; a line of "
            "another host has its name as host. Between hosts at most 256 KiB of a tap are under "
            "way at a time, among the data and behind whatever is urgent.",
    .examples = (const struct cmd_example[]){{"hde tap processing.iv --limit 1", "one message"},
                                             {"hde tap 'analytics.*' --for 5s | jq .message",
                                              "all that analytics sends, for five seconds"},
                                             {"hde tap 'clean.out -> forward.in'", "one edge"},
                                             {0}},
    .options =
        (const struct cmd_option[]){{CMD_OPTION("limit", struct tap_options, limit), .letter = 'n',
                                     .value = "N", .min = 1, .max = 1e15,
                                     .help = "end after N messages"},
                                    {CMD_OPTION("for", struct tap_options, duration),
                                     .value = "TIME", .help = "end after this time, such as 5s"},
                                    TARGET_OPTIONS(struct tap_options),
                                    {0}},
    .exits = (const struct cmd_exit[]){{EX_DATAERR, "there is no such edge"},
                                       TARGET_EXITS,
                                       {EX_TEMPFAIL, "too many taps at once"},
                                       {0}},
    .complete = CMD_COMPLETE_EDGE,
    .min_args = 1,
    .max_args = 1,
    CMD_BLOCK(struct tap_options),
    .run = run_tap,
};
