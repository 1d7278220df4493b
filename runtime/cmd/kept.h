/* SPDX-License-Identifier: Apache-2.0
 * kept - messages that nodes emitted while a log was taken again, in the order that they have in
 * the graph: tick, node, output, place in the tick. */
#ifndef CMD_KEPT_H
#define CMD_KEPT_H

#include "base/arena.h"
#include "engine/engine.h"

#include <pthread.h>

struct kept_message {
    uint64_t tick;
    uint32_t node, port, index; /* index among those of the tick at that port */
    const char *name;           /* of the node */
    int64_t event_ns;
    const ProtobufCMessageDescriptor *type;
    uint8_t *bytes;
    size_t size;
};

struct kept {
    pthread_mutex_t lock;
    struct arena arena; /* names */
    size_t n, cap;
    struct kept_message *item;
};

void kept_init(struct kept *kept);
void kept_fini(struct kept *kept);
/* For engine_trace: arg is a struct kept. */
void kept_add(void *arg, const struct engine_emitted *message);
/* After the run. */
void kept_sort(struct kept *kept);
int kept_compare(const struct kept_message *a, const struct kept_message *b); /* place alone */
bool kept_equal(const struct kept_message *a, const struct kept_message *b);
ProtobufCMessage *kept_unpack(const struct kept_message *message); /* the caller frees it */

#endif
