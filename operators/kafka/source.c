/* SPDX-License-Identifier: Apache-2.0
 * source - the records of a topic as messages.
 *
 *  (1) Partitions are assigned by this node, not by the group: each begins where seek() says, else
 *      where the group has committed, else at `from`. Offsets are committed behind, for who looks
 *      on; with checkpoints they are never used. [tests/kafka/stages.sh]
 *  (2) A position is the next offset of a partition and, for each writer, the last (tick, index)
 *      that came: what is at or below it is a repeat and is dropped. [tests/kafka/topic.sh]
 *  (3) What one poll() emits is one entry, of at most BATCH records that were there already.
 *      Nothing is taken while the queue of the source is full; after a second of that the
 *      partitions are paused, and what was fetched ahead (at most queued.max.messages.kbytes) is
 *      given up. Then they are assigned anew at `next`; what comes once more is below it.
 *      [tests/kafka/lag.sh]
 *  (4) Each type has an output of its own; a record that is none of them leaves by poison, with all
 *      that is known of it, and the partition goes on behind it. [tests/kafka/topic.sh]
 *  (5) The watermark is that of the partition that is farthest behind, of those that have more. */
#include "common.h"
#include "record.h"
#include "schema.h"

#include <hde/schemas/analytics.pb-c.h>
#include <hde/schemas/market.pb-c.h>
#include <hde/schemas/runtime.pb-c.h>
#include <hde/text.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, WRITERS_MAX = 64, POSITION_VERSION = 1, LOOK_TIMER = 1, ASK_MS = 300 };
static const int64_t look_every_ns = 1000000000;

static const hde_port outputs[] = {
    {"chains", HDE_TYPES(&hde__raw_chain__descriptor), 0, "chains as they came"},
    {"enriched", HDE_TYPES(&hde__enriched_chain__descriptor), 0, "chains with measures"},
    {"cumulative_oi", HDE_TYPES(&hde__cumulative_oi__descriptor), 0, "results"},
    {"velocity", HDE_TYPES(&hde__velocity__descriptor), 0, "results"},
    {"buildup", HDE_TYPES(&hde__buildup__descriptor), 0, "results"},
    {"zones", HDE_TYPES(&hde__zones__descriptor), 0, "results"},
    {"samples", HDE_TYPES(&hde__sample__descriptor), 0, "of tests"},
    {"poison", HDE_TYPES(&hde__kafka_record__descriptor), 0,
     "records that are none of these; to kafka/poison, which puts them into the dead-letter queue"},
    {0}};
enum { POISON = sizeof outputs / sizeof *outputs - 2 }; /* behind it those of `types` */

struct writer {
    uint64_t id, tick;
    uint32_t index, unused;
};

struct partition {
    int32_t number;
    bool is_placed, is_touched, is_at_end;
    _Atomic int64_t next; /* offset; -1: where the group stands, or `from` */
    int64_t event_ns; /* the largest that came; INT64_MIN: none */
    _Atomic int64_t at; /* where it was assigned, or met the end: behind marks of transactions */
    hde_counter *lag;
    uint32_t n_writers;
    struct writer writer[WRITERS_MAX];
};

struct place { /* a position, as it is kept */
    uint32_t version, n_writers;
    int64_t next;
};

struct source {
    struct cluster cluster;
    hde_list only, types;
    const char *group, *from;
    hde_duration lateness;

    struct kafka *consumer;
    rd_kafka_queue_t *queue;
    int ready_fd;
    const hde_port *output;
    unsigned n_outputs;
    uint64_t *schema; /* of their types */
    struct schemas schemas;
    uint64_t unknown; /* version that was looked for last, and is not there */
    struct partition *partition;
    int n_partitions, n_all; /* that are read; that the topic has */
    bool is_assigned;

    /* looks once a second, also while this node is not called because nobody has room */
    pthread_t watcher;
    pthread_mutex_t lock; /* of the rest, and of assigning and pausing */
    pthread_cond_t ends;
    bool is_watched, is_ending, is_polled, is_paused; /* polled: since it looked */
    hde_counter *records, *repeats, *poison, *pauses;
};

/* ---- Positions ---------------------------------------------------------------------------- */

static struct partition *
partition_of(struct source *self, int32_t number)
{
    for (int i = 0; i < self->n_partitions; i++)
        if (self->partition[i].number == number)
            return &self->partition[i];
    return NULL;
}

/* (2): whether this record came already; notes it if not. The writer that was heard last is first,
 * so that the one that is forgotten when there are too many is the quietest. */
static bool
is_repeat(struct partition *partition, const struct record *record)
{
    struct writer found = {.id = record->writer};
    uint32_t i = 0;

    while (i < partition->n_writers && partition->writer[i].id != record->writer)
        i++;
    if (i < partition->n_writers)
        found = partition->writer[i];
    else if (i == WRITERS_MAX)
        i--;
    else
        partition->n_writers++;
    if (record->tick < found.tick ||
        (record->tick == found.tick && record->index <= found.index && found.tick))
        return true;
    found.tick = record->tick;
    found.index = record->index;
    memmove(partition->writer + 1, partition->writer, i * sizeof *partition->writer);
    partition->writer[0] = found;
    return false;
}

static void
tell_position(hde_ctx *ctx, struct partition *partition)
{
    size_t size = partition->n_writers * sizeof *partition->writer;
    struct place place = {POSITION_VERSION, partition->n_writers, partition->next};
    char *bytes = hde_scratch(ctx, sizeof place + size);

    memcpy(bytes, &place, sizeof place);
    memcpy(bytes + sizeof place, partition->writer, size);
    hde_position(ctx, (uint32_t)partition->number, bytes, sizeof place + size);
    partition->is_touched = false;
}

static hde_status
source_seek(hde_ctx *ctx, void *state, uint32_t number, const void *bytes, size_t size)
{
    struct source *self = state;
    struct partition *partition = partition_of(self, (int32_t)number);
    struct place place;

    if (size < sizeof place)
        return hde_fail(ctx, "kafka.position", "not a position of this operator");
    memcpy(&place, bytes, sizeof place);
    if (place.version != POSITION_VERSION || place.n_writers > WRITERS_MAX ||
        size != sizeof place + place.n_writers * sizeof(struct writer))
        return hde_fail(ctx, "kafka.position", "not a position of this operator");
    if (!partition)
        return hde_fail(ctx, "kafka.position",
                        "topic '%s' has no partition %u any more, of which offset %" PRId64
                        " is the next (HDE-K008)",
                        self->cluster.topic, number, place.next);
    partition->next = place.next;
    partition->n_writers = place.n_writers;
    memcpy(partition->writer, (const char *)bytes + sizeof place,
           place.n_writers * sizeof(struct writer));
    return HDE_OK;
}

/* ---- Beginning ---------------------------------------------------------------------------- */

static bool
assign(struct source *self, struct kafka_error *error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(self->n_partitions);
    char metadata[KAFKA_METADATA_MAX];
    rd_kafka_resp_err_t code;
    bool ok = true;

    for (int i = 0; ok && i < self->n_partitions; i++) {
        struct partition *partition = &self->partition[i];
        int64_t at = partition->next;

        if (at < 0 && self->group)
            ok = kafka_committed(self->consumer, self->cluster.topic, partition->number,
                                 cluster_timeout_ms(&self->cluster), &at, metadata, error);
        if (at < 0)
            at = !strcmp(self->from, "end") ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
        rd_kafka_topic_partition_list_add(list, self->cluster.topic, partition->number)->offset = at;
        partition->at = at;
    }
    code = ok ? rd_kafka_assign(kafka_handle(self->consumer), list) : RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_topic_partition_list_destroy(list);
    return ok && (!code || kafka_say(self->consumer, code, "assigning partitions", error));
}

static bool
is_wanted(const struct source *self, int number)
{
    char text[16];

    snprintf(text, sizeof text, "%d", number);
    for (size_t i = 0; i < self->only.n; i++)
        if (!strcmp(self->only.item[i], text))
            return true;
    return !self->only.n;
}

static bool
open_consumer(struct source *self, struct kafka_error *error)
{
    const struct kafka_setting fixed[] = {
        {"group.id", self->group ? self->group : "hde"},
        {"enable.auto.commit", self->group ? "true" : "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"},
        {"enable.partition.eof", "true"},
        {"isolation.level", "read_committed"},
        {"queued.max.messages.kbytes", "32768"},
        {0}};
    const uint64_t one = 1;
    int n;

    self->consumer = cluster_open(&self->cluster, KAFKA_CONSUMER, fixed, error);
    if (!self->consumer)
        return false;
    n = cluster_topic(&self->cluster, self->consumer, error);
    if (n < 0)
        return false;
    rd_kafka_poll_set_consumer(kafka_handle(self->consumer));
    self->queue = rd_kafka_queue_get_consumer(kafka_handle(self->consumer));
    rd_kafka_queue_io_event_enable(self->queue, self->ready_fd, &one, sizeof one);
    self->n_all = n;
    self->partition = calloc((size_t)n, sizeof *self->partition);
    if (!self->partition)
        hde_no_memory();
    for (int i = 0; i < n; i++)
        if (is_wanted(self, i))
            self->partition[self->n_partitions++] =
                (struct partition){.number = i, .next = -1, .event_ns = INT64_MIN};
    return true;
}

static void
open_lags(hde_ctx *ctx, struct source *self)
{
    char labels[100];

    for (int i = 0; i < self->n_partitions; i++) {
        struct partition *partition = &self->partition[i];

        snprintf(labels, sizeof labels, "topic=\"%.70s\",partition=\"%d\"", self->cluster.topic,
                 partition->number);
        partition->lag = hde_gauge_open(ctx, "kafka_lag", labels,
                                        "Records between this reader and the end of the partition.");
    }
}

/* ---- The watcher (3) ------------------------------------------------------------------------- */

static void
pause_all(struct source *self)
{
    rd_kafka_topic_partition_list_t *list;

    if (rd_kafka_assignment(kafka_handle(self->consumer), &list))
        return;
    rd_kafka_pause_partitions(kafka_handle(self->consumer), list);
    rd_kafka_topic_partition_list_destroy(list);
    self->is_paused = true;
    hde_count(self->pauses, 1);
}

static void
tell_lag_of(const struct partition *partition, const struct kafka_range *range)
{
    int64_t next = partition->next, at = partition->at;

    if (next < at || next < 0)
        next = at;
    if (next == RD_KAFKA_OFFSET_BEGINNING || (next >= 0 && next < range->low))
        next = range->low;
    if (range->high >= 0 && next >= 0)
        hde_gauge_set(partition->lag, range->high > next ? (uint64_t)(range->high - next) : 0);
}

/* Asked for anew: what fetching has told stands still where fetching does. What nobody can say
 * stays as it was. */
static void
tell_lags(struct source *self)
{
    enum { AT_ONCE = 64 };
    struct kafka_range range[AT_ONCE];

    for (int at = 0; at < self->n_partitions; at += AT_ONCE) {
        const struct partition *partition = self->partition + at;
        int n = self->n_partitions - at < AT_ONCE ? self->n_partitions - at : AT_ONCE;

        for (int i = 0; i < n; i++)
            range[i] = (struct kafka_range){.partition = partition[i].number};
        kafka_ranges(self->consumer, self->cluster.topic, n, range, ASK_MS);
        for (int i = 0; i < n; i++)
            tell_lag_of(&partition[i], &range[i]);
    }
}

static void *
watch(void *arg)
{
    struct source *self = arg;

    pthread_mutex_lock(&self->lock);
    while (!self->is_ending) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += look_every_ns / 1000000000;
        pthread_cond_timedwait(&self->ends, &self->lock, &until);
        if (self->is_assigned && !self->is_polled && !self->is_paused)
            pause_all(self);
        self->is_polled = false;
        pthread_mutex_unlock(&self->lock);
        tell_lags(self);
        pthread_mutex_lock(&self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

static bool
start_watcher(struct source *self)
{
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->ends, NULL);
    self->is_watched = pthread_create(&self->watcher, NULL, watch, self) == 0;
    return self->is_watched;
}

static void
end_watcher(struct source *self)
{
    if (!self->is_watched)
        return;
    pthread_mutex_lock(&self->lock);
    self->is_ending = true;
    pthread_cond_signal(&self->ends);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->watcher, NULL);
}

/* ---- Opening --------------------------------------------------------------------------------- */

/* Of each type that is read. */
static bool
check_schemas(struct source *self, struct kafka_error *error)
{
    bool ok = schemas_read(&self->schemas, &self->cluster, error);

    for (unsigned i = 0; ok && i < self->n_outputs; i++)
        ok = i == POISON ||
             schemas_check(&self->schemas, &self->cluster, self->output[i].types[0], error);
    return ok;
}

static void
learn_outputs(hde_ctx *ctx, struct source *self)
{
    self->output = hde_outputs(ctx);
    while (self->output[self->n_outputs].name)
        self->n_outputs++;
    self->schema = calloc(self->n_outputs, sizeof *self->schema);
    if (!self->schema)
        hde_no_memory();
    for (unsigned i = 0; i < self->n_outputs; i++)
        self->schema[i] = schema_hash(self->output[i].types[0]);
}

static hde_status
source_open(hde_ctx *ctx, void *state)
{
    struct source *self = state;
    struct kafka_error error = {0};

    self->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->ready_fd < 0 || !hde_watch(ctx, self->ready_fd, EPOLLIN, 0))
        return hde_fail(ctx, "kafka.descriptor", "no descriptor is left");
    self->records = hde_counter_open(ctx, "records", "records taken");
    self->repeats = hde_counter_open(ctx, "repeats", "records that came before, dropped");
    self->poison = hde_counter_open(ctx, "poison", "records that are no messages of these types");
    self->pauses = hde_counter_open(ctx, "pauses", "times that nobody had room for records");
    learn_outputs(ctx, self);
    if (!open_consumer(self, &error) || !check_schemas(self, &error))
        return hde_fail(ctx, "kafka.cannot-open", "%s", error.text);
    open_lags(ctx, self);
    if (!start_watcher(self))
        return hde_fail(ctx, "kafka.thread", "no thread is left");
    hde_timer_after(ctx, LOOK_TIMER, look_every_ns);
    return HDE_OK;
}

static void
source_close(hde_ctx *ctx, void *state)
{
    struct source *self = state;

    end_watcher(self);
    if (self->is_assigned && self->group)
        rd_kafka_commit(kafka_handle(self->consumer), NULL, 0);
    if (self->queue)
        rd_kafka_queue_destroy(self->queue);
    kafka_close(self->consumer);
    if (self->ready_fd > 0) {
        hde_watch(ctx, self->ready_fd, 0, 0);
        close(self->ready_fd);
    }
    free(self->partition);
    free(self->schema);
    schemas_fini(&self->schemas);
}

/* ---- Records ------------------------------------------------------------------------------ */

/* (4) */
static void
emit_poison(hde_ctx *ctx, struct source *self, const rd_kafka_message_t *message,
            const struct record *record, const char *reason)
{
    hde_msg *msg = hde_msg_new(ctx, &hde__kafka_record__descriptor);
    Hde__KafkaRecord *poison = (Hde__KafkaRecord *)msg->body;

    msg->event_ns = record->has_event ? record->event_ns : hde_now_ns(ctx);
    poison->topic = hde_msg_text(msg, self->cluster.topic);
    poison->has_partition = poison->has_offset = true;
    poison->partition = (uint32_t)message->partition;
    poison->offset = message->offset;
    poison->type = hde_msg_text(msg, record->type);
    poison->reason = hde_msg_text(msg, reason);
    poison->has_value = poison->has_key = true;
    poison->key.len = message->key_len;
    poison->key.data = hde_msg_alloc(msg, message->key_len + 1);
    if (message->key_len)
        memcpy(poison->key.data, message->key, message->key_len);
    poison->value.len = message->len;
    poison->value.data = hde_msg_alloc(msg, message->len + 1);
    if (message->len)
        memcpy(poison->value.data, message->payload, message->len);
    hde_count(self->poison, 1);
    hde_log(ctx, HDE_WARN, "kafka.poison", "topic '%s', partition %d, offset %" PRId64 ": %s",
            self->cluster.topic, message->partition, message->offset, reason);
    hde_emit(ctx, POISON, msg);
}

/* A version that was not there at the start was put there by a writer since; that takes a
 * moment. */
static bool
can_read(struct source *self, unsigned output, uint64_t schema)
{
    const ProtobufCMessageDescriptor *type = self->output[output].types[0];
    struct kafka_error error;
    struct schema *found;

    if (schema == self->schema[output])
        return true;
    found = schemas_find(&self->schemas, type->name, schema);
    if (!found && schema != self->unknown) {
        schemas_read(&self->schemas, &self->cluster, &error);
        found = schemas_find(&self->schemas, type->name, schema);
        self->unknown = found ? 0 : schema;
    }
    return found && schema_can_read(found, type);
}

static void
take(hde_ctx *ctx, struct source *self, struct partition *partition,
     const rd_kafka_message_t *message)
{
    struct record record;
    hde_msg *msg = NULL;
    unsigned i = 0;

    record_read(message, &record);
    if (record.has_at && is_repeat(partition, &record)) {
        hde_count(self->repeats, 1);
        return;
    }
    while (i < self->n_outputs &&
           (i == POISON || strcmp(self->output[i].types[0]->name, record.type)))
        i++;
    if (i == self->n_outputs) {
        emit_poison(ctx, self, message, &record, "it is of no type that is read here (HDE-K011)");
        return;
    }
    if (record.has_schema && !can_read(self, i, record.schema)) {
        emit_poison(ctx, self, message, &record, "its type has other fields (HDE-K012)");
        return;
    }
    msg = record_unpack(ctx, self->output[i].types[0], message->payload, message->len);
    if (!msg) {
        emit_poison(ctx, self, message, &record, "its bytes are no such message (HDE-K011)");
        return;
    }
    msg->event_ns = record.has_event ? record.event_ns : hde_now_ns(ctx);
    if (msg->event_ns > partition->event_ns)
        partition->event_ns = msg->event_ns;
    hde_count(self->records, 1);
    hde_emit(ctx, i, msg);
}

static hde_status
hear(hde_ctx *ctx, struct source *self, const rd_kafka_message_t *message)
{
    struct partition *partition = partition_of(self, message->partition);
    struct kafka_error error = {0};

    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (partition) {
            partition->is_at_end = true;
            partition->at = message->offset;
        }
        return HDE_OK;
    }
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET && partition && partition->next < 0) {
        self->is_assigned = false; /* who was asked where it begins has gone: ask again */
        return HDE_OK;
    }
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
        message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
        return hde_fail(ctx, "kafka.gone",
                        "topic '%s', partition %d: offset %" PRId64
                        " is not there (any more): retention was shorter than the outage, or the "
                        "topic was made anew (HDE-K008)",
                        self->cluster.topic, message->partition,
                        partition ? partition->next : message->offset);
    kafka_say(self->consumer, message->err, "reading the topic", &error);
    if (error.kind != KAFKA_TROUBLE_AWAY && error.kind != KAFKA_TROUBLE_TOPIC)
        return cluster_status(ctx, &error);
    hde_stands(ctx, HDE_HELD_UP, "%s", error.text); /* librdkafka retries; source_timer() looks */
    hde_log(ctx, HDE_WARN, "kafka.away", "%s; it is tried again", error.text);
    return HDE_OK;
}

/* (5) */
static void
tell_watermark(hde_ctx *ctx, struct source *self)
{
    int64_t all = INT64_MAX, largest = INT64_MIN;

    for (int i = 0; i < self->n_partitions; i++) {
        const struct partition *partition = &self->partition[i];

        if (partition->event_ns > largest)
            largest = partition->event_ns;
        if (!partition->is_at_end && partition->event_ns < all)
            all = partition->event_ns;
    }
    if (all > largest)
        all = largest;
    if (all > INT64_MIN + self->lateness.ns)
        hde_source_watermark(ctx, all - self->lateness.ns);
}

static void
settle(hde_ctx *ctx, struct source *self)
{
    for (int i = 0; i < self->n_partitions; i++) {
        struct partition *partition = &self->partition[i];

        if (partition->is_touched)
            tell_position(ctx, partition);
    }
    tell_watermark(ctx, self);
}

/* At first, or again behind a pause. */
static bool
begin(struct source *self, struct kafka_error *error)
{
    rd_kafka_topic_partition_list_t *list;

    if (!assign(self, error))
        return false;
    if (self->is_paused && !rd_kafka_assignment(kafka_handle(self->consumer), &list)) {
        rd_kafka_resume_partitions(kafka_handle(self->consumer), list);
        rd_kafka_topic_partition_list_destroy(list);
    }
    self->is_assigned = true;
    self->is_paused = false;
    return true;
}

static hde_status
source_poll(hde_ctx *ctx, void *state)
{
    struct source *self = state;
    rd_kafka_message_t *batch[BATCH];
    struct kafka_error error = {0};
    hde_status status = HDE_OK;
    bool begun;
    ssize_t n;

    pthread_mutex_lock(&self->lock);
    self->is_polled = true;
    begun = (self->is_assigned && !self->is_paused) || begin(self, &error);
    pthread_mutex_unlock(&self->lock);
    if (!begun)
        return cluster_status(ctx, &error);
    n = rd_kafka_consume_batch_queue(self->queue, 0, batch, BATCH);
    for (ssize_t i = 0; i < n; i++) {
        struct partition *partition = partition_of(self, batch[i]->partition);

        if (batch[i]->err) {
            hde_status heard = hear(ctx, self, batch[i]);

            status = heard != HDE_OK ? heard : status;
        } else if (partition && batch[i]->offset >= partition->next) {
            partition->is_at_end = false;
            partition->next = batch[i]->offset + 1;
            partition->is_touched = true;
            take(ctx, self, partition, batch[i]);
            if (self->group)
                rd_kafka_offset_store(batch[i]->rkt, batch[i]->partition, batch[i]->offset);
        }
        rd_kafka_message_destroy(batch[i]);
    }
    settle(ctx, self);
    return status == HDE_OK && n <= 0 ? HDE_IDLE : status;
}

static hde_status
source_event(hde_ctx *ctx, void *state, const hde_event *event)
{
    uint64_t n;

    if (read(((struct source *)state)->ready_fd, &n, sizeof n) < 0)
        return HDE_OK; /* somebody has read it: poll() finds out */
    return HDE_OK;     /* and is polled */
}

static hde_status
source_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    struct source *self = state;

    cluster_look(ctx, &self->cluster, self->consumer, self->n_all);
    hde_timer_after(ctx, LOOK_TIMER, look_every_ns);
    return HDE_OK;
}

static const hde_param params[] = {
    CLUSTER_PARAMS(struct source),
    HDE_PARAM(struct source, only, .fallback = "", .help = "partitions; left out: all"),
    HDE_PARAM(struct source, types, .fallback = "",
              .help = "message types of other plugins, each an output: my.PairSpread, pair_spread"),
    HDE_PARAM(struct source, group, .fallback = "",
              .help = "where offsets are committed; without checkpoint: a start goes on there"),
    HDE_PARAM(struct source, from, .fallback = "beginning", .choices = "beginning|end",
              .help = "where a partition begins of which nothing is known"),
    HDE_PARAM(struct source, lateness, .fallback = "0s", .min = 0, .max = 86400,
              .help = "how far event times of one partition may go back"),
    {0}};

static const hde_operator kafka_source = {
    .size = sizeof(hde_operator),
    .flags = HDE_BLOCKING | HDE_LIVE_ONLY | HDE_MORE_TYPES,
    .name = "kafka/source",
    .summary = "messages from a Kafka topic",
    .help = "Reads all partitions of the topic, committed records only. With checkpoint: a start\n"
            "goes on at the offsets of the last epoch; records that a kafka/sink has written twice\n"
            "come once.",
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct source),
    .open = source_open,
    .close = source_close,
    .poll = source_poll,
    .seek = source_seek,
    .event = source_event,
    .timer = source_timer,
};

HDE_PLUGIN(&kafka_source);
