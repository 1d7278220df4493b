/* SPDX-License-Identifier: Apache-2.0
 * log_test - lines, folding of repeats, secrets. */
#include "check.h"

#include "base/clock.h"
#include "base/log.h"

#include <hde/text.h>
#include <stdio.h>
#include <string.h>

static hde_text lines; /* what was written, one line each */
static int64_t now_ns;

static void
sink(void *arg, const char *line, size_t len)
{
    hde_text_put(&lines, line, len);
    hde_text_put(&lines, "\n", 1);
}

static int64_t
clock_of_test(void)
{
    return now_ns;
}

static int
setup(void **state)
{
    log_flush();
    hde_text_clear(&lines);
    log_set_format(LOG_LOGFMT);
    now_ns = 1787119020123456789;
    return 0;
}

static void
a_line_has_time_level_graph_node_event_and_text(void **state)
{
    log_line(LEVEL_WARN, "demo", "dhan", "dhan.http-status", "status %d", 503);
    assert_string_equal(lines.data, "ts=2026-08-19T05:57:00.123Z level=warn graph=demo node=dhan "
                                    "event=dhan.http-status text=\"status 503\"\n");
}

static void
values_with_blanks_quotes_or_line_breaks_are_quoted(void **state)
{
    log_line(LEVEL_INFO, NULL, "a b", "x.y", "say \"no\"\nnode=other");
    assert_string_equal(lines.data, "ts=2026-08-19T05:57:00.123Z level=info node=\"a b\" event=x.y "
                                    "text=\"say \\\"no\\\"\\nnode=other\"\n");
}

static void
json_lines_have_the_same_fields(void **state)
{
    log_set_format(LOG_JSON);
    log_line(LEVEL_ERROR, "demo", "pcr", "pcr.bad", "a \"b\"");
    assert_string_equal(lines.data, "{\"ts\":\"2026-08-19T05:57:00.123Z\",\"level\":\"error\","
                                    "\"graph\":\"demo\",\"node\":\"pcr\",\"event\":\"pcr.bad\","
                                    "\"text\":\"a \\\"b\\\"\"}\n");
}

static void
repeats_are_folded_until_ten_seconds_are_over(void **state)
{
    for (int i = 0; i < 100; i++)
        log_line(LEVEL_WARN, "g", "n", "e.x", "number %d", i);
    log_line(LEVEL_WARN, "g", "n", "e.y", "another");
    log_line(LEVEL_WARN, "g", "m", "e.x", "another node");
    now_ns += 9 * (int64_t)NS_PER_S;
    log_tick();
    assert_non_null(strstr(lines.data, "\"number 0\""));
    assert_null(strstr(lines.data, "number 1"));
    assert_non_null(strstr(lines.data, "event=e.y text=another"));
    assert_non_null(strstr(lines.data, "another node"));

    hde_text_clear(&lines);
    now_ns += NS_PER_S;
    log_tick();
    assert_string_equal(lines.data,
                        "ts=2026-08-19T05:57:10.123Z level=warn graph=g node=n event=e.x "
                        "text=\"number 99 (seen 99 more times in 10 s)\"\n");
    hde_text_clear(&lines);
    now_ns += 10 * (int64_t)NS_PER_S;
    log_tick();
    assert_string_equal(lines.data, "");
    log_line(LEVEL_WARN, "g", "n", "e.x", "again");
    assert_non_null(strstr(lines.data, "text=again"));
}

static void
what_is_folded_comes_out_with_the_next_line_and_at_the_end(void **state)
{
    for (int i = 0; i < 3; i++)
        log_line(LEVEL_WARN, "g", "n", "e.x", "first");
    now_ns += 12 * (int64_t)NS_PER_S;
    log_line(LEVEL_WARN, "g", "n", "e.x", "second");
    assert_non_null(strstr(lines.data, "\"first (seen 2 more times in 12 s)\""));
    assert_non_null(strstr(lines.data, "text=second"));
    hde_text_clear(&lines);
    log_line(LEVEL_WARN, "g", "n", "e.x", "third");
    now_ns += NS_PER_S;
    log_flush();
    assert_non_null(strstr(lines.data, "\"third (seen 1 more times in 1 s)\""));
}

static void
more_pairs_than_are_remembered_lose_no_line(void **state)
{
    for (int i = 0; i < 2000; i++) {
        char event[32];

        snprintf(event, sizeof event, "e.%d", i);
        log_line(LEVEL_INFO, "g", "n", event, "x");
        assert_non_null(strstr(lines.data, event));
        hde_text_clear(&lines);
    }
}

static void
secrets_never_show(void **state)
{
    char text[] = "token hunter22 and hunter22";

    log_hide("hunter22");
    log_hide("hunter22");
    log_hide("a"); /* too short to be kept: it would hide everything */
    log_line(LEVEL_WARN, "g", "n", "e.s", "bad token 'hunter22' at a place");
    assert_null(strstr(lines.data, "hunter22"));
    assert_non_null(strstr(lines.data, "'***' at a place"));
    log_redact(text);
    assert_string_equal(text, "token *** and ***");
}

static void
lines_without_a_node_obey_the_level(void **state)
{
    enum level level;

    log_line(LEVEL_DEBUG, NULL, NULL, "run.detail", "not shown");
    assert_string_equal(lines.data, "");
    log_set_level(LEVEL_DEBUG);
    log_line(LEVEL_DEBUG, NULL, NULL, "run.detail", "shown");
    assert_non_null(strstr(lines.data, "event=run.detail"));
    log_set_level(LEVEL_INFO);
    assert_true(log_level_parse("error", &level) && level == LEVEL_ERROR);
    assert_false(log_level_parse("loud", &level));
}

static int
fini(void **state)
{
    hde_text_free(&lines);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_has_time_level_graph_node_event_and_text, setup),
        cmocka_unit_test_setup(values_with_blanks_quotes_or_line_breaks_are_quoted, setup),
        cmocka_unit_test_setup(json_lines_have_the_same_fields, setup),
        cmocka_unit_test_setup(repeats_are_folded_until_ten_seconds_are_over, setup),
        cmocka_unit_test_setup(what_is_folded_comes_out_with_the_next_line_and_at_the_end, setup),
        cmocka_unit_test_setup(more_pairs_than_are_remembered_lose_no_line, setup),
        cmocka_unit_test_setup(secrets_never_show, setup),
        cmocka_unit_test_setup(lines_without_a_node_obey_the_level, setup),
    };

    hde_text_puts(&lines, "");
    log_set_sink(sink, NULL);
    log_set_clock(clock_of_test);
    return cmocka_run_group_tests(tests, NULL, fini);
}
