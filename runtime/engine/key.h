/* SPDX-License-Identifier: Apache-2.0
 * key - fields of a message by name, as a key to split and to conflate by. */
#ifndef ENGINE_KEY_H
#define ENGINE_KEY_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names of fields; "feed.symbol" walks into a sub-message. Lent. */
struct key {
    size_t n;
    const char *const *names;
};

/* The same number in every process and release: FNV-1a with 64 bits over the fields in their
 * order. A text is its bytes and a NUL; numbers, enums and booleans are the 8 bytes of their value
 * as int64 or double, low byte first; an absent field is the byte 0xff. */
uint64_t key_hash(const struct key *key, const ProtobufCMessage *message);
/* Whether every field of the key has a value. */
bool key_is_set(const struct key *key, const ProtobufCMessage *message);
/* Of the same type and equal in every field. */
bool key_equal(const struct key *key, const ProtobufCMessage *a, const ProtobufCMessage *b);
/* Whether the fields exist on that type: NULL, or the name that does not. */
const char *key_unknown(const struct key *key, const ProtobufCMessageDescriptor *type);

#endif
