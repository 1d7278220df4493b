/* SPDX-License-Identifier: Apache-2.0
 * seglog - the buffer between who appends and the thread that writes.
 *
 *  (1) Append copies a record, as it will lie on disk, behind the others of its chunk and then
 *      raises `appended`: whoever sees a value of it sees all bytes below. Only the appender
 *      writes chunks, only the log's thread reads and gives them back.
 *      [test_records_come_back_as_they_were_appended, under ThreadSanitizer too]
 *  (2) durable grows only after a sync that covers it, and never goes back.
 *      [test_kill_of_the_writer_loses_nothing_durable, test_what_opening_finds_is_durable]
 *  (3) The thread sleeps on `work`, without a deadline when all is synced. Before it sleeps it
 *      announces in wake_at how many bytes it waits for and then looks at appended; append raises
 *      appended and then looks at wake_at (both sequentially consistent): one of them sees the
 *      other. So a group costs one wake-up and an idle log nothing.
 *      [test_an_append_is_durable_by_the_timer, test_an_idle_log_uses_no_processor]
 *  (4) The lock is held to sleep, to wake and to report, never during a system call on a file.
 *  (5) While the disk is full only urgent records go in, as long as the blocks that are there
 *      (room_end) hold all that was taken before as well.
 *      [test_urgent_records_have_the_reserve_while_the_disk_is_full]
 *  (6) After the first error nothing is written: what is durable stays, nothing is added. [test_an_
 *      io_error_of_any_call_stops_the_log_with_its_reason_and_corrupts_nothing]
 *
 *      IDLE --append--> ARMED --sync_ns, sync_bytes, want--> GROUP (write, sync, moved) --> IDLE
 *                                                              |  ^
 *                                                       no room v  | urgent, or by and by
 *                                                              FULL --room--> IDLE
 *      any --error--> BROKEN */
#include "seglog/seglog.h"

#include "base/arena.h"
#include "base/clock.h"
#include "seglog/store.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 256 * 1024,
    CHUNKS_KEPT = 16, /* not in use */
    WAITING_MAX = 64 << 20,
    SYNC_MS = 5,
    SYNC_BYTES = 1 << 20,
    RETRY_MS = 10, /* after the disk was full, doubled up to a second */
};

enum state { OPEN, FULL, BROKEN };

struct chunk {
    _Atomic(struct chunk *) next; /* set when the appender goes on there; then used is final */
    size_t used, cap;
    _Alignas(RECORD_ALIGN) uint8_t bytes[];
};

struct seglog {
    /* The appender's. */
    struct chunk *tail, *spare;
    size_t tail_used;
    uint64_t position; /* of the last record */
    uint64_t sent;     /* bytes */

    /* Written by the appender, read by all. */
    _Alignas(64) _Atomic uint64_t appended; /* bytes of records, since open */
    _Atomic uint64_t last;

    /* Written by the log's thread, read by all. */
    _Alignas(64) _Atomic uint64_t wake_at; /* wake it when so many bytes are appended */
    _Atomic uint64_t durable, first;
    _Atomic uint64_t segments, bytes, first_tick, last_tick;
    _Atomic int64_t synced_ns;
    _Atomic uint64_t second;   /* first position of the second segment; UINT64_MAX: there is none */
    _Atomic uint64_t room_end; /* while FULL: in bytes as appended */
    _Atomic uint64_t taken;    /* bytes written */
    _Atomic int state;
    _Atomic(struct chunk *) returned; /* chunks for the appender */
    _Atomic int n_returned;

    /* Written by any thread. */
    _Alignas(64) _Atomic uint64_t wanted, need;

    pthread_mutex_t lock;
    pthread_cond_t work; /* for the log's thread */
    pthread_cond_t done; /* a group is done */
    bool stop;
    struct err err; /* once BROKEN */
    pthread_t thread;

    /* The log's thread's. */
    _Alignas(64) struct seglog_options options;
    struct store store;
    struct chunk *head;
    size_t head_used;
    uint64_t tried;      /* appended, as the last group saw it */
    uint64_t need_seen;
    int64_t group_ns;    /* when the last group looked */
    int64_t deadline_ns; /* of the next group; 0: not set */
    int64_t retry_ns, retry_step_ns; /* while FULL */
};

/* ---- Chunks ------------------------------------------------------------------------------- */

static struct chunk *
chunk_new(size_t cap)
{
    struct chunk *chunk = xmalloc(sizeof *chunk + cap);

    atomic_init(&chunk->next, NULL);
    chunk->used = 0;
    chunk->cap = cap;
    return chunk;
}

/* The appender's; a record that is larger than a chunk gets one of its own. */
static struct chunk *
chunk_take(struct seglog *log, size_t size)
{
    struct chunk *chunk;

    if (size > CHUNK)
        return chunk_new(size);
    if (!log->spare) {
        log->spare = atomic_exchange_explicit(&log->returned, NULL, memory_order_acquire);
        atomic_store_explicit(&log->n_returned, 0, memory_order_relaxed);
    }
    chunk = log->spare;
    if (!chunk)
        return chunk_new(CHUNK);
    log->spare = atomic_load_explicit(&chunk->next, memory_order_relaxed);
    atomic_store_explicit(&chunk->next, NULL, memory_order_relaxed);
    return chunk;
}

/* The log's thread's. */
static void
chunk_return(struct seglog *log, struct chunk *chunk)
{
    struct chunk *head;

    if (chunk->cap != CHUNK ||
        atomic_load_explicit(&log->n_returned, memory_order_relaxed) >= CHUNKS_KEPT) {
        free(chunk);
        return;
    }
    atomic_fetch_add_explicit(&log->n_returned, 1, memory_order_relaxed);
    head = atomic_load_explicit(&log->returned, memory_order_relaxed);
    do
        atomic_store_explicit(&chunk->next, head, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&log->returned, &head, chunk,
                                                  memory_order_release, memory_order_relaxed));
}

static void
chunks_free(struct chunk *chunk)
{
    while (chunk) {
        struct chunk *next = atomic_load_explicit(&chunk->next, memory_order_relaxed);

        free(chunk);
        chunk = next;
    }
}

/* ---- Append ------------------------------------------------------------------------------- */

static enum state
state_of(const struct seglog *log)
{
    return (enum state)atomic_load_explicit(&log->state, memory_order_acquire);
}

static void
wake(struct seglog *log)
{
    pthread_mutex_lock(&log->lock);
    atomic_store_explicit(&log->wake_at, UINT64_MAX, memory_order_relaxed);
    pthread_cond_signal(&log->work);
    pthread_mutex_unlock(&log->lock);
}

static bool
may_go_in(const struct seglog *log, uint64_t whole, bool urgent)
{
    switch (state_of(log)) {
    case OPEN:
        return true;
    case FULL:
        return urgent && log->sent + whole <=
                             atomic_load_explicit(&log->room_end, memory_order_relaxed);
    default:
        return false;
    }
}

/* Until less than WAITING_MAX waits. False: the disk is full or broken. */
static bool
wait_for_writer(struct seglog *log)
{
    bool fine;

    pthread_mutex_lock(&log->lock);
    while ((fine = state_of(log) == OPEN) &&
           log->sent - atomic_load_explicit(&log->taken, memory_order_relaxed) > WAITING_MAX)
        pthread_cond_wait(&log->done, &log->lock);
    pthread_mutex_unlock(&log->lock);
    return fine;
}

static bool
next_chunk(struct seglog *log, size_t whole)
{
    struct chunk *chunk;

    if (log->sent - atomic_load_explicit(&log->taken, memory_order_relaxed) > WAITING_MAX &&
        !wait_for_writer(log))
        return false;
    chunk = chunk_take(log, whole);
    log->tail->used = log->tail_used;
    /* pairs with the acquire in run_at(): the old chunk's used is final there */
    atomic_store_explicit(&log->tail->next, chunk, memory_order_release);
    log->tail = chunk;
    log->tail_used = 0;
    return true;
}

static uint32_t
lag_of(const struct seglog *log, uint64_t position)
{
    uint64_t lag = position - atomic_load_explicit(&log->durable, memory_order_relaxed);

    return lag < UINT32_MAX ? (uint32_t)lag : UINT32_MAX;
}

bool
seglog_append(struct seglog *log, struct seglog_key *key, const void *bytes, size_t size,
              bool urgent)
{
    uint64_t whole = record_whole((uint32_t)size);
    struct record_head *head;

    if (size > SEGLOG_SIZE_MAX)
        abort(); /* a fault of the caller */
    if (!may_go_in(log, whole, urgent))
        return false;
    if (log->tail->cap - log->tail_used < whole && !next_chunk(log, whole))
        return false;
    key->position = ++log->position;
    head = (struct record_head *)(log->tail->bytes + log->tail_used);
    memset((uint8_t *)head + whole - RECORD_ALIGN, 0, RECORD_ALIGN);
    *head = (struct record_head){.size = (uint32_t)size,
                                 .position = key->position,
                                 .tick = key->tick,
                                 .event_ns = key->event_ns,
                                 .kind = key->kind,
                                 .lag = lag_of(log, key->position)};
    if (size)
        memcpy(head + 1, bytes, size);
    head->crc = record_crc(head);
    log->tail_used += whole;
    log->sent += whole;
    atomic_store_explicit(&log->last, key->position, memory_order_relaxed);
    atomic_store_explicit(&log->appended, log->sent, memory_order_seq_cst);
    if (log->sent >= atomic_load_explicit(&log->wake_at, memory_order_seq_cst))
        wake(log);
    return true;
}

/* ---- Any thread --------------------------------------------------------------------------- */

uint64_t
seglog_durable(const struct seglog *log)
{
    return atomic_load_explicit(&log->durable, memory_order_acquire);
}

uint64_t
seglog_last(const struct seglog *log)
{
    return atomic_load_explicit(&log->last, memory_order_relaxed);
}

uint64_t
seglog_first(const struct seglog *log)
{
    return atomic_load_explicit(&log->first, memory_order_relaxed);
}

bool
seglog_is_full(const struct seglog *log)
{
    return state_of(log) == FULL;
}

bool
seglog_error(const struct seglog *log, struct err *err)
{
    if (state_of(log) != BROKEN)
        return false;
    if (err)
        *err = log->err; /* set before the state, never changed after */
    return true;
}

/* Raises it; false: it was there already. */
static bool
raise_to(_Atomic uint64_t *value, uint64_t to)
{
    uint64_t old = atomic_load_explicit(value, memory_order_relaxed);

    while (old < to) {
        if (atomic_compare_exchange_weak_explicit(value, &old, to, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

void
seglog_want(struct seglog *log, uint64_t position)
{
    if (position > seglog_durable(log) && raise_to(&log->wanted, position))
        wake(log);
}

void
seglog_need(struct seglog *log, uint64_t position)
{
    if (raise_to(&log->need, position) &&
        position >= atomic_load_explicit(&log->second, memory_order_relaxed))
        wake(log);
}

static void
deadline_of(int64_t ns, struct timespec *at)
{
    *at = (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

bool
seglog_wait(struct seglog *log, uint64_t position, int timeout_ms)
{
    struct timespec at;
    int error = 0;

    deadline_of(clock_mono_ns() + (int64_t)timeout_ms * NS_PER_MS, &at);
    seglog_want(log, position);
    pthread_mutex_lock(&log->lock);
    while (!error && seglog_durable(log) < position && state_of(log) != BROKEN)
        error = pthread_cond_timedwait(&log->done, &log->lock, &at);
    pthread_mutex_unlock(&log->lock);
    return seglog_durable(log) >= position;
}

/* ---- The log's thread --------------------------------------------------------------------- */

/* Published bytes that lie in one piece, at most up to `end`. */
static size_t
run_at(struct seglog *log, uint64_t end, const uint8_t **bytes)
{
    for (;;) {
        uint64_t waiting = end - atomic_load_explicit(&log->taken, memory_order_relaxed);
        struct chunk *next = atomic_load_explicit(&log->head->next, memory_order_acquire);
        size_t here = next ? log->head->used - log->head_used : SIZE_MAX;

        *bytes = log->head->bytes + log->head_used;
        if (here || !waiting)
            return here < waiting ? here : waiting;
        chunk_return(log, log->head);
        log->head = next;
        log->head_used = 0;
    }
}

/* Writes what was appended up to `end`. */
static enum store_result
write_up_to(struct seglog *log, uint64_t end, struct err *err)
{
    enum store_result result = STORE_DONE;
    const uint8_t *bytes;
    size_t size, done;

    while (result == STORE_DONE && (size = run_at(log, end, &bytes))) {
        result = store_write(&log->store, bytes, size, &done, err);
        log->head_used += done;
        atomic_fetch_add_explicit(&log->taken, done, memory_order_relaxed);
    }
    return result;
}

static void
set_full(struct seglog *log)
{
    uint64_t taken = atomic_load_explicit(&log->taken, memory_order_relaxed), room = 0;

    if (!log->store.closed && log->store.allocated != UINT64_MAX)
        room = log->store.allocated - log->store.offset;
    log->retry_step_ns = state_of(log) == FULL ? 2 * log->retry_step_ns : RETRY_MS * NS_PER_MS;
    if (log->retry_step_ns > NS_PER_S)
        log->retry_step_ns = NS_PER_S;
    log->retry_ns = clock_mono_ns() + log->retry_step_ns;
    atomic_store_explicit(&log->room_end, taken + room, memory_order_relaxed);
    atomic_store_explicit(&log->state, FULL, memory_order_release);
}

/* Writes and syncs what is there. What fits is durable also when the disk is full. */
static enum store_result
do_group(struct seglog *log, struct err *err)
{
    uint64_t end = atomic_load_explicit(&log->appended, memory_order_acquire);
    uint64_t waiting = end - atomic_load_explicit(&log->taken, memory_order_relaxed);
    enum store_result room = store_room(&log->store, waiting, err), result = room;

    log->group_ns = clock_mono_ns();
    log->tried = end;
    log->need_seen = atomic_load_explicit(&log->need, memory_order_relaxed);
    if (result != STORE_BROKEN)
        result = write_up_to(log, end, err);
    if (result != STORE_BROKEN && store_sync(&log->store, err) == STORE_BROKEN)
        result = STORE_BROKEN;
    if (result != STORE_BROKEN)
        atomic_store_explicit(&log->synced_ns, log->group_ns, memory_order_relaxed);
    if (result != STORE_BROKEN && store_retain(&log->store, log->need_seen, err) == STORE_BROKEN)
        result = STORE_BROKEN;
    return result == STORE_DONE ? room : result;
}

static void
set_facts(struct seglog *log)
{
    const struct store *store = &log->store;

    atomic_store_explicit(&log->segments, store->n, memory_order_relaxed);
    atomic_store_explicit(&log->bytes, store_bytes(store), memory_order_relaxed);
    atomic_store_explicit(&log->first_tick, store->segments[0].first_tick, memory_order_relaxed);
    atomic_store_explicit(&log->last_tick, store_last_tick(store), memory_order_relaxed);
}

void
seglog_facts(const struct seglog *log, struct seglog_facts *out)
{
    *out = (struct seglog_facts){
        .segments = atomic_load_explicit(&log->segments, memory_order_relaxed),
        .bytes = atomic_load_explicit(&log->bytes, memory_order_relaxed),
        .first_tick = atomic_load_explicit(&log->first_tick, memory_order_relaxed),
        .last_tick = atomic_load_explicit(&log->last_tick, memory_order_relaxed),
        .synced_ns = atomic_load_explicit(&log->synced_ns, memory_order_relaxed)};
}

/* What others may know; with the lock, or before there are others. */
static void
set_state(struct seglog *log, enum store_result result, const struct err *err)
{
    const struct store *store = &log->store;

    atomic_store_explicit(&log->durable, store->durable, memory_order_release);
    atomic_store_explicit(&log->first, store_first(store), memory_order_relaxed);
    atomic_store_explicit(&log->second, store->n > 1 ? store->segments[1].first : UINT64_MAX,
                          memory_order_relaxed);
    set_facts(log);
    if (result == STORE_BROKEN)
        log->err = *err;
    if (result == STORE_FULL)
        set_full(log);
    else
        atomic_store_explicit(&log->state, result == STORE_DONE ? OPEN : BROKEN,
                              memory_order_release);
}

static void
publish(struct seglog *log, enum store_result result, const struct err *err)
{
    enum state before = state_of(log);
    bool grew = log->store.durable > seglog_durable(log) ||
                store_first(&log->store) > seglog_first(log);

    pthread_mutex_lock(&log->lock);
    set_state(log, result, err);
    pthread_cond_broadcast(&log->done);
    pthread_mutex_unlock(&log->lock);
    if (log->options.moved && (grew || state_of(log) != before))
        log->options.moved(log->options.arg);
}

/* Whether a group is due; otherwise when to look again, INT64_MAX: when somebody wakes. */
static bool
is_due(struct seglog *log, int64_t *until_ns)
{
    uint64_t appended = atomic_load_explicit(&log->appended, memory_order_seq_cst);
    uint64_t need = atomic_load_explicit(&log->need, memory_order_relaxed);
    int64_t now;

    *until_ns = INT64_MAX;
    if (log->stop || (need != log->need_seen &&
                      need >= atomic_load_explicit(&log->second, memory_order_relaxed)))
        return true;
    if (appended == log->tried && state_of(log) == OPEN)
        return false;
    now = clock_mono_ns();
    if (state_of(log) == FULL)
        *until_ns = log->retry_ns;
    if (appended != log->tried) {
        if (!log->deadline_ns)
            log->deadline_ns = now + log->options.sync_ns;
        if (log->deadline_ns < *until_ns)
            *until_ns = log->deadline_ns;
        if (appended - log->tried >= log->options.sync_bytes ||
            atomic_load_explicit(&log->wanted, memory_order_relaxed) > log->store.durable)
            return true;
    }
    return now >= *until_ns;
}

/* Announces first, looks then (3). */
static void
wait_for_group(struct seglog *log)
{
    int64_t until_ns;

    /* what came while the last group was under way has waited for some time already */
    log->deadline_ns = 0;
    if (atomic_load_explicit(&log->appended, memory_order_relaxed) != log->tried)
        log->deadline_ns = log->group_ns + log->options.sync_ns;
    pthread_mutex_lock(&log->lock);
    for (;;) {
        bool is_armed = log->deadline_ns != 0;
        struct timespec at;

        atomic_store_explicit(&log->wake_at, log->tried + (is_armed ? log->options.sync_bytes : 1),
                              memory_order_seq_cst);
        if (is_due(log, &until_ns))
            break;
        if (!is_armed && log->deadline_ns)
            continue; /* it is now: announce that only more bytes matter */
        deadline_of(until_ns, &at);
        if (until_ns == INT64_MAX)
            pthread_cond_wait(&log->work, &log->lock);
        else
            pthread_cond_timedwait(&log->work, &log->lock, &at);
    }
    atomic_store_explicit(&log->wake_at, UINT64_MAX, memory_order_relaxed);
    pthread_mutex_unlock(&log->lock);
}

static bool
is_stopped(struct seglog *log)
{
    bool stop;

    pthread_mutex_lock(&log->lock);
    stop = log->stop;
    pthread_mutex_unlock(&log->lock);
    return stop;
}

static void *
run(void *arg)
{
    struct seglog *log = arg;
    enum store_result result = STORE_DONE;
    bool stop = false;

    pthread_setname_np(pthread_self(), "hde-log");
    while (!stop && result != STORE_BROKEN) {
        struct err err = {0};

        wait_for_group(log);
        stop = is_stopped(log); /* nothing is appended after that */
        result = do_group(log, &err);
        publish(log, result, &err);
    }
    return NULL;
}

/* ---- Life --------------------------------------------------------------------------------- */

static void
init_lock(struct seglog *log)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&log->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&log->work, &attr);
    pthread_cond_init(&log->done, &attr);
    pthread_condattr_destroy(&attr);
}

static void
log_free(struct seglog *log)
{
    store_close(&log->store);
    chunks_free(log->head);
    chunks_free(log->spare);
    chunks_free(atomic_load_explicit(&log->returned, memory_order_acquire));
    pthread_cond_destroy(&log->work);
    pthread_cond_destroy(&log->done);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

static void
init_options(struct seglog_options *options)
{
    if (!options->sync_ns)
        options->sync_ns = SYNC_MS * NS_PER_MS;
    if (!options->sync_bytes)
        options->sync_bytes = SYNC_BYTES;
}

/* Signals are for the threads of the program. */
static bool
start(struct seglog *log, struct err *err)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&log->thread, NULL, run, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !error || err_set(err, "HDE-L002", "cannot start the thread of the log: %s",
                             strerror(error));
}

struct seglog *
seglog_open(const char *folder, const struct seglog_options *options, struct seglog_report *report,
            struct err *err)
{
    struct seglog_report own = {0};
    struct seglog *log = xaligned(sizeof *log);
    enum store_result room;

    init_lock(log);
    log->options = *options;
    init_options(&log->options);
    log->head = log->tail = chunk_new(CHUNK);
    if (!store_open(&log->store, folder, options, &own, err)) {
        log_free(log);
        return NULL;
    }
    log->position = log->store.position - 1;
    atomic_init(&log->synced_ns, clock_mono_ns());
    atomic_init(&log->last, log->position);
    atomic_init(&log->wake_at, UINT64_MAX);
    room = store_room(&log->store, 0, err);
    if (room != STORE_BROKEN)
        set_state(log, room, NULL);
    if (room == STORE_BROKEN || !start(log, err)) {
        log_free(log);
        return NULL;
    }
    if (report)
        *report = own;
    return log;
}

void
seglog_close(struct seglog *log)
{
    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    log->stop = true;
    pthread_cond_signal(&log->work);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->thread, NULL);
    log_free(log);
}
