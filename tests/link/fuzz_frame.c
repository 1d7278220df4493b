/* SPDX-License-Identifier: Apache-2.0
 * fuzz_frame - any bytes as a frame: it is refused by name, or what is read is what the generated
 * code reads, and writing it gives the same frame again.
 *
 * HDE_SEED repeats a run, HDE_FUZZ_SECONDS makes it longer (default 1). A crash leaves the seed on
 * stdout. */
#include "frames.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BYTES_MAX = 2048 };

static uint64_t state;

static uint64_t
draw(uint64_t n) /* splitmix64 */
{
    uint64_t z = (state += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % n;
}

static void
require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_frame: %s\n", what);
    abort();
}

static bool
same_message(const struct frame_message *a, const Hde__FrameMessage *b)
{
    return a->port == b->port && a->type == b->type && a->event_ns == b->event_ns &&
           a->size == b->body.len && (!a->size || !memcmp(a->bytes, b->body.data, a->size));
}

/* The generated code knows no kinds: it keeps what a frame says beside them. */
static void
compare(const struct frame *frame, const uint8_t *bytes, size_t size)
{
    Hde__Frame *other = hde__frame__unpack(NULL, size, bytes);

    require(other != NULL, "read what the generated code refuses");
    require(frame->kind == other->kind && frame->edge == other->edge, "kind, edge");
    require(!frame->tick || frame->tick == other->tick, "tick");
    require(!frame->number || frame->number == other->number, "number");
    require(!frame->credit_bytes || frame->credit_bytes == other->credit_bytes, "credit");
    require(!frame->payload_size || (frame->payload_size == other->payload.len &&
                                     !memcmp(frame->payload, other->payload.data,
                                             frame->payload_size)), "payload");
    require(frame->n == other->n_messages, "messages");
    for (uint32_t i = 0; i < frame->n; i++)
        require(same_message(&frame->message[i], other->messages[i]), "a message");
    hde__frame__free_unpacked(other, NULL);
}

static void
write_again(struct frame *frame)
{
    struct frame again = {0};
    uint8_t *bytes;
    size_t size;

    bytes = frame_bytes(frame, &size);
    require(frame_read(&again, bytes, size, NULL), "what was read cannot be written");
    require(again.kind == frame->kind && again.tick == frame->tick && again.n == frame->n &&
                again.watermark_ns == frame->watermark_ns, "written otherwise");
    frame_fini(&again);
    free(bytes);
}

static bool
try_bytes(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees the end */
    static struct frame frame;
    struct err err = {0};
    bool ok;

    memcpy(exact, bytes, size);
    ok = frame_read(&frame, exact, size, &err);
    require(ok != err_is_set(&err), "neither read nor refused");
    if (ok) {
        compare(&frame, exact, size);
        write_again(&frame);
    }
    free(exact);
    return ok;
}

static size_t
change(uint8_t *bytes, size_t size)
{
    static const uint8_t odd[] = {0, 1, 0x7f, 0x80, 0xff};
    size_t at = draw(size + 1), len = draw(24);

    if (len > size - at)
        len = size - at;
    switch (draw(6)) {
    case 0:
        if (at < size)
            bytes[at] ^= (uint8_t)(1 << draw(8));
        return size;
    case 1:
        if (at < size)
            bytes[at] = odd[draw(sizeof odd)];
        return size;
    case 2:
        return at;
    case 3:
        memmove(bytes + at, bytes + at + len, size - at - len);
        return size - len;
    case 4: /* a part once more */
        if (size + len > BYTES_MAX)
            return size;
        memmove(bytes + at + len, bytes + at, size - at);
        return size + len;
    default:
        if (size + 10 > BYTES_MAX)
            return size;
        memset(bytes + size, (int)odd[draw(sizeof odd)], 10);
        return size + 1 + draw(10);
    }
}

static Hde__FrameKind
draw_kind(void)
{
    int kind;

    do
        kind = FIRST_KIND + (int)draw(LAST_KIND + 1 - FIRST_KIND);
    while (!frame_is_kind(kind));
    return (Hde__FrameKind)kind;
}

int
main(void)
{
    const char *seed = getenv("HDE_SEED"), *seconds = getenv("HDE_FUZZ_SECONDS");
    time_t end = time(NULL) + (seconds ? atol(seconds) : 1);
    uint64_t n = 0, good = 0;
    struct frame frame = {0};

    state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) * 1000003;
    printf("seed %" PRIu64 "\n", state);
    fflush(stdout);
    do
        for (int i = 0; i < 1000; i++, n++) {
            uint8_t bytes[BYTES_MAX];
            size_t size;

            frame_example(&frame, draw_kind());
            size = frame_size(&frame);
            frame_write(&frame, bytes);
            for (uint64_t k = draw(5); k; k--)
                size = change(bytes, size);
            good += try_bytes(bytes, size);
        }
    while (time(NULL) < end);
    require(good > 0 && good < n, "not both kinds of bytes were tried");
    frame_fini(&frame);
    printf("%" PRIu64 " inputs, %" PRIu64 " of them frames\n", n, good);
    return 0;
}
