/* SPDX-License-Identifier: Apache-2.0
 * hash64 - XXH64: 64 bits of any bytes, the same on every machine. Not against malice. */
#ifndef BASE_HASH64_H
#define BASE_HASH64_H

#include <stddef.h>
#include <stdint.h>

/* Chains by its seed: the hash of what came before. */
uint64_t hash64(uint64_t seed, const void *bytes, size_t size);

#endif
