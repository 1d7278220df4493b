/* SPDX-License-Identifier: Apache-2.0
 * memory - the first level: a bounded table of counted values.
 *
 * Threads   Any number: parts of the table have a lock each, held for the change of pointers and
 *           counts. Values are counted with atomics and may outlive the table. */
#ifndef CACHE_MEMORY_H
#define CACHE_MEMORY_H

#include "connectors/cache.h"

struct memory;

struct memory *memory_new(size_t bytes, size_t value_max);
void memory_free(struct memory *memory);

/* A new value with one reference; room for size bytes and a NUL. */
struct cache_value *value_new(size_t size, char **bytes);
const struct cache_value *value_keep(const struct cache_value *value);

/* A reference, or NULL. */
const struct cache_value *memory_get(struct memory *memory, const char *key, int64_t now_ns);
/* Keeps a reference of its own, unless the value is too large. */
void memory_put(struct memory *memory, const char *key, const struct cache_value *value,
                int64_t until_ns);
void memory_forget(struct memory *memory, const char *key);
size_t memory_delete(struct memory *memory, const char *pattern); /* how many */
void memory_read(struct memory *memory, size_t *bytes, size_t *entries, uint64_t *evicted);

/* 64 bits, of a seed: what is kept in Redis carries them too, so they never change. */
uint64_t memory_hash(uint64_t seed, const void *bytes, size_t size);

#endif
