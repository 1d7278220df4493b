/* SPDX-License-Identifier: Apache-2.0
 * shipped - YAML files that are built in, and the reading of such files. */
#include "common/shipped.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct shipped_file *
shipped_find(const struct shipped_file *table, const char *name)
{
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

bool
doc_parse(struct doc *doc, const char *what, const void *bytes, size_t n, char *error, size_t size)
{
    yaml_parser_t parser;
    yaml_node_t *root;

    memset(doc, 0, sizeof *doc);
    doc->what = what;
    if (!yaml_parser_initialize(&parser)) {
        snprintf(error, size, "%s: out of memory", what);
        return false;
    }
    yaml_parser_set_input_string(&parser, bytes, n);
    if (!yaml_parser_load(&parser, &doc->yaml)) {
        snprintf(error, size, "%s:%zu:%zu: %s", what, parser.problem_mark.line + 1,
                 parser.problem_mark.column + 1, parser.problem ? parser.problem : "bad YAML");
        yaml_parser_delete(&parser);
        return false;
    }
    yaml_parser_delete(&parser);
    root = yaml_document_get_root_node(&doc->yaml);
    if (root && root->type == YAML_MAPPING_NODE)
        return true;
    snprintf(error, size, "%s:1:1: a mapping was expected", what);
    doc_free(doc);
    return false;
}

bool
doc_read(struct doc *doc, const char *path, char *error, size_t size)
{
    FILE *file = fopen(path, "rbe");
    char *bytes;
    size_t n;
    bool ok;

    if (!file) {
        snprintf(error, size, "%s: %s", path, strerror(errno));
        return false;
    }
    bytes = malloc(DOC_SIZE_MAX + 1);
    n = bytes ? fread(bytes, 1, DOC_SIZE_MAX + 1, file) : 0;
    if (!bytes || ferror(file) || n > DOC_SIZE_MAX) {
        snprintf(error, size, "%s: %s", path,
                 n > DOC_SIZE_MAX ? "is larger than 1 MiB" : "cannot be read");
        ok = false;
    } else {
        ok = doc_parse(doc, path, bytes, n, error, size);
    }
    free(bytes);
    fclose(file);
    return ok;
}

void
doc_free(struct doc *doc)
{
    yaml_document_delete(&doc->yaml);
    memset(&doc->yaml, 0, sizeof doc->yaml);
}

yaml_node_t *
doc_root(struct doc *doc)
{
    return yaml_document_get_root_node(&doc->yaml);
}

yaml_node_t *
doc_get(struct doc *doc, yaml_node_t *node, const char *key)
{
    if (!node || node->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const char *text = doc_text(yaml_document_get_node(&doc->yaml, pair->key));

        if (text && strcmp(text, key) == 0)
            return yaml_document_get_node(&doc->yaml, pair->value);
    }
    return NULL;
}

const char *
doc_text(const yaml_node_t *node)
{
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

bool
doc_fault(const struct doc *doc, const yaml_node_t *node, char *error, size_t size, const char *fmt,
          ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    snprintf(error, size, "%s:%zu:%zu: %s", doc->what, node ? node->start_mark.line + 1 : 1,
             node ? node->start_mark.column + 1 : 1, text);
    return false;
}
