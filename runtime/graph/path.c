/* SPDX-License-Identifier: Apache-2.0
 * path - the text of an edge: "a.out -> [b, c.in] -> d". */
#include "graph/load.h"

#include <ctype.h>
#include <string.h>

struct scan {
    struct loader *loader;
    const struct yaml *node;
    const char *text;
    size_t at;
};

static bool
refuse(struct scan *scan, const char *what)
{
    diags_add(scan->loader->diags, SEVERITY_ERROR, G_PATH,
              yaml_place(scan->node, scan->at, scan->loader->diags), "%s", what);
    diags_hint(scan->loader->diags, "write a -> b, a.port -> b.port, [a, b] -> c or a -> [b, c]");
    return false;
}

static void
skip_blanks(struct scan *scan)
{
    while (isspace((unsigned char)scan->text[scan->at]))
        scan->at++;
}

static bool
is_arrow(const char *s)
{
    return s[0] == '-' && s[1] == '>';
}

static size_t
name_end(const char *s, size_t at)
{
    while (isalnum((unsigned char)s[at]) || s[at] == '_' || (s[at] == '-' && s[at + 1] != '>'))
        at++;
    return at;
}

static bool
take_name(struct scan *scan, const char **name, struct place *place)
{
    size_t end = name_end(scan->text, scan->at);

    if (end == scan->at)
        return refuse(scan, scan->text[end] == '[' ? "brackets do not nest"
                                                   : "here the name of a node is needed");
    *name = arena_textn(scan->loader->arena, scan->text + scan->at, end - scan->at);
    *place = yaml_place(scan->node, scan->at, scan->loader->diags);
    scan->at = end;
    return true;
}

static bool
take_piece(struct scan *scan, struct piece *piece)
{
    *piece = (struct piece){0};
    skip_blanks(scan);
    if (!take_name(scan, &piece->name, &piece->place))
        return false;
    if (scan->text[scan->at] == '.') {
        scan->at++;
        if (!take_name(scan, &piece->port, &piece->port_place))
            return false;
    }
    if (scan->text[scan->at] == '.') {
        diags_add(scan->loader->diags, SEVERITY_ERROR, G_PATH,
                  yaml_place(scan->node, scan->at, scan->loader->diags),
                  "a path reaches no further than node.port");
        diags_hint(scan->loader->diags, "from outside a chain shows only its inputs and outputs");
        return false;
    }
    return true;
}

static void
step_add(struct scan *scan, struct step *step, struct piece piece)
{
    struct piece *list;

    if ((step->n & (step->n - 1)) == 0) { /* full at powers of two */
        list = arena_alloc(scan->loader->arena, (step->n ? step->n * 2 : 1) * sizeof *list);
        if (step->n)
            memcpy(list, step->piece, step->n * sizeof *list);
        step->piece = list;
    }
    step->piece[step->n++] = piece;
}

static bool
take_step(struct scan *scan, struct step *step)
{
    struct piece piece;

    *step = (struct step){0};
    skip_blanks(scan);
    if (scan->text[scan->at] != '[') {
        if (!take_piece(scan, &piece))
            return false;
        step_add(scan, step, piece);
        return true;
    }
    do {
        scan->at++;
        if (!take_piece(scan, &piece))
            return false;
        step_add(scan, step, piece);
        skip_blanks(scan);
    } while (scan->text[scan->at] == ',');
    if (scan->text[scan->at] != ']')
        return refuse(scan, "here ',' or ']' is needed");
    scan->at++;
    return true;
}

static void
path_add(struct scan *scan, struct path *path, struct step step)
{
    struct step *list;

    if ((path->n & (path->n - 1)) == 0) {
        list = arena_alloc(scan->loader->arena, (path->n ? path->n * 2 : 1) * sizeof *list);
        if (path->n)
            memcpy(list, path->step, path->n * sizeof *list);
        path->step = list;
    }
    path->step[path->n++] = step;
}

bool
path_parse(struct loader *loader, const struct yaml *text, bool alone, struct path *path)
{
    struct scan scan = {loader, text, text->text, 0};
    struct step step;

    *path = (struct path){0};
    for (;;) {
        if (!take_step(&scan, &step))
            return false;
        path_add(&scan, path, step);
        skip_blanks(&scan);
        if (!scan.text[scan.at])
            break;
        if (alone || !is_arrow(scan.text + scan.at))
            return refuse(&scan, alone ? "here one node.port is needed" : "here '->' is needed");
        scan.at += 2;
    }
    if (path->n < 2 && !alone)
        return refuse(&scan, "a path needs '->' and where it leads to");
    return true;
}
