/* SPDX-License-Identifier: Apache-2.0
 * live - the newest messages of every feed and expiry, kept for whoever asks. */
#include "live.h"

#include <hde/schemas/analytics.pb-c.h>
#include <hde/schemas/market.pb-c.h>
#include <hde/text.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct slot {
    char expiry[11];
    uint64_t version;
    hde_msg *msg[LIVE_KINDS];
};

struct feed {
    struct live_feed head; /* its expiries and nearest are filled when it is copied out */
    size_t n_slots;
    struct slot slot[LIMIT_EXPIRIES]; /* ascending by expiry */
};

struct live {
    pthread_mutex_t lock; /* guards all below */
    uint64_t version;
    size_t n_feeds;
    struct feed *feed[LIMIT_FEEDS]; /* ascending by name */
};

static const struct {
    const char *underlying;
    int id;
} ids[] = {{"NIFTY", 13},    {"INDIAVIX", 21}, {"BANKNIFTY", 25},
           {"FINNIFTY", 27}, {"SENSEX", 51},   {"MIDCPNIFTY", 442}};

int
live_symbol_id(const char *underlying)
{
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (strcasecmp(ids[i].underlying, underlying) == 0)
            return ids[i].id;
    }
    return 0;
}

struct live *
live_new(void)
{
    struct live *live = calloc(1, sizeof *live);

    if (!live)
        hde_no_memory();
    pthread_mutex_init(&live->lock, NULL);
    return live;
}

void
live_free(struct live *live)
{
    if (!live)
        return;
    for (size_t i = 0; i < live->n_feeds; i++) {
        struct feed *feed = live->feed[i];

        for (size_t j = 0; j < feed->n_slots; j++) {
            for (unsigned kind = 0; kind < LIVE_KINDS; kind++)
                hde_msg_drop(feed->slot[j].msg[kind]);
        }
        free(feed);
    }
    pthread_mutex_destroy(&live->lock);
    free(live);
}

/* ---- Writing ------------------------------------------------------------------------------ */

/* The key fields of a message of one of our types. */
struct key {
    enum live_kind kind;
    const char *feed, *expiry, *session; /* session may be NULL */
};

#define KEY_OF(Type, Kind)                                                                         \
    do {                                                                                           \
        const Type *m = (const Type *)msg->body;                                                   \
        *key = (struct key){Kind, m->feed, m->expiry, NULL};                                       \
    } while (0)

static bool
read_key(const hde_msg *msg, struct key *key)
{
    const ProtobufCMessageDescriptor *type = msg->body->descriptor;

    if (type == &hde__enriched_chain__descriptor) {
        const Hde__EnrichedChain *chain = (const Hde__EnrichedChain *)msg->body;

        KEY_OF(Hde__EnrichedChain, LIVE_ENRICHED);
        key->session = chain->raw ? chain->raw->session : NULL;
    } else if (type == &hde__raw_chain__descriptor) {
        KEY_OF(Hde__RawChain, LIVE_RAW);
        key->session = ((const Hde__RawChain *)msg->body)->session;
    } else if (type == &hde__cumulative_oi__descriptor) {
        KEY_OF(Hde__CumulativeOi, LIVE_CUMULATIVE_OI);
        key->session = ((const Hde__CumulativeOi *)msg->body)->session;
    } else if (type == &hde__velocity__descriptor) {
        KEY_OF(Hde__Velocity, LIVE_VELOCITY);
    } else if (type == &hde__buildup__descriptor) {
        KEY_OF(Hde__Buildup, LIVE_BUILDUP);
    } else if (type == &hde__zones__descriptor) {
        KEY_OF(Hde__Zones, LIVE_ZONES);
    } else {
        return false;
    }
    return true;
}

/* venue:underlying@source; a feed without these marks is an underlying alone. */
static void
split_feed(struct live_feed *head)
{
    const char *colon = strchr(head->feed, ':'), *at = strrchr(head->feed, '@');
    const char *begin = colon ? colon + 1 : head->feed;
    const char *end = at && at >= begin ? at : head->feed + strlen(head->feed);

    if (colon)
        snprintf(head->venue, sizeof head->venue, "%.*s", (int)(colon - head->feed), head->feed);
    snprintf(head->underlying, sizeof head->underlying, "%.*s", (int)(end - begin), begin);
    if (*end)
        snprintf(head->source, sizeof head->source, "%s", end + 1);
}

static struct feed *
find_feed(struct live *live, const char *name)
{
    for (size_t i = 0; i < live->n_feeds; i++) {
        if (strcmp(live->feed[i]->head.feed, name) == 0)
            return live->feed[i];
    }
    return NULL;
}

static struct feed *
add_feed(struct live *live, const char *name)
{
    struct feed *feed;
    size_t at = 0;

    if (live->n_feeds == LIMIT_FEEDS)
        return NULL;
    feed = calloc(1, sizeof *feed);
    if (!feed)
        hde_no_memory();
    snprintf(feed->head.feed, sizeof feed->head.feed, "%s", name);
    split_feed(&feed->head);
    while (at < live->n_feeds && strcmp(live->feed[at]->head.feed, name) < 0)
        at++;
    memmove(&live->feed[at + 1], &live->feed[at], (live->n_feeds - at) * sizeof *live->feed);
    live->feed[at] = feed;
    live->n_feeds++;
    return feed;
}

static struct slot *
find_slot(struct feed *feed, const char *expiry)
{
    for (size_t i = 0; i < feed->n_slots; i++) {
        if (strcmp(feed->slot[i].expiry, expiry) == 0)
            return &feed->slot[i];
    }
    return NULL;
}

static struct slot *
add_slot(struct feed *feed, const char *expiry)
{
    size_t at = 0;

    if (feed->n_slots == LIMIT_EXPIRIES)
        return NULL;
    while (at < feed->n_slots && strcmp(feed->slot[at].expiry, expiry) < 0)
        at++;
    memmove(&feed->slot[at + 1], &feed->slot[at], (feed->n_slots - at) * sizeof *feed->slot);
    feed->n_slots++;
    feed->slot[at] = (struct slot){0};
    memcpy(feed->slot[at].expiry, expiry, sizeof feed->slot[at].expiry);
    return &feed->slot[at];
}

/* Takes out the slot of an expiry before the newest session, other than `keep`; its messages go to
 * old. One a call is enough: one expires at a time. */
static void
take_expired(struct feed *feed, const char *keep, hde_msg *old[LIVE_KINDS])
{
    struct slot *first = &feed->slot[0];

    if (feed->n_slots == 0 || strcmp(first->expiry, feed->head.session) >= 0 ||
        strcmp(first->expiry, keep) == 0)
        return;
    memcpy(old, first->msg, sizeof first->msg);
    feed->n_slots--;
    memmove(first, first + 1, feed->n_slots * sizeof *first);
}

static void
note_session(struct feed *feed, const hde_msg *msg, const char *session)
{
    char day[11];
    time_t seconds = (time_t)(msg->event_ns / 1000000000);
    struct tm tm;

    if (!session || strlen(session) != 10) {
        gmtime_r(&seconds, &tm);
        strftime(day, sizeof day, "%Y-%m-%d", &tm);
        session = day;
    }
    if (strcmp(session, feed->head.session) > 0)
        memcpy(feed->head.session, session, sizeof feed->head.session);
}

/* Under the lock. What must be dropped afterwards is left in old. */
static const char *
put(struct live *live, const struct key *key, hde_msg *msg, hde_msg *old[LIVE_KINDS + 1])
{
    struct feed *feed = find_feed(live, key->feed);
    struct slot *slot;

    if (!feed)
        feed = add_feed(live, key->feed);
    if (!feed)
        return "more feeds than the gateway shows";
    note_session(feed, msg, key->session);
    take_expired(feed, key->expiry, old);
    slot = find_slot(feed, key->expiry);
    if (!slot)
        slot = add_slot(feed, key->expiry);
    if (!slot)
        return "more expiries than the gateway shows for one feed";
    old[LIVE_KINDS] = slot->msg[key->kind];
    slot->msg[key->kind] = msg;
    slot->version = feed->head.version = ++live->version;
    return NULL;
}

const char *
live_put(struct live *live, hde_msg *taken)
{
    hde_msg *old[LIVE_KINDS + 1] = {0};
    const char *why = NULL;
    struct key key;

    if (!read_key(taken, &key))
        why = "a message type that the gateway does not know";
    else if (!key.feed || !*key.feed || strlen(key.feed) >= LIMIT_FEED_NAME)
        why = "no feed name, or one that is too long";
    else if (!key.expiry || strlen(key.expiry) != 10)
        why = "the expiry is not a date";
    if (!why) {
        pthread_mutex_lock(&live->lock);
        why = put(live, &key, taken, old);
        pthread_mutex_unlock(&live->lock);
    }
    if (why)
        hde_msg_drop(taken);
    for (unsigned i = 0; i <= LIVE_KINDS; i++)
        hde_msg_drop(old[i]);
    return why;
}

/* ---- Reading ------------------------------------------------------------------------------ */

uint64_t
live_version(struct live *live)
{
    uint64_t version;

    pthread_mutex_lock(&live->lock);
    version = live->version;
    pthread_mutex_unlock(&live->lock);
    return version;
}

static void
copy_feed(const struct feed *feed, struct live_feed *out)
{
    *out = feed->head;
    out->n_expiries = 0;
    out->nearest = 0;
    for (size_t i = 0; i < feed->n_slots; i++) {
        if (!feed->slot[i].msg[LIVE_ENRICHED] && !feed->slot[i].msg[LIVE_RAW])
            continue; /* results came first: nothing to show until the chain is here */
        memcpy(out->expiry[out->n_expiries], feed->slot[i].expiry, sizeof out->expiry[0]);
        if (strcmp(feed->slot[i].expiry, out->session) < 0)
            out->nearest = out->n_expiries + 1;
        out->n_expiries++;
    }
    if (out->nearest >= out->n_expiries && out->nearest)
        out->nearest = out->n_expiries - 1;
}

size_t
live_feeds(struct live *live, struct live_feed *out, size_t max)
{
    size_t n = 0;

    pthread_mutex_lock(&live->lock);
    for (size_t i = 0; i < live->n_feeds; i++) {
        if (n < max)
            copy_feed(live->feed[i], &out[n]);
        if (n >= max || out[n].n_expiries > 0)
            n++;
    }
    pthread_mutex_unlock(&live->lock);
    return n;
}

static bool
is_symbol(const struct feed *feed, const char *symbol, int id)
{
    return strcmp(feed->head.feed, symbol) == 0 || strcasecmp(feed->head.underlying, symbol) == 0 ||
           (id > 0 && live_symbol_id(feed->head.underlying) == id);
}

bool
live_find(struct live *live, const char *symbol, struct live_feed *out)
{
    bool numeric = *symbol && strspn(symbol, "0123456789") == strlen(symbol) && strlen(symbol) < 9;
    int id = numeric ? atoi(symbol) : 0;
    bool found = false;

    pthread_mutex_lock(&live->lock);
    for (size_t i = 0; i < live->n_feeds && !found; i++) {
        if (!is_symbol(live->feed[i], symbol, id))
            continue;
        copy_feed(live->feed[i], out);
        found = out->n_expiries > 0;
    }
    pthread_mutex_unlock(&live->lock);
    return found;
}

bool
live_get(struct live *live, const char *feed_name, const char *expiry, struct snapshot *out)
{
    struct feed *feed;
    struct slot *slot;

    *out = (struct snapshot){0};
    pthread_mutex_lock(&live->lock);
    feed = find_feed(live, feed_name);
    slot = feed ? find_slot(feed, expiry) : NULL;
    if (slot) {
        memcpy(out->expiry, slot->expiry, sizeof out->expiry);
        out->version = slot->version;
        for (unsigned kind = 0; kind < LIVE_KINDS; kind++)
            out->msg[kind] = slot->msg[kind] ? hde_msg_keep(slot->msg[kind]) : NULL;
    }
    pthread_mutex_unlock(&live->lock);
    return slot != NULL;
}

void
snapshot_drop(struct snapshot *snapshot)
{
    for (unsigned kind = 0; kind < LIVE_KINDS; kind++)
        hde_msg_drop(snapshot->msg[kind]);
    *snapshot = (struct snapshot){0};
}
