/* SPDX-License-Identifier: Apache-2.0
 * wire - the encoding of protobuf, for what is written and read by hand: frames and what carries
 * them. Fields have numbers below 16. */
#ifndef LINK_WIRE_H
#define LINK_WIRE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum wire_type { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static inline size_t
wire_varint_size(uint64_t value)
{
    size_t size = 1;

    while (value >>= 7)
        size++;
    return size;
}

static inline uint8_t *
wire_put_varint(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static inline size_t
wire_item_size(enum wire_type wire, uint64_t value)
{
    return 1 + (wire == FIXED64 ? 8 : wire_varint_size(value)) + (wire == BYTES ? value : 0);
}

/* Of BYTES only the length: the bytes follow. */
static inline uint8_t *
wire_put_item(uint8_t *at, unsigned field, enum wire_type wire, uint64_t value)
{
    *at++ = (uint8_t)(field << 3 | wire);
    if (wire != FIXED64)
        return wire_put_varint(at, value);
    value = htole64(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

struct wire {
    const uint8_t *at, *end;
};

/* Of at most `most` bytes: tags and lengths have 5, values 10. */
static inline bool
wire_get_varint(struct wire *in, unsigned most, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < most && in->at < in->end; i++) {
        uint8_t byte = *in->at++;

        *value |= (uint64_t)(byte & 0x7f) << 7 * i;
        if (!(byte & 0x80))
            return i < 9 || byte <= 1;
    }
    return false;
}

/* One field: its number, and its value or what it holds (of FIXED32 only that). */
struct wire_item {
    uint64_t field;
    enum wire_type wire;
    uint64_t value;
    const uint8_t *bytes;
    size_t size;
};

static inline bool
wire_get_item(struct wire *in, struct wire_item *out)
{
    size_t left;
    uint64_t tag;

    if (!wire_get_varint(in, 5, &tag) || tag >> 3 == 0 || tag >> 32)
        return false;
    out->field = tag >> 3;
    out->wire = (enum wire_type)(tag & 7);
    out->bytes = in->at;
    out->size = out->wire == FIXED64 ? 8 : 4;
    out->value = 0;
    if (out->wire == VARINT)
        return wire_get_varint(in, 10, &out->value);
    if (out->wire == BYTES) {
        if (!wire_get_varint(in, 5, &out->value))
            return false;
        out->bytes = in->at;
        out->size = out->value;
    } else if (out->wire != FIXED64 && out->wire != FIXED32) {
        return false; /* groups: nobody writes them */
    }
    left = (size_t)(in->end - in->at);
    if (out->size > left)
        return false;
    if (out->wire == FIXED64) {
        memcpy(&out->value, in->at, sizeof out->value);
        out->value = le64toh(out->value);
    }
    in->at += out->size;
    return true;
}

#endif
