/* SPDX-License-Identifier: Apache-2.0
 * slab - pieces of blocks (see slab.h).
 *
 *  (1) A block begins at a multiple of BLOCK and each of its pieces within its first BLOCK bytes:
 *      so a piece finds its block. [test_a_piece_may_be_larger_than_a_block]
 *  (2) A block goes with its last piece; the open one stays, and goes when it is filled up and
 *      empty. [test_pieces_are_freed_in_any_order]
 *  (3) Under AddressSanitizer each piece comes from malloc(), so that it sees what is written
 *      behind a piece and after its end. */
#include "base/slab.h"

#include "base/arena.h"
#include "base/asan.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 64, BLOCK = 64 * 1024 };

struct block {
    _Alignas(LINE) size_t used, size;
    size_t pieces; /* that are not freed */
};

static struct {
    pthread_mutex_t lock;
    struct block *open; /* that the next piece is taken from */
} slabs = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct block *
block_new(size_t piece)
{
    size_t size = (sizeof(struct block) + piece + BLOCK - 1) / BLOCK * BLOCK;
    struct block *block = aligned_alloc(BLOCK, size);

    if (!block)
        out_of_memory(size);
    *block = (struct block){.used = sizeof *block, .size = size};
    return block;
}

static void
drop_if_empty(struct block *block)
{
    if (block && block != slabs.open && !block->pieces)
        free(block);
}

void *
slab_alloc(size_t size)
{
    struct block *block;
    void *piece;

    if (HDE_ASAN)
        return xaligned(size);
    size = size ? (size + LINE - 1) / LINE * LINE : LINE;
    pthread_mutex_lock(&slabs.lock);
    block = slabs.open;
    if (!block || block->used >= BLOCK || block->size - block->used < size) {
        slabs.open = block_new(size);
        drop_if_empty(block);
        block = slabs.open;
    }
    piece = (char *)block + block->used;
    block->used += size;
    block->pieces++;
    pthread_mutex_unlock(&slabs.lock);
    return memset(piece, 0, size);
}

void
slab_free(void *piece)
{
    struct block *block = (struct block *)((uintptr_t)piece / BLOCK * BLOCK);

    if (HDE_ASAN) {
        free(piece);
        return;
    }
    if (!piece)
        return;
    pthread_mutex_lock(&slabs.lock);
    block->pieces--;
    drop_if_empty(block);
    pthread_mutex_unlock(&slabs.lock);
}
