/* SPDX-License-Identifier: Apache-2.0 */
#include "net/envelope.h"

#include "link/wire.h"

#include <string.h>

enum number { SESSION = 1, LANE, NUMBER, GREETING, FRAMES };

size_t
envelope_room(const struct sized_frame *frame)
{
    return wire_item_size(BYTES, frame->size);
}

size_t
envelope_size(const struct envelope *self, const struct sized_frame *frames, size_t n)
{
    size_t size = 2 * wire_item_size(FIXED64, 0) + wire_item_size(VARINT, self->lane);

    if (self->greeting)
        size += wire_item_size(BYTES, self->greeting_size);
    for (size_t i = 0; i < n; i++)
        size += envelope_room(&frames[i]);
    return size;
}

void
envelope_write(const struct envelope *self, const struct sized_frame *frames, size_t n,
               uint8_t *out)
{
    out = wire_put_item(out, SESSION, FIXED64, self->session);
    out = wire_put_item(out, LANE, VARINT, self->lane);
    out = wire_put_item(out, NUMBER, FIXED64, self->number);
    if (self->greeting) {
        out = wire_put_item(out, GREETING, BYTES, self->greeting_size);
        memcpy(out, self->greeting, self->greeting_size);
        out += self->greeting_size;
    }
    for (size_t i = 0; i < n; i++) {
        out = wire_put_item(out, FRAMES, BYTES, frames[i].size);
        frame_write(&frames[i].frame, out);
        out += frames[i].size;
    }
}

static bool
set_field(struct envelope *self, const struct wire_item *item, unsigned *seen)
{
    static const enum wire_type types[] = {[SESSION] = FIXED64,
                                           [LANE] = VARINT,
                                           [NUMBER] = FIXED64,
                                           [GREETING] = BYTES,
                                           [FRAMES] = BYTES};

    if (item->field > FRAMES)
        return true; /* of a later version */
    if (item->wire != types[item->field] || (item->field == LANE && item->value >= LANES))
        return false;
    *seen |= 1u << item->field;
    if (item->field == SESSION)
        self->session = item->value;
    else if (item->field == LANE)
        self->lane = (uint32_t)item->value;
    else if (item->field == NUMBER)
        self->number = item->value;
    else if (item->field == GREETING)
        self->greeting = item->bytes, self->greeting_size = item->size;
    return true;
}

bool
envelope_read(struct envelope *self, const uint8_t *bytes, size_t size, struct err *err)
{
    const unsigned wanted = 1u << SESSION | 1u << LANE | 1u << NUMBER;
    struct wire in = {bytes, bytes + size};
    struct wire_item item;
    unsigned seen = 0;

    *self = (struct envelope){.at = bytes, .end = bytes + size};
    while (in.at < in.end)
        if (!wire_get_item(&in, &item) || !set_field(self, &item, &seen))
            return err_set(err, "HDE-R007", "its bytes are no hde.NetMessage");
    return (seen & wanted) == wanted ||
           err_set(err, "HDE-R007", "it has no session, lane or number");
}

bool
envelope_next(struct envelope *self, const uint8_t **bytes, size_t *size)
{
    struct wire in = {self->at, self->end};
    struct wire_item item;

    while (in.at < in.end && wire_get_item(&in, &item)) {
        self->at = in.at;
        if (item.field != FRAMES)
            continue;
        *bytes = item.bytes;
        *size = item.size;
        return true;
    }
    return false;
}
