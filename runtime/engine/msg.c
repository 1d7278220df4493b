/* SPDX-License-Identifier: Apache-2.0
 * msg - pooled, counted messages (see msg.h).
 *
 *  (1) A chunk is always in exactly one place: in a message, in the free list of its pool, in a
 *      thread's outbox for its pool, or on its pool's return stack.
 *  (2) Free lists, outbox and counters of a pool are touched by its thread alone; other threads
 *      only push onto `returned`. The owner takes that stack as a whole, so there is no ABA.
 *  (3) Whatever points into the memory of another message holds a reference to that message; so a
 *      message with one reference has chunks that nobody else reads.
 *  (4) A pool has at most one thread. When the thread ends, the pool waits in `pools` for the next
 *      new thread and keeps its chunks. */
#include "engine/msg.h"

#include "base/arena.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* 512 bytes, 640, 768, 896, 1024, 1280 ... 32 MiB: four steps to the double, so that chunks of
     * a class do not all meet in the same sets of a cache. */
    CLASS_MIN_SHIFT = 9,
    CLASSES = 65,
    CLASS_HUGE = CLASSES,
    LINE = 64,
    OUTBOX_CHUNKS = 32,
    GROW_MAX = 256 * 1024, /* chunks of one message double up to this */
    USUAL = 32,            /* types whose usual size a pool remembers */
};
static const size_t outbox_bytes = 256 * 1024;

struct msg_chunk {
    struct msg_chunk *next; /* in the message, free list, outbox or return stack */
    struct msg_pool *pool;
    uint32_t class;
    size_t size; /* with this header */
};

struct msg_parent {
    struct msg_parent *next;
    const hde_msg *msg;
};

/* The header of a message follows that of its first chunk; both keep what comes next aligned. */
_Static_assert(sizeof(struct msg_chunk) % 16 == 0, "memory behind a chunk header is aligned");
_Static_assert(sizeof(struct message) % 16 == 0, "memory behind a message header is aligned");

struct msg_pool {
    struct msg_chunk *free[CLASSES];

    /* Chunks of one other pool that this thread freed. */
    struct {
        struct msg_pool *pool;
        struct msg_chunk *first, *last;
        uint32_t n;
        size_t bytes;
    } outbox;

    /* Written by the owner, read by msg_pool_totals(): relaxed, each exact on its own. */
    _Atomic uint64_t allocations, taken, taken_bytes, given, given_bytes;
    uint64_t chunks; /* that this pool made and has not freed */

    /* The owner's: what messages of a type need beside their body, so that one chunk holds all of
     * the next one, side by side. A slot is the type's that came last. */
    struct usual {
        const ProtobufCMessageDescriptor *type;
        size_t size;
    } usual[USUAL];

    bool owned;
    struct msg_pool *next; /* in `pools` */

    /* The only line that other threads write. */
    _Alignas(LINE) _Atomic(struct msg_chunk *) returned;
};

static struct {
    pthread_mutex_t lock; /* thread start and end, totals: never per message */
    pthread_once_t once;
    pthread_key_t key; /* its destructor tells that a thread ended */
    struct msg_pool *head;
    struct msg_pool_totals gone; /* of pools that were freed */
} pools = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

static _Thread_local struct msg_pool *current __attribute__((tls_model("initial-exec")));

/* ---- Pools -------------------------------------------------------------------------------- */

static inline void
count(_Atomic uint64_t *counter, uint64_t n)
{
    /* One writer: a plain add, without a locked instruction. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static void
outbox_flush(struct msg_pool *pool)
{
    struct msg_pool *to = pool->outbox.pool;
    struct msg_chunk *head;

    if (!to)
        return;
    /* Release: what this thread read and wrote in the chunks comes before the owner's reuse;
     * pairs with the acquire in collect_returned(). */
    head = atomic_load_explicit(&to->returned, memory_order_relaxed);
    do
        pool->outbox.last->next = head;
    while (!atomic_compare_exchange_weak_explicit(&to->returned, &head, pool->outbox.first,
                                                  memory_order_release, memory_order_relaxed));
    memset(&pool->outbox, 0, sizeof pool->outbox);
}

static void
collect_returned(struct msg_pool *pool)
{
    struct msg_chunk *chunk = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);

    while (chunk) {
        struct msg_chunk *next = chunk->next;

        chunk->next = pool->free[chunk->class];
        pool->free[chunk->class] = chunk;
        chunk = next;
    }
}

static void
thread_ended(void *arg)
{
    struct msg_pool *pool = arg;

    outbox_flush(pool);
    current = NULL;
    pthread_mutex_lock(&pools.lock);
    pool->owned = false;
    pthread_mutex_unlock(&pools.lock);
}

static void
make_key(void)
{
    if (pthread_key_create(&pools.key, thread_ended)) {
        fputs("hde: no thread key left for message pools\n", stderr);
        abort();
    }
}

static struct msg_pool *
pool_adopt(void)
{
    struct msg_pool *pool;

    pthread_once(&pools.once, make_key);
    pthread_mutex_lock(&pools.lock);
    for (pool = pools.head; pool && pool->owned; pool = pool->next)
        ;
    if (!pool) {
        pool = xaligned(sizeof *pool);
        memset(pool, 0, sizeof *pool);
        pool->next = pools.head;
        pools.head = pool;
    }
    pool->owned = true;
    pthread_mutex_unlock(&pools.lock);
    pthread_setspecific(pools.key, pool);
    return current = pool;
}

struct msg_pool *
msg_pool_current(void)
{
    return current ? current : pool_adopt();
}

void
msg_pool_flush(void)
{
    if (current)
        outbox_flush(current);
}

static void
totals_add(struct msg_pool_totals *sum, struct msg_pool *pool)
{
    /* Differences may wrap in one pool (made here, freed there); the sums are right. */
    sum->allocations += atomic_load_explicit(&pool->allocations, memory_order_relaxed);
    sum->in_use += atomic_load_explicit(&pool->taken, memory_order_relaxed) -
                   atomic_load_explicit(&pool->given, memory_order_relaxed);
    sum->bytes_in_use += atomic_load_explicit(&pool->taken_bytes, memory_order_relaxed) -
                         atomic_load_explicit(&pool->given_bytes, memory_order_relaxed);
}

struct msg_pool_totals
msg_pool_totals(void)
{
    struct msg_pool_totals sum;

    pthread_mutex_lock(&pools.lock);
    sum = pools.gone;
    for (struct msg_pool *pool = pools.head; pool; pool = pool->next)
        totals_add(&sum, pool);
    pthread_mutex_unlock(&pools.lock);
    return sum;
}

static void
free_chunks(struct msg_pool *pool)
{
    collect_returned(pool);
    for (unsigned class = 0; class < CLASSES; class ++) {
        while (pool->free[class]) {
            struct msg_chunk *chunk = pool->free[class];

            pool->free[class] = chunk->next;
            pool->chunks--;
            free(chunk);
        }
    }
}

void
msg_pools_fini(void)
{
    struct msg_pool **link = &pools.head, *mine = current;

    if (mine) {
        outbox_flush(mine);
        pthread_setspecific(pools.key, NULL);
        current = NULL;
    }
    pthread_mutex_lock(&pools.lock);
    if (mine)
        mine->owned = false;
    while (*link) {
        struct msg_pool *pool = *link;

        if (!pool->owned)
            free_chunks(pool);
        if (!pool->owned && !pool->chunks) {
            totals_add(&pools.gone, pool);
            *link = pool->next;
            free(pool);
        } else {
            link = &pool->next;
        }
    }
    pthread_mutex_unlock(&pools.lock);
}

/* ---- Chunks ------------------------------------------------------------------------------- */

static uint32_t
class_of(size_t size)
{
    unsigned bits, class;

    if (size <= (size_t)1 << CLASS_MIN_SHIFT)
        return 0;
    bits = (unsigned)(8 * sizeof size) - 1 - (unsigned)__builtin_clzl(size - 1);
    class = 4 * (bits - CLASS_MIN_SHIFT) + (unsigned)((size - 1) >> (bits - 2) & 3) + 1;
    return class < CLASSES ? class : CLASS_HUGE;
}

static size_t
class_size(uint32_t class)
{
    return (size_t)(4 + class % 4) << (class / 4 + CLASS_MIN_SHIFT - 2);
}

static struct msg_chunk *
chunk_make(struct msg_pool *pool, uint32_t class, size_t size)
{
    struct msg_chunk *chunk;

    collect_returned(pool);
    if (class < CLASSES && (chunk = pool->free[class])) {
        pool->free[class] = chunk->next;
        return chunk;
    }
    size = class < CLASSES ? class_size(class)
                           : (size + LINE - 1) & ~(size_t)(LINE - 1);
    chunk = size ? aligned_alloc(LINE, size) : NULL;
    if (!chunk)
        out_of_memory(size);
    count(&pool->allocations, 1);
    chunk->pool = pool;
    chunk->class = class;
    chunk->size = size;
    if (class < CLASSES)
        pool->chunks++;
    return chunk;
}

static inline struct msg_chunk *
chunk_take(struct msg_pool *pool, size_t size)
{
    uint32_t class = class_of(size);
    struct msg_chunk *chunk;

    if (class < CLASSES && (chunk = pool->free[class]))
        pool->free[class] = chunk->next;
    else
        chunk = chunk_make(pool, class, size);
    count(&pool->taken, 1);
    count(&pool->taken_bytes, chunk->size);
    chunk->next = NULL;
    return chunk;
}

static void
chunk_post(struct msg_pool *mine, struct msg_chunk *chunk)
{
    if (chunk->class == CLASS_HUGE) {
        free(chunk);
        return;
    }
    if (mine->outbox.pool != chunk->pool)
        outbox_flush(mine);
    chunk->next = mine->outbox.first;
    if (!chunk->next)
        mine->outbox.last = chunk;
    mine->outbox.first = chunk;
    mine->outbox.pool = chunk->pool;
    mine->outbox.bytes += chunk->size;
    if (++mine->outbox.n >= OUTBOX_CHUNKS || mine->outbox.bytes >= outbox_bytes)
        outbox_flush(mine);
}

static inline void
chunk_give(struct msg_pool *mine, struct msg_chunk *chunk)
{
    count(&mine->given, 1);
    count(&mine->given_bytes, chunk->size);
    if (chunk->pool == mine && chunk->class < CLASSES) {
        chunk->next = mine->free[chunk->class];
        mine->free[chunk->class] = chunk;
    } else {
        chunk_post(mine, chunk);
    }
}

/* ---- Messages ----------------------------------------------------------------------------- */

static inline struct message *
inside(const hde_msg *msg)
{
    return (struct message *)(uintptr_t)msg; /* the count is ours to change, the body is not */
}

static inline size_t
round16(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

/* A message without a body, with at least `room` bytes to allocate. */
static inline struct message *
message_take(struct msg_pool *pool, size_t room)
{
    struct msg_chunk *chunk =
        chunk_take(pool, sizeof *chunk + sizeof(struct message) + round16(room));
    struct message *self = (struct message *)(chunk + 1);

    self->msg.body = NULL;
    self->msg.event_ns = 0;
    atomic_store_explicit(&self->refs, 1, memory_order_relaxed);
    self->chunk = chunk;
    self->at = (char *)(self + 1);
    self->end = (char *)chunk + chunk->size;
    self->parents = NULL;
    self->bytes = chunk->size;
    return self;
}

static inline struct usual *
usual_slot(struct msg_pool *pool, const ProtobufCMessageDescriptor *type)
{
    return &pool->usual[(uintptr_t)type / 64 % USUAL];
}

static inline size_t
usual_size(struct msg_pool *pool, const ProtobufCMessageDescriptor *type)
{
    const struct usual *slot = usual_slot(pool, type);

    return slot->type == type ? slot->size : 64; /* a few texts and sub-messages */
}

/* A message had to grow to this size: the next of its type begins with as much. */
static void
note_usual(struct msg_pool *pool, const struct message *self, size_t size)
{
    if (self->msg.body && size <= GROW_MAX)
        *usual_slot(pool, self->msg.body->descriptor) =
            (struct usual){self->msg.body->descriptor, size};
}

/* One that leaves most of its only chunk empty was made too large. */
static inline void
forget_usual(struct msg_pool *pool, const struct message *self)
{
    const struct msg_chunk *chunk = self->chunk;
    struct usual *slot;

    if (!self->msg.body || chunk->next || (size_t)(self->end - self->at) <= chunk->size / 4 * 3)
        return;
    slot = usual_slot(pool, self->msg.body->descriptor);
    if (slot->type == self->msg.body->descriptor && slot->size < chunk->size)
        slot->size /= 2;
}

static void *
message_grow(struct message *self, size_t size)
{
    struct msg_pool *pool = msg_pool_current();
    size_t want = self->chunk->size < GROW_MAX ? 2 * self->chunk->size : GROW_MAX;
    struct msg_chunk *chunk;

    if (size > SIZE_MAX / 2)
        out_of_memory(size);
    if (want < size + sizeof *chunk)
        want = size + sizeof *chunk;
    note_usual(pool, self, self->bytes + size);
    chunk = chunk_take(pool, want);
    chunk->next = self->chunk;
    self->chunk = chunk;
    self->bytes += chunk->size;
    self->at = (char *)(chunk + 1) + size;
    self->end = (char *)chunk + chunk->size;
    return chunk + 1;
}

static inline void *
message_alloc(struct message *self, size_t size)
{
    char *at = self->at;

    if (size > SIZE_MAX - 15)
        size = SIZE_MAX - 15; /* refused by message_grow() */
    size = round16(size ? size : 1);
    if (__builtin_expect((size_t)(self->end - at) < size, 0))
        return message_grow(self, size);
    self->at = at + size;
    return at;
}

static inline bool
drop_reference(struct message *self)
{
    /* A sole owner needs no locked instruction: nobody else can raise the count. */
    return msg_is_sole(&self->msg) ||
           atomic_fetch_sub_explicit(&self->refs, 1, memory_order_acq_rel) == 1;
}

/* Frees a message without references, and with it parents that lived for it alone. The dead form
 * a stack, linked by what was their body, so that a long line of parents does not recurse. */
static void
message_give(struct message *self)
{
    struct msg_pool *mine = msg_pool_current();
    struct message *dead = self;

    forget_usual(mine, self);
    self->msg.body = NULL;
    while ((self = dead)) {
        struct msg_chunk *chunk = self->chunk, *next;

        dead = (struct message *)(void *)self->msg.body;
        for (struct msg_parent *parent = self->parents; parent; parent = parent->next) {
            struct message *other = inside(parent->msg);

            if (drop_reference(other)) {
                other->msg.body = (ProtobufCMessage *)(void *)dead;
                dead = other;
            }
        }
        for (; chunk; chunk = next) {
            next = chunk->next;
            chunk_give(mine, chunk);
        }
    }
}

hde_msg *
msg_new(struct msg_pool *pool, const ProtobufCMessageDescriptor *type)
{
    struct message *self = message_take(pool, type->sizeof_message + usual_size(pool, type));

    self->msg.body = message_alloc(self, type->sizeof_message);
    type->message_init(self->msg.body);
    return &self->msg;
}

static void *
unpack_alloc(void *arg, size_t size)
{
    return message_alloc(arg, size);
}

static void
unpack_free(void *arg, void *memory)
{
    /* The message's chunks go together. */
}

static void *
exact_alloc(void *arg, size_t size)
{
    return xmalloc(size);
}

static void
exact_free(void *arg, void *memory)
{
    free(memory);
}

ProtobufCAllocator msg_memory = {exact_alloc, exact_free, NULL};

hde_msg *
msg_unpack(struct msg_pool *pool, const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
           size_t size)
{
    struct message *self = message_take(pool, type->sizeof_message + size + size / 8 + 256);
    ProtobufCAllocator allocator = {unpack_alloc, unpack_free, self};

    self->msg.body = protobuf_c_message_unpack(type, &allocator, size, bytes);
    if (!self->msg.body)
        return message_give(self), NULL;
    return &self->msg;
}

size_t
msg_bytes(const hde_msg *msg)
{
    return inside(msg)->bytes;
}

hde_msg *
hde_msg_keep(const hde_msg *msg)
{
    /* Relaxed: the caller has a reference, so the message cannot go away meanwhile. */
    atomic_fetch_add_explicit(&inside(msg)->refs, 1, memory_order_relaxed);
    return &inside(msg)->msg;
}

void
hde_msg_drop(const hde_msg *msg)
{
    if (msg && drop_reference(inside(msg)))
        message_give(inside(msg));
}

hde_msg *
msg_writable(struct msg_pool *pool, hde_msg *taken)
{
    const ProtobufCMessageDescriptor *type = taken->body->descriptor;
    struct message *self;
    struct msg_parent *parent;

    if (msg_is_sole(taken))
        return taken;
    self = message_take(pool, type->sizeof_message + sizeof *parent + 64);
    self->msg.body = message_alloc(self, type->sizeof_message);
    memcpy(self->msg.body, taken->body, type->sizeof_message);
    self->msg.event_ns = taken->event_ns;
    parent = message_alloc(self, sizeof *parent);
    *parent = (struct msg_parent){.msg = taken}; /* the reference moves */
    self->parents = parent;
    return &self->msg;
}

void *
hde_msg_alloc(hde_msg *msg, size_t size)
{
    return message_alloc(inside(msg), size);
}

double *
hde_msg_doubles(hde_msg *msg, size_t n)
{
    double *column =
        message_alloc(inside(msg), n <= SIZE_MAX / sizeof *column ? n * sizeof *column : SIZE_MAX);

    for (size_t i = 0; i < n; i++)
        column[i] = __builtin_nan("");
    return column;
}

char *
hde_msg_text(hde_msg *msg, const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(message_alloc(inside(msg), size), text, size);
}

static bool
owns(const struct message *self, const void *memory)
{
    for (const struct msg_chunk *chunk = self->chunk; chunk; chunk = chunk->next) {
        if ((uintptr_t)memory - (uintptr_t)chunk < chunk->size)
            return true;
    }
    return false;
}

void *
hde_msg_edit(hde_msg *msg, void *slot, const ProtobufCMessageDescriptor *type)
{
    struct message *self = inside(msg);
    ProtobufCMessage *sub, **at = slot;

    if (*at && owns(self, *at))
        return *at; /* nobody else can point to it: see (3) */
    sub = message_alloc(self, type->sizeof_message);
    if (*at)
        memcpy(sub, *at, type->sizeof_message);
    else
        type->message_init(sub);
    return *at = sub;
}

void
hde_msg_share(hde_msg *msg, const hde_msg *with)
{
    struct message *self = inside(msg);
    struct msg_parent *parent;

    if (with == msg || (self->parents && self->parents->msg == with))
        return;
    parent = message_alloc(self, sizeof *parent);
    parent->msg = hde_msg_keep(with);
    parent->next = self->parents;
    self->parents = parent;
}

/* ---- Arrays of messages ------------------------------------------------------------------- */

void
msgvec_grow(struct hde_msgvec *vec)
{
    vec->cap = vec->cap ? 2 * vec->cap : 16;
    vec->item = xrealloc(vec->item, vec->cap * sizeof(hde_msg *));
}

void
msgvec_drop_all(struct hde_msgvec *vec)
{
    for (uint32_t i = 0; i < vec->n; i++)
        hde_msg_drop(vec->item[i]);
    vec->n = 0;
}

void
msgvec_fini(struct hde_msgvec *vec)
{
    msgvec_drop_all(vec);
    free(vec->item);
    *vec = (struct hde_msgvec){0};
}
