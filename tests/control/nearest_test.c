/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/nearest.h"

#include <limits.h>

static const char *
nearest_of(const char *word, const char *const *names)
{
    struct nearest near = {.word = word};

    for (; *names; names++)
        nearest_try(&near, *names);
    return near.best;
}

static void
typing_faults_find_the_name_that_was_meant(void **state)
{
    static const char *const names[] = {"chain", "clock", "clean", "forward", "id", NULL};

    assert_string_equal(nearest_of("chian", names), "chain");
    assert_string_equal(nearest_of("chain2", names), "chain");
    assert_string_equal(nearest_of("forwrd", names), "forward");
    assert_string_equal(nearest_of("forw", names), "forward");
    assert_string_equal(nearest_of("CLOCK", names), "clock");
    assert_string_equal(nearest_of("di", names), "id");
}

static void
a_word_that_is_like_nothing_has_no_nearest_name(void **state)
{
    static const char *const names[] = {"chain", "clock", NULL};

    assert_null(nearest_of("settlement", names));
    assert_null(nearest_of("", names));
    assert_null(nearest_of("z", names));
}

static void
distances_count_half_edits(void **state)
{
    assert_int_equal(nearest_distance("abc", "abc"), 0);
    assert_int_equal(nearest_distance("abc", "acb"), 2);
    assert_int_equal(nearest_distance("abc", "abC"), 1);
    assert_int_equal(nearest_distance("abc", ""), 6);
    assert_int_equal(nearest_distance("kitten", "sitting"), 6);
    assert_int_equal(nearest_distance("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                      "aaaa",
                                      "a"),
                     UINT_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(typing_faults_find_the_name_that_was_meant),
        cmocka_unit_test(a_word_that_is_like_nothing_has_no_nearest_name),
        cmocka_unit_test(distances_count_half_edits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
