/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void
rig_init(struct rig *rig, bool in_memory)
{
    const char *seed = getenv("HDE_SEED");

    snprintf(rig->folder, sizeof rig->folder, "%s/hde-seglog.XXXXXX",
             in_memory && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(rig->folder));
    strcat(rig->folder, "/log");
    rig->seed = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    printf("HDE_SEED=%" PRIu64 "\n", rig->seed);
    fflush(stdout);
}

void
rig_empty(struct rig *rig)
{
    DIR *dir = opendir(rig->folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

void
rig_fini(struct rig *rig)
{
    rig_empty(rig);
    rmdir(rig->folder);
    *strrchr(rig->folder, '/') = 0;
    rmdir(rig->folder);
}

uint64_t
rig_draw(struct rig *rig, uint64_t n) /* splitmix64 */
{
    uint64_t z = (rig->seed += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % n;
}

void
rig_record(uint64_t position, struct seglog_key *key, uint8_t payload[RIG_PAYLOAD_MAX],
           size_t *size)
{
    *key = (struct seglog_key){.position = position,
                               .tick = (UINT64_C(1) << 48) + position / 3,
                               .event_ns = (int64_t)(position * 1000 - position % 7 * 3000),
                               .kind = (uint32_t)(position % 5)};
    if (position % 13 == 0)
        key->event_ns = INT64_MIN;
    *size = position * 37 % RIG_PAYLOAD_MAX;
    for (size_t i = 0; i < *size; i++)
        payload[i] = (uint8_t)(position * 31 + i * 7);
}

struct seglog *
rig_open(const struct rig *rig, const struct seglog_options *options, struct seglog_report *report)
{
    struct err err = {0};
    struct seglog *log = seglog_open(rig->folder, options, report, &err);

    if (!log)
        fail_msg("%s %s", err.code, err.text);
    return log;
}

bool
rig_append(struct seglog *log, bool urgent)
{
    uint8_t payload[RIG_PAYLOAD_MAX];
    uint64_t position = seglog_last(log) + 1;
    struct seglog_key key;
    size_t size;

    rig_record(position, &key, payload, &size);
    key.position = 0;
    if (!seglog_append(log, &key, payload, size, urgent))
        return false;
    assert_int_equal(key.position, position);
    return true;
}

void
rig_append_all(struct seglog *log, uint64_t n)
{
    while (n--)
        assert_true(rig_append(log, false));
}

void
rig_sync(struct seglog *log)
{
    assert_true(seglog_wait(log, seglog_last(log), 20000));
}

bool
rig_is_right(const struct seglog_record *record)
{
    uint8_t payload[RIG_PAYLOAD_MAX];
    struct seglog_key key;
    size_t size;

    rig_record(record->key.position, &key, payload, &size);
    return record->key.tick == key.tick && record->key.event_ns == key.event_ns &&
           record->key.kind == key.kind && record->size == size &&
           memcmp(record->bytes, payload, size) == 0;
}

uint64_t
rig_check(const struct rig *rig, uint64_t first)
{
    struct err err = {0};
    struct seglog_reader *reader = seglog_reader_open(rig->folder, &err);
    struct seglog_record record;
    uint64_t last = first - 1;
    enum seglog_next next;

    assert_non_null(reader);
    while ((next = seglog_next(reader, &record, &err)) == SEGLOG_RECORD) {
        assert_int_equal(record.key.position, ++last);
        assert_true(rig_is_right(&record));
    }
    if (next == SEGLOG_DAMAGED)
        fail_msg("%s %s", err.code, err.text);
    seglog_reader_close(reader);
    return last;
}

size_t
rig_files(const struct rig *rig, struct rig_file *files, size_t max)
{
    struct dirent **names;
    int n = scandir(rig->folder, &names, NULL, alphasort);
    size_t found = 0;
    struct stat st;

    if (n < 0) /* there is no folder */
        return 0;
    for (int i = 0; i < n; i++) {
        if (strstr(names[i]->d_name, ".seg") && found < max) {
            snprintf(files[found].path, sizeof files->path, "%s/%.32s", rig->folder,
                     names[i]->d_name);
            assert_int_equal(stat(files[found].path, &st), 0);
            files[found++].size = (uint64_t)st.st_size;
        }
        free(names[i]);
    }
    free(names);
    return found;
}

uint8_t *
rig_load(const struct rig_file *file)
{
    uint8_t *bytes = malloc(file->size + 1);
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);

    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, file->size), (ssize_t)file->size);
    close(fd);
    return bytes;
}

void
rig_save(const struct rig_file *file, const uint8_t *bytes, uint64_t size)
{
    int fd = open(file->path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0666);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

void
rig_flip(const struct rig_file *file, uint64_t at)
{
    uint8_t *bytes = rig_load(file);

    assert_true(at < file->size);
    bytes[at] ^= 0x10;
    rig_save(file, bytes, file->size);
    free(bytes);
}
