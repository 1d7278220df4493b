/* SPDX-License-Identifier: Apache-2.0
 * host_test - what operators call, on an instance without an engine. */
#include "check.h"

#include "base/log.h"
#include "engine/ctx.h"

#include <hde/schemas/runtime.pb-c.h>
#include <string.h>

#define SAMPLE (&hde__sample__descriptor)

static struct hde_msgvec first, second;
static struct hde_msgvec *both[] = {&first, &second};
static struct hde_outlet outlets[3];
static struct said said;
static hde_ctx ctx;

static void
quiet(void *arg, const char *line, size_t len)
{
    /* Lines are looked at in log_test. */
}

static int
setup(void **state)
{
    outlet_set(&outlets[0], 1, both);
    outlet_set(&outlets[1], 2, both);
    outlet_set(&outlets[2], 0, NULL);
    ctx = (hde_ctx){.node = "n",
                    .graph = "g",
                    .outlets = {3, outlets},
                    .said = &said,
                    .event_ns = 5,
                    .log_level = HDE_INFO,
                    .now_ns = 77,
                    .watermark_ns = INT64_MIN};
    return 0;
}

static int
teardown(void **state)
{
    msgvec_drop_all(&first);
    msgvec_drop_all(&second);
    ctx_scratch_fini(&ctx);
    assert_int_equal(msg_pool_totals().in_use, 0);
    return 0;
}

static void
emit_gives_the_reference_to_the_only_target(void **state)
{
    hde_msg *msg = hde_msg_new(&ctx, SAMPLE);

    assert_int_equal(msg->event_ns, 5);
    hde_emit(&ctx, 0, msg);
    assert_int_equal(first.n, 1);
    assert_ptr_equal(first.item[0], msg);
    assert_true(msg_is_sole(msg));
}

static void
emit_to_several_targets_shares_and_to_none_drops(void **state)
{
    hde_msg *msg = hde_msg_new(&ctx, SAMPLE);

    hde_emit(&ctx, 1, msg);
    assert_int_equal(first.n + second.n, 2);
    assert_false(msg_is_sole(msg));
    hde_emit(&ctx, 2, hde_msg_new(&ctx, SAMPLE));
    assert_int_equal(msg_pool_totals().in_use, 1);
}

static void
forward_leaves_the_callers_reference(void **state)
{
    hde_msg *msg = hde_msg_new(&ctx, SAMPLE);

    hde_forward(&ctx, 2, msg);
    assert_true(msg_is_sole(msg));
    hde_forward(&ctx, 0, msg);
    assert_false(msg_is_sole(msg));
    hde_msg_drop(msg);
    assert_true(msg_is_sole(first.item[0]));
}

static hde_status
take_every_other(hde_ctx *c, void *state, hde_batch *batch)
{
    for (; batch->done < batch->n; batch->done++) {
        if (batch->done % 2)
            hde_emit(c, 0, hde_take(batch, batch->done));
        hde_emit(c, 0, hde_msg_new(c, SAMPLE));
        memset(hde_scratch(c, 100), 1, 100);
    }
    return HDE_OK;
}

static void
new_messages_get_the_event_time_of_the_message_being_worked_on(void **state)
{
    static const hde_operator op = {.size = sizeof op, .name = "t/t", .batch = take_every_other};
    hde_msg *msg[4];
    hde_batch in = {.size = sizeof in, .n = 4, .msg = msg};

    for (int i = 0; i < 4; i++) {
        msg[i] = msg_new(msg_pool_current(), SAMPLE);
        msg[i]->event_ns = 100 + i;
    }
    ctx.op = &op;
    ctx.batch = op.batch;
    assert_int_equal(ctx_batch(&ctx, &in), HDE_OK);
    assert_int_equal(first.n, 6);
    assert_int_equal(first.item[0]->event_ns, 100);
    assert_int_equal(first.item[2]->event_ns, 101);
    assert_int_equal(first.item[3]->event_ns, 102);
    assert_int_equal(first.item[5]->event_ns, 103);
    assert_null(msg[1]);
    assert_int_equal(ctx.scratch_used, 0);
    hde_msg_drop(msg[0]);
    hde_msg_drop(msg[2]);
}

static void
scratch_is_aligned_reused_and_settles_to_one_block(void **state)
{
    void *before;

    for (size_t size = 0; size < 100000; size = 2 * size + 1) {
        char *at = hde_scratch(&ctx, size);

        assert_int_equal((uintptr_t)at % 64, 0);
        memset(at, 1, size);
    }
    ctx_scratch_reset(&ctx);
    before = hde_scratch(&ctx, 50000);
    assert_null(ctx.scratch->next);
    for (int i = 0; i < 10; i++) {
        ctx_scratch_reset(&ctx);
        assert_ptr_equal(hde_scratch(&ctx, 50000), before);
    }
}

static void
what_went_wrong_is_kept_counted_and_free_of_secrets(void **state)
{
    char long_text[2000];

    log_hide("s3cr3t-token");
    assert_int_equal(hde_reject(&ctx, "a.b", "row %d with s3cr3t-token", 3), HDE_REJECT);
    assert_string_equal(ctx.said->text, "a.b: row 3 with ***");
    assert_string_equal(ctx.said->event, "a.b");
    assert_int_equal(hde_retry(&ctx, "a.c", "busy"), HDE_RETRY);
    assert_int_equal(hde_fail(&ctx, "a.d", "broken"), HDE_FAIL);
    assert_string_equal(ctx.said->text, "a.d: broken");
    assert_int_equal(ctx.n_rejects + ctx.n_retries + ctx.n_fails, 3);
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    hde_fail(&ctx, "a.d", "%s", long_text);
    assert_int_equal(strlen(ctx.said->text), sizeof ctx.said->text - 1);
}

static int
fini(void **state)
{
    msgvec_fini(&first);
    msgvec_fini(&second);
    msg_pools_fini();
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(emit_gives_the_reference_to_the_only_target, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(emit_to_several_targets_shares_and_to_none_drops, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(forward_leaves_the_callers_reference, setup, teardown),
        cmocka_unit_test_setup_teardown(
            new_messages_get_the_event_time_of_the_message_being_worked_on, setup, teardown),
        cmocka_unit_test_setup_teardown(scratch_is_aligned_reused_and_settles_to_one_block, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_went_wrong_is_kept_counted_and_free_of_secrets, setup,
                                        teardown),
    };

    log_set_sink(quiet, NULL);
    return cmocka_run_group_tests(tests, NULL, fini);
}
