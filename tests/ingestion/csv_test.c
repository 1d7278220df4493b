/* SPDX-License-Identifier: Apache-2.0
 * csv_test - recorded chains out of files that the test writes, in every shipped layout and in one
 * of its own, with everything that recordings do wrong. */
#include "check.h"

#include "csv.h"
#include "market.h"

#include <hde/testing.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEG_HEAD                                                                                   \
    "capture_time_ist,symbol,expiry,strike,option_type,spot,ltp,volume,oi,oi_chg,iv,delta,gamma,"  \
    "theta,vega,rho\n"
#define STRIKE_HEAD                                                                                \
    "capture_time_ist,symbol,expiry,CallOI,CallChnginOI,CallVolume,CallIV,CallLTP,CallNetChng,"    \
    "CallBidQty,CallBidPrice,CallAskPrice,CallAskQty,StrikePrice,PutBidQty,PutBidPrice,"           \
    "PutAskPrice,PutAskQty,PutNetChng,PutLTP,PutIV,PutVolume,PutChnginOI,PutOI,CurrentVal\n"
#define HDE_HEAD                                                                                   \
    "event_time,underlying,expiry,strike,type,spot,last,bid,ask,oi,volume,vendor_iv,prev_oi\n"

/* ---- A reader on memory --------------------------------------------------------------------- */

struct rig {
    struct calendar *calendar;
    struct csv *csv;
    int reports[3];
    char last[512];
};

static void
on_report(void *user, enum csv_report what, const char *text)
{
    struct rig *rig = user;

    rig->reports[what]++;
    snprintf(rig->last, sizeof rig->last, "%s", text);
}

static bool
rig_try(struct rig *rig, const char *text, size_t n, char *error, size_t size)
{
    *rig = (struct rig){.calendar = calendar_load("nse", error, size)};
    assert_non_null(rig->calendar);
    rig->csv = csv_new(&(struct csv_config){
        .calendar = rig->calendar, .split_ns = 90 * WHEN_SECOND, .report = on_report, .user = rig});
    return csv_open_bytes(rig->csv, "t.csv", text, n, error, size);
}

static void
rig_open(struct rig *rig, const char *text)
{
    char error[700];

    if (!rig_try(rig, text, strlen(text), error, sizeof error))
        fail_msg("%s", error);
}

static void
rig_close(struct rig *rig)
{
    csv_free(rig->csv);
    calendar_free(rig->calendar);
}

static bool
next(struct rig *rig, struct csv_chain *chain)
{
    return csv_next(rig->csv, chain) == CSV_CHAIN;
}

static bool
has(const struct csv_chain *chain, Hde__ChainFlag flag)
{
    return chain->snapshot->flags >> flag & 1;
}

#define STALE HDE__CHAIN_FLAG__CHAIN_FLAG_STALE
#define PRE_OPEN HDE__CHAIN_FLAG__CHAIN_FLAG_PRE_OPEN
#define AFTER_CLOSE HDE__CHAIN_FLAG__CHAIN_FLAG_AFTER_CLOSE
#define SPLIT HDE__CHAIN_FLAG__CHAIN_FLAG_SPLIT_CAPTURE
#define REPEATED HDE__CHAIN_FLAG__CHAIN_FLAG_REPEATED
#define BAD_VALUES HDE__CHAIN_FLAG__CHAIN_FLAG_BAD_VALUES
#define BACKWARDS HDE__CHAIN_FLAG__CHAIN_FLAG_TIME_BACKWARDS
#define MISSING HDE__CHAIN_FLAG__CHAIN_FLAG_MISSING_LEGS
#define NO_SPOT HDE__CHAIN_FLAG__CHAIN_FLAG_NO_SPOT
#define ZERO_LEGS HDE__CHAIN_FLAG__CHAIN_FLAG_ZERO_LEGS
#define CROSSED HDE__CHAIN_FLAG__CHAIN_FLAG_CROSSED

/* ---- Layouts -------------------------------------------------------------------------------- */

static void
rows_of_legs_become_columns(void **state)
{
    struct csv_chain chain;
    struct rig rig;

    rig_open(
        &rig, LEG_HEAD
        "2026-08-19T11:27:00+05:30,NIFTY50,25-Aug-2026,24100,PE,24052.4,110.5,20,300,-4,9.14,"
        "-0.4,0.001,-5,12,-3\n"
        "2026-08-19T11:27:00+05:30,NIFTY50,25-Aug-2026,24100,CE,24052.4,120.25,10,200,5,10.89,"
        "0.5,0.001,-6,13,4\n"
        "2026-08-19T11:27:00+05:30,NIFTY50,01-Sep-2026,24000,CE,24052.4,1,2,3,-,-,-,-,-,-,-\n"
        "2026-08-19T11:27:00+05:30,NIFTY50,25-Aug-2026,24050,CE,24052.4,150,1,13.666,0,0,,,,,\n");
    assert_true(next(&rig, &chain));
    assert_string_equal(csv_layout_name(rig.csv), "nse_leg");
    assert_string_equal(chain.series->symbol, "NIFTY");
    assert_string_equal(chain.series->expiry_text, "2026-08-25");
    assert_int_equal(chain.layout->oi_unit, HDE__QUANTITY_UNIT__QUANTITY_UNIT_LOTS);
    assert_int_equal(chain.stamp_ns, INT64_C(1787119020) * WHEN_SECOND);
    assert_int_equal(chain.snapshot->n, 2);
    assert_true(chain.snapshot->spot == 24052.4);
    assert_true(chain.snapshot->lot_size == 65);
    assert_true(chain.snapshot->row[0].strike == 24050);
    assert_true(chain.snapshot->row[0].value[SIDE_CALL][LEG_OI] == 13.666);
    assert_true(isnan(chain.snapshot->row[0].value[SIDE_CALL][LEG_IV])); /* 0 is none */
    assert_true(isnan(chain.snapshot->row[0].value[SIDE_PUT][LEG_LAST]));
    assert_true(chain.snapshot->row[1].value[SIDE_CALL][LEG_LAST] == 120.25);
    assert_true(chain.snapshot->row[1].value[SIDE_CALL][LEG_IV] == 10.89 / 100);
    assert_true(chain.snapshot->row[1].value[SIDE_PUT][LEG_OI_CHANGE] == -4);
    assert_true(has(&chain, MISSING));
    assert_true(next(&rig, &chain));
    assert_string_equal(chain.series->expiry_text, "2026-09-01");
    assert_int_equal(chain.sequence, 2);
    assert_true(isnan(chain.snapshot->row[0].value[SIDE_CALL][LEG_OI_CHANGE]));
    assert_false(next(&rig, &chain));
    rig_close(&rig);
}

static void
rows_of_strikes_become_columns(void **state)
{
    struct csv_chain chain;
    struct rig rig;

    rig_open(
        &rig, STRIKE_HEAD
        "2019-09-05T10:00:00+05:30,BANKNIFTY,2019-09-12,40,-20,7,25.5,101.05,-3.2,20,101,102,40,"
        "27000.00,60,98,99,80,1.5,98.5,24.5,9,60,80,27123.85\n"
        "2019-09-05T10:00:00+05:30,BANKNIFTY,2019-09-12,-,-,-,-,-,-,-,-,-,-,27100.00,-,-,-,-,-,"
        "-,-,-,-,-,27123.85\n");
    assert_true(next(&rig, &chain));
    assert_string_equal(csv_layout_name(rig.csv), "nse_strike");
    assert_int_equal(chain.snapshot->n, 2);
    assert_int_equal(chain.snapshot->flags, 0);
    assert_int_equal(chain.layout->oi_unit, HDE__QUANTITY_UNIT__QUANTITY_UNIT_UNITS);
    assert_int_equal(chain.layout->volume_unit, HDE__QUANTITY_UNIT__QUANTITY_UNIT_LOTS);
    assert_true(chain.snapshot->lot_size == 20);
    assert_true(chain.snapshot->row[0].value[SIDE_CALL][LEG_OI] == 40);
    assert_true(chain.snapshot->row[0].value[SIDE_CALL][LEG_BID] == 101);
    assert_true(chain.snapshot->row[0].value[SIDE_CALL][LEG_ASK_QTY] == 40);
    assert_true(chain.snapshot->row[0].value[SIDE_PUT][LEG_BID_QTY] == 60);
    assert_true(chain.snapshot->row[0].value[SIDE_PUT][LEG_LAST] == 98.5);
    assert_true(chain.snapshot->row[0].value[SIDE_PUT][LEG_CHANGE] == 1.5);
    assert_false(chain.snapshot->row[1].has[SIDE_CALL]);
    rig_close(&rig);
}

static void
our_own_names_are_a_layout_in_units_and_decimals(void **state)
{
    struct csv_chain chain;
    struct rig rig;

    rig_open(&rig, "\xef\xbb\xbf" HDE_HEAD "2026-08-19T05:57:00Z,\"NIFTY\",2026-08-25,24100,CE,"
                   "24052,120,119,121,65,130,0.1089,60\r\n");
    assert_true(next(&rig, &chain));
    assert_string_equal(csv_layout_name(rig.csv), "hde_leg");
    assert_true(chain.snapshot->row[0].value[SIDE_CALL][LEG_IV] == 0.1089);
    assert_true(chain.snapshot->row[0].value[SIDE_CALL][LEG_PREV_OI] == 60);
    assert_int_equal(chain.stamp_ns, INT64_C(1787119020) * WHEN_SECOND);
    rig_close(&rig);
}

static void
a_whole_day_written_from_the_market_reads_back(void **state)
{
    char error[300], day[16], *text = NULL;
    struct market market = {.seed = 5, .calendar = calendar_load("nse", error, sizeof error)};
    struct market_chain *chain = malloc(sizeof *chain);
    size_t size, n_chains = 0, n_legs = 0;
    struct csv_chain read;
    int32_t expiries[MARKET_EXPIRIES_MAX];
    struct rig rig;
    FILE *out = open_memstream(&text, &size);
    int64_t open = when_midnight(when_day(2026, 8, 19), 19800) + 33300 * WHEN_SECOND;

    fputs(LEG_HEAD, out);
    for (int minute = 0; minute < 60; minute++) {
        int64_t now = open + minute * 60 * WHEN_SECOND;

        market_expiries(&market, &market_underlyings[0], now, expiries);
        for (int e = 0; e < 2; e++) {
            assert_true(market_chain(&market, &market_underlyings[0], expiries[e], now, chain));
            when_print_day(expiries[e], day);
            for (size_t i = 0; i < chain->n; i++)
                fprintf(out,
                        "2026-08-19T%02d:%02d:00+05:30,NIFTY,%s,%g,CE,%.17g,%.17g,%.0f,%.0f,,%.17g,"
                        ",,,,\n"
                        "2026-08-19T%02d:%02d:00+05:30,NIFTY,%s,%g,PE,%.17g,%.17g,%.0f,%.0f,,%.17g,"
                        ",,,,\n",
                        9 + (15 + minute) / 60, (15 + minute) % 60, day, chain->strike[i],
                        chain->spot, chain->call[i].last, chain->call[i].volume, chain->call[i].oi,
                        chain->call[i].iv * 100, 9 + (15 + minute) / 60, (15 + minute) % 60, day,
                        chain->strike[i], chain->spot, chain->put[i].last, chain->put[i].volume,
                        chain->put[i].oi, chain->put[i].iv * 100);
        }
    }
    fclose(out);
    rig_open(&rig, text);
    while (next(&rig, &read)) {
        assert_true(market_chain(&market, &market_underlyings[0], read.series->expiry,
                                 read.stamp_ns, chain));
        assert_int_equal(read.snapshot->n, chain->n);
        assert_true(read.snapshot->spot == chain->spot);
        for (size_t i = 0; i < chain->n; i++) {
            const struct snapshot_row *row = &read.snapshot->row[i];

            assert_true(row->strike == chain->strike[i]);
            assert_true(row->value[SIDE_CALL][LEG_LAST] == chain->call[i].last);
            assert_true(row->value[SIDE_PUT][LEG_OI] == chain->put[i].oi);
            n_legs += 2;
        }
        n_chains++;
    }
    assert_int_equal(n_chains, 120);
    assert_int_equal(csv_totals(rig.csv)->rows, n_legs);
    assert_int_equal(csv_totals(rig.csv)->rows_rejected + csv_totals(rig.csv)->bad_values, 0);
    rig_close(&rig);
    free(text);
    free(chain);
    calendar_free((struct calendar *)market.calendar);
}

/* ---- Flags ---------------------------------------------------------------------------------- */

/* Rows with one leg: stamp, expiry and price vary. */
#define ROW(stamp, expiry, last)                                                                   \
    "2019-05-23T" stamp "+05:30,NIFTY,2019-05-" expiry ",75,-,-,-," last                           \
    ",-,-,-,-,-,11700.00,-,-,-,-,-," last ",-,-,-,75,11737.9\n"

struct wanted {
    const char *expiry;
    uint32_t flags;
};

static void
check_flags(const char *text, const struct wanted *wanted)
{
    struct csv_chain chain;
    struct rig rig;
    int i = 0;

    rig_open(&rig, text);
    for (; wanted[i].expiry; i++) {
        assert_true(next(&rig, &chain));
        assert_string_equal(chain.series->expiry_text, wanted[i].expiry);
        if (chain.snapshot->flags != wanted[i].flags)
            fail_msg("chain %d: flags %#x, not %#x", i, chain.snapshot->flags, wanted[i].flags);
    }
    assert_false(next(&rig, &chain));
    rig_close(&rig);
}

#define F(flag) (1u << (flag))

static void
pre_open_stale_and_after_close_are_flagged(void **state)
{
    check_flags(STRIKE_HEAD ROW("09:00:00", "23", "-") ROW("09:15:00", "23", "-")
                    ROW("09:30:00", "23", "10") ROW("15:30:00", "23", "11")
                        ROW("15:30:01", "23", "12") ROW("15:45:00", "23", "12"),
                (struct wanted[]){
                    {"2019-05-23", F(PRE_OPEN) | F(STALE)},
                    {"2019-05-23", F(STALE) | F(REPEATED)},
                    {"2019-05-23", 0},
                    {"2019-05-23", 0},
                    {"2019-05-23", F(AFTER_CLOSE)},
                    {"2019-05-23", F(AFTER_CLOSE) | F(REPEATED)},
                    {0},
                });
}

static void
the_close_of_yesterday_shown_today_is_stale(void **state)
{
    static const char text[] =
        HDE_HEAD "2026-08-18T10:00:00Z,NIFTY,2026-08-25,24000,CE,24052,120,119,121,65,130,,\n"
                 "2026-08-19T03:45:00Z,NIFTY,2026-08-25,24000,CE,24052,120,119,121,65,130,,\n"
                 "2026-08-19T03:46:00Z,NIFTY,2026-08-25,24000,CE,24052,121,119,121,65,130,,\n";

    check_flags(text, (struct wanted[]){
                          {"2026-08-25", F(MISSING)},
                          {"2026-08-25", F(MISSING) | F(STALE) | F(REPEATED)},
                          {"2026-08-25", F(MISSING)},
                          {0},
                      });
}

static void
a_capture_over_two_stamps_is_flagged_on_both(void **state)
{
    check_flags(STRIKE_HEAD ROW("10:04:00", "23", "1") ROW("10:04:00", "30", "2")
                    ROW("10:05:00", "31", "3") ROW("10:20:00", "23", "4")
                        ROW("10:21:00", "23", "5"),
                (struct wanted[]){
                    {"2019-05-23", F(SPLIT)},
                    {"2019-05-30", F(SPLIT)},
                    {"2019-05-31", F(SPLIT)},
                    {"2019-05-23", 0},
                    {"2019-05-23", 0},
                    {0},
                });
}

static void
time_going_backwards_is_flagged_until_it_has_caught_up(void **state)
{
    struct csv_chain chain;
    struct rig rig;

    check_flags(
        STRIKE_HEAD ROW("10:30:00", "23", "1") ROW("10:15:00", "23", "2")
            ROW("10:45:00", "23", "3"),
        (struct wanted[]){{"2019-05-23", 0}, {"2019-05-23", F(BACKWARDS)}, {"2019-05-23", 0}, {0}});
    rig_open(&rig, STRIKE_HEAD ROW("10:30:00", "23", "1") ROW("10:15:00", "23", "2"));
    while (next(&rig, &chain))
        continue;
    assert_int_equal(rig.reports[CSV_BACKWARDS], 1);
    rig_close(&rig);
}

static void
what_a_chain_holds_is_flagged(void **state)
{
    check_flags(HDE_HEAD "2026-08-19T05:00:00Z,NIFTY,2026-08-25,24000,CE,-,1,2,3,4,5,,\n"
                         "2026-08-19T05:01:00Z,NIFTY,2026-08-25,24000,CE,0,2,2,3,4,5,,\n"
                         "2026-08-19T05:02:00Z,NIFTY,2026-08-25,24000,CE,1,0,0,0,0,0,,\n"
                         "2026-08-19T05:03:00Z,NIFTY,2026-08-25,24000,CE,1,1,3,2,4,5,,\n"
                         "2026-08-19T05:04:00Z,NIFTY,2026-08-25,24000,CE,1,1,2,3,-4,5,,\n"
                         "2026-08-19T05:05:00Z,NIFTY,2026-08-25,24000,CE,1,2,2,3,four,5,,\n"
                         "2026-08-19T05:06:00Z,NIFTY,2026-08-25,24000,CE,1,1,2,3,4,5,,\n"
                         "2026-08-19T05:06:00Z,NIFTY,2026-08-25,24000,CE,1,7,2,3,4,5,,\n",
                (struct wanted[]){
                    {"2026-08-25", F(MISSING) | F(NO_SPOT)},
                    {"2026-08-25", F(MISSING) | F(NO_SPOT)},
                    {"2026-08-25", F(MISSING) | F(ZERO_LEGS) | F(STALE)},
                    {"2026-08-25", F(MISSING) | F(CROSSED)},
                    {"2026-08-25", F(MISSING) | F(BAD_VALUES)},
                    {"2026-08-25", F(MISSING) | F(BAD_VALUES)},
                    {"2026-08-25", F(MISSING) | F(BAD_VALUES)},
                    {0},
                });
}

static void
of_a_strike_that_comes_twice_the_later_row_counts(void **state)
{
    struct csv_chain chain;
    struct rig rig;

    rig_open(&rig, HDE_HEAD "2026-08-19T05:06:00Z,NIFTY,2026-08-25,24100,CE,1,1,2,3,4,5,,\n"
                            "2026-08-19T05:06:00Z,NIFTY,2026-08-25,24000,CE,1,1,2,3,4,5,,\n"
                            "2026-08-19T05:06:00Z,NIFTY,2026-08-25,24100,CE,1,7,2,3,4,5,,\n");
    assert_true(next(&rig, &chain));
    assert_int_equal(chain.snapshot->n, 2);
    assert_true(chain.snapshot->row[1].value[SIDE_CALL][LEG_LAST] == 7);
    assert_int_equal(csv_totals(rig.csv)->duplicates, 1);
    rig_close(&rig);
}

/* ---- Rows that are refused ------------------------------------------------------------------ */

static void
malformed_rows_are_rejected_with_file_and_line(void **state)
{
    static const char *const bad[] = {
        "x",
        "",
        "2026-08-19T05:06:00Z,NIFTY,2026-08-25,24000,CE,1,1,2,3,4,5,",
        "2026-08-19T05:06:00Z,NIFTY,2026-08-25,24000,CE,1,1,2,3,4,5,,,",
        "yesterday,NIFTY,2026-08-25,24000,CE,1,1,2,3,4,5,,",
        "2026-13-19T05:06:00Z,NIFTY,2026-08-25,24000,CE,1,1,2,3,4,5,,",
        "2026-02-30T05:06:00Z,NIFTY,2026-08-25,24000,CE,1,1,2,3,4,5,,",
        "2026-08-19T25:06:00Z,NIFTY,2026-08-25,24000,CE,1,1,2,3,4,5,,",
        ",NIFTY,2026-08-25,24000,CE,1,1,2,3,4,5,,",
        "2026-08-19T05:06:00Z,,2026-08-25,24000,CE,1,1,2,3,4,5,,",
        "2026-08-19T05:06:00Z,NIF TY,2026-08-25,24000,CE,1,1,2,3,4,5,,",
        "2026-08-19T05:06:00Z,NIFTYNIFTYNIFTYNIFTYNIFTY,2026-08-25,24000,CE,1,1,2,3,4,5,,",
        "2026-08-19T05:06:00Z,NIFTY,soon,24000,CE,1,1,2,3,4,5,,",
        "2026-08-19T05:06:00Z,NIFTY,-,24000,CE,1,1,2,3,4,5,,",
        "2026-08-19T05:06:00Z,NIFTY,2026-08-25,-,CE,1,1,2,3,4,5,,",
        "2026-08-19T05:06:00Z,NIFTY,2026-08-25,0,CE,1,1,2,3,4,5,,",
        "2026-08-19T05:06:00Z,NIFTY,2026-08-25,-24000,CE,1,1,2,3,4,5,,",
        "2026-08-19T05:06:00Z,NIFTY,2026-08-25,nan,CE,1,1,2,3,4,5,,",
        "2026-08-19T05:06:00Z,NIFTY,2026-08-25,0x5dc0,CE,1,1,2,3,4,5,,",
        "2026-08-19T05:06:00Z,NIFTY,2026-08-25,1e999,CE,1,1,2,3,4,5,,",
        "2026-08-19T05:06:00Z,NIFTY,2026-08-25,24000,XX,1,1,2,3,4,5,,",
        "2026-08-19T05:06:00Z,NIFTY,2026-08-25,24000,,1,1,2,3,4,5,,",
        "\"2026-08-19T05:06:00Z,NIFTY,2026-08-25,24000,CE,1,1,2,3,4,5,,",
        "2026-08-19T05:06:00Z,\"NIFTY\"x,2026-08-25,24000,CE,1,1,2,3,4,5,,",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bool blank = !*bad[i];
        struct csv_chain chain;
        struct rig rig;
        char text[800];

        snprintf(text, sizeof text,
                 HDE_HEAD "2026-08-19T05:05:00Z,NIFTY,2026-08-25,24000,CE,1,1,2,3,4,5,,\n%s\n"
                          "2026-08-19T05:06:00Z,NIFTY,2026-08-25,24000,CE,1,2,2,3,4,5,,\n",
                 bad[i]);
        rig_open(&rig, text);
        assert_true(next(&rig, &chain));
        assert_true(next(&rig, &chain));
        assert_true(chain.snapshot->row[0].value[SIDE_CALL][LEG_LAST] == 2);
        assert_false(next(&rig, &chain));
        if (rig.reports[CSV_BAD_ROW] != !blank || csv_totals(rig.csv)->rows_rejected != !blank)
            fail_msg("'%s' was rejected %d times", bad[i], rig.reports[CSV_BAD_ROW]);
        if (!blank && strncmp(rig.last, "t.csv:3: ", 9) != 0)
            fail_msg("'%s': %s", bad[i], rig.last);
        rig_close(&rig);
    }
}

static void
very_long_rows_and_nul_bytes_are_rejected(void **state)
{
    size_t n = sizeof HDE_HEAD - 1, size = 400000;
    char *text = malloc(size), error[700];
    static const char row[] = "2026-08-19T05:05:00Z,NIFTY,2026-08-25,24000,CE,1,1,2,3,4,5,,\n";
    struct csv_chain chain;
    struct rig rig;

    memcpy(text, HDE_HEAD, n);
    memset(text + n, '7', 300000);
    n += 300000;
    text[n++] = '\n';
    memcpy(text + n, row, sizeof row - 1);
    text[n + 25] = '\0';
    n += sizeof row - 1;
    memcpy(text + n, row, sizeof row - 1);
    n += sizeof row - 1;
    assert_true(rig_try(&rig, text, n, error, sizeof error));
    assert_true(next(&rig, &chain));
    assert_false(next(&rig, &chain));
    assert_int_equal(csv_totals(rig.csv)->rows_rejected, 2);
    rig_close(&rig);
    free(text);
}

static void
headers_that_fit_no_layout_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "a,b,c\n1,2,3\n",
        "strike,expiry\n",
        "\"capture_time_ist\n",
        "event_time,underlying,expiry,strike,type\n", /* no leg */
        "PK\x03\x04\n",
        "{\"data\":{}}\n",
        "<html>\n",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char error[700] = "";
        struct csv_chain chain;
        struct rig rig;

        assert_false(rig_try(&rig, bad[i], strlen(bad[i]), error, sizeof error));
        assert_true(strncmp(error, "t.csv", 5) == 0);
        assert_false(next(&rig, &chain));
        rig_close(&rig);
    }
}

/* ---- The operator --------------------------------------------------------------------------- */

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static char folder[] = "/tmp/hde-csv-XXXXXX";

static int
make_folder(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
    static const char *const names[] = {"a.csv", "b.csv", "bad.csv", "own.yaml"};
    char path[64];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static const char *
file_at(const char *name, const char *text)
{
    static char path[64];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    write_file(path, text);
    return path;
}

static hde_harness *
open_csv(const char *path, const char *more)
{
    char params[800];

    snprintf(params, sizeof params, "path: \"%s\"\n%s", path, more);
    return hde_harness_open("ingestion/chain_csv", params);
}

static hde_msg *
pull(hde_harness *h)
{
    assert_int_equal(hde_harness_poll(h), HDE_OK);
    return hde_harness_pull(h, "chains");
}

static void
the_operator_gives_one_message_a_poll(void **state)
{
    hde_harness *h = open_csv(
        file_at("a.csv", STRIKE_HEAD ROW("10:00:00", "23", "1") ROW("10:00:00", "30", "2")),
        "source: tape\n");
    hde_msg *msg = pull(h);
    const Hde__RawChain *chain = (const Hde__RawChain *)msg->body;

    assert_string_equal(chain->feed, "NSE:NIFTY@tape");
    assert_string_equal(chain->expiry, "2019-05-23");
    assert_string_equal(chain->session, "2019-05-23");
    assert_int_equal(msg->event_ns, chain->event_ns);
    assert_int_equal(chain->session_open_ns, chain->event_ns - 45 * 60 * WHEN_SECOND);
    assert_int_equal(chain->expiry_ns, chain->session_close_ns);
    assert_false(chain->has_receive_ns);
    assert_int_equal(chain->n_strike, 1);
    assert_int_equal(chain->calls->n_last, 1);
    assert_int_equal(chain->calls->n_bid, 0); /* absent for all strikes */
    assert_true(chain->puts->oi[0] == 75);
    assert_null(hde_harness_pull(h, "chains"));
    hde_msg_drop(msg);
    hde_msg_drop(pull(h));
    assert_int_equal(hde_harness_poll(h), HDE_END);
    hde_harness_close(h);
}

static void
an_operator_that_is_opened_anew_goes_on_where_it_was(void **state)
{
    hde_harness *h =
        open_csv(file_at("a.csv", STRIKE_HEAD ROW("10:00:00", "23", "1") ROW("10:15:00", "23", "1")
                                      ROW("10:30:00", "23", "1")),
                 "");
    const Hde__RawChain *chain;
    hde_msg *msg = pull(h);
    char position[64];
    size_t size;

    hde_msg_drop(msg);
    assert_non_null(hde_harness_position(h, 0, &size));
    assert_in_range(size, 1, sizeof position);
    memcpy(position, hde_harness_position(h, 0, &size), size);
    assert_true(hde_harness_reload(h));
    assert_int_equal(hde_harness_seek(h, 0, position, size), HDE_OK);
    msg = pull(h);
    chain = (const Hde__RawChain *)msg->body;
    assert_int_equal(chain->sequence, 2);
    assert_int_equal(chain->n_flags, 1); /* it still knows the chain before */
    assert_int_equal(chain->flags[0], REPEATED);
    hde_msg_drop(msg);
    hde_msg_drop(pull(h));
    assert_int_equal(hde_harness_poll(h), HDE_END);
    hde_harness_close(h);
}

static void
a_file_that_answers_differently_is_refused(void **state)
{
    static const char *const changed[] = {
        STRIKE_HEAD ROW("10:00:00", "23", "2") ROW("10:15:00", "23", "1"), /* a value */
        STRIKE_HEAD ROW("10:01:00", "23", "1") ROW("10:15:00", "23", "1"), /* a time */
        STRIKE_HEAD ROW("10:00:00", "23", "1"),                            /* shorter */
    };

    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) {
        hde_harness *h = open_csv(
            file_at("a.csv", STRIKE_HEAD ROW("10:00:00", "23", "1") ROW("10:15:00", "23", "1")),
            "");
        char position[64];
        size_t size;

        hde_msg_drop(pull(h));
        hde_msg_drop(pull(h));
        assert_non_null(hde_harness_position(h, 0, &size));
        assert_in_range(size, 1, sizeof position);
        memcpy(position, hde_harness_position(h, 0, &size), size);
        file_at("a.csv", changed[i]);
        assert_true(hde_harness_reload(h));
        assert_int_equal(hde_harness_seek(h, 0, position, size), HDE_FAIL);
        assert_non_null(strstr(hde_harness_said(h), "csv.changed"));
        hde_harness_close(h);
    }
}

static void
several_files_are_read_in_order_past_one_that_is_bad(void **state)
{
    char pattern[64];
    hde_harness *h;
    hde_msg *msg;

    file_at("a.csv", STRIKE_HEAD ROW("10:00:00", "23", "1"));
    file_at("b.csv", STRIKE_HEAD ROW("10:15:00", "23", "2"));
    file_at("bad.csv", "PK");
    snprintf(pattern, sizeof pattern, "%s/*.csv", folder);
    h = open_csv(pattern, "");
    msg = pull(h);
    hde_msg_drop(msg);
    msg = pull(h);
    assert_int_equal(((const Hde__RawChain *)msg->body)->sequence, 2);
    hde_msg_drop(msg);
    assert_int_equal(hde_harness_poll(h), HDE_END);
    assert_int_equal(hde_harness_counter(h, "files_failed"), 1);
    assert_int_equal(hde_harness_counter(h, "rows"), 2);
    hde_harness_close(h);
}

static void
columns_can_be_named_in_the_graph(void **state)
{
    hde_harness *h = open_csv(
        file_at("a.csv", "when|k|side|px|n\n19.08.2026 10:00|24000|call|12.5|3\n"
                         "19.08.2026 10:00|24000|put|n/a|4\n"),
        "underlying: NIFTY\ncolumns: {stamp: when, strike: k, type: side, last: px, oi: n, "
        "expiry: when}\nlayout: auto\nstamp: [\"%d.%m.%Y %H:%M\"]\n"
        "expiry: [\"%d.%m.%Y %H:%M\"]\nmissing: [n/a]\noi_unit: lots\nseparator: \"|\"\n"
        "call: call\nput: put\n");
    hde_msg *msg = pull(h);
    const Hde__RawChain *chain = (const Hde__RawChain *)msg->body;

    assert_string_equal(chain->feed, "NSE:NIFTY@csv");
    assert_true(chain->calls->last[0] == 12.5);
    assert_int_equal(chain->puts->n_last, 0);
    assert_true(chain->puts->oi[0] == 4);
    assert_int_equal(chain->oi_unit, HDE__QUANTITY_UNIT__QUANTITY_UNIT_LOTS);
    hde_msg_drop(msg);
    hde_harness_close(h);
}

static void
a_layout_can_be_a_file(void **state)
{
    char more[100];
    hde_harness *h;
    hde_msg *msg;

    snprintf(more, sizeof more, "layout: \"%s\"\n",
             file_at("own.yaml", "name: own\nrows: strike\nunderlying: SENSEX\nvenue: BSE\n"
                                 "columns: {stamp: t, expiry: e, strike: k, call: {oi: c}, "
                                 "put: {oi: p}}\n"));
    h = open_csv(file_at("a.csv", "t,e,k,c,p\n2026-08-19T10:00:00,2026-08-20,80000,5,6\n"), more);
    msg = pull(h);
    assert_string_equal(((const Hde__RawChain *)msg->body)->feed, "BSE:SENSEX@csv");
    assert_true(((const Hde__RawChain *)msg->body)->puts->oi[0] == 6);
    hde_msg_drop(msg);
    hde_harness_close(h);
}

static void
what_cannot_work_is_refused_when_it_is_opened(void **state)
{
    static const struct {
        const char *params, *event;
    } cases[] = {
        {"path: /nowhere/at/all.csv", "csv.no-file"},
        {"path: \"/nowhere/*.csv\"", "csv.no-file"},
        {"path: /", "csv.unreadable"},
        {"path: /dev/null", "csv.unreadable"},
        {"path: /dev/null\ncalendar: moon", "csv.calendar"},
        {"path: /dev/null\nlayout: moon", "csv.layout"},
        {"path: /dev/null\ncolumns: {moon: x}", "csv.layout"},
        {"path: /dev/null\nlayout: nse_leg\ntimezone: IST", "csv.layout"},
        {"path: /dev/null\nlayout: nse_leg\noi_unit: tons", "csv.layout"},
        {"path: /dev/null\nlayout: nse_leg\nrows: both", "csv.layout"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char error[800] = "";
        hde_harness *h =
            hde_harness_try("ingestion/chain_csv", cases[i].params, error, sizeof error);

        if (h || strncmp(error, cases[i].event, strlen(cases[i].event)) != 0)
            fail_msg("%s: %s", cases[i].params, error);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_legs_become_columns),
        cmocka_unit_test(rows_of_strikes_become_columns),
        cmocka_unit_test(our_own_names_are_a_layout_in_units_and_decimals),
        cmocka_unit_test(a_whole_day_written_from_the_market_reads_back),
        cmocka_unit_test(pre_open_stale_and_after_close_are_flagged),
        cmocka_unit_test(the_close_of_yesterday_shown_today_is_stale),
        cmocka_unit_test(a_capture_over_two_stamps_is_flagged_on_both),
        cmocka_unit_test(time_going_backwards_is_flagged_until_it_has_caught_up),
        cmocka_unit_test(what_a_chain_holds_is_flagged),
        cmocka_unit_test(of_a_strike_that_comes_twice_the_later_row_counts),
        cmocka_unit_test(malformed_rows_are_rejected_with_file_and_line),
        cmocka_unit_test(very_long_rows_and_nul_bytes_are_rejected),
        cmocka_unit_test(headers_that_fit_no_layout_are_refused),
        cmocka_unit_test(the_operator_gives_one_message_a_poll),
        cmocka_unit_test(an_operator_that_is_opened_anew_goes_on_where_it_was),
        cmocka_unit_test(a_file_that_answers_differently_is_refused),
        cmocka_unit_test(several_files_are_read_in_order_past_one_that_is_bad),
        cmocka_unit_test(columns_can_be_named_in_the_graph),
        cmocka_unit_test(a_layout_can_be_a_file),
        cmocka_unit_test(what_cannot_work_is_refused_when_it_is_opened),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
