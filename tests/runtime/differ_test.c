/* SPDX-License-Identifier: Apache-2.0
 * differ_test - the first field in which two messages differ. */
#include "base/differ.h"

#include <hde/schemas/market.pb-c.h>
#include <hde/schemas/runtime.pb-c.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
assert_first(const ProtobufCMessage *a, const ProtobufCMessage *b, const char *path,
             const char *left, const char *right)
{
    hde_text at = {0}, l = {0}, r = {0};

    assert_true(differ_message(a, b, &at, &l, &r));
    hde_text_puts(&at, "");
    assert_string_equal(at.data, path);
    assert_string_equal(l.data, left);
    assert_string_equal(r.data, right);
    hde_text_free(&at);
    hde_text_free(&l);
    hde_text_free(&r);
}

static void
test_scalars_lists_and_absence_are_named(void **state)
{
    double values[] = {1, 2, NAN}, others[] = {1, 2.5, NAN};
    Hde__Sample a = HDE__SAMPLE__INIT, b = HDE__SAMPLE__INIT;
    hde_text text[3] = {{0}};

    a.has_value = b.has_value = true;
    a.value = b.value = 7;
    a.n_values = b.n_values = 3;
    a.values = b.values = values;
    assert_false(differ_message(&a.base, &b.base, &text[0], &text[1], &text[2]));
    assert_int_equal(text[0].len, 0);
    b.values = others;
    assert_first(&a.base, &b.base, "values[1]", "2", "2.5");
    b.n_values = 1;
    assert_first(&a.base, &b.base, "values", "3 entries", "1 entries");
    b.value = 8;
    assert_first(&a.base, &b.base, "value", "7", "8");
    b.has_value = false;
    assert_first(&a.base, &b.base, "value", "7", "absent");
    a.key = (char *)(uintptr_t)"x";
    assert_first(&a.base, &b.base, "key", "\"x\"", "absent");
    for (int i = 0; i < 3; i++)
        hde_text_free(&text[i]);
}

static void
test_fields_of_fields_have_a_path(void **state)
{
    Hde__EnrichedChain a = HDE__ENRICHED_CHAIN__INIT, b = HDE__ENRICHED_CHAIN__INIT;
    Hde__RawChain raw_a = HDE__RAW_CHAIN__INIT, raw_b = HDE__RAW_CHAIN__INIT;

    a.raw = &raw_a;
    assert_first(&a.base, &b.base, "raw", "present", "absent");
    b.raw = &raw_b;
    raw_a.has_spot = raw_b.has_spot = true;
    raw_a.spot = 1;
    raw_b.spot = 2;
    assert_first(&a.base, &b.base, "raw.spot", "1", "2");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars_lists_and_absence_are_named),
        cmocka_unit_test(test_fields_of_fields_have_a_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
