/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_SIZE = 16 * 1024, EXIT_NO_MEMORY = 71 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(16) char data[];
};

void
out_of_memory(size_t size)
{
    if (size)
        fprintf(stderr, "hde: out of memory (%zu bytes)\n", size);
    else
        fputs("hde: out of memory\n", stderr);
    _exit(EXIT_NO_MEMORY); /* nothing is tidied up: what is on disk is whole at any moment */
}

void *
xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        out_of_memory(size);
    return p;
}

void *
xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);

    if (!p)
        out_of_memory(n * size);
    return p;
}

void *
xrealloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);

    if (!p)
        out_of_memory(size);
    return p;
}

char *
xstrdup(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(xmalloc(size), text, size);
}

void *
xaligned(size_t size)
{
    void *p = aligned_alloc(64, size ? (size + 63) & ~(size_t)63 : 64);

    if (!p)
        out_of_memory(size);
    return memset(p, 0, size ? (size + 63) & ~(size_t)63 : 64);
}

char *
xprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        out_of_memory(0);
    va_end(args);
    return text;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
    struct arena_block *block = arena->head;

    size = (size + 15) & ~(size_t)15;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

        block = xcalloc(1, sizeof *block + room);
        block->size = room;
        block->next = arena->head;
        arena->head = block;
    }
    block->used += size;
    return block->data + block->used - size;
}

char *
arena_textn(struct arena *arena, const char *text, size_t len)
{
    char *copy = arena_alloc(arena, len + 1);

    memcpy(copy, text, len);
    return copy;
}

char *
arena_text(struct arena *arena, const char *text)
{
    return arena_textn(arena, text, strlen(text));
}

char *
arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args;
    char *text;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    text = arena_alloc(arena, (size_t)n + 1);
    va_start(args, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    return text;
}

void
arena_fini(struct arena *arena)
{
    while (arena->head) {
        struct arena_block *next = arena->head->next;

        free(arena->head);
        arena->head = next;
    }
}
