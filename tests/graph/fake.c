/* SPDX-License-Identifier: Apache-2.0 */
#include "fake.h"

#include <hde/schemas/runtime.pb-c.h>
#include <string.h>

struct nothing {
    char unused;
};

static const hde_port sample_in[] = {{.name = "in", .types = HDE_TYPES(&hde__sample__descriptor)},
                                     {0}};
static const hde_port sample_out[] = {{.name = "out", .types = HDE_TYPES(&hde__sample__descriptor)},
                                      {0}};
static const hde_port table_out[] = {
    {.name = "out", .types = HDE_TYPES(&hde__state_table__descriptor)}, {0}};
static const hde_port any_in[] = {
    {.name = "in", .types = HDE_TYPES(&hde__sample__descriptor, &hde__state_table__descriptor)},
    {0}};
static const hde_port optional_in[] = {
    {.name = "in", .types = HDE_TYPES(&hde__sample__descriptor), .flags = HDE_PORT_OPTIONAL}, {0}};
static const hde_port two_in[] = {{.name = "left", .types = HDE_TYPES(&hde__sample__descriptor)},
                                  {.name = "right", .types = HDE_TYPES(&hde__sample__descriptor)},
                                  {0}};
static const hde_port two_out[] = {
    {.name = "out", .types = HDE_TYPES(&hde__sample__descriptor)},
    {.name = "late", .types = HDE_TYPES(&hde__state_table__descriptor)},
    {0}};

static const hde_port named_out[] = {
    {.name = "state_table", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};
static const hde_param type_params[] = {
    {.name = "types",
     .type = HDE_PARAM_LIST,
     .offset = offsetof(struct fake_params, symbols),
     .fallback = ""},
    {0}};

static const hde_param all_params[] = {
    HDE_PARAM(struct fake_params, flag, .fallback = "false"),
    HDE_PARAM(struct fake_params, count, .fallback = "3", .min = 1, .max = 10, .unit = "strikes"),
    HDE_PARAM(struct fake_params, factor, .fallback = "1.5", .min = -2, .max = 2),
    HDE_PARAM(struct fake_params, mode, .fallback = "mid", .choices = "mid|last|auto"),
    HDE_PARAM(struct fake_params, label, .fallback = ""),
    HDE_PARAM(struct fake_params, needed, .help = "what the test needs"),
    HDE_PARAM(struct fake_params, window, .fallback = "5s", .min = 0.1, .max = 3600),
    HDE_PARAM(struct fake_params, buffer, .fallback = "64KiB", .min = 1024, .max = 1 << 20),
    HDE_PARAM(struct fake_params, share, .fallback = "40%", .min = 0, .max = 1),
    HDE_PARAM(struct fake_params, file, .fallback = ""),
    HDE_PARAM(struct fake_params, token, .fallback = ""),
    HDE_PARAM(struct fake_params, symbols, .fallback = "[NIFTY, BANKNIFTY]"),
    HDE_PARAM(struct fake_params, headers, .fallback = ""),
    HDE_PARAM(struct fake_params, maybe, .fallback = ""),
    {0}};

static hde_status
fake_poll(hde_ctx *ctx, void *state)
{
    return HDE_END;
}

static hde_status
fake_seek(hde_ctx *ctx, void *state, uint32_t partition, const void *bytes, size_t size)
{
    return HDE_OK;
}

static hde_status
fake_event(hde_ctx *ctx, void *state, const hde_event *event)
{
    return HDE_OK;
}

static hde_status
fake_mark(hde_ctx *ctx, void *state, uint64_t *tick)
{
    return HDE_OK;
}

static const hde_operator operators[] = {
    {.name = "test/alone"},
    {.name = "test/any_sink", .inputs = any_in},
    {.name = "test/brings", .outputs = named_out, .params = type_params,
     .state_size = sizeof(struct fake_params), .flags = HDE_MORE_TYPES},
    {.name = "test/carries", .inputs = sample_in, .params = type_params,
     .state_size = sizeof(struct fake_params), .flags = HDE_MORE_TYPES},
    {.name = "test/casts", .inputs = sample_in, .flags = HDE_AT_MOST_ONCE},
    {.name = "test/filter", .inputs = sample_in, .outputs = sample_out},
    {.name = "test/idle", .inputs = optional_in},
    {.name = "test/impure", .inputs = sample_in, .outputs = sample_out, .flags = HDE_IMPURE,
     .event = fake_event},
    {.name = "test/later", .inputs = sample_in, .outputs = sample_out,
     .flags = HDE_IMPURE | HDE_ANSWERS_LATER, .event = fake_event},
    {.name = "test/asks", .inputs = sample_in, .outputs = sample_out, .flags = HDE_IMPURE},
    {.name = "test/join", .inputs = two_in, .outputs = sample_out},
    {.name = "test/marked", .inputs = sample_in, .mark = fake_mark},
    {.name = "test/once", .outputs = sample_out, .poll = fake_poll},
    {.name = "test/optional", .inputs = optional_in, .outputs = sample_out},
    {.name = "test/params", .params = all_params, .state_size = sizeof(struct fake_params)},
    {.name = "test/rewinds", .outputs = sample_out, .poll = fake_poll, .seek = fake_seek},
    {.name = "test/sink", .inputs = sample_in},
    {.name = "test/source", .outputs = sample_out},
    {.name = "test/split", .inputs = sample_in, .outputs = two_out},
    {.name = "test/table", .outputs = table_out},
    {.name = "test/view", .inputs = sample_in, .flags = HDE_VIEW},
    {.name = "test/writer", .inputs = sample_in, .flags = HDE_BLOCKING | HDE_EXCLUSIVE},
};

enum { N_OPERATORS = sizeof operators / sizeof *operators };

const hde_operator *
fake_operator(const char *name)
{
    for (size_t i = 0; i < N_OPERATORS; i++)
        if (strcmp(operators[i].name, name) == 0)
            return &operators[i];
    return NULL;
}

const struct registry_operator *
registry_at(const struct registry *registry, size_t i)
{
    static struct registry_operator list[N_OPERATORS];

    if (i >= N_OPERATORS)
        return NULL;
    list[i] = (struct registry_operator){&operators[i], "fake.so", ""};
    return &list[i];
}

size_t
registry_count(const struct registry *registry)
{
    return N_OPERATORS;
}

const struct registry_operator *
registry_find(const struct registry *registry, const char *name)
{
    for (size_t i = 0; i < N_OPERATORS; i++)
        if (strcmp(operators[i].name, name) == 0)
            return registry_at(registry, i);
    return NULL;
}

size_t
registry_problems(const struct registry *registry, const struct registry_problem **out)
{
    static const struct registry_problem problem = {
        .path = "plugins/broken-thing.so", .err = {.code = "HDE-P001", .text = "not an ELF file"}};

    *out = &problem;
    return 1;
}
