/* SPDX-License-Identifier: Apache-2.0 */
#include "seglog/segment.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIGITS = 20 };

bool
segment_name(const char *name, const char *suffix, uint64_t *first)
{
    char *end;

    if (strspn(name, "0123456789") != DIGITS || strcmp(name + DIGITS, suffix) != 0)
        return false;
    errno = 0;
    *first = strtoull(name, &end, 10);
    return !errno && *first;
}

bool
segment_path(char path[PATH_MAX], const char *folder, uint64_t first, const char *suffix)
{
    int n = snprintf(path, PATH_MAX, "%s/%0*" PRIu64 "%s", folder, DIGITS, first, suffix);

    return n < PATH_MAX || (errno = ENAMETOOLONG, false);
}

static int
ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

bool
segment_list(struct segment_list *list, const char *folder, struct err *err)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    uint64_t first;

    list->n = 0;
    if (!dir)
        return err_set(err, "HDE-L002", "cannot read the folder %s: %s", folder, strerror(errno));
    while ((entry = readdir(dir))) {
        if (!segment_name(entry->d_name, SEGMENT_SUFFIX, &first))
            continue;
        if (list->n == list->cap) {
            list->cap = list->cap ? 2 * list->cap : 64;
            list->first = xrealloc(list->first, list->cap * sizeof *list->first);
        }
        list->first[list->n++] = first;
    }
    closedir(dir);
    if (list->n)
        qsort(list->first, list->n, sizeof *list->first, ascending);
    return true;
}

void
segment_list_fini(struct segment_list *list)
{
    free(list->first);
    *list = (struct segment_list){0};
}

size_t
segment_find(const struct segment_list *list, uint64_t position)
{
    size_t low = 0, high = list->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (list->first[middle] <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : 0;
}

static uint32_t
head_crc(const struct segment_head *head)
{
    struct segment_head copy = *head;

    copy.crc = 0;
    return crc32c(0, &copy, sizeof copy);
}

void
segment_head_make(struct segment_head *head, uint64_t first, uint64_t tick_before,
                  int64_t event_before)
{
    *head = (struct segment_head){.version = SEGMENT_VERSION,
                                  .first_position = first,
                                  .created_ns = clock_real_ns(),
                                  .tick_before = tick_before,
                                  .event_before = event_before};
    memcpy(head->magic, SEGMENT_MAGIC, sizeof head->magic);
    head->crc = head_crc(head);
}

static bool
check_head(const struct segment_head *head, ssize_t n, uint64_t first, const char *path,
           struct err *err)
{
    errno = 0;
    if (n != (ssize_t)sizeof *head || memcmp(head->magic, SEGMENT_MAGIC, sizeof head->magic) != 0)
        return err_set(err, "HDE-L004", "%s:0 is not the head of a segment", path);
    if (head->version != SEGMENT_VERSION)
        return err_set(err, "HDE-L004", "%s is of version %u, this program reads version %d", path,
                       head->version, SEGMENT_VERSION);
    if (head->crc != head_crc(head) || head->first_position != first)
        return err_set(err, "HDE-L003", "%s:0: the head is damaged", path);
    return true;
}

int
segment_open(const char *folder, uint64_t first, int flags, struct segment_head *head,
             struct err *err)
{
    char path[PATH_MAX];
    int fd = -1, error;
    ssize_t n = -1;

    if (segment_path(path, folder, first, SEGMENT_SUFFIX))
        fd = io.open(path, flags, 0);
    if (fd >= 0)
        n = io_read(fd, head, sizeof *head, 0);
    if (n >= 0 && check_head(head, n, first, path, err))
        return fd;
    error = errno;
    if (error)
        err_set(err, "HDE-L002", "cannot read %s: %s", path, strerror(error));
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}
