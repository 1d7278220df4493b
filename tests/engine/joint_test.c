/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/joint.h"

#include "base/clock.h"

#include <pthread.h>
#include <string.h>

#include "check.h"

static const int64_t long_ns = 60 * (int64_t)NS_PER_S;

static int64_t
later(void)
{
    return clock_read(CLOCK_MONOTONIC) + long_ns;
}

struct member { /* without an engine */
    pthread_t thread;
    struct joint *joint;
    bool agrees[2];      /* in each round; true if it is not given */
    bool has_refused[2]; /* set beforehand */
};

static void *
meet_twice(void *arg)
{
    struct member *self = arg;
    struct err err = {0};

    err_set(&err, "HDE-R055", "no state");
    for (int round = 0; round < 2; round++) {
        self->agrees[round] =
            joint_agree(self->joint, NULL, !self->has_refused[round], later(), &err);
        if (!self->agrees[round])
            break;
    }
    joint_over(self->joint);
    return NULL;
}

static void
begin(struct member *member, size_t n, struct joint *joint)
{
    for (size_t i = 0; i < n; i++) {
        member[i].joint = joint;
        assert_int_equal(pthread_create(&member[i].thread, NULL, meet_twice, &member[i]), 0);
    }
}

static void
end(struct member *member, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pthread_join(member[i].thread, NULL);
}

static void
test_what_the_last_one_says_decides(void **state)
{
    for (int yes = 0; yes < 2; yes++) {
        struct joint *joint = joint_new(4);
        struct member member[3] = {0};
        const struct engine *who;
        struct err err = {0};

        begin(member, 3, joint);
        assert_true(joint_last(joint, later()));
        assert_false(member[0].agrees[0]); /* nobody goes on before that */
        err_set(&err, "HDE-R216", "no");
        assert_int_equal(joint_agree(joint, NULL, yes, later(), &err), yes);
        joint_leave(joint); /* the others meet alone the second time */
        joint_over(joint);
        joint_wait(joint);
        end(member, 3);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(member[i].agrees[0], yes);
            assert_int_equal(member[i].agrees[1], yes);
        }
        memset(&err, 0, sizeof err);
        assert_int_equal(joint_refused(joint, &who, &err), !yes);
        if (!yes)
            assert_string_equal(err.code, "HDE-R216");
        joint_free(joint);
    }
}

static void
test_the_last_one_hears_a_refusal_before_it_speaks(void **state)
{
    struct joint *joint = joint_new(3);
    struct member member[2] = {{.has_refused = {true}}};
    const struct engine *who;
    struct err err = {0};

    begin(member, 2, joint);
    assert_false(joint_last(joint, later()));
    assert_false(joint_agree(joint, NULL, false, later(), &err));
    joint_leave(joint);
    joint_over(joint);
    joint_wait(joint);
    end(member, 2);
    assert_true(joint_refused(joint, &who, &err));
    assert_string_equal(err.code, "HDE-R055");
    joint_free(joint);
}

static void
test_a_refusal_behind_the_decision_is_that_of_the_parts_alone(void **state)
{
    struct joint *joint = joint_new(3);
    struct member member[2] = {{.has_refused = {false, true}}};
    const struct engine *who;
    struct err err = {0};

    begin(member, 2, joint);
    assert_true(joint_last(joint, later()));
    assert_true(joint_agree(joint, NULL, true, later(), &err));
    joint_leave(joint);
    joint_over(joint);
    joint_wait(joint);
    end(member, 2);
    assert_false(member[0].agrees[1] || member[1].agrees[1]);
    assert_true(joint_refused(joint, &who, &err));
    joint_free(joint);
}

static void
test_who_never_comes_is_late_and_everybody_goes_back(void **state)
{
    struct joint *joint = joint_new(3);
    struct member member = {0};
    const struct engine *who;
    struct err err = {0};

    begin(&member, 1, joint);
    assert_false(joint_last(joint, clock_read(CLOCK_MONOTONIC) - long_ns));
    joint_leave(joint);
    joint_over(joint);
    joint_over(joint); /* for the one that did not come */
    joint_wait(joint);
    end(&member, 1);
    assert_false(member.agrees[0]);
    assert_true(joint_refused(joint, &who, &err));
    assert_string_equal(err.code, "HDE-R054");
    joint_free(joint);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_last_one_says_decides),
        cmocka_unit_test(test_the_last_one_hears_a_refusal_before_it_speaks),
        cmocka_unit_test(test_a_refusal_behind_the_decision_is_that_of_the_parts_alone),
        cmocka_unit_test(test_who_never_comes_is_late_and_everybody_goes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
