/* SPDX-License-Identifier: Apache-2.0
 * check_test - every fault of an operator's table is found before the runtime trusts it. */
#include "check.h"

#include "plugin/check.h"

#include <hde/schemas/runtime.pb-c.h>
#include <string.h>

struct state {
    int64_t n;
    double x;
    const char *mode;
    hde_duration every;
    hde_list list;
};

static hde_status
batch(hde_ctx *ctx, void *state, hde_batch *in)
{
    return HDE_OK;
}

static hde_status
poll(hde_ctx *ctx, void *state)
{
    return HDE_END;
}

static hde_status
save(hde_ctx *ctx, const void *state, hde_msg *out)
{
    return HDE_OK;
}

#define SAMPLE HDE_TYPES(&hde__sample__descriptor)
#define PORTS(...)                                                                                 \
    (const hde_port[])                                                                             \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define PARAMS(...)                                                                                \
    (const hde_param[])                                                                            \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define GOOD                                                                                       \
    .size = sizeof(hde_operator), .name = "t/good", .summary = "good",                             \
    .inputs = PORTS({"in", SAMPLE, 0, "in"}), .outputs = PORTS({"out", SAMPLE, 0, "out"}),         \
    .state_size = sizeof(struct state), .batch = batch
#define PARAM(field, ...) HDE_PARAM(struct state, field, .help = "h", __VA_ARGS__)

static const hde_operator sound[] = {
    {GOOD},
    {GOOD, .params = PARAMS(PARAM(n, .fallback = "3", .min = 1, .max = 5), PARAM(x, .fallback = ""),
                            PARAM(mode, .choices = "a|b"),
                            PARAM(every, .fallback = "1h30m", .min = 1, .max = 86400))},
    {.size = sizeof(hde_operator),
     .name = "t/source_2",
     .summary = "s",
     .outputs = PORTS({"out", SAMPLE, 0, "o"}),
     .poll = poll},
};

static void
a_sound_operator_passes(void **state)
{
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        struct err err = {0};

        if (!operator_check(&sound[i], &err))
            fail_msg("row %zu: %s", i, err.text);
    }
}

/* A later initialiser of a field overrides the earlier one, so each row is the good operator with
 * one fault. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Woverride-init"
#pragma GCC diagnostic ignored "-Winitializer-overrides"
static const ProtobufCMessageDescriptor no_descriptor = {.magic = 1};
static const struct {
    hde_operator op;
    const char *text;
} faults[] = {
    {{GOOD, .name = NULL}, "is no operator name"},
    {{GOOD, .name = "pcr"}, "'pcr' is no operator name: write folder/name"},
    {{GOOD, .name = "a/b/c"}, "is no operator name"},
    {{GOOD, .name = "A/b"}, "is no operator name"},
    {{GOOD, .name = "a/1b"}, "is no operator name"},
    {{GOOD, .summary = NULL}, "t/good: has no summary"},
    {{GOOD, .summary = "two\nlines"}, "has no summary of one line"},
    {{GOOD, .inputs = PORTS({"In", SAMPLE, 0, ""})}, "'In' is no name for an input"},
    {{GOOD, .inputs = PORTS({"in", NULL, 0, ""})}, "input 'in' has no message type"},
    {{GOOD, .inputs = PORTS({"in", HDE_TYPES(NULL), 0, ""})}, "input 'in' has no message type"},
    {{GOOD, .inputs = PORTS({"in", HDE_TYPES(&no_descriptor), 0, ""})}, "is no message descriptor"},
    {{GOOD, .inputs = PORTS({"in", SAMPLE, 0, ""}, {"in", SAMPLE, 0, ""})},
     "input 'in' is there twice"},
    {{GOOD, .outputs = PORTS(
                {"out", HDE_TYPES(&hde__sample__descriptor, &hde__frame__descriptor), 0, ""})},
     "output 'out' has more than one message type"},
    {{GOOD, .params = PARAMS(PARAM(n, .flags = 0), PARAM(n, .flags = 0))},
     "parameter 'n' is there twice"},
    {{GOOD, .state_size = 4, .params = PARAMS(PARAM(n, .flags = 0))},
     "'n' lies outside of the state"},
    {{GOOD, .params = PARAMS({.name = "n", .type = 99, .help = "h"})}, "unknown type"},
    {{GOOD, .params = PARAMS({.name = "n", .type = HDE_PARAM_INT, .offset = 3, .help = "h"})},
     "lies outside of the state"},
    {{GOOD, .params = PARAMS(PARAM(n, .min = 5, .max = 1))}, "min 5 above max 1"},
    {{GOOD, .params = PARAMS(PARAM(n, .fallback = "x"))}, "fallback 'x' of parameter 'n'"},
    {{GOOD, .params = PARAMS(PARAM(n, .fallback = "9", .min = 1, .max = 5))},
     "fallback '9' of parameter 'n' is outside of 1 to 5"},
    {{GOOD, .params = PARAMS(PARAM(every, .fallback = "5"))}, "fallback '5' of parameter 'every'"},
    {{GOOD, .params = PARAMS(PARAM(every, .fallback = "2h", .min = 1, .max = 3600))},
     "outside of 1 to 3600"},
    {{GOOD, .params = PARAMS(PARAM(mode, .fallback = "c", .choices = "a|b"))}, "a|b"},
    {{GOOD, .params = PARAMS(PARAM(mode, .fallback = "a|b", .choices = "a|b"))}, "a|b"},
    {{GOOD, .params = PARAMS(PARAM(list, .fallback = "a"))}, "fallback 'a' of parameter 'list'"},
    {{GOOD, .params = PARAMS(PARAM(mode, .max = 3))}, "has a range but is no number"},
    {{GOOD, .params = PARAMS(PARAM(n, .choices = "1|2"))}, "has choices but is no text"},
    {{GOOD, .params = PARAMS(HDE_PARAM(struct state, n, .fallback = "1"))}, "no line of help"},
    {{GOOD, .batch = NULL}, "has inputs but no batch()"},
    {{GOOD, .batch = hde_each}, "batch is hde_each, so it needs each() and an output"},
    {{GOOD, .poll = poll}, "cannot have poll()"},
    {{GOOD, .inputs = NULL}, "needs poll()"},
    {{GOOD, .inputs = NULL, .outputs = NULL}, "it does nothing"},
    {{GOOD, .flags = HDE_VIEW}, "is a view"},
    {{GOOD, .save = save}, "belong together"},
};
#pragma GCC diagnostic pop

static void
every_fault_is_named(void **state)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct err err = {0};

        assert_false(operator_check(&faults[i].op, &err));
        assert_string_equal(err.code, "HDE-P012");
        if (!strstr(err.text, faults[i].text))
            fail_msg("row %zu: wanted '%s', got '%s'", i, faults[i].text, err.text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_operator_passes),
        cmocka_unit_test(every_fault_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
