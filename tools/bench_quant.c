/* SPDX-License-Identifier: Apache-2.0
 * bench_quant - `hde bench quant`: batches of libhde_quant at every level of this machine against
 * QuantLib and numpy with scipy, and the operators of the processing chain, stage by stage,
 * against the same stages in numpy. One thread; the sides take turns round by round, medians are
 * compared. The Python side is a child that works only when it is asked. */
#include "bench_quant.h"
#include "cmd/cmd.h"

#include <hde/schemas/market.pb-c.h>
#include <hde/testing.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "quant/cpu.h"
#include "quant/iv.h"

enum { N = 400, ROUNDS_MAX = 99, STAGES_MAX = 24, CHAINS_MAX = 100000 };

struct bench_quant_options {
    int64_t rounds;
    const char *python;
    bool quick;
};

/* ---- Measuring ------------------------------------------------------------------------------- */

static double
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct series { /* ns for one option, IV or chain; one value a round */
    double value[ROUNDS_MAX];
    int n;
};

static void
add(struct series *s, double ns)
{
    if (s->n < ROUNDS_MAX)
        s->value[s->n++] = ns;
}

/* Sorts; q in [0, 1]; NaN without values. */
static double
quantile(double *values, size_t n, double q)
{
    if (n == 0)
        return NAN;
    qsort(values, n, sizeof *values, by_value);
    return values[(size_t)((double)(n - 1) * q + 0.5)];
}

static double
median(struct series *s)
{
    return quantile(s->value, (size_t)s->n, 0.5);
}

/* ---- The options of all sides ---------------------------------------------------------------- */

static double strike[N], years[N], vol[N], price[N];
static int is_call[N];
static enum bsm_right right[N];
static const enum bsm_model model = BSM_BLACK76;
static const double forward = 24987.35, rate = 0.065, none = 0;

static struct bsm_batch
batch(void)
{
    return (struct bsm_batch){.n = N,
                              .model = {&model, 0},
                              .right = {right, 1},
                              .underlying = {&forward, 0},
                              .strike = {strike, 1},
                              .t = {years, 1},
                              .rate = {&rate, 0},
                              .yield = {&none, 0},
                              .vol = {vol, 1}};
}

/* Out-of-the-money options of 1 to 60 days, 8 to 48 % volatility, worth 0.05 or more. */
static void
make_options(void)
{
    uint64_t state = 20260819;
    double draw[3];

    for (size_t i = 0; i < N;) {
        struct bsm o = {.model = model, .underlying = forward, .rate = rate};

        for (int k = 0; k < 3; k++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            draw[k] = (double)(state >> 11) * 0x1p-53;
        }
        o.strike = strike[i] = 20000 + 50 * floor(200 * draw[0]);
        o.t = years[i] = (1 + floor(60 * draw[1])) / 365;
        o.vol = vol[i] = 0.08 + 0.4 * draw[2];
        o.right = right[i] = strike[i] > forward ? BSM_CALL : BSM_PUT;
        is_call[i] = right[i] == BSM_CALL;
        if (bsm_price(&o, &price[i]) && price[i] >= 0.05)
            i++;
    }
}

static double
time_price(long repeat)
{
    static double out[6][N];
    struct bsm_batch in = batch();
    struct bsm_columns columns = {.price = out[0], .delta = out[1], .gamma = out[2],
                                  .vega = out[3],  .theta = out[4], .rho = out[5]};
    double start = now_ns();

    for (long i = 0; i < repeat; i++) {
        bsm_batch(&in, &columns);
        __asm__ volatile("" : : "g"(out) : "memory");
    }
    return (now_ns() - start) / (double)repeat / N;
}

static double
time_iv(long repeat)
{
    static double solved[N], conditioning[N];
    static enum iv_status status[N];
    struct bsm_batch in = batch();
    struct iv_columns out = {solved, conditioning, status};
    double start = now_ns();

    for (long i = 0; i < repeat; i++) {
        iv_batch(&in, (struct bsm_input){price, 1}, &out);
        __asm__ volatile("" : : "g"(solved) : "memory");
    }
    return (now_ns() - start) / (double)repeat / N;
}

#ifdef BENCH_QUANTLIB
static double
time_ql(double (*run)(const struct bench_options *), long repeat)
{
    const struct bench_options shared = {N, forward, rate, strike, years, vol, price, is_call};
    volatile double sink = 0;
    double start = now_ns();

    for (long i = 0; i < repeat; i++)
        sink = run(&shared);
    (void)sink;
    return (now_ns() - start) / (double)repeat / N;
}
#endif

/* ---- The Python child ------------------------------------------------------------------------ */

static struct {
    FILE *to, *from;
    pid_t pid;
    char versions[100];
} python;

static const char *
script(void)
{
    return access(BENCH_INSTALLED_SCRIPT, R_OK) == 0 ? BENCH_INSTALLED_SCRIPT : BENCH_SCRIPT;
}

static void
be_python(const char *program, const int to[2], const int from[2])
{
    dup2(to[0], STDIN_FILENO);
    dup2(from[1], STDOUT_FILENO);
    close(to[1]);
    close(from[0]);
    unsetenv("OPENBLAS_CORETYPE");
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    if (!freopen("/dev/null", "w", stderr))
        _exit(127);
    execlp(program, program, script(), (char *)NULL);
    _exit(127);
}

static void
stop_python(void)
{
    if (python.to)
        fclose(python.to);
    if (python.from)
        fclose(python.from);
    if (python.pid > 0)
        waitpid(python.pid, NULL, 0);
    memset(&python, 0, sizeof python);
}

static bool
start_python(const char *program)
{
    int to[2], from[2];
    char line[100];

    if (pipe(to) != 0 || pipe(from) != 0)
        return false;
    python.pid = fork();
    if (python.pid == 0)
        be_python(program, to, from);
    close(to[0]);
    close(from[1]);
    python.to = fdopen(to[1], "w");
    python.from = fdopen(from[0], "r");
    if (python.pid > 0 && fgets(line, sizeof line, python.from) &&
        sscanf(line, "ready %99[^\n]", python.versions) == 1)
        return true;
    stop_python();
    return false;
}

/* Nanoseconds for one round of a task; NaN without Python. */
static double
ask_python(const char *task, int repeat)
{
    char line[100];

    if (!python.to)
        return NAN;
    fprintf(python.to, "%s %d\n", task, repeat);
    fflush(python.to);
    return fgets(line, sizeof line, python.from) ? strtod(line, NULL) : NAN;
}

static void
send_options(void)
{
    if (!python.to)
        return;
    fprintf(python.to, "options %d %.17g %.17g\n", N, forward, rate);
    for (int i = 0; i < N; i++)
        fprintf(python.to, "%.17g %.17g %.17g %.17g %d\n", strike[i], years[i], vol[i], price[i],
                is_call[i]);
    fflush(python.to);
}

static void
send_chain(const Hde__RawChain *c)
{
    if (!python.to)
        return;
    fprintf(python.to, "chain %zu %.17g %.17g %.17g\n", c->n_strike, rate,
            (double)(c->expiry_ns - c->event_ns) / 31536e12, c->spot);
    for (size_t i = 0; i < c->n_strike; i++)
        fprintf(python.to, "%.17g %.17g %.17g %.17g %.17g %.17g %.17g\n", c->strike[i],
                c->calls->bid[i], c->calls->ask[i], c->puts->bid[i], c->puts->ask[i],
                c->calls->oi[i], c->puts->oi[i]);
    fflush(python.to);
}

/* ---- The processing chain -------------------------------------------------------------------- */

static struct {
    char name[STAGES_MAX][60]; /* of operators */
    hde_harness *stage[STAGES_MAX];
    size_t n_stages;
    double *total, *each[STAGES_MAX]; /* CHAINS_MAX entries, ns */
    size_t n, made;
} line;

enum { STRIKES = 200 };

/* A column of n values of a message. */
static double *
fill(hde_msg *msg, size_t *n, const double *values)
{
    double *column = hde_msg_doubles(msg, STRIKES);

    memcpy(column, values, STRIKES * sizeof *values);
    *n = STRIKES;
    return column;
}

/* One side at tick prices around Black-76 with a smile, spread and open interest as traded. */
static void
fill_side(hde_msg *msg, Hde__Quotes *q, struct bsm o, const double *at)
{
    double smile[STRIKES], model_price[STRIKES], bid[STRIKES], ask[STRIKES], oi[STRIKES];

    for (int i = 0; i < STRIKES; i++) {
        double x = log(at[i] / o.underlying), away = (at[i] - o.underlying) / 900;

        smile[i] = 0.13 - 0.25 * x + 1.6 * x * x;
        oi[i] = 75 * floor(40000 / (1 + away * away) + 100 * (i % 7));
    }
    bsm_column(&o, STRIKES, at, smile, &(struct bsm_columns){.price = model_price});
    for (int i = 0; i < STRIKES; i++) {
        bid[i] = 0.05 * floor(model_price[i] * 0.998 / 0.05);
        ask[i] = 0.05 * ceil(model_price[i] * 1.002 / 0.05);
    }
    q->last = fill(msg, &q->n_last, ask);
    q->bid = fill(msg, &q->n_bid, bid);
    q->ask = fill(msg, &q->n_ask, ask);
    q->oi = fill(msg, &q->n_oi, oi);
    q->volume = fill(msg, &q->n_volume, oi);
    q->prev_oi = fill(msg, &q->n_prev_oi, oi);
}

/* 200 strikes, 30 days; the spot wanders with the number of the chain. */
static hde_msg *
next_chain(void)
{
    const int64_t second = 1000000000, day = 86400 * second;
    hde_msg *msg = hde_harness_new(line.stage[0], &hde__raw_chain__descriptor);
    Hde__RawChain *c = (Hde__RawChain *)msg->body;
    double at[STRIKES];
    struct bsm o = {.model = BSM_BLACK76, .right = BSM_CALL, .t = 30.0 / 365, .rate = rate};

    c->has_spot = c->has_event_ns = c->has_expiry_ns = c->has_session_open_ns = true;
    c->has_session_close_ns = c->has_lot_size = true;
    c->session_open_ns = INT64_C(1787111100) * second; /* 2026-08-19 09:15 in India */
    c->session_close_ns = c->session_open_ns + 22500 * second;
    c->event_ns = c->session_open_ns + (int64_t)(line.made % 20000) * second;
    c->expiry_ns = c->event_ns + 30 * day;
    c->spot = 24200 + 40 * sin(0.01 * (double)line.made++);
    c->lot_size = 75;
    c->feed = hde_msg_text(msg, "NSE:NIFTY@bench");
    c->venue = hde_msg_text(msg, "NSE");
    c->underlying = hde_msg_text(msg, "NIFTY");
    c->source = hde_msg_text(msg, "bench");
    c->session = hde_msg_text(msg, "2026-08-19");
    c->expiry = hde_msg_text(msg, "2026-09-18");
    msg->event_ns = c->event_ns;
    for (int i = 0; i < STRIKES; i++)
        at[i] = 19250 + 50 * i;
    c->strike = fill(msg, &c->n_strike, at);
    o.underlying = c->spot * exp(rate * o.t);
    hde_msg_edit(msg, &c->calls, &hde__quotes__descriptor);
    hde_msg_edit(msg, &c->puts, &hde__quotes__descriptor);
    fill_side(msg, c->calls, o, at);
    o.right = BSM_PUT;
    fill_side(msg, c->puts, o, at);
    return msg;
}

/* The operators of graphs/processing.yaml, whose nodes stand in the order of its one path; they
 * get their default parameters. */
static bool
read_stages(void)
{
    bool installed = access(BENCH_INSTALLED_GRAPH, R_OK) == 0;
    FILE *file = fopen(installed ? BENCH_INSTALLED_GRAPH : BENCH_GRAPH, "r");
    char text[500];

    while (file && line.n_stages < STAGES_MAX && fgets(text, sizeof text, file)) {
        const char *op = strstr(text, "op: processing/");

        if (op && sscanf(op, "op: %59[a-z_/]", line.name[line.n_stages]) == 1)
            line.n_stages++;
    }
    if (file)
        fclose(file);
    return line.n_stages > 0;
}

static void
open_stages(void)
{
    line.total = xcalloc(CHAINS_MAX, sizeof *line.total);
    for (size_t i = 0; i < line.n_stages; i++) {
        line.stage[i] = hde_harness_open(line.name[i], NULL);
        line.each[i] = xcalloc(CHAINS_MAX, sizeof *line.each[i]);
    }
}

static void
close_stages(void)
{
    for (size_t i = 0; i < line.n_stages; i++) {
        hde_harness_close(line.stage[i]);
        free(line.each[i]);
    }
    free(line.total);
}

/* One chain through all stages. Gives false where one of them gave nothing. */
static bool
run_chain(bool keep)
{
    hde_msg *chain = next_chain();
    double begin = now_ns(), last = begin, each[STAGES_MAX];
    bool fits = keep && line.n < CHAINS_MAX;

    for (size_t i = 0; i < line.n_stages && chain; i++) {
        hde_harness_push(line.stage[i], "in", chain);
        chain = hde_harness_pull(line.stage[i], "out");
        each[i] = now_ns() - last;
        last += each[i];
    }
    if (!chain)
        return false;
    if (fits) {
        for (size_t i = 0; i < line.n_stages; i++)
            line.each[i][line.n] = each[i];
        line.total[line.n++] = last - begin;
    }
    hde_msg_drop(chain);
    return true;
}

static bool
run_chains(int n, bool keep)
{
    for (int i = 0; i < n; i++)
        if (!run_chain(keep))
            return false;
    return true;
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

enum {
    QL_PRICE,
    QL_IV,
    NUMPY_PRICE,
    NUMPY_IV,
    FLOATS_IV,
    NUMPY_STAGES,
    FLOATS_STAGES,
    OTHERS
};

static struct series ours_price[QUANT_CPUS], ours_iv[QUANT_CPUS], others[OTHERS];
static bool has[QUANT_CPUS];

static void
ours(long repeat)
{
    for (int level = 0; level < QUANT_CPUS; level++) {
        if (!has[level])
            continue;
        quant_cpu_force((enum quant_cpu)level);
        add(&ours_price[level], time_price(repeat));
        add(&ours_iv[level], time_iv(repeat / 4 + 1));
    }
}

static bool
run_round(long repeat, enum quant_cpu best)
{
    ours(repeat);
#ifdef BENCH_QUANTLIB
    add(&others[QL_PRICE], time_ql(bench_ql_price, repeat / 20 + 1));
    add(&others[QL_IV], time_ql(bench_ql_iv, repeat / 100 + 1));
#endif
    if (python.to) {
        add(&others[NUMPY_PRICE], ask_python("price", (int)(repeat / 20) + 1) / N);
        add(&others[NUMPY_IV], ask_python("iv", 1) / N);
        add(&others[FLOATS_IV], ask_python("iv_floats", 1) / N);
        add(&others[NUMPY_STAGES], ask_python("stages", 1));
        add(&others[FLOATS_STAGES], ask_python("stages_floats", 1));
    }
    quant_cpu_force(best);
    return run_chains(50, false) && run_chains((int)repeat, true);
}

/* ---- Report ---------------------------------------------------------------------------------- */

struct report {
    const struct cmd *cmd;
    hde_text *out;
    const char *comma;
    bool missed;
};

static void
print_side(struct report *r, const char *name, struct series *s, double scale, const char *unit)
{
    double middle = median(s);

    if (s->n == 0)
        return;
    if (r->cmd->json) {
        hde_text_printf(r->out, "%s{\"side\":\"%s\",\"median_ns\":", r->comma, name);
        hde_json_number(r->out, middle);
        hde_text_puts(r->out, ",\"min_ns\":");
        hde_json_number(r->out, s->value[0]);
        hde_text_puts(r->out, ",\"max_ns\":");
        hde_json_number(r->out, s->value[s->n - 1]);
        hde_text_puts(r->out, "}");
        r->comma = ",";
    } else {
        hde_text_printf(r->out, "  %-52s %10.1f %s (%.1f to %.1f)\n", name, middle / scale, unit,
                        s->value[0] / scale, s->value[s->n - 1] / scale);
    }
}

static void
print_goal(struct report *r, const char *name, double ratio, double goal)
{
    bool met = ratio >= goal;

    if (isnan(ratio))
        return;
    r->missed |= !met;
    if (r->cmd->json) {
        hde_text_printf(r->out, "%s{\"ratio\":\"%s\",\"value\":%.2f,\"goal\":%g,\"met\":%s}",
                        r->comma, name, ratio, goal, met ? "true" : "false");
        r->comma = ",";
    } else {
        hde_text_printf(r->out, "  %-52s %10.1f x      (goal %g)%s\n", name, ratio, goal,
                        met ? "" : "  MISSED");
    }
}

static void
title(struct report *r, const char *text)
{
    if (!r->cmd->json)
        hde_text_printf(r->out, "%s\n", text);
}

static void
report_batches(struct report *r, enum quant_cpu best)
{
    static const double price_goal[] = {0, 12, 20};
    char name[80];

    title(r, "price and 5 Greeks, 400 options");
    for (int i = 0; i < QUANT_CPUS; i++) {
        snprintf(name, sizeof name, "price, %s", quant_cpu_name((enum quant_cpu)i));
        print_side(r, name, &ours_price[i], 1, "ns");
    }
    print_side(r, "price, QuantLib BlackCalculator", &others[QL_PRICE], 1, "ns");
    print_side(r, "price, numpy with scipy.special", &others[NUMPY_PRICE], 1, "ns");
    for (int i = QUANT_AVX2; i < QUANT_CPUS; i++) {
        snprintf(name, sizeof name, "price, %s against QuantLib",
                 quant_cpu_name((enum quant_cpu)i));
        print_goal(r, name, median(&others[QL_PRICE]) / median(&ours_price[i]), price_goal[i]);
    }
    print_goal(r, "price, against numpy", median(&others[NUMPY_PRICE]) / median(&ours_price[best]),
               15);
    title(r, "implied volatility, 400 options");
    for (int i = 0; i < QUANT_CPUS; i++) {
        snprintf(name, sizeof name, "iv, %s", quant_cpu_name((enum quant_cpu)i));
        print_side(r, name, &ours_iv[i], 1, "ns");
    }
    print_side(r, "iv, QuantLib blackFormulaImpliedStdDev 1e-10", &others[QL_IV], 1, "ns");
    print_side(r, "iv, scipy brentq on numpy and scipy.special", &others[NUMPY_IV], 1, "ns");
    print_side(r, "iv, scipy brentq on Python's own floats and math", &others[FLOATS_IV], 1, "ns");
    print_goal(r, "iv, against QuantLib", median(&others[QL_IV]) / median(&ours_iv[best]), 15);
    print_goal(r, "iv, against brentq", median(&others[NUMPY_IV]) / median(&ours_iv[best]), 700);
}

static void
report_stages(struct report *r)
{
    double p99 = quantile(line.total, line.n, 0.99), half = quantile(line.total, line.n, 0.5);

    title(r, "processing chain, clean to reversal, one chain");
    for (size_t i = 0; i < line.n_stages; i++) {
        double middle = quantile(line.each[i], line.n, 0.5);

        if (r->cmd->json)
            hde_text_printf(r->out, "%s{\"stage\":\"%s\",\"median_ns\":%.0f,\"p99_ns\":%.0f}",
                            r->comma, line.name[i], middle, quantile(line.each[i], line.n, 0.99));
        else
            hde_text_printf(r->out, "  %-52s %10.2f us\n", line.name[i], middle / 1e3);
        r->comma = ",";
    }
    if (r->cmd->json)
        hde_text_printf(r->out,
                        ",{\"side\":\"chain\",\"legs\":%d,\"chains\":%zu,\"median_ns\":%.0f,"
                        "\"p99_ns\":%.0f}",
                        2 * STRIKES, line.n, half, p99);
    else
        hde_text_printf(r->out, "  %-52s %10.2f us (p99 %.2f us, %zu chains of %d legs)\n",
                        "all stages", half / 1e3, p99 / 1e3, line.n, 2 * STRIKES);
    print_side(r, "chain, numpy with brentq a leg", &others[NUMPY_STAGES], 1e3, "us");
    print_side(r, "chain, the same with brentq on Python's own floats", &others[FLOATS_STAGES], 1e3,
               "us");
    print_goal(r, "chain, median of numpy against our p99", median(&others[NUMPY_STAGES]) / p99,
               300);
}

/* What the sides are made of. */
static void
print_versions(struct report *r)
{
#ifdef BENCH_QUANTLIB
    const char *quantlib = bench_ql_version;
#else
    const char *quantlib = NULL;
#endif

    if (r->cmd->json)
        hde_text_printf(r->out, "{\"quantlib\":\"%s\",\"python\":\"%s\",",
                        quantlib ? quantlib : "", python.versions);
    else if (quantlib || python.to)
        hde_text_printf(r->out, "compared with %s%s%s%s\n", quantlib ? "QuantLib " : "",
                        quantlib ? quantlib : "", quantlib && python.to ? ", " : "",
                        python.versions);
}

static int
print_report(const struct cmd *cmd, enum quant_cpu best)
{
    hde_text out = {0};
    struct report r = {cmd, &out, "", false};
    int exit;

    print_versions(&r);
    if (cmd->json)
        hde_text_puts(&out, "\"results\":[");
    report_batches(&r, best);
    report_stages(&r);
    if (cmd->json)
        hde_text_puts(&out, "]}\n");
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit ? exit : r.missed ? CMD_FAILED : CMD_OK;
}

/* ---- The command ----------------------------------------------------------------------------- */

static void
say_missing(const struct cmd *cmd, const char *program)
{
#ifndef BENCH_QUANTLIB
    cmd_error(cmd, EX_UNAVAILABLE, "HDE-C054",
              "install g++ and libquantlib0-dev, build again; in the source tree ./test.sh --bench "
              "does both",
              "built without QuantLib: nothing is compared with it");
#endif
    if (!start_python(program))
        cmd_error(cmd, EX_UNAVAILABLE, "HDE-C054", "install python3-numpy and python3-scipy",
                  "%s with numpy and scipy does not run: nothing is compared with it", program);
}

static int
run_bench(const struct cmd *cmd, const void *options)
{
    const struct bench_quant_options *opt = options;
    int rounds = opt->quick ? 1 : (int)opt->rounds, exit = CMD_OK;
    long repeat = opt->quick ? 100 : 1000;
    enum quant_cpu best = quant_cpu();
    hde_msg *chain;

    for (int i = 0; i < QUANT_CPUS; i++)
        has[i] = quant_cpu_force((enum quant_cpu)i);
    quant_cpu_force(best);
    if (!read_stages())
        return cmd_error(cmd, EX_UNAVAILABLE, "HDE-C050", "the installed hde brings it along",
                         "%s cannot be read", BENCH_INSTALLED_GRAPH);
    make_options();
    say_missing(cmd, opt->python);
    send_options();
    open_stages();
    chain = next_chain();
    send_chain((const Hde__RawChain *)chain->body);
    hde_msg_drop(chain);
    for (int i = 0; i < rounds && exit == CMD_OK; i++)
        if (!run_round(repeat, best))
            exit = cmd_error(cmd, EX_SOFTWARE, "HDE-C054", NULL,
                             "a stage of the processing chain gave no chain");
    if (exit == CMD_OK)
        exit = print_report(cmd, best);
    if (opt->quick && exit == CMD_FAILED)
        exit = CMD_OK;
    close_stages();
    stop_python();
    return exit;
}

static const struct command bench_quant = {
    .name = "bench-quant",
    .args = "",
    .group = CMD_GROUP_TOOL,
    .summary = "what prices, implied volatilities and the processing chain cost",
    .help = "Batches of 400 out-of-the-money options (1 to 60 days, 8 to 48 %) at every level of "
            "this machine, against QuantLib and numpy with scipy; then the operators of "
            "graphs/processing.yaml on chains of 200 strikes with both legs, stage by stage, against "
            "the same stages in numpy with scipy's brentq for every leg and the same grid for the "
            "gamma flip. The goals are about brentq on the numpy functions of the other stages; "
            "Python's own floats and math, which are faster one at a time, are shown beside it. "
            "One thread, sides by turns, medians of the rounds with the smallest and "
            "the largest. A side that is not installed is named and left out.",
    .examples = (const struct cmd_example[]){{"hde bench quant", "all of it, about a minute"},
                                             {"hde bench quant -- --quick",
                                              "one short round, goals do not count"},
                                             {"hde bench quant -- --json", "nanoseconds as JSON"},
                                             {0}},
    .options =
        (const struct cmd_option[]){{CMD_OPTION("rounds", struct bench_quant_options, rounds),
                                     .value = "N", .fallback = "31", .min = 1, .max = ROUNDS_MAX,
                                     .help = "rounds"},
                                    {CMD_OPTION("python", struct bench_quant_options, python),
                                     .value = "PROGRAM", .fallback = "/usr/bin/python3",
                                     .help = "a Python with numpy and scipy"},
                                    {CMD_OPTION("quick", struct bench_quant_options, quick),
                                     .help = "one short round, to see that it works"},
                                    {0}},
    .exits = (const struct cmd_exit[]){{CMD_FAILED, "a goal was missed"}, {0}},
    CMD_BLOCK(struct bench_quant_options),
    .run = run_bench,
};

int
main(int argc, char **argv)
{
    return cmd_program(&bench_quant, argc, argv);
}
