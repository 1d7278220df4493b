/* SPDX-License-Identifier: Apache-2.0
 * swapped - operators for reload_test, built once for each VERSION_... that is good or wrong in one
 * way. The source numbers its samples, the counters count them, and the sink compares. */
#include <hde/operator.h>
#include <hde/schemas/runtime.pb-c.h>
#include <hde/text.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef VARIANT
#define VARIANT "" /* makes another file of a build that calls itself the same */
#endif

#if defined VERSION_v1
enum { VERSION = 1, SCHEMA = 1 };
#elif defined VERSION_old_schema
enum { VERSION = 3, SCHEMA = 0 };
#else
enum { VERSION = 2, SCHEMA = 2 }; /* counts are saved in `value` */
#endif
#ifdef VERSION_missing_symbol
void there_is_no_such_function(void);
#endif

#ifdef VERSION_crashes_at_once
__attribute__((constructor)) static void
crash(void)
{
    abort();
}
#endif

static const hde_port in1[] = {{"in", HDE_TYPES(&hde__sample__descriptor), 0, "samples"}, {0}};
static const hde_port out1[] = {{"out", HDE_TYPES(&hde__sample__descriptor), 0, "samples"}, {0}};
#ifdef VERSION_other_ports
static const hde_port count_in[] = {{"inlet", HDE_TYPES(&hde__sample__descriptor), 0, "samples"},
                                    {0}};
#else
#define count_in in1
#endif

/* ---- swap/feed ---------------------------------------------------------------------------- */

struct feed {
    int64_t burst, keys;
    hde_duration every;
    uint64_t sent;
    bool waits;
};

static const hde_param feed_params[] = {
    HDE_PARAM(struct feed, burst, .fallback = "5", .min = 1, .max = 1000, .help = "of one tick"),
    HDE_PARAM(struct feed, keys, .fallback = "1", .min = 1, .max = 64, .help = "different keys"),
    HDE_PARAM(struct feed, every, .fallback = "1ms", .min = 0, .max = 60, .help = "between ticks"),
    {0},
};

static const int64_t begin_ns = INT64_C(1790000000) * 1000000000;

static hde_status
feed_poll(hde_ctx *ctx, void *state)
{
    struct feed *self = state;

    if (self->waits)
        return HDE_IDLE;
    for (int64_t i = 0; i < self->burst; i++) {
        hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
        Hde__Sample *sample = (Hde__Sample *)msg->body;
        char key[32];

        snprintf(key, sizeof key, "%llu", (unsigned long long)self->sent % self->keys);
        msg->event_ns = begin_ns + (int64_t)self->sent * 1000000; /* the same when asked again */
        sample->key = hde_msg_text(msg, key);
        sample->has_sequence = true;
        sample->sequence = self->sent++;
        hde_emit(ctx, 0, msg);
    }
    hde_position(ctx, 0, &self->sent, sizeof self->sent);
    self->waits = true;
    hde_timer_after(ctx, 1, self->every.ns);
    return HDE_OK;
}

/* Where it stands is the number of the next sample. */
static hde_status
feed_seek(hde_ctx *ctx, void *state, uint32_t partition, const void *bytes, size_t size)
{
    struct feed *self = state;

    if (size != sizeof self->sent)
        return HDE_FAIL;
    memcpy(&self->sent, bytes, size);
    self->waits = false;
    return HDE_OK;
}

static hde_status
feed_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    ((struct feed *)state)->waits = false;
    return HDE_OK;
}

static hde_status
feed_save(hde_ctx *ctx, const void *state, hde_msg *out)
{
    const struct feed *self = state;
    Hde__Sample *sample = (Hde__Sample *)out->body;

    sample->has_sequence = true;
    sample->sequence = self->sent;
    sample->has_value = true;
    sample->value = self->waits;
    return HDE_OK;
}

static hde_status
feed_load(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema)
{
    struct feed *self = state;

    self->sent = ((const Hde__Sample *)saved)->sequence;
    self->waits = ((const Hde__Sample *)saved)->value != 0;
    return HDE_OK;
}

static const hde_operator feed = {
    .size = sizeof feed,
    .name = "swap/feed",
    .summary = "numbered samples",
    .outputs = out1,
    .params = feed_params,
    .state_size = sizeof(struct feed),
    .poll = feed_poll,
    .seek = feed_seek,
    .timer = feed_timer,
    .state_type = &hde__sample__descriptor,
    .state_schema = 1,
    .save = feed_save,
    .load = feed_load,
};

/* ---- swap/count, swap/blocking, swap/alone ------------------------------------------------- */

struct count {
    hde_size size;
    hde_path lock;
    int64_t base, marks;
    hde_counter *marked;
#ifdef VERSION_new_param
    int64_t needed;
#endif
    uint64_t count;
    uint8_t *data;
    bool holds_lock;
};

static const hde_param count_params[] = {
    HDE_PARAM(struct count, size, .fallback = "0", .min = 0, .max = 1e9, .help = "of its state"),
    HDE_PARAM(struct count, lock, .fallback = "", .help = "file that only one may have"),
    HDE_PARAM(struct count, base, .fallback = "0", .help = "where it begins to count"),
    HDE_PARAM(struct count, marks, .fallback = "0", .flags = HDE_PARAM_LIVE,
              .help = "what counter 'marked' goes up by with each sample"),
#ifdef VERSION_new_param
    HDE_PARAM(struct count, needed, .help = "the graph does not say it"),
#endif
    {0},
};

static hde_status
count_open(hde_ctx *ctx, void *state)
{
    struct count *self = state;

#ifdef VERSION_open_fails
    return hde_fail(ctx, "count.open", "as it was told");
#endif
#ifdef VERSION_missing_symbol
    there_is_no_such_function();
#endif
    self->count = (uint64_t)self->base;
    self->data = calloc(1, self->size.bytes ? (size_t)self->size.bytes : 1);
    hde_counter_open(ctx, "opened", "instances so far");
    self->marked = hde_counter_open(ctx, "marked", "marks so far");
    if (self->lock.path) {
        int fd = open(self->lock.path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

        if (fd < 0)
            return hde_fail(ctx, "count.lock", "%s: %s", self->lock.path, strerror(errno));
        close(fd);
        self->holds_lock = true;
    }
    return HDE_OK;
}

static void
count_close(hde_ctx *ctx, void *state)
{
    struct count *self = state;

    if (self->holds_lock)
        unlink(self->lock.path);
    free(self->data);
    self->data = NULL;
}

/* The first letters of the build's name, in a field that is free. */
static int64_t
build_number(void)
{
    int64_t number = 0;

    memcpy(&number, BUILD, strlen(BUILD) < 8 ? strlen(BUILD) : 8);
    return number;
}

static hde_status
count_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct count *self = state;

    for (; batch->done < batch->n; batch->done++) {
        hde_msg *msg;
        Hde__Sample *sample;

#ifdef VERSION_crashes
        for (int i = 0; i < 10000; i++)
            puts("what a plugin prints");
        fflush(stdout);
        abort();
#endif
#ifdef VERSION_loops
        for (volatile int forever = 1; forever;)
            ;
#endif
#ifdef VERSION_stumbles
        if (self->count % 100 == 99)
            return hde_fail(ctx, "count.stumbles", "at %llu", (unsigned long long)self->count);
#endif
#ifdef VERSION_rejects
        if (self->count % 100 == 99)
            return hde_reject(ctx, "count.rejects", "at %llu", (unsigned long long)self->count);
#endif
        msg = hde_msg_writable(ctx, hde_take(batch, batch->done));
        sample = (Hde__Sample *)msg->body;
        sample->has_value = true;
        sample->value = (double)self->count++;
        hde_count(self->marked, (uint64_t)self->marks);
#ifdef VERSION_differs
        if (self->count % 100 == 0)
            sample->value += 0.5;
#endif
#ifdef VERSION_nearly
        sample->value *= 1 + 1e-12;
#endif
        sample->has_event_ns = true;
        sample->event_ns = build_number();
        if (self->size.bytes) /* what was written by older builds is still there */
            self->data[self->count % (uint64_t)self->size.bytes] = (uint8_t)self->count;
        hde_emit(ctx, 0, msg);
    }
    return HDE_OK;
}

#ifndef VERSION_no_load
static hde_status
count_save(hde_ctx *ctx, const void *state, hde_msg *out)
{
    const struct count *self = state;
    Hde__Sample *sample = (Hde__Sample *)out->body;
    uint8_t *data = hde_msg_alloc(out, (size_t)self->size.bytes + 1);

    memcpy(data, self->data, (size_t)self->size.bytes);
    sample->has_data = true;
    sample->data = (ProtobufCBinaryData){(size_t)self->size.bytes, data};
    if (VERSION == 1) {
        sample->has_sequence = true;
        sample->sequence = self->count;
    } else {
        sample->has_value = true;
        sample->value = (double)self->count;
    }
    return HDE_OK;
}

static hde_status
count_load(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema)
{
    struct count *self = state;
    const Hde__Sample *sample = (const Hde__Sample *)saved;

#ifdef VERSION_load_fails
    return hde_fail(ctx, "count.load", "as it was told");
#endif
#ifdef VERSION_load_slow
    struct timespec now;

    do
        clock_gettime(CLOCK_REALTIME, &now);
    while (now.tv_sec * INT64_C(1000000000) + now.tv_nsec < hde_now_ns(ctx) + 90000000);
#endif
    self->count = schema == 2 ? (uint64_t)sample->value : sample->sequence;
    if (sample->data.len != (size_t)self->size.bytes)
        return hde_fail(ctx, "count.load", "%zu bytes", sample->data.len);
    if (sample->data.len)
        memcpy(self->data, sample->data.data, sample->data.len);
    return HDE_OK;
}
#endif

#ifdef VERSION_no_load
#define STATE
#else
#define STATE                                                                                      \
    .state_type = &hde__sample__descriptor, .state_schema = SCHEMA, .save = count_save,            \
    .load = count_load,
#endif
#define COUNT(its_name, its_flags)                                                                 \
    {                                                                                              \
        .size = sizeof(hde_operator), .flags = (its_flags), .name = (its_name),                    \
        .summary = "counts samples" VARIANT, .help = BUILD, .inputs = count_in, .outputs = out1,           \
        .params = count_params,                                                                    \
        .state_size = sizeof(struct count), .open = count_open, .batch = count_batch, STATE        \
        .close = count_close,                                                                      \
    }

static const hde_operator count = COUNT("swap/count", 0);
static const hde_operator blocking = COUNT("swap/blocking", HDE_BLOCKING);
static const hde_operator alone = COUNT("swap/alone", HDE_BLOCKING | HDE_EXCLUSIVE);

/* ---- swap/check --------------------------------------------------------------------------- */

struct check {
    int64_t keys;
    bool counted;
    uint64_t next[64];
    hde_counter *seen, *wrong, *uncounted;
};

static const hde_param check_params[] = {
    HDE_PARAM(struct check, keys, .fallback = "1", .min = 1, .max = 64, .help = "as the source"),
    HDE_PARAM(struct check, counted, .fallback = "true", .help = "one counter has seen all"),
    {0},
};

static hde_status
check_open(hde_ctx *ctx, void *state)
{
    struct check *self = state;

    self->seen = hde_counter_open(ctx, "seen", "samples");
    self->wrong = hde_counter_open(ctx, "wrong", "lost, doubled or out of the order of their key");
    self->uncounted = hde_counter_open(ctx, "uncounted", "the counter had forgotten something");
    for (int64_t i = 0; i < self->keys; i++)
        self->next[i] = (uint64_t)i;
    return HDE_OK;
}

static hde_status
check_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct check *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const Hde__Sample *sample = (const Hde__Sample *)batch->msg[batch->done]->body;
        uint64_t key = sample->sequence % (uint64_t)self->keys;

        hde_count(self->seen, 1);
        if (sample->sequence != self->next[key])
            hde_count(self->wrong, 1);
        if (self->counted && sample->value != (double)sample->sequence)
            hde_count(self->uncounted, 1);
        self->next[key] = sample->sequence + (uint64_t)self->keys;
    }
    return HDE_OK;
}

static const hde_operator check = {
    .size = sizeof check,
    .name = "swap/check",
    .summary = "compares",
    .inputs = in1,
    .params = check_params,
    .state_size = sizeof(struct check),
    .open = check_open,
    .batch = check_batch,
};

/* ---- swap/write: a line a sample; what one flush() writes is there as a whole -------------- */

struct writer {
    hde_path path;
    int fd;
    hde_text lines;
};

static const hde_param writer_params[] = {
    HDE_PARAM(struct writer, path, .help = "file that is appended to"),
    {0},
};

static hde_status
writer_open(hde_ctx *ctx, void *state)
{
    struct writer *self = state;

    self->fd = open(self->path.path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (self->fd < 0)
        return hde_fail(ctx, "write.open", "%s: %s", self->path.path, strerror(errno));
    return HDE_OK;
}

static hde_status
writer_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct writer *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const Hde__Sample *sample = (const Hde__Sample *)batch->msg[batch->done]->body;

        hde_text_printf(&self->lines, "%llu %llu %.0f %.8s\n", (unsigned long long)batch->tick,
                        (unsigned long long)sample->sequence, sample->value,
                        (const char *)&sample->event_ns);
    }
    return HDE_OK;
}

static hde_status
writer_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct writer *self = state;

    if (self->lines.len &&
        write(self->fd, self->lines.data, self->lines.len) != (ssize_t)self->lines.len)
        return hde_fail(ctx, "write.flush", "%s", strerror(errno));
    hde_text_clear(&self->lines);
    return HDE_OK;
}

static hde_status
writer_mark(hde_ctx *ctx, void *state, uint64_t *tick)
{
    struct writer *self = state;
    char tail[257] = "";
    off_t size = lseek(self->fd, 0, SEEK_END), from = size > 256 ? size - 256 : 0;
    ssize_t n = pread(self->fd, tail, sizeof tail - 1, from);
    char *last = tail;

    for (ssize_t i = 0; i < n - 1; i++)
        if (tail[i] == '\n')
            last = tail + i + 1;
    *tick = n > 0 ? strtoull(last, NULL, 10) : 0;
    return n < 0 ? HDE_FAIL : HDE_OK;
}

static void
writer_close(hde_ctx *ctx, void *state)
{
    struct writer *self = state;

    if (self->fd > 0)
        close(self->fd);
    hde_text_free(&self->lines);
}

static const hde_operator writer = {
    .size = sizeof writer,
    .flags = HDE_BLOCKING,
    .name = "swap/write",
    .summary = "writes samples down",
    .inputs = in1,
    .params = writer_params,
    .state_size = sizeof(struct writer),
    .open = writer_open,
    .batch = writer_batch,
    .flush = writer_flush,
    .mark = writer_mark,
    .close = writer_close,
};

#ifdef VERSION_wrong_abi
#undef HDE_ABI
#define HDE_ABI 99u
#endif
#ifdef VERSION_other_operator
HDE_PLUGIN(&feed, &check, &writer);
static const hde_operator *const unused[] __attribute__((unused)) = {&count, &blocking, &alone};
#else
HDE_PLUGIN(&feed, &count, &blocking, &alone, &check, &writer);
#endif
