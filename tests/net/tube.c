/* SPDX-License-Identifier: Apache-2.0 */
#include "tube.h"

#include "base/arena.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

enum { PAIRS_MAX = 64 };

struct tube {
    struct sockaddr_un to;
    int door, wake;
    pthread_t thread;
    pthread_mutex_t lock; /* for all below */
    bool ends;
    size_t n;
    struct pair {
        int fd[2]; /* of who came, to where it is led; -1: over */
        size_t carried;
        bool hangs;
    } pair[PAIRS_MAX];
};

static struct sockaddr_un
path_of(const char *address)
{
    struct sockaddr_un out = {.sun_family = AF_UNIX};

    assert_int_equal(strncmp(address, "ipc://", 6), 0);
    assert_true(strlen(address + 6) < sizeof out.sun_path);
    strcpy(out.sun_path, address + 6);
    return out;
}

static void
end_pair(struct pair *pair)
{
    for (int side = 0; side < 2; side++) {
        if (pair->fd[side] >= 0)
            close(pair->fd[side]);
        pair->fd[side] = -1;
    }
}

static void
let_in(struct tube *self)
{
    int came = accept(self->door, NULL, NULL), led = socket(AF_UNIX, SOCK_STREAM, 0);

    if (self->n == PAIRS_MAX || came < 0 || led < 0 ||
        connect(led, (struct sockaddr *)&self->to, sizeof self->to)) { /* it comes again */
        close(came);
        close(led);
        return;
    }
    self->pair[self->n++] = (struct pair){.fd = {came, led}};
}

static void
carry(struct pair *pair, int side)
{
    char bytes[65536];
    ssize_t n = recv(pair->fd[side], bytes, sizeof bytes, MSG_DONTWAIT);

    for (ssize_t done = 0, sent; n > 0 && done < n; done += sent) {
        sent = send(pair->fd[!side], bytes + done, (size_t)(n - done), MSG_NOSIGNAL);
        if (sent < 0)
            n = 0;
    }
    if (n <= 0)
        end_pair(pair);
    else
        pair->carried += (size_t)n;
}

static size_t
list(struct tube *self, struct pollfd *item)
{
    item[0] = (struct pollfd){self->wake, POLLIN, 0};
    item[1] = (struct pollfd){self->door, POLLIN, 0};
    for (size_t i = 0; i < self->n; i++)
        for (size_t side = 0; side < 2; side++)
            item[2 + 2 * i + side] = (struct pollfd){
                self->pair[i].hangs ? -1 : self->pair[i].fd[side], POLLIN, 0};
    return 2 + 2 * self->n;
}

static bool
serve(struct tube *self)
{
    struct pollfd item[2 + 2 * PAIRS_MAX];
    uint64_t count;
    size_t n;
    bool ends;

    pthread_mutex_lock(&self->lock);
    n = list(self, item);
    pthread_mutex_unlock(&self->lock);
    poll(item, n, -1);
    pthread_mutex_lock(&self->lock);
    if (item[0].revents && read(self->wake, &count, sizeof count) < 0)
        abort();
    for (size_t i = 2; i < n; i++) {
        struct pair *pair = &self->pair[(i - 2) / 2];

        if (item[i].revents && !pair->hangs && pair->fd[0] >= 0)
            carry(pair, (int)(i % 2));
    }
    if (item[1].revents)
        let_in(self);
    ends = self->ends;
    pthread_mutex_unlock(&self->lock);
    return !ends;
}

static void *
run(void *tube)
{
    while (serve(tube))
        ;
    return NULL;
}

struct tube *
tube_new(const char *from, const char *to)
{
    struct tube *self = xcalloc(1, sizeof *self);
    struct sockaddr_un at = path_of(from);

    self->to = path_of(to);
    self->wake = eventfd(0, 0);
    self->door = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(self->door, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(self->door, PAIRS_MAX), 0);
    pthread_mutex_init(&self->lock, NULL);
    assert_int_equal(pthread_create(&self->thread, NULL, run, self), 0);
    return self;
}

void
tube_free(struct tube *self)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->ends = true;
    pthread_mutex_unlock(&self->lock);
    eventfd_write(self->wake, 1);
    pthread_join(self->thread, NULL);
    for (size_t i = 0; i < self->n; i++)
        end_pair(&self->pair[i]);
    close(self->door);
    close(self->wake);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

void
tube_hang_busiest(struct tube *self)
{
    struct pair *most = self->pair;

    pthread_mutex_lock(&self->lock);
    for (size_t i = 1; i < self->n; i++)
        if (self->pair[i].carried > most->carried)
            most = &self->pair[i];
    most->hangs = true;
    pthread_mutex_unlock(&self->lock);
    eventfd_write(self->wake, 1);
}

size_t
tube_count(struct tube *self)
{
    size_t n;

    pthread_mutex_lock(&self->lock);
    n = self->n;
    pthread_mutex_unlock(&self->lock);
    return n;
}
