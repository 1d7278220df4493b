/* SPDX-License-Identifier: Apache-2.0 */
#include "mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char form[] = "hde mark 2\n";

uint64_t *
mark_length(struct mark *mark, const char *name)
{
    for (unsigned i = 0; i < mark->n; i++)
        if (strcmp(mark->file[i].name, name) == 0)
            return &mark->file[i].length;
    return NULL;
}

bool
mark_set(struct mark *mark, const char *name, uint64_t length)
{
    uint64_t *known = mark_length(mark, name);

    if (known)
        *known = length;
    else if (mark->n == MARK_FILES || strlen(name) >= MARK_NAME)
        return false;
    else
        snprintf(mark->file[mark->n].name, MARK_NAME, "%s", name);
    if (!known)
        mark->file[mark->n++].length = length;
    return true;
}

static bool
read_lines(FILE *file, struct mark *out)
{
    char name[MARK_NAME];
    uint64_t length;

    if (fscanf(file, "of %511[^\n]\ntick %" SCNu64 "\n", out->owner, &out->tick) != 2)
        return false;
    while (fscanf(file, "length %" SCNu64 " %159s\n", &length, name) == 2)
        if (!mark_set(out, name, length))
            return false;
    return feof(file);
}

enum mark_state
mark_read(const char *path, struct mark *out)
{
    char line[sizeof form];
    FILE *file = fopen(path, "re");
    enum mark_state state = MARK_BAD;

    if (!file)
        return errno == ENOENT ? MARK_NONE : MARK_BAD;
    *out = (struct mark){0};
    if (fgets(line, sizeof line, file) && strcmp(line, form) == 0 && read_lines(file, out))
        state = MARK_READ;
    fclose(file);
    return state;
}

static int
write_aside(const char *aside, const hde_text *text)
{
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), error = 0;
    size_t done = 0;

    if (fd < 0)
        return errno;
    while (!error && done < text->len) {
        ssize_t n = write(fd, text->data + done, text->len - done);

        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            error = errno;
    }
    if (!error && fsync(fd))
        error = errno;
    close(fd);
    return error;
}

/* That the file has its name survives a power cut. */
static int
sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];
    int fd, error;

    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    error = fsync(fd) ? errno : 0;
    close(fd);
    return error;
}

int
mark_write(const char *path, const struct mark *mark)
{
    hde_text text = {0}, aside = {0};
    int error;

    hde_text_printf(&text, "%sof %s\ntick %" PRIu64 "\n", form, mark->owner, mark->tick);
    for (unsigned i = 0; i < mark->n; i++)
        hde_text_printf(&text, "length %" PRIu64 " %s\n", mark->file[i].length, mark->file[i].name);
    hde_text_printf(&aside, "%s.part", path);
    error = write_aside(aside.data, &text);
    if (!error && rename(aside.data, path))
        error = errno;
    if (error)
        unlink(aside.data);
    else
        error = sync_folder_of(path);
    hde_text_free(&text);
    hde_text_free(&aside);
    return error;
}
