/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/params.h"
#include "base/log.h"
#include "base/nearest.h"
#include "graph/codes.h"
#include "graph/graph.h"
#include "graph/value.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* One parameter while its value is read. */
struct fill {
    struct resolver *resolver;
    const hde_operator *op;
    const hde_param *param;
    const struct yaml *node; /* resolved */
    void *field;
};

static const struct {
    const char *name, *needs, *hint;
} types[] = {
    [HDE_PARAM_BOOL] = {"bool", "true or false", NULL},
    [HDE_PARAM_INT] = {"int", "a whole number", NULL},
    [HDE_PARAM_REAL] = {"real", "a number", NULL},
    [HDE_PARAM_TEXT] = {"text", "a text", NULL},
    [HDE_PARAM_DURATION] = {"duration", "a duration",
                            "write 250ms, 5s or 1h30m; units: ns us ms s m h d"},
    [HDE_PARAM_SIZE] = {"size", "a size", "write 512, 64KiB or 2MiB; units: B KiB MiB GiB TiB"},
    [HDE_PARAM_RATIO] = {"ratio", "a ratio", "write 0.4 or 40%"},
    [HDE_PARAM_PATH] = {"path", "a path", NULL},
    [HDE_PARAM_SECRET] = {"secret", "a text", "write ${file:PATH}"},
    [HDE_PARAM_LIST] = {"list", "a list of texts", "write [one, two]"},
    [HDE_PARAM_MAP] = {"map", "a flat mapping of texts", "write {name: value}"},
};

const char *
params_type_name(hde_param_type type)
{
    return types[type].name;
}

const hde_param *
params_find(const hde_operator *op, const char *name)
{
    for (const hde_param *param = op->params; param && param->name; param++)
        if (strcmp(param->name, name) == 0)
            return param;
    return NULL;
}

void
params_unknown(struct diags *diags, const hde_operator *op, struct place place, const char *code,
               const char *name)
{
    struct nearest near = {.word = name};
    hde_text list = {0};

    for (const hde_param *param = op->params; param && param->name; param++) {
        nearest_try(&near, param->name);
        hde_text_printf(&list, "%s%s", list.len ? ", " : "parameters: ", param->name);
    }
    diags_add(diags, SEVERITY_ERROR, code, place, "operator '%s' has no parameter '%.80s'",
              op->name, name);
    diags_nearest(diags, &near);
    diags_hint(diags, "%s", list.data ? list.data : "it has none at all");
    hde_text_free(&list);
}

/* ---- findings ------------------------------------------------------------------------------- */

static bool
refuse_type(const struct fill *fill)
{
    struct diags *diags = fill->resolver->diags;
    const hde_param *param = fill->param;

    diags_add(diags, SEVERITY_ERROR, G_PARAM_TYPE, fill->node->place,
              "parameter '%s' needs %s, not %s", param->name, types[param->type].needs,
              show(fill->resolver, fill->node));
    if (fill->node->kind == KIND_NULL)
        diags_hint(diags, "leave the key out to get the default");
    else if (types[param->type].hint)
        diags_hint(diags, "%s", types[param->type].hint);
    return false;
}

static bool
refuse_unit(const struct fill *fill)
{
    struct diags *diags = fill->resolver->diags;
    const hde_param *param = fill->param;
    const char *text = fill->node->text;
    const char *digits = "0123456789.-+";
    size_t number = strspn(text, digits);

    diags_add(diags, SEVERITY_ERROR, G_PARAM_UNIT, fill->node->place,
              text[number] ? "parameter '%s': %s does not have a unit of %ss"
                           : "parameter '%s': %s has no unit, it is a %s",
              param->name, show(fill->resolver, fill->node), types[param->type].name);
    if (types[param->type].hint)
        diags_hint(diags, "%s", types[param->type].hint);
    else if (!fill->node->secret)
        diags_hint(diags, "write %.*s alone%s%s%s", (int)number, text,
                   param->unit ? ", it counts " : "", param->unit ? param->unit : "",
                   strchr(text, '%') ? "; 40% is 0.4" : "");
    return false;
}

static bool
refuse_range(const struct fill *fill)
{
    const hde_param *param = fill->param;
    const char *unit = param->type == HDE_PARAM_DURATION ? "s" : param->unit ? param->unit : "";
    bool bounded = param->min != 0 || param->max != 0; /* NOLINT */

    diags_add(fill->resolver->diags, SEVERITY_ERROR, G_PARAM_RANGE, fill->node->place,
              "parameter '%s': %s is out of range", param->name, show(fill->resolver, fill->node));
    if (bounded && isfinite(param->max))
        diags_hint(fill->resolver->diags, "it may be %.15g to %.15g%s%s", param->min, param->max,
                   *unit && strcmp(unit, "s") != 0 ? " " : "", unit);
    else if (bounded)
        diags_hint(fill->resolver->diags, "it may be %.15g%s%s or more", param->min,
                   *unit && strcmp(unit, "s") != 0 ? " " : "", unit);
    return false;
}

static bool
refuse(const struct fill *fill, enum value_fault fault)
{
    return fault == VALUE_RANGE  ? refuse_range(fill)
           : fault == VALUE_UNIT ? refuse_unit(fill)
                                 : refuse_type(fill);
}

static bool
in_range(const hde_param *param, double value)
{
    return (param->min == 0 && param->max == 0) || (value >= param->min && value <= param->max);
}

/* ---- one function a type -------------------------------------------------------------------- */

static bool
fill_bool(const struct fill *fill)
{
    struct diags *diags = fill->resolver->diags;
    bool meant;

    if (value_bool(fill->node->text, fill->field) == VALUE_OK)
        return true;
    if (!value_is_bool_word(fill->node->text, &meant))
        return refuse_type(fill);
    diags_add(diags, SEVERITY_ERROR, G_BOOL_WORD, fill->node->place,
              "parameter '%s' needs true or false, not %s", fill->param->name,
              show(fill->resolver, fill->node));
    diags_hint(diags, "write %s", meant ? "true" : "false");
    return false;
}

static bool
fill_int(const struct fill *fill)
{
    int64_t value = 0;
    enum value_fault fault = value_int(fill->node->text, &value);

    if (fault || !in_range(fill->param, (double)value))
        return refuse(fill, fault ? fault : VALUE_RANGE);
    *(int64_t *)fill->field = value;
    return true;
}

static bool
fill_real(const struct fill *fill)
{
    double value = 0;
    bool ratio = fill->param->type == HDE_PARAM_RATIO;
    enum value_fault fault =
        ratio ? value_ratio(fill->node->text, &value) : value_real(fill->node->text, &value);

    if (fault || !in_range(fill->param, value))
        return refuse(fill, fault ? fault : VALUE_RANGE);
    *(double *)fill->field = value; /* hde_ratio is one double */
    return true;
}

static bool
fill_duration(const struct fill *fill)
{
    int64_t ns = 0;
    enum value_fault fault = value_duration(fill->node->text, &ns);

    if (!fault && (!in_range(fill->param, (double)ns / 1e9) || (ns < 0 && fill->param->min >= 0)))
        fault = VALUE_RANGE;
    if (fault)
        return refuse(fill, fault);
    ((hde_duration *)fill->field)->ns = ns;
    return true;
}

static bool
fill_size(const struct fill *fill)
{
    int64_t bytes = 0;
    enum value_fault fault = value_size(fill->node->text, &bytes);

    if (fault || !in_range(fill->param, (double)bytes))
        return refuse(fill, fault ? fault : VALUE_RANGE);
    ((hde_size *)fill->field)->bytes = bytes;
    return true;
}

static bool
is_choice(const char *choices, const char *text, struct nearest *near, struct arena *arena)
{
    while (choices) {
        size_t len = strcspn(choices, "|");
        const char *word = arena_textn(arena, choices, len);

        if (strcmp(word, text) == 0)
            return true;
        nearest_try(near, word);
        choices = choices[len] ? choices + len + 1 : NULL;
    }
    return false;
}

static bool
fill_text(const struct fill *fill)
{
    struct diags *diags = fill->resolver->diags;
    const hde_param *param = fill->param;
    struct nearest near = {.word = fill->node->text};

    if (param->choices &&
        !is_choice(param->choices, fill->node->text, &near, fill->resolver->arena)) {
        diags_add(diags, SEVERITY_ERROR, G_PARAM_CHOICE, fill->node->place,
                  "parameter '%s' cannot be %s", param->name, show(fill->resolver, fill->node));
        diags_nearest(diags, &near);
        diags_hint(diags, "choices: %s", param->choices);
        return false;
    }
    *(const char **)fill->field = arena_text(fill->resolver->arena, fill->node->text);
    return true;
}

static bool
fill_path(const struct fill *fill)
{
    struct arena *arena = fill->resolver->arena;
    const char *text = arena_text(arena, fill->node->text);

    ((hde_path *)fill->field)->path =
        strcmp(text, "-") == 0 ? text : yaml_path(arena, fill->node, text);
    return true;
}

static bool
fill_secret(const struct fill *fill)
{
    const struct yaml *node = fill->node;

    if (node->style != STYLE_NONE && node->place.line && node->place.file) {
        diags_add(fill->resolver->diags, SEVERITY_WARNING, G_PLAIN_SECRET, node->place,
                  "parameter '%s' is a secret that everybody can read here", fill->param->name);
        diags_hint(fill->resolver->diags, "put it into a file and write ${file:PATH}");
    }
    log_hide(node->text);
    ((hde_secret *)fill->field)->text = arena_text(fill->resolver->arena, node->text);
    return true;
}

/* The texts of a list or of one side of a mapping. */
static bool
take_texts(const struct fill *fill, struct yaml *const *items, const char ***out)
{
    size_t n = fill->node->n;
    const char **texts = arena_alloc(fill->resolver->arena, (n + 1) * sizeof *texts);
    bool ok = true;

    for (size_t i = 0; i < n; i++) {
        struct fill item = *fill;

        item.node = items[i];
        if (items[i]->kind == KIND_TEXT)
            texts[i] = arena_text(fill->resolver->arena, items[i]->text);
        else if (items[i]->kind == KIND_UNKNOWN)
            texts[i] = "";
        else
            ok = refuse_type(&item);
    }
    *out = texts;
    return ok;
}

static bool
fill_list(const struct fill *fill)
{
    const char **items;
    bool ok = take_texts(fill, fill->node->item, &items);

    *(hde_list *)fill->field = (hde_list){fill->node->n, items};
    return ok;
}

static bool
fill_map(const struct fill *fill)
{
    const char **keys, **values;
    bool ok = take_texts(fill, fill->node->key, &keys);

    ok = take_texts(fill, fill->node->item, &values) && ok;
    *(hde_map *)fill->field = (hde_map){fill->node->n, keys, values};
    return ok;
}

static void
fill_absent(const struct fill *fill)
{
    if (fill->param->type == HDE_PARAM_REAL || fill->param->type == HDE_PARAM_RATIO)
        *(double *)fill->field = NAN;
}

static bool
fill_one(const struct fill *fill)
{
    static bool (*const by_type[])(const struct fill *) = {
        [HDE_PARAM_BOOL] = fill_bool,         [HDE_PARAM_INT] = fill_int,
        [HDE_PARAM_REAL] = fill_real,         [HDE_PARAM_TEXT] = fill_text,
        [HDE_PARAM_DURATION] = fill_duration, [HDE_PARAM_SIZE] = fill_size,
        [HDE_PARAM_RATIO] = fill_real,        [HDE_PARAM_PATH] = fill_path,
        [HDE_PARAM_SECRET] = fill_secret,     [HDE_PARAM_LIST] = fill_list,
        [HDE_PARAM_MAP] = fill_map,
    };
    const hde_param *param = fill->param;
    enum yaml_kind wanted = param->type == HDE_PARAM_LIST  ? KIND_LIST
                            : param->type == HDE_PARAM_MAP ? KIND_MAP
                                                           : KIND_TEXT;
    bool optional = param->fallback && !*param->fallback;

    if (fill->node->kind == KIND_UNKNOWN)
        return true;
    if (fill->node->kind == KIND_TEXT && !*fill->node->text && optional) {
        fill_absent(fill);
        return true;
    }
    if (fill->node->kind != wanted)
        return refuse_type(fill);
    return by_type[param->type](fill);
}

/* The default as a node that stands where the node stands. */
static const struct yaml *
fallback_node(struct resolver *resolver, const hde_param *param, struct place place)
{
    bool nested = param->type == HDE_PARAM_LIST || param->type == HDE_PARAM_MAP;
    struct yaml *node = NULL;

    if (nested && *param->fallback)
        node = yaml_parse(param->fallback, strlen(param->fallback), (struct place){NULL, 0, 0},
                          false, resolver->arena, resolver->diags);
    if (!node)
        node = yaml_text(resolver->arena, param->fallback, place);
    node->place = place;
    return node;
}

static bool
missing(const struct resolver *resolver, const hde_operator *op, const hde_param *param,
        struct place place)
{
    diags_add(resolver->diags, SEVERITY_ERROR, G_PARAM_MISSING, place,
              "operator '%s' needs parameter '%s'", op->name, param->name);
    diags_hint(resolver->diags, "%s: %s%s%s", param->name, types[param->type].name,
               param->help ? ", " : "", param->help ? param->help : "");
    return false;
}

/* Remembers what a given value was resolved to. */
static void
keep_value(struct yaml *kept, const struct yaml *given, const struct yaml *resolved)
{
    for (size_t i = 0; kept && i < kept->n; i++)
        if (kept->item[i] == given)
            kept->item[i] = (struct yaml *)(uintptr_t)resolved;
}

static bool
fill_all(struct resolver *resolver, struct scope *scope, const hde_operator *op,
         struct place place, const struct yaml *map, struct yaml *kept, void *state)
{
    bool ok = true;

    for (size_t i = 0; map && i < map->n; i++)
        if (!params_find(op, map->key[i]->text)) {
            params_unknown(resolver->diags, op, map->key[i]->place, G_PARAM, map->key[i]->text);
            ok = false;
        }
    for (const hde_param *param = op->params; param && param->name; param++) {
        const struct yaml *given = map ? yaml_find(map, param->name) : NULL;
        struct fill fill = {resolver, op, param, NULL, (char *)state + param->offset};

        if (!given && !param->fallback) {
            ok = missing(resolver, op, param, place);
            continue;
        }
        fill.node = given ? resolve(resolver, scope, given) : fallback_node(resolver, param, place);
        keep_value(kept, given, fill.node);
        ok = fill_one(&fill) && ok;
    }
    return ok;
}

static struct yaml *
copy_map(struct arena *arena, const struct yaml *map)
{
    struct yaml *copy = arena_alloc(arena, sizeof *copy);

    *copy = *map;
    copy->item = arena_alloc(arena, (map->n + 1) * sizeof(struct yaml *));
    memcpy(copy->item, map->item, map->n * sizeof(struct yaml *));
    return copy;
}

bool
params_fill(struct resolver *resolver, struct scope *scope, const hde_operator *op,
            struct place place, const struct yaml *map, void *state, const struct yaml **resolved)
{
    struct yaml *kept = map ? copy_map(resolver->arena, map) : NULL;

    *resolved = kept;
    return fill_all(resolver, scope, op, place, map, kept, state);
}

/* The first error as one line, with its place and its hint. */
static void
first_error(const struct diags *diags, struct err *err)
{
    for (size_t i = 0; i < diags->n; i++) {
        const struct diag *diag = &diags->list[i];

        if (diag->severity != SEVERITY_ERROR)
            continue;
        err_set(err, diag->code, "%s:%u:%u: %s%s%s%s%s",
                diag->place.file ? diag->place.file : "command line", diag->place.line,
                diag->place.column, diag->message, diag->nearest ? "; did you mean '" : "",
                diag->nearest ? diag->nearest : "", diag->nearest ? "'? " : "; ",
                diag->hint ? diag->hint : "");
        return;
    }
}

bool
graph_refill_params(const struct graph_node *node, const hde_operator *op, void *state,
                    struct arena *arena, struct err *err)
{
    struct diags diags = {0};
    struct resolver resolver = {
        .arena = arena, .diags = &diags, .missing = SEVERITY_ERROR, .is_done = true};
    bool ok = fill_all(&resolver, NULL, op, node->place, node->values, NULL, state);

    if (!ok)
        first_error(&diags, err);
    diags_fini(&diags);
    return ok;
}

static void
write_value(const struct graph_node *node, const char *key, const struct yaml *value, hde_text *out)
{
    const hde_param *param = params_find(node->op, key);
    struct arena arena = {0};
    const char *text = value->text;

    switch (value->kind) {
    case KIND_TEXT:
        if (param && param->type == HDE_PARAM_PATH && *text && strcmp(text, "-") != 0)
            text = yaml_path(&arena, value, text);
        hde_json_string(out, text);
        break;
    case KIND_LIST:
    case KIND_MAP:
        hde_text_puts(out, value->kind == KIND_LIST ? "[" : "{");
        for (size_t i = 0; i < value->n; i++) {
            hde_text_puts(out, i ? ", " : "");
            if (value->kind == KIND_MAP) {
                hde_json_string(out, value->key[i]->text);
                hde_text_puts(out, ": ");
            }
            hde_json_string(out, value->item[i]->text);
        }
        hde_text_puts(out, value->kind == KIND_LIST ? "]" : "}");
        break;
    case KIND_NULL:
    case KIND_UNKNOWN:
        hde_text_puts(out, "null");
    }
    arena_fini(&arena);
}

void
graph_write_params(const struct graph_node *node, hde_text *out)
{
    const struct yaml *values = node->values;

    hde_text_puts(out, "{");
    for (size_t i = 0; values && i < values->n; i++) {
        hde_text_puts(out, i ? ", " : "");
        hde_json_string(out, values->key[i]->text);
        hde_text_puts(out, ": ");
        write_value(node, values->key[i]->text, values->item[i], out);
    }
    hde_text_puts(out, "}");
}

const char *
graph_given(const struct graph_node *node, size_t i, hde_text *value)
{
    const struct yaml *values = node->values;
    const hde_param *param;

    if (!values || i >= values->n)
        return NULL;
    param = params_find(node->op, values->key[i]->text);
    if (param && param->type == HDE_PARAM_SECRET)
        hde_text_puts(value, "\"\"");
    else
        write_value(node, values->key[i]->text, values->item[i], value);
    return values->key[i]->text;
}

bool
graph_give(struct graph_node *node, const char *values, struct arena *arena, struct err *err)
{
    struct place start = {NULL, 1, 1};
    struct diags diags = {0};
    void *state = arena_alloc(arena, node->op->state_size + 1);
    bool ok;

    node->values = yaml_parse(values, strlen(values), start, false, arena, &diags);
    ok = node->values != NULL;
    if (!ok)
        first_error(&diags, err);
    diags_fini(&diags);
    node->params = state;
    return ok && graph_refill_params(node, node->op, state, arena, err);
}

bool
graph_fill_params(const hde_operator *op, const char *yaml_text, void *state, struct arena *arena,
                  struct diags *diags)
{
    struct resolver resolver = {.arena = arena, .diags = diags, .missing = SEVERITY_ERROR};
    struct place start = {NULL, 1, 1};
    const char *text = yaml_text ? yaml_text + strspn(yaml_text, " \n") : "";
    bool lines = strchr(text, '\n') || *text == '{';
    struct yaml *map = NULL;

    if (*text) {
        text = lines ? yaml_text : text;
        diags_keep_source(diags, NULL, text, strlen(text));
        map = yaml_parse(text, strlen(text), start, !lines, arena, diags);
        if (!map)
            return false;
        if (map->kind != KIND_MAP) {
            diags_add(diags, SEVERITY_ERROR, G_KIND, start, "parameters are a mapping, not %s",
                      yaml_kind_name(map));
            return false;
        }
    }
    return fill_all(&resolver, NULL, op, start, map, NULL, state);
}
