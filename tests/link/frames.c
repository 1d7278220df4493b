/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include "base/arena.h"

#include <string.h>

static Hde__Sample samples[2];
static hde_msg messages[2];

bool
frame_is_kind(int kind)
{
    return strcmp(frame_kind_name((Hde__FrameKind)kind), "unknown") != 0;
}

void
frame_example(struct frame *frame, Hde__FrameKind kind)
{
    frame_begin(frame, kind, 7);
    frame->tick = (UINT64_C(3) << 40) + 1234;
    frame->index = 300;
    frame->number = UINT64_MAX - 1;
    frame->schema = frame_schema((const ProtobufCMessageDescriptor *const[]){
        &hde__sample__descriptor, NULL});
    frame->watermark_ns = INT64_MIN;
    frame->time_ns = INT64_C(1764233000123456789);
    frame->credit_messages = UINT32_MAX;
    frame->credit_bytes = UINT64_C(64) * UINT32_MAX;
    frame->payload = (const uint8_t *)"why";
    frame->payload_size = 3;
    for (int i = 0; i < 2; i++) {
        hde__sample__init(&samples[i]);
        samples[i].key = (char *)"NIFTY";
        samples[i].has_sequence = true;
        samples[i].sequence = 17 + (uint64_t)i;
        messages[i].body = &samples[i].base;
        messages[i].event_ns = -1 - i;
    }
    if (kind == HDE__FRAME_KIND__FRAME_KIND_DATA || kind == HDE__FRAME_KIND__FRAME_KIND_BARRIER ||
        kind == HDE__FRAME_KIND__FRAME_KIND_CALL || kind == HDE__FRAME_KIND__FRAME_KIND_ANSWER)
        for (uint32_t i = 0; i < 2; i++)
            frame_add(frame, 5 * i, 0, &messages[i]);
}

uint8_t *
frame_bytes(struct frame *frame, size_t *size)
{
    uint8_t *bytes;

    *size = frame_size(frame);
    bytes = xmalloc(*size);
    frame_write(frame, bytes);
    return bytes;
}
