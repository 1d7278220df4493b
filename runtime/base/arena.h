/* SPDX-License-Identifier: Apache-2.0
 * arena - memory that is freed all at once. One thread at a time; out of memory ends the process
 * with a message, so nothing here returns NULL. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena {
    struct arena_block *head;
};

void *arena_alloc(struct arena *arena, size_t size); /* zeroed, aligned to 16 */
char *arena_text(struct arena *arena, const char *text);
char *arena_textn(struct arena *arena, const char *text, size_t len);
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_fini(struct arena *arena); /* {0} is fine */

/* malloc family that ends the process with a message instead of giving NULL */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);
void *xaligned(size_t size); /* zeroed, aligned to 64: a cache line */
char *xprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void out_of_memory(size_t size);

#endif
