/* SPDX-License-Identifier: Apache-2.0
 * owner - the hand-over of a checkpoint store.
 *
 *  (1) Who has the lock of STORE/owner has the store, from before anything of it is opened until
 *      all of it and all sinks are closed: so there is never a second writer, and nobody writes
 *      after his successor. The parts of a cut graph share the lock of the store they are in.
 *      [tests/graphs/takeover.sh]
 *  (2) Who wants it writes STORE/challenge and waits. The owner looks for that file ten times a
 *      second and before each epoch (epoch.c), and stops; the new owner removes it.
 *  (3) The incarnation in STORE/owner is durable before the new owner gives a tick, and never
 *      falls: also without the log, ticks of a later owner are above all of an earlier one (S3).
 *
 *  (4) The partition of a shared stage has a store for each start (generation.h), and a later one
 *      is a challenge to all before. [tests/kafka/members.sh]
 *
 *      FREE --take--> OWNED --challenge--> stopping --lock released--> OWNED by the other */
#include "engine/owner.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "engine/generation.h"
#include "engine/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TAKEOVER_MS = 20000, LOOK_MS = 20, TICK_BITS = 40 };

struct owner {
    const char *store, *graph;
    char host[STATS_NAME];
    char path[PATH_MAX], challenge[PATH_MAX];
    int fd; /* of the locked file; -1: not ours */
    uint64_t incarnation;
    bool is_generation; /* a later one is a challenge, too */
};

struct mark { /* what both files hold */
    uint64_t incarnation;
    int pid;
    char host[STATS_NAME];
    long long since; /* seconds */
};

static bool
read_mark(const char *path, struct mark *out)
{
    FILE *file = fopen(path, "re");
    int n = 0;

    *out = (struct mark){0};
    if (file) {
        n = fscanf(file, "incarnation %" SCNu64 " pid %d host %127s since %lld",
                   &out->incarnation, &out->pid, out->host, &out->since);
        fclose(file);
    }
    return n == 4;
}

/* Where it is, and durable. */
static bool
write_mark(int fd, const struct owner *self)
{
    char text[STATS_NAME + 120];
    int size = snprintf(text, sizeof text, "incarnation %" PRIu64 " pid %d host %s since %lld\n",
                        self->incarnation, (int)getpid(), self->host,
                        (long long)(clock_real_ns() / NS_PER_S));
    size_t done;

    return io.ftruncate(fd, 0) == 0 && io_write(fd, text, (size_t)size, 0, &done) &&
           io.fsync(fd) == 0 && io_sync_folder(self->store);
}

bool
owner_place(const char *store, uint64_t incarnation)
{
    struct owner self = {.store = store, .host = "-", .incarnation = incarnation};
    char path[PATH_MAX];
    int fd = -1;
    bool ok;

    if (snprintf(path, sizeof path, "%s/owner", store) < PATH_MAX)
        fd = io.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    ok = fd >= 0 && write_mark(fd, &self);
    if (fd >= 0)
        close(fd);
    return ok;
}

static void
put_who(const struct mark *who, char *out, size_t size)
{
    snprintf(out, size, "process %d on %s", who->pid, who->host);
}

bool
owner_is_told_to_stop(const struct owner *self, struct err *err)
{
    struct mark who;
    char text[STATS_NAME + 40] = "another process";
    bool is_asked;

    if (!self)
        return false;
    is_asked = access(self->challenge, F_OK) == 0;
    if (!is_asked && !(self->is_generation && generation_is_over(self->store)))
        return false;
    if (is_asked && read_mark(self->challenge, &who))
        put_who(&who, text, sizeof text);
    err_set(err, "HDE-R097",
            "%s has started the same graph and takes over the store '%s': this run stops, nothing "
            "is lost",
            text, self->store);
    return true;
}

uint64_t
owner_first_tick(const struct owner *self)
{
    return self ? self->incarnation << TICK_BITS : 0;
}

static bool
challenge(const struct owner *self)
{
    int fd = io.open(self->challenge, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    bool ok = fd >= 0 && write_mark(fd, self);

    if (fd >= 0)
        close(fd);
    return ok;
}

/* The lock, from whoever has it. */
static bool
wait_for_lock(struct owner *self, bool refuses, struct err *err)
{
    int64_t start_ns = clock_mono_ns();
    struct mark who;
    char text[STATS_NAME + 40] = "another process";

    if (flock(self->fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (read_mark(self->path, &who))
        put_who(&who, text, sizeof text);
    if (refuses)
        return err_set(err, "HDE-R097", "%s runs on the store '%s', and --no-takeover was given",
                       text, self->store);
    log_line(LEVEL_WARN, self->graph, NULL, "checkpoint.takeover",
             "%s runs on the store '%s': it is told to stop, and this run goes on from there", text,
             self->store);
    while (clock_mono_ns() - start_ns < TAKEOVER_MS * (int64_t)NS_PER_MS) {
        if (access(self->challenge, F_OK) && !challenge(self))
            return err_set(err, "HDE-R014", "'%s' cannot be written: %s", self->challenge,
                           strerror(errno));
        poll(NULL, 0, LOOK_MS);
        if (flock(self->fd, LOCK_EX | LOCK_NB) == 0)
            return true;
    }
    io.unlink(self->challenge);
    return err_set(err, "HDE-R097", "%s runs on the store '%s' and does not stop within %d s: end it",
                   text, self->store, TAKEOVER_MS / 1000);
}

static bool
take(struct owner *self, bool refuses, struct err *err)
{
    struct mark before;

    self->fd = io_make_folders(self->store)
                   ? io.open(self->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644)
                   : -1;
    if (self->fd < 0)
        return err_set(err, "HDE-R014", "'%s' cannot be made: %s", self->path, strerror(errno));
    if (!wait_for_lock(self, refuses, err))
        return false;
    read_mark(self->path, &before);
    self->incarnation = before.incarnation + 1;
    if (!write_mark(self->fd, self))
        return err_set(err, "HDE-R014", "'%s' cannot be written: %s", self->path, strerror(errno));
    io.unlink(self->challenge);
    return true;
}

struct owner *
owner_take(const struct graph *graph, const struct engine_options *options, struct err *err)
{
    struct owner *self = xcalloc(1, sizeof *self);

    self->store = graph->checkpoint.store;
    self->graph = graph->name;
    self->is_generation = graph->generation != 0;
    if (options->host)
        snprintf(self->host, sizeof self->host, "%s", options->host);
    else if (gethostname(self->host, sizeof self->host - 1))
        snprintf(self->host, sizeof self->host, "localhost");
    snprintf(self->path, sizeof self->path, "%s/owner", self->store);
    snprintf(self->challenge, sizeof self->challenge, "%s/challenge", self->store);
    if (take(self, options->refuses_takeover, err))
        return self;
    owner_release(self);
    return NULL;
}

void
owner_release(struct owner *self)
{
    if (!self)
        return;
    if (self->fd >= 0)
        close(self->fd); /* and with it the lock */
    free(self);
}
