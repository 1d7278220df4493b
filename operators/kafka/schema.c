/* SPDX-License-Identifier: Apache-2.0
 * schema - see schema.h. [tests/operators/kafka_schema_test.c, tests/kafka/schemas.sh] */
#include "schema.h"

#include "record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPES_MAX = 64, WORD = 200, POLL_MS = 200 };

/* ---- Text ----------------------------------------------------------------------------------- */

struct seen {
    hde_text *out;
    unsigned n;
    const void *type[TYPES_MAX];
};

static bool
is_new(struct seen *seen, const void *type)
{
    for (unsigned i = 0; i < seen->n; i++)
        if (seen->type[i] == type)
            return false;
    if (seen->n == TYPES_MAX)
        return false;
    seen->type[seen->n++] = type;
    return true;
}

static void
put_enum(struct seen *seen, const ProtobufCEnumDescriptor *type)
{
    for (unsigned i = 0; is_new(seen, type) && i < type->n_values; i++)
        hde_text_printf(seen->out, "%s %d value %s\n", type->name, type->values[i].value,
                        type->values[i].name);
}

static void
put_type(struct seen *seen, const ProtobufCMessageDescriptor *type)
{
    static const char *const labels[] = {"required", "optional", "repeated", "none"};
    static const char *const kinds[] = {"int32",    "sint32", "sfixed32", "int64",  "sint64",
                                        "sfixed64", "uint32", "fixed32",  "uint64", "fixed64",
                                        "float",    "double", "bool",     "enum",   "string",
                                        "bytes",    "message"};

    if (!is_new(seen, type))
        return;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        const char *kind = kinds[field->type];

        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            kind = ((const ProtobufCMessageDescriptor *)field->descriptor)->name;
        else if (field->type == PROTOBUF_C_TYPE_ENUM)
            kind = ((const ProtobufCEnumDescriptor *)field->descriptor)->name;
        hde_text_printf(seen->out, "%s %u %s:%s %s\n", type->name, field->id, labels[field->label],
                        kind, field->name);
    }
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            put_type(seen, type->fields[i].descriptor);
        if (type->fields[i].type == PROTOBUF_C_TYPE_ENUM)
            put_enum(seen, type->fields[i].descriptor);
    }
}

void
schema_text(const ProtobufCMessageDescriptor *type, hde_text *out)
{
    struct seen seen = {.out = out};

    hde_text_puts(out, "");
    put_type(&seen, type);
}

uint64_t
schema_hash(const ProtobufCMessageDescriptor *type)
{
    hde_text text = {0};
    uint64_t hash;

    schema_text(type, &text);
    hash = record_hash(HASH_START, text.data);
    hde_text_free(&text);
    return hash ? hash : 1;
}

/* ---- Which go together ----------------------------------------------------------------------- */

struct line {
    char type[WORD], what[WORD], name[WORD];
    long long number;
};

/* The next line at *text, which moves behind it. */
static bool
next_line(const char **text, struct line *out)
{
    int used = 0;

    if (sscanf(*text, "%199s %lld %199s %199s%n", out->type, &out->number, out->what, out->name,
               &used) != 4)
        return false;
    *text += used;
    return true;
}

static bool
find(const char *text, const struct line *like, bool by_name, struct line *out)
{
    while (next_line(&text, out))
        if (!strcmp(out->type, like->type) &&
            (by_name ? !strcmp(out->name, like->name) : out->number == like->number))
            return true;
    return false;
}

static bool
differ(const struct line *ours, const struct line *theirs, char *why, size_t size)
{
    snprintf(why, size, "%s: '%s = %lld' (%s) here, '%s = %lld' (%s) there", ours->type, ours->name,
             ours->number, ours->what, theirs->name, theirs->number, theirs->what);
    return false;
}

static bool
added(const struct line *line, const char *where, char *why, size_t size)
{
    snprintf(why, size, "%s: '%s = %lld' was added %s and is required", line->type, line->name,
             line->number, where);
    return false;
}

/* Whether `b` has nothing of that type that `a` lacks; *lacks is the first that it has. */
static bool
has_all(const char *a, const char *b, const char *type, struct line *lacks)
{
    struct line other;

    while (next_line(&b, lacks))
        if (!strcmp(lacks->type, type) && !find(a, lacks, false, &other))
            return false;
    return true;
}

bool
schema_agrees(const char *ours, const char *theirs, char *why, size_t size)
{
    const char *rest = ours;
    struct line line, other;

    while (next_line(&rest, &line)) {
        if (find(theirs, &line, false, &other)) {
            if (strcmp(line.what, other.what) || strcmp(line.name, other.name))
                return differ(&line, &other, why, size);
        } else if (find(theirs, &line, true, &other)) {
            return differ(&line, &other, why, size);
        } else if (!has_all(ours, theirs, line.type, &other)) {
            snprintf(why, size,
                     "%s: only here is '%s = %lld', and only there '%s = %lld': one of "
                     "them was removed",
                     line.type, line.name, line.number, other.name, other.number);
            return false;
        } else if (!strncmp(line.what, "required", 8)) {
            return added(&line, "here", why, size);
        }
    }
    for (rest = theirs; next_line(&rest, &line);)
        if (!find(ours, &line, false, &other)) {
            if (find(ours, &line, true, &other))
                return differ(&other, &line, why, size);
            if (!strncmp(line.what, "required", 8))
                return added(&line, "there", why, size);
        }
    return true;
}

/* ---- What a topic has ------------------------------------------------------------------------ */

void
schemas_fini(struct schemas *self)
{
    for (size_t i = 0; i < self->n; i++) {
        free(self->item[i].type);
        free(self->item[i].text);
    }
    free(self->item);
    *self = (struct schemas){0};
}

bool
schema_can_read(struct schema *self, const ProtobufCMessageDescriptor *type)
{
    hde_text text = {0};
    char why[400];

    if (self->state == SCHEMA_UNSEEN) {
        schema_text(type, &text);
        self->state =
            schema_agrees(text.data, self->text, why, sizeof why) ? SCHEMA_GOOD : SCHEMA_BAD;
        hde_text_free(&text);
    }
    return self->state == SCHEMA_GOOD;
}

struct schema *
schemas_find(const struct schemas *self, const char *type, uint64_t hash)
{
    for (size_t i = 0; i < self->n; i++)
        if (self->item[i].hash == hash && !strcmp(self->item[i].type, type))
            return &self->item[i];
    return NULL;
}

static void
add(struct schemas *self, const char *type, uint64_t hash, const char *text, size_t size)
{
    struct schema item = {strdup(type), strndup(text, size), hash, SCHEMA_UNSEEN};

    self->item = reallocarray(self->item, self->n + 1, sizeof *self->item);
    if (!self->item || !item.type || !item.text)
        hde_no_memory();
    self->item[self->n++] = item;
}

static void
take(struct schemas *self, const struct cluster *cluster, const rd_kafka_message_t *message)
{
    char key[3 * WORD], topic[256], type[WORD];
    uint64_t hash;

    snprintf(key, sizeof key, "%.*s", (int)message->key_len,
             message->key ? (const char *)message->key : "");
    if (message->len && sscanf(key, "%255s %199s %" SCNx64, topic, type, &hash) == 3 &&
        !strcmp(topic, cluster->topic) && !schemas_find(self, type, hash))
        add(self, type, hash, message->payload, message->len);
}

/* From the beginning to the end. */
static bool
read_all(struct schemas *self, const struct cluster *cluster, struct kafka *kafka,
         struct kafka_error *error)
{
    int left_ms = cluster_timeout_ms(cluster);
    rd_kafka_message_t *message;
    bool is_at_end = false;

    while (!is_at_end && left_ms > 0) {
        message = rd_kafka_consumer_poll(kafka_handle(kafka), POLL_MS);
        if (!message)
            left_ms -= POLL_MS;
        else if (!message->err)
            take(self, cluster, message);
        else
            is_at_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (message)
            rd_kafka_message_destroy(message);
    }
    return is_at_end ||
           kafka_say(kafka, RD_KAFKA_RESP_ERR__TIMED_OUT, "reading the schemas", error);
}

bool
schemas_read(struct schemas *self, const struct cluster *cluster, struct kafka_error *error)
{
    const struct kafka_setting fixed[] = {{"group.id", "hde"},
                                          {"enable.auto.commit", "false"},
                                          {"enable.partition.eof", "true"},
                                          {"auto.offset.reset", "earliest"},
                                          {0}};
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    struct kafka *kafka = cluster_open(cluster, KAFKA_CONSUMER, fixed, error);
    bool ok = kafka && cluster_schemas_topic(cluster, kafka, error);

    rd_kafka_topic_partition_list_add(list, cluster->schemas, 0)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
    if (ok) {
        rd_kafka_poll_set_consumer(kafka_handle(kafka));
        rd_kafka_assign(kafka_handle(kafka), list);
        ok = read_all(self, cluster, kafka, error);
    }
    rd_kafka_topic_partition_list_destroy(list);
    kafka_close(kafka);
    return ok;
}

bool
schemas_check(const struct schemas *self, const struct cluster *cluster,
              const ProtobufCMessageDescriptor *type, struct kafka_error *error)
{
    hde_text text = {0};
    char why[400];
    bool ok = true;

    schema_text(type, &text);
    for (size_t i = 0; ok && i < self->n; i++)
        if (!strcmp(self->item[i].type, type->name))
            ok = schema_agrees(text.data, self->item[i].text, why, sizeof why);
    hde_text_free(&text);
    if (ok)
        return true;
    error->kind = KAFKA_TROUBLE_SETTING;
    snprintf(error->text, sizeof error->text, "topic '%.60s' has another version of %s (HDE-K022)",
             cluster->topic, why);
    return false;
}

static bool
write_one(const struct cluster *cluster, const char *type, uint64_t hash, const char *text,
          struct kafka_error *error)
{
    const struct kafka_setting fixed[] = {{"enable.idempotence", "true"}, {0}};
    struct kafka *kafka = cluster_open(cluster, KAFKA_PRODUCER, fixed, error);
    char key[3 * WORD];
    rd_kafka_resp_err_t code;

    if (!kafka)
        return false;
    snprintf(key, sizeof key, "%s %s %016" PRIx64, cluster->topic, type, hash);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic" /* the library's macros are statement expressions */
    code = rd_kafka_producev(
        kafka_handle(kafka), RD_KAFKA_V_TOPIC(cluster->schemas), RD_KAFKA_V_PARTITION(0),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key, strlen(key)),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)text, strlen(text)), RD_KAFKA_V_END);
#pragma GCC diagnostic pop
    if (!code)
        code = rd_kafka_flush(kafka_handle(kafka), cluster_timeout_ms(cluster));
    if (!code)
        code = kafka_failed(kafka);
    if (code)
        kafka_say(kafka, code, "writing a schema", error);
    kafka_close(kafka);
    return !code;
}

bool
schemas_offer(struct schemas *self, const struct cluster *cluster,
              const ProtobufCMessageDescriptor *type, struct kafka_error *error)
{
    uint64_t hash = schema_hash(type);
    hde_text text = {0};
    bool ok;

    if (!schemas_check(self, cluster, type, error))
        return false;
    if (schemas_find(self, type->name, hash))
        return true;
    schema_text(type, &text);
    /* two writers at once: each sees the other's in the second reading */
    ok = write_one(cluster, type->name, hash, text.data, error) &&
         schemas_read(self, cluster, error) && schemas_check(self, cluster, type, error);
    hde_text_free(&text);
    return ok;
}
