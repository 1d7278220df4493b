/* SPDX-License-Identifier: Apache-2.0
 * members - one of the processes that share a stage: it runs the stage once for each partition that
 * the group gives it, in a child process `hde run ... --partition P`.
 *
 *  (1) A child runs while its partition is assigned, and an unassignment is confirmed only when its
 *      child is gone. One that is revoked drains: what it has taken is committed, its epoch is in
 *      the store. One that is lost (the group went on without us) is killed: what it has not
 *      committed, the next owner makes again. [tests/kafka/members.sh]
 *  (2) A start goes on from the state that the last commit names: the largest incarnation among the
 *      marks of the stage's sinks (sink.c (2)) is the generation of the store
 *      (engine/generation.h).
 *  (3) A child that ends by itself is started again while the partition is ours, after a pause that
 *      doubles; one that cannot run at all (usage, graph, state that is not there) or does not live
 *      ends this member: another may do better. While the next one has not lived for a while, and
 *      while brokers are away, /readyz says so. [tests/kafka/members.sh]
 *  (4) Children end with this process, however it ends: by SIGTERM, and so with a last epoch.
 *
 *      assigned: PAUSED --start--> RUNNING --exit--> PAUSED
 *      revoked:  RUNNING --SIGTERM--> ENDING --exit, or SIGKILL when it is overdue--> gone */
#include "common.h"

#include <hde/text.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_TIMER = 1, TEXT = 250, RESTARTS_MAX = 10 };
enum { CANNOT_USE = 64, CANNOT_READ = 66, TRY_AGAIN = 75, CANNOT_CONFIGURE = 78 }; /* sysexits.h */
static const int64_t ms = 1000000, first_pause_ns = 100000000, max_pause_ns = 10000000000;
static const int64_t calm_ns = 60000000000, look_every_ns = 100000000;

extern char **environ;

struct child {
    bool is_ours; /* the partition */
    pid_t pid;    /* 0: none runs */
    int fd;       /* of the process */
    int64_t start_ns;
    int64_t end_ns;  /* when it was asked to end; 0: it was not */
    int64_t next_ns; /* no start before that */
    int64_t pause_ns;
    int n_restarts;  /* without a calm minute in between */
    bool is_failing; /* ended by itself, with this status, and the next one has not lived since */
    int status;
};

struct members {
    struct cluster cluster;
    hde_list topics, sinks, command;
    hde_duration session, drain;

    struct kafka *client;
    rd_kafka_queue_t *queue;
    int ready_fd, n;
    char group[TEXT];
    struct child *child;                      /* by partition */
    rd_kafka_topic_partition_list_t *leaving; /* revoked, and not confirmed yet */
    hde_ctx *ctx;                             /* while librdkafka calls */
    hde_status status;
    int64_t tell_ns; /* how it stands */
    hde_counter *partitions, *starts, *failures, *losses;
};

static int64_t
mono_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* ---- What the last commit names (2) ---------------------------------------------------------- */

static bool
mark_of(struct members *self, int partition, const char *sink, uint64_t *mark,
        struct kafka_error *error)
{
    char graph[CLUSTER_NAME], node[CLUSTER_NAME], group[CLUSTER_NAME], text[KAFKA_METADATA_MAX];
    const char *topic = strchr(sink, '=') + 1;
    /* not waiting for a transaction that its owner may never end; the sink ends it (HDE-R140) */
    const struct kafka_setting fixed[] = {{"group.id", group},
                                          {"enable.auto.commit", "false"},
                                          {"isolation.level", "read_uncommitted"},
                                          {0}};
    struct kafka *reader;
    int64_t offset;
    bool ok;

    snprintf(graph, sizeof graph, "%s.%d", hde_graph_name(self->ctx), partition);
    snprintf(node, sizeof node, "%.*s", (int)(topic - 1 - sink), sink);
    cluster_name(group, graph, node);
    reader = cluster_open(&self->cluster, KAFKA_CONSUMER, fixed, error);
    ok = reader && kafka_committed(reader, topic, 0, cluster_timeout_ms(&self->cluster), &offset,
                                   text, error);
    kafka_close(reader);
    *mark = 0;
    if (ok && offset >= 0)
        sscanf(text, "tick %" SCNu64, mark);
    return ok;
}

static bool
generation_of(struct members *self, int partition, uint64_t *generation, struct kafka_error *error)
{
    uint64_t mark;

    *generation = 0;
    for (size_t i = 0; i < self->sinks.n; i++) {
        if (!mark_of(self, partition, self->sinks.item[i], &mark, error))
            return false;
        if (HDE_TICK_INCARNATION(mark) > *generation)
            *generation = HDE_TICK_INCARNATION(mark);
    }
    return true;
}

/* ---- A child -------------------------------------------------------------------------------- */

/* ADDRESS:PORT of this process; partitions follow behind it. The caller frees it. */
static char *
admin_of(const char *admin, int partition)
{
    const char *colon = strrchr(admin, ':');
    hde_text text = {0};
    int port = colon ? atoi(colon + 1) : 0;

    if (colon)
        hde_text_printf(&text, "%.*s:%d", (int)(colon - admin), admin,
                        port ? port + 1 + partition : 0);
    else
        hde_text_puts(&text, admin);
    return text.data;
}

/* The environment without what belongs to this process alone. */
static char **
environment(void)
{
    size_t n = 0, kept = 0;
    char **copy;

    while (environ[n])
        n++;
    copy = calloc(n + 1, sizeof *copy);
    if (!copy)
        hde_no_memory();
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "HDE_CONTROL=", 12) && strncmp(environ[i], "HDE_ADMIN=", 10))
            copy[kept++] = environ[i];
    return copy;
}

/* In the child: nothing but system calls. */
static _Noreturn void
become(char **argv, char **envp, pid_t parent)
{
    sigset_t none;

    setpgid(0, 0); /* Ctrl-C is for the member, which drains its children */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (getppid() == parent)
        execve("/proc/self/exe", argv, envp);
    _exit(TRY_AGAIN);
}

static bool
launch(struct members *self, int partition, uint64_t generation)
{
    struct child *child = &self->child[partition];
    char number[16], from[24], *admin = NULL, **envp = environment();
    const char **argv = calloc(self->command.n + 6, sizeof *argv);
    pid_t parent = getpid();
    size_t n = 0;

    if (!argv)
        hde_no_memory();
    snprintf(number, sizeof number, "%d", partition);
    snprintf(from, sizeof from, "%" PRIu64, generation);
    argv[n++] = "hde";
    for (size_t i = 0; i < self->command.n; i++) {
        argv[n++] = self->command.item[i];
        if (i && !strcmp(self->command.item[i - 1], "--admin"))
            argv[n - 1] = admin = admin_of(self->command.item[i], partition);
    }
    argv[n++] = "--partition";
    argv[n++] = number;
    argv[n++] = "--generation";
    argv[n++] = from;
    child->pid = fork();
    if (!child->pid)
        become((char **)(uintptr_t)argv, envp, parent);
    free(admin);
    free(argv);
    free(envp);
    if (child->pid < 0)
        return child->pid = 0, false;
    child->fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    return child->fd >= 0 && hde_watch(self->ctx, child->fd, EPOLLIN, 0);
}

static void
start(struct members *self, int partition)
{
    struct child *child = &self->child[partition];
    struct kafka_error error = {0};
    uint64_t generation;

    child->start_ns = mono_ns();
    child->end_ns = 0;
    if (!generation_of(self, partition, &generation, &error)) {
        hde_log(self->ctx, HDE_WARN, "kafka.away", "%s; it is tried again", error.text);
        child->next_ns = mono_ns() + max_pause_ns / 10;
    } else if (launch(self, partition, generation)) {
        hde_count(self->starts, 1);
        hde_log(self->ctx, HDE_INFO, "members.start",
                "partition %d runs as process %d, from state %" PRIu64, partition, (int)child->pid,
                generation);
    } else {
        self->status = hde_fail(self->ctx, "members.no-child", "partition %d: no process: %s",
                                partition, strerror(errno));
    }
}

static void
end(struct members *self, int partition, int signal)
{
    struct child *child = &self->child[partition];

    if (!child->pid)
        return;
    kill(child->pid, signal);
    if (!child->end_ns)
        child->end_ns = mono_ns();
}

/* (3) */
static void
judge(struct members *self, int partition, int status)
{
    struct child *child = &self->child[partition];
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    int64_t now_ns = mono_ns();

    if (now_ns - child->start_ns > calm_ns || !child->pause_ns) {
        child->n_restarts = 0;
        child->pause_ns = first_pause_ns;
    }
    hde_count(self->failures, code != TRY_AGAIN);
    child->n_restarts += code != TRY_AGAIN;
    child->is_failing |= code != TRY_AGAIN;
    child->status = status;
    child->next_ns = now_ns + child->pause_ns;
    if (code == CANNOT_USE || code == CANNOT_READ || code == CANNOT_CONFIGURE ||
        child->n_restarts > RESTARTS_MAX)
        self->status = hde_fail(self->ctx, "members.partition-fails",
                                "partition %d does not run here: its process has ended with %s %d "
                                "(HDE-K021)",
                                partition, code < 0 ? "signal" : "exit code",
                                code < 0 ? WTERMSIG(status) : code);
    else
        hde_log(self->ctx, HDE_WARN, "members.again",
                "partition %d: its process has ended with %s %d; it is started again in %.1f s",
                partition, code < 0 ? "signal" : "exit code", code < 0 ? WTERMSIG(status) : code,
                (double)child->pause_ns / 1e9);
    child->pause_ns = 2 * child->pause_ns < max_pause_ns ? 2 * child->pause_ns : max_pause_ns;
}

static void
reap(struct members *self, int partition)
{
    struct child *child = &self->child[partition];
    int status;

    if (!child->pid || waitpid(child->pid, &status, WNOHANG) <= 0)
        return;
    hde_watch(self->ctx, child->fd, 0, 0);
    close(child->fd);
    child->pid = 0;
    if (child->end_ns)
        hde_log(self->ctx, HDE_INFO, "members.end", "partition %d has ended here, in %.0f ms",
                partition, (double)(mono_ns() - child->end_ns) / 1e6);
    else
        judge(self, partition, status);
}

/* Children that are to end and do not are killed: the next owner makes again what they had. */
static void
look_at(struct members *self, int partition)
{
    struct child *child = &self->child[partition];
    int64_t now_ns = mono_ns();

    reap(self, partition);
    if (child->pid && child->end_ns && now_ns - child->end_ns > self->drain.ns)
        end(self, partition, SIGKILL);
    if (child->is_ours && !child->pid && now_ns >= child->next_ns && self->status == HDE_OK)
        start(self, partition);
}

/* ---- The group (1) --------------------------------------------------------------------------- */

static void
confirm(struct members *self)
{
    const rd_kafka_topic_partition_list_t *list = self->leaving;

    for (int i = 0; list && i < list->cnt; i++)
        if (list->elems[i].partition < self->n && self->child[list->elems[i].partition].pid)
            return;
    if (!list)
        return;
    rd_kafka_error_destroy(rd_kafka_incremental_unassign(kafka_handle(self->client), list));
    rd_kafka_topic_partition_list_destroy(self->leaving);
    self->leaving = NULL;
}

static void
tell_partitions(const struct members *self)
{
    uint64_t n = 0;

    for (int i = 0; i < self->n; i++)
        n += self->child[i].is_ours;
    hde_gauge_set(self->partitions, n);
}

static void
get(struct members *self, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_t *rk = kafka_handle(self->client);

    for (int i = 0; i < list->cnt; i++) {
        int number = list->elems[i].partition;

        list->elems[i].offset = RD_KAFKA_OFFSET_END; /* children read */
        if (number < self->n)
            self->child[number] = (struct child){.is_ours = true,
                                                 .pid = self->child[number].pid,
                                                 .fd = self->child[number].fd,
                                                 .end_ns = self->child[number].end_ns};
    }
    tell_partitions(self);
    rd_kafka_error_destroy(rd_kafka_incremental_assign(rk, list));
    rd_kafka_pause_partitions(rk, list);
}

static void
give(struct members *self, const rd_kafka_topic_partition_list_t *list, bool is_lost)
{
    for (int i = 0; i < list->cnt; i++) {
        int number = list->elems[i].partition;

        if (number >= self->n || !self->child[number].is_ours)
            continue;
        self->child[number].is_ours = false;
        end(self, number, is_lost ? SIGKILL : SIGTERM);
        hde_count(self->losses, is_lost);
    }
    tell_partitions(self);
    self->leaving = rd_kafka_topic_partition_list_copy(list);
    if (is_lost)
        hde_log(self->ctx, HDE_WARN, "members.lost",
                "the group went on without this process: %d partitions are lost", list->cnt);
}

/* On the thread that polls. */
static void
rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
          void *arg)
{
    struct members *self = arg;

    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        get(self, list);
    else
        give(self, list, rd_kafka_assignment_lost(rk));
    confirm(self);
}

static bool
join(struct members *self, struct kafka_error *error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t code;

    rd_kafka_topic_partition_list_add(list, self->cluster.topic, RD_KAFKA_PARTITION_UA);
    code = rd_kafka_subscribe(kafka_handle(self->client), list);
    rd_kafka_topic_partition_list_destroy(list);
    return !code || kafka_say(self->client, code, "joining the group", error);
}

/* ---- The operator --------------------------------------------------------------------------- */

/* Partition P of all topics is one piece of work. */
static bool
check_topics(struct members *self, struct kafka_error *error)
{
    struct cluster one = self->cluster;

    for (size_t i = 0; i < self->topics.n; i++) {
        int n;

        one.topic = self->topics.item[i];
        n = cluster_topic(&one, self->client, error);
        if (n < 0)
            return false;
        if (self->n && n != self->n) {
            error->kind = KAFKA_TROUBLE_SETTING;
            snprintf(error->text, sizeof error->text,
                     "topic '%s' has %d partitions and '%s' has %d: a stage that processes share "
                     "takes partition P of all its topics together (HDE-K020)",
                     self->cluster.topic, self->n, one.topic, n);
            return false;
        }
        self->n = n;
    }
    return true;
}

static bool
open_client(struct members *self, struct kafka_error *error)
{
    char session[24], heartbeat[24]; /* a rebalance is heard of by a heartbeat */
    int64_t beat_ns = self->session.ns / 6 < 1000 * ms ? self->session.ns / 6 : 1000 * ms;
    const struct kafka_setting fixed[] = {{"group.id", self->group},
                                          {"enable.auto.commit", "false"},
                                          {"partition.assignment.strategy", "cooperative-sticky"},
                                          {"session.timeout.ms", session},
                                          {"heartbeat.interval.ms", heartbeat},
                                          {0}};
    const uint64_t one = 1;

    snprintf(session, sizeof session, "%lld", (long long)(self->session.ns / ms));
    snprintf(heartbeat, sizeof heartbeat, "%lld", (long long)(beat_ns / ms));
    self->client = cluster_open_member(&self->cluster, fixed, rebalance, self, error);
    if (!self->client)
        return false;
    rd_kafka_poll_set_consumer(kafka_handle(self->client));
    self->queue = rd_kafka_queue_get_consumer(kafka_handle(self->client));
    rd_kafka_queue_io_event_enable(self->queue, self->ready_fd, &one, sizeof one);
    if (!check_topics(self, error))
        return false;
    self->child = calloc((size_t)self->n, sizeof *self->child);
    if (!self->child)
        hde_no_memory();
    return join(self, error);
}

static hde_status
members_open(hde_ctx *ctx, void *state)
{
    struct members *self = state;
    struct kafka_error error = {0};
    char labels[100];

    self->ctx = ctx;
    snprintf(labels, sizeof labels, "topic=\"%.80s\"", self->cluster.topic);
    self->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->ready_fd < 0 || !hde_watch(ctx, self->ready_fd, EPOLLIN, 1))
        return hde_fail(ctx, "kafka.descriptor", "no descriptor is left");
    self->partitions = hde_gauge_open(ctx, "kafka_partitions", labels,
                                      "Partitions of a shared stage that are run here.");
    self->starts = hde_counter_open(ctx, "starts", "processes started for partitions");
    self->failures = hde_counter_open(ctx, "failures", "processes that ended by themselves");
    self->losses = hde_counter_open(ctx, "losses", "partitions that the group gave to others");
    snprintf(self->group, sizeof self->group, "hde.%s.members", hde_graph_name(ctx));
    if (!open_client(self, &error))
        return hde_fail(ctx, "kafka.cannot-open", "%s", error.text);
    hde_timer_after(ctx, LOOK_TIMER, look_every_ns);
    return HDE_OK;
}

/* All children end in order, then the group gets the partitions back at once. */
static void
members_close(hde_ctx *ctx, void *state)
{
    struct members *self = state;

    self->ctx = ctx;
    for (int i = 0; self->child && i < self->n; i++) {
        self->child[i].is_ours = false;
        end(self, i, SIGTERM);
    }
    for (int i = 0; self->child && i < self->n; i++)
        while (self->child[i].pid) {
            struct pollfd fd = {.fd = self->child[i].fd, .events = POLLIN};

            poll(&fd, 1, (int)(look_every_ns / ms));
            look_at(self, i);
        }
    confirm(self);
    if (self->client)
        rd_kafka_consumer_close(kafka_handle(self->client));
    if (self->queue)
        rd_kafka_queue_destroy(self->queue);
    kafka_close(self->client);
    if (self->ready_fd > 0) {
        hde_watch(ctx, self->ready_fd, 0, 0);
        close(self->ready_fd);
    }
    free(self->child);
}

static hde_status
members_poll(hde_ctx *ctx, void *state)
{
    struct members *self = state;
    rd_kafka_message_t *message;

    self->ctx = ctx;
    while ((message = rd_kafka_consumer_poll(kafka_handle(self->client), 0)))
        rd_kafka_message_destroy(message); /* an error of the connection, which comes back */
    for (int i = 0; i < self->n; i++)
        look_at(self, i);
    confirm(self);
    return self->status == HDE_OK ? HDE_IDLE : self->status;
}

static hde_status
members_event(hde_ctx *ctx, void *state, const hde_event *event)
{
    uint64_t n;

    if (event->tag == 1 && read(event->fd, &n, sizeof n) < 0)
        return HDE_OK; /* somebody has read it: poll() finds out */
    return HDE_OK;     /* and is polled */
}

/* Once a second: a partition whose process does not live, or brokers that are away. */
static void
tell_standing(hde_ctx *ctx, struct members *self)
{
    int64_t now_ns = mono_ns();

    if (now_ns < self->tell_ns)
        return;
    self->tell_ns = now_ns + 10 * look_every_ns;
    for (int i = 0; i < self->n; i++) {
        struct child *child = &self->child[i];

        if (child->pid && now_ns - child->start_ns > max_pause_ns)
            child->is_failing = false;
        if (!child->is_ours || !child->is_failing)
            continue;
        hde_stands(ctx, HDE_HELD_UP,
                   "partition %d: its process ended with %s %d and is started again; its own "
                   "messages say why (HDE-K021)",
                   i, WIFEXITED(child->status) ? "exit code" : "signal",
                   WIFEXITED(child->status) ? WEXITSTATUS(child->status) : WTERMSIG(child->status));
        return;
    }
    cluster_look(ctx, &self->cluster, self->client, self->n);
}

static hde_status
members_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    tell_standing(ctx, state);
    hde_timer_after(ctx, LOOK_TIMER, look_every_ns);
    return HDE_OK; /* and is polled */
}

static const hde_param params[] = {
    CLUSTER_PARAMS(struct members),
    HDE_PARAM(struct members, topics, .help = "that the stage reads; equally many partitions"),
    HDE_PARAM(struct members, sinks, .fallback = "", .help = "of the stage: NODE=TOPIC"),
    HDE_PARAM(struct members, command, .help = "of hde, that runs the stage"),
    HDE_PARAM(struct members, session, .fallback = "10s", .min = 1, .max = 1800,
              .help = "a process that is not heard of for so long loses its partitions"),
    HDE_PARAM(struct members, drain, .fallback = "30s", .min = 0.1, .max = 280,
              .help = "a partition that is given up and does not end within this time is killed"),
    {0}};

static const hde_operator members = {
    .size = sizeof(hde_operator),
    .flags = HDE_BLOCKING | HDE_LIVE_ONLY,
    .name = "kafka/members",
    .summary = "a member of the group of processes that share a stage",
    .help = "kafka: {shared: [STAGE]} puts it in the place of the stage. It runs one process for\n"
            "each partition that the group gives it.",
    .params = params,
    .state_size = sizeof(struct members),
    .open = members_open,
    .close = members_close,
    .poll = members_poll,
    .event = members_event,
    .timer = members_timer,
};

HDE_PLUGIN(&members);
