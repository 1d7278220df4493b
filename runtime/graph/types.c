/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/types.h"

#include <ctype.h>
#include <string.h>

/* ---- By name ------------------------------------------------------------------------------ */

static const ProtobufCMessageDescriptor *
find_in(const hde_port *ports, const char *name)
{
    for (; ports && ports->name; ports++)
        for (size_t i = 0; ports->types && ports->types[i]; i++)
            if (strcmp(ports->types[i]->name, name) == 0)
                return ports->types[i];
    return NULL;
}

const ProtobufCMessageDescriptor *
types_find(const struct registry *registry, const char *name)
{
    const ProtobufCMessageDescriptor *found = NULL;

    for (size_t i = 0; !found && i < registry_count(registry); i++) {
        const hde_operator *op = registry_at(registry, i)->op;

        found = find_in(op->outputs, name);
        if (!found)
            found = find_in(op->inputs, name);
        if (!found && op->state_type && strcmp(op->state_type->name, name) == 0)
            found = op->state_type;
    }
    return found;
}

/* ---- Ports -------------------------------------------------------------------------------- */

static size_t
count(const hde_port *ports)
{
    size_t n = 0;

    while (ports && ports[n].name)
        n++;
    return n;
}

/* With room for `more`, and the end. */
static hde_port *
copy_ports(const hde_port *ports, size_t more, struct arena *arena)
{
    hde_port *copy = arena_alloc(arena, (count(ports) + more + 1) * sizeof *copy);

    if (count(ports))
        memcpy(copy, ports, count(ports) * sizeof *copy);
    return copy;
}

static const ProtobufCMessageDescriptor *const *
one_more(const ProtobufCMessageDescriptor *const *types, const ProtobufCMessageDescriptor *type,
         struct arena *arena)
{
    const ProtobufCMessageDescriptor **copy;
    size_t n = 0;

    while (types && types[n])
        n++;
    copy = arena_alloc(arena, (n + 2) * sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = types[i];
    copy[n] = type;
    return copy;
}

/* "my.PairSpread": pair_spread. */
static const char *
port_name(const ProtobufCMessageDescriptor *type, struct arena *arena)
{
    const char *dot = strrchr(type->name, '.'), *from = dot ? dot + 1 : type->name;
    char *name = arena_alloc(arena, 2 * strlen(from) + 1);
    size_t n = 0;

    for (size_t i = 0; from[i]; i++) {
        if (i && isupper((unsigned char)from[i]) && islower((unsigned char)from[i - 1]))
            name[n++] = '_';
        name[n++] = (char)tolower((unsigned char)from[i]);
    }
    return name;
}

static bool
add_output(hde_operator *op, const ProtobufCMessageDescriptor *type, struct arena *arena)
{
    size_t n = count(op->outputs);
    hde_port *ports = copy_ports(op->outputs, 1, arena);

    ports[n] = (hde_port){.name = port_name(type, arena),
                          .types = one_more(NULL, type, arena),
                          .help = "named in types:"};
    for (size_t i = 0; i < n; i++)
        if (strcmp(ports[i].name, ports[n].name) == 0)
            return false;
    op->outputs = ports;
    return true;
}

const hde_operator *
types_add(const hde_operator *op, const ProtobufCMessageDescriptor *type, struct arena *arena)
{
    hde_operator *copy;
    hde_port *inputs;

    if (!(op->flags & HDE_MORE_TYPES))
        return NULL;
    if (find_in(op->inputs, type->name) || find_in(op->outputs, type->name))
        return op;
    copy = arena_alloc(arena, sizeof *copy);
    *copy = *op;
    if (!count(op->inputs))
        return add_output(copy, type, arena) ? copy : NULL;
    inputs = copy_ports(op->inputs, 0, arena);
    inputs[0].types = one_more(inputs[0].types, type, arena);
    copy->inputs = inputs;
    return copy;
}

const hde_operator *
types_add_all(const struct registry *registry, const hde_operator *op, const hde_list *names,
              struct arena *arena, struct err *err)
{
    const hde_operator *with = op;

    for (size_t i = 0; with && i < names->n; i++) {
        const ProtobufCMessageDescriptor *type = types_find(registry, names->item[i]);

        if (!type) {
            err_set(err, "HDE-G360", "no plugin has the message type '%.120s'", names->item[i]);
            return NULL;
        }
        with = types_add(with, type, arena);
        if (!with)
            err_set(err, "HDE-G361", "%s cannot carry %.120s: an output is called so already",
                    op->name, names->item[i]);
    }
    return with;
}

const hde_operator *
types_like(const hde_operator *op, const hde_operator *like, const hde_list *names,
           struct arena *arena)
{
    for (size_t i = 0; op && i < names->n; i++) {
        const ProtobufCMessageDescriptor *type = find_in(like->outputs, names->item[i]);

        if (!type)
            type = find_in(like->inputs, names->item[i]);
        op = type ? types_add(op, type, arena) : NULL;
    }
    return op;
}

/* ---- The same? ---------------------------------------------------------------------------- */

static bool
same_types(const hde_port *a, const hde_port *b)
{
    size_t i = 0;

    while (a->types[i] && a->types[i] == b->types[i])
        i++;
    return a->types[i] == b->types[i];
}

const char *
types_other_port(const hde_port *a, const hde_port *b)
{
    size_t i = 0;

    for (; a && a[i].name; i++)
        if (!b || !b[i].name || strcmp(a[i].name, b[i].name) != 0 || a[i].flags != b[i].flags ||
            !same_types(&a[i], &b[i]))
            return a[i].name;
    return b && b[i].name ? b[i].name : NULL;
}

bool
types_same_build(const hde_operator *a, const hde_operator *b)
{
    hde_operator x, y;

    memcpy(&x, a, sizeof x); /* the gaps too */
    memcpy(&y, b, sizeof y);
    if (x.flags & y.flags & HDE_MORE_TYPES) { /* tables of their own */
        x.inputs = y.inputs;
        x.outputs = y.outputs;
    }
    return a == b || memcmp(&x, &y, sizeof x) == 0;
}
