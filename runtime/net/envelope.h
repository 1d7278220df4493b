/* SPDX-License-Identifier: Apache-2.0
 * envelope - one message between two hosts: hde.NetMessage, written and read by hand like the
 * frames in it (link/frame.h). */
#ifndef NET_ENVELOPE_H
#define NET_ENVELOPE_H

#include "base/err.h"
#include "link/frame.h"

enum lane { LANE_CONTROL, LANE_DATA, LANES };

struct envelope {
    uint64_t session, number;
    uint32_t lane;
    const uint8_t *greeting; /* lent; NULL: none */
    size_t greeting_size;

    const uint8_t *at, *end; /* reading: what envelope_next() has not given yet */
};

/* A frame and, once it is known, its size. */
struct sized_frame {
    struct frame frame;
    size_t size;
};

size_t envelope_size(const struct envelope *envelope, const struct sized_frame *frames, size_t n);
void envelope_write(const struct envelope *envelope, const struct sized_frame *frames, size_t n,
                    uint8_t *out);
/* Of one frame more. */
size_t envelope_room(const struct sized_frame *frame);

/* Any bytes may be given. False: HDE-R007; true: all fields are there, and frames follow each other
 * to the end (what is in them is for frame_read() to say). */
bool envelope_read(struct envelope *envelope, const uint8_t *bytes, size_t size, struct err *err);
/* The bytes of the next frame, lent. False: there are no more. */
bool envelope_next(struct envelope *envelope, const uint8_t **bytes, size_t *size);

#endif
