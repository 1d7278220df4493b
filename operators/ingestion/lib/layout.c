/* SPDX-License-Identifier: Apache-2.0
 * layout - what the columns of a CSV file of chains mean, as data. */
#include "layout.h"

#include "common/shipped.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

extern const struct shipped_file layout_files[]; /* made by CMake; ended by {0} */

static const char *const column_names[COLUMN_COUNT] = {
    "stamp", "symbol", "expiry", "strike", "type", "spot", "future", "vix", "lot_size",
};

static bool
fault(char *error, size_t size, const char *key, const char *value, const char *wanted)
{
    snprintf(error, size, "%s: '%s' is not %s", key, value, wanted);
    return false;
}

void
layout_blank(struct layout *layout)
{
    memset(layout, 0, sizeof *layout);
    strcpy(layout->name, "custom");
    strcpy(layout->venue, "NSE");
    layout->separator = ',';
    layout->offset_s = 19800;
    layout->iv_scale = 0.01;
    layout->oi_unit = layout->volume_unit = HDE__QUANTITY_UNIT__QUANTITY_UNIT_UNITS;
    strcpy(layout->call, "CE");
    strcpy(layout->put, "PE");
    strcpy(layout->stamp[0], "%Y-%m-%dT%H:%M:%S%z");
    strcpy(layout->stamp[1], "%Y-%m-%d %H:%M:%S%z");
    layout->n_stamps = 2;
    strcpy(layout->expiry[0], "%Y-%m-%d");
    strcpy(layout->expiry[1], "%d-%b-%Y");
    layout->n_expiries = 2;
    strcpy(layout->missing[0], "-");
    layout->n_missing = 1;
}

/* ---- Setting values ------------------------------------------------------------------------- */

static bool
set_text(char *field, size_t room, const char *key, const char *value, char *error, size_t size)
{
    if (strlen(value) >= room)
        return fault(error, size, key, value, "short enough");
    strcpy(field, value);
    return true;
}

static bool
set_unit(Hde__QuantityUnit *unit, const char *key, const char *value, char *error, size_t size)
{
    if (strcmp(value, "units") == 0)
        *unit = HDE__QUANTITY_UNIT__QUANTITY_UNIT_UNITS;
    else if (strcmp(value, "lots") == 0)
        *unit = HDE__QUANTITY_UNIT__QUANTITY_UNIT_LOTS;
    else
        return fault(error, size, key, value, "units or lots");
    return true;
}

static bool
add_text(char *texts, size_t room, size_t most, size_t *n, const char *key, const char *value,
         char *error, size_t size)
{
    if (*n == most)
        return fault(error, size, key, value, "one of the few that a list may have");
    return set_text(texts + room * (*n)++, room, key, value, error, size);
}

static bool
add_alias(struct layout *layout, const char *from, const char *to, char *error, size_t size)
{
    char(*alias)[24];

    if (layout->n_aliases == LAYOUT_ALIASES)
        return fault(error, size, "aliases", from, "one of the first 16");
    alias = layout->alias[layout->n_aliases++];
    return set_text(alias[0], sizeof alias[0], "aliases", from, error, size) &&
           set_text(alias[1], sizeof alias[1], "aliases", to, error, size);
}

static bool
set_column(struct layout *layout, const char *key, const char *value, char *error, size_t size)
{
    int side = strncmp(key, "put.", 4) == 0;
    const char *leg = side || strncmp(key, "call.", 5) == 0 ? strchr(key, '.') + 1 : NULL;

    for (int i = 0; !leg && i < COLUMN_COUNT; i++)
        if (strcmp(key, column_names[i]) == 0)
            return set_text(layout->column[i], LAYOUT_TEXT, key, value, error, size);
    for (int i = 0; i < LEG_COUNT; i++)
        if (strcmp(leg ? leg : key, leg_names[i]) == 0)
            return set_text(layout->leg[side][i], LAYOUT_TEXT, key, value, error, size);
    return fault(error, size, "columns", key, "a field of chains");
}

/* Keys with a list of texts. */
bool
layout_add(struct layout *layout, const char *key, const char *value, char *error, size_t size)
{
    if (strcmp(key, "stamp") == 0)
        return add_text(layout->stamp[0], LAYOUT_TEXT, LAYOUT_PATTERNS, &layout->n_stamps, key,
                        value, error, size);
    if (strcmp(key, "expiry") == 0)
        return add_text(layout->expiry[0], LAYOUT_TEXT, LAYOUT_PATTERNS, &layout->n_expiries, key,
                        value, error, size);
    return add_text(layout->missing[0], 16, LAYOUT_MISSING, &layout->n_missing, key, value, error,
                    size);
}

static bool
start_list(struct layout *layout, const char *key)
{
    if (strcmp(key, "stamp") == 0)
        layout->n_stamps = 0;
    else if (strcmp(key, "expiry") == 0)
        layout->n_expiries = 0;
    else if (strcmp(key, "missing") == 0)
        layout->n_missing = 0;
    else
        return false;
    return true;
}

bool
layout_set(struct layout *layout, const char *key, const char *value, char *error, size_t size)
{
    if (strncmp(key, "columns.", 8) == 0)
        return set_column(layout, key + 8, value, error, size);
    if (strncmp(key, "aliases.", 8) == 0)
        return add_alias(layout, key + 8, value, error, size);
    if (strcmp(key, "name") == 0)
        return set_text(layout->name, sizeof layout->name, key, value, error, size);
    if (strcmp(key, "venue") == 0)
        return set_text(layout->venue, sizeof layout->venue, key, value, error, size);
    if (strcmp(key, "underlying") == 0)
        return set_text(layout->underlying, sizeof layout->underlying, key, value, error, size);
    if (strcmp(key, "call") == 0)
        return set_text(layout->call, sizeof layout->call, key, value, error, size);
    if (strcmp(key, "put") == 0)
        return set_text(layout->put, sizeof layout->put, key, value, error, size);
    if (strcmp(key, "oi_unit") == 0)
        return set_unit(&layout->oi_unit, key, value, error, size);
    if (strcmp(key, "volume_unit") == 0)
        return set_unit(&layout->volume_unit, key, value, error, size);
    if (start_list(layout, key))
        return layout_add(layout, key, value, error, size);
    if (strcmp(key, "timezone") == 0)
        return when_parse_offset(value, &layout->offset_s) ||
               fault(error, size, key, value, "an offset like +05:30");
    if (strcmp(key, "rows") == 0) {
        layout->rows = strcmp(value, "strike") == 0 ? ROWS_STRIKE : ROWS_LEG;
        return layout->rows == ROWS_STRIKE || strcmp(value, "leg") == 0 ||
               fault(error, size, key, value, "leg or strike");
    }
    if (strcmp(key, "iv") == 0) {
        layout->iv_scale = strcmp(value, "percent") == 0 ? 0.01 : 1;
        return layout->iv_scale < 1 || strcmp(value, "decimal") == 0 ||
               fault(error, size, key, value, "percent or decimal");
    }
    if (strcmp(key, "separator") == 0) {
        layout->separator = strcmp(value, "tab") == 0 ? '\t' : value[0];
        return layout->separator == '\t' || (value[0] && !value[1]) ||
               fault(error, size, key, value, "one character or tab");
    }
    return fault(error, size, "layout", key, "one of its keys");
}

/* ---- Reading a file ------------------------------------------------------------------------- */

static bool
read_list(struct layout *layout, struct doc *doc, const char *key, yaml_node_t *list, char *error,
          size_t size)
{
    char text[160];

    if (!start_list(layout, key))
        return doc_fault(doc, list, error, size, "'%s' has no list", key);
    for (yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++) {
        yaml_node_t *node = yaml_document_get_node(&doc->yaml, *item);
        const char *value = doc_text(node);

        if (!value || !layout_add(layout, key, value, text, sizeof text))
            return doc_fault(doc, node, error, size, "%s", value ? text : "a text was expected");
    }
    return true;
}

/* Flattens: columns: {call: {oi: X}} sets "columns.call.oi". */
static bool
read_map(struct layout *layout, struct doc *doc, const char *prefix, yaml_node_t *map, char *error,
         size_t size)
{
    char key[160], text[160];

    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top;
         pair++) {
        yaml_node_t *node = yaml_document_get_node(&doc->yaml, pair->key);
        yaml_node_t *value = yaml_document_get_node(&doc->yaml, pair->value);
        const char *name = doc_text(node);

        if (!name || strlen(prefix) + strlen(name) + 2 > sizeof key)
            return doc_fault(doc, node, error, size, "a short key was expected");
        strcpy(key, prefix);
        strcat(key, name);
        if (value->type == YAML_MAPPING_NODE) {
            strcat(key, ".");
            if (strlen(prefix) > 16)
                return doc_fault(doc, node, error, size, "nested too deep");
            if (!read_map(layout, doc, key, value, error, size))
                return false;
        } else if (value->type == YAML_SEQUENCE_NODE) {
            if (!read_list(layout, doc, key, value, error, size))
                return false;
        } else if (!layout_set(layout, key, doc_text(value), text, sizeof text)) {
            return doc_fault(doc, value, error, size, "%s", text);
        }
    }
    return true;
}

static bool
read_layout(struct layout *layout, struct doc *doc, char *error, size_t size)
{
    bool ok;

    layout_blank(layout);
    ok = read_map(layout, doc, "", doc_root(doc), error, size);
    doc_free(doc);
    return ok;
}

bool
layout_load(struct layout *layout, const char *name, char *error, size_t size)
{
    const struct shipped_file *file = shipped_find(layout_files, name);
    struct doc doc;

    if (file ? !doc_parse(&doc, file->name, file->bytes, file->size, error, size)
             : !doc_read(&doc, name, error, size))
        return false;
    return read_layout(layout, &doc, error, size);
}

/* ---- Lines ---------------------------------------------------------------------------------- */

/* A quoted field: unquotes in place, gives the end of the field or NULL. */
static char *
unquote(char *p, char *end, char separator, struct field *field)
{
    char *to = p;

    field->text = p;
    for (p++; p < end; p++) {
        if (*p == '"') {
            if (p + 1 < end && p[1] == '"')
                p++;
            else
                break;
        }
        *to++ = *p;
    }
    field->size = (size_t)(to - field->text);
    if (p == end || (p + 1 < end && p[1] != separator))
        return NULL;
    return p + 1;
}

bool
layout_split(char *line, size_t size, char separator, struct field *fields, int *n)
{
    char *p = line, *end = line + size;

    for (*n = 0;; p++) {
        struct field *field = &fields[*n];

        if (*n == LAYOUT_FIELDS)
            return false;
        ++*n;
        if (p < end && *p == '"') {
            p = unquote(p, end, separator, field);
            if (!p)
                return false;
        } else {
            char *stop = p;

            while (stop < end && *stop != separator)
                stop++;
            *field = (struct field){p, (size_t)(stop - p)};
            p = stop;
        }
        if (p >= end)
            return true;
    }
}

static bool
is_text(struct field field, const char *text)
{
    return field.size == strlen(text) && strncasecmp(field.text, text, field.size) == 0;
}

bool
layout_is_missing(const struct layout *layout, struct field field)
{
    if (field.size == 0)
        return true;
    for (size_t i = 0; i < layout->n_missing; i++)
        if (is_text(field, layout->missing[i]))
            return true;
    return false;
}

bool
layout_symbol(const struct layout *layout, struct field field, char *out)
{
    if (field.size == 0 || field.size > 23)
        return false;
    for (size_t i = 0; i < layout->n_aliases; i++)
        if (is_text(field, layout->alias[i][0])) {
            strcpy(out, layout->alias[i][1]);
            return true;
        }
    for (size_t i = 0; i < field.size; i++) {
        unsigned char c = (unsigned char)field.text[i];

        if (!isalnum(c) && !strchr("&-_.", c))
            return false;
        out[i] = (char)toupper(c);
    }
    out[field.size] = '\0';
    return true;
}

/* ---- Binding -------------------------------------------------------------------------------- */

static int
find_column(const char *name, const struct field *header, int n)
{
    for (int i = 0; *name && i < n; i++)
        if (is_text(header[i], name))
            return i;
    return -1;
}

bool
layout_bind(const struct layout *layout, const struct field *header, int n,
            struct layout_binding *binding, char *error, size_t size)
{
    static const int needed[] = {COLUMN_STAMP, COLUMN_EXPIRY, COLUMN_STRIKE, COLUMN_TYPE};
    int sides = layout->rows == ROWS_STRIKE ? 2 : 1;

    binding->n_fields = n;
    binding->n_legs = 0;
    for (int i = 0; i < COLUMN_COUNT; i++)
        binding->column[i] = find_column(layout->column[i], header, n);
    for (size_t i = 0; i < 3u + (sides == 1); i++)
        if (binding->column[needed[i]] < 0) {
            snprintf(error, size, "layout '%s': the header has no column '%s' (%s)", layout->name,
                     layout->column[needed[i]], column_names[needed[i]]);
            return false;
        }
    if (binding->column[COLUMN_SYMBOL] < 0 && !layout->underlying[0]) {
        snprintf(error, size, "layout '%s': no symbol column and no underlying", layout->name);
        return false;
    }
    for (int side = 0; side < sides; side++)
        for (int i = 0; i < LEG_COUNT; i++) {
            int index = find_column(layout->leg[side][i], header, n);

            if (index < 0)
                continue;
            binding->leg[binding->n_legs].field = (uint16_t)i;
            binding->leg[binding->n_legs].side = (uint16_t)side;
            binding->leg[binding->n_legs++].index = index;
        }
    if (binding->n_legs > 0)
        return true;
    snprintf(error, size, "layout '%s': the header has no column of a leg", layout->name);
    return false;
}

static int
bound(const struct layout_binding *binding)
{
    int n = binding->n_legs;

    for (int i = 0; i < COLUMN_COUNT; i++)
        n += binding->column[i] >= 0;
    return n;
}

bool
layout_detect(struct layout *layout, const struct field *header, int n,
              struct layout_binding *binding, char *error, size_t size)
{
    const char *best = NULL;
    int most = 0;

    for (const struct shipped_file *f = layout_files; f->name; f++) {
        if (!layout_load(layout, f->name, error, size) ||
            !layout_bind(layout, header, n, binding, error, size) || bound(binding) <= most)
            continue;
        best = f->name;
        most = bound(binding);
    }
    if (best)
        return layout_load(layout, best, error, size) &&
               layout_bind(layout, header, n, binding, error, size);
    snprintf(error, size,
             "no shipped layout fits the header '%.*s...' of %d columns; name the "
             "columns in `columns`",
             n > 0 ? (int)header[0].size : 0, n > 0 ? header[0].text : "", n);
    return false;
}
