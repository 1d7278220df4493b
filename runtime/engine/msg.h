/* SPDX-License-Identifier: Apache-2.0
 * msg - pooled, counted messages: the inside of hde_msg.
 *
 * A message is a chain of chunks of power-of-two size classes. The first holds the header, the
 * body and what hde_msg_alloc() still fits; further chunks follow when it does not. A chunk goes
 * back to the pool that made it: to the free list when that pool belongs to the calling thread,
 * otherwise onto the pool's return stack (one atomic push), which the owner takes as a whole when
 * its free list is empty. Pools outlive threads and plugins and are never freed while a message
 * of theirs lives; in steady state nothing is allocated and nothing is freed across threads. */
#ifndef ENGINE_MSG_H
#define ENGINE_MSG_H

#include <hde/operator.h>

struct msg_pool;

/* The pool of the calling thread, made at its first use. Never NULL. */
struct msg_pool *msg_pool_current(void);
/* Chunks that had to come from malloc, and those in use, over all pools. */
struct msg_pool_totals {
    uint64_t allocations, in_use, bytes_in_use;
};
struct msg_pool_totals msg_pool_totals(void);
/* Frees what can be freed; for the end of tests and of the process. */
void msg_pools_fini(void);

hde_msg *msg_new(struct msg_pool *pool, const ProtobufCMessageDescriptor *type);
/* Unpacks into a new message (memory from the pool alone); NULL if the bytes are not of the type. */
hde_msg *msg_unpack(struct msg_pool *pool, const ProtobufCMessageDescriptor *type,
                    const uint8_t *bytes, size_t size);
size_t msg_bytes(const hde_msg *msg); /* memory it holds: the unit of edge credits in bytes */
bool msg_is_sole(const hde_msg *msg);

/* Growing array of messages; holds references. Starts as {0}. */
struct msgvec {
    hde_msg **item;
    uint32_t n, cap;
};

void msgvec_grow(struct msgvec *vec);
static inline void
msgvec_push(struct msgvec *vec, hde_msg *msg)
{
    if (__builtin_expect(vec->n == vec->cap, 0))
        msgvec_grow(vec);
    vec->item[vec->n++] = msg;
}
void msgvec_drop_all(struct msgvec *vec); /* drops the references that are left, n = 0 */
void msgvec_fini(struct msgvec *vec);

#endif
