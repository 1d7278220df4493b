/* SPDX-License-Identifier: Apache-2.0
 * processing_contract_test - what every processing operator owes: refuses bad parameters, gives one
 * chain for one chain whatever is in it, never writes into a message that others hold, and invents
 * nothing where a chain is empty. Run it under ASan and UBSan to mean "without fault". */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "market.h"

static const struct {
    const char *name;
    const char *bad_param;
} operators[] = {
    {"processing/clean", "max_spread: -1"},
    {"processing/forward", "calendar: moon"},
    {"processing/implied_volatility", "price: best"},
    {"processing/greeks", "model: heston"},
    {"processing/theoretical_price", "width: 0"},
    {"processing/pcr", "strikes: -1"},
    {"processing/max_pain", "columns: 7"},
    {"processing/futures_basis", "rate: 6.5"},
    {"processing/vix_divergence", "max_age: -1s"},
    {"processing/iv_skew", "atm_away: 300%"},
    {"processing/gamma_exposure", "sign: guess"},
    {"processing/ranking", "top: -1"},
    {"processing/reversal", "tolerance: 5"},
    {"processing/reversal_legacy", "anything: 1"},
};
#define OPERATORS (sizeof operators / sizeof *operators)

static const double hostile[] = {NAN, INFINITY, -INFINITY, 1e308, -1e308, 0,    -0.0, -1,
                                 1,   5e-324,   DBL_MIN,   1e-6,  24100,  0.12, 1e15};
enum { HOSTILE = sizeof hostile / sizeof *hostile };

static uint64_t seed = 41;

static double
any_hostile(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return hostile[(seed >> 33) % HOSTILE];
}

/* ---- Chains -------------------------------------------------------------------------------- */

/* Replaces every column of doubles of a message by `fill` of it, sub-messages included. */
typedef void column_fill(hde_msg *msg, double **column, size_t *n);

static void
each_column(hde_msg *msg, ProtobufCMessage *body, column_fill *fill)
{
    const ProtobufCMessageDescriptor *type = body->descriptor;

    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        char *at = (char *)body + field->offset;

        if (field->type == PROTOBUF_C_TYPE_MESSAGE && *(void **)at)
            each_column(msg, *(ProtobufCMessage **)at, fill);
        else if (field->type == PROTOBUF_C_TYPE_DOUBLE &&
                 field->label == PROTOBUF_C_LABEL_REPEATED && strcmp(field->name, "strike") != 0)
            fill(msg, (double **)at, (size_t *)((char *)body + field->quantifier_offset));
    }
}

static void
fill_absent(hde_msg *msg, double **column, size_t *n)
{
    *column = hde_msg_doubles(msg, MARKET_STRIKES);
    *n = MARKET_STRIKES;
}

static void
fill_short(hde_msg *msg, double **column, size_t *n)
{
    *column = hde_msg_doubles(msg, 1);
    (*column)[0] = 5;
    *n = 1;
}

static void
fill_hostile(hde_msg *msg, double **column, size_t *n)
{
    fill_absent(msg, column, n);
    for (size_t i = 0; i < *n; i++)
        (*column)[i] = any_hostile();
}

static Hde__RawChain *
raw_of(hde_msg *msg)
{
    return (Hde__RawChain *)(uintptr_t)(msg->body->descriptor == &hde__raw_chain__descriptor
                                            ? (void *)msg->body
                                            : ((Hde__EnrichedChain *)msg->body)->raw);
}

static void
make_whole(hde_msg *msg)
{
}

static void
make_empty(hde_msg *msg)
{
    Hde__RawChain *raw = raw_of(msg);

    raw->n_strike = 0;
    raw->strike = NULL;
    raw->calls = raw->puts = NULL;
}

static void
make_without_raw(hde_msg *msg)
{
    if (msg->body->descriptor == &hde__enriched_chain__descriptor)
        ((Hde__EnrichedChain *)msg->body)->raw = NULL;
}

static void
make_without_spot(hde_msg *msg)
{
    raw_of(msg)->has_spot = false;
}

static void
make_one_sided(hde_msg *msg)
{
    raw_of(msg)->puts = NULL;
}

static void
make_nameless(hde_msg *msg)
{
    raw_of(msg)->feed = NULL;
    raw_of(msg)->expiry = (char *)"the 25th";
    raw_of(msg)->has_event_ns = false;
}

static void
make_absent(hde_msg *msg)
{
    each_column(msg, (ProtobufCMessage *)msg->body, fill_absent);
}

static void
make_short(hde_msg *msg)
{
    each_column(msg, (ProtobufCMessage *)msg->body, fill_short);
}

static void
make_hostile(hde_msg *msg)
{
    Hde__RawChain *raw = raw_of(msg);

    each_column(msg, (ProtobufCMessage *)msg->body, fill_hostile);
    raw->spot = any_hostile();
    raw->has_future = true;
    raw->future = any_hostile();
    raw->has_lot_size = true;
    raw->lot_size = any_hostile();
    raw->vix = any_hostile();
    raw->has_expiry_ns = any_hostile() > 0;
    raw->expiry_ns = any_hostile() > 0 ? INT64_MAX : INT64_MIN;
    if (msg->body->descriptor == &hde__enriched_chain__descriptor) {
        Hde__Forward *f = ((Hde__EnrichedChain *)msg->body)->forward;

        f->forward = any_hostile();
        f->discount = any_hostile();
        f->rate = any_hostile();
        f->t_years = any_hostile();
    }
}

static void
make_hostile_strikes(hde_msg *msg)
{
    Hde__RawChain *raw = raw_of(msg);

    raw->strike = hde_msg_doubles(msg, raw->n_strike);
    for (size_t i = 0; i < raw->n_strike; i++)
        raw->strike[i] = any_hostile();
}

static const struct {
    const char *name;
    void (*make)(hde_msg *msg);
    int rounds;
    bool rejected_by_clean;
} kinds[] = {
    {"whole", make_whole, 1, false},
    {"empty", make_empty, 1, false},
    {"without raw", make_without_raw, 1, false},
    {"without spot", make_without_spot, 1, false},
    {"one-sided", make_one_sided, 1, false},
    {"nameless", make_nameless, 1, false},
    {"of absent columns", make_absent, 1, false},
    {"of short columns", make_short, 1, false},
    {"hostile", make_hostile, 60, false},
    {"of hostile strikes", make_hostile_strikes, 10, true},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static hde_harness *line[OPERATORS];

static int
open_line(void **state)
{
    for (size_t i = 0; i < OPERATORS; i++)
        line[i] = hde_harness_open(operators[i].name, NULL);
    return 0;
}

static int
close_line(void **state)
{
    for (size_t i = 0; i < OPERATORS; i++)
        hde_harness_close(line[i]);
    return 0;
}

/* A chain behind the first `stages` operators (0: raw). */
static hde_msg *
behind(size_t stages)
{
    hde_msg *msg = market_chain(line[0]);

    for (size_t i = 0; i < stages; i++) {
        assert_int_equal(hde_harness_push(line[i], "in", msg), HDE_OK);
        msg = hde_harness_pull(line[i], "out");
        assert_non_null(msg);
    }
    return msg;
}

/* ---- Contracts ----------------------------------------------------------------------------- */

static void
test_bad_and_unknown_parameters_are_refused_with_a_reason(void **state)
{
    for (size_t i = 0; i < OPERATORS; i++) {
        char error[512] = "";

        if (hde_harness_try(operators[i].name, operators[i].bad_param, error, sizeof error))
            fail_msg("%s took %s", operators[i].name, operators[i].bad_param);
        assert_true(strlen(error) > 0);
        if (hde_harness_try(operators[i].name, "no_such_parameter: 1", error, sizeof error))
            fail_msg("%s took a parameter that it does not have", operators[i].name);
    }
}

struct bytes {
    size_t n;
    uint8_t *data;
};

static struct bytes
pack(const hde_msg *msg)
{
    struct bytes b = {.n = protobuf_c_message_get_packed_size(msg->body)};

    b.data = malloc(b.n + 1);
    assert_non_null(b.data);
    protobuf_c_message_pack(msg->body, b.data);
    return b;
}

/* One chain for one chain, and the one that went in is what it was to whoever else holds it. */
static void
push_one(hde_harness *h, const char *op, const char *kind, hde_msg *msg, bool may_reject)
{
    struct bytes before = pack(msg), after;
    hde_msg *kept = hde_msg_keep(msg), *out;
    hde_status status = hde_harness_push(h, "in", msg);

    after = pack(kept);
    if (before.n != after.n || memcmp(before.data, after.data, before.n) != 0)
        fail_msg("%s changed a chain (%s) that another holds", op, kind);
    free(before.data);
    free(after.data);
    out = hde_harness_pull(h, "out");
    if (status == HDE_REJECT && may_reject) {
        assert_null(out);
    } else {
        if (status != HDE_OK || !out)
            fail_msg("%s: status %d for a chain (%s)", op, (int)status, kind);
        before = pack(out); /* reads all of it */
        free(before.data);
        hde_msg_drop(out);
    }
    hde_msg_drop(kept);
}

static void
test_every_kind_of_chain_goes_through_every_operator(void **state)
{
    for (size_t i = 0; i < OPERATORS; i++) {
        hde_harness *h = hde_harness_open(operators[i].name, NULL);

        for (size_t k = 0; k < KINDS; k++)
            for (int round = 0; round < kinds[k].rounds; round++)
                for (int raw = 0; raw < 2; raw++) {
                    hde_msg *msg = behind(raw ? 0 : OPERATORS - 1);

                    kinds[k].make(msg);
                    push_one(h, operators[i].name, kinds[k].name, msg,
                             kinds[k].rejected_by_clean && i == 0);
                }
        hde_harness_close(h);
    }
}

static void
test_an_empty_chain_gets_no_numbers(void **state)
{
    for (size_t i = 0; i < OPERATORS; i++) {
        hde_harness *h = hde_harness_open(operators[i].name, NULL);
        hde_msg *msg = market_chain(h), *out;
        Hde__EnrichedChain *chain;

        make_empty(msg);
        assert_int_equal(hde_harness_push(h, "in", msg), HDE_OK);
        out = hde_harness_pull(h, "out");
        chain = (Hde__EnrichedChain *)out->body;
        assert_non_null(chain->raw);
        assert_true(!chain->forward && !chain->calls && !chain->puts && !chain->metrics);
        assert_string_equal(chain->feed, "TEST:NIFTY@market");
        assert_true(chain->event_ns == MARKET_EVENT_NS);
        hde_msg_drop(out);
        hde_harness_close(h);
    }
}

static void
test_the_same_chain_twice_gives_the_same_bytes(void **state)
{
    for (size_t i = 0; i < OPERATORS; i++) {
        hde_harness *h = hde_harness_open(operators[i].name, NULL);
        struct bytes b[2];

        for (int k = 0; k < 2; k++) {
            hde_msg *out;

            assert_int_equal(hde_harness_push(h, "in", behind(i)), HDE_OK);
            out = hde_harness_pull(h, "out");
            b[k] = pack(out);
            hde_msg_drop(out);
        }
        assert_int_equal(b[0].n, b[1].n);
        assert_memory_equal(b[0].data, b[1].data, b[0].n);
        free(b[0].data);
        free(b[1].data);
        hde_harness_close(h);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_and_unknown_parameters_are_refused_with_a_reason),
        cmocka_unit_test(test_every_kind_of_chain_goes_through_every_operator),
        cmocka_unit_test(test_an_empty_chain_gets_no_numbers),
        cmocka_unit_test(test_the_same_chain_twice_gives_the_same_bytes),
    };

    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, open_line, close_line);
}
