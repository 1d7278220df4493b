/* SPDX-License-Identifier: Apache-2.0
 * fuzz_seglog - any bytes as segment files: they are read to the end with damage named, and a log
 * opens or says why not; one that opens goes on.
 *
 * HDE_SEED repeats a run, HDE_FUZZ_SECONDS makes it longer (default 2). A crash leaves the seed on
 * stdout. */
#include "base/arena.h"
#include "base/io.h"
#include "seglog/format.h"
#include "seglog/seglog.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FILES = 3, SIZE_MAX_FILE = 8192, RECORDS = 30 };

struct bytes {
    uint8_t *data;
    size_t size;
};

static uint64_t state;
static char folder[64];
static const uint64_t firsts[FILES] = {1, 12, 23};
static struct bytes sample[FILES];

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
    fprintf(stderr, "fuzz_seglog: %s (files in %s)\n", what, folder);
    abort();
}

static void
path_of(char path[96], uint64_t first)
{
    snprintf(path, 96, "%s/%020" PRIu64 ".seg", folder, first);
}

static int
no_sync(int fd)
{
    return 0;
}

/* ---- Sample and changes ------------------------------------------------------------------- */

/* A log of three segments, the records of which are alike in size. */
static void
make_sample(void)
{
    const struct seglog_options options = {.segment_bytes = 1000};
    struct seglog *log = seglog_open(folder, &options, NULL, NULL);

    require(log != NULL, "no sample");
    for (unsigned i = 0; i < RECORDS; i++) {
        struct seglog_key key = {.tick = i, .event_ns = i % 4 ? i * 10 : INT64_MIN, .kind = i};

        require(seglog_append(log, &key, "0123456789abcdef0123456789abcdef0123456789ab", 44, true),
                "append");
        require(seglog_wait(log, key.position, 20000), "sync");
    }
    seglog_close(log);
    for (int i = 0; i < FILES; i++) {
        char path[96];
        ssize_t n;
        int fd;

        path_of(path, firsts[i]);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        require(fd >= 0, "sample of other segments than expected");
        sample[i].data = xmalloc(SIZE_MAX_FILE);
        n = read(fd, sample[i].data, SIZE_MAX_FILE);
        require(n > 0, "read");
        sample[i].size = (size_t)n;
        close(fd);
    }
}

/* Gives what looks like a record its right CRC, so that what lies behind the check is reached. */
static void
repair(struct bytes *file, size_t at)
{
    struct record_head head;
    uint8_t *copy;

    at &= ~(size_t)7;
    if (at + sizeof head > file->size)
        return;
    memcpy(&head, file->data + at, sizeof head);
    if (head.size > file->size - at - sizeof head)
        return;
    copy = xmalloc(sizeof head + head.size); /* aligned, whatever the change before was */
    memcpy(copy, file->data + at, sizeof head + head.size);
    head.crc = record_crc((const struct record_head *)copy);
    memcpy(file->data + at, &head.crc, sizeof head.crc);
    free(copy);
}

static void
repair_all(struct bytes *file)
{
    size_t at = sizeof(struct segment_head);
    struct segment_head head;

    if (file->size < at)
        return;
    memcpy(&head, file->data, sizeof head);
    head.crc = 0;
    head.crc = crc32c(0, &head, sizeof head);
    memcpy(file->data, &head, sizeof head);
    while (at + sizeof(struct record_head) <= file->size) {
        uint32_t size;

        repair(file, at);
        memcpy(&size, file->data + at + 4, sizeof size);
        at += record_whole(size);
    }
}

static void
change(struct bytes *file)
{
    size_t at = draw(file->size + 1), len = draw(64);
    const struct bytes *other = &sample[draw(FILES)];
    static const uint64_t odd[] = {0, 1, UINT32_MAX, UINT64_MAX, 1u << 31, 40, 1000};

    if (len > file->size - at)
        len = file->size - at;
    switch (draw(8)) {
    case 0:
        if (at < file->size)
            file->data[at] ^= (uint8_t)(1 << draw(8));
        break;
    case 1:
        memset(file->data + at, 0, len);
        break;
    case 2:
        file->size = at;
        break;
    case 3: /* a part is missing */
        memmove(file->data + at, file->data + at + len, file->size - at - len);
        file->size -= len;
        break;
    case 4: /* a part of another one */
        if (at + len <= other->size)
            memcpy(file->data + at, other->data + at, len);
        break;
    case 5: /* a field */
        at &= ~(size_t)3;
        if (at + 8 <= file->size)
            memcpy(file->data + at, &odd[draw(sizeof odd / sizeof *odd)], draw(2) ? 4 : 8);
        break;
    case 6:
        repair(file, at);
        break;
    default:
        if (file->size + len <= SIZE_MAX_FILE) {
            memset(file->data + file->size, (int)draw(256), len);
            file->size += len;
        }
    }
}

static void
write_files(void)
{
    static uint8_t data[SIZE_MAX_FILE];
    uint64_t which = draw(FILES);

    for (int i = 0; i < FILES; i++) {
        struct bytes file = {data, sample[i].size};
        char path[96];
        int fd;

        memcpy(data, sample[i].data, sample[i].size);
        for (uint64_t n = (uint64_t)i == which || draw(4) == 0 ? 1 + draw(6) : 0; n; n--)
            change(&file);
        if (draw(3) == 0)
            repair_all(&file);
        path_of(path, firsts[i]);
        unlink(path);
        if (draw(20) == 0)
            continue;
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        require(fd >= 0 && write(fd, file.data, file.size) == (ssize_t)file.size, "write");
        close(fd);
    }
}

/* ---- Checks ------------------------------------------------------------------------------- */

static void
check_reading(struct seglog_reader *reader)
{
    uint64_t position = 0;
    unsigned damages = 0;

    for (;;) {
        struct seglog_record record;
        struct err err = {0};
        enum seglog_next next = seglog_next(reader, &record, &err);
        volatile uint8_t sum = 0;

        if (next == SEGLOG_END)
            break;
        if (next == SEGLOG_DAMAGED) {
            require(err_is_set(&err) && ++damages <= 2 * FILES, "damage without an end");
            continue;
        }
        require(record.key.position > position, "positions fall");
        position = record.key.position;
        for (size_t i = 0; i < record.size; i++)
            sum = (uint8_t)(sum + record.bytes[i]);
    }
}

static void
check_readers(void)
{
    struct seglog_reader *reader = seglog_reader_open(folder, NULL);
    struct seglog_segment list[FILES];

    require(reader != NULL, "reader");
    check_reading(reader);
    seglog_seek_position(reader, draw(40));
    check_reading(reader);
    seglog_seek_tick(reader, draw(40));
    check_reading(reader);
    seglog_seek_event(reader, (int64_t)draw(400));
    check_reading(reader);
    seglog_reader_close(reader);
    require(seglog_segments(folder, list, FILES, NULL) <= FILES, "segments");
}

static void
check_opening(void)
{
    struct seglog_reader *reader;
    struct seglog_record record;
    struct seglog_key key = {.tick = UINT64_MAX, .event_ns = 1, .kind = 77};
    struct err err = {0};
    const struct seglog_options options = {.segment_bytes = 100000};
    struct seglog *log = seglog_open(folder, &options, NULL, &err);

    if (!log) {
        require(strncmp(err.code, "HDE-L", 5) == 0, "refused without a reason");
        return;
    }
    require(seglog_append(log, &key, "go on", 5, false), "append");
    require(seglog_wait(log, key.position, 20000), "sync");
    seglog_close(log);
    reader = seglog_reader_open(folder, NULL);
    require(seglog_seek_position(reader, key.position) &&
                seglog_next(reader, &record, NULL) == SEGLOG_RECORD && record.key.kind == 77,
            "what was appended is not there");
    seglog_reader_close(reader);
}

static void
remove_folder(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    require(system(command) == 0, "rm");
}

/* What opening made is gone before the next input. */
static void
remove_new_files(void)
{
    static struct seglog_segment list[16];
    size_t n = seglog_segments(folder, list, 16, NULL);

    for (size_t i = 0; i < n && i < 16; i++) {
        char path[96];

        path_of(path, list[i].first_position);
        unlink(path);
    }
}

int
main(void)
{
    const char *seed = getenv("HDE_SEED"), *seconds = getenv("HDE_FUZZ_SECONDS");
    time_t end = time(NULL) + (seconds ? atol(seconds) : 2);
    uint64_t n = 0;

    state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) * 1000003;
    printf("seed %" PRIu64 "\n", state);
    fflush(stdout);
    snprintf(folder, sizeof folder, "%s/hde-fuzz-seglog.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"); /* a disk would be slow */
    require(mkdtemp(folder) != NULL, "folder");
    io.fdatasync = io.fsync = no_sync;
    make_sample();
    do
        for (int i = 0; i < 50; i++, n++) {
            remove_new_files();
            write_files();
            check_readers();
            check_opening();
        }
    while (time(NULL) < end);
    printf("%" PRIu64 " inputs\n", n);
    remove_folder();
    for (int i = 0; i < FILES; i++)
        free(sample[i].data);
    return 0;
}
