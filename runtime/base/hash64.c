/* SPDX-License-Identifier: Apache-2.0
 * hash64 - written from the description of XXH64 (Y. Collet, xxhash_spec.md, version 0.1.1). */
#include "base/hash64.h"

enum { STRIPE = 32 };
#define P1 0x9e3779b185ebca87u
#define P2 0xc2b2ae3d27d4eb4fu
#define P3 0x165667b19e3779f9u
#define P4 0x85ebca77c2b2ae63u
#define P5 0x27d4eb2f165667c5u

static inline uint64_t
rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static inline uint64_t
get32(const uint8_t *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24;
}

static inline uint64_t
get64(const uint8_t *at)
{
    return get32(at) | get32(at + 4) << 32;
}

static inline uint64_t
turn(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * P2, 31) * P1;
}

static uint64_t
stripes(uint64_t seed, const uint8_t **at, size_t *left)
{
    uint64_t lane[4] = {seed + P1 + P2, seed + P2, seed, seed - P1}, hash;

    for (; *left >= STRIPE; *at += STRIPE, *left -= STRIPE)
        for (int i = 0; i < 4; i++)
            lane[i] = turn(lane[i], get64(*at + 8 * i));
    hash = rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);
    for (int i = 0; i < 4; i++)
        hash = (hash ^ turn(0, lane[i])) * P1 + P4;
    return hash;
}

uint64_t
hash64(uint64_t seed, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    size_t left = size;
    uint64_t hash = (left < STRIPE ? seed + P5 : stripes(seed, &at, &left)) + size;

    for (; left >= 8; at += 8, left -= 8)
        hash = rotate(hash ^ turn(0, get64(at)), 27) * P1 + P4;
    for (; left >= 4; at += 4, left -= 4)
        hash = rotate(hash ^ get32(at) * P1, 23) * P2 + P3;
    for (; left; at++, left--)
        hash = rotate(hash ^ *at * P5, 11) * P1;
    hash = (hash ^ hash >> 33) * P2;
    hash = (hash ^ hash >> 29) * P3;
    return hash ^ hash >> 32;
}
