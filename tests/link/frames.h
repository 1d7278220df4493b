/* SPDX-License-Identifier: Apache-2.0
 * frames - one good frame of each kind, for the tests of the frame. */
#ifndef LINK_TEST_FRAMES_H
#define LINK_TEST_FRAMES_H

#include "link/frame.h"

enum {
    FIRST_KIND = HDE__FRAME_KIND__FRAME_KIND_DATA,
    LAST_KIND = HDE__FRAME_KIND__FRAME_KIND_REPLY, /* with gaps: frame_is_kind() */
};

bool frame_is_kind(int kind);
/* Every field that a kind may have is set; batches and calls have two messages. */
void frame_example(struct frame *frame, Hde__FrameKind kind);
/* The bytes of the frame, to be freed. */
uint8_t *frame_bytes(struct frame *frame, size_t *size);

#endif
