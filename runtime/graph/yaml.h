/* SPDX-License-Identifier: Apache-2.0
 * yaml - YAML text to a small tree in which everything knows where it stands.
 *
 * The language is a strict subset of YAML: one document, no anchors, aliases, merge keys or tags,
 * no duplicate keys, no tabs as indentation, limited depth and sizes. What breaks a rule is a
 * finding with a place; the tree stays usable around it. */
#ifndef GRAPH_YAML_H
#define GRAPH_YAML_H

#include "base/arena.h"
#include "graph/diag.h"

enum { YAML_DEPTH_MAX = 64, YAML_FILE_MAX = 4 << 20, YAML_SCALAR_MAX = 1 << 20 };

enum yaml_kind {
    KIND_NULL, /* nothing written, ~ or null */
    KIND_TEXT, /* every scalar; its reader gives it a type */
    KIND_LIST,
    KIND_MAP,
    KIND_UNKNOWN, /* already found wrong or missing: say nothing more about it */
};

enum yaml_style { STYLE_NONE, STYLE_PLAIN, STYLE_SINGLE, STYLE_DOUBLE };

struct yaml {
    enum yaml_kind kind;
    enum yaml_style style; /* NONE: text is not what stands at place character for character */
    bool secret;           /* text must not be shown */
    bool literal;          /* no variables in it: it comes from the command line */
    bool outside; /* from environment or command line: paths are relative to the working folder */
    struct place place;
    const char *text;          /* TEXT, ends with NUL */
    size_t n;                  /* LIST, MAP */
    struct yaml **key, **item; /* key: MAP */
};

/* The tree of a text, or NULL when nothing could be made of it (with a finding). start is the place
 * of its first character; `braces` reads the text as the inside of a flow mapping. */
struct yaml *yaml_parse(const char *text, size_t size, struct place start, bool braces,
                        struct arena *arena, struct diags *diags);
/* The text of a file, in the arena; NULL with a finding. */
const char *yaml_read(const char *path, struct place from, size_t *size, struct arena *arena,
                      struct diags *diags);
/* yaml_parse() of it; keeps it for the findings. */
struct yaml *yaml_parse_file(const char *path, const char *text, size_t size, struct arena *arena,
                             struct diags *diags);

/* Where byte `offset` of a node's text stands. */
struct place yaml_place(const struct yaml *node, size_t offset, const struct diags *diags);
struct yaml *yaml_find(const struct yaml *map, const char *key); /* the value, or NULL */
struct yaml *yaml_text(struct arena *arena, const char *text, struct place place);
const char *yaml_kind_name(const struct yaml *node); /* "a list" */
/* A path that stands in a node: relative ones count from the folder of its file. */
const char *yaml_path(struct arena *arena, const struct yaml *node, const char *path);

#endif
