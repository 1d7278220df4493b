/* SPDX-License-Identifier: Apache-2.0
 * Tests of analytics/zones: walls, neighbours, life of a zone, memory. Values by hand. */
#include "chains.h"

/* Strikes 100 to 150, spot 124 unless said otherwise. */
static hde_msg *
chain(hde_harness *h, int64_t after_open_ns, double spot, const double c_oi[6],
      const double p_oi[6])
{
    hde_msg *msg = chain_new(h, 0, after_open_ns, 6);
    Hde__RawChain *raw = raw_of(msg);

    raw->spot = spot;
    raw->calls->n_oi = raw->puts->n_oi = 6;
    raw->calls->oi = column_of(msg, 6, c_oi);
    raw->puts->oi = column_of(msg, 6, p_oi);
    return msg;
}

static const double call_oi[] = {5, 5, 500, 80, 100, 10};
static const double put_oi[] = {40, 200, 30, 900, 5, U};

static const Hde__Zones *
result(const hde_msg *msg)
{
    assert_non_null(msg);
    return (const Hde__Zones *)msg->body;
}

static const Hde__Zone *
zone_of(const hde_msg *msg, Hde__ZoneKind kind, unsigned rank)
{
    const Hde__Zones *zones = result(msg);

    for (size_t i = 0; i < zones->n_zones; i++)
        if (zones->zones[i]->kind == kind && zones->zones[i]->rank == rank)
            return zones->zones[i];
    fail_msg("no zone of kind %d and rank %u", kind, rank);
    return NULL;
}

static bool
has_event(const hde_msg *msg, Hde__ZoneEventType type, uint64_t id)
{
    const Hde__Zones *zones = result(msg);

    for (size_t i = 0; i < zones->n_events; i++)
        if (zones->events[i]->type == type && zones->events[i]->id == id)
            return true;
    return false;
}

#define SUPPORT HDE__ZONE_KIND__ZONE_KIND_SUPPORT
#define RESISTANCE HDE__ZONE_KIND__ZONE_KIND_RESISTANCE
#define EVENT(name) HDE__ZONE_EVENT_TYPE__ZONE_EVENT_TYPE_##name

static void
test_walls_stand_on_their_side_of_the_spot(void **state)
{
    hde_harness *h = hde_harness_open("analytics/zones", NULL);
    const Hde__Zone *zone;
    hde_msg *out;

    push(h, "in", chain(h, 0, 124, call_oi, put_oi));
    out = hde_harness_pull(h, "out");
    zone = zone_of(out, RESISTANCE, 1); /* 500 at 120 is below the spot; 80 is 70 % of 100 */
    assert_number(zone->price, 140);
    assert_number(zone->lower, 130);
    assert_number(zone->upper, 140);
    assert_number(zone->call_oi, 180);
    assert_number(zone->put_oi, 905);
    assert_number(zone->total_oi, 1085);
    assert_number(zone->confidence_pct, 100 * 180 / 190.0);
    assert_number(zone->strength, 1 + 9 * 180 / 200.0);
    assert_number(zone->distance_pct, 100 * (140 / 124.0 - 1));
    assert_false(zone->has_distance_moves); /* a raw chain has no expected move */
    assert_false(zone->has_oi_buildup_pct);
    assert_true(zone->is_active);
    assert_int_equal(zone->tests, 0);
    zone = zone_of(out, SUPPORT, 1);
    assert_number(zone->price, 110);
    assert_number(zone->lower, 110);
    assert_number(zone->upper, 110);
    assert_number(zone->strength, 10);
    zone = zone_of(out, SUPPORT, 2);
    assert_number(zone->price, 100);
    assert_int_equal(result(out)->n_zones, 3); /* 30 at 120 is below a fifth of 200 */
    assert_true(has_event(out, EVENT(MADE), zone->id));
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_a_zone_keeps_its_id_while_it_lives(void **state)
{
    hde_harness *h = hde_harness_open("analytics/zones", "top: 1");
    static const double shifted[] = {5, 5, 500, 100, 80, 10};
    hde_msg *out;
    uint64_t id;

    push(h, "in", chain(h, 0, 124, call_oi, put_oi));
    out = hde_harness_pull(h, "out");
    id = zone_of(out, RESISTANCE, 1)->id;
    hde_msg_drop(out);
    push(h, "in", chain(h, 5 * MINUTE, 124, shifted, put_oi));
    out = hde_harness_pull(h, "out");
    assert_int_equal(zone_of(out, RESISTANCE, 1)->id, id);
    assert_number(zone_of(out, RESISTANCE, 1)->price, 130);
    assert_number(zone_of(out, RESISTANCE, 1)->age_minutes, 5);
    assert_int_equal(result(out)->n_events, 0);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_a_wall_has_moved_when_the_new_peak_stays(void **state)
{
    hde_harness *h = hde_harness_open("analytics/zones", "top: 2, settle: 2");
    static const double moved[] = {5, 5, 500, 80, 100, 400};
    hde_msg *out;

    push(h, "in", chain(h, 0, 124, call_oi, put_oi));
    push(h, "in", chain(h, MINUTE, 124, moved, put_oi));
    push(h, "in", chain(h, 2 * MINUTE, 124, moved, put_oi));
    hde_msg_drop(hde_harness_pull(h, "out"));
    out = hde_harness_pull(h, "out");
    assert_false(has_event(out, EVENT(MOVED), zone_of(out, RESISTANCE, 1)->id));
    hde_msg_drop(out);
    out = hde_harness_pull(h, "out");
    assert_true(has_event(out, EVENT(MOVED), zone_of(out, RESISTANCE, 1)->id));
    for (size_t i = 0; i < result(out)->n_events; i++)
        if (result(out)->events[i]->type == EVENT(MOVED)) {
            assert_number(result(out)->events[i]->from_price, 140);
            assert_number(result(out)->events[i]->price, 150);
        }
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_a_zone_is_tested_then_breached_then_gone(void **state)
{
    hde_harness *h = hde_harness_open("analytics/zones", "top: 1, keep: 10m, settle: 2");
    static const double spots[] = {124, 131, 124, 135, 141, 141};
    static const int64_t minutes[] = {0, 1, 2, 3, 4, 20};
    hde_msg *out[6];
    uint64_t id;

    for (int i = 0; i < 6; i++) {
        push(h, "in", chain(h, minutes[i] * MINUTE, spots[i], call_oi, put_oi));
        out[i] = hde_harness_pull(h, "out");
    }
    id = zone_of(out[0], RESISTANCE, 1)->id;
    assert_true(has_event(out[1], EVENT(TESTED), id));
    assert_false(has_event(out[2], EVENT(TESTED), id));
    assert_true(has_event(out[3], EVENT(TESTED), id));
    assert_int_equal(zone_of(out[3], RESISTANCE, 1)->tests, 2);
    assert_number(zone_of(out[3], RESISTANCE, 1)->lower, 130); /* it does not slide away */
    assert_true(has_event(out[4], EVENT(BREACHED), id));
    for (size_t i = 0; i < result(out[4])->n_zones; i++) {
        const Hde__Zone *zone = result(out[4])->zones[i];

        if (zone->id != id)
            continue;
        assert_true(zone->is_breached);
        assert_false(zone->is_active);
        assert_true(zone->breached_ns == OPEN_NS + 4 * MINUTE);
        assert_false(zone->has_rank);
    }
    assert_true(has_event(out[5], EVENT(GONE), id));
    for (int i = 0; i < 6; i++)
        hde_msg_drop(out[i]);
    hde_harness_close(h);
}

static void
test_fresh_interest_makes_a_zone_stronger(void **state)
{
    hde_harness *h = hde_harness_open("analytics/zones", "top: 1");
    static const double small_puts[] = {40, 360, 30, 900, 5, U};
    hde_msg *msg = chain(h, 0, 124, call_oi, small_puts), *out;

    CALLS(msg, prev_oi, 5, 5, 5, 60, 84, 5);
    push(h, "in", msg);
    out = hde_harness_pull(h, "out");
    /* 180 now, 144 at the close: 36 are fresh, a fifth; 180 of the heaviest 360 */
    assert_number(zone_of(out, RESISTANCE, 1)->oi_buildup_pct, 25);
    assert_number(zone_of(out, RESISTANCE, 1)->strength, 1 + 9 * 0.5 * 1.2);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_a_chain_without_spot_says_nothing(void **state)
{
    hde_harness *h = hde_harness_open("analytics/zones", NULL);
    hde_msg *msg = chain(h, 0, 124, call_oi, put_oi);

    raw_of(msg)->has_spot = false;
    push(h, "in", msg);
    assert_null(hde_harness_pull(h, "out"));
    assert_int_equal(hde_harness_counter(h, "skipped"), 1);
    hde_harness_close(h);
}

static void
test_a_reload_forgets_nothing(void **state)
{
    hde_harness *h = hde_harness_open("analytics/zones", "top: 1");
    hde_msg *out;
    uint64_t id;

    push(h, "in", chain(h, 0, 131, call_oi, put_oi));
    out = hde_harness_pull(h, "out");
    id = zone_of(out, RESISTANCE, 1)->id;
    hde_msg_drop(out);
    push(h, "in", chain(h, MINUTE, 141, call_oi, put_oi));
    hde_msg_drop(hde_harness_pull(h, "out"));
    assert_true(hde_harness_reload(h));
    push(h, "in", chain(h, 2 * MINUTE, 141, call_oi, put_oi));
    out = hde_harness_pull(h, "out");
    assert_int_equal(result(out)->n_events, 0);
    assert_int_equal(result(out)->zones[0]->kind == SUPPORT ? result(out)->zones[1]->id
                                                            : result(out)->zones[0]->id,
                     id);
    hde_msg_drop(out);
    hde_harness_close(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walls_stand_on_their_side_of_the_spot),
        cmocka_unit_test(test_a_zone_keeps_its_id_while_it_lives),
        cmocka_unit_test(test_a_wall_has_moved_when_the_new_peak_stays),
        cmocka_unit_test(test_a_zone_is_tested_then_breached_then_gone),
        cmocka_unit_test(test_fresh_interest_makes_a_zone_stronger),
        cmocka_unit_test(test_a_chain_without_spot_says_nothing),
        cmocka_unit_test(test_a_reload_forgets_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
