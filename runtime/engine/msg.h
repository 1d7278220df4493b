/* SPDX-License-Identifier: Apache-2.0
 * msg - pooled, counted messages: the inside of hde_msg.
 *
 * A message is a chain of chunks of some size classes. The first holds the header, the
 * body and what hde_msg_alloc() still fits; further chunks follow when it does not. A chunk goes
 * back to the pool that made it: to the free list when that pool belongs to the calling thread,
 * otherwise onto the pool's return stack (one atomic push), which the owner takes as a whole when
 * its free list is empty. Pools outlive threads and plugins and are never freed while a message
 * of theirs lives; in steady state nothing is allocated and nothing is freed across threads. */
#ifndef ENGINE_MSG_H
#define ENGINE_MSG_H

#include <hde/operator.h>

#include <stdatomic.h>

struct msg_pool;
struct msg_chunk;
struct msg_parent;

/* What lies behind an hde_msg. refs: keep is a relaxed add, drop an acquire-release subtraction,
 * so that whoever sees the count at one (drop or msg_is_sole) also sees every read and write of
 * those who let go before. */
struct message {
    hde_msg msg;
    _Atomic uint32_t refs;
    struct msg_chunk *chunk;    /* newest of the message's chunks */
    char *at, *end;             /* free rest of that chunk */
    struct msg_parent *parents; /* messages whose memory the body points into */
    size_t bytes;               /* of all chunks */
};

/* The pool of the calling thread, made at its first use. Never NULL. */
struct msg_pool *msg_pool_current(void);
/* Gives back at once what the calling thread holds for other threads' pools (it collects up to 32
 * chunks to spare atomics). Workers call it before they wait; a thread's end does it by itself. */
void msg_pool_flush(void);
/* Chunks that had to come from malloc, and those in use, over all pools. Any thread. */
struct msg_pool_totals {
    uint64_t allocations, in_use, bytes_in_use;
};
struct msg_pool_totals msg_pool_totals(void);
/* Frees the pools of ended threads and of the caller as far as no message of theirs lives; for the
 * end of tests and of the process. */
void msg_pools_fini(void);

hde_msg *msg_new(struct msg_pool *pool, const ProtobufCMessageDescriptor *type);
/* Unpacks into a new message (memory from the pool alone); NULL if the bytes are not of the type.
 */
/* For unpacking what is not put into a message: memory from xmalloc(). */
extern ProtobufCAllocator msg_memory;

hde_msg *msg_unpack(struct msg_pool *pool, const ProtobufCMessageDescriptor *type,
                    const uint8_t *bytes, size_t size);
/* hde_msg_writable() with the pool at hand. */
hde_msg *msg_writable(struct msg_pool *pool, hde_msg *taken);
size_t msg_bytes(const hde_msg *msg); /* memory it holds: the unit of edge credits in bytes */
static inline bool
msg_is_sole(const hde_msg *msg)
{
    return atomic_load_explicit(&((const struct message *)msg)->refs, memory_order_acquire) == 1;
}

/* struct hde_msgvec is a growing array of messages; it holds references and starts as {0}. */
void msgvec_grow(struct hde_msgvec *vec);
static inline void
msgvec_push(struct hde_msgvec *vec, hde_msg *msg)
{
    if (__builtin_expect(vec->n == vec->cap, 0))
        msgvec_grow(vec);
    vec->item[vec->n++] = msg;
}
void msgvec_drop_all(struct hde_msgvec *vec); /* drops the references that are left, n = 0 */
void msgvec_fini(struct hde_msgvec *vec);

#endif
