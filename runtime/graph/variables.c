/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/variables.h"
#include "base/log.h"
#include "base/nearest.h"
#include "graph/codes.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One scalar while its pieces are put together. */
struct work {
    struct resolver *resolver;
    struct scope *scope;
    const struct yaml *node;
};

struct variable *
scope_find(const struct scope *scope, const char *name)
{
    for (size_t i = 0; scope && i < scope->n; i++)
        if (strcmp(scope->list[i].name, name) == 0)
            return &scope->list[i];
    return NULL;
}

const char *
show(struct resolver *resolver, const struct yaml *node)
{
    size_t len, max = 60;

    if (node->kind != KIND_TEXT)
        return yaml_kind_name(node);
    if (node->secret)
        return "(secret)";
    len = strlen(node->text);
    if (len <= max)
        return arena_printf(resolver->arena, "'%s'", node->text);
    while (((unsigned char)node->text[max] & 0xC0) == 0x80)
        max--;
    return arena_printf(resolver->arena, "'%.*s...'", (int)max, node->text);
}

static struct yaml *
unknown(const struct work *work)
{
    struct yaml *node = yaml_text(work->resolver->arena, "", work->node->place);

    node->kind = KIND_UNKNOWN;
    return node;
}

static struct place
at(const struct work *work, size_t offset)
{
    return yaml_place(work->node, offset, work->resolver->diags);
}

static const struct yaml *
from_vars(const struct work *work, const char *name, size_t offset)
{
    struct diags *diags = work->resolver->diags;
    struct variable *variable = scope_find(work->scope, name);
    struct nearest near = {.word = name};

    if (!variable) {
        diags_add(diags, SEVERITY_ERROR, G_VARIABLE, at(work, offset),
                  "there is no variable '%.80s' in vars: of this file", name);
        for (size_t i = 0; work->scope && i < work->scope->n; i++)
            nearest_try(&near, work->scope->list[i].name);
        diags_nearest(diags, &near);
        return unknown(work);
    }
    if (variable->state == VARIABLE_BUSY || work->resolver->depth == VARIABLE_DEPTH_MAX) {
        diags_add(diags, SEVERITY_ERROR, G_VARIABLE_LOOP, at(work, offset),
                  variable->state == VARIABLE_BUSY ? "variable '%.80s' needs itself"
                                                   : "variable '%.80s' is nested too deeply",
                  name);
        return unknown(work);
    }
    if (variable->state == VARIABLE_NEW) {
        variable->state = VARIABLE_BUSY;
        work->resolver->depth++;
        variable->value = resolve(work->resolver, variable->scope, variable->value);
        work->resolver->depth--;
        variable->state = VARIABLE_DONE;
    }
    return variable->value;
}

static const struct yaml *
from_environment(const struct work *work, const char *name, const char *fallback, size_t offset)
{
    struct resolver *resolver = work->resolver;
    const char *value = getenv(name);
    struct yaml *node;

    if ((!value || !*value) && !fallback) {
        diags_add(resolver->diags, resolver->missing, G_ENVIRONMENT, at(work, offset),
                  "environment variable %.80s is not set", name);
        diags_hint(resolver->diags, "set it, or give a default: ${%.80s:-default}", name);
        return unknown(work);
    }
    node = yaml_text(resolver->arena, value && *value ? value : fallback, work->node->place);
    node->outside = value && *value;
    node->literal = true;
    return node;
}

/* Reads a small file without the blanks around its text. False with errno. */
static bool
read_secret(const char *path, char *buffer, size_t size)
{
    FILE *file = fopen(path, "rb");
    size_t n, from = 0;

    if (!file)
        return false;
    errno = 0;
    n = fread(buffer, 1, size, file);
    if (ferror(file) || n == size || memchr(buffer, 0, n)) {
        errno = errno ? errno : n == size ? EFBIG : EINVAL;
        fclose(file);
        return false;
    }
    fclose(file);
    while (n && isspace((unsigned char)buffer[n - 1]))
        n--;
    while (from < n && isspace((unsigned char)buffer[from]))
        from++;
    memmove(buffer, buffer + from, n - from);
    buffer[n - from] = '\0';
    return true;
}

static const struct yaml *
from_file(const struct work *work, const char *name, size_t offset)
{
    struct resolver *resolver = work->resolver;
    const char *path = yaml_path(resolver->arena, work->node, name);
    char *buffer = xmalloc(SECRET_MAX + 1);
    struct yaml *node;

    if (read_secret(path, buffer, SECRET_MAX + 1)) {
        log_hide(buffer);
        node = yaml_text(resolver->arena, buffer, work->node->place);
        node->secret = node->literal = true;
    } else {
        diags_add(resolver->diags, resolver->missing, G_SECRET_FILE, at(work, offset),
                  "cannot read the secret file '%.200s': %s", path, strerror(errno));
        diags_hint(resolver->diags, "a relative path counts from the folder of the graph file");
        node = unknown(work);
    }
    explicit_bzero(buffer, SECRET_MAX + 1);
    free(buffer);
    return node;
}

static bool
is_name(const char *text)
{
    if (!isalpha((unsigned char)*text) && *text != '_')
        return false;
    while (isalnum((unsigned char)*text) || *text == '_')
        text++;
    return *text == '\0';
}

/* The value of what stands between "${" and "}". */
static const struct yaml *
from_reference(const struct work *work, char *inner, size_t offset)
{
    struct diags *diags = work->resolver->diags;
    char *fallback;

    if (strncmp(inner, "vars.", 5) == 0)
        return from_vars(work, inner + 5, offset);
    if (strncmp(inner, "file:", 5) == 0 && inner[5])
        return from_file(work, inner + 5, offset);
    fallback = strstr(inner, ":-");
    if (fallback) {
        *fallback = '\0';
        fallback += 2;
    }
    if (is_name(inner))
        return from_environment(work, inner, fallback, offset);
    diags_add(diags, SEVERITY_ERROR, G_REFERENCE, at(work, offset), "'${%.80s}' is no reference",
              inner);
    diags_hint(diags, "write ${vars.NAME}, ${NAME}, ${NAME:-default} or ${file:PATH}; a plain "
                      "'${' is written '$${'");
    return unknown(work);
}

/* The next "${" that is not written "$${", from *s on; copies what is in front of it. */
static const char *
copy_plain(const char *s, hde_text *out)
{
    for (;;) {
        const char *dollar = strchr(s, '$');

        if (!dollar) {
            hde_text_puts(out, s);
            return NULL;
        }
        hde_text_put(out, s, (size_t)(dollar - s));
        if (dollar[1] == '{')
            return dollar;
        hde_text_puts(out, "$");
        s = dollar + 1;
        if (s[0] == '$' && s[1] == '{') {
            hde_text_puts(out, "{");
            s += 2;
        }
    }
}

static const struct yaml *
resolve_text(const struct work *work)
{
    struct resolver *resolver = work->resolver;
    const char *text = work->node->text, *s = text, *found;
    struct yaml *node = yaml_text(resolver->arena, "", work->node->place);
    hde_text out = {0};

    node->literal = true; /* what comes out is not looked into again */
    while ((found = copy_plain(s, &out))) {
        const char *end = strchr(found, '}');
        size_t offset = (size_t)(found - text);
        const struct yaml *piece;

        if (!end) {
            diags_add(resolver->diags, SEVERITY_ERROR, G_REFERENCE, at(work, offset),
                      "'${' without '}'");
            diags_hint(resolver->diags, "a plain '${' is written '$${'");
            node->kind = KIND_UNKNOWN;
            break;
        }
        piece = from_reference(
            work, arena_textn(resolver->arena, found + 2, (size_t)(end - found) - 2), offset);
        if (found == text && !end[1]) { /* nothing else: the value itself */
            hde_text_free(&out);
            return piece;
        }
        if (piece->kind == KIND_LIST || piece->kind == KIND_MAP)
            diags_add(resolver->diags, SEVERITY_ERROR, G_REFERENCE, at(work, offset),
                      "%s cannot be put into a text", yaml_kind_name(piece));
        if (piece->kind != KIND_TEXT && piece->kind != KIND_NULL)
            node->kind = KIND_UNKNOWN;
        else
            hde_text_puts(&out, piece->text);
        node->secret = node->secret || piece->secret;
        resolver->made += piece->kind == KIND_TEXT ? strlen(piece->text) : 0;
        if (out.len > YAML_SCALAR_MAX || resolver->made > TEXT_MADE_MAX) {
            diags_add(resolver->diags, SEVERITY_ERROR, G_SCALAR_LENGTH, work->node->place,
                      "with its variables filled in the text is too long");
            node->kind = KIND_UNKNOWN;
            break;
        }
        s = end + 1;
    }
    if (node->kind == KIND_TEXT)
        node->text = arena_text(resolver->arena, out.data ? out.data : "");
    hde_text_free(&out);
    return node;
}

static const struct yaml *
resolve_items(struct resolver *resolver, struct scope *scope, const struct yaml *node)
{
    struct yaml *copy = NULL;

    for (size_t i = 0; i < node->n; i++) {
        const struct yaml *item = resolve(resolver, scope, node->item[i]);

        if (item == node->item[i])
            continue;
        if (!copy) {
            copy = arena_alloc(resolver->arena, sizeof *copy);
            *copy = *node;
            copy->item = arena_alloc(resolver->arena, node->n * sizeof *copy->item);
            memcpy(copy->item, node->item, node->n * sizeof *copy->item);
        }
        copy->item[i] = (struct yaml *)item;
    }
    return copy ? copy : node;
}

const struct yaml *
resolve(struct resolver *resolver, struct scope *scope, const struct yaml *node)
{
    if (resolver->is_done)
        return node;
    if (node->kind == KIND_LIST || node->kind == KIND_MAP)
        return resolve_items(resolver, scope, node);
    if (node->kind != KIND_TEXT || node->literal || !strstr(node->text, "${"))
        return node;
    return resolve_text(&(struct work){resolver, scope, node});
}
