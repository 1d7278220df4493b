/* SPDX-License-Identifier: Apache-2.0
 * dlq - letters on their way to the queue's folder, and what leaves it.
 *
 *  (1) A letter waits in memory until the ingress log is durable up to its tick (L2), then it is
 *      appended: no letter is about a tick that a crash takes back.
 *  (2) Its mark is (node, tick, index). When a log is taken again, letters at or below the mark of
 *      their node are in the folder already. An epoch is committed only when all letters up to its
 *      barrier are on disk, so none is lost either.
 *      [test_a_dead_letter_is_there_once_whatever_is_cut_off]
 *  (3) Letters and removals go through one queue in order, and a removal carries the marks of all
 *      letters before it: what is removed can leave the disk, its mark stays.
 *      [test_marks_outlive_their_letters]
 *  (4) The queue is bounded: beyond max_bytes, or older than max_age, the oldest letters go. They
 *      are counted (expired) and said loudly. So are letters that never got in (lost): the disk was
 *      full for longer than WAITING_BYTES last, or the folder cannot be used.
 *      [test_a_full_queue_loses_its_oldest_letters_and_says_so] */
#include "engine/dlq.h"

#include "base/log.h"
#include "engine/feed.h"
#include "engine/ingress.h"
#include "engine/letters.h"
#include "seglog/seglog.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SEGMENT_BYTES = 4 << 20, WAITING_BYTES = 64 << 20, EXPIRE_PART = 16, FLUSH_MS = 1000 };

struct waiting {
    struct waiting *next;
    uint64_t tick; /* the ingress log has to be durable up to here; 0: at once */
    uint32_t kind, mark; /* mark: of a letter's node */
    int64_t time_ns;
    size_t size;
    uint8_t bytes[]; /* of the record */
};

struct dlq {
    const struct engine *engine; /* NULL: dlq_drop_in() */
    const char *graph;
    char *folder; /* NULL: none */
    uint64_t max_bytes;
    int64_t max_age_ns;
    struct stats_dlq *stats;

    pthread_mutex_t lock; /* all below */
    struct seglog *log;   /* NULL: not opened yet */
    struct letters letters;
    struct waiting *first, **end;
    uint64_t waiting_bytes;
    uint64_t need, need_at; /* records from `need` on are needed, once `need_at` is durable */
};

/* ---- The folder --------------------------------------------------------------------------- */

static bool
open_log(struct dlq *self, struct err *err)
{
    struct seglog_options options = {.segment_bytes = SEGMENT_BYTES, .keep_bytes = 1};
    struct seglog_report report = {0};

    if (self->log)
        return true;
    self->log = seglog_open(self->folder, &options, &report, err);
    if (!self->log)
        return err_wrap(err, "the dead-letter queue '%s'", self->folder);
    if (report.cut_bytes)
        log_line(LEVEL_WARN, self->graph, NULL, "dlq.torn-tail",
                 "%llu bytes of a torn record were cut off: %s",
                 (unsigned long long)report.cut_bytes, report.cut_where);
    return true;
}

static void
count(struct dlq *self)
{
    STAT_SET(self->stats->letters, self->letters.n_live);
    STAT_SET(self->stats->bytes, self->letters.live_bytes);
}

static bool
is_there(const char *folder)
{
    struct stat st;

    return stat(folder, &st) == 0;
}

static void
forget_marks(struct letters *letters)
{
    for (size_t i = 0; i < letters->n_marks; i++)
        letters->marks[i].tick = 0;
}

static bool
read_folder(struct dlq *self, bool has_marks, struct err *err)
{
    if (!is_there(self->folder))
        return true;
    if (!open_log(self, err) || !letters_read(&self->letters, self->folder, err))
        return false;
    if (!has_marks) /* ticks of this start have nothing to do with those of others */
        forget_marks(&self->letters);
    count(self);
    return true;
}

static struct dlq *
dlq_new(const char *folder, const char *graph, struct stats_dlq *stats)
{
    struct dlq *self = xcalloc(1, sizeof *self);

    self->graph = graph;
    self->folder = folder ? xstrdup(folder) : NULL;
    self->stats = stats;
    self->end = &self->first;
    pthread_mutex_init(&self->lock, NULL);
    return self;
}

bool
dlq_open(struct engine *engine, struct err *err)
{
    struct dlq *self =
        dlq_new(engine->options.dlq, engine->graph->name, &engine->stats->dlq);

    engine->dlq = self;
    self->engine = engine;
    self->max_bytes = (uint64_t)engine->graph->dlq.max_bytes;
    self->max_age_ns = engine->graph->dlq.max_age_ns;
    return !self->folder || read_folder(self, engine->options.checkpoint, err);
}

uint64_t
dlq_mark(const struct dlq *self)
{
    uint64_t largest = 0;

    for (size_t i = 0; i < self->letters.n_marks; i++)
        if (self->letters.marks[i].tick > largest)
            largest = self->letters.marks[i].tick;
    return largest;
}

/* ---- The queue in front of it: with the lock ---------------------------------------------- */

static void
lose(struct dlq *self, const char *why)
{
    STAT_ADD(self->stats->lost, 1);
    log_line(LEVEL_ERROR, self->graph, NULL, "dlq.lost",
             "a dead letter is lost, %llu so far: %s", (unsigned long long)STAT_GET(self->stats->lost),
             why);
}

static struct waiting *
enqueue(struct dlq *self, uint32_t kind, uint64_t tick, int64_t time_ns, size_t size)
{
    struct waiting *item = xmalloc(sizeof *item + size);

    *item = (struct waiting){.tick = tick, .kind = kind, .time_ns = time_ns, .size = size};
    *self->end = item;
    self->end = &item->next;
    self->waiting_bytes += size;
    return item;
}

static void
enqueue_removal(struct dlq *self, const uint64_t *ids, size_t n, Hde__DeadReason reason,
                uint64_t tick)
{
    const struct letters *letters = &self->letters;
    Hde__DeadRemoval removal = HDE__DEAD_REMOVAL__INIT;
    Hde__DeadMark *mark = xcalloc(letters->n_marks + 1, sizeof *mark);
    Hde__DeadMark **marks = xcalloc(letters->n_marks + 1, sizeof *marks);

    removal.ids = (uint64_t *)(uintptr_t)ids;
    removal.n_ids = n;
    removal.has_reason = true;
    removal.reason = reason;
    removal.marks = marks;
    removal.n_marks = letters->n_marks;
    for (size_t i = 0; i < letters->n_marks; i++) {
        const struct letter_mark *from = &letters->marks[i];

        hde__dead_mark__init(marks[i] = &mark[i]);
        mark[i].node = from->node;
        mark[i].has_replica = mark[i].has_tick = mark[i].has_index = true;
        mark[i].replica = from->replica;
        mark[i].tick = from->tick;
        mark[i].index = from->index;
    }
    hde__dead_removal__pack(&removal, enqueue(self, REMOVAL_RECORD, tick, clock_real_ns(),
                                              hde__dead_removal__get_packed_size(&removal))
                                          ->bytes);
    free(marks);
    free(mark);
}

/* Too many or too old: the oldest go, some at a time. False: none had to. */
static bool
expire(struct dlq *self)
{
    struct letters *letters = &self->letters;
    const struct letter_at *at = letters_oldest(letters);
    int64_t oldest_ns = self->max_age_ns ? clock_real_ns() - self->max_age_ns : INT64_MIN;
    uint64_t most = self->max_bytes ? self->max_bytes : UINT64_MAX, *ids;
    size_t n = 0;

    if (!at || (letters->live_bytes <= most && at->time_ns >= oldest_ns))
        return false;
    if (letters->live_bytes > most)
        most -= most / EXPIRE_PART;
    ids = xcalloc(letters->n_live, sizeof *ids);
    while ((at = letters_oldest(letters)) &&
           (letters->live_bytes > most || at->time_ns < oldest_ns)) {
        ids[n++] = at->id;
        letters_remove(letters, at->id);
    }
    enqueue_removal(self, ids, n, HDE__DEAD_REASON__DEAD_REASON_EXPIRED, 0);
    free(ids);
    STAT_ADD(self->stats->expired, n);
    log_line(LEVEL_ERROR, self->graph, NULL, "dlq.full",
             "the %zu oldest dead letters were removed: '%s' is full, or they were too old (dlq: "
             "max_size, max_age); %zu are left",
             n, self->folder, letters->n_live);
    return true;
}

static bool
is_due(const struct dlq *self, const struct waiting *item)
{
    return !item->tick || !self->engine || !self->engine->ingress ||
           ingress_is_durable((struct engine *)(uintptr_t)self->engine, item->tick);
}

/* What the disk may forget once all that was appended so far is durable. */
static void
note_need(struct dlq *self)
{
    const struct letter_at *oldest = letters_oldest(&self->letters);
    uint64_t last = seglog_last(self->log);

    if (self->need && seglog_durable(self->log) >= self->need_at) {
        seglog_need(self->log, self->need);
        self->need = 0;
    }
    if (!self->need && (oldest || self->letters.last_removal)) {
        self->need = oldest ? oldest->id : self->letters.last_removal;
        if (self->letters.last_removal && self->letters.last_removal < self->need)
            self->need = self->letters.last_removal; /* it has the marks */
        self->need_at = last;
    }
}

static bool
append(struct dlq *self, const struct waiting *item)
{
    struct seglog_key key = {.event_ns = item->time_ns, .kind = item->kind};
    struct err err = {0};

    if (!open_log(self, &err)) {
        lose(self, err.text);
        return true;
    }
    if (seglog_append(self->log, &key, item->bytes, item->size, true)) {
        if (item->kind == LETTER_RECORD)
            letters_add(&self->letters, &(struct letter_at){.id = key.position,
                                                            .bytes = item->size,
                                                            .time_ns = item->time_ns,
                                                            .mark = item->mark});
        else
            self->letters.last_removal = key.position;
        return true;
    }
    if (!seglog_error(self->log, &err))
        return false; /* the disk is full: later */
    lose(self, err.text);
    return true;
}

static void
pump(struct dlq *self)
{
    struct waiting *item;

    do {
        while ((item = self->first) && is_due(self, item) && append(self, item)) {
            self->first = item->next;
            if (!self->first)
                self->end = &self->first;
            self->waiting_bytes -= item->size;
            free(item);
        }
    } while (!self->first && expire(self));
    if (self->log)
        note_need(self);
    count(self);
}

void
dlq_pump(struct engine *engine)
{
    struct dlq *self = engine->dlq;

    pthread_mutex_lock(&self->lock);
    pump(self);
    pthread_mutex_unlock(&self->lock);
}

static bool
has_waiting(const struct dlq *self, uint64_t tick)
{
    for (const struct waiting *item = self->first; item; item = item->next)
        if (item->tick <= tick)
            return true;
    return false;
}

static bool
flush(struct dlq *self, uint64_t tick)
{
    struct seglog *log;
    uint64_t last = 0;
    bool ok;

    pthread_mutex_lock(&self->lock);
    pump(self);
    ok = !has_waiting(self, tick);
    log = self->log;
    if (log)
        last = seglog_last(log);
    pthread_mutex_unlock(&self->lock);
    return ok && (!last || seglog_wait(log, last, FLUSH_MS));
}

bool
dlq_flush(struct engine *engine, uint64_t tick)
{
    return flush(engine->dlq, tick);
}

void
dlq_close(struct dlq *self)
{
    if (!self)
        return;
    pump(self);
    if (self->first)
        log_line(LEVEL_ERROR, self->graph, NULL, "dlq.lost",
                 "dead letters are lost at the end: there was no room for them in '%s'",
                 self->folder);
    while (self->first) {
        struct waiting *item = self->first;

        self->first = item->next;
        free(item);
    }
    seglog_close(self->log);
    letters_fini(&self->letters);
    pthread_mutex_destroy(&self->lock);
    free(self->folder);
    free(self);
}

/* ---- Letters ------------------------------------------------------------------------------ */

/* Counts the letters of a node in a tick from 0. */
static uint32_t
next_index(struct node *node, uint64_t tick)
{
    if (node->letter_tick != tick) {
        node->letter_tick = tick;
        node->letter_index = 0;
    }
    return node->letter_index++;
}

/* said is "event: text". */
static const char *
reason_text(const struct said *said)
{
    size_t event = strlen(said->event);

    if (event && !strncmp(said->text, said->event, event) && said->text[event] == ':')
        return said->text + event + 2;
    return said->text;
}

static uint8_t *
pack_letter(struct node *node, const char *code, uint32_t port, uint64_t tick, uint32_t index,
            const hde_msg *msg, size_t *size)
{
    Hde__DeadLetter letter = HDE__DEAD_LETTER__INIT;
    char build[STATS_BUILD];
    uint8_t *bytes, *body = NULL;

    stats_get_build(node->stats, build);
    letter.has_tick = letter.has_index = letter.has_time_ns = letter.has_replica = true;
    letter.tick = tick;
    letter.index = index;
    letter.time_ns = node->ctx.now_ns;
    letter.node = (char *)(uintptr_t)node->def->name;
    letter.replica = node->replica;
    letter.op = (char *)(uintptr_t)node->def->op->name;
    letter.build_id = build;
    letter.port = (char *)(uintptr_t)node->def->op->inputs[port].name;
    letter.code = (char *)(uintptr_t)code;
    letter.event = node->ctx.said->event;
    letter.text = (char *)(uintptr_t)reason_text(node->ctx.said);
    if (msg) {
        letter.type = (char *)(uintptr_t)msg->body->descriptor->name;
        letter.has_event_ns = letter.has_body = true;
        letter.event_ns = msg->event_ns;
        letter.body.len = protobuf_c_message_get_packed_size(msg->body);
        letter.body.data = body = xmalloc(letter.body.len + 1);
        protobuf_c_message_pack(msg->body, body);
    }
    *size = hde__dead_letter__get_packed_size(&letter);
    bytes = xmalloc(*size);
    hde__dead_letter__pack(&letter, bytes);
    free(body);
    return bytes;
}

/* What a view gets is outside of order: its letters are not compared. */
static bool
is_in_folder(const struct node *node, struct letter_mark *mark, uint64_t tick, uint32_t index)
{
    if (!node->actor->is_ordered)
        return atomic_load(&node->engine->recovering);
    if (mark->tick > tick || (mark->tick == tick && mark->index >= index))
        return true;
    mark->tick = tick;
    mark->index = index;
    return false;
}

void
dlq_put(struct node *node, const char *code, uint32_t port, uint64_t tick, const hde_msg *msg)
{
    struct dlq *self = node->engine->dlq;
    uint32_t index = next_index(node, tick), mark;
    struct waiting *item;
    size_t size;
    uint8_t *bytes;

    if (!self->folder)
        return;
    bytes = pack_letter(node, code, port, tick, index, msg, &size);
    pthread_mutex_lock(&self->lock);
    mark = letters_mark(&self->letters, node->def->name, node->replica);
    if (is_in_folder(node, &self->letters.marks[mark], tick, index)) {
        STAT_ADD(self->stats->known, 1);
    } else if (self->waiting_bytes + size > WAITING_BYTES && self->first) {
        lose(self, "too many wait for the disk");
    } else {
        item = enqueue(self, LETTER_RECORD, tick, node->ctx.now_ns, size);
        item->mark = mark;
        memcpy(item->bytes, bytes, size);
        STAT_ADD(self->stats->put, 1);
        pump(self);
    }
    pthread_mutex_unlock(&self->lock);
    free(bytes);
}

/* ---- Chosen from outside ------------------------------------------------------------------ */

const char *
engine_dlq_folder(const struct engine *engine)
{
    return engine->dlq->folder;
}

/* With the lock. Ids that fit, oldest first, to be freed; NULL with err. */
static uint64_t *
choose(struct dlq *self, const struct dlq_choice *choice, size_t *n, struct err *err)
{
    struct letters *letters = &self->letters;
    uint64_t *ids = xcalloc(letters->n_live + choice->n_ids + 1, sizeof *ids);

    *n = 0;
    for (size_t i = 0; i < choice->n_ids; i++) {
        if (!letters_find(letters, choice->ids[i])) {
            err_set(err, "HDE-R095", "there is no dead letter %llu in '%s'",
                    (unsigned long long)choice->ids[i], self->folder ? self->folder : "-");
            free(ids);
            *n = 0;
            return NULL;
        }
        ids[(*n)++] = choice->ids[i];
    }
    for (size_t i = letters->first; i < letters->n && !choice->n_ids; i++) {
        const struct letter_at *at = &letters->item[i];

        if (!at->is_gone &&
            (!choice->node || strcmp(letters->marks[at->mark].node, choice->node) == 0))
            ids[(*n)++] = at->id;
    }
    return ids;
}

static size_t
drop(struct dlq *self, const struct dlq_choice *choice, struct err *err)
{
    uint64_t *ids;
    size_t n = 0;

    pthread_mutex_lock(&self->lock);
    ids = choose(self, choice, &n, err);
    for (size_t i = 0; i < n; i++)
        letters_remove(&self->letters, ids[i]);
    if (n) {
        enqueue_removal(self, ids, n, HDE__DEAD_REASON__DEAD_REASON_DROPPED, 0);
        STAT_ADD(self->stats->dropped, n);
        pump(self);
    }
    pthread_mutex_unlock(&self->lock);
    free(ids);
    return n;
}

size_t
dlq_drop(struct engine *engine, const struct dlq_choice *choice, struct err *err)
{
    return drop(engine->dlq, choice, err);
}

void
dlq_accept(struct engine *engine, uint64_t id, uint64_t tick)
{
    struct dlq *self = engine->dlq;

    pthread_mutex_lock(&self->lock);
    if (letters_remove(&self->letters, id)) {
        enqueue_removal(self, &id, 1, HDE__DEAD_REASON__DEAD_REASON_REPLAYED, tick);
        STAT_ADD(self->stats->replayed, 1);
        pump(self);
    }
    pthread_mutex_unlock(&self->lock);
}

static void
set_away(struct dlq *self, uint64_t id, bool is_away)
{
    struct letter_at *at;

    pthread_mutex_lock(&self->lock);
    at = letters_find(&self->letters, id);
    if (at)
        at->is_away = is_away;
    pthread_mutex_unlock(&self->lock);
}

void
dlq_away(struct engine *engine, uint64_t id)
{
    set_away(engine->dlq, id, true);
}

void
dlq_return(struct engine *engine, uint64_t id)
{
    set_away(engine->dlq, id, false);
}

struct feeding {
    struct engine *engine;
    struct fed **fed;
    size_t n;
    struct err *err;
};

static void
prepare(void *arg, uint64_t id, const Hde__DeadLetter *letter)
{
    struct feeding *feeding = arg;

    if (err_is_set(feeding->err))
        return;
    feeding->fed[feeding->n] = feed_new(feeding->engine, id, letter, feeding->err);
    feeding->n += feeding->fed[feeding->n] != NULL;
}

/* Those that are not on their way already. */
static size_t
take_away(struct dlq *self, uint64_t *ids, size_t n)
{
    size_t left = 0;

    for (size_t i = 0; i < n; i++) {
        struct letter_at *at = letters_find(&self->letters, ids[i]);

        if (at->is_away)
            continue;
        at->is_away = true;
        ids[left++] = ids[i];
    }
    return left;
}

static bool
can_replay(const struct engine *engine, struct err *err)
{
    if (engine->options.virtual_clock || engine->is_taking)
        return err_set(err, "HDE-R094", "a replay takes nothing from outside");
    if (atomic_load(&engine->recovering))
        return err_set(err, "HDE-R094", "the log is taken again: ask when the graph is ready");
    if (engine_state(engine) != ENGINE_RUNNING)
        return err_set(err, "HDE-R094", "the graph is not running any more");
    if (engine->sequencer.n_handovers)
        return err_set(err, "HDE-R094", "the graph has edges that drop in front of nodes that are no "
                                        "views: no barrier passes there");
    return true;
}

size_t
dlq_replay(struct engine *engine, const struct dlq_choice *choice, struct err *err)
{
    struct dlq *self = engine->dlq;
    struct feeding feeding = {.engine = engine, .err = err};
    uint64_t *ids;
    size_t n = 0;

    if (!can_replay(engine, err))
        return 0;
    pthread_mutex_lock(&self->lock);
    ids = choose(self, choice, &n, err);
    n = take_away(self, ids, n);
    pthread_mutex_unlock(&self->lock);
    if (n) {
        feeding.fed = xcalloc(n, sizeof(void *));
        dlq_flush(engine, UINT64_MAX); /* readers see what is durable */
    }
    pthread_rwlock_rdlock(&engine->shape);
    if (n)
        letters_pick(self->folder, ids, n, prepare, &feeding, err);
    for (size_t i = 0; i < feeding.n && !err_is_set(err); i++)
        feed_ask(engine, feeding.fed[i]);
    pthread_rwlock_unlock(&engine->shape);
    for (size_t i = 0; i < n && err_is_set(err); i++) {
        dlq_return(engine, ids[i]);
        feed_free(i < feeding.n ? feeding.fed[i] : NULL);
    }
    free(feeding.fed);
    free(ids);
    return err_is_set(err) ? 0 : n;
}

size_t
dlq_drop_in(const char *folder, const struct dlq_choice *choice, struct err *err)
{
    struct stats_dlq stats = {0};
    struct dlq *self = dlq_new(folder, NULL, &stats);
    size_t n = 0;

    if (read_folder(self, true, err))
        n = drop(self, choice, err);
    if (n && !flush(self, 0)) {
        err_set(err, "HDE-R090", "'%s' cannot be written: no room", folder);
        n = 0;
    }
    dlq_close(self);
    return n;
}
