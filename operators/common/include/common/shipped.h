/* SPDX-License-Identifier: Apache-2.0
 * shipped - YAML files that are built into plugins (calendars, layouts), and the reading of such
 * files. */
#ifndef COMMON_SHIPPED_H
#define COMMON_SHIPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yaml.h>

/* hde_shipped() of CMake makes tables of these, ended by {0}. */
struct shipped_file {
    const char *name; /* "nse" */
    const unsigned char *bytes;
    size_t size;
};

/* NULL if there is none. */
const struct shipped_file *shipped_find(const struct shipped_file *table, const char *name);

/* One mapping of scalars, lists and mappings. what is put in front of error texts. */
struct doc {
    yaml_document_t yaml;
    const char *what;
};

/* error has `size` bytes; "what:line:column: text". */
bool doc_parse(struct doc *doc, const char *what, const void *bytes, size_t n, char *error,
               size_t size);
bool doc_read(struct doc *doc, const char *path, char *error, size_t size);
void doc_free(struct doc *doc);

yaml_node_t *doc_root(struct doc *doc);
/* The value of a key of a mapping; NULL where node is NULL, no mapping or has no such key. */
yaml_node_t *doc_get(struct doc *doc, yaml_node_t *node, const char *key);
/* The text of a scalar, else NULL. */
const char *doc_text(const yaml_node_t *node);
/* Writes "what:line:column: text" and returns false. */
bool doc_fault(const struct doc *doc, const yaml_node_t *node, char *error, size_t size,
               const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#define DOC_SIZE_MAX (1 << 20) /* bytes of one file */

#endif
