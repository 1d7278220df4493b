/* SPDX-License-Identifier: Apache-2.0
 * link - see link.h.
 *
 *  (1) Items stand in the order of their ticks: a frame in memory, or a run of frames in the
 *      journal. Each frame is in one item, and the receiver gets them one by one, in order, each
 *      once. [test_what_does_not_fit_comes_back_in_order]
 *  (2) An item goes when it is covered; nothing else makes it go. What the receiver wants and is
 *      gone is a named error, never a gap. [test_frames_that_are_gone_are_an_error]
 *  (3) The sender waits (LINK_FULL) when memory is full and the journal is at its bound or has no
 *      disk; it says so once and goes on by itself.
 *      [test_at_the_bound_of_the_journal_the_sender_waits]
 *  (4) Saved state has every frame that is not covered: in it, or in the journal, which is durable
 *      up to there before the state is used (link_is_durable). A journal that has all is its own
 *      state. [test_a_link_goes_on_from_its_state]
 *  (5) What a spilling journal has from before this start and no state names is never read: after
 *      the state the sender makes those frames again.
 *  (6) Nothing from behind a marker is taken before the marker is taken away.
 *      [test_nothing_behind_a_marker_is_taken]
 *  (7) A receiver that seeks again gets what it asks for again, as long as it is not covered.
 *      [test_a_receiver_that_seeks_again_gets_the_same]
 *  (8) A bell that has rung rings again when its end has looked and found nothing, or no room, and
 *      that has changed since: in between its end goes on anyway.
 *      [test_a_bell_rings_once_for_each_time_that_nothing_was_found]
 *
 *      frame --put--> memory or journal --take--> taken --cover--> gone */
#include "link/link.h"

#include "base/arena.h"
#include "base/log.h"
#include "link/frame.h"
#include "seglog/seglog.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_FRAMES = 256, RUN_BYTES = 1 << 20, FAR_BEHIND = 8 /* capacities */ };

struct item {
    uint64_t first_tick, last_tick;
    uint64_t first_position, last_position; /* in the journal; 0: not there */
    uint64_t messages, units, bytes;        /* bytes: in the journal if it is there, else memory */
    uint64_t taken; /* messages */
    bool in_memory; /* one frame */
    struct record record;
    struct hde_msgvec vec;
};

struct bell_state {
    struct link_bell bell;
    bool is_set, has_rung;
};

struct link {
    struct link_config config;
    uint64_t schema; /* of config.types */
    struct seglog *log;

    pthread_mutex_t lock; /* all below but what is said to be somebody's own */
    struct item *item;    /* ring of cap items, cap a power of two */
    size_t first, n, cap;
    size_t next;          /* item that is taken from next, from first */
    uint64_t memory_units, memory_bytes, journal_messages, journal_bytes;
    uint64_t taken_units, taken_bytes; /* of items in front of next, not covered */
    uint64_t journal_end;              /* behind the last position that an item had */
    uint64_t have;                     /* tick that the receiver has */
    uint64_t covered;
    bool is_placed, has_asked, is_over;
    uint32_t marker; /* 0: none */
    uint32_t wanted; /* of a link from another host: any other marker is taken away */
    uint64_t marked; /* it stands behind that tick */
    bool begins_late; /* a journal of everything that has not its first record any more */
    bool is_waiting; /* the sender was told that there is no room */
    bool is_behind;  /* the log says that the receiver is far behind */
    int64_t waits_ns;
    struct bell_state bells[3];
    void (*ask)(void *arg);
    void *ask_arg;
    struct link_far far;   /* set before there are threads */
    uint64_t first_new;    /* first tick that was put and was not taken from the sender's log */
    struct err broken;     /* by link_break() */

    /* the sender's own */
    uint64_t last, said_key; /* last: written with the lock held */
    int64_t watermark_ns; /* of that frame */
    uint64_t mark;
    struct frame written;
    uint8_t *packed;
    size_t packed_cap;
    bool has_spoken; /* of having no room */

    /* the receiver's own */
    struct seglog_reader *reader;
    struct frame read;
    uint64_t read_next; /* position that the reader gives next; 0: it has to seek */
};

/* ---- Items: with the lock held ------------------------------------------------------------ */

static struct item *
item_at(struct link *self, size_t i)
{
    return &self->item[(self->first + i) & (self->cap - 1)];
}

/* Where much is kept, the next one was last used a whole ring ago. */
static void
prefetch(const struct item *item)
{
    for (size_t i = 0; i < sizeof *item; i += 64)
        __builtin_prefetch((const char *)item + i, 1);
}

static struct item *
add_item(struct link *self)
{
    struct item *item;

    if (self->n == self->cap) {
        size_t cap = self->cap ? 2 * self->cap : 64;
        struct item *grown = xaligned(cap * sizeof *grown);

        for (size_t i = 0; i < self->n; i++)
            grown[i] = *item_at(self, i);
        free(self->item);
        self->item = grown;
        self->cap = cap;
        self->first = 0;
    }
    item = item_at(self, self->n++);
    *item = (struct item){.vec = item->vec};
    return item;
}

static void
show_kept(struct link *self)
{
    struct stats_edge *stats = self->config.stats;

    STAT_SET(stats->kept, self->n);
    STAT_SET(stats->journal_messages, self->journal_messages);
    STAT_SET(stats->journal_bytes, self->journal_bytes);
}

/* Messages of items that went, to be dropped without the lock. */
enum { GONE_AT_ONCE = 64 };
struct gone {
    size_t n;
    hde_msg *msg[GONE_AT_ONCE];
    struct hde_msgvec many; /* of an item for which there was no room */
};

static bool
gone_is_full(const struct gone *gone)
{
    return gone->n == GONE_AT_ONCE || gone->many.n;
}

/* Few are copied, so that the place keeps its array for the next item. */
static void
let_go(struct gone *gone, struct hde_msgvec *vec)
{
    if (vec->n > GONE_AT_ONCE - gone->n) {
        gone->many = *vec;
        *vec = (struct hde_msgvec){0};
        return;
    }
    for (uint32_t i = 0; i < vec->n; i++)
        gone->msg[gone->n++] = vec->item[i];
    vec->n = 0;
}

/* Takes the first item away. */
static void
pop_item(struct link *self, struct gone *gone)
{
    struct item *item = item_at(self, 0);

    if (item->in_memory) {
        self->memory_units -= item->units;
        self->memory_bytes -= item->record.lines * UINT64_C(64);
    }
    if (item->first_position) {
        self->journal_messages -= item->messages;
        self->journal_bytes -= item->bytes;
    }
    self->taken_units -= item->units;
    self->taken_bytes -= item->bytes;
    self->first = (self->first + 1) & (self->cap - 1);
    if (!--self->n)
        self->first = 0; /* one that often runs empty uses the same lines of the cache */
    self->next--;
    let_go(gone, &item->vec);
}

/* The first position that is still needed. */
static uint64_t
needed_position(struct link *self)
{
    for (size_t i = 0; i < self->n; i++)
        if (item_at(self, i)->first_position)
            return item_at(self, i)->first_position;
    return self->journal_end;
}

/* ---- Bells -------------------------------------------------------------------------------- */

/* With the lock held: a bell that is being rung is not taken away. */
static void
ring_bell(struct link *self, enum link_end end)
{
    struct bell_state *bell = &self->bells[end];

    if (!bell->is_set || bell->has_rung)
        return;
    bell->has_rung = true;
    bell->bell.ring(bell->bell.arg);
}

void
link_listen(struct link *self, enum link_end end, const struct link_bell *bell)
{
    pthread_mutex_lock(&self->lock);
    self->bells[end] = (struct bell_state){.is_set = bell != NULL};
    if (bell)
        self->bells[end].bell = *bell;
    pthread_mutex_unlock(&self->lock);
}

void
link_lead_to(struct link *self, const struct link_far *far)
{
    self->far = *far;
}

void
link_ask_with(struct link *self, void (*ask)(void *arg), void *arg)
{
    pthread_mutex_lock(&self->lock);
    self->ask = ask;
    self->ask_arg = arg;
    pthread_mutex_unlock(&self->lock);
}

/* On the journal's thread: there is more to read, or room again. */
static void
journal_moved(void *arg)
{
    struct link *self = arg;

    pthread_mutex_lock(&self->lock);
    ring_bell(self, LINK_RECEIVER);
    if (self->is_waiting)
        ring_bell(self, LINK_SENDER);
    pthread_mutex_unlock(&self->lock);
}

/* ---- Frames as bytes ---------------------------------------------------------------------- */

/* Packs into memory of the link, valid until the next one. */
static size_t
pack_frame(struct link *self, const struct record *record, hde_msg *const *msg)
{
    struct frame *frame = &self->written;
    size_t size;

    frame_begin(frame, HDE__FRAME_KIND__FRAME_KIND_DATA, 0);
    frame->tick = record->tick;
    frame->schema = self->schema;
    frame->watermark_ns = record->watermark_ns;
    frame->time_ns = record->now_ns;
    frame->credit_messages = (uint32_t)record_units(record);
    frame->credit_bytes = record->lines * UINT64_C(64);
    for (uint32_t i = 0; i < record->n; i++)
        frame_add(frame, 0, frame_type(self->config.types, msg[i]->body->descriptor), msg[i]);
    size = frame_size(frame);
    if (self->packed_cap < size) {
        self->packed_cap = 2 * size;
        self->packed = xrealloc(self->packed, self->packed_cap);
    }
    frame_write(frame, self->packed);
    return size;
}

static bool
read_bytes(struct link *self, const uint8_t *bytes, size_t size, struct err *err)
{
    struct err why = {0};

    if (frame_read(&self->read, bytes, size, &why) &&
        frame_fits(&self->read, self->config.types, self->schema, &why))
        return true;
    STAT_ADD(self->config.stats->corrupt, 1);
    return err_set(err, "HDE-R072", "edge '%s', journal '%s': a frame cannot be read: %s",
                   self->config.name, self->config.journal, why.text);
}

/* The frame that read_bytes() has read. */
static bool
unpack_messages(struct link *self, struct record *record, struct hde_msgvec *to, struct err *err)
{
    const struct frame *frame = &self->read;

    for (uint32_t i = 0; i < frame->n; i++) {
        const struct frame_message *item = &frame->message[i];
        hde_msg *msg = msg_unpack(msg_pool_current(), self->config.types[item->type], item->bytes,
                                  item->size);

        if (!msg) {
            STAT_ADD(self->config.stats->corrupt, 1);
            return err_set(err, "HDE-R072",
                           "edge '%s', journal '%s': message %u of tick %" PRIu64
                           " cannot be read as %s",
                           self->config.name, self->config.journal, i, frame->tick,
                           self->config.types[item->type]->name);
        }
        msg->event_ns = item->event_ns;
        msgvec_push(to, msg);
    }
    *record = (struct record){.tick = frame->tick,
                              .now_ns = frame->time_ns,
                              .watermark_ns = frame->watermark_ns,
                              .put_ns = clock_mono_ns(),
                              .n = to->n,
                              .lines = msgvec_lines(to)};
    return true;
}

/* ---- Life --------------------------------------------------------------------------------- */

static bool
ends_run(const struct item *item, uint64_t position)
{
    return item->in_memory || !item->first_position || item->last_position + 1 != position ||
           item->last_position - item->first_position + 1 >= RUN_FRAMES ||
           item->bytes >= RUN_BYTES;
}

/* A frame that stands in the journal alone. */
static void
add_to_run(struct link *self, uint64_t tick, uint64_t position, uint64_t messages, uint64_t bytes)
{
    struct item *item = self->n ? item_at(self, self->n - 1) : NULL;

    /* one that is taken does not grow: the receiver is behind it */
    if (self->next == self->n || ends_run(item, position)) {
        item = add_item(self);
        item->first_tick = tick;
        item->first_position = position;
    }
    item->last_tick = tick;
    item->last_position = position;
    self->journal_end = position + 1;
    item->messages += messages;
    item->units += messages ? messages : 1;
    item->bytes += bytes;
    self->journal_messages += messages;
    self->journal_bytes += bytes;
}

/* All that a journal of everything has is kept, until somebody says what is covered. */
static bool
adopt_all(struct link *self, struct err *err)
{
    struct seglog_record record;
    enum seglog_next next;

    while ((next = seglog_next(self->reader, &record, err)) == SEGLOG_RECORD) {
        if (!read_bytes(self, record.bytes, record.size, err))
            return false;
        self->begins_late |= !self->n && record.key.position > 1;
        add_to_run(self, self->read.tick, record.key.position, self->read.n, record.size);
        self->last = self->mark = self->said_key = self->read.tick;
        self->watermark_ns = self->read.watermark_ns;
    }
    STAT_ADD(self->config.stats->messages, self->journal_messages);
    return next == SEGLOG_END;
}

/* The key of the last record: new ones do not fall behind it. */
static void
find_last_key(struct link *self)
{
    struct err err = {0};
    size_t n = seglog_segments(self->config.journal, NULL, 0, &err);
    struct seglog_segment *segments = xcalloc(n + 1, sizeof *segments);

    n = seglog_segments(self->config.journal, segments, n, &err);
    for (size_t i = 0; i < n; i++)
        if (segments[i].last_tick > self->said_key)
            self->said_key = segments[i].last_tick;
    free(segments);
}

static bool
open_journal(struct link *self, struct err *err)
{
    struct seglog_options options = {.moved = journal_moved, .arg = self, .keep_bytes = 1};
    struct seglog_report report = {0};

    self->log = seglog_open(self->config.journal, &options, &report, err);
    if (!self->log)
        return false;
    if (report.cut_bytes)
        log_line(LEVEL_WARN, self->config.graph, self->config.name, "link.torn-tail",
                 "%llu bytes of a torn record were cut off: %s; the sender makes it again",
                 (unsigned long long)report.cut_bytes, report.cut_where);
    self->reader = seglog_reader_open(self->config.journal, err);
    if (!self->reader)
        return false;
    if (self->config.writes_all)
        return adopt_all(self, err);
    find_last_key(self);
    if (!self->config.is_kept)
        seglog_need(self->log, seglog_last(self->log) + 1); /* of a run that is gone */
    return true;
}

struct link *
link_new(const struct link_config *config, struct err *err)
{
    struct link *self = xcalloc(1, sizeof *self);

    self->config = *config;
    self->schema = frame_schema(config->types);
    self->watermark_ns = WM_NONE;
    pthread_mutex_init(&self->lock, NULL);
    if (!config->journal || open_journal(self, err)) {
        show_kept(self);
        return self;
    }
    link_free(self);
    return NULL;
}

void
link_free(struct link *self)
{
    if (!self)
        return;
    if (self->reader)
        seglog_reader_close(self->reader);
    if (self->log)
        seglog_close(self->log);
    for (size_t i = 0; i < self->cap; i++) {
        msgvec_drop_all(&self->item[i].vec);
        msgvec_fini(&self->item[i].vec);
    }
    pthread_mutex_destroy(&self->lock);
    frame_fini(&self->written);
    frame_fini(&self->read);
    free(self->item);
    free(self->packed);
    free(self);
}

struct link_capacity
link_capacity(const struct link *self)
{
    return (struct link_capacity){self->config.capacity_messages, self->config.capacity_bytes};
}

/* ---- Put ---------------------------------------------------------------------------------- */

static bool
fits_in_memory(const struct link *self, const struct record *record)
{
    return self->memory_units < (uint64_t)self->config.capacity_messages &&
           self->memory_bytes < (uint64_t)self->config.capacity_bytes;
}

static void
keep_in_memory(struct link *self, const struct record *record, hde_msg *const *msg,
               uint64_t position, uint64_t size)
{
    struct item *item = add_item(self);

    item->first_tick = item->last_tick = record->tick;
    item->first_position = item->last_position = position;
    item->messages = record->n;
    item->units = record_units(record);
    item->bytes = position ? size : record->lines * UINT64_C(64);
    item->in_memory = true;
    item->record = *record;
    for (uint32_t i = 0; i < record->n; i++)
        msgvec_push(&item->vec, hde_msg_keep(msg[i]));
    self->memory_units += item->units;
    self->memory_bytes += record->lines * UINT64_C(64);
    if (position) {
        self->journal_end = position + 1;
        self->journal_messages += record->n;
        self->journal_bytes += size;
    }
}

/* With the lock held: the sender is told when there is room. */
static void
want_room(struct link *self)
{
    self->is_waiting = true;
    self->bells[LINK_SENDER].has_rung = false;
}

/* There is no room: says why, once. */
static enum link_put
wait_for_room(struct link *self, const char *why)
{
    int64_t now_ns = clock_mono_ns();

    pthread_mutex_lock(&self->lock);
    if (!self->waits_ns) {
        self->waits_ns = now_ns;
        STAT_SET(self->config.stats->blocked_since_ns, now_ns);
    }
    pthread_mutex_unlock(&self->lock);
    if (!self->has_spoken)
        log_line(LEVEL_WARN, self->config.graph, self->config.name, "link.waits",
                 "%s: what is in front of this edge waits, nothing is lost", why);
    self->has_spoken = true;
    return LINK_FULL;
}

static void
note_room(struct link *self)
{
    int64_t now_ns;

    if (!self->has_spoken)
        return;
    now_ns = clock_mono_ns();
    STAT_ADD(self->config.stats->blocked_ns, (uint64_t)(now_ns - self->waits_ns));
    STAT_SET(self->config.stats->blocked_since_ns, 0);
    log_line(LEVEL_INFO, self->config.graph, self->config.name, "link.goes-on",
             "there is room again after %.1f s", (double)(now_ns - self->waits_ns) / 1e9);
    pthread_mutex_lock(&self->lock);
    self->is_waiting = false;
    self->waits_ns = 0;
    pthread_mutex_unlock(&self->lock);
    self->has_spoken = false;
}

/* Gives the position; 0: no room, or broken. */
static uint64_t
append(struct link *self, const struct record *record, hde_msg *const *msg, size_t size)
{
    struct seglog_key key = {.event_ns = INT64_MIN, .kind = HDE__LOG_KIND__LOG_KIND_FRAME};

    for (uint32_t i = 0; i < record->n; i++)
        if (i == 0 || msg[i]->event_ns < key.event_ns)
            key.event_ns = msg[i]->event_ns;
    /* a sender that makes frames again begins below what the journal has: see (5) */
    key.tick = self->said_key = record->tick > self->said_key ? record->tick : self->said_key;
    return seglog_append(self->log, &key, self->packed, size, false) ? key.position : 0;
}

static enum link_put
refused(struct link *self, struct err *err)
{
    if (seglog_error(self->log, err))
        return LINK_BROKEN;
    pthread_mutex_lock(&self->lock);
    want_room(self);
    pthread_mutex_unlock(&self->lock);
    return wait_for_room(self, "the disk of the journal is full");
}

static void
count_put(struct link *self, const struct record *record, bool was_empty)
{
    struct stats_edge *stats = self->config.stats;

    STAT_ADD(stats->messages, record->n);
    STAT_ADD(stats->batches, record->n != 0);
    STAT_ADD(stats->bytes, record->lines * UINT64_C(64));
    if (was_empty)
        STAT_SET(stats->fill_ns, record->put_ns);
}

/* With the lock held: says once that the receiver is far behind. */
static void
note_behind(struct link *self)
{
    struct stats_edge *stats = self->config.stats;
    uint64_t waits = STAT_GET(stats->messages) - STAT_GET(stats->done_messages);

    if (self->is_behind || waits < FAR_BEHIND * (uint64_t)self->config.capacity_messages)
        return;
    self->is_behind = true;
    log_line(LEVEL_INFO, self->config.graph, self->config.name, "link.spills",
             "%llu messages wait, most of them in %s", (unsigned long long)waits,
             self->config.journal);
}

static bool
check_new(const struct link *self, uint64_t tick, struct err *err)
{
    return tick > self->have ||
           err_set(err, "HDE-R071",
                   "edge '%s': its receiver has tick %" PRIu64 ", and the sender is only at "
                   "%" PRIu64 ": the sender's checkpoints are older than the receiver's, or gone",
                   self->config.name, self->have, tick);
}

/* With the lock held. */
static void
note_put(struct link *self, const struct record *record)
{
    self->last = record->tick;
    self->watermark_ns = record->watermark_ns;
}

/* With the lock held. position: in the journal, 0: it is not there. */
static void
add(struct link *self, const struct record *record, hde_msg *const *msg, bool in_memory,
    uint64_t position, size_t size)
{
    bool was_empty = self->next == self->n;

    if (in_memory)
        keep_in_memory(self, record, msg, position, size);
    else
        add_to_run(self, record->tick, position, record->n, size);
    note_put(self, record);
    count_put(self, record, was_empty);
    note_behind(self);
    show_kept(self);
    if (!self->far.put)
        ring_bell(self, LINK_RECEIVER);
    prefetch(item_at(self, self->n));
}

enum room { MEMORY, MEMORY_AND_JOURNAL, JOURNAL, FULL_MEMORY, FULL_JOURNAL, COVERED, WRONG };

/* With the lock held. COVERED: by a sender that makes its frames again. */
static enum room
room_for(struct link *self, const struct record *record, bool is_new, struct err *err)
{
    bool fits = fits_in_memory(self, record);

    if (is_new && !check_new(self, record->tick, err))
        return WRONG;
    if (record->tick <= self->covered)
        return COVERED;
    if (fits && !self->config.writes_all)
        return MEMORY;
    if (!self->log)
        return FULL_MEMORY;
    if (self->journal_bytes >= (uint64_t)self->config.journal_bytes)
        return FULL_JOURNAL;
    return fits ? MEMORY_AND_JOURNAL : JOURNAL;
}

static enum link_put
put_in_journal(struct link *self, const struct record *record, hde_msg *const *msg, bool in_memory,
               struct err *err)
{
    size_t size = pack_frame(self, record, msg);
    uint64_t position = append(self, record, msg, size);

    if (!position)
        return refused(self, err);
    STAT_ADD(self->config.stats->spilled, record->n);
    pthread_mutex_lock(&self->lock);
    add(self, record, msg, in_memory, position, size);
    pthread_mutex_unlock(&self->lock);
    return LINK_PUT;
}

enum link_put
link_put(struct link *self, const struct record *record, hde_msg *const *msg, bool is_new,
         struct err *err)
{
    enum link_put result = LINK_PUT;
    enum room room;

    if (record->tick <= self->last)
        return LINK_PUT;
    pthread_mutex_lock(&self->lock);
    room = room_for(self, record, is_new, err);
    if (room == MEMORY)
        add(self, record, msg, true, 0, 0);
    else if (room == COVERED)
        note_put(self, record);
    else if (room == FULL_MEMORY || room == FULL_JOURNAL)
        want_room(self);
    if (is_new && !self->first_new)
        self->first_new = record->tick;
    pthread_mutex_unlock(&self->lock);
    switch (room) {
    case MEMORY:
        break;
    case MEMORY_AND_JOURNAL:
    case JOURNAL:
        result = put_in_journal(self, record, msg, room == MEMORY_AND_JOURNAL, err);
        break;
    case FULL_MEMORY:
        return wait_for_room(self, "as much as it may hold waits for its receiver");
    case FULL_JOURNAL:
        return wait_for_room(self, "the journal holds as much as it may");
    case COVERED:
        return LINK_PUT;
    case WRONG:
        return LINK_BROKEN;
    }
    if (result != LINK_PUT)
        return result;
    note_room(self);
    if (self->far.put)
        self->far.put(self->far.arg);
    return LINK_PUT;
}

int64_t
link_watermark_ns(const struct link *self)
{
    return self->watermark_ns;
}

uint64_t
link_mark(const struct link *self)
{
    return self->mark;
}

void
link_sender_is_over(struct link *self)
{
    pthread_mutex_lock(&self->lock);
    self->is_over = true;
    self->bells[LINK_RECEIVER].has_rung = false;
    ring_bell(self, LINK_RECEIVER);
    pthread_mutex_unlock(&self->lock);
}

/* ---- Take --------------------------------------------------------------------------------- */

/* With the lock held: goes behind the items that the receiver has. */
static void
skip_taken(struct link *self)
{
    while (self->next < self->n && item_at(self, self->next)->last_tick <= self->have) {
        struct item *item = item_at(self, self->next++);

        self->taken_units += item->units;
        self->taken_bytes += item->bytes;
        STAT_ADD(self->config.stats->done_messages, item->messages - item->taken);
        item->taken = item->messages;
    }
}

/* With the lock held: (7). */
static void
untake(struct link *self, struct item *item)
{
    STAT_ADD(self->config.stats->done_messages, -item->taken);
    item->taken = 0;
}

static void
go_back(struct link *self, uint64_t tick)
{
    if (self->next < self->n && tick < self->have)
        untake(self, item_at(self, self->next));
    while (self->next && item_at(self, self->next - 1)->last_tick > tick) {
        struct item *item = item_at(self, --self->next);

        untake(self, item);
        self->taken_units -= item->units;
        self->taken_bytes -= item->bytes;
    }
    self->read_next = 0;
}

/* With the lock held: where a sender whose store is gone has begun anew, before it knew of the
 * receiver's position. */
static bool
check_place(const struct link *self, uint64_t tick, struct err *err)
{
    return self->is_placed || !self->first_new || tick < self->first_new ||
           err_set(err, "HDE-R071",
                   "edge '%s': its receiver has tick %" PRIu64 ", and the sender has begun at "
                   "%" PRIu64 ": the sender's checkpoints are older than the receiver's, or gone",
                   self->config.name, tick, self->first_new);
}

bool
link_seek(struct link *self, uint64_t tick, struct err *err)
{
    bool ok, fits;

    pthread_mutex_lock(&self->lock);
    ok = tick >= self->covered && (tick || !self->begins_late);
    fits = check_place(self, tick, err);
    go_back(self, tick);
    self->have = tick;
    self->is_placed = true;
    self->has_asked = false;
    pthread_mutex_unlock(&self->lock);
    if (ok && fits && self->far.sought)
        self->far.sought(self->far.arg, tick);
    if (!fits)
        return false;
    return ok || err_set(err, "HDE-R070",
                         "edge '%s': frames behind tick %" PRIu64 " are asked for, and the sender "
                         "keeps them only behind tick %" PRIu64
                         ": the receiver's checkpoints are older than the sender's, or gone",
                         self->config.name, tick, self->covered);
}

static void
forget(struct hde_msgvec *vec)
{
    msgvec_drop_all(vec);
    msgvec_fini(vec);
}

/* Frees what is covered, and tells the sender that there is room. */
static void
release(struct link *self, uint64_t tick)
{
    struct gone gone;
    uint64_t needed;
    bool is_more;

    do {
        gone.n = 0;
        gone.many = (struct hde_msgvec){0};
        pthread_mutex_lock(&self->lock);
        if (tick > self->covered)
            self->covered = tick;
        skip_taken(self); /* frames that a sender has made again may lie there unseen */
        while (!gone_is_full(&gone) && self->next &&
               item_at(self, 0)->last_tick <= self->covered)
            pop_item(self, &gone);
        self->has_asked = false;
        needed = self->log ? needed_position(self) : 0;
        show_kept(self);
        if (self->is_waiting)
            ring_bell(self, LINK_SENDER);
        if (!self->n)
            ring_bell(self, LINK_KEEPER);
        pthread_mutex_unlock(&self->lock);
        for (size_t i = 0; i < gone.n; i++)
            hde_msg_drop(gone.msg[i]);
        is_more = gone_is_full(&gone);
        forget(&gone.many);
    } while (is_more);
    if (self->log)
        seglog_need(self->log, needed);
}

void
link_cover(struct link *self, uint64_t tick)
{
    if (self->far.covered)
        self->far.covered(self->far.arg, tick);
    else
        release(self, tick);
}

uint64_t
link_covered(struct link *self)
{
    uint64_t covered;

    pthread_mutex_lock(&self->lock);
    covered = self->covered;
    pthread_mutex_unlock(&self->lock);
    return covered;
}

static enum link_take
gone(struct link *self, struct err *err)
{
    err_set(err, "HDE-R070", "edge '%s': the journal has no record %" PRIu64 " any more",
            self->config.name, self->read_next);
    return LINK_DAMAGED;
}

/* The first frame of the run above the tick `have`. */
static enum link_take
read_frame(struct link *self, const struct item *item, uint64_t have, uint64_t covered,
           struct record *record, struct hde_msgvec *to, struct err *err)
{
    struct seglog_record found;
    bool is_found = false;

    if (self->read_next < item->first_position || self->read_next > item->last_position) {
        seglog_seek_position(self->reader, item->first_position);
        self->read_next = item->first_position;
    }
    do {
        enum seglog_next next = seglog_next(self->reader, &found, err);

        if (next == SEGLOG_END)
            seglog_want(self->log, item->last_position); /* it is not written yet */
        if (next != SEGLOG_RECORD)
            return next == SEGLOG_END ? LINK_EMPTY : LINK_DAMAGED;
        if (found.key.position < self->read_next)
            continue; /* what was sought is not written yet when that happens */
        if (found.key.position > self->read_next && covered < item->first_tick)
            return gone(self, err);
        self->read_next = found.key.position + 1;
        if (!read_bytes(self, found.bytes, found.size, err))
            return LINK_DAMAGED;
        is_found = self->read.tick > have;
    } while (!is_found);
    return unpack_messages(self, record, to, err) ? LINK_FRAME : LINK_DAMAGED;
}

/* With the lock held: half of what is kept in memory was taken, and nobody was asked. */
static bool
wants_epoch(struct link *self)
{
    if (!self->config.is_kept || self->has_asked || !self->ask ||
        (2 * self->taken_units < (uint64_t)self->config.capacity_messages &&
         2 * self->taken_bytes < (uint64_t)self->config.capacity_bytes))
        return false;
    self->has_asked = true;
    return true;
}

static void
note_taken(struct link *self, const struct record *record)
{
    struct item *item = item_at(self, self->next);

    self->have = record->tick;
    item->taken += record->n;
    STAT_ADD(self->config.stats->done_messages, record->n);
    STAT_ADD(self->config.stats->done_bytes, record->lines * UINT64_C(64));
    STAT_SET(self->config.stats->front_ns, record->put_ns);
    skip_taken(self);
    if (self->is_behind && self->next == self->n) {
        self->is_behind = false;
        log_line(LEVEL_INFO, self->config.graph, self->config.name, "link.caught-up",
                 "all that waited was taken");
    }
}

/* With the lock held. */
static bool
is_at_marker(const struct link *self)
{
    return self->marker && self->have >= self->marked;
}

void
link_put_marker(struct link *self, uint32_t marker)
{
    bool is_stray;

    pthread_mutex_lock(&self->lock);
    is_stray = self->far.passed && marker != self->wanted;
    if (!is_stray) {
        self->marker = marker;
        self->marked = self->last;
        ring_bell(self, LINK_RECEIVER);
    }
    pthread_mutex_unlock(&self->lock);
    if (is_stray)
        self->far.passed(self->far.arg, marker);
}

void
link_want_marker(struct link *self, uint32_t marker)
{
    bool is_stray;

    pthread_mutex_lock(&self->lock);
    self->wanted = marker;
    is_stray = self->far.passed && self->marker && self->marker != marker;
    pthread_mutex_unlock(&self->lock);
    if (is_stray)
        link_drop_marker(self);
}

uint32_t
link_marker(struct link *self)
{
    uint32_t marker;

    pthread_mutex_lock(&self->lock);
    marker = is_at_marker(self) ? self->marker : 0;
    pthread_mutex_unlock(&self->lock);
    return marker;
}

bool
link_is_at_marker(struct link *self)
{
    bool is_there;

    pthread_mutex_lock(&self->lock);
    is_there = is_at_marker(self);
    pthread_mutex_unlock(&self->lock);
    return is_there;
}

void
link_drop_marker(struct link *self)
{
    uint32_t marker;

    pthread_mutex_lock(&self->lock);
    marker = self->marker;
    self->marker = self->wanted = 0;
    ring_bell(self, LINK_RECEIVER);
    pthread_mutex_unlock(&self->lock);
    if (self->far.passed && marker)
        self->far.passed(self->far.arg, marker);
}

/* With the lock held: what is next, and the item of it. */
static enum link_take
look_at_next(struct link *self, struct item **item, struct err *err)
{
    if (err_is_set(&self->broken)) {
        *err = self->broken;
        return LINK_DAMAGED;
    }
    skip_taken(self);
    if (is_at_marker(self))
        return LINK_MARKER;
    if (self->next == self->n)
        return self->is_over ? LINK_OVER : LINK_EMPTY;
    *item = item_at(self, self->next);
    return LINK_FRAME;
}

/* With the lock held. */
static void
copy_frame(const struct item *item, struct record *record, struct hde_msgvec *to)
{
    *record = item->record;
    for (uint32_t i = 0; i < item->vec.n; i++)
        msgvec_push(to, hde_msg_keep(item->vec.item[i]));
}

enum link_take
link_take(struct link *self, struct record *record, struct hde_msgvec *to, struct err *err)
{
    struct item *item = NULL, in_journal = {0};
    enum link_take result;
    uint64_t have, covered;
    bool asks;

    if (!self->is_placed && !link_seek(self, 0, err)) /* it has nothing from before */
        return LINK_DAMAGED;
    pthread_mutex_lock(&self->lock);
    have = self->have;
    covered = self->covered;
    result = look_at_next(self, &item, err);
    if (item && item->in_memory) {
        copy_frame(item, record, to);
        note_taken(self, record);
    } else { /* it may be that nothing is there yet */
        self->bells[LINK_RECEIVER].has_rung = false;
        if (item)
            in_journal = *item;
    }
    asks = wants_epoch(self);
    pthread_mutex_unlock(&self->lock);
    if (in_journal.first_position) {
        result = read_frame(self, &in_journal, have, covered, record, to, err);
        if (result == LINK_FRAME) {
            pthread_mutex_lock(&self->lock);
            note_taken(self, record);
            asks |= wants_epoch(self);
            pthread_mutex_unlock(&self->lock);
        }
    }
    if (asks)
        self->ask(self->ask_arg);
    if (result != LINK_FRAME)
        return result;
    if (!self->config.is_kept)
        release(self, record->tick);
    if (self->far.taken)
        self->far.taken(self->far.arg, record);
    return LINK_FRAME;
}

bool
link_is_empty(struct link *self)
{
    bool is_empty;

    pthread_mutex_lock(&self->lock);
    is_empty = !self->n;
    pthread_mutex_unlock(&self->lock);
    return is_empty;
}

bool
link_is_through(struct link *self)
{
    bool is_through;

    pthread_mutex_lock(&self->lock);
    is_through = !self->n && self->watermark_ns == WM_END && self->covered >= self->last;
    pthread_mutex_unlock(&self->lock);
    return is_through;
}

bool
link_may_give(struct link *self)
{
    bool may;

    pthread_mutex_lock(&self->lock);
    skip_taken(self);
    may = !self->is_over || self->next < self->n;
    pthread_mutex_unlock(&self->lock);
    return may;
}

/* ---- State -------------------------------------------------------------------------------- */

bool
link_is_durable(struct link *self)
{
    uint64_t last = self->log ? seglog_last(self->log) : 0;

    if (!self->log)
        return true; /* all of it is in the saved state */
    seglog_want(self->log, last);
    return seglog_durable(self->log) >= last;
}

static void
save_run(const struct item *item, Hde__LinkItem *out, hde_msg *msg)
{
    Hde__LinkRun *run = hde_msg_alloc(msg, sizeof *run);

    hde__link_run__init(run);
    run->has_first_position = run->has_last_position = true;
    run->has_first_tick = run->has_last_tick = run->has_messages = run->has_bytes = true;
    run->has_units = true;
    run->first_position = item->first_position;
    run->last_position = item->last_position;
    run->first_tick = item->first_tick;
    run->last_tick = item->last_tick;
    run->messages = item->messages;
    run->units = item->units;
    run->bytes = item->bytes;
    out->run = run;
}

static void
save_frame(struct link *self, const struct item *item, Hde__LinkItem *out, hde_msg *msg)
{
    size_t size = pack_frame(self, &item->record, item->vec.item);

    out->has_frame = true;
    out->frame.len = size;
    out->frame.data = hde_msg_alloc(msg, size);
    memcpy(out->frame.data, self->packed, size);
}

void
link_save(struct link *self, hde_msg *msg)
{
    Hde__LinkState *state = (Hde__LinkState *)msg->body;

    pthread_mutex_lock(&self->lock);
    state->has_covered = state->has_last = state->has_watermark_ns = true;
    state->watermark_ns = self->watermark_ns;
    state->covered = self->covered;
    state->last = self->last;
    state->items = hde_msg_alloc(msg, (self->n + 1) * sizeof *state->items);
    for (size_t i = 0; i < self->n && !self->config.writes_all; i++) {
        Hde__LinkItem *out = hde_msg_alloc(msg, sizeof *out);

        hde__link_item__init(out);
        if (item_at(self, i)->in_memory)
            save_frame(self, item_at(self, i), out, msg);
        else
            save_run(item_at(self, i), out, msg);
        state->items[state->n_items++] = out;
    }
    pthread_mutex_unlock(&self->lock);
}

static bool
load_frame(struct link *self, const Hde__LinkItem *saved, struct err *err)
{
    struct hde_msgvec vec = {0};
    struct record record;
    bool ok = read_bytes(self, saved->frame.data, saved->frame.len, err) &&
              unpack_messages(self, &record, &vec, err);

    if (ok)
        keep_in_memory(self, &record, vec.item, 0, 0);
    forget(&vec);
    return ok;
}

static void
load_run(struct link *self, const Hde__LinkRun *saved)
{
    struct item *item = add_item(self);

    item->first_position = saved->first_position;
    item->last_position = saved->last_position;
    item->first_tick = saved->first_tick;
    item->last_tick = saved->last_tick;
    item->messages = saved->messages;
    item->units = saved->units;
    item->bytes = saved->bytes;
    self->journal_end = item->last_position + 1;
    self->journal_messages += item->messages;
    self->journal_bytes += item->bytes;
}

bool
link_load(struct link *self, const Hde__LinkState *state, struct err *err)
{
    for (size_t i = 0; i < state->n_items; i++) {
        const Hde__LinkItem *saved = state->items[i];

        if (saved->run)
            load_run(self, saved->run);
        else if (!load_frame(self, saved, err))
            return false;
        STAT_ADD(self->config.stats->messages, item_at(self, self->n - 1)->messages);
    }
    if (state->last >= self->last) {
        self->last = state->last;
        self->watermark_ns = state->watermark_ns;
    }
    self->covered = state->covered;
    show_kept(self);
    return true;
}

/* ---- To and from another host --------------------------------------------------------------- */

bool
link_watch(struct link *self, link_watch_with *with, void *of)
{
    return self->far.watch && self->far.watch(self->far.arg, with, of);
}

bool
link_fetch(struct link *self)
{
    return self->far.fetch && self->far.fetch(self->far.arg);
}

bool
link_hold(struct link *self)
{
    return self->far.hold && self->far.hold(self->far.arg);
}

void
link_release(struct link *self)
{
    self->far.release(self->far.arg);
}

void
link_ask(struct link *self)
{
    void (*ask)(void *arg);
    void *arg;

    pthread_mutex_lock(&self->lock);
    ask = self->ask;
    arg = self->ask_arg;
    pthread_mutex_unlock(&self->lock);
    if (ask)
        ask(arg);
}

void
link_break(struct link *self, const struct err *why)
{
    pthread_mutex_lock(&self->lock);
    self->broken = *why;
    self->bells[LINK_RECEIVER].has_rung = false;
    ring_bell(self, LINK_RECEIVER);
    pthread_mutex_unlock(&self->lock);
}

void
link_begin_again(struct link *self)
{
    pthread_mutex_lock(&self->lock);
    self->last = self->have = self->covered = 0;
    pthread_mutex_unlock(&self->lock);
}
