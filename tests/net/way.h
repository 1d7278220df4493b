/* SPDX-License-Identifier: Apache-2.0
 * way - the way from one host to another, in a thread of its own: loses, repeats and delays
 * messages, and keeps what it has passed on. */
#ifndef NET_TEST_WAY_H
#define NET_TEST_WAY_H

#include <stddef.h>
#include <stdint.h>

struct way;

struct way_faults { /* of a thousand messages */
    unsigned lost, twice, late;
};

/* From an address that it listens at to another. */
struct way *way_new(const char *from, const char *to, const struct way_faults *faults,
                    uint64_t seed);
void way_free(struct way *way);
void way_lose_next(struct way *way); /* one that is larger than a beat */
size_t way_count(struct way *way);   /* messages that it has kept */
/* Sends all of them again. */
void way_repeat_all(struct way *way);
/* A copy of the nth, to be freed. */
uint8_t *way_message(struct way *way, size_t i, size_t *size);

/* A stranger sends bytes to an address, and waits until they are on the way. */
void stranger_sends(const char *to, const uint8_t *bytes, size_t size);

#endif
