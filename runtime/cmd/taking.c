/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/taking.h"
#include "engine/parts.h"
#include "seglog/seglog.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* For private copies of the builds that the log names. */
static bool
make_folder(struct taking *self)
{
    const char *tmp = getenv("TMPDIR");

    self->folder = arena_printf(self->cmd->arena, "%s/hde-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    return mkdtemp(self->folder) != NULL;
}

static void
remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    rmdir(folder);
}

static bool
open_plugin(struct taking *self, const char *plugins, const char *plugin, struct err *err)
{
    struct stat st;

    if (plugin && stat(plugin, &st) == 0 && S_ISDIR(st.st_mode))
        plugins = plugins ? arena_printf(self->cmd->arena, "%s:%s", plugin, plugins) : plugin;
    else if (plugin) {
        self->registry = registry_new(plugins);
        return registry_open(self->registry, plugin, err);
    }
    self->registry = registry_new(plugins);
    return true;
}

static void
join_sets(struct taking *self, const struct log_start *start, const struct cmd_list *given)
{
    self->sets = arena_alloc(self->cmd->arena, (start->n_sets + given->n + 1) * sizeof *self->sets);
    for (size_t i = 0; i < start->n_sets; i++)
        self->sets[self->n_sets++] = start->sets[i];
    for (size_t i = 0; i < given->n; i++)
        self->sets[self->n_sets++] = given->item[i];
}

static int
load(struct taking *self, const char *path, const char *host)
{
    struct graph_options options = {
        .sets = self->sets, .n_sets = self->n_sets, .host = host, .insecure = true};
    struct diags diags = {0};
    hde_text out = {0};

    self->graph = graph_load(path, &options, self->registry, &diags);
    if (!self->graph) {
        diags_sort(&diags);
        diags_print(&diags, &out, self->cmd->color_err);
        fwrite(out.data, 1, out.len, stderr);
        hde_text_free(&out);
    }
    diags_fini(&diags);
    return self->graph ? CMD_OK : EX_CONFIG;
}

int
taking_open(const struct cmd *cmd, const struct taking_options *options, const char *log,
            const char *plugin, struct taking *out)
{
    struct log_start start;
    struct err err = {0};
    int exit;

    *out = (struct taking){.cmd = cmd, .log = log, .own_builds = plugin != NULL};
    if (!make_folder(out))
        return cmd_error(cmd, EX_CANTCREAT, "HDE-C042", NULL, "%s: %s", out->folder,
                         strerror(errno));
    if (!parts_log_start(log, cmd->arena, &start, &err) ||
        !open_plugin(out, options->plugins, plugin, &err))
        return cmd_error_err(cmd, EX_NOINPUT, &err);
    join_sets(out, &start, &options->set);
    exit = load(out, options->graph ? options->graph : start.path, start.host);
    if (!exit && !seglog_segments(log, NULL, 0, &err)) /* folders, one for each part */
        graph_cut(out->graph, &out->cut);
    return exit;
}

const char *
taking_log(const struct taking *self, const char *part)
{
    return part ? arena_printf(self->cmd->arena, "%s/%s", self->log, part) : self->log;
}

const char *
taking_part(const struct taking *self, const char *node)
{
    for (size_t i = 0; self->cut.n_links && i < self->cut.n_parts; i++)
        for (size_t k = 0; k < self->cut.parts[i].graph.n_nodes; k++)
            if (!strcmp(self->cut.parts[i].graph.nodes[k].name, node))
                return self->cut.parts[i].name;
    return NULL;
}

int
taking_run(struct taking *self, const char *part, const struct engine_trace *trace, uint64_t until)
{
    struct engine_options options = {.log = self->log,
                                     .part = part,
                                     .is_dry = true,
                                     .registry = self->registry,
                                     .trace = *trace,
                                     .until = until,
                                     .own_builds = self->own_builds,
                                     .plugin_folder = self->folder,
                                     .sets = self->sets,
                                     .n_sets = self->n_sets};
    struct err err = {0};
    struct parts *parts = parts_new(self->graph, &options, &err);
    int exit = CMD_OK;

    if (!parts || !parts_start(parts, &err))
        exit = cmd_error_err(self->cmd, CMD_FAILED, &err);
    else if (parts_wait(parts, -1) && parts_state(parts) == ENGINE_FAILED)
        exit = cmd_error_err(self->cmd, CMD_FAILED, parts_error(parts));
    parts_free(parts);
    return exit;
}

void
taking_close(struct taking *self)
{
    if (self->folder)
        remove_folder(self->folder);
    graph_cut_fini(&self->cut);
    graph_free(self->graph);
    registry_free(self->registry);
}
