/* SPDX-License-Identifier: Apache-2.0
 * schema - whether two hosts know the same edges, and messages of one can be read by the other.
 *
 * Schemas may differ as long as each is what the other was before, or will be, by appending: fields
 * that both know are the same, those that one knows alone are not required, and the receiver knows
 * all types that the sender may send. [test_schemas_may_grow_and_not_change] */
#include "net/inside.h"

#include <inttypes.h>
#include <string.h>

/* ---- What this host says --------------------------------------------------------------------- */

enum { TYPES_MAX = 1024 };

static const char *
name_of(const ProtobufCFieldDescriptor *field)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return ((const ProtobufCMessageDescriptor *)field->descriptor)->name;
    if (field->type == PROTOBUF_C_TYPE_ENUM)
        return ((const ProtobufCEnumDescriptor *)field->descriptor)->name;
    return "";
}

static char *
lend(const char *text)
{
    return (char *)(uintptr_t)text;
}

static Hde__NetField *
say_field(const ProtobufCFieldDescriptor *field, struct arena *arena)
{
    Hde__NetField *out = arena_alloc(arena, sizeof *out);

    hde__net_field__init(out);
    out->has_number = out->has_label = out->has_type = true;
    out->name = lend(field->name);
    out->number = field->id;
    out->label = (uint32_t)field->label;
    out->type = (uint32_t)field->type;
    out->of = lend(name_of(field));
    return out;
}

static void
say_type(struct peer *peer, const ProtobufCMessageDescriptor *type, struct arena *arena)
{
    Hde__NetType *out;

    for (size_t i = 0; i < peer->n_said_types; i++)
        if (!strcmp(peer->said_types[i]->name, type->name))
            return;
    if (peer->n_said_types == TYPES_MAX)
        return;
    out = peer->said_types[peer->n_said_types++] = arena_alloc(arena, sizeof *out);
    hde__net_type__init(out);
    out->name = lend(type->name);
    out->fields = arena_alloc(arena, (type->n_fields + 1) * sizeof *out->fields);
    for (unsigned i = 0; i < type->n_fields; i++)
        out->fields[out->n_fields++] = say_field(&type->fields[i], arena);
    for (unsigned i = 0; i < type->n_fields; i++)
        if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            say_type(peer, type->fields[i].descriptor, arena);
}

static Hde__NetEdge *
say_edge(const struct far_edge *edge, struct arena *arena)
{
    Hde__NetEdge *out = arena_alloc(arena, sizeof *out);
    size_t n = frame_type(edge->def.types, NULL);

    hde__net_edge__init(out);
    out->has_id = out->has_sends = out->has_schema = true;
    out->id = edge->def.id;
    out->name = lend(edge->def.name);
    out->sends = edge->def.here == LINK_SENDER;
    out->schema = edge->schema;
    out->types = arena_alloc(arena, (n + 1) * sizeof *out->types);
    for (size_t i = 0; i < n; i++)
        out->types[out->n_types++] = lend(edge->def.types[i]->name);
    return out;
}

void
schema_say(struct peer *peer, struct arena *arena)
{
    peer->said_edges = arena_alloc(arena, (peer->n_edges + 1) * sizeof *peer->said_edges);
    peer->said_types = arena_alloc(arena, TYPES_MAX * sizeof *peer->said_types);
    for (size_t i = 0; i < peer->n_edges; i++) {
        const ProtobufCMessageDescriptor *const *types = peer->edge[i]->def.types;

        peer->said_edges[i] = say_edge(peer->edge[i], arena);
        for (size_t k = 0; types[k]; k++)
            say_type(peer, types[k], arena);
    }
}

/* ---- What the other one says ----------------------------------------------------------------- */

static const Hde__NetType *
type_called(Hde__NetType *const *types, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(types[i]->name, name))
            return types[i];
    return NULL;
}

static const Hde__NetField *
field_of(const Hde__NetType *type, uint32_t number)
{
    for (size_t i = 0; i < type->n_fields; i++)
        if (type->fields[i]->number == number)
            return type->fields[i];
    return NULL;
}

static const char *
text_of(const char *text)
{
    return text ? text : "";
}

static bool
fields_agree(const Hde__NetType *one, const Hde__NetType *other, struct err *err)
{
    for (size_t i = 0; i < one->n_fields; i++) {
        const Hde__NetField *field = one->fields[i], *its = field_of(other, field->number);

        if (!its && field->label == PROTOBUF_C_LABEL_REQUIRED)
            return err_set(err, "HDE-N009",
                           "%s: one end requires field %u '%s', which the other does "
                           "not know",
                           one->name, field->number, field->name);
        if (its && (its->label != field->label || its->type != field->type ||
                    strcmp(its->name, field->name) != 0 ||
                    strcmp(text_of(its->of), text_of(field->of)) != 0))
            return err_set(err, "HDE-N009",
                           "%s: field %u is '%s' here and '%s' there, or of another "
                           "type",
                           one->name, field->number, field->name, its->name);
    }
    return true;
}

/* All types that both have said, in both directions. */
static bool
types_agree(const struct peer *peer, const Hde__NetGreeting *greeting, struct err *err)
{
    for (size_t i = 0; i < peer->n_said_types; i++) {
        const Hde__NetType *ours = peer->said_types[i];
        const Hde__NetType *its = type_called(greeting->types, greeting->n_types, ours->name);

        if (its && (!fields_agree(ours, its, err) || !fields_agree(its, ours, err)))
            return false;
    }
    return true;
}

static bool
edge_agrees(const struct far_edge *edge, const Hde__NetEdge *its, struct err *err)
{
    size_t n = frame_type(edge->def.types, NULL);
    bool sends = edge->def.here == LINK_SENDER;

    if (its->sends == sends)
        return err_set(err, "HDE-N008", "both hosts are at the same end of edge '%s'",
                       edge->def.name);
    for (size_t i = 0; i < n && i < its->n_types; i++)
        if (strcmp(its->types[i], edge->def.types[i]->name) != 0)
            return err_set(err, "HDE-N009", "edge '%s': type %zu is %s here and %s there",
                           edge->def.name, i, edge->def.types[i]->name, its->types[i]);
    return (sends ? n <= its->n_types : its->n_types <= n) ||
           err_set(err, "HDE-N009",
                   "edge '%s': its sender has types that its receiver does not know "
                   "(schemas %016" PRIx64 " here, %016" PRIx64
                   " there): start the newer program at "
                   "the receiver first",
                   edge->def.name, edge->schema, its->schema);
}

bool
schema_fits(struct peer *peer, const Hde__NetGreeting *greeting, struct err *err)
{
    const struct far_edge *differs = NULL;

    if (greeting->n_edges != peer->n_edges)
        return err_set(err, "HDE-N008", "it has %zu edges to this host, and this one %zu to it",
                       greeting->n_edges, peer->n_edges);
    for (size_t i = 0; i < peer->n_edges; i++) {
        struct far_edge *edge = peer->edge[i];
        const Hde__NetEdge *its = NULL;

        for (size_t k = 0; k < greeting->n_edges && !its; k++)
            if (greeting->edges[k]->id == edge->def.id)
                its = greeting->edges[k];
        if (!its || strcmp(its->name, edge->def.name) != 0)
            return err_set(err, "HDE-N008", "edge '%s' is not there at the other end",
                           edge->def.name);
        if (!edge_agrees(edge, its, err))
            return false;
        edge->said_schema = its->schema;
        if (its->schema != edge->schema)
            differs = edge;
    }
    return !differs || types_agree(peer, greeting, err) ||
           err_wrap(err, "edge '%s', schemas %016" PRIx64 " here and %016" PRIx64 " there",
                    differs->def.name, differs->schema, differs->said_schema);
}
