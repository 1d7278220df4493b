/* SPDX-License-Identifier: Apache-2.0
 * fuzz_feeds - mutated answers of the Dhan API, CSV files, layouts and calendars: whatever comes
 * in, what comes out keeps its promises.
 *
 * HDE_SEED repeats a run, HDE_FUZZ_SECONDS makes it longer (default 2). A crash leaves the seed and
 * the number of the input on stdout. */
#include "csv.h"
#include "dhan_json.h"
#include "market.h"
#include "sim_answer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INPUT_MAX 65536

static uint64_t state;

static uint64_t
draw(uint64_t n) /* splitmix64 */
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % n;
}

static void
require(bool holds, const char *what)
{
    if (holds)
        return;
    printf("broken: %s\n", what);
    fflush(stdout);
    abort();
}

/* ---- Promises ------------------------------------------------------------------------------- */

static void
check_row(const struct snapshot_row *row)
{
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < LEG_COUNT; i++) {
            double value = row->value[side][i];

            require(isnan(value) || isfinite(value), "an infinite value");
            require(isnan(value) || row->has[side], "a value on a side that is not there");
            require(!(value < 0) || i == LEG_OI_CHANGE || i == LEG_CHANGE || i >= LEG_DELTA,
                    "a value below 0");
        }
}

static void
check_snapshot(struct snapshot *snapshot)
{
    snapshot_finish(snapshot);
    require(isnan(snapshot->spot) || (isfinite(snapshot->spot) && snapshot->spot > 0), "spot");
    for (size_t i = 0; i < snapshot->n; i++) {
        require(snapshot->row[i].strike > 0 && isfinite(snapshot->row[i].strike), "strike");
        require(i == 0 || snapshot->row[i - 1].strike < snapshot->row[i].strike, "order");
        check_row(&snapshot->row[i]);
    }
    require(snapshot_hash(snapshot) != 0, "hash");
}

static void
try_chain(const char *bytes, size_t n)
{
    static struct snapshot snapshot;
    struct dhan_said said;
    enum dhan_result result;

    snapshot_clear(&snapshot);
    result = dhan_parse_chain(bytes, n, &snapshot, &said);
    require(result == DHAN_OK || snapshot.n == 0, "strikes of an answer that was refused");
    require(strlen(said.text) < sizeof said.text && strlen(said.code) < sizeof said.code, "text");
    check_snapshot(&snapshot);
    require(dhan_parse_error(bytes, n, 500, &said) != DHAN_OK, "an error that is none");
    snapshot_free(&snapshot);
}

static void
try_list(const char *bytes, size_t n)
{
    int32_t days[DHAN_EXPIRIES_MAX];
    struct dhan_said said;
    size_t n_days, bad;

    dhan_parse_list(bytes, n, days, &n_days, &bad, &said);
    require(n_days <= DHAN_EXPIRIES_MAX, "number of days");
    for (size_t i = 1; i < n_days; i++)
        require(days[i - 1] < days[i], "order of days");
}

static const struct calendar *nse;

static void
try_csv(const char *bytes, size_t n)
{
    struct csv *csv = csv_new(&(struct csv_config){.calendar = nse, .split_ns = 90 * WHEN_SECOND});
    const struct csv_totals *totals = csv_totals(csv);
    struct csv_chain chain;
    uint64_t chains = 0;
    char error[700];

    if (csv_open_bytes(csv, "fuzz.csv", bytes, n, error, sizeof error))
        while (csv_next(csv, &chain) == CSV_CHAIN) {
            struct snapshot copy = *chain.snapshot;

            check_snapshot(&copy);
            require(copy.n > 0, "a chain without rows");
            chains++;
        }
    require(totals->chains == chains, "number of chains");
    require(totals->rows >= totals->rows_rejected, "number of rows");
    csv_free(csv);
}

static void
try_layout(const char *bytes, size_t n)
{
    char path[] = "/tmp/hde-fuzz-XXXXXX", error[700];
    struct layout layout;
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");

    require(file && fwrite(bytes, 1, n, file) == n && fclose(file) == 0, "writing");
    layout_load(&layout, path, error, sizeof error);
    calendar_free(calendar_load(path, error, sizeof error));
    remove(path);
}

/* ---- Inputs --------------------------------------------------------------------------------- */

static const char csv_leg[] =
    "capture_time_ist,symbol,expiry,strike,option_type,spot,ltp,volume,oi,oi_chg,iv,delta,gamma,"
    "theta,vega,rho\n"
    "2026-08-19T11:27:00+05:30,NIFTY50,25-Aug-2026,24100,CE,24052.4,120.2,10,200,5,10.8,0.5,0,-6,"
    "13,4\n"
    "2026-08-19T11:27:00+05:30,NIFTY50,25-Aug-2026,24100,PE,24052.4,110.5,20,300,-4,9.1,-0.4,0,-5,"
    "12,-3\n"
    "2026-08-19T11:28:00+05:30,NIFTY50,01-Sep-2026,24150,CE,24052.4,90,10,200,-,-,-,-,-,-,-\n";
static const char csv_strike[] =
    "capture_time_ist,symbol,expiry,CallOI,CallIV,CallLTP,StrikePrice,PutLTP,PutIV,PutOI,"
    "CurrentVal\n"
    "2019-05-23T09:00:00+05:30,NIFTY,2019-05-23,75,20.1,100,11700,90,21.5,150,11737.9\n"
    "2019-05-23T09:00:00+05:30,NIFTY,2019-05-23,-,-,-,11750.00,-,-,150,11737.9\n"
    "2019-05-23T09:01:00+05:30,NIFTY,2019-05-30,75,20.1,\"100\",11700,90,21.5,150,11737.9\n";
static const char list[] = "{\"data\":[\"2026-08-25\",\"2026-09-01\"],\"status\":\"success\"}";
static const char refusal[] =
    "{\"status\":\"failed\",\"data\":{\"805\":\"Too many requests\"},\"remarks\":{\"error_code\":"
    "\"DH-901\",\"error_message\":\"x\"}}";
static const char yaml[] =
    "name: own\nrows: strike\nvenue: BSE\ntimezone: \"+05:30\"\nstamp: [\"%Y-%m-%d\"]\n"
    "expiry: close\niv: decimal\nmissing: [n/a]\naliases: {A: B}\n"
    "columns: {stamp: t, expiry: e, strike: k, call: {oi: c}}\n"
    "weeks:\n  - {from: 2026-01-01, mon: 09:15-15:30}\ndays: {2026-01-26: closed}\n"
    "lots: {NIFTY: {2026-01-01: 65}}\n";

static const char *const pieces[] = {
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\n",
    "\r\n",
    "-",
    ".",
    "e",
    "0",
    "-1",
    "1e999",
    "1e308",
    "99999999999999999999",
    "null",
    "true",
    "NaN",
    "\"ce\":{",
    "\"pe\":",
    "\"oi\":",
    "\"last_price\":",
    "\"greeks\":{}",
    "25000.000000",
    "\"25000\":{",
    "CE",
    "PE",
    "NIFTY",
    "2026-08-19T11:27:00+05:30",
    "2026-02-30",
    "25-Aug-2026",
    "\xef\xbb\xbf",
    "\xff",
    "\t",
    "'",
    "24:00",
    "closed",
    "  ",
    "- ",
    "&a ",
    "*a",
    "%Y",
    "%",
    "put",
    "call.",
    "columns",
    "<html>",
};

static size_t
mutate(char *text, size_t size)
{
    const char *piece = pieces[draw(sizeof pieces / sizeof *pieces)];
    size_t at = draw(size + 1), rest = size - at, len = rest ? draw(rest < 64 ? rest : 64) : 0;
    size_t n = strlen(piece);

    switch (draw(5)) {
    case 0: /* put a piece in */
        if (size + n > INPUT_MAX)
            return size;
        memmove(text + at + n, text + at, rest);
        memcpy(text + at, piece, n);
        return size + n;
    case 1: /* leave a part out */
        memmove(text + at, text + at + len, rest - len);
        return size - len;
    case 2:
        if (rest)
            text[at] = (char)draw(256);
        return size;
    case 3: /* a part twice */
        if (size + len > INPUT_MAX)
            return size;
        memmove(text + at + len, text + at, rest);
        return size + len;
    default: /* cut off, seldom */
        return draw(4) == 0 ? at : size;
    }
}

/* A short chain as the service would write it, with a random fault. */
static char *
sample(size_t *size)
{
    static const char *const faults[] = {NULL,          "missing-leg", "null-iv",
                                         "negative-oi", "zero-legs",   "strike-text",
                                         "text-values", "wrong-type",  "duplicate-strike"};
    struct market_chain *chain = calloc(1, sizeof *chain);
    const struct market market = {draw(1000), nse};
    int32_t days[MARKET_EXPIRIES_MAX];
    int64_t now = when_midnight(when_day(2026, 8, 19), 0) + (int64_t)draw(36000) * WHEN_SECOND;
    char *text;

    require(chain && market_expiries(&market, &market_underlyings[0], now, days) > 0, "expiries");
    require(market_chain(&market, &market_underlyings[0], days[0], now, chain), "market");
    chain->n = 1 + draw(6);
    text = sim_print_chain(chain, faults[draw(sizeof faults / sizeof *faults)], size);
    require(text && *size <= INPUT_MAX, "sample");
    free(chain);
    return text;
}

static const struct {
    void (*run)(const char *bytes, size_t n);
    const char *text; /* NULL: a sample */
} targets[] = {
    {try_chain, NULL},  {try_chain, NULL},     {try_chain, refusal}, {try_list, list},
    {try_csv, csv_leg}, {try_csv, csv_strike}, {try_layout, yaml},
};

static void
one(void)
{
    size_t target = draw(sizeof targets / sizeof *targets), size;
    const char *given = targets[target].text;
    char *made = given ? NULL : sample(&size), *text = malloc(INPUT_MAX), *exact;

    if (given)
        size = strlen(given);
    require(text != NULL, "memory");
    memcpy(text, given ? given : made, size);
    for (uint64_t i = draw(12); i > 0; i--)
        size = mutate(text, size);
    exact = malloc(size ? size : 1); /* so that a read behind the end is seen */
    require(exact != NULL, "memory");
    memcpy(exact, text, size);
    targets[target].run(exact, size);
    free(exact);
    free(text);
    free(made);
}

int
main(void)
{
    const char *seed = getenv("HDE_SEED"), *seconds = getenv("HDE_FUZZ_SECONDS");
    time_t end = time(NULL) + (seconds ? atol(seconds) : 2);
    char error[300];
    uint64_t n = 0;

    state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) * 1000003;
    printf("seed %" PRIu64 "\n", state);
    nse = calendar_load("nse", error, sizeof error);
    require(nse != NULL, "calendar");
    do
        for (int i = 0; i < 200; i++, n++)
            one();
    while (time(NULL) < end);
    printf("%" PRIu64 " inputs\n", n);
    calendar_free((struct calendar *)nse);
    return 0;
}
