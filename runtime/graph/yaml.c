/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/yaml.h"
#include "base/utf8.h"
#include "graph/codes.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    struct arena *arena;
    struct diags *diags;
    struct place start;
    unsigned braces, depth;
    bool failed; /* no more events */
};

/* ---- bytes ---------------------------------------------------------------------------------- */

static bool
check_start(const unsigned char *s, size_t size, struct place at, struct diags *diags)
{
    bool utf16 = size >= 2 && ((s[0] == 0xFF && s[1] == 0xFE) || (s[0] == 0xFE && s[1] == 0xFF) ||
                               (s[0] == 0 && s[1] != 0) || (s[0] != 0 && s[1] == 0));

    if (utf16) {
        diags_add(diags, SEVERITY_ERROR, G_NOT_TEXT, at, "the text is UTF-16");
        diags_hint(diags, "save it as UTF-8");
    }
    return !utf16;
}

/* Finds what libyaml would say badly or not at all: bytes that are no UTF-8, characters that are
 * refused, tabs as indentation. */
static bool
check_bytes(const char *text, size_t size, struct place at, struct diags *diags)
{
    const unsigned char *s = (const unsigned char *)text;
    bool indent = true, ok = true;

    if (!check_start(s, size, at, diags))
        return false;
    for (size_t i = 0, n; i < size; i += n) {
        uint32_t c = 0;

        n = utf8_decode(text + i, size - i, &c);
        if (n == 0) {
            diags_add(diags, SEVERITY_ERROR, G_NOT_TEXT, at, "byte 0x%02X is not UTF-8", s[i]);
            diags_hint(diags, "save the file as UTF-8");
            return false;
        }
        if ((utf8_is_odd(c) && c != '\t' && c != '\n' && c != '\r') ||
            (c == '\r' && (i + 1 == size || s[i + 1] != '\n'))) {
            diags_add(diags, SEVERITY_ERROR, G_NOT_TEXT, at,
                      "character U+%04X is not allowed in a graph file", c);
            diags_hint(diags, "in a double-quoted text write \"\\u%04X\"", c);
            ok = false;
        }
        if (c == '\t' && indent) {
            size_t end = i;

            while (end < size && (s[end] == ' ' || s[end] == '\t' || s[end] == '\r'))
                end++;
            if (end < size && s[end] != '\n' && s[end] != '#') {
                diags_add(diags, SEVERITY_ERROR, G_TAB, at, "a tab is not indentation in YAML");
                diags_hint(diags, "use spaces");
                ok = false;
            }
        }
        indent = c == '\n' || (indent && c == ' ');
        at.line += c == '\n';
        at.column = c == '\n' ? 1 : at.column + 1;
    }
    return ok;
}

/* ---- events to tree ------------------------------------------------------------------------- */

static struct place
place_of(const struct reader *r, yaml_mark_t mark)
{
    struct place place = {r->start.file, (unsigned)mark.line + r->start.line,
                          (unsigned)mark.column + 1};

    if (mark.line == 0)
        place.column =
            (unsigned)mark.column + r->start.column - (mark.column >= r->braces ? r->braces : 0);
    return place;
}

static void
syntax_error(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    struct place at = place_of(r, p->problem_mark);
    size_t len = 0;
    const char *line;

    r->failed = true;
    diags_add(r->diags, SEVERITY_ERROR, G_SYNTAX, at, "%s%s%s",
              p->problem ? p->problem : "cannot be read as YAML", p->context ? " " : "",
              p->context ? p->context : "");
    line = diags_line(r->diags, at.file, at.line, &len);
    if (line && memmem(line, len, "->", 2) && memchr(line, '[', len))
        diags_hint(r->diags, "put a path with brackets in quotes: \"[a, b] -> c\"");
    else if (line && memmem(line, len, "${", 2))
        diags_hint(r->diags, "put a value with ${...} in quotes: \"${NAME}\"");
    else if (p->context_mark.line && p->context_mark.line != p->problem_mark.line)
        diags_hint(r->diags, "it began in line %zu", p->context_mark.line + (size_t)r->start.line);
}

static bool
next(struct reader *r, yaml_event_t *event)
{
    if (r->failed)
        return false;
    if (!yaml_parser_parse(&r->parser, event)) {
        if (r->parser.error == YAML_MEMORY_ERROR)
            out_of_memory(0);
        syntax_error(r);
        return false;
    }
    return true;
}

static struct yaml *
new_node(struct reader *r, enum yaml_kind kind, struct place place)
{
    struct yaml *node = arena_alloc(r->arena, sizeof *node);

    node->kind = kind;
    node->place = place;
    return node;
}

static struct yaml *read_node(struct reader *r, yaml_event_t *event);

static void
check_anchor_and_tag(struct reader *r, struct place at, const unsigned char *anchor,
                     const unsigned char *tag)
{
    if (anchor) {
        diags_add(r->diags, SEVERITY_ERROR, G_ALIAS, at, "anchors ('&%s') are not allowed", anchor);
        diags_hint(r->diags, "use vars: and ${vars.%s}", anchor);
    }
    if (tag) {
        diags_add(r->diags, SEVERITY_ERROR, G_TAG, at, "tags ('%s') are not allowed", tag);
        diags_hint(r->diags, "leave it out: the place decides what type a value has");
    }
}

static struct yaml *
read_scalar(struct reader *r, yaml_event_t *event)
{
    struct place at = place_of(r, event->start_mark);
    struct yaml *node = new_node(r, KIND_TEXT, at);
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    yaml_scalar_style_t style = event->data.scalar.style;

    check_anchor_and_tag(r, at, event->data.scalar.anchor, event->data.scalar.tag);
    node->style = style == YAML_PLAIN_SCALAR_STYLE           ? STYLE_PLAIN
                  : style == YAML_SINGLE_QUOTED_SCALAR_STYLE ? STYLE_SINGLE
                  : style == YAML_DOUBLE_QUOTED_SCALAR_STYLE ? STYLE_DOUBLE
                                                             : STYLE_NONE;
    if (len > YAML_SCALAR_MAX || memchr(text, 0, len)) {
        bool nul = len <= YAML_SCALAR_MAX;

        diags_add(r->diags, SEVERITY_ERROR, nul ? G_NOT_TEXT : G_SCALAR_LENGTH, at,
                  nul ? "the text contains a NUL" : "the text is longer than 1 MiB");
        node->kind = KIND_UNKNOWN;
        node->text = "";
        return node;
    }
    if (node->style == STYLE_PLAIN &&
        (len == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
        node->kind = KIND_NULL;
    node->text = arena_textn(r->arena, text, len);
    return node;
}

struct items {
    struct yaml **item;
    size_t n, cap;
};

static void
items_add(struct items *items, struct yaml *node)
{
    if (items->n == items->cap) {
        items->cap = items->cap ? items->cap * 2 : 8;
        items->item = xrealloc(items->item, items->cap * sizeof *items->item);
    }
    items->item[items->n++] = node;
}

/* Moves a list into the arena. */
static struct yaml **
items_keep(struct items *items, struct arena *arena)
{
    struct yaml **kept = arena_alloc(arena, items->n * sizeof *kept);

    if (items->n)
        memcpy(kept, items->item, items->n * sizeof *kept);
    free(items->item);
    return kept;
}

static struct yaml *
read_list(struct reader *r, yaml_event_t *start)
{
    struct yaml *node = new_node(r, KIND_LIST, place_of(r, start->start_mark));
    struct items items = {0};
    yaml_event_t event;

    check_anchor_and_tag(r, node->place, start->data.sequence_start.anchor,
                         start->data.sequence_start.tag);
    while (next(r, &event)) {
        bool end = event.type == YAML_SEQUENCE_END_EVENT;

        if (!end)
            items_add(&items, read_node(r, &event));
        yaml_event_delete(&event);
        if (end)
            break;
    }
    node->n = items.n;
    node->item = items_keep(&items, r->arena);
    return node;
}

static int
compare_keys(const void *a, const void *b)
{
    const struct yaml *x = *(struct yaml *const *)a, *y = *(struct yaml *const *)b;
    int order = strcmp(x->text, y->text);

    if (order)
        return order;
    if (x->place.line != y->place.line)
        return x->place.line < y->place.line ? -1 : 1;
    return x->place.column < y->place.column ? -1 : x->place.column > y->place.column;
}

/* Reports all but the first of equal keys and marks them as unknown. */
static void
check_duplicates(struct reader *r, const struct items *keys)
{
    struct yaml **sorted = xmalloc(keys->n * sizeof *sorted);

    if (keys->n)
        memcpy(sorted, keys->item, keys->n * sizeof *sorted);
    qsort(sorted, keys->n, sizeof *sorted, compare_keys);
    for (size_t i = 1, first = 0; i < keys->n; i++) {
        if (strcmp(sorted[first]->text, sorted[i]->text) != 0) {
            first = i;
            continue;
        }
        diags_add(r->diags, SEVERITY_ERROR, G_DUPLICATE_KEY, sorted[i]->place,
                  "'%.80s' is here twice", sorted[i]->text);
        diags_hint(r->diags, "the first one is in line %u, column %u", sorted[first]->place.line,
                   sorted[first]->place.column);
        sorted[i]->kind = KIND_UNKNOWN;
    }
    free(sorted);
}

static struct yaml *
read_key(struct reader *r, yaml_event_t *event)
{
    struct yaml *key = read_node(r, event);

    if (key->kind == KIND_TEXT && key->style == STYLE_PLAIN && strcmp(key->text, "<<") == 0) {
        diags_add(r->diags, SEVERITY_ERROR, G_ALIAS, key->place, "merge keys are not allowed");
        diags_hint(r->diags, "write the keys out, or put shared values in vars:");
    } else if (key->kind == KIND_LIST || key->kind == KIND_MAP || key->kind == KIND_NULL) {
        diags_add(r->diags, SEVERITY_ERROR, G_KEY_KIND, key->place, "a key must be a text, not %s",
                  yaml_kind_name(key));
    } else {
        return key;
    }
    key->kind = KIND_UNKNOWN;
    return key;
}

static struct yaml *
read_map(struct reader *r, yaml_event_t *start)
{
    struct yaml *node = new_node(r, KIND_MAP, place_of(r, start->start_mark));
    struct items keys = {0}, values = {0};
    yaml_event_t event;

    check_anchor_and_tag(r, node->place, start->data.mapping_start.anchor,
                         start->data.mapping_start.tag);
    while (next(r, &event)) {
        struct yaml *key, *value;

        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            break;
        }
        key = read_key(r, &event);
        yaml_event_delete(&event);
        if (!next(r, &event))
            break;
        value = read_node(r, &event);
        yaml_event_delete(&event);
        if (key->kind == KIND_UNKNOWN)
            continue;
        items_add(&keys, key);
        items_add(&values, value);
    }
    check_duplicates(r, &keys);
    for (size_t i = 0; i < keys.n; i++)
        if (keys.item[i]->kind != KIND_UNKNOWN) {
            keys.item[node->n] = keys.item[i];
            values.item[node->n++] = values.item[i];
        }
    node->key = items_keep(&keys, r->arena);
    node->item = items_keep(&values, r->arena);
    return node;
}

static struct yaml *
read_node(struct reader *r, yaml_event_t *event)
{
    struct place at = place_of(r, event->start_mark);
    struct yaml *node = NULL;

    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, event);
    case YAML_ALIAS_EVENT:
        diags_add(r->diags, SEVERITY_ERROR, G_ALIAS, at, "aliases ('*%s') are not allowed",
                  event->data.alias.anchor);
        diags_hint(r->diags, "use vars: and ${vars.%s}", event->data.alias.anchor);
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        if (r->depth == YAML_DEPTH_MAX) {
            diags_add(r->diags, SEVERITY_ERROR, G_DEPTH, at, "nested deeper than %d levels",
                      YAML_DEPTH_MAX);
            r->failed = true;
            break;
        }
        r->depth++;
        node = event->type == YAML_MAPPING_START_EVENT ? read_map(r, event) : read_list(r, event);
        r->depth--;
        return node;
    default:
        break;
    }
    node = new_node(r, KIND_UNKNOWN, at);
    node->text = "";
    return node;
}

static struct yaml *
read_stream(struct reader *r)
{
    struct yaml *root = NULL;
    yaml_event_t event;
    bool end = false;

    while (!end && next(r, &event)) {
        if (event.type == YAML_DOCUMENT_START_EVENT && root) {
            diags_add(r->diags, SEVERITY_ERROR, G_DOCUMENTS, place_of(r, event.start_mark),
                      "a second document begins here");
            diags_hint(r->diags, "one file is one graph: remove '---' and what follows");
            r->failed = true;
        } else if (event.type == YAML_STREAM_END_EVENT) {
            end = true;
        } else if (event.type == YAML_SCALAR_EVENT || event.type == YAML_MAPPING_START_EVENT ||
                   event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_ALIAS_EVENT) {
            root = read_node(r, &event);
        }
        yaml_event_delete(&event);
    }
    if (!root && !r->failed)
        diags_add(r->diags, SEVERITY_ERROR, G_EMPTY, r->start, "there is nothing in it");
    return r->failed ? NULL : root;
}

struct yaml *
yaml_parse(const char *text, size_t size, struct place start, bool braces, struct arena *arena,
           struct diags *diags)
{
    struct reader r = {.arena = arena, .diags = diags, .start = start, .braces = braces};
    struct yaml *root;
    char *wrapped = NULL;

    if (!check_bytes(text, size, start, diags))
        return NULL;
    if (braces) {
        wrapped = xmalloc(size + 3);
        wrapped[0] = '{';
        memcpy(wrapped + 1, text, size);
        memcpy(wrapped + size + 1, "}", 2);
        text = wrapped;
        size += 2;
    }
    if (!yaml_parser_initialize(&r.parser))
        out_of_memory(sizeof r.parser);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    root = read_stream(&r);
    yaml_parser_delete(&r.parser);
    free(wrapped);
    return root;
}

static char *
read_bytes(FILE *file, size_t *size)
{
    size_t cap = 64 * 1024;
    char *text = xmalloc(cap);

    *size = 0;
    for (;;) {
        size_t n = fread(text + *size, 1, cap - *size, file);

        *size += n;
        if (n == 0 || *size > YAML_FILE_MAX)
            return text;
        if (*size == cap)
            text = xrealloc(text, cap *= 2);
    }
}

const char *
yaml_read(const char *path, struct place from, size_t *size, struct arena *arena,
          struct diags *diags)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    const char *out = NULL;

    *size = 0;
    errno = file ? 0 : errno;
    if (file)
        text = read_bytes(file, size);
    if (!file || ferror(file)) {
        diags_add(diags, SEVERITY_ERROR, G_UNREADABLE,
                  from.file ? from : (struct place){path, 0, 0}, "cannot read '%s': %s", path,
                  strerror(errno));
        diags->unreadable = true;
    } else if (*size > YAML_FILE_MAX) {
        diags_add(diags, SEVERITY_ERROR, G_TOO_LARGE, (struct place){path, 0, 0},
                  "the file is larger than 4 MiB");
    } else {
        out = arena_textn(arena, text, *size);
    }
    free(text);
    if (file)
        fclose(file);
    return out;
}

struct yaml *
yaml_parse_file(const char *path, const char *text, size_t size, struct arena *arena,
                struct diags *diags)
{
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) { /* what some editors put first */
        text += 3;
        size -= 3;
    }
    diags_keep_source(diags, path, text, size);
    return yaml_parse(text, size, (struct place){path, 1, 1}, false, arena, diags);
}

/* ---- looking into a tree -------------------------------------------------------------------- */

struct yaml *
yaml_find(const struct yaml *map, const char *key)
{
    for (size_t i = 0; map && map->kind == KIND_MAP && i < map->n; i++)
        if (strcmp(map->key[i]->text, key) == 0)
            return map->item[i];
    return NULL;
}

struct yaml *
yaml_text(struct arena *arena, const char *text, struct place place)
{
    struct yaml *node = arena_alloc(arena, sizeof *node);

    node->kind = KIND_TEXT;
    node->place = place;
    node->text = arena_text(arena, text);
    return node;
}

const char *
yaml_kind_name(const struct yaml *node)
{
    switch (node->kind) {
    case KIND_NULL:
        return "nothing";
    case KIND_LIST:
        return "a list";
    case KIND_MAP:
        return "a mapping";
    case KIND_TEXT:
    case KIND_UNKNOWN:
        break;
    }
    return "a text";
}

const char *
yaml_path(struct arena *arena, const struct yaml *node, const char *path)
{
    const char *file = node->place.file, *slash = file ? strrchr(file, '/') : NULL;

    if (*path == '/' || *path == '\0' || node->outside || !slash)
        return path;
    return arena_printf(arena, "%.*s%s", (int)(slash - file) + 1, file, path);
}

/* Bytes that an escape of a double-quoted text takes in the source, and makes in the text. */
static size_t
escape_size(const char *s, size_t len, size_t *made)
{
    size_t digits = 0;
    uint32_t c = 0;

    *made = 1;
    if (len < 2)
        return len;
    digits = s[1] == 'x' ? 2 : s[1] == 'u' ? 4 : s[1] == 'U' ? 8 : 0;
    for (size_t i = 2; i < 2 + digits && i < len; i++)
        c = c * 16 + (uint32_t)(s[i] <= '9' ? s[i] - '0' : (s[i] | 32) - 'a' + 10);
    if (s[1] == 'N' || s[1] == '_')
        c = 0x85;
    if (s[1] == 'L' || s[1] == 'P')
        c = 0x2028;
    *made = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    return 2 + digits < len ? 2 + digits : len;
}

static bool
is_blank(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] != ' ' && s[i] != '\t')
            return false;
    return true;
}

struct place
yaml_place(const struct yaml *node, size_t offset, const struct diags *diags)
{
    struct place at = node->place;
    size_t len = 0, i = 0, made, done = 0;
    const char *line = diags_line(diags, at.file, at.line, &len);

    if (node->style == STYLE_NONE || !line)
        return node->place;
    for (unsigned column = 1; column < at.column && i < len; column++)
        for (i++; i < len && ((unsigned char)line[i] & 0xC0) == 0x80;)
            i++;
    i += node->style != STYLE_PLAIN;
    while (done < offset) {
        size_t breaks = 0;
        bool joined = node->style == STYLE_DOUBLE && i + 1 == len && line[i] == '\\';

        if (!joined && i < len && !is_blank(line + i, len - i)) {
            bool quote = node->style == STYLE_SINGLE && line[i] == '\'';
            bool escape = node->style == STYLE_DOUBLE && line[i] == '\\';

            i += escape ? escape_size(line + i, len - i, &made) : quote ? 2 : 1;
            done += escape ? made : 1;
            continue;
        }
        do { /* line ends: one becomes a space, n become n - 1 */
            line = diags_line(diags, at.file, ++at.line, &len);
            if (!line)
                return node->place;
            breaks++;
        } while (is_blank(line, len));
        for (i = 0; i < len && (line[i] == ' ' || line[i] == '\t');)
            i++;
        done += breaks > 1 ? breaks - 1 : !joined;
    }
    at.column = 1;
    for (size_t j = 0; j < i && j < len; j++)
        at.column += ((unsigned char)line[j] & 0xC0) != 0x80;
    return at;
}
