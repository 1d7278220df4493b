/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/check.h"

#include "graph/value.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char code[] = "HDE-P012";

static size_t
word_length(const char *s)
{
    size_t n = 0;

    if (*s < 'a' || *s > 'z')
        return 0;
    while ((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= '0' && s[n] <= '9') || s[n] == '_')
        n++;
    return n;
}

static bool
is_word(const char *s)
{
    return s && word_length(s) && !s[word_length(s)];
}

bool
operator_name_is_valid(const char *name)
{
    size_t n = name ? word_length(name) : 0;

    return n && name[n] == '/' && is_word(name + n + 1);
}

static bool
is_line(const char *text)
{
    return text && *text && !strchr(text, '\n');
}

/* ---- Ports -------------------------------------------------------------------------------- */

static bool
check_types(const hde_operator *op, const hde_port *port, const char *kind, struct err *err)
{
    if (!port->types || !port->types[0])
        return err_set(err, code, "%s: %s '%s' has no message type: .types = HDE_TYPES(&...)",
                       op->name, kind, port->name);
    for (size_t i = 0; port->types[i]; i++) {
        if (port->types[i]->magic != PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC)
            return err_set(err, code, "%s: type %zu of %s '%s' is no message descriptor", op->name,
                           i, kind, port->name);
    }
    if (*kind == 'o' && port->types[1])
        return err_set(err, code, "%s: output '%s' has more than one message type", op->name,
                       port->name);
    return true;
}

static bool
check_ports(const hde_operator *op, const hde_port *ports, const char *kind, struct err *err)
{
    for (const hde_port *port = ports; port && port->name; port++) {
        if (!is_word(port->name))
            return err_set(err, code, "%s: '%s' is no name for an %s: use lower_case words",
                           op->name, port->name, kind);
        if (!check_types(op, port, kind, err))
            return false;
        for (const hde_port *other = ports; other < port; other++) {
            if (!strcmp(other->name, port->name))
                return err_set(err, code, "%s: %s '%s' is there twice", op->name, kind, port->name);
        }
    }
    return true;
}

/* ---- Parameters --------------------------------------------------------------------------- */

static const struct {
    size_t size, align;
    bool is_number;
} kinds[] = {
    [HDE_PARAM_BOOL] = {sizeof(bool), _Alignof(bool), false},
    [HDE_PARAM_INT] = {sizeof(int64_t), _Alignof(int64_t), true},
    [HDE_PARAM_REAL] = {sizeof(double), _Alignof(double), true},
    [HDE_PARAM_TEXT] = {sizeof(char *), _Alignof(char *), false},
    [HDE_PARAM_DURATION] = {sizeof(hde_duration), _Alignof(hde_duration), true},
    [HDE_PARAM_SIZE] = {sizeof(hde_size), _Alignof(hde_size), true},
    [HDE_PARAM_RATIO] = {sizeof(hde_ratio), _Alignof(hde_ratio), true},
    [HDE_PARAM_PATH] = {sizeof(hde_path), _Alignof(hde_path), false},
    [HDE_PARAM_SECRET] = {sizeof(hde_secret), _Alignof(hde_secret), false},
    [HDE_PARAM_LIST] = {sizeof(hde_list), _Alignof(hde_list), false},
    [HDE_PARAM_MAP] = {sizeof(hde_map), _Alignof(hde_map), false},
};

/* The number that a fallback stands for, in the unit of min and max. */
static enum value_fault
fallback_number(const hde_param *param, double *x)
{
    enum value_fault fault = VALUE_FORM;
    int64_t whole = 0;

    switch (param->type) {
    case HDE_PARAM_INT:
        fault = value_int(param->fallback, &whole);
        *x = (double)whole;
        break;
    case HDE_PARAM_DURATION:
        fault = value_duration(param->fallback, &whole);
        *x = (double)whole / 1e9;
        break;
    case HDE_PARAM_SIZE:
        fault = value_size(param->fallback, &whole);
        *x = (double)whole;
        break;
    case HDE_PARAM_RATIO:
        fault = value_ratio(param->fallback, x);
        break;
    case HDE_PARAM_REAL:
        fault = value_real(param->fallback, x);
        break;
    default:
        break;
    }
    return fault;
}

static bool
is_choice(const char *choices, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
        if (!strncmp(at, word, n) && (!at[n] || at[n] == '|'))
            return !strchr(word, '|');
    }
    return false;
}

static bool
check_fallback(const hde_operator *op, const hde_param *param, struct err *err)
{
    const char *fallback = param->fallback;
    bool flag, ok = true;
    double x;

    if (!fallback || !*fallback)
        return true;
    if (param->type == HDE_PARAM_BOOL)
        ok = value_bool(fallback, &flag) == VALUE_OK;
    else if (kinds[param->type].is_number)
        ok = fallback_number(param, &x) == VALUE_OK;
    else if (param->type == HDE_PARAM_LIST || param->type == HDE_PARAM_MAP)
        ok = *fallback == (param->type == HDE_PARAM_LIST ? '[' : '{');
    else if (param->choices)
        ok = is_choice(param->choices, fallback);
    if (!ok)
        return err_set(err, code,
                       "%s: fallback '%s' of parameter '%s' is not a value of its type%s%s",
                       op->name, fallback, param->name, param->choices ? ": " : "",
                       param->choices ? param->choices : "");
    if (kinds[param->type].is_number && (param->min != 0 || param->max != 0) &&
        !(x >= param->min && x <= param->max))
        return err_set(err, code, "%s: fallback '%s' of parameter '%s' is outside of %g to %g",
                       op->name, fallback, param->name, param->min, param->max);
    return true;
}

static bool
check_param(const hde_operator *op, const hde_param *param, struct err *err)
{
    if (!is_word(param->name))
        return err_set(err, code, "%s: '%s' is no name for a parameter: use lower_case words",
                       op->name, param->name);
    if ((unsigned)param->type < HDE_PARAM_BOOL || (unsigned)param->type > HDE_PARAM_MAP)
        return err_set(err, code, "%s: parameter '%s' has an unknown type", op->name, param->name);
    if (param->offset > op->state_size ||
        kinds[param->type].size > op->state_size - param->offset ||
        param->offset % kinds[param->type].align)
        return err_set(err, code,
                       "%s: parameter '%s' lies outside of the state (offset %zu, state_size %zu)",
                       op->name, param->name, param->offset, op->state_size);
    if (!(param->min <= param->max))
        return err_set(err, code, "%s: parameter '%s' has min %g above max %g", op->name,
                       param->name, param->min, param->max);
    if ((param->min != 0 || param->max != 0) && !kinds[param->type].is_number)
        return err_set(err, code, "%s: parameter '%s' has a range but is no number", op->name,
                       param->name);
    if (param->choices && param->type != HDE_PARAM_TEXT)
        return err_set(err, code, "%s: parameter '%s' has choices but is no text", op->name,
                       param->name);
    if (!is_line(param->help))
        return err_set(err, code, "%s: parameter '%s' has no line of help", op->name, param->name);
    for (const hde_param *other = op->params; other < param; other++) {
        if (!strcmp(other->name, param->name))
            return err_set(err, code, "%s: parameter '%s' is there twice", op->name, param->name);
    }
    return check_fallback(op, param, err);
}

/* ---- The whole ---------------------------------------------------------------------------- */

static bool
has(const hde_port *ports)
{
    return ports && ports->name;
}

static bool
has_list(const hde_operator *op, const char *name)
{
    for (const hde_param *param = op->params; param && param->name; param++)
        if (!strcmp(param->name, name))
            return param->type == HDE_PARAM_LIST;
    return false;
}

static bool
check_functions(const hde_operator *op, struct err *err)
{
    bool in = has(op->inputs), out = has(op->outputs);

    if (in && !op->batch)
        return err_set(err, code, "%s: has inputs but no batch()", op->name);
    if (op->batch == hde_each && (!op->each || !out))
        return err_set(err, code, "%s: batch is hde_each, so it needs each() and an output",
                       op->name);
    if (!in && out && !op->poll)
        return err_set(err, code, "%s: is a source (outputs, no inputs), so it needs poll()",
                       op->name);
    if (in && op->poll)
        return err_set(err, code, "%s: has inputs, so it cannot have poll()", op->name);
    if (!in && !out && !op->open) /* a service: a listening socket, say */
        return err_set(err, code, "%s: has no ports and no open(): it does nothing", op->name);
    if (op->flags & HDE_VIEW && out)
        return err_set(err, code, "%s: is a view (HDE_VIEW), so it cannot have outputs", op->name);
    if (op->flags & HDE_AT_MOST_ONCE && (out || op->mark))
        return err_set(err, code, "%s: is HDE_AT_MOST_ONCE, so it has neither outputs nor mark()",
                       op->name);
    if (op->flags & HDE_MORE_TYPES && !has_list(op, "types"))
        return err_set(err, code, "%s: has HDE_MORE_TYPES, so it needs a list called 'types'",
                       op->name);
    if ((!op->save != !op->load) || (op->save && !op->state_type))
        return err_set(err, code, "%s: save(), load() and state_type belong together", op->name);
    return true;
}

bool
operator_check(const hde_operator *op, struct err *err)
{
    if (!operator_name_is_valid(op->name))
        return err_set(err, code, "'%s' is no operator name: write folder/name in lower case",
                       op->name ? op->name : "");
    if (!is_line(op->summary))
        return err_set(err, code, "%s: has no summary of one line", op->name);
    if (!check_ports(op, op->inputs, "input", err) || !check_ports(op, op->outputs, "output", err))
        return false;
    for (const hde_param *param = op->params; param && param->name; param++) {
        if (!check_param(op, param, err))
            return false;
    }
    return check_functions(op, err);
}
