/* SPDX-License-Identifier: Apache-2.0
 * sink - messages into a topic, each tick once.
 *
 *  (1) Messages wait, kept by reference, until their transaction is committed; one that failed is
 *      made again from them. [tests/kafka/stages.sh]
 *  (2) A transaction holds whole ticks and the mark of the last one: the mark is the metadata of an
 *      offset that is committed in it, for a group that is called like the transactional id and has
 *      no members. So readers of committed records see each tick whole, and once.
 *      [tests/kafka/stages.sh]
 *  (3) A producer whose transaction has failed, or that the cluster has fenced, is over. The next
 *      one fences it and all others, the cluster takes back what it had begun, and the mark says
 *      whether the commit whose answer was lost was made: what is behind it is made again. A mark
 *      that is neither this sink's last one nor of that commit is of another start, and this one
 *      stops: its state does not have what that one wrote. [tests/kafka/members.sh]
 *  (4) A producer is never used behind an abort: librdkafka gives the numbers of records that it
 *      takes out of its queue to the next ones, also where it has sent them and lost the answer.
 *      The broker then drops the next ones as repeats and says that they are written.
 *      [tests/kafka/outcomes.sh]
 *  (5) Without transactions a record may come twice after a crash; it says where it is from, and
 *      kafka/source drops repeats. The mark is then committed behind the records.
 *
 *      waiting: | produced (n_sent) | not yet |   --commit--> nothing waits, mark */
#include "common.h"
#include "record.h"
#include "schema.h"

#include <hde/schemas/analytics.pb-c.h>
#include <hde/schemas/market.pb-c.h>
#include <hde/schemas/runtime.pb-c.h>
#include <hde/text.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* A call comes back after SOON_MS, so that others hear of an outage; those behind it are patient: a
 * slow cluster may need so long, and what was begun goes on meanwhile. */
enum { SOON_MS = 2000, CALL_MS = 10000, LATE_MAX = 3, TYPES_MAX = 64, LOOK_TIMER = 1 };
static const int64_t look_every_ns = 1000000000;

static const hde_port inputs[] = {
    {"in",
     HDE_TYPES(&hde__raw_chain__descriptor, &hde__enriched_chain__descriptor,
               &hde__cumulative_oi__descriptor, &hde__velocity__descriptor,
               &hde__buildup__descriptor, &hde__zones__descriptor, &hde__sample__descriptor),
     0, "one record a message"},
    {0}};

struct item {
    hde_msg *msg;
    uint64_t tick;
    uint32_t index;
};

struct known { /* a type that was sent */
    const ProtobufCMessageDescriptor *type;
    const ProtobufCFieldDescriptor *key; /* NULL: it has no such field */
    uint64_t schema;
};

struct sink {
    struct cluster cluster;
    const char *key;
    hde_list types;
    bool transactional;
    int64_t batch_messages;
    hde_size batch_size;

    struct kafka *producer;
    int n_partitions;
    struct kafka *reader; /* of the mark */
    rd_kafka_consumer_group_metadata_t *group;
    char name[CLUSTER_NAME]; /* of producer and group */
    uint64_t writer, mark;
    char birth[20];
    rd_kafka_topic_t *topic;

    struct item *item; /* waiting, in order */
    size_t n, cap, n_sent, bytes;
    uint64_t tick; /* of the newest one */
    uint32_t index;
    bool in_transaction, has_mark;
    bool has_name, is_open, is_over; /* the producer; over: the next one has to be opened */
    struct schemas schemas;
    unsigned n_late; /* calls that came back without an answer, and no success since */
    struct known known[TYPES_MAX];
    unsigned n_known;
    hde_counter *records, *commits, *aborts;
};

/* ---- Records ------------------------------------------------------------------------------ */

static const struct known *
known_type(const struct sink *self, const ProtobufCMessageDescriptor *type)
{
    for (unsigned i = 0; i < self->n_known; i++)
        if (self->known[i].type == type)
            return &self->known[i];
    return NULL;
}

/* A type that goes to the topic: its version is among those of the topic after this. */
static hde_status
learn_type(hde_ctx *ctx, struct sink *self, const ProtobufCMessageDescriptor *type)
{
    struct kafka_error error = {0};

    if (self->n_known == TYPES_MAX)
        return hde_reject(ctx, "kafka.types", "more than %d message types", TYPES_MAX);
    if (!schemas_offer(&self->schemas, &self->cluster, type, &error))
        return cluster_status(ctx, &error);
    self->known[self->n_known] = (struct known){
        .type = type,
        .key = self->key ? protobuf_c_message_descriptor_get_field_by_name(type, self->key) : NULL,
        .schema = schema_hash(type)};
    self->n_known++;
    return HDE_OK;
}

/* Text of the key field; NULL: it has none. */
static const char *
key_of(const struct known *known, const hde_msg *msg)
{
    if (!known->key || known->key->type != PROTOBUF_C_TYPE_STRING ||
        known->key->label == PROTOBUF_C_LABEL_REPEATED)
        return NULL;
    return *(const char *const *)((const char *)msg->body + known->key->offset);
}

/* The record is the client's when it is taken: no copy of the payload is made. */
static rd_kafka_resp_err_t
produce(struct sink *self, const struct item *item)
{
    const struct known *known = known_type(self, item->msg->body->descriptor);
    size_t size = protobuf_c_message_get_packed_size(item->msg->body);
    struct record record = {.schema = known->schema,
                            .writer = self->writer,
                            .tick = item->tick,
                            .index = item->index,
                            .event_ns = item->msg->event_ns};
    const char *key = key_of(known, item->msg);
    rd_kafka_headers_t *headers;
    rd_kafka_resp_err_t code;
    uint8_t *bytes = malloc(size + 1);

    if (!bytes)
        hde_no_memory();
    snprintf(record.type, sizeof record.type, "%s", known->type->name);
    headers = record_headers(&record);
    protobuf_c_message_pack(item->msg->body, bytes);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic" /* the library's macros are statement expressions */
    code = rd_kafka_producev(
        kafka_handle(self->producer), RD_KAFKA_V_RKT(self->topic),
        RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_FREE),
        RD_KAFKA_V_KEY(key, key ? strlen(key) : 0), RD_KAFKA_V_VALUE(bytes, size),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
#pragma GCC diagnostic pop
    if (code) {
        rd_kafka_headers_destroy(headers);
        free(bytes);
    }
    return code;
}

/* ---- The mark ----------------------------------------------------------------------------- */

static rd_kafka_topic_partition_list_t *
mark_offset(const struct sink *self, uint64_t tick)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, self->cluster.topic, 0);
    char text[KAFKA_METADATA_MAX];
    int n = snprintf(text, sizeof text, "tick %" PRIu64 " of %s", tick, self->birth);

    at->offset = 0;
    at->metadata = malloc((size_t)n + 1);
    if (!at->metadata)
        hde_no_memory();
    memcpy(at->metadata, text, (size_t)n + 1);
    at->metadata_size = (size_t)n;
    return list;
}

static bool
mark_is_gone(const struct sink *self, struct kafka_error *error)
{
    error->kind = KAFKA_TROUBLE_TOPIC;
    snprintf(error->text, sizeof error->text,
             "topic '%s' and what was known of it are gone: it was deleted, perhaps made anew, and "
             "nothing says what was written; start the run again, which writes what its state does "
             "not cover (HDE-K004)",
             self->cluster.topic);
    return false;
}

/* The birth goes with the mark: where the mark is lost, ticks may begin again, and what comes is no
 * repeat of what came before. */
static void
draw_birth(struct sink *self)
{
    uint64_t random;

    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random = (uint64_t)(uintptr_t)self;
    snprintf(self->birth, sizeof self->birth, "%016" PRIx64, random);
}

/* None at the start: there never was one. None where there was one: it went with its topic. */
static bool
read_mark(struct sink *self, int timeout_ms, struct kafka_error *error)
{
    char text[KAFKA_METADATA_MAX], birth[sizeof self->birth], hex[40];
    uint64_t mark = 0;
    int64_t offset;

    if (!kafka_committed(self->reader, self->cluster.topic, 0, timeout_ms, &offset, text, error))
        return false;
    if (offset >= 0 && sscanf(text, "tick %" SCNu64 " of %19s", &mark, birth) == 2) {
        self->mark = mark;
        memcpy(self->birth, birth, sizeof birth);
    } else if (self->mark) {
        return mark_is_gone(self, error);
    } else {
        draw_birth(self);
    }
    snprintf(hex, sizeof hex, "/%s", self->birth);
    self->writer = record_hash(record_hash(HASH_START, self->name), hex);
    return true;
}

/* ---- Opening ------------------------------------------------------------------------------ */

static void
close_producer(struct sink *self)
{
    if (self->topic)
        rd_kafka_topic_destroy(self->topic);
    self->topic = NULL;
    kafka_close(self->producer);
    self->producer = NULL;
    self->has_name = self->is_open = self->is_over = false;
    self->in_transaction = self->has_mark = false;
    self->n_sent = 0;
}

static bool
make_producer(struct sink *self, struct kafka_error *error)
{
    char size[24];
    struct kafka_setting fixed[] = {{"enable.idempotence", "true"},
                                    {"message.max.bytes", size},
                                    {"partitioner", "murmur2_random"},
                                    /* the mark of a transaction is often refused once, while the
                                     * broker still writes the end of the one before */
                                    {"retry.backoff.ms", "10"},
                                    /* adding the mark waits so long for a broker that hangs, and for
                                     * one whose connection broke until it is back, whatever its own
                                     * timeout says */
                                    {"socket.timeout.ms", "10000"},
                                    {self->transactional ? "transactional.id" : "message.timeout.ms",
                                     self->transactional ? self->name : "0"},
                                    {0}};

    snprintf(size, sizeof size, "%lld", (long long)self->cluster.max_message.bytes);
    self->producer = cluster_open(&self->cluster, KAFKA_PRODUCER, fixed, error);
    if (!self->producer)
        return false;
    self->topic = rd_kafka_topic_new(kafka_handle(self->producer), self->cluster.topic, NULL);
    return true;
}

/* Whoever had this name is fenced behind this, and what it had begun is taken back or done. A call
 * that came back late goes on where it was. */
static bool
take_name(struct sink *self, int timeout_ms, struct kafka_error *error)
{
    if (self->transactional && !self->has_name)
        self->has_name = kafka_check(
            self->producer, rd_kafka_init_transactions(kafka_handle(self->producer), timeout_ms),
            "opening a transactional producer", error);
    return !self->transactional || self->has_name;
}

static int
call_ms(const struct sink *self)
{
    return self->n_late ? CALL_MS : SOON_MS;
}

static bool
open_reader(struct sink *self, struct kafka_error *error)
{
    const struct kafka_setting fixed[] = {
        {"group.id", self->name}, {"enable.auto.commit", "false"}, {0}};

    self->reader = cluster_open(&self->cluster, KAFKA_CONSUMER, fixed, error);
    self->group = rd_kafka_consumer_group_metadata_new(self->name);
    return self->reader != NULL;
}

static bool
open_all(struct sink *self, struct kafka_error *error)
{
    int timeout_ms = cluster_timeout_ms(&self->cluster);

    if (!make_producer(self, error))
        return false;
    self->n_partitions = cluster_topic(&self->cluster, self->producer, error);
    self->is_open = self->n_partitions >= 0 && take_name(self, timeout_ms, error) &&
                    open_reader(self, error) && read_mark(self, timeout_ms, error);
    return self->is_open;
}

/* Of all types that may come. */
static bool
check_schemas(struct sink *self, const hde_port *in, struct kafka_error *error)
{
    bool ok = schemas_read(&self->schemas, &self->cluster, error);

    for (unsigned i = 0; ok && in->types[i]; i++)
        ok = schemas_check(&self->schemas, &self->cluster, in->types[i], error);
    return ok;
}

static hde_status
sink_open(hde_ctx *ctx, void *state)
{
    struct sink *self = state;
    struct kafka_error error = {0};

    self->records = hde_counter_open(ctx, "records", "records committed");
    self->commits = hde_counter_open(ctx, "commits", "transactions committed");
    self->aborts = hde_counter_open(ctx, "aborts", "transactions that failed and were made again");
    cluster_name(self->name, hde_graph_name(ctx), hde_node_name(ctx));
    if (!open_all(self, &error) || !check_schemas(self, hde_inputs(ctx), &error))
        return hde_fail(ctx, "kafka.cannot-open", "%s", error.text);
    hde_timer_after(ctx, LOOK_TIMER, look_every_ns);
    return HDE_OK;
}

static void
forget(struct sink *self, uint64_t up_to)
{
    size_t gone = 0;

    while (gone < self->n && self->item[gone].tick <= up_to)
        hde_msg_drop(self->item[gone++].msg);
    self->n -= gone;
    memmove(self->item, self->item + gone, self->n * sizeof *self->item);
    if (!self->n)
        self->bytes = 0;
}

/* What a call that failed means for the producer, and for what comes next. */
static hde_status
recover(hde_ctx *ctx, struct sink *self, struct kafka_error *error)
{
    /* librdkafka may ask a coordinator that is gone until it is back: a new client looks for it */
    if (error->kind == KAFKA_TROUBLE_AWAY && ++self->n_late % LATE_MAX == 0)
        self->is_over |= self->transactional;
    self->is_over |= error->kind == KAFKA_TROUBLE_FENCED || error->kind == KAFKA_TROUBLE_ABORT;
    if (self->is_over)
        error->kind = KAFKA_TROUBLE_ABORT;
    return cluster_status(ctx, error);
}

/* (3) */
static hde_status
reopen(hde_ctx *ctx, struct sink *self)
{
    struct kafka_error error = {0};
    uint64_t mark = self->mark;

    if (self->is_over) {
        hde_count(self->aborts, self->in_transaction);
        close_producer(self);
    }
    if ((!self->producer && !make_producer(self, &error)) ||
        !take_name(self, call_ms(self), &error) || !read_mark(self, call_ms(self), &error))
        return recover(ctx, self, &error);
    if (self->mark != mark &&
        (self->mark > self->tick ||
         HDE_TICK_INCARNATION(self->mark) != HDE_TICK_INCARNATION(self->tick)))
        return hde_fail(ctx, "kafka.fenced",
                        "topic '%s': another start of node '%s' writes to it: this one stops "
                        "(HDE-K005)",
                        self->cluster.topic, hde_node_name(ctx));
    forget(self, self->mark);
    self->is_open = true;
    return HDE_OK;
}

/* ---- Transactions ------------------------------------------------------------------------- */

/* Makes good what the last call has left, and produces what waits, as far as there is room. */
static hde_status
send_waiting(hde_ctx *ctx, struct sink *self)
{
    struct kafka_error error = {0};
    hde_status status = HDE_OK;
    rd_kafka_resp_err_t code;

    if (self->is_over || !self->is_open)
        status = reopen(ctx, self);
    if (status != HDE_OK)
        return status;
    if (self->transactional && self->n && !self->in_transaction) {
        if (!kafka_check(self->producer, rd_kafka_begin_transaction(kafka_handle(self->producer)),
                         "beginning a transaction", &error))
            return recover(ctx, self, &error);
        self->in_transaction = true;
    }
    while (self->n_sent < self->n) {
        code = produce(self, &self->item[self->n_sent]);
        if (code) {
            rd_kafka_poll(kafka_handle(self->producer), 10);
            kafka_say(self->producer, code, "producing", &error);
            self->is_over |= self->transactional && code == RD_KAFKA_RESP_ERR__STATE;
            return code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? HDE_RETRY : recover(ctx, self, &error);
        }
        self->n_sent++;
    }
    rd_kafka_poll(kafka_handle(self->producer), 0);
    return HDE_OK;
}

static hde_status
commit_transaction(hde_ctx *ctx, struct sink *self, uint64_t tick)
{
    rd_kafka_t *rk = kafka_handle(self->producer);
    struct kafka_error error = {0};
    rd_kafka_topic_partition_list_t *mark;

    if (!self->has_mark) {
        mark = mark_offset(self, tick);
        self->has_mark = kafka_check(
            self->producer,
            rd_kafka_send_offsets_to_transaction(rk, mark, self->group, call_ms(self)),
            "adding the mark to a transaction", &error);
        rd_kafka_topic_partition_list_destroy(mark);
    }
    if (!self->has_mark ||
        !kafka_check(self->producer, rd_kafka_commit_transaction(rk, call_ms(self)),
                     "committing a transaction", &error))
        return recover(ctx, self, &error);
    self->in_transaction = self->has_mark = false;
    return HDE_OK;
}

/* (5): the records are there, then the mark says so. */
static hde_status
commit_plain(hde_ctx *ctx, struct sink *self, uint64_t tick)
{
    rd_kafka_topic_partition_list_t *mark = mark_offset(self, tick);
    struct kafka_error error = {0};
    rd_kafka_resp_err_t code = rd_kafka_flush(kafka_handle(self->producer), call_ms(self));

    if (!code)
        code = kafka_failed(self->producer);
    if (!code)
        code = rd_kafka_commit(kafka_handle(self->reader), mark, 0);
    rd_kafka_topic_partition_list_destroy(mark);
    if (!code)
        return HDE_OK;
    kafka_say(self->producer, code, "writing to the topic", &error);
    return recover(ctx, self, &error);
}

/* Everything that waits, whole up to tick. */
static hde_status
commit(hde_ctx *ctx, struct sink *self, uint64_t tick)
{
    hde_status status = send_waiting(ctx, self);
    size_t n = self->n;

    if (status != HDE_OK || !n)
        return status;
    status = self->transactional ? commit_transaction(ctx, self, tick)
                                 : commit_plain(ctx, self, tick);
    if (status != HDE_OK)
        return status;
    self->mark = tick;
    self->n_sent = 0;
    self->n_late = 0;
    forget(self, tick);
    hde_count(self->records, n);
    hde_count(self->commits, 1);
    hde_stands(ctx, HDE_WELL, "%s", "");
    return HDE_OK;
}

/* ---- The operator ------------------------------------------------------------------------- */

static void
wait_for_commit(struct sink *self, const hde_msg *msg, size_t size, uint64_t tick)
{
    if (self->n == self->cap) {
        self->cap = self->cap ? 2 * self->cap : 256;
        self->item = reallocarray(self->item, self->cap, sizeof *self->item);
        if (!self->item)
            hde_no_memory();
    }
    self->index = tick == self->tick ? self->index + 1 : 0;
    self->tick = tick;
    self->item[self->n++] = (struct item){hde_msg_keep(msg), tick, self->index};
    self->bytes += size;
}

static hde_status
sink_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct sink *self = state;
    bool is_full = self->n >= (size_t)self->batch_messages ||
                   self->bytes >= (size_t)self->batch_size.bytes;
    hde_status status = is_full && batch->tick != self->tick ? commit(ctx, self, self->tick)
                                                             : send_waiting(ctx, self);

    if (status != HDE_OK)
        return status;
    for (; batch->done < batch->n; batch->done++) {
        const hde_msg *msg = batch->msg[batch->done];
        size_t size = protobuf_c_message_get_packed_size(msg->body);

        if (size + 1024 > (size_t)self->cluster.max_message.bytes)
            return hde_reject(ctx, "kafka.too-large",
                              "%s of %zu bytes: raise max_message (HDE-K007)",
                              msg->body->descriptor->name, size);
        if (!known_type(self, msg->body->descriptor)) {
            status = learn_type(ctx, self, msg->body->descriptor);
            if (status != HDE_OK)
                return status;
        }
        wait_for_commit(self, msg, size, batch->tick);
    }
    status = send_waiting(ctx, self);
    return status == HDE_RETRY ? HDE_OK : status; /* they wait */
}

static hde_status
sink_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    return commit(ctx, state, tick);
}

/* While nothing waits: what does, finds out by itself. */
static hde_status
sink_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    struct sink *self = state;

    if (self->producer && !self->n) {
        rd_kafka_poll(kafka_handle(self->producer), 0);
        cluster_look(ctx, &self->cluster, self->producer, self->n_partitions);
    }
    hde_timer_after(ctx, LOOK_TIMER, look_every_ns);
    return HDE_OK;
}

static hde_status
sink_mark(hde_ctx *ctx, void *state, uint64_t *tick)
{
    *tick = ((struct sink *)state)->mark;
    return HDE_OK;
}

static void
sink_close(hde_ctx *ctx, void *state)
{
    struct sink *self = state;

    if (self->n)
        hde_log(ctx, HDE_WARN, "kafka.not-committed",
                "topic '%s': closed with %zu messages that were not committed; the mark is tick %llu",
                self->cluster.topic, self->n, (unsigned long long)self->mark);
    close_producer(self);
    if (self->group)
        rd_kafka_consumer_group_metadata_destroy(self->group);
    kafka_close(self->reader);
    forget(self, UINT64_MAX);
    free(self->item);
    schemas_fini(&self->schemas);
}

static const hde_param params[] = {
    CLUSTER_PARAMS(struct sink),
    HDE_PARAM(struct sink, key, .fallback = "feed",
              .help = "text field of the messages: equal keys go to one partition, in order"),
    HDE_PARAM(struct sink, types, .fallback = "",
              .help = "message types of other plugins that it takes too: my.PairSpread"),
    HDE_PARAM(struct sink, transactional, .fallback = "true",
              .help = "false: sooner there, but readers that are not kafka/source may see a record "
                      "twice after a crash"),
    HDE_PARAM(struct sink, batch_messages, .fallback = "5000", .unit = "messages", .min = 1,
              .max = 1e6,
              .help = "commit at the end of a tick when so many wait; always when the input runs "
                      "empty"),
    HDE_PARAM(struct sink, batch_size, .fallback = "8MiB", .min = 1, .max = 1e9,
              .help = "the same in bytes"),
    {0}};

static const hde_operator kafka_sink = {
    .size = sizeof(hde_operator),
    .flags = HDE_BLOCKING | HDE_EXCLUSIVE | HDE_MORE_TYPES,
    .name = "kafka/sink",
    .summary = "messages into a Kafka topic",
    .help = "A record is the packed message; type, schema, writer, tick and event time are headers.\n"
            "Whole ticks and the node's mark are one transaction, so readers of committed records\n"
            "get each once, also after a crash of a graph with checkpoint:.",
    .inputs = inputs,
    .params = params,
    .state_size = sizeof(struct sink),
    .open = sink_open,
    .batch = sink_batch,
    .timer = sink_timer,
    .close = sink_close,
    .flush = sink_flush,
    .mark = sink_mark,
};

HDE_PLUGIN(&kafka_sink);
