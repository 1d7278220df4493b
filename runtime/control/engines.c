/* SPDX-License-Identifier: Apache-2.0 */
#include "control/engines.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SUFFIX ".engine"

static const char *
control_folder(struct arena *arena)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");

    if (runtime && *runtime == '/')
        return arena_printf(arena, "%s/hde", runtime);
    return arena_printf(arena, "/tmp/hde-%u", (unsigned)geteuid());
}

static const char *
stats_folder(struct arena *arena)
{
    return arena_printf(arena, "/dev/shm/hde-%u", (unsigned)geteuid());
}

/* A folder of ours that nobody else may enter. */
static bool
own_folder(const char *path, struct err *err)
{
    struct stat st;

    if (mkdir(path, 0700) && errno != EEXIST)
        return err_set(err, "HDE-C016", "cannot make the folder '%s': %s", path, strerror(errno));
    if (lstat(path, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return err_set(err, "HDE-C016", "'%s' is not a folder of this user", path);
    if ((st.st_mode & 077) && chmod(path, 0700))
        return err_set(err, "HDE-C016", "'%s' is open to others: %s", path, strerror(errno));
    return true;
}

/* Start time of a process; 0: there is none. Field 22 of stat, behind the name in parentheses. */
static uint64_t
born(int pid)
{
    char path[64], text[1024];
    uint64_t ticks = 0;
    FILE *file;
    size_t n;
    char *at;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = 0;
    at = strrchr(text, ')');
    if (!at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X')
        return 0;
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (at)
        ticks = strtoull(at + 1, NULL, 10);
    return ticks;
}

/* Only what is harmless in a file name. */
static char *
file_name(struct arena *arena, const char *graph)
{
    char *name = arena_printf(arena, "%.40s", *graph ? graph : "graph");

    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && (*c != '.' || c == name))
            *c = '-';
    return name;
}

bool
engines_prepare(const char *graph, const char *file, const char *endpoint, struct arena *arena,
                struct engine_entry *entry, struct err *err)
{
    const char *folder = control_folder(arena), *counters = stats_folder(arena);
    const char *name = file_name(arena, graph);
    char full[PATH_MAX];
    int pid = (int)getpid();

    if (!own_folder(folder, err) || !own_folder(counters, err))
        return false;
    *entry = (struct engine_entry){
        .graph = arena_text(arena, graph),
        .file = arena_text(arena, realpath(file, full) ? full : file),
        .endpoint = endpoint ? arena_text(arena, endpoint)
                             : arena_printf(arena, "ipc://%s/%s-%d.sock", folder, name, pid),
        .stats = arena_printf(arena, "%s/%s-%d", counters, name, pid),
        .plugins = arena_printf(arena, "%s/%s-%d.plugins", folder, name, pid),
        .admin = "",
        .pid = pid,
        .born = born(pid),
    };
    if (!endpoint && strlen(entry->endpoint) - 6 >= sizeof((struct sockaddr_un *)0)->sun_path)
        return err_set(err, "HDE-C016",
                       "the path of the control socket is too long: %s; use "
                       "--control ipc:///tmp/NAME",
                       entry->endpoint);
    return true;
}

static const char *
entry_path(const struct engine_entry *entry, struct arena *arena)
{
    return arena_printf(arena, "%s/%s-%d" SUFFIX, control_folder(arena),
                        file_name(arena, entry->graph), entry->pid);
}

bool
engines_add(const struct engine_entry *entry, struct err *err)
{
    struct arena arena = {0};
    const char *path = entry_path(entry, &arena);
    const char *draft = arena_printf(&arena, "%s.new", path);
    FILE *file = fopen(draft, "we");
    bool ok =
        file &&
        fprintf(file,
                "graph %s\nfile %s\nendpoint %s\nstats %s\nplugins %s\nadmin %s\npid %d\n"
                "born %llu\n",
                entry->graph, entry->file, entry->endpoint, entry->stats, entry->plugins,
                entry->admin, entry->pid, (unsigned long long)entry->born) > 0;

    ok = (!file || fclose(file) == 0) && ok && rename(draft, path) == 0;
    if (!ok)
        err_set(err, "HDE-C016", "cannot write '%s': %s", path, strerror(errno));
    arena_fini(&arena);
    return ok;
}

static void
remove_folder(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *file;

    if (!dir)
        return;
    while ((file = readdir(dir)))
        unlinkat(dirfd(dir), file->d_name, 0); /* "." and ".." are refused */
    closedir(dir);
    rmdir(path);
}

static void
remove_files(const struct engine_entry *entry, const char *path)
{
    if (entry->endpoint && strncmp(entry->endpoint, "ipc://", 6) == 0)
        unlink(entry->endpoint + 6);
    if (entry->stats)
        unlink(entry->stats);
    if (entry->plugins)
        remove_folder(entry->plugins);
    unlink(path);
}

void
engines_remove(const struct engine_entry *entry)
{
    struct arena arena = {0};

    remove_files(entry, entry_path(entry, &arena));
    arena_fini(&arena);
}

static bool
read_entry(const char *path, struct arena *arena, struct engine_entry *entry)
{
    FILE *file = fopen(path, "re");
    char line[PATH_MAX + 32];

    *entry = (struct engine_entry){.admin = ""};
    while (file && fgets(line, sizeof line, file)) {
        char *value = strchr(line, ' ');

        line[strcspn(line, "\n")] = 0;
        if (!value)
            continue;
        *value++ = 0;
        value = arena_text(arena, value);
        if (strcmp(line, "graph") == 0)
            entry->graph = value;
        else if (strcmp(line, "file") == 0)
            entry->file = value;
        else if (strcmp(line, "endpoint") == 0)
            entry->endpoint = value;
        else if (strcmp(line, "stats") == 0)
            entry->stats = value;
        else if (strcmp(line, "plugins") == 0)
            entry->plugins = value;
        else if (strcmp(line, "admin") == 0)
            entry->admin = value;
        else if (strcmp(line, "pid") == 0)
            entry->pid = atoi(value);
        else if (strcmp(line, "born") == 0)
            entry->born = strtoull(value, NULL, 10);
    }
    if (file)
        fclose(file);
    return entry->graph && entry->file && entry->endpoint && entry->stats && entry->pid > 0;
}

static int
by_graph(const void *a, const void *b)
{
    const struct engine_entry *x = a, *y = b;
    int order = strcmp(x->graph, y->graph);

    return order ? order : (x->pid > y->pid) - (x->pid < y->pid);
}

size_t
engines_list(struct arena *arena, struct engine_entry **out)
{
    const char *folder = control_folder(arena);
    DIR *dir = opendir(folder);
    struct engine_entry *list = NULL, *kept;
    struct dirent *file;
    struct stat st;
    size_t n = 0;

    if (dir && (fstat(dirfd(dir), &st) || st.st_uid != geteuid())) {
        closedir(dir); /* somebody else's folder in /tmp says nothing about us */
        dir = NULL;
    }
    while (dir && (file = readdir(dir))) {
        size_t len = strlen(file->d_name);
        const char *path = arena_printf(arena, "%s/%s", folder, file->d_name);
        struct engine_entry entry;

        if (len <= strlen(SUFFIX) || strcmp(file->d_name + len - strlen(SUFFIX), SUFFIX) != 0 ||
            !read_entry(path, arena, &entry))
            continue;
        if (born(entry.pid) != entry.born) {
            remove_files(&entry, path);
            continue;
        }
        list = xrealloc(list, (n + 1) * sizeof *list);
        list[n++] = entry;
    }
    if (dir)
        closedir(dir);
    if (n)
        qsort(list, n, sizeof *list, by_graph);
    kept = arena_alloc(arena, (n + 1) * sizeof *kept);
    if (n)
        memcpy(kept, list, n * sizeof *list);
    free(list);
    *out = kept;
    return n;
}
