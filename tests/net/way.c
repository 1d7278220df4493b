/* SPDX-License-Identifier: Apache-2.0 */
#include "way.h"

#include "base/arena.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "check.h"

enum { KEPT_MAX = 1000, LATE_MAX = 64 };

struct kept {
    uint8_t *bytes;
    size_t size;
};

struct way {
    void *context, *in, *out;
    struct way_faults faults;
    uint64_t state;
    pthread_t thread;
    pthread_mutex_t lock; /* for all below */
    struct kept kept[KEPT_MAX];
    size_t n;
    bool loses_next, repeats, ends;

    /* the thread's own: in the order they came */
    struct kept late[LATE_MAX];
    size_t n_late;
};

static unsigned
roll(struct way *self)
{
    self->state = self->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(self->state >> 33) % 1000;
}

static struct kept
copy_of(const void *bytes, size_t size)
{
    struct kept out = {xmalloc(size + 1), size};

    memcpy(out.bytes, bytes, size);
    return out;
}

static void
send_late(struct way *self)
{
    for (size_t i = 0; i < self->n_late; i++) {
        zmq_send(self->out, self->late[i].bytes, self->late[i].size, 0);
        free(self->late[i].bytes);
    }
    self->n_late = 0;
}

static void
pass_on(struct way *self, const uint8_t *bytes, size_t size)
{
    int times = roll(self) < self->faults.twice ? 2 : 1;

    if (roll(self) < self->faults.lost)
        return;
    while (times--) {
        self->late[self->n_late++] = copy_of(bytes, size);
        if (self->n_late == LATE_MAX)
            send_late(self);
    }
    if (roll(self) >= self->faults.late)
        send_late(self);
}

static void
keep(struct way *self, const uint8_t *bytes, size_t size)
{
    if (self->n < KEPT_MAX)
        self->kept[self->n++] = copy_of(bytes, size);
}

static bool
serve(struct way *self)
{
    bool loses, ends;
    zmq_msg_t msg;

    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < self->n && self->repeats; i++)
        zmq_send(self->out, self->kept[i].bytes, self->kept[i].size, 0);
    self->repeats = false;
    ends = self->ends;
    pthread_mutex_unlock(&self->lock);
    zmq_msg_init(&msg);
    if (zmq_msg_recv(&msg, self->in, 0) < 0) { /* for 5 ms there was nothing */
        send_late(self);
    } else {
        pthread_mutex_lock(&self->lock);
        loses = self->loses_next && zmq_msg_size(&msg) > 90;
        self->loses_next &= !loses;
        keep(self, zmq_msg_data(&msg), zmq_msg_size(&msg));
        pthread_mutex_unlock(&self->lock);
        if (!loses)
            pass_on(self, zmq_msg_data(&msg), zmq_msg_size(&msg));
    }
    zmq_msg_close(&msg);
    return !ends;
}

static void *
run(void *way)
{
    while (serve(way))
        ;
    return NULL;
}

struct way *
way_new(const char *from, const char *to, const struct way_faults *faults, uint64_t seed)
{
    struct way *self = xcalloc(1, sizeof *self);
    int wait_ms = 5, zero = 0, block_ms = 1000;

    self->state = seed;
    if (faults)
        self->faults = *faults;
    self->context = zmq_ctx_new();
    self->in = zmq_socket(self->context, ZMQ_DEALER);
    self->out = zmq_socket(self->context, ZMQ_DEALER);
    zmq_setsockopt(self->in, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    zmq_setsockopt(self->out, ZMQ_SNDTIMEO, &block_ms, sizeof block_ms);
    zmq_setsockopt(self->out, ZMQ_LINGER, &zero, sizeof zero);
    assert_int_equal(zmq_bind(self->in, from), 0);
    assert_int_equal(zmq_connect(self->out, to), 0);
    pthread_mutex_init(&self->lock, NULL);
    assert_int_equal(pthread_create(&self->thread, NULL, run, self), 0);
    return self;
}

static void
set(struct way *self, bool *flag)
{
    pthread_mutex_lock(&self->lock);
    *flag = true;
    pthread_mutex_unlock(&self->lock);
}

void
way_free(struct way *self)
{
    if (!self)
        return;
    set(self, &self->ends);
    pthread_join(self->thread, NULL);
    zmq_close(self->in);
    zmq_close(self->out);
    zmq_ctx_term(self->context);
    for (size_t i = 0; i < self->n; i++)
        free(self->kept[i].bytes);
    for (size_t i = 0; i < self->n_late; i++)
        free(self->late[i].bytes);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

void
way_lose_next(struct way *self)
{
    set(self, &self->loses_next);
}

void
way_repeat_all(struct way *self)
{
    set(self, &self->repeats);
}

size_t
way_count(struct way *self)
{
    size_t n;

    pthread_mutex_lock(&self->lock);
    n = self->n;
    pthread_mutex_unlock(&self->lock);
    return n;
}

uint8_t *
way_message(struct way *self, size_t i, size_t *size)
{
    struct kept out;

    pthread_mutex_lock(&self->lock);
    assert_true(i < self->n);
    out = copy_of(self->kept[i].bytes, self->kept[i].size);
    pthread_mutex_unlock(&self->lock);
    *size = out.size;
    return out.bytes;
}

void
stranger_sends(const char *to, const uint8_t *bytes, size_t size)
{
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
    int linger_ms = 2000, one = 1;

    zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    zmq_setsockopt(socket, ZMQ_IMMEDIATE, &one, sizeof one);
    zmq_setsockopt(socket, ZMQ_SNDTIMEO, &linger_ms, sizeof linger_ms);
    assert_int_equal(zmq_connect(socket, to), 0);
    zmq_send(socket, bytes, size, 0);
    zmq_close(socket);
    zmq_ctx_term(context);
}
