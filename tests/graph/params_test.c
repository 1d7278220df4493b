/* SPDX-License-Identifier: Apache-2.0
 * Parameters: every type at its limits, and what is said about values that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fake.h"
#include "graph/graph.h"

struct result {
    struct fake_params state;
    struct arena arena;
    struct diags diags;
    bool ok;
};

static struct result
fill(const char *text)
{
    struct result result = {0};

    result.ok = graph_fill_params(fake_operator("test/params"), text, &result.state, &result.arena,
                                  &result.diags);
    diags_sort(&result.diags);
    return result;
}

static void
done(struct result *result)
{
    diags_fini(&result->diags);
    arena_fini(&result->arena);
}

static void
test_defaults_are_read_as_if_they_were_written(void **unused)
{
    struct result r = fill("needed: x");

    assert_true(r.ok);
    assert_false(r.state.flag);
    assert_int_equal(r.state.count, 3);
    assert_true(r.state.factor == 1.5);
    assert_string_equal(r.state.mode, "mid");
    assert_null(r.state.label);
    assert_string_equal(r.state.needed, "x");
    assert_int_equal(r.state.window.ns, 5000000000);
    assert_int_equal(r.state.buffer.bytes, 65536);
    assert_true(r.state.share.value == 0.4);
    assert_null(r.state.file.path);
    assert_null(r.state.token.text);
    assert_int_equal(r.state.symbols.n, 2);
    assert_string_equal(r.state.symbols.item[1], "BANKNIFTY");
    assert_int_equal(r.state.headers.n, 0);
    assert_true(isnan(r.state.maybe));
    done(&r);
}

static void
test_a_line_and_lines_and_braces_say_the_same(void **unused)
{
    static const char *const texts[] = {
        "needed: a b, flag: true, count: 10, window: 1h, headers: {x: 1, y: 2}",
        "needed: a b\nflag: true\ncount: 10\nwindow: 1h\nheaders:\n  x: 1\n  y: 2\n",
        "{needed: a b, flag: true, count: 10, window: 1h, headers: {x: 1, y: 2}}",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct result r = fill(texts[i]);

        assert_true(r.ok);
        assert_string_equal(r.state.needed, "a b");
        assert_true(r.state.flag);
        assert_int_equal(r.state.count, 10);
        assert_int_equal(r.state.window.ns, 3600 * INT64_C(1000000000));
        assert_int_equal(r.state.headers.n, 2);
        assert_string_equal(r.state.headers.key[1], "y");
        assert_string_equal(r.state.headers.value[1], "2");
        done(&r);
    }
}

static void
test_values_at_the_limits_are_taken(void **unused)
{
    struct result r = fill("needed: '', count: 1, factor: -2e0, window: 100ms, buffer: 1MiB, "
                           "share: 100%, symbols: [], maybe: -1e-300");

    assert_true(r.ok);
    assert_string_equal(r.state.needed, "");
    assert_int_equal(r.state.count, 1);
    assert_true(r.state.factor == -2);
    assert_int_equal(r.state.window.ns, 100000000);
    assert_int_equal(r.state.buffer.bytes, 1 << 20);
    assert_true(r.state.share.value == 1);
    assert_int_equal(r.state.symbols.n, 0);
    assert_true(r.state.maybe == -1e-300);
    done(&r);
    r = fill("needed: x, window: 59m59.5s500ms, buffer: 1.5KiB, share: 0");
    assert_true(r.ok);
    assert_int_equal(r.state.window.ns, 3600 * INT64_C(1000000000));
    assert_int_equal(r.state.buffer.bytes, 1536);
    assert_true(r.state.share.value == 0);
    done(&r);
}

static const struct {
    const char *params, *code;
    unsigned column;
    const char *message, *nearest, *hint; /* parts; NULL: any */
} refused[] = {
    {"flag: yes", "HDE-G046", 7, "needs true or false, not 'yes'", NULL, "write true"},
    {"flag: Off", "HDE-G046", 7, NULL, NULL, "write false"},
    {"flag: 1", "HDE-G042", 7, NULL, NULL, NULL},
    {"count: 0", "HDE-G043", 8, "out of range", NULL, "1 to 10 strikes"},
    {"count: 11", "HDE-G043", 8, NULL, NULL, NULL},
    {"count: 99999999999999999999", "HDE-G043", 8, NULL, NULL, NULL},
    {"count: 2.5", "HDE-G042", 8, "whole number", NULL, NULL},
    {"count: 0x10", "HDE-G044", 8, NULL, NULL, NULL},
    {"count: 1_000", "HDE-G042", 8, NULL, NULL, NULL},
    {"count: 5s", "HDE-G044", 8, NULL, NULL, "write 5 alone, it counts strikes"},
    {"count: [1]", "HDE-G042", 8, "not a list", NULL, NULL},
    {"count: ~", "HDE-G042", 8, "not nothing", NULL, "leave the key out"},
    {"factor: NaN", "HDE-G042", 9, NULL, NULL, NULL},
    {"factor: .inf", "HDE-G042", 9, NULL, NULL, NULL},
    {"factor: 1e999", "HDE-G043", 9, NULL, NULL, "-2 to 2"},
    {"factor: 2.0000001", "HDE-G043", 9, NULL, NULL, NULL},
    {"factor: 40%", "HDE-G044", 9, NULL, NULL, "40% is 0.4"},
    {"mode: mdi", "HDE-G045", 7, "cannot be 'mdi'", "mid", "mid|last|auto"},
    {"mode: ''", "HDE-G045", 7, NULL, NULL, NULL},
    {"window: 5", "HDE-G044", 9, "has no unit", NULL, "5s"},
    {"window: 5 s", "HDE-G044", 9, NULL, NULL, NULL},
    {"window: 5min", "HDE-G044", 9, NULL, NULL, "ns us ms s m h d"},
    {"window: 50ms", "HDE-G043", 9, NULL, NULL, "0.1 to 3600s"},
    {"window: -1s", "HDE-G043", 9, NULL, NULL, NULL},
    {"window: 999999999d", "HDE-G043", 9, NULL, NULL, NULL},
    {"window: soon", "HDE-G042", 9, "needs a duration", NULL, "5s"},
    {"buffer: 64KB", "HDE-G044", 9, NULL, NULL, "KiB"},
    {"buffer: -1", "HDE-G042", 9, NULL, NULL, NULL},
    {"buffer: 2MiB", "HDE-G043", 9, NULL, NULL, NULL},
    {"share: 140%", "HDE-G043", 8, NULL, NULL, NULL},
    {"share: 40 %", "HDE-G044", 8, NULL, NULL, "40%"},
    {"symbols: NIFTY", "HDE-G042", 10, NULL, NULL, "[one, two]"},
    {"symbols: [a, [b]]", "HDE-G042", 14, NULL, NULL, NULL},
    {"headers: {a: {b: c}}", "HDE-G042", 14, NULL, NULL, NULL},
    {"headers: [a]", "HDE-G042", 10, NULL, NULL, NULL},
    {"windwo: 5s", "HDE-G040", 1, "has no parameter 'windwo'", "window", "parameters: flag"},
    {"count: ${HDE_TEST_UNSET}", "HDE-G005", 9, NULL, NULL, "in quotes"},
    {"count: \"${HDE_TEST_UNSET}\"", "HDE-G031", 9, NULL, NULL, ":-"},
    {"count: '${vars.x}'", "HDE-G030", 9, NULL, NULL, NULL},
    {"token: \"a${file:/nowhere/x}\"", "HDE-G032", 10, NULL, NULL, NULL},
};

static void
test_wrong_values_are_refused_with_code_and_place(void **unused)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char text[200];
        struct result r;
        const struct diag *diag;

        snprintf(text, sizeof text, "%s, needed: x", refused[i].params);
        r = fill(text);
        diag = r.diags.list;
        if (r.diags.n != 1 || strcmp(diag->code, refused[i].code) != 0 ||
            diag->place.column != refused[i].column || diag->place.line != 1)
            fail_msg("%s: %zu findings, %s at %u: %s", refused[i].params, r.diags.n,
                     r.diags.n ? diag->code : "", r.diags.n ? diag->place.column : 0,
                     r.diags.n ? diag->message : "");
        if (refused[i].message && !strstr(diag->message, refused[i].message))
            fail_msg("%s: message %s", refused[i].params, diag->message);
        if (refused[i].nearest &&
            (!diag->nearest || strcmp(diag->nearest, refused[i].nearest) != 0))
            fail_msg("%s: nearest %s", refused[i].params, diag->nearest ? diag->nearest : "none");
        if (refused[i].hint && (!diag->hint || !strstr(diag->hint, refused[i].hint)))
            fail_msg("%s: hint %s", refused[i].params, diag->hint ? diag->hint : "none");
        done(&r);
    }
}

static void
test_all_wrong_parameters_are_found_at_once(void **unused)
{
    struct result r = fill("count: 0\nflag: no\nmoed: mid\nwindow: 5\n");

    assert_false(r.ok);
    assert_int_equal(r.diags.n, 5);
    assert_int_equal(r.diags.errors, 5);
    assert_string_equal(r.diags.list[0].code, "HDE-G041"); /* needed */
    assert_string_equal(r.diags.list[1].code, "HDE-G043");
    assert_string_equal(r.diags.list[2].code, "HDE-G046");
    assert_string_equal(r.diags.list[3].code, "HDE-G040");
    assert_string_equal(r.diags.list[4].code, "HDE-G044");
    assert_int_equal(r.diags.list[4].place.line, 4);
    assert_string_equal(r.diags.list[4].source, "window: 5");
    done(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_read_as_if_they_were_written),
        cmocka_unit_test(test_a_line_and_lines_and_braces_say_the_same),
        cmocka_unit_test(test_values_at_the_limits_are_taken),
        cmocka_unit_test(test_wrong_values_are_refused_with_code_and_place),
        cmocka_unit_test(test_all_wrong_parameters_are_found_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
