/* SPDX-License-Identifier: Apache-2.0
 * generation - see generation.h.
 *
 *  (1) A number is given once: mkdir() decides, and it is above all that are there. So a process
 *      that was given up, and comes back, writes where nobody reads any more.
 *      [tests/kafka/members.sh]
 *  (2) What is never changed again (epochs, closed segments of logs) is linked, all other files are
 *      copied; a generation counts when it has its file `owner`, which comes last and durable.
 *  (3) Epochs are taken before logs: so the log holds what lies behind them, or, where a process
 *      that still lives has retired it meanwhile, the start is refused and made again.
 *  (4) Which generation a start goes on from is for its caller to know: the last commit of its
 *      sinks names it (HDE_TICK_INCARNATION of their mark). Whether it had all of that commit,
 *      place_start() checks when the sinks are open, and nobody else can commit (HDE-R140).
 *  (5) Generations are removed when (4) has been checked, and only those with a smaller number: one
 *      that is named by a commit is this one, the one before it, or later. */
#include "engine/generation.h"

#include "base/io.h"
#include "engine/owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, TRIES = 16, FILES_OPEN = 16 };

/* ---- Numbers ------------------------------------------------------------------------------ */

static uint64_t
number_of(const char *name)
{
    char *end;
    uint64_t number = strtoull(name, &end, 10);

    return *name >= '1' && *name <= '9' && !*end ? number : 0;
}

static bool
is_whole(const char *root, uint64_t number)
{
    char path[PATH_MAX];

    return snprintf(path, sizeof path, "%s/%" PRIu64 "/owner", root, number) < PATH_MAX &&
           access(path, F_OK) == 0;
}

/* The largest number, 0: none. */
static uint64_t
newest(const char *root, bool whole)
{
    DIR *dir = opendir(root);
    struct dirent *entry;
    uint64_t largest = 0;

    while (dir && (entry = readdir(dir))) {
        uint64_t number = number_of(entry->d_name);

        if (number > largest && (!whole || is_whole(root, number)))
            largest = number;
    }
    if (dir)
        closedir(dir);
    return largest;
}

/* ROOT and number of ROOT/7. */
static uint64_t
split(const char *store, char root[PATH_MAX])
{
    char *slash;

    snprintf(root, PATH_MAX, "%s", store);
    slash = strrchr(root, '/');
    if (!slash)
        return 0;
    *slash = 0;
    return number_of(slash + 1);
}

bool
generation_is_over(const char *store)
{
    char root[PATH_MAX];
    uint64_t number = split(store, root);

    return newest(root, false) > number;
}

/* ---- Taking what is there (2) ---------------------------------------------------------------- */

static bool
pass_bytes(int from, int to)
{
    char *chunk = xmalloc(CHUNK);
    uint64_t at = 0;
    size_t done = 0;
    ssize_t n;

    while ((n = io_read(from, chunk, CHUNK, at)) > 0 && io_write(to, chunk, (size_t)n, at, &done))
        at += (uint64_t)n;
    free(chunk);
    return n == 0 && io.fsync(to) == 0;
}

static bool
copy_file(const char *from, const char *to)
{
    int in = io.open(from, O_RDONLY | O_CLOEXEC, 0), out = -1, error;
    struct stat st;
    bool ok = false;

    if (in >= 0 && fstat(in, &st) == 0)
        out = io.open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0777);
    if (out >= 0)
        ok = pass_bytes(in, out);
    error = errno;
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    errno = error;
    return ok;
}

static bool
ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);

    return n > m && !strcmp(name + n - m, end);
}

/* Of one owner, or half written. */
static bool
stays_behind(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "owner") ||
           !strcmp(name, "challenge") || ends_with(name, ".tmp") || ends_with(name, ".part");
}

static bool
take_file(const char *from, const char *to, bool is_fixed)
{
    if (is_fixed && link(from, to) == 0)
        return true;                               /* a file system without links copies */
    return copy_file(from, to) || errno == ENOENT; /* retired meanwhile (3) */
}

static bool take_folder(const char *from, const char *to);

static bool
take_entry(const char *from, const char *to, const char *name, bool is_last_segment)
{
    char source[PATH_MAX], copy[PATH_MAX];
    struct stat st;

    if (snprintf(source, PATH_MAX, "%s/%s", from, name) >= PATH_MAX ||
        snprintf(copy, PATH_MAX, "%s/%s", to, name) >= PATH_MAX)
        return errno = ENAMETOOLONG, false;
    if (lstat(source, &st))
        return errno == ENOENT;
    if (S_ISDIR(st.st_mode))
        return take_folder(source, copy);
    return take_file(source, copy,
                     !strncmp(name, "epoch-", 6) || (ends_with(name, ".seg") && !is_last_segment));
}

/* "epochs" before "log" (3), and segments in their order: the alphabet has both. */
static bool
take_folder(const char *from, const char *to)
{
    struct dirent **entry;
    int n = scandir(from, &entry, NULL, alphasort);
    bool ok = n >= 0 && (io.mkdir(to, 0777) == 0 || errno == EEXIST);

    for (int i = 0; i < n; i++) {
        bool is_last = i + 1 == n || !ends_with(entry[i + 1]->d_name, ".seg");

        ok = ok &&
             (stays_behind(entry[i]->d_name) || take_entry(from, to, entry[i]->d_name, is_last));
    }
    for (int i = 0; i < n; i++)
        free(entry[i]);
    if (n >= 0)
        free(entry);
    return ok && io_sync_folder(to);
}

/* ---- Beginning ---------------------------------------------------------------------------- */

/* A number for this start (1). */
static bool
choose(const char *root, uint64_t from, uint64_t *number)
{
    char path[PATH_MAX];

    for (int i = 0; i < TRIES; i++) {
        uint64_t last = newest(root, false);

        *number = (last > from ? last : from) + 1;
        if (snprintf(path, sizeof path, "%s/%" PRIu64, root, *number) >= PATH_MAX)
            return errno = ENAMETOOLONG, false;
        if (io.mkdir(path, 0777) == 0)
            return io_sync_folder(root);
        if (errno != EEXIST)
            return false;
    }
    return false;
}

bool
generation_begin(const char *root, uint64_t *from, struct arena *arena, const char **store,
                 uint64_t *number, struct err *err)
{
    if (*from && !is_whole(root, *from))
        return err_set(err, "HDE-R141",
                       "the last commit was made with the state %s/%" PRIu64
                       ", which is not there: is it a folder that all processes share?",
                       root, *from);
    if (!io_make_folders(root))
        return err_set(err, "HDE-R014", "'%s' cannot be made: %s", root, strerror(errno));
    if (!*from)
        *from = newest(root, true);
    if (!choose(root, *from, number))
        return err_set(err, "HDE-R014", "no state can be made in '%s': %s", root, strerror(errno));
    *store = arena_printf(arena, "%s/%" PRIu64, root, *number);
    if ((*from && !take_folder(arena_printf(arena, "%s/%" PRIu64, root, *from), *store)) ||
        !owner_place(*store, *number - 1))
        return err_set(err, "HDE-R014", "'%s' cannot be made: %s", *store, strerror(errno));
    return true;
}

/* ---- Forgetting (5) ------------------------------------------------------------------------- */

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    remove(path); /* what stays is tried again by the next start */
    return 0;
}

void
generation_forget_others(const char *store, uint64_t from)
{
    char root[PATH_MAX], path[PATH_MAX + 24];
    uint64_t own = split(store, root);
    DIR *dir = opendir(root);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        uint64_t number = number_of(entry->d_name);

        if (!number || number >= own || number == from)
            continue;
        snprintf(path, sizeof path, "%s/%" PRIu64, root, number);
        nftw(path, remove_one, FILES_OPEN, FTW_DEPTH | FTW_PHYS);
    }
    if (dir)
        closedir(dir);
}
