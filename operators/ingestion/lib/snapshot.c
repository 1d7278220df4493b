/* SPDX-License-Identifier: Apache-2.0
 * snapshot - one chain while it is put together: rows in, a RawChain out. */
#include "snapshot.h"

#include <hde/text.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const leg_names[] = {
    "last",         "bid",          "ask",         "bid_qty",    "ask_qty",
    "volume",       "oi",           "oi_change",   "prev_oi",    "prev_close",
    "prev_volume",  "average",      "change",      "vendor_iv",  "vendor_delta",
    "vendor_gamma", "vendor_theta", "vendor_vega", "vendor_rho", NULL,
};

/* Where the column of a field is in Quotes. */
static const struct {
    size_t count, column;
} columns[LEG_COUNT] = {
#define COLUMN(field)                                                                              \
    {                                                                                              \
        offsetof(Hde__Quotes, n_##field), offsetof(Hde__Quotes, field)                             \
    }
    COLUMN(last),         COLUMN(bid),         COLUMN(ask),          COLUMN(bid_qty),
    COLUMN(ask_qty),      COLUMN(volume),      COLUMN(oi),           COLUMN(oi_change),
    COLUMN(prev_oi),      COLUMN(prev_close),  COLUMN(prev_volume),  COLUMN(average),
    COLUMN(change),       COLUMN(vendor_iv),   COLUMN(vendor_delta), COLUMN(vendor_gamma),
    COLUMN(vendor_theta), COLUMN(vendor_vega), COLUMN(vendor_rho),
#undef COLUMN
};

static bool
may_be_negative(enum leg_field field)
{
    return field == LEG_OI_CHANGE || field == LEG_CHANGE || field >= LEG_DELTA;
}

void
snapshot_free(struct snapshot *snapshot)
{
    free(snapshot->row);
    memset(snapshot, 0, sizeof *snapshot);
}

void
snapshot_clear(struct snapshot *snapshot)
{
    snapshot->n = 0;
    snapshot->spot = snapshot->future = snapshot->vix = snapshot->lot_size = NAN;
    snapshot->flags = snapshot->bad_values = snapshot->duplicates = 0;
    snapshot->sorted = true;
}

struct snapshot_row *
snapshot_add(struct snapshot *snapshot, double strike)
{
    struct snapshot_row *row;

    if (snapshot->n == snapshot->cap) {
        snapshot->cap = snapshot->cap ? snapshot->cap * 2 : 128;
        snapshot->row = realloc(snapshot->row, snapshot->cap * sizeof *snapshot->row);
        if (!snapshot->row)
            hde_no_memory();
    }
    if (snapshot->n > 0 && !(snapshot->row[snapshot->n - 1].strike < strike))
        snapshot->sorted = false;
    row = &snapshot->row[snapshot->n++];
    row->strike = strike;
    for (int side = 0; side < 2; side++) {
        row->has[side] = false;
        row->security_id[side] = 0;
        for (int i = 0; i < LEG_COUNT; i++)
            row->value[side][i] = NAN;
    }
    return row;
}

bool
snapshot_set(struct snapshot *snapshot, struct snapshot_row *row, enum side side,
             enum leg_field field, double value)
{
    row->has[side] = true;
    if (!isfinite(value) || (value < 0 && !may_be_negative(field))) {
        snapshot->bad_values++;
        return false;
    }
    if (field == LEG_IV && value == 0)
        return true;                                  /* how vendors write that there is none */
    row->value[side][field] = value == 0 ? 0 : value; /* no negative zero */
    return true;
}

/* By strike; rows of one strike stay in the order in which they came. */
static void
sort_rows(struct snapshot_row *row, size_t n, struct snapshot_row *scratch)
{
    size_t half = n / 2, i = 0, j = half, k = 0;

    if (n < 2)
        return;
    sort_rows(row, half, scratch);
    sort_rows(row + half, n - half, scratch);
    while (i < half && j < n)
        scratch[k++] = row[j].strike < row[i].strike ? row[j++] : row[i++];
    while (i < half)
        scratch[k++] = row[i++];
    memcpy(row, scratch, k * sizeof *row);
}

static void
merge_rows(struct snapshot *snapshot)
{
    size_t kept = 0;

    for (size_t i = 1; i < snapshot->n; i++) {
        struct snapshot_row *into = &snapshot->row[kept], *from = &snapshot->row[i];

        if (from->strike != into->strike) {
            snapshot->row[++kept] = *from;
            continue;
        }
        snapshot->duplicates += (into->has[0] && from->has[0]) || (into->has[1] && from->has[1]) ||
                                (!from->has[0] && !from->has[1]);
        for (int side = 0; side < 2; side++)
            if (from->has[side]) {
                into->has[side] = true;
                into->security_id[side] = from->security_id[side];
                memcpy(into->value[side], from->value[side], sizeof into->value[side]);
            }
    }
    snapshot->n = kept + 1;
}

struct facts {
    bool any_side, one_side, any_number, any_price, crossed;
};

static void
look_at(const struct snapshot_row *row, struct facts *facts)
{
    facts->one_side |= row->has[0] != row->has[1];
    for (int side = 0; side < 2; side++) {
        const double *v = row->value[side];

        if (!row->has[side])
            continue;
        facts->any_side = true;
        for (int i = 0; i < LEG_COUNT; i++)
            facts->any_number |= v[i] < 0 || v[i] > 0;
        facts->any_price |= v[LEG_LAST] > 0 || v[LEG_BID] > 0 || v[LEG_ASK] > 0;
        facts->crossed |= v[LEG_ASK] > 0 && v[LEG_BID] > v[LEG_ASK];
    }
}

void
snapshot_finish(struct snapshot *snapshot)
{
    struct facts facts = {0};

    if (!snapshot->sorted) {
        struct snapshot_row *scratch = malloc(snapshot->n * sizeof *scratch);

        if (!scratch)
            hde_no_memory();
        sort_rows(snapshot->row, snapshot->n, scratch);
        free(scratch);
        merge_rows(snapshot);
        snapshot->sorted = true;
    }
    for (size_t i = 0; i < snapshot->n; i++)
        look_at(&snapshot->row[i], &facts);
    if (!(snapshot->spot > 0)) {
        snapshot->spot = NAN;
        snapshot_flag(snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_NO_SPOT);
    }
    if (snapshot->n == 0)
        snapshot_flag(snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_EMPTY);
    else if (!facts.any_price)
        snapshot_flag(snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_STALE);
    if (facts.any_side && !facts.any_number)
        snapshot_flag(snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_ZERO_LEGS);
    if (facts.one_side)
        snapshot_flag(snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_MISSING_LEGS);
    if (facts.crossed)
        snapshot_flag(snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_CROSSED);
    if (snapshot->bad_values || snapshot->duplicates)
        snapshot_flag(snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_BAD_VALUES);
}

void
snapshot_place(struct snapshot *snapshot, const struct session *session, int64_t ns)
{
    if (ns < session->open_ns)
        snapshot_flag(snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_PRE_OPEN);
    if (ns > session->close_ns)
        snapshot_flag(snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_AFTER_CLOSE);
}

static uint64_t
hash_double(uint64_t hash, double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    hash = (hash ^ bits) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

uint64_t
snapshot_hash(const struct snapshot *snapshot)
{
    uint64_t hash = hash_double(snapshot->n, snapshot->spot);

    for (size_t i = 0; i < snapshot->n; i++) {
        const struct snapshot_row *row = &snapshot->row[i];

        hash = hash_double(hash, row->strike);
        for (int side = 0; side < 2; side++)
            for (int j = 0; j < LEG_COUNT; j++)
                hash = hash_double(hash, row->value[side][j]);
    }
    return hash ? hash : 1;
}

static bool
has_any(const struct snapshot *snapshot, enum side side, int field)
{
    for (size_t i = 0; i < snapshot->n; i++)
        if (!isnan(snapshot->row[i].value[side][field]))
            return true;
    return false;
}

static void
fill_side(const struct snapshot *snapshot, enum side side, hde_msg *msg, Hde__Quotes *quotes)
{
    bool any_id = false;

    for (int field = 0; field < LEG_COUNT; field++) {
        double *column;

        if (!has_any(snapshot, side, field))
            continue;
        column = hde_msg_doubles(msg, snapshot->n);
        for (size_t i = 0; i < snapshot->n; i++)
            column[i] = snapshot->row[i].value[side][field];
        *(size_t *)((char *)quotes + columns[field].count) = snapshot->n;
        *(double **)((char *)quotes + columns[field].column) = column;
    }
    for (size_t i = 0; i < snapshot->n; i++)
        any_id |= snapshot->row[i].security_id[side] != 0;
    if (!any_id)
        return;
    quotes->n_security_id = snapshot->n;
    quotes->security_id = hde_msg_alloc(msg, snapshot->n * sizeof *quotes->security_id);
    for (size_t i = 0; i < snapshot->n; i++)
        quotes->security_id[i] = snapshot->row[i].security_id[side];
}

static void
fill_flags(const struct snapshot *snapshot, hde_msg *msg, Hde__RawChain *chain)
{
    size_t n = (size_t)__builtin_popcount(snapshot->flags);

    if (n == 0)
        return;
    chain->flags = hde_msg_alloc(msg, n * sizeof *chain->flags);
    for (int flag = 0; flag < 32; flag++)
        if (snapshot->flags >> flag & 1)
            chain->flags[chain->n_flags++] = (Hde__ChainFlag)flag;
}

static void
fill_scalar(double value, double *field, protobuf_c_boolean *has)
{
    *has = !isnan(value);
    *field = isnan(value) ? 0 : value;
}

void
snapshot_fill(const struct snapshot *snapshot, hde_msg *msg, Hde__RawChain *chain)
{
    fill_scalar(snapshot->spot, &chain->spot, &chain->has_spot);
    fill_scalar(snapshot->future, &chain->future, &chain->has_future);
    fill_scalar(snapshot->vix, &chain->vix, &chain->has_vix);
    fill_scalar(snapshot->lot_size, &chain->lot_size, &chain->has_lot_size);
    fill_flags(snapshot, msg, chain);
    hde_msg_edit(msg, &chain->calls, &hde__quotes__descriptor);
    hde_msg_edit(msg, &chain->puts, &hde__quotes__descriptor);
    if (snapshot->n == 0)
        return;
    chain->n_strike = snapshot->n;
    chain->strike = hde_msg_doubles(msg, snapshot->n);
    for (size_t i = 0; i < snapshot->n; i++)
        chain->strike[i] = snapshot->row[i].strike;
    fill_side(snapshot, SIDE_CALL, msg, chain->calls);
    fill_side(snapshot, SIDE_PUT, msg, chain->puts);
}
