/* SPDX-License-Identifier: Apache-2.0
 * Tests of storage/jsonl and storage/console: lines, choices of fields, full disks, readers that
 * go away. */
#include "chains.h"

#include <hde/schemas/runtime.pb-c.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static char folder[] = "/tmp/hde-text-XXXXXX";
static char path[64];
static int n_test;

static int
setup(void **state)
{
    snprintf(path, sizeof path, "%s/%d.jsonl", folder, ++n_test);
    return 0;
}

static hde_harness *
open_sink(const char *more)
{
    char params[256];

    snprintf(params, sizeof params, "path: %s%s", path, more);
    return hde_harness_open("storage/jsonl", params);
}

static char *
text_of(const char *name)
{
    static char text[1 << 16];
    FILE *file = fopen(name, "r");
    size_t n;

    if (!file)
        fail_msg("no file %s", name);
    n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    return text;
}

static hde_msg *
chain(hde_harness *h, int64_t after_open_ns)
{
    hde_msg *msg = chain_new(h, 0, after_open_ns, 2);

    CALLS(msg, last, 10.5, U);
    return msg;
}

static hde_msg *
sample(hde_harness *h, double value)
{
    hde_msg *msg = hde_harness_new(h, &hde__sample__descriptor);
    Hde__Sample *body = (Hde__Sample *)msg->body;

    body->has_value = true;
    body->value = value;
    return msg;
}

static void
test_a_line_is_a_message_with_its_type(void **state)
{
    hde_harness *h = open_sink("");

    push(h, "in", chain(h, 0));
    push(h, "in", sample(h, 0.25));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(
        text_of(path),
        "{\"type\":\"RawChain\",\"feed\":\"NSE:TEST@test\",\"expiry\":\"2026-08-25\","
        "\"event_ns\":1787111100000000000,\"venue\":\"NSE\",\"underlying\":\"TEST\","
        "\"source\":\"test\",\"spot\":104,\"session\":\"2026-08-19\","
        "\"session_open_ns\":1787111100000000000,\"strike\":[100,110],"
        "\"calls\":{\"last\":[10.5,null]},\"puts\":{}}\n"
        "{\"type\":\"Sample\",\"value\":0.25}\n");
    assert_int_equal(hde_harness_counter(h, "lines"), 2);
    hde_harness_close(h);
}

static void
test_only_the_chosen_fields_are_written(void **state)
{
    hde_harness *h = open_sink(", by_type: none, fields: [expiry, spot, calls.last]");

    push(h, "in", chain(h, 0));
    push(h, "in", sample(h, 0.25)); /* has none of them */
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(
        text_of(path),
        "{\"expiry\":\"2026-08-25\",\"spot\":104,\"calls\":{\"last\":[10.5,null]}}\n");
    hde_harness_close(h);
}

static void
test_a_field_that_no_message_has_is_refused(void **state)
{
    char text[256], params[128];

    snprintf(params, sizeof params, "path: %s, fields: [expiry, metrics.pcr.io]", path);
    assert_null(hde_harness_try("storage/jsonl", params, text, sizeof text));
    assert_non_null(strstr(text, "jsonl.unknown-field"));
    assert_non_null(strstr(text, "metrics.pcr.io"));
}

static void
test_types_go_to_files_of_their_own(void **state)
{
    hde_harness *h = open_sink(", by_type: files");
    char name[96];

    push(h, "in", sample(h, 1));
    push(h, "in", chain(h, 0));
    push(h, "in", sample(h, 2));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    hde_harness_close(h);
    snprintf(name, sizeof name, "%s/%d.Sample.jsonl", folder, n_test);
    assert_non_null(strstr(text_of(name), "\"value\":1}\n{"));
    snprintf(name, sizeof name, "%s/%d.RawChain.jsonl", folder, n_test);
    assert_non_null(strstr(text_of(name), "\"spot\":104"));
}

static void
test_a_file_is_continued_or_begun_anew(void **state)
{
    FILE *file = fopen(path, "w");
    hde_harness *h;

    fputs("{\"cut", file); /* by a crash */
    fclose(file);
    h = open_sink(", by_type: none");
    push(h, "in", sample(h, 1));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    hde_harness_close(h);
    assert_string_equal(text_of(path), "{\"cut\n{\"value\":1}\n");
    h = open_sink(", by_type: none, append: false");
    push(h, "in", sample(h, 2));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    hde_harness_close(h);
    assert_string_equal(text_of(path), "{\"value\":2}\n");
}

static void
test_nothing_is_written_before_its_tick_is_complete(void **state)
{
    hde_harness *h = open_sink(", by_type: none");

    push(h, "in", sample(h, 1));
    assert_string_equal(text_of(path), "");
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(text_of(path), "{\"value\":1}\n");
    hde_harness_close(h);
}

static void
test_a_full_disk_is_tried_again_from_where_it_stopped(void **state)
{
    hde_harness *h = open_sink(", by_type: none");
    struct rlimit before, small;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 20; /* in the middle of the second line */
    for (int i = 1; i <= 3; i++)
        push(h, "in", sample(h, i));
    setrlimit(RLIMIT_FSIZE, &small);
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_non_null(strstr(hde_harness_said(h), "jsonl.full"));
    assert_int_equal(strlen(text_of(path)), 20);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(text_of(path), "{\"value\":1}\n{\"value\":2}\n{\"value\":3}\n");
    hde_harness_close(h);
}

/* ---- Marks --------------------------------------------------------------------------------- */

static hde_harness *
open_kept(const char *more)
{
    hde_harness *h = open_sink(more);

    hde_harness_keep(h, true);
    assert_true(hde_harness_reload(h));
    return h;
}

static uint64_t
mark_of(hde_harness *h)
{
    uint64_t tick = UINT64_MAX;

    assert_int_equal(hde_harness_mark(h, &tick), HDE_OK);
    return tick;
}

static void
append_to(const char *name, const char *text)
{
    FILE *file = fopen(name, "a");

    fputs(text, file);
    fclose(file);
}

static void
test_what_is_behind_the_mark_is_cut_off(void **state)
{
    hde_harness *h;
    uint64_t tick;

    append_to(path, "{\"old\":1}\n");
    h = open_kept(", by_type: none");
    assert_int_equal(mark_of(h), 0);
    push(h, "in", sample(h, 1));
    assert_int_equal(mark_of(h), 0);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    tick = mark_of(h);
    assert_int_equal(tick, hde_harness_tick(h));
    append_to(path, "{\"value\":2}\n{\"val"); /* written, and then it died */
    assert_true(hde_harness_reload(h));
    assert_string_equal(text_of(path), "{\"old\":1}\n{\"value\":1}\n");
    assert_int_equal(mark_of(h), tick);
    push(h, "in", sample(h, 2));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(text_of(path), "{\"old\":1}\n{\"value\":1}\n{\"value\":2}\n");
    assert_int_equal(mark_of(h), hde_harness_tick(h));
    hde_harness_close(h);
}

static void
test_every_file_of_a_type_is_cut_to_its_mark(void **state)
{
    hde_harness *h = open_kept(", by_type: files");
    char samples[96], chains[96];

    snprintf(samples, sizeof samples, "%s/%d.Sample.jsonl", folder, n_test);
    snprintf(chains, sizeof chains, "%s/%d.RawChain.jsonl", folder, n_test);
    push(h, "in", sample(h, 1));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    append_to(samples, "{\"value\":2}\n");
    append_to(chains, "{}\n"); /* the first of its type: it was not there at the mark */
    assert_true(hde_harness_reload(h));
    assert_string_equal(text_of(samples), "{\"value\":1}\n");
    assert_string_equal(text_of(chains), "");
    hde_harness_close(h);
}

/* As of a type that the node did not take before. */
static void
test_a_file_that_the_mark_does_not_know_is_not_cut(void **state)
{
    hde_harness *h = open_kept(", by_type: files");
    char chains[96], name[96];

    snprintf(chains, sizeof chains, "%s/%d.RawChain.jsonl", folder, n_test);
    snprintf(name, sizeof name, "%s.mark", path);
    append_to(chains, "{\"old\":1}\n");
    assert_int_equal(unlink(name), 0);
    append_to(name, "hde mark 2\nof test/jsonl\ntick 7\nlength 0 Sample\n");
    assert_true(hde_harness_reload(h));
    assert_string_equal(text_of(chains), "{\"old\":1}\n");
    push(h, "in", sample(h, 1));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_non_null(strstr(text_of(name), "length 10 RawChain\n"));
    hde_harness_close(h);
}

static void
test_a_mark_whose_file_is_shorter_stops_the_sink(void **state)
{
    hde_harness *h = open_kept(", by_type: none");

    push(h, "in", sample(h, 1));
    push(h, "in", sample(h, 2));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_int_equal(truncate(path, 5), 0);
    assert_false(hde_harness_reload(h));
    assert_non_null(strstr(hde_harness_said(h), "jsonl.shorter"));
    assert_int_equal(truncate(path, 0), 0); /* moved away by hand: that is fine */
    assert_true(hde_harness_reload(h));
    hde_harness_close(h);
}

static void
test_files_of_this_node_on_another_host_are_taken_over(void **state)
{
    hde_harness *h = open_kept(", by_type: none, append: false");
    char name[96], mark[160];
    static const char *const others[] = {"test.b/other", "test/jsonl", "test.b.3/jsonl",
                                         "tests.b/jsonl", "test./jsonl"};

    snprintf(name, sizeof name, "%s.mark", path);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        hde_harness_host(h, "a");
        assert_int_equal(unlink(name), 0);
        snprintf(mark, sizeof mark, "hde mark 2\nof %s\ntick 7\nlength 0 -\n", others[i]);
        append_to(name, mark);
        assert_false(hde_harness_reload(h));
        assert_non_null(strstr(hde_harness_said(h), "jsonl.other-mark"));
        assert_non_null(strstr(hde_harness_said(h), others[i]));
    }
    assert_int_equal(unlink(name), 0);
    append_to(path, "{\"value\":1}\n{\"val");
    append_to(name, "hde mark 2\nof test.b/jsonl\ntick 99999999999999999\nlength 12 -\n");
    assert_true(hde_harness_reload(h));
    assert_int_equal(mark_of(h), 0); /* its ticks are another host's */
    assert_true(hde_harness_reload(h)); /* a crash before the first line */
    assert_string_equal(text_of(path), "{\"value\":1}\n{\"val"); /* it may run there still */
    push(h, "in", sample(h, 2));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(text_of(path), "{\"value\":1}\n{\"value\":2}\n");
    assert_int_equal(mark_of(h), hde_harness_tick(h));

    /* and moved away: what still runs here writes no more */
    assert_int_equal(unlink(name), 0);
    append_to(name, "hde mark 2\nof test.b/jsonl\ntick 0\nlength 24 -\n");
    push(h, "in", sample(h, 3));
    assert_int_equal(hde_harness_flush(h), HDE_FAIL);
    assert_non_null(strstr(hde_harness_said(h), "jsonl.fenced"));
    assert_string_equal(text_of(path), "{\"value\":1}\n{\"value\":2}\n");
    hde_harness_close(h);
}

static void
test_a_mark_of_another_node_or_a_later_start_stops_the_sink(void **state)
{
    hde_harness *h = open_kept("");
    char name[96];

    snprintf(name, sizeof name, "%s.mark", path);
    assert_int_equal(unlink(name), 0);
    append_to(name, "hde mark 2\nof test/other\ntick 7\n");
    assert_false(hde_harness_reload(h));
    assert_non_null(strstr(hde_harness_said(h), "jsonl.other-mark"));
    assert_int_equal(unlink(name), 0);
    append_to(name, "hde mark 2\nof te");
    assert_false(hde_harness_reload(h));
    assert_non_null(strstr(hde_harness_said(h), "jsonl.bad-mark"));
    assert_int_equal(unlink(name), 0);
    assert_true(hde_harness_reload(h));
    push(h, "in", sample(h, 1));
    assert_int_equal(unlink(name), 0);
    append_to(name, "hde mark 2\nof test/jsonl\ntick 99999999999999999\n");
    assert_int_equal(hde_harness_flush(h), HDE_FAIL);
    assert_non_null(strstr(hde_harness_said(h), "jsonl.fenced"));
    hde_harness_close(h);
}

static void
test_without_checkpoints_nothing_is_cut_off(void **state)
{
    hde_harness *h = open_kept(", by_type: none");
    char name[96];

    push(h, "in", sample(h, 1));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    hde_harness_keep(h, false);
    append_to(path, "{\"value\":2}\n");
    assert_true(hde_harness_reload(h));
    assert_string_equal(text_of(path), "{\"value\":1}\n{\"value\":2}\n");
    snprintf(name, sizeof name, "%s.mark", path);
    assert_int_equal(access(name, F_OK), -1);
    assert_int_equal(mark_of(h), 0);
    hde_harness_close(h);
}

static void
test_a_folder_that_is_absent_is_named(void **state)
{
    char text[256];

    assert_null(hde_harness_try("storage/jsonl", "path: /nonexistent/x.jsonl", text, sizeof text));
    assert_non_null(strstr(text, "jsonl.cannot-open"));
    assert_non_null(strstr(text, "/nonexistent/x.jsonl"));
}

/* ---- Standard output ----------------------------------------------------------------------- */

static int saved_stdout;

static void
redirect(int fd)
{
    fflush(stdout);
    saved_stdout = dup(STDOUT_FILENO);
    dup2(fd, STDOUT_FILENO);
    close(fd);
}

static void
restore(void)
{
    fflush(stdout);
    dup2(saved_stdout, STDOUT_FILENO);
    close(saved_stdout);
}

static void
test_standard_output_without_a_reader_is_an_error_not_a_signal(void **state)
{
    hde_harness *h = hde_harness_open("storage/jsonl", NULL);
    hde_status status;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    redirect(ends[1]);
    hde_harness_push(h, "in", sample(h, 1));
    status = hde_harness_flush(h);
    restore();
    assert_int_equal(status, HDE_FAIL);
    assert_non_null(strstr(hde_harness_said(h), "jsonl.closed"));
    hde_harness_close(h);
}

static hde_msg *
enriched(hde_harness *h, int64_t after_open_ns, const char *expiry)
{
    hde_msg *raw = chain_new(h, 0, after_open_ns, 1);
    hde_msg *msg = hde_harness_new(h, &hde__enriched_chain__descriptor);
    Hde__EnrichedChain *body = (Hde__EnrichedChain *)msg->body;
    Hde__ChainMetrics *metrics;

    raw_of(raw)->spot = 24212.8;
    raw_of(raw)->expiry = hde_msg_text(raw, expiry);
    hde_msg_share(msg, raw);
    body->raw = raw_of(raw);
    hde_msg_drop(raw);
    metrics = hde_msg_edit(msg, &body->metrics, &hde__chain_metrics__descriptor);
    hde_msg_edit(msg, &metrics->pcr, &hde__pcr__descriptor);
    metrics->pcr->has_oi = true;
    metrics->pcr->oi = 0.934;
    hde_msg_edit(msg, &metrics->skew, &hde__skew__descriptor);
    metrics->skew->has_atm_iv = true;
    metrics->skew->atm_iv = 0.0987;
    hde_msg_edit(msg, &metrics->gex, &hde__gamma_exposure__descriptor);
    metrics->gex->has_net = true;
    metrics->gex->net = -1234567890;
    return msg;
}

static void
test_the_console_shows_a_line_a_chain(void **state)
{
    hde_harness *h = hde_harness_open("storage/console", "utc_offset: '+05:30'");

    redirect(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    push(h, "in", enriched(h, 90 * SECOND, "2026-08-25"));
    push(h, "in", chain_new(h, 0, 91 * SECOND, 1));
    restore();
    assert_string_equal(text_of(path),
                        "09:16:30 TEST       2026-08-25  spot  24,212.80  fwd          -  iv   "
                        "9.87%  pcr  0.93  max pain       -  gex   -1.23 bn\n"
                        "09:16:31 TEST       2026-08-25  spot     104.00  fwd          -  iv    "
                        "   -  pcr     -  max pain       -  gex          -\n");
    hde_harness_close(h);
}

static void
test_the_console_keeps_to_its_rate_and_to_the_nearest_expiry(void **state)
{
    hde_harness *h = hde_harness_open("storage/console", "every: 10s, nearest: true");
    char *text;
    int lines = 0;

    redirect(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    for (int i = 0; i < 20; i++) { /* a second each, two expiries */
        hde_harness_now(h, OPEN_NS + i * SECOND);
        push(h, "in", enriched(h, i * SECOND, "2026-08-25"));
        push(h, "in", enriched(h, i * SECOND, "2026-09-01"));
    }
    restore();
    text = text_of(path);
    assert_null(strstr(text, "2026-09-01"));
    for (; (text = strchr(text, '\n')); text++)
        lines++;
    assert_int_equal(lines, 2);
    assert_int_equal(hde_harness_counter(h, "lines"), 2);
    hde_harness_close(h);
}

static void
test_an_offset_that_is_none_is_refused(void **state)
{
    char text[256];

    assert_null(hde_harness_try("storage/console", "utc_offset: IST", text, sizeof text));
    assert_non_null(strstr(text, "console.bad-offset"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_line_is_a_message_with_its_type, setup),
        cmocka_unit_test_setup(test_only_the_chosen_fields_are_written, setup),
        cmocka_unit_test_setup(test_a_field_that_no_message_has_is_refused, setup),
        cmocka_unit_test_setup(test_types_go_to_files_of_their_own, setup),
        cmocka_unit_test_setup(test_a_file_is_continued_or_begun_anew, setup),
        cmocka_unit_test_setup(test_nothing_is_written_before_its_tick_is_complete, setup),
        cmocka_unit_test_setup(test_a_full_disk_is_tried_again_from_where_it_stopped, setup),
        cmocka_unit_test_setup(test_what_is_behind_the_mark_is_cut_off, setup),
        cmocka_unit_test_setup(test_every_file_of_a_type_is_cut_to_its_mark, setup),
        cmocka_unit_test_setup(test_a_file_that_the_mark_does_not_know_is_not_cut, setup),
        cmocka_unit_test_setup(test_a_mark_whose_file_is_shorter_stops_the_sink, setup),
        cmocka_unit_test_setup(test_a_mark_of_another_node_or_a_later_start_stops_the_sink, setup),
        cmocka_unit_test_setup(test_files_of_this_node_on_another_host_are_taken_over, setup),
        cmocka_unit_test_setup(test_without_checkpoints_nothing_is_cut_off, setup),
        cmocka_unit_test_setup(test_a_folder_that_is_absent_is_named, setup),
        cmocka_unit_test_setup(test_standard_output_without_a_reader_is_an_error_not_a_signal,
                               setup),
        cmocka_unit_test_setup(test_the_console_shows_a_line_a_chain, setup),
        cmocka_unit_test_setup(test_the_console_keeps_to_its_rate_and_to_the_nearest_expiry, setup),
        cmocka_unit_test_setup(test_an_offset_that_is_none_is_refused, setup),
    };
    char command[96];
    int failed;

    if (!mkdtemp(folder))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? failed : 1;
}
