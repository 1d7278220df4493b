/* SPDX-License-Identifier: Apache-2.0
 * request_test - targets, traces, entity tags and nearest words: the pure parts. */
#include "check.h"
#include "router.h"

#include <string.h>

static void
test_a_target_is_taken_apart(void **state)
{
    static const char raw[] = "/v1/a%20b?x=1&y&&z=%C2%B1+2=3";
    struct problem problem = {0};
    static struct target target;

    assert_true(target_parse(&target, raw, sizeof raw - 1, &problem));
    assert_int_equal(target.n_segments, 2);
    assert_string_equal(target.segment[1], "a b");
    assert_int_equal(target.n_arguments, 3);
    assert_string_equal(target.argument[0].value, "1");
    assert_string_equal(target.argument[1].name, "y");
    assert_string_equal(target.argument[1].value, "");
    assert_string_equal(target.argument[2].value, "\xC2\xB1+2=3");
    problem_fini(&problem);
}

/* Every byte of a target replaced by every value: parts or a problem, nothing else. */
static void
test_every_byte_of_a_target_may_be_any_byte(void **state)
{
    static const char raw[] = "http://a/v1/sr/%4e?expiry=%6eext&strikes=atm%C2%B110";
    static struct target target;

    for (size_t i = 0; i < sizeof raw - 1; i++) {
        for (int byte = 0; byte < 256; byte++) {
            struct problem problem = {0};
            char changed[sizeof raw];
            bool good;

            memcpy(changed, raw, sizeof raw);
            changed[i] = (char)byte;
            good = target_parse(&target, changed, sizeof raw - 1, &problem);
            assert_int_equal(good, problem.status == 0);
            problem_fini(&problem);
        }
    }
}

static void
test_a_traceparent_is_taken_or_left(void **state)
{
    static const struct {
        const char *header;
        bool good;
    } cases[] = {
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true},
        {"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", true},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", false},
        {"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false},
        {"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false},
        {"00-00000000000000000000000000000000-00f067aa0ba902b7-01", false},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", false},
        {"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false},
        {"", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char id[33] = "";

        assert_int_equal(traceparent_parse(cases[i].header, id), cases[i].good);
        assert_string_equal(id, cases[i].good ? "4bf92f3577b34da6a3ce929d0e0e4736" : "");
    }
}

static void
test_entity_tags_match_whole(void **state)
{
    assert_true(etag_matches("\"abc\"", "\"abc\""));
    assert_true(etag_matches("\"x\", W/\"abc\" , \"y\"", "\"abc\""));
    assert_true(etag_matches("*", "\"abc\""));
    assert_false(etag_matches("\"abcd\"", "\"abc\""));
    assert_false(etag_matches("abc", "\"abc\""));
    assert_false(etag_matches(NULL, "\"abc\""));
    assert_false(etag_matches("*", ""));
}

static void
test_the_nearest_word_is_near(void **state)
{
    static const char *const words[] = {"BANKNIFTY", "NIFTY", "SENSEX"};

    assert_string_equal(nearest_word("NIFTI", words, 3), "NIFTY");
    assert_string_equal(nearest_word("bank nifty", words, 3), "BANKNIFTY");
    assert_null(nearest_word("GOLD", words, 3));
    assert_null(nearest_word("", words, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_target_is_taken_apart),
        cmocka_unit_test(test_every_byte_of_a_target_may_be_any_byte),
        cmocka_unit_test(test_a_traceparent_is_taken_or_left),
        cmocka_unit_test(test_entity_tags_match_whole),
        cmocka_unit_test(test_the_nearest_word_is_near),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
