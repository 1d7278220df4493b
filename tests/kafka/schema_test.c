/* SPDX-License-Identifier: Apache-2.0 */
#include "schema.h"

#include "check.h"

#include <hde/schemas/market.pb-c.h>
#include <hde/schemas/runtime.pb-c.h>

#include <stdlib.h>
#include <string.h>

static const char base[] =
    "t.M 1 optional:string feed\nt.M 2 repeated:double bid\nt.M 3 optional:t.K "
    "kind\nt.K 0 value NONE\nt.K 1 value CALL\n";

static char *
with(const char *more)
{
    hde_text text = {0};

    hde_text_printf(&text, "%s%s", base, more);
    return text.data;
}

static void
test_versions_go_together_where_lines_were_only_added(void **state)
{
    static const char *const added[] = {"", "t.M 4 optional:int64 oi\n", "t.K 2 value PUT\n",
                                        "t.M 4 optional:t.N more\nt.N 1 optional:bool yes\n"};
    char why[400];

    for (size_t i = 0; i < sizeof added / sizeof *added; i++) {
        char *next = with(added[i]);

        assert_true(schema_agrees(base, next, why, sizeof why)); /* an old reader */
        assert_true(schema_agrees(next, base, why, sizeof why)); /* a new one */
        free(next);
    }
}

static void
test_every_other_change_is_named_with_both_lines(void **state)
{
    static const struct {
        const char *ours, *theirs, *says;
    } rows[] = {
        {"t.M 1 optional:double spot\n", "t.M 1 optional:int64 spot\n", "optional:int64"},
        {"t.M 1 optional:double spot\n", "t.M 1 repeated:double spot\n", "repeated:double"},
        {"t.M 1 optional:double spot\n", "t.M 2 optional:double spot\n", "'spot = 2'"},
        {"t.M 2 optional:double spot\n", "t.M 1 optional:double spot\n", "'spot = 1'"},
        {"t.M 1 optional:double spot\n", "t.M 1 optional:double price\n", "'price = 1'"},
        {"t.M 1 optional:double a\nt.M 2 optional:double b\n",
         "t.M 1 optional:double a\nt.M 3 optional:double c\n", "removed"},
        {"t.M 1 optional:double a\n", "t.M 1 optional:double a\nt.M 2 required:double b\n",
         "added there"},
        {"t.M 1 optional:double a\nt.M 2 required:double b\n", "t.M 1 optional:double a\n",
         "added here"},
        {"t.K 1 value CALL\n", "t.K 2 value CALL\n", "'CALL = 2'"},
    };
    char why[400];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_false(schema_agrees(rows[i].ours, rows[i].theirs, why, sizeof why));
        if (!strstr(why, rows[i].says))
            fail_msg("row %zu says: %s", i, why);
    }
}

static void
test_the_text_of_a_type_has_all_that_it_contains(void **state)
{
    hde_text text = {0}, other = {0};
    char why[400];

    schema_text(&hde__raw_chain__descriptor, &text);
    assert_non_null(strstr(text.data, "hde.RawChain "));
    assert_true(schema_agrees(text.data, text.data, why, sizeof why));
    schema_text(&hde__sample__descriptor, &other);
    assert_string_not_equal(text.data, other.data);
    assert_true(schema_hash(&hde__raw_chain__descriptor) != schema_hash(&hde__sample__descriptor));
    assert_true(schema_hash(&hde__sample__descriptor) == schema_hash(&hde__sample__descriptor));
    hde_text_free(&text);
    hde_text_free(&other);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions_go_together_where_lines_were_only_added),
        cmocka_unit_test(test_every_other_change_is_named_with_both_lines),
        cmocka_unit_test(test_the_text_of_a_type_has_all_that_it_contains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
