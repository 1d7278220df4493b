/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/kept.h"

#include <stdlib.h>
#include <string.h>

void
kept_init(struct kept *kept)
{
    *kept = (struct kept){0};
    pthread_mutex_init(&kept->lock, NULL);
}

void
kept_fini(struct kept *kept)
{
    for (size_t i = 0; i < kept->n; i++)
        free(kept->item[i].bytes);
    free(kept->item);
    arena_fini(&kept->arena);
    pthread_mutex_destroy(&kept->lock);
}

void
kept_add(void *arg, const struct engine_emitted *m)
{
    struct kept *self = arg;
    uint8_t *bytes = xmalloc(m->size + 1);

    memcpy(bytes, m->bytes, m->size);
    pthread_mutex_lock(&self->lock);
    if (self->n == self->cap) {
        self->cap = self->cap ? 2 * self->cap : 256;
        self->item = xrealloc(self->item, self->cap * sizeof *self->item);
    }
    self->item[self->n] = (struct kept_message){.tick = m->tick,
                                                .node = m->id,
                                                .port = m->port,
                                                .index = (uint32_t)self->n, /* until kept_sort() */
                                                .name = arena_text(&self->arena, m->node),
                                                .event_ns = m->event_ns,
                                                .type = m->type,
                                                .bytes = bytes,
                                                .size = m->size};
    self->n++;
    pthread_mutex_unlock(&self->lock);
}

int
kept_compare(const struct kept_message *a, const struct kept_message *b)
{
    if (a->tick != b->tick)
        return a->tick < b->tick ? -1 : 1;
    if (a->node != b->node)
        return a->node < b->node ? -1 : 1;
    if (a->port != b->port)
        return a->port < b->port ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static int
compare(const void *a, const void *b)
{
    return kept_compare(a, b);
}

/* Messages of one port arrive in order, those of several nodes do not. */
void
kept_sort(struct kept *kept)
{
    if (kept->n)
        qsort(kept->item, kept->n, sizeof *kept->item, compare);
    for (size_t i = 0; i < kept->n; i++) {
        struct kept_message *m = &kept->item[i];
        const struct kept_message *before = i ? m - 1 : NULL;
        bool goes_on = before && before->tick == m->tick && before->node == m->node &&
                       before->port == m->port;

        m->index = goes_on ? before->index + 1 : 0;
    }
}

bool
kept_equal(const struct kept_message *a, const struct kept_message *b)
{
    return kept_compare(a, b) == 0 && a->event_ns == b->event_ns && a->type == b->type &&
           a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

ProtobufCMessage *
kept_unpack(const struct kept_message *message)
{
    return protobuf_c_message_unpack(message->type, NULL, message->size, message->bytes);
}
