/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/describe.h"

#include "base/wrap.h"
#include "graph/params.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    unsigned bit;
    const char *name, *meaning;
} flags[] = {
    {HDE_BLOCKING, "blocking", "waits for the world: every instance has a thread of its own"},
    {HDE_EXCLUSIVE, "exclusive", "two instances cannot live at once"},
    {HDE_PROCESSING_TIMERS, "processing-timers", "has timers in processing time"},
    {HDE_IMPURE, "impure", "its answers come from outside and enter the log like a source's"},
    {HDE_VIEW, "view", "only shows: outside of order, log and epochs"},
    {HDE_LIVE_ONLY, "live-only", "talks to a live service: refused by replay"},
    {HDE_KEYED_STATE, "keyed-state", "its state follows its keys when replicas change"},
    {HDE_AT_MOST_ONCE, "at-most-once", "lets go of what nobody takes now, and gets nothing twice"},
    {HDE_ANSWERS_LATER, "answers-later", "says which question each of its answers belongs to"},
    {HDE_MORE_TYPES, "more-types", "carries the message types of other plugins that 'types' names"},
};
enum { N_FLAGS = sizeof flags / sizeof *flags };

static const char *
kind_of(const hde_operator *op)
{
    if (!op->inputs || !op->inputs->name)
        return "source";
    if (op->flags & HDE_VIEW)
        return "view";
    return op->outputs && op->outputs->name ? "operator" : "sink";
}

static bool
is_input(const hde_operator *op, const hde_port *port)
{
    for (const hde_port *in = op->inputs; in && in->name; in++) {
        if (in == port)
            return true;
    }
    return false;
}

static void
put_types(hde_text *out, const hde_port *port, const char *between)
{
    for (size_t i = 0; port->types[i]; i++) {
        hde_text_puts(out, i ? between : "");
        hde_text_puts(out, port->types[i]->name);
    }
}

/* "5s", "none", "required" */
static void
put_fallback(hde_text *out, const hde_param *param)
{
    if (!param->fallback)
        hde_text_puts(out, "required");
    else if (!*param->fallback)
        hde_text_puts(out, "none");
    else
        hde_text_puts(out, param->type == HDE_PARAM_SECRET ? "***" : param->fallback);
}

static bool
has_range(const hde_param *param)
{
    return param->min != 0 || param->max != 0;
}

static void
put_bound(hde_text *out, const hde_param *param, double x)
{
    if (param->type == HDE_PARAM_DURATION)
        hde_text_printf(out, "%.15gs", x);
    else
        hde_text_printf(out, "%.15g", x);
}

/* "1 to 10 strikes", "mid, last or auto", "points", "" */
static void
put_values(hde_text *out, const hde_param *param)
{
    if (param->choices) {
        for (const char *at = param->choices; *at; at++)
            hde_text_put(out, *at == '|' ? ", " : at, *at == '|' ? 2 : 1);
        return;
    }
    if (has_range(param)) {
        if (isinf(param->max)) {
            hde_text_puts(out, "from ");
            put_bound(out, param, param->min);
        } else if (isinf(param->min)) {
            hde_text_puts(out, "up to ");
            put_bound(out, param, param->max);
        } else {
            put_bound(out, param, param->min);
            hde_text_puts(out, " to ");
            put_bound(out, param, param->max);
        }
    }
    if (param->unit)
        hde_text_printf(out, "%s%s", has_range(param) ? " " : "", param->unit);
}

/* ---- Text --------------------------------------------------------------------------------- */

static void
text_ports(hde_text *out, const char *title, const hde_operator *op, const hde_port *ports)
{
    if (!ports || !ports->name)
        return;
    hde_text_printf(out, "\n%s\n", title);
    for (; ports->name; ports++) {
        hde_text_printf(out, "  %-18s", ports->name);
        put_types(out, ports, " or ");
        if (ports->flags & HDE_PORT_OPTIONAL && is_input(op, ports))
            hde_text_puts(out, " (optional)");
        hde_text_puts(out, "\n");
        if (ports->help && *ports->help)
            wrap_words(out, ports->help, strlen(ports->help), 20, 0);
    }
}

static void
text_params(hde_text *out, const hde_param *params)
{
    if (!params || !params->name)
        return;
    hde_text_puts(out, "\nParameters\n");
    for (; params->name; params++) {
        hde_text values = {0};

        hde_text_printf(out, "  %-18s%s", params->name, params_type_name(params->type));
        hde_text_puts(out, params->fallback && *params->fallback ? ", default " : ", ");
        put_fallback(out, params);
        put_values(&values, params);
        if (values.len)
            hde_text_printf(out, "; %s", values.data);
        if (params->flags & HDE_PARAM_LIVE)
            hde_text_puts(out, "; may change while it runs");
        hde_text_puts(out, "\n");
        wrap_words(out, params->help, strlen(params->help), 20, 0);
        hde_text_free(&values);
    }
}

/* A node as a graph file has it, with the parameters that must be there. */
static void
put_node(hde_text *out, const hde_operator *op)
{
    size_t n = 0;

    hde_text_printf(out, "%s: {op: %s", strrchr(op->name, '/') + 1, op->name);
    for (const hde_param *param = op->params; param && param->name; param++) {
        if (!param->fallback)
            hde_text_printf(out, "%s%s: ...", n++ ? ", " : ", params: {", param->name);
    }
    hde_text_puts(out, n ? "}}" : "}");
}

void
describe_text(const struct registry_operator *operator, hde_text * out)
{
    const hde_operator *op = operator->op;

    hde_text_printf(out, "%s (%s)\n", op->name, kind_of(op));
    wrap_words(out, op->summary, strlen(op->summary), 2, 0);
    if (op->help) {
        hde_text_puts(out, "\n");
        for (const char *at = op->help; *at;) { /* the author's lines, indented */
            size_t n = strcspn(at, "\n");

            hde_text_printf(out, "%s%.*s\n", n ? "  " : "", (int)n, at);
            at += n + (at[n] == '\n');
        }
    }
    text_ports(out, "Inputs", op, op->inputs);
    text_ports(out, "Outputs", op, op->outputs);
    text_params(out, op->params);
    if (op->flags)
        hde_text_puts(out, "\nFlags\n");
    for (size_t i = 0; i < N_FLAGS; i++) {
        if (op->flags & flags[i].bit)
            hde_text_printf(out, "  %-18s%s\n", flags[i].name, flags[i].meaning);
    }
    if (op->state_type)
        hde_text_printf(out, "\nState\n  %s, schema %u\n", op->state_type->name, op->state_schema);
    hde_text_puts(out, "\nIn a graph\n  ");
    put_node(out, op);
    hde_text_printf(out, "\n\nPlugin\n  %s\n", operator->path);
    if (*operator->build_id)
        hde_text_printf(out, "  build %s\n", operator->build_id);
}

static size_t
folder_length(const char *name)
{
    return strcspn(name, "/");
}

static bool
is_first_of_folder(const struct registry *registry, size_t i)
{
    const char *name = registry_at(registry, i)->op->name;
    size_t n = folder_length(name) + 1;

    return !i || strncmp(registry_at(registry, i - 1)->op->name, name, n) != 0;
}

void
describe_list(const struct registry *registry, hde_text *out)
{
    for (size_t i = 0; i < registry_count(registry); i++) {
        const hde_operator *op = registry_at(registry, i)->op;

        if (is_first_of_folder(registry, i))
            hde_text_printf(out, "%s%.*s/\n", i ? "\n" : "", (int)folder_length(op->name),
                            op->name);
        hde_text_printf(out, "  %-24s", strchr(op->name, '/') + 1);
        wrap_words(out, op->summary, strlen(op->summary), 26, 26);
    }
}

/* ---- Markdown ----------------------------------------------------------------------------- */

/* Text for a table cell: no bars, no line breaks. */
static void
put_cell(hde_text *out, const char *text)
{
    for (; text && *text; text++) {
        if (*text == '|')
            hde_text_puts(out, "\\|");
        else
            hde_text_put(out, *text == '\n' ? " " : text, 1);
    }
}

static void
markdown_ports(hde_text *out, const char *kind, const hde_operator *op, const hde_port *ports)
{
    for (; ports && ports->name; ports++) {
        hde_text_printf(out, "| %s | `%s` | ", kind, ports->name);
        put_types(out, ports, " or ");
        hde_text_puts(out, " | ");
        if (ports->flags & HDE_PORT_OPTIONAL && is_input(op, ports))
            hde_text_puts(out, "Optional. ");
        put_cell(out, ports->help);
        hde_text_puts(out, " |\n");
    }
}

static void
markdown_params(hde_text *out, const hde_param *params)
{
    if (!params || !params->name)
        return;
    hde_text_puts(out,
                  "\n| parameter | type | default | values | |\n| --- | --- | --- | --- | --- |\n");
    for (; params->name; params++) {
        hde_text values = {0};

        hde_text_printf(out, "| `%s` | %s | ", params->name, params_type_name(params->type));
        put_fallback(out, params);
        hde_text_puts(out, " | ");
        put_values(&values, params);
        put_cell(out, values.data);
        hde_text_puts(out, " | ");
        put_cell(out, params->help);
        hde_text_puts(out, params->flags & HDE_PARAM_LIVE ? " (live) |\n" : " |\n");
        hde_text_free(&values);
    }
}

void
describe_markdown(const struct registry_operator *operator, hde_text * out)
{
    const hde_operator *op = operator->op;

    hde_text_printf(out, "### `%s`\n\n%s.", op->name, op->summary);
    for (size_t i = 0; i < N_FLAGS; i++) {
        if (op->flags & flags[i].bit)
            hde_text_printf(out, " _%s_: %s.", flags[i].name, flags[i].meaning);
    }
    hde_text_puts(out, "\n");
    if (op->help)
        hde_text_printf(out, "\n%s\n", op->help);
    hde_text_puts(out, "\n| port | | type | |\n| --- | --- | --- | --- |\n");
    markdown_ports(out, "in", op, op->inputs);
    markdown_ports(out, "out", op, op->outputs);
    markdown_params(out, op->params);
    hde_text_puts(out, "\n```yaml\n");
    put_node(out, op);
    hde_text_puts(out, "\n```\n");
}

void
describe_list_markdown(const struct registry *registry, hde_text *out)
{
    hde_text_puts(out,
                  "# Operators\n\nPrinted by `hde describe --markdown` from the operators' own "
                  "tables.\n");
    for (size_t i = 0; i < registry_count(registry); i++) {
        const char *name = registry_at(registry, i)->op->name;

        if (is_first_of_folder(registry, i))
            hde_text_printf(out, "\n## %.*s\n", (int)folder_length(name), name);
        hde_text_puts(out, "\n");
        describe_markdown(registry_at(registry, i), out);
    }
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void
json_pair(hde_text *out, const char *name, const char *value)
{
    hde_text_printf(out, ",\"%s\":", name);
    hde_json_string(out, value);
}

static void
json_ports(hde_text *out, const char *title, const hde_port *ports)
{
    hde_text_printf(out, ",\"%s\":[", title);
    for (size_t i = 0; ports && ports[i].name; i++) {
        hde_text_puts(out, i ? ",{\"name\":" : "{\"name\":");
        hde_json_string(out, ports[i].name);
        hde_text_puts(out, ",\"types\":[");
        for (size_t j = 0; ports[i].types[j]; j++) {
            hde_text_puts(out, j ? "," : "");
            hde_json_string(out, ports[i].types[j]->name);
        }
        hde_text_printf(out, "],\"optional\":%s",
                        ports[i].flags & HDE_PORT_OPTIONAL ? "true" : "false");
        json_pair(out, "help", ports[i].help);
        hde_text_puts(out, "}");
    }
    hde_text_puts(out, "]");
}

static void
json_choices(hde_text *out, const char *choices)
{
    hde_text_puts(out, ",\"choices\":[\"");
    for (; *choices; choices++)
        hde_text_put(out, *choices == '|' ? "\",\"" : choices, *choices == '|' ? 3 : 1);
    hde_text_puts(out, "\"]");
}

static void
json_params(hde_text *out, const hde_param *params)
{
    hde_text_puts(out, ",\"params\":[");
    for (size_t i = 0; params && params[i].name; i++) {
        const hde_param *param = &params[i];

        hde_text_puts(out, i ? ",{\"name\":" : "{\"name\":");
        hde_json_string(out, param->name);
        json_pair(out, "type", params_type_name(param->type));
        hde_text_printf(out, ",\"required\":%s", param->fallback ? "false" : "true");
        if (param->fallback && param->type != HDE_PARAM_SECRET)
            json_pair(out, "default", param->fallback);
        if (param->unit)
            json_pair(out, "unit", param->unit);
        if (has_range(param)) {
            hde_text_puts(out, ",\"min\":");
            hde_json_number(out, param->min);
            hde_text_puts(out, ",\"max\":");
            hde_json_number(out, param->max);
        }
        if (param->choices)
            json_choices(out, param->choices);
        hde_text_printf(out, ",\"live\":%s", param->flags & HDE_PARAM_LIVE ? "true" : "false");
        json_pair(out, "help", param->help);
        hde_text_puts(out, "}");
    }
    hde_text_puts(out, "]");
}

void
describe_json(const struct registry_operator *operator, hde_text * out)
{
    const hde_operator *op = operator->op;
    const char *between = "";

    hde_text_puts(out, "{\"name\":");
    hde_json_string(out, op->name);
    json_pair(out, "kind", kind_of(op));
    json_pair(out, "summary", op->summary);
    if (op->help)
        json_pair(out, "help", op->help);
    hde_text_puts(out, ",\"flags\":[");
    for (size_t i = 0; i < N_FLAGS; i++) {
        if (!(op->flags & flags[i].bit))
            continue;
        hde_text_puts(out, between);
        hde_json_string(out, flags[i].name);
        between = ",";
    }
    hde_text_puts(out, "]");
    json_ports(out, "inputs", op->inputs);
    json_ports(out, "outputs", op->outputs);
    json_params(out, op->params);
    if (op->state_type)
        hde_text_printf(out, ",\"state\":{\"type\":\"%s\",\"schema\":%u}", op->state_type->name,
                        op->state_schema);
    json_pair(out, "path", operator->path);
    json_pair(out, "build_id", operator->build_id);
    hde_text_puts(out, "}");
}

void
describe_list_json(const struct registry *registry, hde_text *out)
{
    hde_text_puts(out, "[");
    for (size_t i = 0; i < registry_count(registry); i++) {
        hde_text_puts(out, i ? "," : "");
        describe_json(registry_at(registry, i), out);
    }
    hde_text_puts(out, "]\n");
}
