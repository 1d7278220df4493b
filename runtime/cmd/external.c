/* SPDX-License-Identifier: Apache-2.0
 * external - verbs that are programs of their own: hde-VERB beside this program or in PATH. */
#include "cmd/cmd.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder of this program in front of PATH, colon separated. */
static char *
search_path(struct arena *arena)
{
    const char *path = getenv("PATH");
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;

    self[n > 0 ? n : 0] = 0;
    slash = strrchr(self, '/');
    if (slash)
        *slash = 0;
    return arena_printf(arena, "%s:%s", slash ? self : "", path ? path : "");
}

const char *
cmd_external_find(const char *verb, struct arena *arena)
{
    char *state = NULL, *path = search_path(arena);

    if (!*verb || strchr(verb, '/'))
        return NULL;
    for (char *folder = strtok_r(path, ":", &state); folder; folder = strtok_r(NULL, ":", &state)) {
        const char *file = arena_printf(arena, "%s/hde-%s", folder, verb);

        if (access(file, X_OK) == 0)
            return file;
    }
    return NULL;
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct cmd_list
cmd_external_list(const char *prefix, struct arena *arena)
{
    char *state = NULL, *path = search_path(arena);
    const char *start = arena_printf(arena, "hde-%s", prefix);
    const char **names = NULL;
    size_t n = 0, kept = 0, len = strlen(start);

    for (char *folder = strtok_r(path, ":", &state); folder; folder = strtok_r(NULL, ":", &state)) {
        DIR *dir = opendir(folder);
        struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
            const char *name = entry->d_name;

            if (strncmp(name, start, len) != 0 || !name[len] || strchr(name, '.') ||
                access(arena_printf(arena, "%s/%s", folder, name), X_OK) != 0)
                continue;
            names = xrealloc(names, (n + 1) * sizeof *names);
            names[n++] = arena_text(arena, name + len);
        }
        if (dir)
            closedir(dir);
    }
    if (n)
        qsort(names, n, sizeof *names, by_text);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            names[kept++] = names[i];
    struct cmd_list list = {kept, arena_alloc(arena, (kept + 1) * sizeof *names)};

    if (kept)
        memcpy((void *)list.item, names, kept * sizeof *names);
    free(names);
    return list;
}

int
cmd_external_run(const struct cmd *cmd, const char *verb, const char *const *args)
{
    struct arena arena = {0};
    const char *file = cmd_external_find(verb, &arena);
    size_t n = 0;
    const char **argv;
    int error;

    while (args[n])
        n++;
    argv = arena_alloc(&arena, (n + 2) * sizeof *argv);
    argv[0] = file;
    memcpy(argv + 1, args, n * sizeof *args);
    signal(SIGPIPE, SIG_DFL);
    execv(file, (char *const *)argv);
    error = errno;
    signal(SIGPIPE, SIG_IGN);
    cmd_error(cmd, CMD_FAILED, "HDE-C007", NULL, "cannot run %s: %s", file, strerror(error));
    arena_fini(&arena);
    return error == EACCES ? EX_NOPERM : EX_UNAVAILABLE;
}
