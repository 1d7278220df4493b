/* SPDX-License-Identifier: Apache-2.0
 * live - the newest messages of every feed and expiry, kept for whoever asks.
 *
 * One writer (the operator's batch) and any number of readers. A short lock covers the swap of a
 * pointer and the counting of references; rendering and dropping happen outside of it. */
#ifndef GATEWAY_LIVE_H
#define GATEWAY_LIVE_H

#include "bounds.h"

#include <hde/operator.h>

enum live_kind {
    LIVE_ENRICHED,
    LIVE_RAW,
    LIVE_CUMULATIVE_OI,
    LIVE_VELOCITY,
    LIVE_BUILDUP,
    LIVE_ZONES,
    LIVE_KINDS,
};

struct live;

struct live *live_new(void);
void live_free(struct live *live);

/* Puts msg in the place of its (feed, expiry, type). NULL, or why the message was not used; then
 * it is dropped. */
const char *live_put(struct live *live, hde_msg *taken);
/* Grows with every live_put(); two reads that give the same number saw the same data. */
uint64_t live_version(struct live *live);

/* What is known of a feed; a copy. */
struct live_feed {
    char feed[LIMIT_FEED_NAME]; /* venue:underlying@source */
    char venue[LIMIT_FEED_NAME], underlying[LIMIT_FEED_NAME], source[LIMIT_FEED_NAME];
    char session[11]; /* newest trading day, "" where the feed says none */
    uint64_t version;
    size_t n_expiries, nearest;      /* nearest: index of the first that is not over */
    char expiry[LIMIT_EXPIRIES][11]; /* ascending */
};

/* Feeds in the order of their names: fills at most max, gives how many there are. */
size_t live_feeds(struct live *live, struct live_feed *out, size_t max);
/* symbol: an underlying in any case, a whole feed name, or a number of the instrument list. Of
 * several feeds of one underlying the first by name. */
bool live_find(struct live *live, const char *symbol, struct live_feed *out);
/* The instrument list's number of an underlying, 0 if it has none. */
int live_symbol_id(const char *underlying);

/* The newest messages of one expiry. References: snapshot_drop() gives them back. */
struct snapshot {
    char expiry[11];
    uint64_t version;         /* of the newest message in it */
    hde_msg *msg[LIVE_KINDS]; /* NULL where none came yet */
};

bool live_get(struct live *live, const char *feed, const char *expiry, struct snapshot *out);
void snapshot_drop(struct snapshot *snapshot);

#endif
