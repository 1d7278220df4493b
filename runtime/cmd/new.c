/* SPDX-License-Identifier: Apache-2.0
 * new - writes a folder with an operator that builds, tests and runs as it is: the example with
 * other names. */
#include "cmd/cmd.h"
#include "cmd/template.h"
#include "plugin/check.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXAMPLE_FOLDER "hello"
#define EXAMPLE_NAME "straddle"
#define EXAMPLE EXAMPLE_FOLDER "/" EXAMPLE_NAME

struct new_options {
    const char *dir;
};

/* ---- Names -------------------------------------------------------------------------------- */

/* Words that CMake or make keep for themselves. */
static bool
is_reserved(const char *name)
{
    static const char *const words[] = {"all",
                                        "clean",
                                        "depend",
                                        "edit_cache",
                                        "help",
                                        "install",
                                        "list_install_components",
                                        "package",
                                        "rebuild_cache",
                                        "test",
                                        NULL};

    for (size_t i = 0; words[i]; i++) {
        if (!strcmp(words[i], name))
            return true;
    }
    return false;
}

/* "name" is "my/name"; NULL where that is no name for an operator. */
static const char *
full_name(const struct cmd *cmd, const char *name)
{
    const char *full = strchr(name, '/') ? name : arena_printf(cmd->arena, "my/%s", name);

    return operator_name_is_valid(full) ? full : NULL;
}

/* The text with the example's names replaced; the full one first, since it holds the other. */
static void
rename_in(hde_text *out, const char *text, const char *full, const char *name)
{
    while (*text) {
        if (!strncmp(text, EXAMPLE, sizeof EXAMPLE - 1)) {
            hde_text_puts(out, full);
            text += sizeof EXAMPLE - 1;
        } else if (!strncmp(text, EXAMPLE_NAME, sizeof EXAMPLE_NAME - 1)) {
            hde_text_puts(out, name);
            text += sizeof EXAMPLE_NAME - 1;
        } else {
            hde_text_put(out, text++, 1);
        }
    }
}

/* ---- Files -------------------------------------------------------------------------------- */

static bool
write_file(const char *path, const hde_text *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    size_t done = 0;
    int saved;

    while (fd >= 0 && done < text->len) {
        ssize_t n = write(fd, text->data + done, text->len - done);

        if (n < 0 && errno != EINTR)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    saved = errno;
    if (fd < 0 || close(fd) || done < text->len)
        return errno = saved, false;
    return true;
}

/* Fills a folder that is there and empty. */
static bool
write_files(const struct cmd *cmd, const char *dir, const char *full, const char *name)
{
    hde_text path = {0}, text = {0};
    bool ok = true;

    for (const struct template_file *file = template_files; file->name && ok; file++) {
        hde_text_clear(&path);
        hde_text_clear(&text);
        hde_text_printf(&path, "%s/", dir);
        rename_in(&path, file->name, full, name);
        rename_in(&text, file->text, full, name);
        ok = write_file(path.data, &text);
    }
    hde_text_free(&path);
    hde_text_free(&text);
    return ok;
}

static void
remove_files(const struct cmd *cmd, const char *dir, const char *full, const char *name)
{
    hde_text path = {0};

    for (const struct template_file *file = template_files; file->name; file++) {
        hde_text_clear(&path);
        hde_text_printf(&path, "%s/", dir);
        rename_in(&path, file->name, full, name);
        unlink(path.data);
    }
    rmdir(dir);
    hde_text_free(&path);
}

/* ---- The command -------------------------------------------------------------------------- */

/* How cmake finds this very hde: its prefix, its build tree, or "" where it looks anyway. */
static const char *
cmake_option(const struct cmd *cmd)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    const char *prefix;

    if (n <= 0)
        return "";
    exe[n] = 0;
    prefix = dirname(dirname(exe));
    if (!strcmp(prefix, "/usr") || !strcmp(prefix, "/usr/local"))
        return "";
    if (!access(arena_printf(cmd->arena, "%s/hdeConfig.cmake", prefix), F_OK))
        return arena_printf(cmd->arena, " -Dhde_DIR=%s", prefix);
    return arena_printf(cmd->arena, " -DCMAKE_PREFIX_PATH=%s", prefix);
}

static int
print_next(const struct cmd *cmd, const char *dir, const char *full)
{
    hde_text out = {0};
    int exit;

    if (cmd->json) {
        hde_text_puts(&out, "{\"operator\":");
        hde_json_string(&out, full);
        hde_text_puts(&out, ",\"folder\":");
        hde_json_string(&out, dir);
        hde_text_puts(&out, "}\n");
    } else {
        hde_text_printf(&out, "wrote operator %s into %s; now:\n", full, dir);
        hde_text_printf(&out, "  cd %s\n  cmake -B build%s && cmake --build build\n", dir,
                        cmake_option(cmd));
        hde_text_puts(&out, "  ctest --test-dir build --output-on-failure\n"
                            "  HDE_PLUGIN_PATH=build/plugins hde run graph.yaml\n");
    }
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

static int
run_new(const struct cmd *cmd, const void *block)
{
    const struct new_options *options = block;
    const char *full, *name, *dir;

    if (strcmp(cmd->args[0], "operator") != 0)
        return cmd_error(cmd, EX_USAGE, "HDE-C040", "hde new operator NAME",
                         "there is no template '%s'", cmd->args[0]);
    full = full_name(cmd, cmd->args[1]);
    if (!full)
        return cmd_error(cmd, EX_USAGE, "HDE-C041",
                         "folder/name in lower case letters, digits and _, like my/spread",
                         "'%s' is no name for an operator", cmd->args[1]);
    name = strchr(full, '/') + 1;
    if (is_reserved(name))
        return cmd_error(cmd, EX_USAGE, "HDE-C041", "take another name",
                         "CMake keeps the name '%s' for itself", name);
    dir = options->dir ? options->dir : name;
    if (mkdir(dir, 0777)) {
        if (errno == EEXIST)
            return cmd_error(cmd, EX_CANTCREAT, "HDE-C042", "choose another with --dir",
                             "'%s' is there already and is left as it is", dir);
        return cmd_error(cmd, EX_CANTCREAT, "HDE-C042", NULL, "cannot make folder '%s': %s", dir,
                         strerror(errno));
    }
    if (!write_files(cmd, dir, full, name)) {
        int saved = errno;

        remove_files(cmd, dir, full, name);
        return cmd_error(cmd, EX_CANTCREAT, "HDE-C042", NULL, "cannot write into '%s': %s", dir,
                         strerror(saved));
    }
    return print_next(cmd, dir, full);
}

static const struct cmd_option options[] = {
    {CMD_OPTION("dir", struct new_options, dir), .letter = 'd', .value = "FOLDER",
     .complete = CMD_COMPLETE_FOLDER,
     .help = "write into this folder, which must not exist; left out: ./NAME"},
    {0},
};

const struct command cmd_new = {
    .name = "new",
    .args = "operator NAME",
    .group = CMD_GROUP_WRITE,
    .summary = "write the skeleton of an operator",
    .help = "Copies the example operator under another name into a new folder: one C file, its "
            "test, a graph that runs it and a CMakeLists.txt. It builds, tests and runs as it is. "
            "NAME is folder/name as graphs write it; without a folder it is my/NAME.",
    .examples = (const struct cmd_example[]){{"hde new operator my/spread", "into ./spread"},
                                             {"hde new operator spread --dir ~/ops/spread",
                                              "my/spread, into another folder"},
                                             {0}},
    .options = options,
    .exits = (const struct cmd_exit[]){{EX_CANTCREAT, "the folder exists or cannot be made"}, {0}},
    .words = "operator",
    .min_args = 2,
    .max_args = 2,
    CMD_BLOCK(struct new_options),
    .run = run_new,
};
