/* SPDX-License-Identifier: Apache-2.0
 * redis_rig - real redis-servers for tests. */
#include "redis_rig.h"

#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READY_S = 30 };

bool
rig_has_redis(void)
{
    return getenv("CI") || /* there it must be, and what needs it fails */
           system("command -v redis-server >/dev/null && command -v redis-cli >/dev/null") == 0;
}

static double
now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

bool
rig_until(double seconds, bool (*holds)(void *user), void *user)
{
    double end = now_s() + seconds;

    while (!holds(user)) {
        if (now_s() > end)
            return false;
        poll(NULL, 0, 2);
    }
    return true;
}

static int
free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        fail_msg("no free port: %s", strerror(errno));
    close(fd);
    return ntohs(address.sin_port);
}

/* ---- One server --------------------------------------------------------------------------- */

static void
write_settings(const struct redis_rig *rig)
{
    char path[96];
    FILE *file;

    snprintf(path, sizeof path, "%s/conf", rig->folder);
    file = fopen(path, "w");
    if (!file)
        fail_msg("%s: %s", path, strerror(errno));
    fprintf(file,
            "port %d\nbind 127.0.0.1\nunixsocket %s\nsave \"\"\nappendonly no\n"
            "loglevel warning\nlogfile log\n",
            rig->port, rig->path);
    if (rig->is_cluster)
        fprintf(file, "cluster-enabled yes\ncluster-port %d\ncluster-node-timeout 3000\n"
                "cluster-require-full-coverage no\n",
                rig->bus);
    fclose(file);
}

static bool
answers(void *user)
{
    struct redis_rig *rig = user;
    redisContext *context = redisConnectUnix(rig->path);
    redisReply *reply = context && !context->err ? redisCommand(context, "PING") : NULL;
    bool good = reply && strncmp(reply->str, "LOADING", 7) != 0;

    if (reply)
        freeReplyObject(reply);
    redisFree(context);
    return good || waitpid(rig->pid, NULL, WNOHANG) == rig->pid;
}

/* False: it ended at once, its port was taken by somebody, say. */
static bool
spawn(struct redis_rig *rig)
{
    pid_t parent = getpid();

    unlink(rig->path);
    write_settings(rig);
    rig->pid = fork();
    if (rig->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || chdir(rig->folder) != 0)
            _exit(127);
        execlp("redis-server", "redis-server", "conf", (char *)NULL);
        _exit(127);
    }
    if (rig->pid < 0 || !rig_until(READY_S, answers, rig))
        fail_msg("redis-server does not answer; see %s/log", rig->folder);
    if (kill(rig->pid, 0) == 0)
        return true;
    rig->pid = 0;
    return false;
}

void
rig_redis_start(struct redis_rig *rig, bool is_cluster)
{
    *rig = (struct redis_rig){.is_cluster = is_cluster};
    strcpy(rig->folder, "/tmp/hde-redis-XXXXXX");
    if (!mkdtemp(rig->folder))
        fail_msg("%s: %s", rig->folder, strerror(errno));
    snprintf(rig->path, sizeof rig->path, "%s/socket", rig->folder);
    snprintf(rig->unix_url, sizeof rig->unix_url, "unix://%s", rig->path);
    for (int tries = 0; tries < 10; tries++) {
        rig->port = free_port();
        rig->bus = free_port();
        snprintf(rig->url, sizeof rig->url, "redis://127.0.0.1:%d", rig->port);
        if (spawn(rig))
            return;
    }
    fail_msg("redis-server does not start; see %s/log", rig->folder);
}

void
rig_redis_kill(struct redis_rig *rig)
{
    if (rig->admin)
        redisFree(rig->admin);
    rig->admin = NULL;
    if (rig->pid > 0) {
        kill(rig->pid, SIGKILL);
        waitpid(rig->pid, NULL, 0);
    }
    rig->pid = 0;
}

void
rig_redis_again(struct redis_rig *rig)
{
    if (!spawn(rig))
        fail_msg("redis-server does not start again; see %s/log", rig->folder);
}

void
rig_redis_stop(struct redis_rig *rig)
{
    char command[128];

    rig_redis_kill(rig);
    if (!rig->folder[0])
        return;
    snprintf(command, sizeof command, "rm -rf '%s'", rig->folder);
    if (system(command) != 0)
        fail_msg("%s", command);
    rig->folder[0] = '\0';
}

static redisReply *
ask(struct redis_rig *rig, const char *fmt, va_list args)
{
    redisReply *reply;

    if (!rig->admin)
        rig->admin = redisConnectUnix(rig->path);
    reply = redisvCommand(rig->admin, fmt, args);
    if (!reply || reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", fmt, reply ? reply->str : rig->admin->errstr);
    return reply;
}

redisReply *
rig_redis(struct redis_rig *rig, const char *fmt, ...)
{
    va_list args;
    redisReply *reply;

    va_start(args, fmt);
    reply = ask(rig, fmt, args);
    va_end(args);
    return reply;
}

long long
rig_redis_integer(struct redis_rig *rig, const char *fmt, ...)
{
    va_list args;
    redisReply *reply;
    long long n;

    va_start(args, fmt);
    reply = ask(rig, fmt, args);
    va_end(args);
    if (reply->type != REDIS_REPLY_INTEGER)
        fail_msg("%s: no number", fmt);
    n = reply->integer;
    freeReplyObject(reply);
    return n;
}

/* ---- Cluster ------------------------------------------------------------------------------ */

static bool
is_whole(void *user)
{
    redisReply *info = rig_redis(user, "CLUSTER INFO");
    bool good =
        strstr(info->str, "cluster_state:ok") && strstr(info->str, "cluster_slots_ok:16384");

    freeReplyObject(info);
    return good;
}

void
rig_cluster_start(struct redis_rig *rig, size_t n)
{
    char command[512] = "redis-cli --cluster create";

    for (size_t i = 0; i < n; i++) {
        rig_redis_start(&rig[i], true);
        snprintf(command + strlen(command), sizeof command - strlen(command), " 127.0.0.1:%d",
                 rig[i].port);
    }
    strcat(command, " --cluster-yes >/dev/null");
    if (system(command) != 0)
        fail_msg("%s", command);
    for (size_t i = 0; i < n; i++)
        if (!rig_until(READY_S, is_whole, &rig[i]))
            fail_msg("the cluster does not come up; see %s/log", rig[i].folder);
}

void
rig_cluster_id(struct redis_rig *rig, char id[41])
{
    redisReply *reply = rig_redis(rig, "CLUSTER MYID");

    snprintf(id, 41, "%s", reply->str);
    freeReplyObject(reply);
}

void
rig_slot_open(struct redis_rig *from, struct redis_rig *to, unsigned slot)
{
    char id_from[41], id_to[41];

    rig_cluster_id(from, id_from);
    rig_cluster_id(to, id_to);
    freeReplyObject(rig_redis(to, "CLUSTER SETSLOT %u IMPORTING %s", slot, id_from));
    freeReplyObject(rig_redis(from, "CLUSTER SETSLOT %u MIGRATING %s", slot, id_to));
}

long long
rig_slot_move_keys(struct redis_rig *from, struct redis_rig *to, unsigned slot, int most)
{
    redisReply *keys = rig_redis(from, "CLUSTER GETKEYSINSLOT %u %d", slot, most);
    long long n = (long long)keys->elements;

    for (size_t i = 0; i < keys->elements; i++)
        freeReplyObject(rig_redis(from, "MIGRATE 127.0.0.1 %d %b 0 5000", to->port,
                                  keys->element[i]->str, (size_t)keys->element[i]->len));
    freeReplyObject(keys);
    return n;
}

void
rig_slot_close(struct redis_rig *from, struct redis_rig *to, unsigned slot)
{
    char id[41];

    rig_cluster_id(to, id);
    freeReplyObject(rig_redis(to, "CLUSTER SETSLOT %u NODE %s", slot, id));
    freeReplyObject(rig_redis(from, "CLUSTER SETSLOT %u NODE %s", slot, id));
}
