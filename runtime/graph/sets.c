/* SPDX-License-Identifier: Apache-2.0
 * sets - values from the command line: --set node.param=value, --set vars.x=value. */
#include "base/nearest.h"
#include "graph/load.h"

#include <stdint.h>
#include <string.h>

static struct place
set_place(size_t i, size_t offset)
{
    return (struct place){NULL, (unsigned)i + 1, (unsigned)(strlen("--set ") + offset + 1)};
}

/* Lists and mappings are written as in a file, all else is text as it stands. */
static struct yaml *
set_value(struct loader *loader, const char *text, struct place place)
{
    struct yaml *value;

    if (*text == '[' || *text == '{') {
        value = yaml_parse(text, strlen(text), place, false, loader->arena, loader->diags);
        if (!value)
            return NULL;
    } else {
        value = yaml_text(loader->arena, text, place);
    }
    value->literal = value->outside = true;
    for (size_t i = 0; i < value->n; i++)
        value->item[i]->literal = value->item[i]->outside = true;
    return value;
}

static void
parse_one(struct loader *loader, size_t i, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : 0, dot = len;
    struct set *set = &loader->sets[loader->n_sets];
    size_t target;

    while (dot && text[dot] != '.')
        dot--;
    if (!equals || dot == 0 || dot + 1 == len) {
        diags_add(loader->diags, SEVERITY_ERROR, G_SET_FORM, set_place(i, 0),
                  "this is not NODE.PARAMETER=VALUE");
        diags_hint(loader->diags, "write --set source.path=FILE or --set vars.rate=0.05");
        return;
    }
    target = dot;
    if (target > 7 && strncmp(text + target - 7, ".params", 7) == 0)
        target -= 7;
    *set = (struct set){.target = arena_textn(loader->arena, text, target),
                        .param = arena_textn(loader->arena, text + dot + 1, len - dot - 1),
                        .target_place = set_place(i, 0),
                        .param_place = set_place(i, dot + 1),
                        .node = SIZE_MAX};
    set->value = set_value(loader, equals + 1, set_place(i, len + 1));
    loader->n_sets += set->value != NULL;
}

void
sets_parse(struct loader *loader)
{
    const struct graph_options *options = loader->options;
    hde_text lines = {0};

    loader->sets = arena_alloc(loader->arena, (options->n_sets + 1) * sizeof *loader->sets);
    for (size_t i = 0; i < options->n_sets; i++) {
        size_t start = lines.len;

        hde_text_printf(&lines, "--set %s", options->sets[i]);
        for (; start < lines.len; start++)
            if (lines.data[start] == '\n')
                lines.data[start] = ' ';
        hde_text_puts(&lines, "\n");
    }
    if (lines.data)
        diags_keep_source(loader->diags, NULL, lines.data, lines.len);
    hde_text_free(&lines);
    for (size_t i = 0; i < options->n_sets; i++)
        parse_one(loader, i, options->sets[i]);
}

void
sets_apply_vars(struct loader *loader, struct instance *top)
{
    for (size_t i = 0; i < loader->n_sets; i++) {
        const struct set *set = &loader->sets[i];
        struct nearest near = {.word = set->param};
        struct variable *variable;

        if (strcmp(set->target, "vars") != 0)
            continue;
        variable = scope_find(&top->scope, set->param);
        if (variable) {
            variable->value = set->value;
            continue;
        }
        diags_add(loader->diags, SEVERITY_ERROR, G_SET_TARGET, set->param_place,
                  "'%s' has no variable '%.80s'", top->file->path, set->param);
        for (size_t j = 0; j < top->scope.n; j++)
            nearest_try(&near, top->scope.list[j].name);
        diags_nearest(loader->diags, &near);
    }
}

static const char *
last_name(const char *full)
{
    const char *dot = strrchr(full, '.');

    return dot ? dot + 1 : full;
}

/* By its full name, or by the last part of it when only one node is called so. */
static void
find_node(struct loader *loader, struct set *set)
{
    struct nearest near = {.word = set->target};
    const char *others = "";
    size_t found = SIZE_MAX, n = 0;

    for (size_t i = 0; i < loader->n_nodes; i++) {
        const char *full = loader->nodes[i].full;

        if (strcmp(full, set->target) == 0) {
            set->node = i;
            return;
        }
        if (strcmp(last_name(full), set->target) == 0) {
            found = i;
            others = n++ ? arena_printf(loader->arena, "%s, %s", others, full) : full;
        }
        nearest_try(&near, full);
        nearest_try(&near, last_name(full));
    }
    if (n == 1) {
        set->node = found;
        return;
    }
    diags_add(loader->diags, SEVERITY_ERROR, G_SET_TARGET, set->target_place,
              n ? "several nodes are called '%.80s'" : "there is no node '%.80s'", set->target);
    if (n)
        diags_hint(loader->diags, "write one of %s", others);
    else
        diags_nearest(loader->diags, &near);
}

void
sets_find_nodes(struct loader *loader)
{
    for (size_t i = 0; i < loader->n_sets; i++)
        if (strcmp(loader->sets[i].target, "vars") != 0)
            find_node(loader, &loader->sets[i]);
}

static void
put(struct loader *loader, struct yaml *map, const struct set *set)
{
    size_t i = 0;

    while (i < map->n && strcmp(map->key[i]->text, set->param) != 0)
        i++;
    if (i == map->n) {
        map->key[i] = yaml_text(loader->arena, set->param, set->param_place);
        map->n++;
    }
    map->item[i] = set->value;
}

const struct yaml *
sets_apply(struct loader *loader, size_t node)
{
    const struct yaml *params = loader->nodes[node].params;
    const hde_operator *op = loader->nodes[node].op;
    struct yaml *map = NULL;

    for (size_t i = 0; i < loader->n_sets; i++) {
        const struct set *set = &loader->sets[i];

        if (set->node != node)
            continue;
        if (op && !params_find(op, set->param)) {
            params_unknown(loader->diags, op, set->param_place, G_SET_TARGET, set->param);
            continue;
        }
        if (!map) {
            size_t n = params ? params->n : 0, room = n + loader->n_sets;

            map = arena_alloc(loader->arena, sizeof *map);
            *map = (struct yaml){.kind = KIND_MAP, .place = loader->nodes[node].place, .n = n};
            map->key = arena_alloc(loader->arena, room * sizeof *map->key);
            map->item = arena_alloc(loader->arena, room * sizeof *map->item);
            for (size_t j = 0; j < n; j++) {
                map->key[j] = params->key[j];
                map->item[j] = params->item[j];
            }
        }
        put(loader, map, set);
    }
    return map ? map : params;
}
