/* SPDX-License-Identifier: Apache-2.0
 * dhan_test - ingestion/dhan_chain against the stand-in, over real HTTP on loopback. Both clocks
 * are driven by the test. */
#include "check.h"

#include "sim.h"

#include <hde/schemas/market.pb-c.h>
#include <hde/testing.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND WHEN_SECOND

struct rig {
    struct sim *sim;
    hde_harness *h;
    int64_t now;
    char params[600];
};

static int64_t
at(const char *text)
{
    int64_t ns;

    assert_true(when_parse("%Y-%m-%dT%H:%M:%S", text, strlen(text), 19800, &ns));
    return ns;
}

static void
rig_open(struct rig *rig, const char *start, const char *faults, const char *more)
{
    char error[300];

    *rig = (struct rig){.now = at(start)};
    rig->sim = sim_start(
        &(struct sim_config){
            .seed = 3, .calendar = "nse", .faults = faults, .token = "good", .start_ns = rig->now},
        error, sizeof error);
    assert_non_null(rig->sim);
    snprintf(rig->params, sizeof rig->params,
             "base_url: http://127.0.0.1:%d/v2/\nclient_id: \"1100\"\ncalendar: nse\n"
             "spacing: 100ms\n%s%s%s",
             sim_port(rig->sim), more ? more : "token: good\n",
             more && strstr(more, "expiries") ? "" : "expiries: 1\n",
             more && strstr(more, "timeout") ? "" : "timeout: 2s\n");
    rig->h = hde_harness_open("ingestion/dhan_chain", rig->params);
    hde_harness_now(rig->h, rig->now);
}

static void
rig_close(struct rig *rig)
{
    hde_harness_close(rig->h);
    sim_stop(rig->sim);
}

/* Moves both clocks on in steps of 100 ms and polls; gives the last chain, or NULL. */
static hde_msg *
run_for(struct rig *rig, double seconds, int *n_chains)
{
    int64_t end = rig->now + (int64_t)(seconds * 1e9);
    hde_msg *last = NULL, *msg;

    *n_chains = 0;
    for (;;) {
        hde_status status;

        for (int i = 0; i < 100; i++) {
            status = hde_harness_poll(rig->h);
            if (status != HDE_OK)
                break;
        }
        assert_int_equal(status, HDE_IDLE);
        while ((msg = hde_harness_pull(rig->h, "chains"))) {
            hde_msg_drop(last);
            last = msg;
            ++*n_chains;
        }
        if (rig->now >= end)
            return last;
        rig->now += SECOND / 10;
        sim_set_now(rig->sim, rig->now);
        hde_harness_now(rig->h, rig->now);
    }
}

static void
run_on(struct rig *rig, double seconds)
{
    int n;

    hde_msg_drop(run_for(rig, seconds, &n));
}

/* Over a gap in which nothing is due, in one step. */
static void
jump_to(struct rig *rig, const char *text)
{
    rig->now = at(text);
    sim_set_now(rig->sim, rig->now);
    hde_harness_now(rig->h, rig->now);
}

static const Hde__RawChain *
chain_of(const hde_msg *msg)
{
    assert_non_null(msg);
    return (const Hde__RawChain *)msg->body;
}

static bool
has_flag(const Hde__RawChain *chain, Hde__ChainFlag flag)
{
    for (size_t i = 0; i < chain->n_flags; i++)
        if (chain->flags[i] == flag)
            return true;
    return false;
}

static void
a_chain_is_what_the_market_shows(void **state)
{
    struct rig rig;
    struct market market = {.seed = 3};
    struct market_chain *wanted = malloc(sizeof *wanted);
    const Hde__RawChain *chain;
    char error[300], day[16];
    hde_msg *msg;
    int n;

    rig_open(&rig, "2026-08-19T10:00:00", NULL, NULL);
    msg = run_for(&rig, 0.1, &n);
    chain = chain_of(msg);
    assert_int_equal(n, 1);
    market.calendar = calendar_load("nse", error, sizeof error);
    assert_true(market_chain(&market, market_find(13), when_day(2026, 8, 25), rig.now, wanted));

    assert_string_equal(chain->feed, "NSE:NIFTY@dhan");
    assert_string_equal(chain->expiry, "2026-08-25");
    assert_string_equal(chain->session, "2026-08-19");
    assert_int_equal(chain->event_ns, rig.now);
    assert_int_equal(chain->expiry_ns, at("2026-08-25T15:30:00"));
    assert_int_equal(chain->sequence, 1);
    assert_int_equal(chain->oi_unit, HDE__QUANTITY_UNIT__QUANTITY_UNIT_UNITS);
    assert_true(chain->lot_size == 65);
    assert_true(chain->spot == wanted->spot);
    assert_int_equal(chain->n_strike, wanted->n);
    assert_int_equal(chain->n_flags, 0);
    for (size_t i = 0; i < wanted->n; i++) {
        assert_true(chain->strike[i] == wanted->strike[i]);
        assert_true(chain->calls->last[i] == wanted->call[i].last);
        assert_true(chain->puts->last[i] == wanted->put[i].last);
        assert_true(chain->calls->oi[i] == wanted->call[i].oi);
        assert_true(chain->puts->volume[i] == wanted->put[i].volume);
        assert_true(chain->calls->bid[i] == wanted->call[i].bid);
        assert_true(chain->puts->ask[i] == wanted->put[i].ask);
        assert_true(chain->calls->security_id[i] == wanted->call[i].security_id);
        assert_true(fabs(chain->puts->vendor_iv[i] - wanted->put[i].iv) < 1e-12);
        assert_true(fabs(chain->calls->vendor_delta[i] - wanted->call[i].delta) < 1e-5);
    }
    when_print_day(calendar_today(market.calendar, rig.now), day);
    assert_string_equal(day, chain->session);
    hde_msg_drop(msg);
    calendar_free((struct calendar *)market.calendar);
    free(wanted);
    rig_close(&rig);
}

static void
requests_keep_the_interval_and_the_spacing(void **state)
{
    struct sim_counts counts;
    struct rig rig;

    rig_open(&rig, "2026-08-19T10:00:00", NULL,
             "token: good\nunderlyings: [NIFTY, BANKNIFTY]\nexpiries: 2\n");
    run_on(&rig, 9.85); /* 0 to 9.9 s: two lists, then four chains at 0, 3, 6 and 9 s */
    sim_count(rig.sim, &counts);
    assert_int_equal(counts.lists, 2);
    assert_int_equal(counts.chains, 16);
    assert_int_equal(counts.refused, 0);
    rig_close(&rig);
}

/* Each fault: what is counted, which flag the chain has (0: no chain came of it), and that the
 * source is well again a minute later. */
static const struct {
    const char *fault, *counter;
    Hde__ChainFlag flag;
} faults[] = {
    {"429@1", "rate_limited", 0},
    {"805@1", "rate_limited", 0},
    {"401@1", "unauthorized", 0},
    {"400@1", "http_status", 0},
    {"500@1", "http_status", 0},
    {"502@1", "http_status", 0},
    {"error-body@1", "refused", 0},
    {"html@1", "not_json", 0},
    {"none@1", "not_json", 0},
    {"cut@1", "not_json", 0},
    {"deep@1", "not_json", 0},
    {"short@1", "connection_errors", 0},
    {"huge@1", "too_large", 0},
    {"null-data@1", "bad_shape", 0},
    {"empty-oc@1", "empty_chains", HDE__CHAIN_FLAG__CHAIN_FLAG_EMPTY},
    {"missing-leg@1", "missing_legs", HDE__CHAIN_FLAG__CHAIN_FLAG_MISSING_LEGS},
    {"negative-oi@1", "bad_values", HDE__CHAIN_FLAG__CHAIN_FLAG_BAD_VALUES},
    {"zero-spot@1", "no_spot", HDE__CHAIN_FLAG__CHAIN_FLAG_NO_SPOT},
    {"zero-legs@1", "zero_legs", HDE__CHAIN_FLAG__CHAIN_FLAG_ZERO_LEGS},
    {"crossed@1", "crossed", HDE__CHAIN_FLAG__CHAIN_FLAG_CROSSED},
    {"duplicate-strike@1", "duplicate_strikes", HDE__CHAIN_FLAG__CHAIN_FLAG_BAD_VALUES},
    {"strike-text@1", "bad_values", HDE__CHAIN_FLAG__CHAIN_FLAG_BAD_VALUES},
    {"wrong-type@1", "bad_values", HDE__CHAIN_FLAG__CHAIN_FLAG_BAD_VALUES},
    {"repeat@2", "repeated", HDE__CHAIN_FLAG__CHAIN_FLAG_REPEATED},
    {"list.html@1", "not_json", 0},
    {"list.429@1", "rate_limited", 0},
    {"list.502@1", "http_status", 0},
    {"list.no-expiries@1", "bad_shape", 0},
    {"list.past-expiry@1", "bad_shape", 0},
    {"list.bad-dates@1", "bad_expiries", 0},
    {"list.null-data@1", "bad_shape", 0},
    {"list.cut@1", "not_json", 0},
};

static void
every_fault_is_counted_and_passes(void **state)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct sim_counts counts;
        struct rig rig;
        hde_msg *msg;
        int n;

        rig_open(&rig, "2026-08-19T10:00:00", faults[i].fault, NULL);
        msg = run_for(&rig, strstr(faults[i].fault, "@2") ? 3.1 : 0.1, &n);
        if (hde_harness_counter(rig.h, faults[i].counter) == 0)
            fail_msg("%s: %s was not counted", faults[i].fault, faults[i].counter);
        if (faults[i].flag ? !msg || !has_flag(chain_of(msg), faults[i].flag) : msg != NULL)
            fail_msg("%s: %s", faults[i].fault, msg ? "not the flag" : "no chain");
        hde_msg_drop(msg);
        msg = run_for(&rig, 60, &n);
        sim_count(rig.sim, &counts);
        assert_int_equal(counts.faults, 1);
        if (!msg || chain_of(msg)->n_flags > 0 || n < 10)
            fail_msg("%s: not well after a minute (%d chains)", faults[i].fault, n);
        hde_msg_drop(msg);
        rig_close(&rig);
    }
}

static void
harmless_oddities_change_nothing_but_what_they_say(void **state)
{
    struct rig rig;
    hde_msg *msg;
    int n;

    rig_open(&rig, "2026-08-19T10:00:00", "text-values@1,null-iv@2,zero-ltp@3", NULL);
    msg = run_for(&rig, 0.1, &n);
    assert_int_equal(chain_of(msg)->n_flags, 0);
    assert_true(chain_of(msg)->calls->last[0] > 0);
    hde_msg_drop(msg);
    msg = run_for(&rig, 3, &n);
    assert_int_equal(n, 1);
    assert_int_equal(chain_of(msg)->calls->n_vendor_iv, 0);
    hde_msg_drop(msg);
    msg = run_for(&rig, 3, &n);
    assert_true(chain_of(msg)->calls->last[0] == 0);
    assert_int_equal(chain_of(msg)->n_flags, 0);
    hde_msg_drop(msg);
    rig_close(&rig);
}

static void
a_spot_that_jumps_is_told(void **state)
{
    struct rig rig;

    rig_open(&rig, "2026-08-19T10:00:00", "jump@2", NULL);
    run_on(&rig, 3.5);
    assert_int_equal(hde_harness_counter(rig.h, "spot_jumps"), 1);
    rig_close(&rig);
}

static void
no_answer_in_time_is_counted_and_passes(void **state)
{
    struct rig rig;
    hde_msg *msg;
    int n;

    rig_open(&rig, "2026-08-19T10:00:00", "timeout@1", "token: good\ntimeout: 50ms\n");
    run_on(&rig, 0.1);
    assert_int_equal(hde_harness_counter(rig.h, "timeouts"), 1);
    msg = run_for(&rig, 5, &n);
    assert_int_equal(n, 1);
    hde_msg_drop(msg);
    rig_close(&rig);
}

static void
nobody_there_is_counted_and_passes(void **state)
{
    char error[200];
    struct rig rig;
    hde_msg *msg;
    int n, port;

    rig_open(&rig, "2026-08-19T10:00:00", NULL, NULL);
    port = sim_port(rig.sim);
    sim_stop(rig.sim);
    rig.sim =
        sim_start(&(struct sim_config){.calendar = "nse"}, error, sizeof error); /* elsewhere */
    run_on(&rig, 10);
    assert_true(hde_harness_counter(rig.h, "connection_errors") >= 3);
    sim_stop(rig.sim);
    rig.sim = sim_start(
        &(struct sim_config){.seed = 3, .calendar = "nse", .port = port, .start_ns = rig.now},
        error, sizeof error);
    assert_non_null(rig.sim);
    msg = run_for(&rig, 60, &n);
    assert_true(n > 5);
    hde_msg_drop(msg);
    rig_close(&rig);
}

static void
failures_in_a_row_are_asked_again_ever_later(void **state)
{
    struct sim_counts counts;
    struct rig rig;

    rig_open(&rig, "2026-08-19T10:00:00", "500@1+", "token: good\ninterval: 1s\n");
    run_on(&rig, 100); /* at 0, 1, 3, 7, 15, 31, 63 s and a little */
    sim_count(rig.sim, &counts);
    assert_int_equal(counts.chains, 7);
    rig_close(&rig);
}

static void
a_limit_pauses_every_request(void **state)
{
    struct sim_counts before, after;
    struct rig rig;

    rig_open(&rig, "2026-08-19T10:00:00", "429@1",
             "token: good\nunderlyings: [NIFTY, BANKNIFTY]\nfirst_pause: 5s\n");
    run_on(&rig, 0.5);
    sim_count(rig.sim, &before);
    assert_int_equal(before.chains, 1);
    run_on(&rig, 4);
    sim_count(rig.sim, &after);
    assert_int_equal(after.chains, 1);
    run_on(&rig, 2);
    sim_count(rig.sim, &after);
    assert_true(after.chains >= 2);
    rig_close(&rig);
}

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void
a_new_token_in_the_file_is_taken_without_a_restart(void **state)
{
    char path[] = "/tmp/hde-token-XXXXXX", more[100];
    struct rig rig;
    hde_msg *msg;
    int n, fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    write_file(path, "good\n");
    snprintf(more, sizeof more, "token_file: %s\n", path);
    rig_open(&rig, "2026-08-19T10:00:00", NULL, more);
    msg = run_for(&rig, 1, &n);
    assert_int_equal(n, 1);
    hde_msg_drop(msg);
    sim_set_token(rig.sim, "better-1"); /* midnight: the service wants another */
    msg = run_for(&rig, 30, &n);
    assert_int_equal(n, 0);
    assert_true(hde_harness_counter(rig.h, "unauthorized") >= 1);
    write_file(path, "better-1\n");
    msg = run_for(&rig, 5, &n);
    assert_true(n >= 1);
    assert_int_equal(hde_harness_counter(rig.h, "token_reads"), 2);
    hde_msg_drop(msg);
    rig_close(&rig);
    unlink(path);
}

static void
two_sessions_in_one_run_begin_anew_and_drop_what_expired(void **state)
{
    struct sim_counts counts;
    struct rig rig;
    hde_msg *msg;
    int n;

    /* The 25th of August 2026 is an expiry day; the session ends at 15:40. */
    rig_open(&rig, "2026-08-25T15:29:50", NULL, NULL);
    msg = run_for(&rig, 5, &n);
    assert_string_equal(chain_of(msg)->expiry, "2026-08-25");
    assert_string_equal(chain_of(msg)->session, "2026-08-25");
    hde_msg_drop(msg);
    msg = run_for(&rig, 20, &n); /* over 15:30 */
    assert_string_equal(chain_of(msg)->expiry, "2026-09-01");
    assert_int_equal(hde_harness_counter(rig.h, "expiries_dropped"), 1);
    hde_msg_drop(msg);

    jump_to(&rig, "2026-08-25T15:41:00");
    msg = run_for(&rig, 30, &n);
    assert_int_equal(n, 0); /* closed: nothing is asked */
    sim_count(rig.sim, &counts);
    jump_to(&rig, "2026-08-26T09:14:30");
    msg = run_for(&rig, 20, &n);
    assert_int_equal(n, 0);
    msg = run_for(&rig, 20, &n); /* over 09:15 */
    assert_true(n > 1);
    assert_string_equal(chain_of(msg)->session, "2026-08-26");
    assert_string_equal(chain_of(msg)->expiry, "2026-09-01");
    assert_int_equal(hde_harness_counter(rig.h, "sessions"), 2);
    assert_int_equal(hde_harness_counter(rig.h, "lists"), 3); /* two opens and one expiry */
    hde_msg_drop(msg);
    rig_close(&rig);
}

static void
a_holiday_is_quiet_and_a_special_session_is_not(void **state)
{
    struct sim_counts counts;
    struct rig rig;
    hde_msg *msg;
    int n;

    rig_open(&rig, "2026-11-07T10:00:00", NULL, NULL); /* a Saturday */
    msg = run_for(&rig, 5, &n);
    sim_count(rig.sim, &counts);
    assert_int_equal(n + counts.lists, 0);
    jump_to(&rig, "2026-11-08T18:00:00"); /* a Sunday with one hour of trade */
    msg = run_for(&rig, 5, &n);
    assert_true(n > 0);
    assert_string_equal(chain_of(msg)->session, "2026-11-08");
    hde_msg_drop(msg);
    rig_close(&rig);
}

static void
silence_within_a_session_is_told_once(void **state)
{
    struct rig rig;

    rig_open(&rig, "2026-08-19T10:00:00", "502@1+", NULL);
    run_on(&rig, 200);
    assert_int_equal(hde_harness_counter(rig.h, "silences"), 1);
    rig_close(&rig);
}

static void
bad_parameters_are_refused(void **state)
{
    static const struct {
        const char *params, *event;
    } cases[] = {
        {"client_id: \"1\"\ntoken_file: /nowhere", "dhan.token"},
        {"client_id: \"1\"", "dhan.token"},
        {"client_id: \"a\\\"b\"\ntoken: t", "dhan.client-id"},
        {"client_id: \"1\"\ntoken: t\nbase_url: ftp://x", "dhan.base-url"},
        {"client_id: \"1\"\ntoken: t\nunderlyings: [GOLD]", "dhan.underlyings"},
        {"client_id: \"1\"\ntoken: t\nunderlyings: [GOLD]\nsecurities: {GOLD: MCX}",
         "dhan.underlyings"},
        {"client_id: \"1\"\ntoken: t\ncalendar: moon", "dhan.calendar"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char error[600] = "";
        hde_harness *h =
            hde_harness_try("ingestion/dhan_chain", cases[i].params, error, sizeof error);

        if (h || strncmp(error, cases[i].event, strlen(cases[i].event)) != 0)
            fail_msg("%s: %s", cases[i].params, error);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_is_what_the_market_shows),
        cmocka_unit_test(requests_keep_the_interval_and_the_spacing),
        cmocka_unit_test(every_fault_is_counted_and_passes),
        cmocka_unit_test(harmless_oddities_change_nothing_but_what_they_say),
        cmocka_unit_test(a_spot_that_jumps_is_told),
        cmocka_unit_test(no_answer_in_time_is_counted_and_passes),
        cmocka_unit_test(nobody_there_is_counted_and_passes),
        cmocka_unit_test(failures_in_a_row_are_asked_again_ever_later),
        cmocka_unit_test(a_limit_pauses_every_request),
        cmocka_unit_test(a_new_token_in_the_file_is_taken_without_a_restart),
        cmocka_unit_test(two_sessions_in_one_run_begin_anew_and_drop_what_expired),
        cmocka_unit_test(a_holiday_is_quiet_and_a_special_session_is_not),
        cmocka_unit_test(silence_within_a_session_is_told_once),
        cmocka_unit_test(bad_parameters_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
