/* SPDX-License-Identifier: Apache-2.0
 * snapshot - one chain while it is put together: rows in, a RawChain out.
 *
 * Every feed fills the same structure, so that what counts as absent, refused, doubled, stale or
 * repeated is decided in one place. Not thread safe; memory is kept between chains. */
#ifndef INGESTION_SNAPSHOT_H
#define INGESTION_SNAPSHOT_H

#include "common/calendar.h"

#include <hde/operator.h>
#include <hde/schemas/market.pb-c.h>

enum leg_field {
    LEG_LAST,
    LEG_BID,
    LEG_ASK,
    LEG_BID_QTY,
    LEG_ASK_QTY,
    LEG_VOLUME,
    LEG_OI,
    LEG_OI_CHANGE,
    LEG_PREV_OI,
    LEG_PREV_CLOSE,
    LEG_PREV_VOLUME,
    LEG_AVERAGE,
    LEG_CHANGE,
    LEG_IV,
    LEG_DELTA,
    LEG_GAMMA,
    LEG_THETA,
    LEG_VEGA,
    LEG_RHO,
    LEG_COUNT
};

/* Names as graphs and layouts write them: "oi", "vendor_iv"; ended by NULL. */
extern const char *const leg_names[];

enum side { SIDE_CALL, SIDE_PUT };

struct snapshot_row {
    double strike;
    bool has[2];                /* by enum side */
    double value[2][LEG_COUNT]; /* NaN is absent */
    int64_t security_id[2];     /* 0 is absent */
};

struct snapshot {
    size_t n, cap;
    struct snapshot_row *row;
    double spot, future, vix, lot_size; /* NaN is absent */
    uint32_t flags;                     /* 1 << ChainFlag */
    uint32_t bad_values, duplicates;    /* refused; rows that a later one replaced */
    bool sorted;
};

void snapshot_free(struct snapshot *snapshot); /* back to zero */
void snapshot_clear(struct snapshot *snapshot);
/* A row with nothing but its strike; valid until the next call. */
struct snapshot_row *snapshot_add(struct snapshot *snapshot, double strike);
/* Sets a value, or counts it as refused when it is below 0 where that cannot be. */
bool snapshot_set(struct snapshot *snapshot, struct snapshot_row *row, enum side side,
                  enum leg_field field, double value);
static inline void
snapshot_flag(struct snapshot *snapshot, Hde__ChainFlag flag)
{
    snapshot->flags |= 1u << flag;
}

/* Sorts by strike, merges rows of one strike (the later row wins a side) and sets the flags that
 * follow from the content: EMPTY, NO_SPOT, ZERO_LEGS, MISSING_LEGS, CROSSED, BAD_VALUES, and STALE
 * where no leg has a price or quote. A strike with no side at all counts as listed. */
void snapshot_finish(struct snapshot *snapshot);
/* Sets PRE_OPEN, AFTER_CLOSE by a session. */
void snapshot_place(struct snapshot *snapshot, const struct session *session, int64_t ns);
/* Equal chains have equal numbers; never 0. */
uint64_t snapshot_hash(const struct snapshot *snapshot);
/* Rows, spot, future, vix, lot size and flags into a chain of msg. */
void snapshot_fill(const struct snapshot *snapshot, hde_msg *msg, Hde__RawChain *chain);

#endif
