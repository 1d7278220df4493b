/* SPDX-License-Identifier: Apache-2.0
 * zones - support and resistance from open interest: where writers stand, and what becomes of it.
 *
 * Resistance is above the spot where calls pile up, support below where puts do. A zone has an id
 * for its life: it is the same zone as long as its strikes overlap those of the chain before.
 *
 *      made --overlaps--> lives --spot beyond its far side--> breached --keep--> gone
 *                           '---not among the strongest for `settle` chains----> gone
 *
 *  (1) Strikes of a living zone stay its own while the spot stands in it, so a zone does not slide
 *      away in front of the spot: it is tested, then breached.
 *  (2) A breached zone is shown until `keep` has passed and is never revived.
 *  (3) A wall (the strongest peak of a kind) has moved when another strike has been the peak for
 *      `settle` chains in a row. */
#include "book.h"

#include <hde/schemas/analytics.pb-c.h>
#include <math.h>
#include <quant/zones.h>
#include <string.h>

struct zones {
    struct book book;
    int64_t top, settle;
    hde_ratio share, floor;
    double band_pct;
    hde_duration keep;
};

/* A row of the book is a zone; its key is the peak's strike. */
enum { KIND, ID, SINCE, BREACHED, TESTS, INSIDE, MISSED, RANK, INTS };
enum { LOWER, UPPER, REALS };
/* The head remembers the wall of each kind, which strike may follow it, and for how long. */
enum { SEEN, HEAD_INTS = SEEN + 2 };
enum { WALL, CANDIDATE = WALL + 2, HEAD_REALS = CANDIDATE + 2 };

enum { SUPPORT, RESISTANCE };
enum { TOP_MAX = 16, EVENTS_MAX = 128 };

/* One chain being worked on. */
struct scene {
    const struct zones *self;
    struct book_page *page;
    const Hde__RawChain *raw;
    hde_msg *out;
    Hde__Zones *result;
    double spot, expected_move, heaviest;
    bool *eligible, *taken;
    const double *oi[2]; /* of puts, of calls: what makes supports and resistances */
    double side_oi[2];   /* sum over the eligible strikes */
    uint64_t made;       /* zones made by this chain */
};

static int64_t *
ints(const struct scene *scene, size_t row)
{
    return book_ints(&scene->self->book, scene->page, row);
}

static double *
reals(const struct scene *scene, size_t row)
{
    return book_reals(&scene->self->book, scene->page, row);
}

static Hde__ZoneKind
kind_of(int64_t kind)
{
    return kind == SUPPORT ? HDE__ZONE_KIND__ZONE_KIND_SUPPORT
                           : HDE__ZONE_KIND__ZONE_KIND_RESISTANCE;
}

static void
add_event(struct scene *scene, Hde__ZoneEventType type, size_t row, double from)
{
    Hde__Zones *result = scene->result;
    Hde__ZoneEvent *event;

    if (result->n_events == EVENTS_MAX)
        return;
    result->events[result->n_events] = NULL;
    event =
        hde_msg_edit(scene->out, &result->events[result->n_events++], &hde__zone_event__descriptor);
    event->has_type = event->has_id = event->has_kind = event->has_price = true;
    event->type = type;
    event->id = (uint64_t)ints(scene, row)[ID];
    event->kind = kind_of(ints(scene, row)[KIND]);
    event->price = scene->page->key[row];
    event->has_from_price = !isnan(from);
    event->from_price = from;
}

/* ---- Life of the zones that there are ------------------------------------------------------ */

/* The spot against a zone as the chain before left it. */
static void
visit(struct scene *scene, size_t row)
{
    int64_t *zone = ints(scene, row);
    double band = scene->spot * scene->self->band_pct / 100;
    double lower = reals(scene, row)[LOWER], upper = reals(scene, row)[UPPER];
    bool inside = scene->spot >= lower - band && scene->spot <= upper + band;
    bool beyond =
        zone[KIND] == RESISTANCE ? scene->spot > upper + band : scene->spot < lower - band;

    if (zone[BREACHED] != BOOK_NONE)
        return;
    if (beyond) {
        zone[BREACHED] = scene->raw->event_ns;
        zone[INSIDE] = 0;
        add_event(scene, HDE__ZONE_EVENT_TYPE__ZONE_EVENT_TYPE_BREACHED, row, NAN);
        return;
    }
    if (inside && !zone[INSIDE]) {
        zone[TESTS]++;
        add_event(scene, HDE__ZONE_EVENT_TYPE__ZONE_EVENT_TYPE_TESTED, row, NAN);
    }
    zone[INSIDE] = inside;
}

/* Drops what was breached long ago or has not been found for a while. */
static void
bury(struct scene *scene)
{
    for (size_t row = scene->page->n; row-- > 0;) {
        const int64_t *zone = ints(scene, row);
        bool expired = zone[BREACHED] != BOOK_NONE &&
                       scene->raw->event_ns - zone[BREACHED] > scene->self->keep.ns;

        if (!expired && !(zone[BREACHED] == BOOK_NONE && zone[MISSED] > 0 &&
                          zone[MISSED] >= scene->self->settle))
            continue;
        add_event(scene, HDE__ZONE_EVENT_TYPE__ZONE_EVENT_TYPE_GONE, row, NAN);
        book_remove(&scene->self->book, scene->page, row);
    }
}

/* ---- Finding ------------------------------------------------------------------------------- */

/* The right side of the spot, and the strikes of living zones of this kind: invariant (1). */
static void
mark_eligible(struct scene *scene, int kind)
{
    const Hde__RawChain *raw = scene->raw;

    scene->side_oi[kind] = 0;
    for (size_t i = 0; i < raw->n_strike; i++) {
        double strike = raw->strike[i];
        bool is = kind == RESISTANCE ? strike >= scene->spot : strike <= scene->spot;

        for (size_t row = 0; !is && row < scene->page->n; row++)
            is = ints(scene, row)[KIND] == kind && ints(scene, row)[BREACHED] == BOOK_NONE &&
                 strike >= reals(scene, row)[LOWER] && strike <= reals(scene, row)[UPPER];
        scene->eligible[i] = is;
        if (is && scene->oi[kind][i] > 0)
            scene->side_oi[kind] += scene->oi[kind][i];
    }
}

/* The living zone of this kind that overlaps the span and was not found yet: the one with the
 * same peak before others. page->n: none. */
static size_t
match(const struct scene *scene, int kind, double peak, double lower, double upper)
{
    size_t found = scene->page->n;

    for (size_t row = 0; row < scene->page->n; row++) {
        const int64_t *zone = ints(scene, row);

        if (zone[KIND] != kind || zone[BREACHED] != BOOK_NONE || zone[MISSED] == 0 ||
            reals(scene, row)[LOWER] > upper || reals(scene, row)[UPPER] < lower)
            continue;
        if (scene->page->key[row] == peak)
            return row;
        if (found == scene->page->n)
            found = row;
    }
    return found;
}

static size_t
make(struct scene *scene, int kind, double peak)
{
    size_t row = book_add(&scene->self->book, scene->page, peak);
    int64_t *zone = ints(scene, row);

    zone[KIND] = kind;
    zone[SINCE] = scene->raw->event_ns;
    zone[ID] = scene->raw->event_ns / 1000000 * 256 + (int64_t)(scene->made++ & 255);
    zone[TESTS] = zone[INSIDE] = zone[MISSED] = 0;
    return row;
}

static void
find(struct scene *scene, int kind)
{
    const Hde__RawChain *raw = scene->raw;
    struct zone_span spans[TOP_MAX];
    size_t n;

    mark_eligible(scene, kind);
    n = zones_find(scene->oi[kind], scene->eligible, raw->n_strike, scene->self->share.value,
                   scene->self->floor.value, scene->taken, spans, (size_t)scene->self->top);
    for (size_t i = 0; i < n; i++) {
        double peak = raw->strike[spans[i].peak];
        double lower = raw->strike[spans[i].first], upper = raw->strike[spans[i].last];
        size_t row = match(scene, kind, peak, lower, upper);
        bool is_new = row == scene->page->n;

        if (is_new)
            row = make(scene, kind, peak);
        scene->page->key[row] = peak;
        reals(scene, row)[LOWER] = lower;
        reals(scene, row)[UPPER] = upper;
        ints(scene, row)[MISSED] = 0;
        ints(scene, row)[RANK] = (int64_t)i + 1;
        scene->heaviest = fmax(scene->heaviest, spans[i].oi);
        if (is_new)
            add_event(scene, HDE__ZONE_EVENT_TYPE__ZONE_EVENT_TYPE_MADE, row, NAN);
    }
}

/* Invariant (3). */
static void
watch_wall(struct scene *scene, int kind)
{
    double *wall = &scene->page->head_real[WALL + kind];
    double *candidate = &scene->page->head_real[CANDIDATE + kind];
    int64_t *seen = &scene->page->head_int[SEEN + kind];

    for (size_t row = 0; row < scene->page->n; row++) {
        const int64_t *zone = ints(scene, row);
        double peak = scene->page->key[row];

        if (zone[KIND] != kind || zone[RANK] != 1 || zone[MISSED] != 0)
            continue;
        if (isnan(*wall))
            *wall = peak;
        if (peak == *wall) {
            *candidate = NAN;
            return;
        }
        *seen = *candidate == peak ? *seen + 1 : 1;
        *candidate = peak;
        if (*seen >= scene->self->settle) {
            add_event(scene, HDE__ZONE_EVENT_TYPE__ZONE_EVENT_TYPE_MOVED, row, *wall);
            *wall = peak;
        }
        return;
    }
}

/* ---- Results ------------------------------------------------------------------------------- */

struct sums {
    double calls, puts, change, prev;
};

static double
known(double x)
{
    return isnan(x) ? 0 : x;
}

/* Over the strikes of a zone; change and prev of the side that makes it, NaN where no leg says. */
static struct sums
add_up(const struct scene *scene, int64_t kind, double lower, double upper)
{
    const Hde__RawChain *raw = scene->raw;
    const Hde__Quotes *side = kind == SUPPORT ? raw->puts : raw->calls;
    struct sums sums = {0, 0, NAN, NAN};

    for (size_t i = 0; i < raw->n_strike; i++) {
        double oi, prev;

        if (raw->strike[i] < lower || raw->strike[i] > upper)
            continue;
        sums.puts += known(scene->oi[SUPPORT][i]);
        sums.calls += known(scene->oi[RESISTANCE][i]);
        oi = CHAIN_AT(side, oi, raw->n_strike, i);
        prev = leg_prev_oi(side, raw->n_strike, i);
        if (isnan(oi) || isnan(prev))
            continue;
        sums.change = known(sums.change) + oi - prev;
        sums.prev = known(sums.prev) + prev;
    }
    return sums;
}

static void
set(double *field, protobuf_c_boolean *has, double x)
{
    *has = !isnan(x);
    *field = *has ? x : 0;
}

static void
show(struct scene *scene, size_t row)
{
    const int64_t *memory = ints(scene, row);
    int64_t kind = memory[KIND];
    double price = scene->page->key[row];
    double lower = reals(scene, row)[LOWER], upper = reals(scene, row)[UPPER];
    struct sums sums = add_up(scene, kind, lower, upper);
    double own = kind == SUPPORT ? sums.puts : sums.calls;
    double moves = (price - scene->spot) / scene->expected_move;
    bool breached = memory[BREACHED] != BOOK_NONE;
    Hde__Zone *zone;

    scene->result->zones[scene->result->n_zones] = NULL;
    zone = hde_msg_edit(scene->out, &scene->result->zones[scene->result->n_zones++],
                        &hde__zone__descriptor);
    zone->has_kind = zone->has_source = zone->has_id = zone->has_since_ns = true;
    zone->kind = kind_of(kind);
    zone->source = HDE__ZONE_SOURCE__ZONE_SOURCE_OI;
    zone->id = (uint64_t)memory[ID];
    zone->since_ns = memory[SINCE];
    set(&zone->price, &zone->has_price, price);
    set(&zone->lower, &zone->has_lower, lower);
    set(&zone->upper, &zone->has_upper, upper);
    set(&zone->strength, &zone->has_strength,
        scene->heaviest > 0 && !breached
            ? zone_strength(own / scene->heaviest, sums.change / own, fabs(moves))
            : NAN);
    set(&zone->confidence_pct, &zone->has_confidence_pct,
        scene->side_oi[kind] > 0 && !breached ? fmin(100, 100 * own / scene->side_oi[kind]) : NAN);
    set(&zone->call_oi, &zone->has_call_oi, sums.calls);
    set(&zone->put_oi, &zone->has_put_oi, sums.puts);
    set(&zone->total_oi, &zone->has_total_oi, sums.calls + sums.puts);
    set(&zone->oi_buildup_pct, &zone->has_oi_buildup_pct,
        sums.prev > 0 ? 100 * sums.change / sums.prev : NAN);
    set(&zone->age_minutes, &zone->has_age_minutes,
        (double)(scene->raw->event_ns - memory[SINCE]) / 60e9);
    set(&zone->distance_pct, &zone->has_distance_pct, 100 * (price / scene->spot - 1));
    set(&zone->distance_moves, &zone->has_distance_moves, moves);
    zone->has_tests = zone->has_is_active = zone->has_is_breached = true;
    zone->tests = (uint32_t)memory[TESTS];
    zone->is_active = !breached && memory[MISSED] == 0;
    zone->is_breached = breached;
    zone->has_breached_ns = breached;
    zone->breached_ns = breached ? memory[BREACHED] : 0;
    zone->has_rank = zone->is_active;
    zone->rank = zone->is_active ? (uint32_t)memory[RANK] : 0;
}

/* One expected move to the expiry, where processing knows it: from the at-the-money volatility,
 * else the straddle. */
static double
expected_move(const hde_msg *msg)
{
    const Hde__EnrichedChain *chain = (const Hde__EnrichedChain *)msg->body;
    const Hde__Skew *skew;

    if (msg->body->descriptor != &hde__enriched_chain__descriptor || !chain->metrics ||
        !chain->metrics->skew)
        return NAN;
    skew = chain->metrics->skew;
    if (skew->has_expected_move && skew->expected_move > 0)
        return skew->expected_move;
    return skew->has_straddle && skew->straddle > 0 ? skew->straddle : NAN;
}

static const double *
oi_column(hde_ctx *ctx, const Hde__Quotes *side, size_t n)
{
    double *none;

    if (side && side->n_oi == n)
        return side->oi;
    none = hde_scratch(ctx, (n + 1) * sizeof *none);
    for (size_t i = 0; i < n; i++)
        none[i] = NAN;
    return none;
}

static void
work(hde_ctx *ctx, void *state, struct book_page *page, const hde_msg *msg,
     const Hde__RawChain *raw)
{
    const struct zones *self = state;
    size_t n = raw->n_strike;
    struct scene scene = {.self = self, .page = page, .raw = raw, .spot = raw->spot};

    if (!raw->has_spot || !(raw->spot > 0) || !raw->calls || !raw->puts) {
        hde_count(self->book.skipped, 1);
        return;
    }
    scene.expected_move = expected_move(msg);
    scene.eligible = hde_scratch(ctx, (n + 1) * sizeof(bool));
    scene.taken = hde_scratch(ctx, (n + 1) * sizeof(bool));
    scene.oi[SUPPORT] = oi_column(ctx, raw->puts, n);
    scene.oi[RESISTANCE] = oi_column(ctx, raw->calls, n);
    scene.out = hde_msg_new(ctx, &hde__zones__descriptor);
    hde_msg_share(scene.out, msg);
    scene.out->event_ns = msg->event_ns;
    scene.result = (Hde__Zones *)scene.out->body;
    scene.result->feed = raw->feed;
    scene.result->expiry = raw->expiry;
    scene.result->has_event_ns = scene.result->has_spot = true;
    scene.result->event_ns = raw->event_ns;
    scene.result->spot = raw->spot;
    scene.result->events = hde_msg_alloc(scene.out, EVENTS_MAX * sizeof(void *));

    for (size_t row = 0; row < page->n; row++) {
        visit(&scene, row);
        ints(&scene, row)[MISSED]++;
    }
    find(&scene, SUPPORT);
    find(&scene, RESISTANCE);
    watch_wall(&scene, SUPPORT);
    watch_wall(&scene, RESISTANCE);
    bury(&scene);
    scene.result->zones = hde_msg_alloc(scene.out, (page->n + 1) * sizeof(void *));
    for (size_t row = 0; row < page->n; row++)
        show(&scene, row);
    hde_emit(ctx, 0, scene.out);
}

static hde_status
zones_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    return book_batch(ctx, state, batch, work);
}

static hde_status
zones_open(hde_ctx *ctx, void *state)
{
    book_open(ctx, state,
              (struct book_shape){
                  .head_ints = HEAD_INTS, .head_reals = HEAD_REALS, .ints = INTS, .reals = REALS});
    return HDE_OK;
}

static const hde_param params[] = {
    HDE_PARAM(struct zones, top, .fallback = "3", .unit = "zones", .min = 1, .max = TOP_MAX,
              .help = "supports and resistances each"),
    HDE_PARAM(struct zones, share, .fallback = "70%", .min = 0.01, .max = 1,
              .help = "of the peak's open interest: neighbours with as much belong to the zone"),
    HDE_PARAM(struct zones, floor, .fallback = "20%", .min = 0, .max = 1,
              .help = "of the strongest peak's open interest: smaller peaks make no zone"),
    HDE_PARAM(struct zones, band_pct, .fallback = "0.05", .unit = "percent of the spot", .min = 0,
              .max = 10,
              .help = "so close to a zone the spot tests it, so far behind it has broken it"),
    HDE_PARAM(struct zones, settle, .fallback = "3", .unit = "chains", .min = 1, .max = 1e6,
              .help = "a wall has moved, a zone is gone, when so many chains in a row say so"),
    HDE_PARAM(struct zones, keep, .fallback = "30m", .min = 0, .max = 86400,
              .help = "a breached zone is shown this long"),
    {0}};

static const hde_port inputs[] = {{"in", CHAIN_TYPES, .help = "chains with a spot"}, {0}};
static const hde_port outputs[] = {
    {"out", HDE_TYPES(&hde__zones__descriptor), .help = "one result a valid chain"}, {0}};

static const hde_operator zones = {
    .size = sizeof(hde_operator),
    .flags = HDE_KEYED_STATE,
    .name = "analytics/zones",
    .summary = "support and resistance from open interest: walls, tests, breaches, shifts",
    .help = "Resistance: strikes above the spot where calls pile up; support: below, puts.\n"
            "A zone is a peak and its neighbours without a gap. strength goes from 1 to 10,\n"
            "confidence_pct is the zone's share of the open interest on its side of the spot.\n"
            "Events: made, moved (the wall), tested, breached, gone.",
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct zones),
    .open = zones_open,
    .batch = zones_batch,
    .close = book_close,
    .state_type = &hde__state__descriptor,
    .state_schema = 1,
    .save = book_save,
    .load = book_load,
};

HDE_PLUGIN(&zones);
