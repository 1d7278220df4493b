/* SPDX-License-Identifier: Apache-2.0
 * quant_iv_test - implied volatility, one by one and in batches at every level of the machine,
 * against 80-digit values: reference_mpmath*.csv under $HDE_DATA/reference and rows that
 * quant_iv_rows.py makes where Python has mpmath (HDE_ROWS and HDE_SEED choose others). Either
 * part skips where its source is absent.
 *
 * A volatility is right within 4 times what the rounding of the price allows. */
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "quant/black.h"
#include "quant/cpu.h"
#include "quant/iv.h"

static uint64_t seed = 20260819;

static double
uniform(double low, double high)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(seed >> 11) * 0x1p-53;
}

/* ---- Options by column, and the ways to solve them ------------------------------------------ */

#define OPTIONS_MAX 65536

struct options {
    size_t n;
    enum bsm_model model[OPTIONS_MAX];
    enum bsm_right right[OPTIONS_MAX];
    double underlying[OPTIONS_MAX], strike[OPTIONS_MAX], t[OPTIONS_MAX], rate[OPTIONS_MAX],
        yield[OPTIONS_MAX], price[OPTIONS_MAX];
};

struct results {
    double vol[OPTIONS_MAX], conditioning[OPTIONS_MAX];
    enum iv_status status[OPTIONS_MAX];
};

static struct options options;
static struct results scalar, batch;

static void
add(const struct bsm *o, double price)
{
    size_t i = options.n++;

    assert_true(i < OPTIONS_MAX);
    options.model[i] = o->model;
    options.right[i] = o->right;
    options.underlying[i] = o->underlying;
    options.strike[i] = o->strike;
    options.t[i] = o->t;
    options.rate[i] = o->rate;
    options.yield[i] = o->yield;
    options.price[i] = price;
}

static struct bsm
option(size_t i)
{
    return (struct bsm){.model = options.model[i],
                        .right = options.right[i],
                        .underlying = options.underlying[i],
                        .strike = options.strike[i],
                        .t = options.t[i],
                        .rate = options.rate[i],
                        .yield = options.yield[i]};
}

static void
solve_each(struct results *r)
{
    for (size_t i = 0; i < options.n; i++) {
        struct bsm o = option(i);
        struct iv iv = iv_solve(&o, options.price[i]);

        r->vol[i] = iv.vol;
        r->conditioning[i] = iv.conditioning;
        r->status[i] = iv.status;
    }
}

/* The options from `from` on in one batch. */
static void
solve_batch(size_t from, size_t n, const struct iv_columns *out)
{
    struct bsm_batch in = {
        .n = n,
        .model = {options.model + from, 1},
        .right = {options.right + from, 1},
        .underlying = {options.underlying + from, 1},
        .strike = {options.strike + from, 1},
        .t = {options.t + from, 1},
        .rate = {options.rate + from, 1},
        .yield = {options.yield + from, 1},
    };

    iv_batch(&in, (struct bsm_input){options.price + from, 1}, out);
}

static struct iv_columns
columns(struct results *r, size_t from)
{
    return (struct iv_columns){r->vol + from, r->conditioning + from, r->status + from};
}

/* Calls check() with the results of each way: iv_solve(), then batches at each level. */
static void
every_way(void (*check)(const char *way, const struct results *r))
{
    enum quant_cpu usual = quant_cpu();
    struct iv_columns all = columns(&batch, 0);

    solve_each(&scalar);
    check("one by one", &scalar);
    for (int level = 0; level < QUANT_CPUS; level++) {
        if (!quant_cpu_force((enum quant_cpu)level)) {
            print_message("this machine has no %s\n", quant_cpu_name((enum quant_cpu)level));
            continue;
        }
        solve_batch(0, options.n, &all);
        check(quant_cpu_name((enum quant_cpu)level), &batch);
    }
    quant_cpu_force(usual);
}

static struct bsm
any_option(void)
{
    struct bsm o = {
        .model = uniform(0, 1) < 0.5 ? BSM_MERTON : BSM_BLACK76,
        .right = uniform(0, 1) < 0.5 ? BSM_CALL : BSM_PUT,
        .underlying = exp(uniform(-3, 11)),
        .t = exp(uniform(-9, 2)),
        .rate = uniform(-0.05, 0.2),
        .yield = uniform(-0.05, 0.2),
        .vol = exp(uniform(-4, 1)),
    };

    o.strike = o.underlying * exp(uniform(-6, 6) * o.vol * sqrt(o.t));
    return o;
}

/* ---- Reference rows ------------------------------------------------------------------------- */

/* What the rows of a file say of the options. */
static struct {
    char id[32], status[40];
    double exact, conditioning;
} rows[OPTIONS_MAX];

static void
read_rows(struct table *t)
{
    options.n = 0;
    while (table_next(t)) {
        struct bsm o = {
            .model = !strcmp(text(t, "model"), "bsm") ? BSM_MERTON : BSM_BLACK76,
            .right = *text(t, "type") == 'C' ? BSM_CALL : BSM_PUT,
            .underlying = number(t, "S_or_F"),
            .strike = number(t, "K"),
            .t = number(t, "T"),
            .rate = number(t, "r"),
            .yield = number(t, "q"),
        };
        size_t i = options.n;

        add(&o, number(t, "price_double"));
        snprintf(rows[i].id, sizeof rows[i].id, "%s", text(t, "id"));
        snprintf(rows[i].status, sizeof rows[i].status, "%s", text(t, "iv_status"));
        rows[i].exact = number(t, "iv_exact_for_price_double");
        rows[i].conditioning = number(t, "iv_rel_per_ulp_of_price");
    }
}

static double
share_of_bound(double vol, double exact, double conditioning)
{
    return fabs(vol / exact - 1) / (4 * (2.3e-16 + conditioning));
}

/* Whether a result is what a row says: its status word, exact volatility and conditioning. */
static bool
fits(struct iv iv, const char *word, double exact, double conditioning)
{
    bool solved = iv.status == IV_OK || iv.status == IV_ILL_CONDITIONED;
    bool right = share_of_bound(iv.vol, exact, conditioning) <= 1;

    if (isnan(iv.vol) != !solved || isnan(iv.conditioning) != !solved)
        return false;
    if (!strcmp(word, "ok"))
        return iv.status == IV_OK && right;
    if (!strcmp(word, "ill_conditioned"))
        return iv.status == IV_ILL_CONDITIONED || (iv.status == IV_OK && right);
    if (strstr(word, "maximum"))
        return iv.status == IV_ABOVE_MAXIMUM;
    return iv.status == IV_NO_TIME_VALUE || iv.status == IV_BELOW_INTRINSIC ||
           iv.status == IV_ILL_CONDITIONED;
}

static void
check_rows(const char *way, const struct results *r)
{
    double worst = 0;
    size_t missed = 0, solved = 0;

    for (size_t i = 0; i < options.n; i++) {
        struct iv iv = {r->vol[i], r->conditioning[i], r->status[i]};

        if (!fits(iv, rows[i].status, rows[i].exact, rows[i].conditioning)) {
            missed++;
            print_message("%s, %s, %s: status %d, vol %.17g, exact %.17g, off by %.3g, %.3g is "
                          "attainable\n",
                          rows[i].id, way, rows[i].status, (int)r->status[i], r->vol[i],
                          rows[i].exact, fabs(r->vol[i] / rows[i].exact - 1),
                          2.3e-16 + rows[i].conditioning);
        } else if (!strcmp(rows[i].status, "ok")) {
            solved++;
            worst = fmax(worst, share_of_bound(r->vol[i], rows[i].exact, rows[i].conditioning));
        }
    }
    print_message("%-10s %zu rows, %zu solved, worst error %.3f of the bound, %zu missed\n", way,
                  options.n, solved, worst, missed);
    assert_int_equal(missed, 0);
}

static void
check_table(struct table *t)
{
    read_rows(t);
    assert_true(options.n > 0);
    every_way(check_rows);
}

static void
test_every_reference_row_gets_its_volatility_or_its_status(void **state)
{
    each_file("reference_mpmath_[!n]*.csv", check_table);
}

static void
test_fresh_rows_of_all_regions_and_borders_get_theirs_too(void **state)
{
    const char *count = getenv("HDE_ROWS"), *first = getenv("HDE_SEED");
    char command[512];
    static struct table t;
    FILE *made;

    if (system("python3 -c 'import mpmath' 2>/dev/null") != 0) {
        print_message("python3 has no mpmath\n");
        skip();
    }
    snprintf(command, sizeof command, "python3 '%s/tests/operators/quant_iv_rows.py' %d %d",
             HDE_SOURCE_DIR, count ? atoi(count) : 650, first ? atoi(first) : 1);
    print_message("%s\n", command);
    made = popen(command, "r");
    assert_non_null(made);
    assert_true(table_start(&t, made));
    check_table(&t);
    assert_int_equal(pclose(made), 0);
}

static void
check_normalised(struct table *t)
{
    double share = 0, worst = 0;
    unsigned missed = 0;

    while (table_next(t)) {
        double x = number(t, "x"), s = number(t, "s"), b = number(t, "b");
        double exact = number(t, "s_exact_for_b_double");
        double conditioning = number(t, "ds_over_s_per_half_ulp_b");
        struct iv iv = iv_normalised(x, number(t, "b_double"));

        worst = fmax(worst, fabs(black_price(x, s, 1) / b - 1));
        if (!strcmp(text(t, "status"), "ok"))
            share = fmax(share, share_of_bound(iv.vol, exact, conditioning));
        if (fits(iv, text(t, "status"), exact, conditioning))
            continue;
        print_message("%s, %s: status %d, %.17g, exact %.17g\n", text(t, "id"), text(t, "status"),
                      (int)iv.status, iv.vol, exact);
        missed++;
    }
    print_message("b: worst relative error %.2e; s: worst error %.3f of the bound, %u missed\n",
                  worst, share, missed);
    assert_true(worst < 1e-12);
    assert_int_equal(missed, 0);
}

static void
test_the_normalised_price_and_its_inverse_match_90_digit_values(void **state)
{
    each_file("reference_mpmath_normalised*.csv", check_normalised);
}

/* ---- Properties ----------------------------------------------------------------------------- */

static double vols[OPTIONS_MAX];

static void
check_round_trip(const char *way, const struct results *r)
{
    size_t solved = 0;

    for (size_t i = 0; i < options.n; i++) {
        /* in the money the price carries the rounding of underlying and strike */
        double size = options.underlying[i] + options.strike[i];
        double tolerance = 2e-13 + 8 * r->conditioning[i] * (1 + size / options.price[i]);

        if (r->status[i] != IV_OK || !(tolerance < 1e-3))
            continue;
        solved++;
        if (!(fabs(r->vol[i] / vols[i] - 1) <= tolerance))
            fail_msg("%s, option %zu: vol %.17g, solved %.17g", way, i, vols[i], r->vol[i]);
    }
    assert_true(solved > options.n / 2);
}

static void
test_the_volatility_of_a_price_is_the_one_that_made_it(void **state)
{
    options.n = 0;
    while (options.n < 20000) {
        struct bsm o = any_option();
        double price;

        assert_true(bsm_price(&o, &price));
        vols[options.n] = o.vol;
        add(&o, price);
    }
    every_way(check_round_trip);
}

/* A price a little off, anywhere from 0 to the maximum, or within ulps of intrinsic value or of
 * the maximum. */
static double
near_price(const struct bsm *o)
{
    double yield = o->model == BSM_BLACK76 ? o->rate : o->yield, kind = uniform(0, 1), price;
    double asset = o->underlying * exp(-yield * o->t), cash = o->strike * exp(-o->rate * o->t);
    double most = o->right == BSM_CALL ? asset : cash;

    assert_true(bsm_price(o, &price));
    if (kind < 0.4)
        return price * (1 + 1e-3 * uniform(-1, 1));
    if (kind < 0.8)
        return uniform(0, 1) * most;
    price = kind < 0.9 ? fabs(asset - cash) : most;
    return price + floor(uniform(-4, 5)) * (nextafter(price, INFINITY) - price);
}

static void
any_quotes(size_t n)
{
    options.n = 0;
    while (options.n < n) {
        struct bsm o = any_option();

        add(&o, near_price(&o));
    }
}

static void
check_against_scalar(const char *way, const struct results *r)
{
    for (size_t i = 0; i < options.n; i++) {
        double bound = 2e-15 + 8 * scalar.conditioning[i];

        if (r->status[i] != scalar.status[i])
            fail_msg("%s, option %zu: status %d, one by one %d", way, i, (int)r->status[i],
                     (int)scalar.status[i]);
        if (isnan(scalar.vol[i]))
            assert_true(isnan(r->vol[i]));
        else if (!(fabs(r->vol[i] / scalar.vol[i] - 1) <= bound))
            fail_msg("%s, option %zu: %.17g, one by one %.17g, allowed %.3g", way, i, r->vol[i],
                     scalar.vol[i], bound);
    }
}

static void
test_batches_agree_with_one_by_one_within_the_stated_bound(void **state)
{
    any_quotes(50000);
    every_way(check_against_scalar);
}

static bool
same_bits(const struct results *a, size_t i, const struct results *b, size_t k)
{
    return a->status[i] == b->status[k] && !memcmp(a->vol + i, b->vol + k, sizeof *a->vol) &&
           !memcmp(a->conditioning + i, b->conditioning + k, sizeof *a->conditioning);
}

static void
check_pieces(const char *way, const struct results *whole)
{
    static struct results piece;

    if (whole == &scalar)
        return;
    for (size_t from = 0, n; from < options.n; from += n) {
        struct iv_columns at = columns(&piece, (from * 7) % 11);

        n = 1 + (size_t)uniform(0, 150);
        n = n < options.n - from ? n : options.n - from;
        solve_batch(from, n, &at);
        for (size_t i = 0; i < n; i++)
            if (!same_bits(&piece, (from * 7) % 11 + i, whole, from + i))
                fail_msg("%s: option %zu differs in a batch of %zu from %zu", way, from + i, n,
                         from);
    }
}

static void
test_results_are_the_same_bits_at_any_place_of_any_batch(void **state)
{
    any_quotes(20000);
    every_way(check_pieces);
}

/* One expiry: iv_column() and iv_batch() with constants are the batch of columns. */
static void
check_column(const char *way, const struct results *whole)
{
    static struct results column;
    struct iv_columns at = columns(&column, 0);
    struct bsm shared = option(0);

    if (whole == &scalar)
        return;
    iv_column(&shared, options.n, options.strike, options.price, &at);
    for (size_t i = 0; i < options.n; i++)
        if (!same_bits(&column, i, whole, i))
            fail_msg("%s: option %zu differs", way, i);
}

static void
test_a_column_of_one_expiry_is_the_same_as_a_batch(void **state)
{
    for (int round = 0; round < 20; round++) {
        struct bsm o = any_option();

        options.n = 0;
        for (int i = 0; i < 1000; i++) {
            o.strike = o.underlying * exp(uniform(-4, 4) * o.vol * sqrt(o.t));
            add(&o, i % 17 ? near_price(&o) : NAN);
        }
        every_way(check_column);
    }
}

static void
test_columns_that_are_not_wanted_are_left_alone(void **state)
{
    struct bsm o = {BSM_BLACK76, BSM_CALL, 100, 100, 1, 0.05, 0, 0};
    double strike = 100, price = 8, vol = 0;

    iv_column(&o, 1, &strike, &price, &(struct iv_columns){.vol = &vol});
    assert_true(vol > 0.2 && vol < 0.22);
    iv_column(&o, 1, &strike, &price, &(struct iv_columns){0});
    iv_column(&o, 0, NULL, NULL, &(struct iv_columns){.vol = &vol});
}

/* ---- Statuses ------------------------------------------------------------------------------- */

#define M BSM_MERTON
#define B BSM_BLACK76
static const struct {
    const char *name;
    struct bsm o;
    double price;
    enum iv_status status;
} statuses[] = {
    {"absent", {B, 1, 1000, 950, .1, 0, 0, 0}, NAN, IV_NO_QUOTE},
    {"a fair price", {B, 1, 1000, 950, .1, 0, 0, 0}, 60, IV_OK},
    {"0", {B, -1, 1000, 950, .1, 0, 0, 0}, 0, IV_NO_TIME_VALUE},
    {"-0", {B, -1, 1000, 950, .1, 0, 0, 0}, -0.0, IV_NO_TIME_VALUE},
    {"negative", {B, -1, 1000, 950, .1, 0, 0, 0}, -1, IV_BELOW_INTRINSIC},
    {"the least negative", {B, -1, 1000, 950, .1, 0, 0, 0}, -5e-324, IV_BELOW_INTRINSIC},
    {"the least price", {B, -1, 1000, 950, .1, 0, 0, 0}, 5e-324, IV_OK},
    {"under intrinsic", {B, 1, 1000, 950, .1, 0, 0, 0}, 49, IV_BELOW_INTRINSIC},
    {"intrinsic", {B, 1, 1000, 950, .1, 0, 0, 0}, 50, IV_NO_TIME_VALUE},
    {"a cent of time value", {B, 1, 1000, 950, .1, 0, 0, 0}, 50.01, IV_OK},
    {"an ulp under the most", {B, 1, 1000, 950, .1, 0, 0, 0}, 1000 - 0x1p-43, IV_OK},
    {"less time value than half an ulp",
     {M, 1, 24212.8, 21800, 0.019178082191780823, .065, 0, 0},
     2439.958411445827,
     IV_ILL_CONDITIONED},
    {"the forward", {B, 1, 1000, 950, .1, 0, 0, 0}, 1000, IV_ABOVE_MAXIMUM},
    {"the strike", {B, -1, 1000, 950, .1, 0, 0, 0}, 950, IV_ABOVE_MAXIMUM},
    {"over the discounted strike", {M, -1, 100, 90, 1, .1, 0, 0}, 81.5, IV_ABOVE_MAXIMUM},
    {"infinite", {B, 1, 1000, 950, .1, 0, 0, 0}, INFINITY, IV_BAD_INPUT},
    {"-infinite", {B, 1, 1000, 950, .1, 0, 0, 0}, -INFINITY, IV_BAD_INPUT},
    {"the largest", {B, 1, 1000, 950, .1, 0, 0, 0}, DBL_MAX, IV_ABOVE_MAXIMUM},
    {"expired", {B, 1, 1000, 950, 0, 0, 0, 0}, 60, IV_NO_TIME_VALUE},
    {"long expired", {M, 1, 1000, 950, -1, .05, 0, 0}, 60, IV_NO_TIME_VALUE},
    {"expired and absent", {M, 1, 1000, 950, -1, .05, 0, 0}, NAN, IV_NO_QUOTE},
    {"time is NaN", {B, 1, 1000, 950, NAN, 0, 0, 0}, 60, IV_BAD_INPUT},
    {"time is infinite", {B, 1, 1000, 950, INFINITY, 0, 0, 0}, 60, IV_BAD_INPUT},
    {"the least time", {B, 1, 1000, 950, 5e-324, 0, 0, 0}, 60, IV_OK},
    {"the longest time", {B, 1, 1000, 950, 1e308, 0, 0, 0}, 60, IV_OK},
    {"no underlying", {B, 1, 0, 950, .1, 0, 0, 0}, 60, IV_BAD_INPUT},
    {"a negative underlying", {B, 1, -1, 950, .1, 0, 0, 0}, 60, IV_BAD_INPUT},
    {"an infinite underlying", {B, 1, INFINITY, 950, .1, 0, 0, 0}, 60, IV_BAD_INPUT},
    {"underlying is NaN", {B, 1, NAN, 950, .1, 0, 0, 0}, 60, IV_BAD_INPUT},
    {"the least underlying", {B, -1, 5e-324, 950, .1, 0, 0, 0}, 950, IV_ABOVE_MAXIMUM},
    {"no strike", {B, 1, 1000, 0, .1, 0, 0, 0}, 60, IV_BAD_INPUT},
    {"strike is NaN", {B, 1, 1000, NAN, .1, 0, 0, 0}, 60, IV_BAD_INPUT},
    {"a strike of 1e-6, call", {M, 1, 100, 1e-6, 1, .05, 0, 0}, 99.9999992, IV_OK},
    {"a strike of 1e-6, too low", {B, 1, 100, 1e-6, 1, 0, 0, 0}, 99.9999, IV_BELOW_INTRINSIC},
    {"a strike of 1e-6, put", {M, -1, 100, 1e-6, 1, .05, 0, 0}, 1e-9, IV_OK},
    {"volatility 50", {B, 1, 100, 100, 1. / 365, 0, 0, 0}, 80.91, IV_OK},
    {"rate is NaN", {B, 1, 1000, 950, .1, NAN, 0, 0}, 60, IV_BAD_INPUT},
    {"a rate of 1e5", {M, 1, 1000, 950, .1, 1e5, 0, 0}, 60, IV_BAD_INPUT},
    {"a negative rate", {M, 1, 1000, 950, .1, -.5, 0, 0}, 60, IV_OK},
    {"yield is NaN", {M, 1, 1000, 950, .1, 0, NAN, 0}, 60, IV_BAD_INPUT},
    {"yield is NaN, of no use", {B, 1, 1000, 950, .1, 0, NAN, 0}, 60, IV_OK},
    {"no model", {0, 1, 1000, 950, .1, 0, 0, 0}, 60, IV_BAD_INPUT},
    {"no side", {B, 0, 1000, 950, .1, 0, 0, 0}, 60, IV_BAD_INPUT},
};
#undef M
#undef B

static void
check_statuses(const char *way, const struct results *r)
{
    for (size_t i = 0; i < options.n; i++) {
        if (r->status[i] != statuses[i].status)
            fail_msg("%s, %s: status %d, expected %d", statuses[i].name, way, (int)r->status[i],
                     (int)statuses[i].status);
        assert_int_equal(isnan(r->vol[i]),
                         statuses[i].status != IV_OK && statuses[i].status != IV_ILL_CONDITIONED);
    }
}

static void
test_a_status_says_why_there_is_no_volatility(void **state)
{
    options.n = 0;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        add(&statuses[i].o, statuses[i].price);
    every_way(check_statuses);
}

static void
check_invariant(const char *way, const struct results *r)
{
    for (size_t i = 0; i < options.n; i++) {
        bool solved = r->status[i] == IV_OK || r->status[i] == IV_ILL_CONDITIONED;

        assert_true((unsigned)r->status[i] < IV_STALE);
        if (solved)
            assert_true(r->vol[i] > 0 && isfinite(r->vol[i]) && r->conditioning[i] >= 0);
        else
            assert_true(isnan(r->vol[i]) && isnan(r->conditioning[i]));
    }
}

static void
test_hostile_input_gets_a_status(void **state)
{
    static const double hostile[] = {NAN,    INFINITY, -INFINITY, 0,  -0.0, -1,     1e308,  -1e308,
                                     1e-308, 5e-324,   1e-6,      50, 1,    0.0027, 24212.8};
    enum { H = sizeof hostile / sizeof *hostile };

    options.n = 0;
    while (options.n < OPTIONS_MAX) {
        struct bsm o = {
            .model = uniform(0, 1) < 0.5 ? BSM_MERTON : BSM_BLACK76,
            .right = uniform(0, 1) < 0.5 ? BSM_CALL : BSM_PUT,
            .underlying = hostile[(int)uniform(0, H)],
            .strike = hostile[(int)uniform(0, H)],
            .t = hostile[(int)uniform(0, H)],
            .rate = uniform(0, 1) < 0.8 ? 0.065 : hostile[(int)uniform(0, H)],
            .yield = uniform(0, 1) < 0.8 ? 0.0 : hostile[(int)uniform(0, H)],
        };

        add(&o, hostile[(int)uniform(0, H)]);
    }
    every_way(check_invariant);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_reference_row_gets_its_volatility_or_its_status),
        cmocka_unit_test(test_fresh_rows_of_all_regions_and_borders_get_theirs_too),
        cmocka_unit_test(test_the_normalised_price_and_its_inverse_match_90_digit_values),
        cmocka_unit_test(test_the_volatility_of_a_price_is_the_one_that_made_it),
        cmocka_unit_test(test_batches_agree_with_one_by_one_within_the_stated_bound),
        cmocka_unit_test(test_results_are_the_same_bits_at_any_place_of_any_batch),
        cmocka_unit_test(test_a_column_of_one_expiry_is_the_same_as_a_batch),
        cmocka_unit_test(test_columns_that_are_not_wanted_are_left_alone),
        cmocka_unit_test(test_a_status_says_why_there_is_no_volatility),
        cmocka_unit_test(test_hostile_input_gets_a_status),
    };

    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
