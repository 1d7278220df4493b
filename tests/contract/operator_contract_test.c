/* SPDX-License-Identifier: Apache-2.0
 * operator_contract_test - what every operator on the plugin path must keep, whoever wrote it:
 * refuses parameters that it does not have, takes empty and absurd messages without a crash,
 * emits what its ports say (the harness looks), and goes on the same after save and load. */
#include "check.h"

#include "engine/msg.h"
#include "plugin/registry.h"

#include <hde/schemas/analytics.pb-c.h>
#include <hde/schemas/market.pb-c.h>
#include <hde/testing.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/hde-contract-XXXXXX";
static uint64_t seed;

/* What an operator needs to be opened in a test; NULL params: its defaults. */
static const struct {
    const char *op, *params;
    bool skip; /* needs a world that is not there: has tests of its own */
} special[] = {
    {"gateway/rest", "listen: 127.0.0.1:0", false},
    {"ingestion/simulator", "listen: 127.0.0.1:0", false},
    {"storage/sqlite", "path: contract.db", false},
    {"storage/postgres", NULL, true}, /* a server: storage_suite_test, storage_postgres_test */
    {"storage/jsonl", "path: contract.jsonl", false},
    {"storage/console", NULL, true}, /* writes for people */
};

static const char *
params_of(const char *op)
{
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        if (!strcmp(special[i].op, op))
            return special[i].params;
    }
    return NULL;
}

static bool
is_skipped(const hde_operator *op)
{
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        if (!strcmp(special[i].op, op->name) && special[i].skip)
            return true;
    }
    /* Those of the benchmarks take only messages that they made themselves. */
    return op->flags & HDE_LIVE_ONLY || !strncmp(op->name, "bench/", 6);
}

/* ---- Messages of any type ------------------------------------------------------------------ */

static uint64_t
roll(uint64_t n)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed % n;
}

static double
any_double(void)
{
    static const double odd[] = {0, -0.0, 1, -1, 0.5, 100, 24000, 1e-300, 1e300, -1e300};

    switch (roll(8)) {
    case 0:
        return NAN;
    case 1:
        return roll(2) ? INFINITY : -INFINITY;
    case 2:
    case 3:
        return odd[roll(sizeof odd / sizeof *odd)];
    default:
        return (double)roll(100000) / 20;
    }
}

static int64_t
any_integer(void)
{
    static const int64_t odd[] = {0, 1, -1, INT64_MAX, INT64_MIN, 1787119020000000000};

    return roll(3) ? (int64_t)roll(1000) : odd[roll(sizeof odd / sizeof *odd)];
}

static char *
any_text(hde_msg *msg)
{
    static const char *const odd[] = {
        "",    "NSE:NIFTY@test", "2026-08-25", "2026-13-99", "x\xff\"\\\n",
        "NSE", "NIFTY",          "a:b:c@d@e",  "%s%n",       "'; DROP TABLE x; --"};

    return hde_msg_text(msg, odd[roll(sizeof odd / sizeof *odd)]);
}

static void fill(hde_msg *msg, ProtobufCMessage *body, unsigned depth);

static size_t
size_of(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return 8;
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

static void
fill_value(hde_msg *msg, const ProtobufCFieldDescriptor *field, void *at, unsigned depth)
{
    const ProtobufCEnumDescriptor *names = field->descriptor;

    switch (field->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)at = any_double();
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        *(float *)at = (float)roll(1000);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)at = (protobuf_c_boolean)roll(2);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        *(int32_t *)at = names->values[roll(names->n_values)].value;
        break;
    case PROTOBUF_C_TYPE_STRING:
        *(char **)at = any_text(msg);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)at = (ProtobufCBinaryData){0, NULL};
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(void **)at = NULL;
        fill(msg, hde_msg_edit(msg, at, field->descriptor), depth + 1);
        break;
    default:
        if (size_of(field) == 8)
            *(int64_t *)at = any_integer();
        else
            *(int32_t *)at = (int32_t)any_integer();
    }
}

/* Columns mostly have the length of the message's strikes, sometimes another. */
static void
fill_column(hde_msg *msg, const ProtobufCFieldDescriptor *field, ProtobufCMessage *body,
            unsigned depth)
{
    size_t n = roll(4) ? 5 : roll(8), step = size_of(field);
    char *column = hde_msg_alloc(msg, n * step + 1);

    for (size_t i = 0; i < n; i++)
        fill_value(msg, field, column + i * step, depth);
    if (!strcmp(field->name, "strike") && roll(4)) { /* ascending, as it should be */
        for (size_t i = 0; i < n; i++)
            ((double *)(void *)column)[i] = 100.0 * (double)(i + 1);
    }
    *(void **)(void *)((char *)body + field->offset) = n ? column : NULL;
    *(size_t *)(void *)((char *)body + field->quantifier_offset) = n;
}

static void
fill(hde_msg *msg, ProtobufCMessage *body, unsigned depth)
{
    const ProtobufCMessageDescriptor *type = body->descriptor;

    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];

        if (!roll(5) || depth > 4)
            continue; /* absent */
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            fill_column(msg, field, body, depth);
            continue;
        }
        fill_value(msg, field, (char *)body + field->offset, depth);
        if (field->quantifier_offset)
            *(protobuf_c_boolean *)((char *)body + field->quantifier_offset) = 1;
    }
}

/* ---- The contract -------------------------------------------------------------------------- */

static size_t
count_ports(const hde_port *ports)
{
    size_t n = 0;

    while (ports && ports[n].name)
        n++;
    return n;
}

/* The sum of all bytes that came out. */
static uint64_t
drain(hde_harness *h, const hde_operator *op)
{
    static uint8_t bytes[1 << 20];
    uint64_t sum = 1469598103934665603u;
    hde_msg *msg;

    for (size_t i = 0; i < count_ports(op->outputs); i++) {
        while ((msg = hde_harness_pull(h, op->outputs[i].name))) {
            size_t size = protobuf_c_message_get_packed_size(msg->body);

            assert_true(size < sizeof bytes);
            protobuf_c_message_pack(msg->body, bytes);
            for (size_t j = 0; j < size; j++)
                sum = (sum ^ bytes[j]) * 1099511628211u;
            hde_msg_drop(msg);
        }
    }
    return sum;
}

static void
push_any(hde_harness *h, const hde_operator *op, bool empty)
{
    size_t port = roll(count_ports(op->inputs)), n = 0;
    hde_msg *msg;

    while (op->inputs[port].types[n])
        n++;
    msg = hde_harness_new(h, op->inputs[port].types[roll(n)]);
    msg->event_ns = roll(10) ? (int64_t)roll(1000000000) : any_integer();
    if (!empty)
        fill(msg, msg->body, 0);
    hde_harness_push(h, op->inputs[port].name, msg);
}

static hde_harness *
opened(const hde_operator *op)
{
    char error[600] = "";
    hde_harness *h = hde_harness_try(op->name, params_of(op->name), error, sizeof error);

    /* Without parameters that it needs it says so: that is all that is asked of it here. */
    if (!h && !error[0])
        fail_msg("%s does not open and does not say why", op->name);
    return h;
}

static void
check_unknown_parameter(const hde_operator *op)
{
    char error[600] = "";

    if (hde_harness_try(op->name, "there_is_no_such_parameter: 1", error, sizeof error))
        fail_msg("%s takes a parameter that it does not have", op->name);
    assert_non_null(strstr(error, "HDE-G04"));
}

static void
check_messages(const hde_operator *op)
{
    hde_harness *h = opened(op);

    if (!h)
        return;
    for (int i = 0; i < 300 && count_ports(op->inputs); i++) {
        push_any(h, op, i < 10);
        hde_harness_now(h, i * (int64_t)1000000);
        drain(h, op);
    }
    if (count_ports(op->inputs)) {
        hde_harness_watermark(h, INT64_MAX);
        hde_harness_flush(h);
        drain(h, op);
    }
    hde_harness_close(h);
}

/* One instance goes on, the other is saved and loaded anew in the middle. */
static void
check_reload(const hde_operator *op)
{
    hde_harness *a, *b;
    uint64_t before;

    if (!op->save || !count_ports(op->inputs) || op->flags & HDE_EXCLUSIVE || !(a = opened(op)))
        return;
    b = opened(op);
    for (int i = 0; i < 60; i++) {
        if (i == 30 && !hde_harness_reload(b))
            fail_msg("%s does not load what it saved: %s", op->name, hde_harness_said(b));
        before = seed;
        push_any(a, op, false);
        seed = before;
        push_any(b, op, false);
        if (drain(a, op) != drain(b, op))
            fail_msg("%s gives other results after save and load (message %d)", op->name, i);
    }
    hde_harness_close(a);
    hde_harness_close(b);
}

static void
for_each(void (*check)(const hde_operator *op))
{
    struct registry *registry = registry_new(NULL);
    size_t n = 0;

    for (size_t i = 0; i < registry_count(registry); i++) {
        const hde_operator *op = registry_at(registry, i)->op;

        if (is_skipped(op))
            continue;
        seed = 88172645463325252u;
        check(op);
        n++;
    }
    assert_true(n > 0);
    registry_free(registry);
    assert_int_equal(msg_pool_totals().in_use, 0);
}

static void
unknown_parameters_are_refused(void **state)
{
    for_each(check_unknown_parameter);
}

static void
empty_and_absurd_messages_do_no_harm(void **state)
{
    for_each(check_messages);
}

static void
results_go_on_after_save_and_load(void **state)
{
    for_each(check_reload);
}

static int
setup(void **state)
{
    return mkdtemp(folder) && !chdir(folder) ? 0 : -1;
}

static int
fini(void **state)
{
    char line[200];

    snprintf(line, sizeof line, "rm -rf '%s'", folder);
    msg_pools_fini();
    return chdir("/") || system(line) ? -1 : 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_parameters_are_refused),
        cmocka_unit_test(empty_and_absurd_messages_do_no_harm),
        cmocka_unit_test(results_go_on_after_save_and_load),
    };

    return cmocka_run_group_tests(tests, setup, fini);
}
