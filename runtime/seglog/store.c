/* SPDX-License-Identifier: Apache-2.0
 * store - the files of a log as its one writer sees them.
 *
 *  (1) A file called .seg has a whole and durable head: it is made as .tmp, synced, renamed, and
 *      the folder synced. A .tmp is no part of the log. [test_crash_at_every_call_leaves_a_log_
 *      that_opens_with_all_that_was_durable: (1), (2), (3) and (4) with the power lost there]
 *  (2) Every segment but the last is closed: it ends with its index and was synced before the next
 *      one got its name. So whatever is not whole there is damage.
 *      [test_damage_in_a_closed_segment_is_named_and_reading_goes_on_behind_it]
 *  (3) In the last segment, what is behind its last whole record is the torn tail of a crash, and
 *      is cut off, unless something behind it shows that it had been durable (record_durable):
 *      that is damage, and the log does not open. [test_a_torn_tail_is_cut_off_with_a_report,
 *      test_damage_of_what_was_durable_is_an_error_with_its_place]
 *  (4) Positions have no gap, from the first record of the first segment to the last.
 *      [test_a_missing_segment_is_an_error]
 *  (5) The file is never changed in front of `offset`; a write that failed half way is repeated at
 *      the same place with the same bytes. [test_a_disk_that_is_full_at_any_call_is_waited_for]
 *  (6) Blocks are allocated ahead (fallocate behind the end of the file, which does not show):
 *      for the reserve and for what is appended while the disk fills up. A reserve in a file of its
 *      own would have to be given back to a disk where others wait for room as well. When there is
 *      no more, the store stays in its segment, whatever the size, so that it needs nothing of the
 *      disk but the blocks that it has.
 *      [test_urgent_records_have_the_reserve_while_the_disk_is_full]
 *  (7) After a failed sync nobody knows what is on the disk: it is never called again for these
 *      bytes, the log is broken. [test_a_failed_sync_breaks_the_log]
 *
 *      OPEN --limit--> next made (.tmp) --> CLOSED (index, synced) --rename--> OPEN
 *        ^--no room: later--'                 ^--no room: again--'               */
#include "seglog/store.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "seglog/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEGMENT_BYTES = 64 << 20, AHEAD = 4 << 20 };

/* Of errno. A file too many is as passing as a full disk. */
static enum store_result
failed(const struct store *store, const char *code, const char *what, struct err *err)
{
    if (io_is_full(errno) || errno == EMFILE || errno == ENFILE)
        return STORE_FULL;
    err_set(err, code, "cannot %s a segment in %s: %s", what, store->folder, strerror(errno));
    return STORE_BROKEN;
}

/* As (7) says, whatever errno is. */
static enum store_result
sync_failed(const struct store *store, struct err *err)
{
    err_set(err, "HDE-L007", "cannot sync the log in %s: %s", store->folder, strerror(errno));
    return STORE_BROKEN;
}

static uint64_t
ahead(const struct store *store)
{
    return store->segment_bytes < AHEAD ? store->segment_bytes : AHEAD;
}

/* Blocks up to an offset; *allocated follows. */
static enum store_result
allocate(const struct store *store, int fd, uint64_t *allocated, uint64_t end, struct err *err)
{
    while (*allocated < end) {
        if (io.fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)*allocated, (off_t)(end - *allocated)) ==
            0)
            *allocated = end;
        else if (errno == EOPNOTSUPP || errno == ENOSYS)
            *allocated = UINT64_MAX; /* this file system cannot: no reserve, write and see */
        else if (errno != EINTR)
            return failed(store, "HDE-L006", "allocate", err);
    }
    return STORE_DONE;
}

/* ---- Segments: made, closed, entered ------------------------------------------------------ */

uint64_t
store_last_tick(const struct store *store)
{
    return store->index.sums.records ? store->index.sums.last_tick : store->head.tick_before;
}

static int64_t
largest_event(const struct store *store)
{
    int64_t here = store->index.sums.last_event_ns;

    return here > store->head.event_before ? here : store->head.event_before;
}

static void
add_segment(struct store *store, const struct segment_head *head)
{
    if (store->n == store->cap) {
        store->cap = store->cap ? 2 * store->cap : 16;
        store->segments = xrealloc(store->segments, store->cap * sizeof *store->segments);
    }
    store->segments[store->n++] =
        (struct stored){.first = head->first_position, .created_ns = head->created_ns};
}

static void
drop_next(struct store *store)
{
    char path[PATH_MAX];
    int error = errno;

    if (store->next_fd >= 0)
        close(store->next_fd);
    store->next_fd = -1;
    if (segment_path(path, store->folder, store->next_head.first_position, SEGMENT_SUFFIX_NEW))
        io.unlink(path); /* what stays is removed when the log is opened */
    errno = error;
}

static enum store_result
write_head(struct store *store, struct err *err)
{
    size_t done;
    enum store_result result =
        allocate(store, store->next_fd, &store->next_allocated,
                 sizeof store->next_head + store->reserve_bytes + ahead(store), err);

    if (result != STORE_DONE)
        return result;
    if (!io_write(store->next_fd, &store->next_head, sizeof store->next_head, 0, &done))
        return failed(store, "HDE-L006", "write", err);
    return io.fdatasync(store->next_fd) < 0 ? sync_failed(store, err) : STORE_DONE;
}

/* The next segment as .tmp, with its blocks. */
static enum store_result
make_next(struct store *store, uint64_t tick_before, int64_t event_before, struct err *err)
{
    char path[PATH_MAX];
    enum store_result result;

    store->next_allocated = 0;
    segment_head_make(&store->next_head, store->position, tick_before, event_before);
    if (!segment_path(path, store->folder, store->position, SEGMENT_SUFFIX_NEW))
        return failed(store, "HDE-L006", "make", err);
    store->next_fd = io.open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (store->next_fd < 0)
        return failed(store, "HDE-L006", "make", err);
    result = write_head(store, err);
    if (result != STORE_DONE)
        drop_next(store);
    return result;
}

/* Gives the next segment its name and goes on there. */
static enum store_result
enter_next(struct store *store, struct err *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    uint64_t first = store->next_head.first_position;

    fault_point(FAULT_ROTATION);
    if (!segment_path(from, store->folder, first, SEGMENT_SUFFIX_NEW) ||
        !segment_path(to, store->folder, first, SEGMENT_SUFFIX) || io.rename(from, to) < 0)
        return failed(store, "HDE-L006", "name", err);
    fault_point(FAULT_ROTATION);
    if (io.fsync(store->folder_fd) < 0)
        return sync_failed(store, err);
    if (store->n) {
        store->segments[store->n - 1].bytes = store->offset;
        store->closed_bytes += store->offset;
    }
    if (store->fd >= 0)
        close(store->fd);
    store->fd = store->next_fd;
    store->next_fd = -1;
    store->head = store->next_head;
    store->offset = sizeof store->head;
    store->allocated = store->next_allocated;
    store->limit = store->segment_bytes;
    store->closed = false;
    index_clear(&store->index);
    add_segment(store, &store->head);
    return STORE_DONE;
}

/* Writes the index behind the last record, gives back the blocks behind it, and syncs. */
static enum store_result
close_segment(struct store *store, struct err *err)
{
    size_t size = index_size(&store->index), done;
    enum store_result result =
        allocate(store, store->fd, &store->allocated, store->offset + size, err);
    struct record_head *record;
    bool written;

    if (result != STORE_DONE)
        return result;
    record = index_record(&store->index, store->offset, store->durable);
    written = io_write(store->fd, record, size, store->offset, &done);
    free(record);
    if (!written) {
        result = failed(store, "HDE-L006", "write", err);
        if (result == STORE_FULL && io.ftruncate(store->fd, (off_t)store->offset) < 0)
            return errno = EIO, failed(store, "HDE-L006", "cut", err);
        return result;
    }
    if (io.ftruncate(store->fd, (off_t)(store->offset + size)) < 0)
        return failed(store, "HDE-L006", "cut", err);
    if (io.fdatasync(store->fd) < 0)
        return sync_failed(store, err);
    store->offset += size;
    store->closed = true;
    store->dirty = false;
    store->durable = store->position - 1;
    return STORE_DONE;
}

/* By size, or because retention by age could not remove what is in it before it is full. */
static bool
is_segment_over(const struct store *store)
{
    if (store->closed || !store->index.sums.records)
        return store->closed;
    return store->offset >= store->limit ||
           (store->keep_ns && store->limit == store->segment_bytes &&
            clock_real_ns() - store->head.created_ns > store->keep_ns);
}

/* Where there is no room for the next segment this one goes on (6). */
static enum store_result
change_segment(struct store *store, struct err *err)
{
    enum store_result result = STORE_DONE;

    if (store->next_fd < 0)
        result = make_next(store, store_last_tick(store), largest_event(store), err);
    if (result == STORE_DONE && !store->closed) {
        result = close_segment(store, err);
        if (result != STORE_DONE)
            drop_next(store);
    }
    if (result == STORE_FULL && !store->closed) {
        store->limit = store->offset + ahead(store);
        return STORE_DONE;
    }
    return result == STORE_DONE ? enter_next(store, err) : result;
}

/* ---- Writing ------------------------------------------------------------------------------ */

enum store_result
store_room(struct store *store, uint64_t waiting, struct err *err)
{
    uint64_t need = store->offset + waiting + store->reserve_bytes + ahead(store) / 2;

    if (store->closed || store->allocated >= need)
        return STORE_DONE;
    return allocate(store, store->fd, &store->allocated, need + ahead(store) / 2, err);
}

/* Bytes of the first records that go into this segment, and have their blocks. */
static size_t
fitting(const struct store *store, const uint8_t *records, size_t size)
{
    size_t n = 0;

    while (n < size) {
        uint64_t whole = record_whole(((const struct record_head *)(records + n))->size);

        if (store->offset + n + whole > store->allocated)
            break;
        if ((n || store->index.sums.records) && store->offset + n >= store->limit)
            break;
        n += whole;
    }
    return n;
}

/* Counts whole records of what was written. */
static size_t
note(struct store *store, const uint8_t *records, size_t written)
{
    size_t n = 0;

    while (written - n >= sizeof(struct record_head)) {
        const struct record_head *head = (const struct record_head *)(records + n);
        uint64_t whole = record_whole(head->size);

        if (whole > written - n)
            break;
        if (!store->index.sums.records)
            store->segments[store->n - 1].first_tick = head->tick;
        index_note(&store->index, head, store->offset);
        store->offset += whole;
        store->position++;
        store->dirty = true;
        n += whole;
    }
    return n;
}

enum store_result
store_write(struct store *store, const uint8_t *records, size_t size, size_t *done,
            struct err *err)
{
    for (*done = 0; *done < size;) {
        enum store_result result = is_segment_over(store) ? change_segment(store, err) : STORE_DONE;
        size_t n, written;
        bool fine;

        if (result == STORE_DONE)
            result = store_room(store, size - *done, err);
        if (result == STORE_BROKEN || store->closed)
            return result;
        n = fitting(store, records + *done, size - *done);
        if (!n)
            return STORE_FULL;
        fine = io_write(store->fd, records + *done, n, store->offset, &written);
        *done += note(store, records + *done, written);
        if (!fine)
            return failed(store, "HDE-L006", "write", err);
    }
    return STORE_DONE;
}

enum store_result
store_sync(struct store *store, struct err *err)
{
    fault_point(FAULT_FSYNC);
    if (store->dirty && io.fdatasync(store->fd) < 0)
        return sync_failed(store, err);
    fault_point(FAULT_FSYNC);
    store->dirty = false;
    store->durable = store->position - 1;
    return STORE_DONE;
}

/* ---- Retention ---------------------------------------------------------------------------- */

uint64_t
store_first(const struct store *store)
{
    return store->segments[0].first;
}

uint64_t
store_bytes(const struct store *store)
{
    return store->closed_bytes + store->offset;
}

static bool
is_to_go(const struct store *store, uint64_t need)
{
    if (store->n < 2 || store->segments[1].first > need)
        return false;
    return (store->keep_bytes && store_bytes(store) > store->keep_bytes) ||
           (store->keep_ns && clock_real_ns() - store->segments[1].created_ns > store->keep_ns);
}

enum store_result
store_retain(struct store *store, uint64_t need, struct err *err)
{
    while (is_to_go(store, need)) {
        char path[PATH_MAX];

        fault_point(FAULT_RETIREMENT);
        if (!segment_path(path, store->folder, store->segments[0].first, SEGMENT_SUFFIX) ||
            (io.unlink(path) < 0 && errno != ENOENT))
            return STORE_DONE; /* it is tried again the next time */
        fault_point(FAULT_RETIREMENT);
        if (io.fsync(store->folder_fd) < 0) /* else a later one might go before it: a gap */
            return sync_failed(store, err);
        store->closed_bytes -= store->segments[0].bytes;
        memmove(store->segments, store->segments + 1, --store->n * sizeof *store->segments);
    }
    return STORE_DONE;
}

/* ---- Opening ------------------------------------------------------------------------------ */

static void
read_pid(int fd, char pid[24])
{
    ssize_t n = pread(fd, pid, 23, 0);

    pid[n > 0 ? n : 0] = 0;
    pid[strcspn(pid, "\n")] = 0;
}

static bool
take_lock(struct store *store, struct err *err)
{
    char path[PATH_MAX], pid[24];
    int n = snprintf(path, sizeof path, "%s/lock", store->folder);

    errno = ENAMETOOLONG;
    if (n < PATH_MAX)
        store->lock_fd = io.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (store->lock_fd < 0)
        return err_set(err, io_is_full(errno) ? "HDE-L008" : "HDE-L002", "cannot open %s: %s",
                       path, strerror(errno));
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return err_set(err, "HDE-L002", "cannot lock %s: %s", path, strerror(errno));
        read_pid(store->lock_fd, pid);
        return err_set(err, "HDE-L001", "process %s appends to the log in %s",
                       *pid ? pid : "of unknown id", store->folder);
    }
    n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(store->lock_fd, 0) < 0 || pwrite(store->lock_fd, pid, (size_t)n, 0) < 0)
        return true; /* only the message of somebody else is poorer */
    return true;
}

/* Segments that a crash left before they had a name (1). */
static bool
remove_unnamed(const struct store *store, struct err *err)
{
    DIR *dir = opendir(store->folder);
    struct dirent *entry;
    char path[PATH_MAX];
    uint64_t first;

    if (!dir)
        return err_set(err, "HDE-L002", "cannot read the folder %s: %s", store->folder,
                       strerror(errno));
    while ((entry = readdir(dir))) {
        if (segment_name(entry->d_name, SEGMENT_SUFFIX_NEW, &first) &&
            segment_path(path, store->folder, first, SEGMENT_SUFFIX_NEW))
            io.unlink(path);
    }
    closedir(dir);
    return true;
}

bool
seglog_clear(const char *folder, struct err *err)
{
    struct segment_list list = {0};
    char path[PATH_MAX];
    bool ok = true;

    if (access(folder, F_OK) < 0 && errno == ENOENT)
        return true;
    if (!segment_list(&list, folder, err))
        return false;
    for (size_t i = list.n; i && ok; i--) /* last first: what a crash leaves is a log */
        ok = segment_path(path, folder, list.first[i - 1], SEGMENT_SUFFIX) && io.unlink(path) == 0;
    ok = ok && io_sync_folder(folder);
    if (!ok)
        err_set(err, "HDE-L002", "cannot remove the records of %s: %s", folder, strerror(errno));
    segment_list_fini(&list);
    return ok;
}

/* Reads on to the end of what is whole; index (may be NULL) notes it. */
static enum scan_found
scan_all(struct scan *scan, struct index *index)
{
    const struct record_head *head;
    enum scan_found found;

    while ((found = scan_next(scan, &head)) == SCAN_RECORD) {
        if (index)
            index_note(index, head, scan->offset - record_whole(head->size));
    }
    return found;
}

static bool
damaged(const struct store *store, uint64_t first, const struct scan *scan, struct err *err)
{
    char path[PATH_MAX];

    segment_path(path, store->folder, first, SEGMENT_SUFFIX);
    return err_set(err, "HDE-L003", "%s:%" PRIu64 ": the record at position %" PRIu64 " is damaged",
                   path, scan->offset, scan->position);
}

/* (2): a segment that the next one follows. Its index says enough; without one it is read. */
static bool
check_closed(struct store *store, int fd, const struct segment_head *head, uint64_t next,
             struct err *err)
{
    struct scan scan = {.fd = fd, .offset = sizeof *head, .position = head->first_position};
    bool fine = true;

    if (index_read(&store->index, fd))
        scan.position += store->index.sums.records;
    else if (scan_all(&scan, &store->index) != SCAN_INDEX)
        fine = damaged(store, head->first_position, &scan, err);
    if (fine && scan.position != next)
        fine = err_set(err, "HDE-L005",
                       "in %s the records from position %" PRIu64 " to %" PRIu64 " are missing",
                       store->folder, scan.position, next - 1);
    scan_fini(&scan);
    return fine;
}

/* (3) */
static bool
cut_tail(struct store *store, const struct scan *scan, struct seglog_report *report,
         struct err *err)
{
    char path[PATH_MAX];
    struct stat st;

    segment_path(path, store->folder, store->head.first_position, SEGMENT_SUFFIX);
    if (fstat(store->fd, &st) < 0 || io.ftruncate(store->fd, (off_t)scan->offset) < 0)
        return err_set(err, "HDE-L002", "cannot cut the torn tail of %s: %s", path,
                       strerror(errno));
    report->cut_bytes = (uint64_t)st.st_size - scan->offset;
    snprintf(report->cut_where, sizeof report->cut_where, "%.200s:%" PRIu64, strrchr(path, '/') + 1,
             scan->offset);
    return true;
}

static bool
recover_last(struct store *store, struct seglog_report *report, struct err *err)
{
    struct scan scan = {.fd = store->fd,
                        .offset = sizeof store->head,
                        .position = store->head.first_position};
    enum scan_found found;
    bool fine = true;

    index_clear(&store->index);
    found = scan_all(&scan, &store->index);
    if (found == SCAN_FAILED)
        fine = err_set(err, "HDE-L002", "cannot read the log in %s: %s", store->folder,
                       strerror(errno));
    else if (found == SCAN_BAD && scan_is_damage(&scan))
        fine = damaged(store, store->head.first_position, &scan, err);
    else if (found == SCAN_BAD)
        fine = cut_tail(store, &scan, report, err);
    store->closed = found == SCAN_INDEX;
    store->offset = scan.offset;
    store->allocated = store->offset;
    store->limit = store->segment_bytes;
    store->position = scan.position;
    scan_fini(&scan);
    /* a process that was killed may not have synced what we have read */
    if (fine && io.fdatasync(store->fd) < 0)
        fine = sync_failed(store, err) == STORE_DONE;
    store->durable = store->position - 1;
    return fine;
}

static bool
recover(struct store *store, const struct segment_list *list, struct seglog_report *report,
        struct err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        bool is_last = i == list->n - 1;
        struct stat st = {0};
        bool fine;

        store->fd = segment_open(store->folder, list->first[i],
                                 (is_last ? O_RDWR : O_RDONLY) | O_CLOEXEC, &store->head, err);
        if (store->fd < 0)
            return false;
        add_segment(store, &store->head);
        fine = is_last ? recover_last(store, report, err)
                       : check_closed(store, store->fd, &store->head, list->first[i + 1], err);
        store->segments[i].first_tick = store->index.sums.first_tick;
        if (is_last)
            return fine;
        if (fstat(store->fd, &st) == 0)
            store->segments[i].bytes = (uint64_t)st.st_size;
        store->closed_bytes += store->segments[i].bytes;
        close(store->fd);
        store->fd = -1;
        if (!fine)
            return false;
    }
    return true;
}

/* The first segment of a new log, or the one behind a segment that a crash left closed. */
static bool
begin_segment(struct store *store, struct err *err)
{
    bool is_new = !store->n;
    enum store_result result = make_next(store, is_new ? 0 : store_last_tick(store),
                                         is_new ? INT64_MIN : largest_event(store), err);

    if (result == STORE_DONE)
        result = enter_next(store, err);
    if (result == STORE_FULL && !is_new)
        return true; /* store_write() tries again */
    return result == STORE_DONE ||
           err_set(err, "HDE-L008", "cannot make a log in %s: %s", store->folder, strerror(errno));
}

static bool
open_files(struct store *store, struct seglog_report *report, struct err *err)
{
    struct segment_list list = {0};
    bool fine;

    if (!io_make_folders(store->folder))
        return err_set(err, io_is_full(errno) ? "HDE-L008" : "HDE-L002",
                       "cannot make the folder %s: %s", store->folder, strerror(errno));
    store->folder_fd = io.open(store->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (store->folder_fd < 0)
        return err_set(err, "HDE-L002", "cannot open the folder %s: %s", store->folder,
                       strerror(errno));
    fine = take_lock(store, err) && remove_unnamed(store, err) &&
           segment_list(&list, store->folder, err) && recover(store, &list, report, err);
    segment_list_fini(&list);
    if (fine && (!store->n || store->closed))
        fine = begin_segment(store, err);
    return fine;
}

bool
store_open(struct store *store, const char *folder, const struct seglog_options *options,
           struct seglog_report *report, struct err *err)
{
    *store = (struct store){.folder_fd = -1,
                            .lock_fd = -1,
                            .fd = -1,
                            .next_fd = -1,
                            .position = 1,
                            .segment_bytes = options->segment_bytes,
                            .reserve_bytes = options->reserve_bytes,
                            .keep_bytes = options->keep_bytes,
                            .keep_ns = options->keep_ns};
    if (!store->segment_bytes)
        store->segment_bytes = SEGMENT_BYTES;
    if (snprintf(store->folder, sizeof store->folder, "%s", folder) >= PATH_MAX)
        return err_set(err, "HDE-L002", "the name of the folder is too long");
    if (!open_files(store, report, err)) {
        store_close(store);
        return false;
    }
    report->segments = store->n;
    report->records = store->position - store_first(store);
    return true;
}

void
store_close(struct store *store)
{
    if (store->next_fd >= 0)
        drop_next(store);
    if (store->fd >= 0) {
        /* gives back the blocks behind the end; a file that is damaged stays as it is */
        if (store->allocated > store->offset && store->allocated != UINT64_MAX && !store->closed)
            io.ftruncate(store->fd, (off_t)store->offset);
        close(store->fd);
    }
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    if (store->folder_fd >= 0)
        close(store->folder_fd);
    index_fini(&store->index);
    free(store->segments);
    *store = (struct store){.folder_fd = -1, .lock_fd = -1, .fd = -1, .next_fd = -1};
}
