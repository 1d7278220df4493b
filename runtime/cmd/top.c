/* SPDX-License-Identifier: Apache-2.0
 * top - what a running engine is doing, again and again, with rates; with --all every host of its
 * graph, asked through it. */
#include "base/clock.h"
#include "cmd/status.h"
#include "cmd/table.h"
#include "cmd/target.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

struct top_options {
    struct target_options target;
    hde_duration interval;
    bool once, all;
};

/* Two readings: the rates are between them. Same graph, same order. */
struct reading {
    struct arena arena;
    Hde__EngineStatus *status; /* NULL: none yet */
};

/* The engine that is asked, or another host of its graph. */
struct seen {
    struct seen *next;
    char *host;           /* NULL: the engine that is asked */
    char link[16];        /* to the host, as that engine sees it: "up" */
    struct err err;       /* why there is no status */
    struct reading last, now;
};

struct top {
    const struct cmd *cmd;
    const struct top_options *options;
    struct watch *watch;
    struct seen self;
    int signals;
    bool screen; /* stdin and stdout are a terminal: a picture that changes */
    struct termios old;
};

/* ---- Reading ------------------------------------------------------------------------------ */

/* The answer is lent by the client until its next one: keep a copy as bytes and back. */
static Hde__EngineStatus *
copy(const Hde__EngineStatus *status, struct arena *arena)
{
    size_t size = hde__engine_status__get_packed_size(status);
    uint8_t *bytes = arena_alloc(arena, size + 1);

    hde__engine_status__pack(status, bytes);
    return hde__engine_status__unpack(NULL, size, bytes);
}

static void
forget(struct reading *reading)
{
    if (reading->status)
        hde__engine_status__free_unpacked(reading->status, NULL);
    arena_fini(&reading->arena);
    *reading = (struct reading){0};
}

static void
turn_over(struct seen *seen, const Hde__EngineStatus *status, struct reading fresh)
{
    if (status)
        fresh.status = copy(status, &fresh.arena);
    forget(&seen->last);
    if (fresh.status) {
        seen->last = seen->now;
    } else {
        forget(&seen->now);
        forget(&fresh);
    }
    seen->now = fresh;
}

static struct seen *
seen_called(struct top *top, const char *host)
{
    struct seen **at = &top->self.next;

    while (*at && strcmp((*at)->host, host) != 0)
        at = &(*at)->next;
    if (!*at) {
        *at = xcalloc(1, sizeof **at);
        (*at)->host = xstrdup(host);
    }
    return *at;
}

static void
read_others(struct top *top)
{
    const Hde__EngineStatus *status = top->self.now.status;

    for (size_t i = 0; i < status->n_hosts; i++) {
        struct seen *seen = seen_called(top, status->hosts[i]->name);

        snprintf(seen->link, sizeof seen->link, "%s", status->hosts[i]->state);
        seen->err = (struct err){0};
        turn_over(seen, watch_read_host(top->watch, seen->host, &seen->err), (struct reading){0});
    }
}

static bool
read_next(struct top *top)
{
    struct reading fresh = {0};
    const Hde__EngineStatus *status = watch_read(top->watch, &fresh.arena);

    if (!status) {
        forget(&fresh);
        return false;
    }
    turn_over(&top->self, status, fresh);
    if (top->options->all && top->self.now.status)
        read_others(top);
    return top->self.now.status != NULL;
}

static double
seconds_between(const struct seen *seen)
{
    double s = (double)(seen->now.status->read_ns - seen->last.status->read_ns) / 1e9;

    return s > 1e-3 ? s : 1e-3;
}

static const Hde__NodeStatus *
last_node(const struct seen *seen, size_t i)
{
    return seen->last.status && i < seen->last.status->n_nodes ? seen->last.status->nodes[i] : NULL;
}

static const Hde__EdgeStatus *
last_edge(const struct seen *seen, size_t i)
{
    return seen->last.status && i < seen->last.status->n_edges ? seen->last.status->edges[i] : NULL;
}

static double
per_second(const struct seen *seen, uint64_t now, uint64_t last)
{
    return now > last ? (double)(now - last) / seconds_between(seen) : 0;
}

/* ---- Showing ------------------------------------------------------------------------------ */

/* The host stands in the last column, which is empty where there is but one. */
static const char *
host_of(const struct top *top, const struct seen *seen)
{
    return top->options->all && seen->now.status->host ? seen->now.status->host : "";
}

static void
put_nodes(const struct top *top, const struct seen *seen, struct table *table)
{
    struct arena *arena = table->arena;
    const Hde__EngineStatus *status = seen->now.status;

    for (size_t i = 0; status && i < status->n_nodes; i++) {
        const Hde__NodeStatus *n = status->nodes[i], *old = last_node(seen, i);
        double rate = old ? per_second(seen, n->messages, old->messages) : 0;
        double busy = rate * (n->has_ns_per_message ? n->ns_per_message : 0) / 1e7;

        TABLE_ROW(table, n->name, n->state, table_rate(arena, rate),
                  table_rate(arena, old ? per_second(seen, n->calls, old->calls) : 0),
                  table_number(arena, n->has_ns_per_message, n->ns_per_message),
                  table_rate(arena, busy), table_count(arena, n->rejects),
                  table_count(arena, n->retries), table_count(arena, n->errors),
                  host_of(top, seen));
    }
}

static void
put_edges(const struct top *top, const struct seen *seen, struct table *table)
{
    struct arena *arena = table->arena;
    const Hde__EngineStatus *status = seen->now.status;

    for (size_t i = 0; status && i < status->n_edges; i++) {
        const Hde__EdgeStatus *e = status->edges[i], *old = last_edge(seen, i);
        uint64_t drops = status_drops(e);

        TABLE_ROW(table, e->name, e->kind,
                  table_rate(arena, old ? per_second(seen, e->messages, old->messages) : 0),
                  table_count(arena, e->depth),
                  table_number(arena, e->has_credit, (double)e->credit),
                  table_seconds(arena, e->age_seconds), table_count(arena, drops),
                  table_rate(arena, old ? per_second(seen, drops, status_drops(old)) : 0),
                  host_of(top, seen));
    }
}

static void
put_tables(const struct top *top, struct table *nodes, struct table *edges)
{
    const char *host = top->options->all ? "HOST" : "";

    TABLE_ROW(nodes, "NODE", "STATE", ">MSG/S", ">CALLS/S", ">NS/MSG", ">BUSY%", ">REJECTS",
              ">RETRIES", ">ERRORS", host);
    TABLE_ROW(edges, "EDGE", "KIND", ">MSG/S", ">WAITING", ">CREDIT", ">OLDEST", ">DROPS",
              ">DROPS/S", host);
    for (const struct seen *seen = &top->self; seen; seen = seen->next) {
        put_nodes(top, seen, nodes);
        put_edges(top, seen, edges);
    }
}

static void
put_heads(const struct top *top, hde_text *out)
{
    for (const struct seen *seen = &top->self; seen; seen = seen->next)
        if (seen->now.status)
            status_head(top->cmd, seen->now.status, seen->host || watch_answers(top->watch), out);
        else
            status_silent(top->cmd, seen->host, seen->link, seen->err.text, out);
}

/* width and height 0: all of it. */
static void
put_picture(const struct top *top, hde_text *out, size_t width, size_t height)
{
    const char *bold = top->cmd->color ? "\033[1m" : "", *off = top->cmd->color ? "\033[0m" : "";
    struct arena arena = {0};
    struct table nodes = {.arena = &arena}, edges = {.arena = &arena};
    size_t head = 1, node_rows = 0, edge_rows = 0;

    put_heads(top, out);
    put_tables(top, &nodes, &edges);
    if (height) {
        for (size_t i = 0; i < out->len; i++)
            head += out->data[i] == '\n';
        height = height > head + 6 ? height - head - 2 : 4;
        node_rows = nodes.n_rows < height / 2 ? nodes.n_rows : height / 2;
        edge_rows = height - node_rows;
        if (edges.n_rows < edge_rows)
            node_rows = height - edges.n_rows;
    }
    hde_text_puts(out, "\n");
    table_print(&nodes, out, bold, off, width, node_rows);
    hde_text_puts(out, "\n");
    table_print(&edges, out, bold, off, width, edge_rows);
    arena_fini(&arena);
}

static void
put_part(hde_text *out, const char *name, const ProtobufCMessage *part)
{
    if (!part)
        return;
    hde_text_printf(out, ",\"%s\":", name);
    hde_json_message(out, part, HDE_JSON_FIELDS);
}

static void
put_engine(const struct seen *seen, hde_text *out)
{
    const Hde__EngineStatus *status = seen->now.status;

    hde_text_puts(out, "{\"time\":");
    hde_json_time(out, status->read_ns);
    hde_text_puts(out, ",\"graph\":");
    hde_json_string(out, status->graph);
    hde_text_puts(out, ",\"host\":");
    hde_json_string(out, status->host ? status->host : "");
    hde_text_printf(out, ",\"pid\":%d,\"state\":\"%s\",\"ticks\":%llu", status->pid,
                    status_state(status), (unsigned long long)status->entries);
    put_part(out, "log", status->log ? &status->log->base : NULL);
    put_part(out, "epoch", status->epoch ? &status->epoch->base : NULL);
    put_part(out, "recovery", status->recovery ? &status->recovery->base : NULL);
    hde_text_puts(out, ",\"nodes\":[");
    for (size_t i = 0; i < status->n_nodes; i++) {
        const Hde__NodeStatus *n = status->nodes[i], *old = last_node(seen, i);

        hde_text_puts(out, i ? ",{\"name\":" : "{\"name\":");
        hde_json_string(out, n->name);
        hde_text_puts(out, ",\"messages_per_second\":");
        hde_json_number(out, old ? per_second(seen, n->messages, old->messages) : 0);
        if (n->has_ns_per_message) {
            hde_text_puts(out, ",\"ns_per_message\":");
            hde_json_number(out, n->ns_per_message);
        }
        hde_text_printf(out, ",\"messages\":%llu,\"rejects\":%llu,\"errors\":%llu}",
                        (unsigned long long)n->messages, (unsigned long long)n->rejects,
                        (unsigned long long)n->errors);
    }
    hde_text_puts(out, "],\"edges\":[");
    for (size_t i = 0; i < status->n_edges; i++) {
        const Hde__EdgeStatus *e = status->edges[i], *old = last_edge(seen, i);

        hde_text_puts(out, i ? ",{\"name\":" : "{\"name\":");
        hde_json_string(out, e->name);
        hde_text_puts(out, ",\"messages_per_second\":");
        hde_json_number(out, old ? per_second(seen, e->messages, old->messages) : 0);
        hde_text_printf(out, ",\"messages\":%llu,\"depth\":%llu", (unsigned long long)e->messages,
                        (unsigned long long)e->depth);
        if (e->has_credit)
            hde_text_printf(out, ",\"credit\":%lld", (long long)e->credit);
        hde_text_printf(out, ",\"drops\":%llu}", (unsigned long long)status_drops(e));
    }
    hde_text_puts(out, "]}");
}

static void
put_json(const struct top *top, hde_text *out)
{
    hde_text_puts(out, top->options->all ? "[" : "");
    for (const struct seen *seen = &top->self; seen; seen = seen->next) {
        hde_text_puts(out, seen->host ? "," : "");
        if (seen->now.status)
            put_engine(seen, out);
        else
            status_silent(top->cmd, seen->host, seen->link, seen->err.text, out);
    }
    hde_text_puts(out, top->options->all ? "]\n" : "\n");
}

static int
show(const struct top *top, bool *gone)
{
    struct winsize size = {0};
    hde_text picture = {0}, out = {0};
    int exit;

    if (top->cmd->json) {
        put_json(top, &out);
    } else if (top->screen) {
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
        put_picture(top, &picture, size.ws_col, size.ws_row);
        hde_text_puts(&out, "\033[H");
        for (const char *line = picture.data; *line; line++) { /* clear behind every line */
            if (*line == '\n')
                hde_text_puts(&out, "\033[K");
            hde_text_put(&out, line, 1);
        }
        hde_text_puts(&out, "\033[Jq quits");
    } else {
        put_picture(top, &out, 0, 0);
        hde_text_puts(&out, "\n");
    }
    exit = cmd_print(top->cmd, &out, gone);
    hde_text_free(&picture);
    hde_text_free(&out);
    return exit;
}

/* ---- Terminal ----------------------------------------------------------------------------- */

static void
screen_open(struct top *top)
{
    static const char enter[] = "\033[?1049h\033[?25l\033[2J";
    struct termios raw;

    top->screen = !top->cmd->json && !top->options->once && isatty(STDIN_FILENO) &&
                  isatty(STDOUT_FILENO) && tcgetattr(STDIN_FILENO, &top->old) == 0;
    if (!top->screen)
        return;
    raw = top->old;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    (void)!write(STDOUT_FILENO, enter, sizeof enter - 1);
}

static void
screen_close(struct top *top)
{
    static const char leave[] = "\033[?25h\033[?1049l";

    if (!top->screen)
        return;
    (void)!write(STDOUT_FILENO, leave, sizeof leave - 1);
    tcsetattr(STDIN_FILENO, TCSANOW, &top->old);
}

/* Waits for the next reading. True: it is time to end. */
static bool
wait_or_quit(struct top *top)
{
    int64_t deadline = clock_mono_ns() + top->options->interval.ns;
    struct pollfd fds[] = {{.fd = top->signals, .events = POLLIN},
                           {.fd = top->screen ? STDIN_FILENO : -1, .events = POLLIN}};

    for (;;) {
        int64_t left = (deadline - clock_mono_ns() + NS_PER_MS - 1) / NS_PER_MS;
        char key;

        if (left <= 0 || poll(fds, 2, (int)left) == 0)
            return false;
        if (fds[0].revents)
            return true;
        if (fds[1].revents && (read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q'))
            return true;
    }
}

static int
loop(struct top *top)
{
    bool gone = false;
    int exit = CMD_OK;

    if (!read_next(top))
        return cmd_error(top->cmd, EX_UNAVAILABLE, "HDE-C012", NULL, "the engine does not answer");
    while (!exit && !gone && !wait_or_quit(top) && read_next(top)) {
        exit = show(top, &gone);
        if (top->options->once)
            break;
    }
    return exit;
}

static void
forget_all(struct top *top)
{
    struct seen *next;

    forget(&top->self.last);
    forget(&top->self.now);
    for (struct seen *seen = top->self.next; seen; seen = next) {
        next = seen->next;
        forget(&seen->last);
        forget(&seen->now);
        free(seen->host);
        free(seen);
    }
}

static int
run_top(const struct cmd *cmd, const void *options)
{
    struct top top = {.cmd = cmd, .options = options};
    sigset_t ends;
    int exit;

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    exit = watch_open(cmd, &top.options->target, &top.watch);
    if (exit)
        return exit;
    top.signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    screen_open(&top);
    exit = loop(&top);
    screen_close(&top);
    close(top.signals);
    forget_all(&top);
    watch_close(top.watch);
    return exit;
}

const struct command cmd_top = {
    .name = "top",
    .args = "",
    .group = CMD_GROUP_LOOK,
    .summary = "watch a running graph",
    .help = "Rates are of the last interval; q quits. Where stdout is no terminal the tables are "
            "printed one after another, with --json one object a line.",
    .examples =
        (const struct cmd_example[]){{"hde top", "until q"},
                                     {"hde top --all", "every host of the graph"},
                                     {"hde top --once", "one table, rates of one second"},
                                     {"hde top --json --interval 10s >> rates.jsonl", "a record"},
                                     {0}},
    .options =
        (const struct cmd_option[]){
            {CMD_OPTION("interval", struct top_options, interval), .value = "TIME",
             .fallback = "1s", .min = 0.05, .max = 86400, .help = "time between two readings"},
            {CMD_OPTION("once", struct top_options, once), .help = "show one interval and end"},
            {CMD_OPTION("all", struct top_options, all),
             .help = "all hosts of the graph, asked through this one; one that is gone is shown as "
                     "down; with --json a list a line"},
            TARGET_OPTIONS(struct top_options),
            {0}},
    .exits = (const struct cmd_exit[]){TARGET_EXITS, {0}},
    CMD_BLOCK(struct top_options),
    .run = run_top,
};
