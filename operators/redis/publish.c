/* SPDX-License-Identifier: Apache-2.0
 * publish - live updates on channels of Redis, for whoever listens now.
 *
 *  (1) A call takes at most `wait`, whatever Redis does: what is not published then is dropped
 *      and counted, and while Redis is away messages are dropped at once (connectors/redis pauses).
 *      [tests/redis/publish_test.c: hangs, is killed]
 *  (2) Nothing is published twice: a call that failed is not made again, and what a log gives again
 *      after a crash does not come here (HDE_AT_MOST_ONCE). [same file;
 *      engine/checkpoint_test.c]
 *  (3) Where nothing is published for a second Redis is asked whether it is there, so an outage is
 *      seen, and its end, whatever flows. A refusal ends when something is published again.
 *      [same file: goes while nothing is published] */
#include "common/label.h"

#include <connectors/redis.h>
#include <hde/operator.h>
#include <hde/schemas/analytics.pb-c.h>
#include <hde/schemas/market.pb-c.h>
#include <hde/schemas/runtime.pb-c.h>
#include <hde/text.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 64, SIZE_AT_ONCE = 4 << 20, LOOK_TIMER = 1 };
static const int64_t look_every_ns = 1000000000;

struct publish {
    hde_secret url;
    const char *channel, *payload;
    hde_list types;
    hde_duration wait;

    struct redis *redis;
    bool is_away;    /* the last call has failed */
    bool is_refused; /* by an answer to what was published */
    bool is_called;  /* since the timer */
    uint64_t lost;   /* since it is away */
    hde_text text;   /* channels and payloads that are to go */
    struct part {
        size_t channel, payload, end; /* offsets in text */
    } part[AT_ONCE];
    size_t n;
    hde_counter *published, *dropped, *received;
};

/* ---- Channel and payload ------------------------------------------------------------------ */

/* A text field of a type by its name; NULL: it has none. */
static const ProtobufCFieldDescriptor *
text_field(const ProtobufCMessageDescriptor *type, const char *name, size_t size)
{
    char word[64];
    const ProtobufCFieldDescriptor *field;

    if (size >= sizeof word)
        return NULL;
    memcpy(word, name, size);
    word[size] = '\0';
    field = protobuf_c_message_descriptor_get_field_by_name(type, word);
    return field && field->type == PROTOBUF_C_TYPE_STRING &&
                   field->label != PROTOBUF_C_LABEL_REPEATED
               ? field
               : NULL;
}

/* What stands for {name} in a message; NULL: it has no such field, or it is empty. */
static const char *
word_of(const ProtobufCMessage *body, const char *name, size_t size)
{
    const ProtobufCFieldDescriptor *field;
    const char *text;

    if (size == 4 && memcmp(name, "type", 4) == 0)
        return type_label(body->descriptor);
    field = text_field(body->descriptor, name, size);
    text = field ? *(const char *const *)((const char *)body + field->offset) : NULL;
    return text && *text ? text : NULL;
}

/* The template with everything in braces filled in; false: something is missing. */
static bool
put_channel(const struct publish *self, const ProtobufCMessage *body, hde_text *out)
{
    for (const char *s = self->channel; *s;) {
        size_t n = strcspn(s, "{");
        const char *word;

        hde_text_put(out, s, n);
        s += n;
        if (!*s)
            break;
        n = strcspn(s, "}");
        word = word_of(body, s + 1, n - 1);
        if (!word)
            return false;
        hde_text_puts(out, word);
        s += n + 1;
    }
    return true;
}

static void
put_json(const ProtobufCMessage *body, hde_text *out)
{
    size_t brace;

    hde_text_printf(out, "{\"type\":\"%s\"", type_label(body->descriptor));
    brace = out->len;
    hde_json_message(out, body, HDE_JSON_FIELDS);
    if (out->data[brace + 1] == '}') { /* no fields */
        out->len = brace + 1;
        out->data[brace] = '}';
        out->data[out->len] = '\0';
    } else {
        out->data[brace] = ',';
    }
}

static void
put_payload(hde_ctx *ctx, const struct publish *self, const ProtobufCMessage *body, hde_text *out)
{
    size_t size;
    uint8_t *bytes;

    if (strcmp(self->payload, "json") == 0) {
        put_json(body, out);
        return;
    }
    size = protobuf_c_message_get_packed_size(body);
    bytes = hde_scratch(ctx, size + 1);
    protobuf_c_message_pack(body, bytes);
    hde_text_put(out, (const char *)bytes, size);
}

/* ---- Redis -------------------------------------------------------------------------------- */

static void
note_failure(hde_ctx *ctx, struct publish *self, const struct redis_error *error)
{
    if (!self->is_away)
        hde_log(ctx, HDE_WARN, "redis.away", "%s (messages are dropped until it is back)",
                error->text);
    hde_stands(ctx, HDE_DEGRADED, "%s", error->text);
    self->is_away = true;
    self->lost += self->n;
    hde_count(self->dropped, self->n);
}

static void
note_success(hde_ctx *ctx, struct publish *self)
{
    if (self->is_away)
        hde_log(ctx, HDE_INFO, "redis.back", "publishing again; %" PRIu64 " messages were dropped",
                self->lost);
    hde_stands(ctx, HDE_WELL, "%s", "");
    self->is_away = self->is_refused = false;
    self->lost = 0;
}

/* (3): any answer says that it is there, also that this user may not ask, but for "not now". */
static void
look(hde_ctx *ctx, struct publish *self)
{
    static const struct redis_command ping = {.n = 1, .arg = {{"PING", 4}}};
    struct redis_error error = {0};
    redisReply *reply;

    if (!redis_run(self->redis, &ping, 1, &reply, (self->wait.ns + 999999) / 1000000, &error)) {
        note_failure(ctx, self, &error);
        return;
    }
    if (!redis_is_good(reply, &error) && error.kind == REDIS_TROUBLE_BUSY)
        note_failure(ctx, self, &error);
    else if (self->is_away && !self->is_refused)
        note_success(ctx, self);
    freeReplyObject(reply);
}

static void
take_replies(hde_ctx *ctx, struct publish *self, redisReply **reply)
{
    struct redis_error error = {0};
    size_t refused = 0;

    for (size_t i = 0; i < self->n; i++) {
        if (!redis_is_good(reply[i], &error))
            refused++;
        else if (reply[i]->type == REDIS_REPLY_INTEGER && reply[i]->integer > 0)
            hde_count(self->received, (uint64_t)reply[i]->integer);
        freeReplyObject(reply[i]);
    }
    hde_count(self->published, self->n - refused);
    self->n = refused;
    self->is_refused = refused && error.kind != REDIS_TROUBLE_BUSY;
    if (refused)
        note_failure(ctx, self, &error);
    else
        note_success(ctx, self);
}

/* Everything in self->part; wait_ms: what is left of the call's time. */
static void
send_parts(hde_ctx *ctx, struct publish *self, int64_t wait_ms)
{
    struct redis_command commands[AT_ONCE];
    redisReply *reply[AT_ONCE];
    struct redis_error error = {.text = "HDE-D003: no time is left of 'wait'"};
    const char *text = self->text.data;

    for (size_t i = 0; i < self->n; i++) {
        const struct part *part = &self->part[i];

        commands[i] = (struct redis_command){
            .n = 3,
            .arg = {{"PUBLISH", 7},
                    {text + part->channel, part->payload - part->channel},
                    {text + part->payload, part->end - part->payload}}};
    }
    if (self->n && wait_ms > 0 && redis_run(self->redis, commands, self->n, reply, wait_ms, &error))
        take_replies(ctx, self, reply);
    else if (self->n)
        note_failure(ctx, self, &error);
    self->is_called |= self->n > 0;
    self->n = 0;
    hde_text_clear(&self->text);
}

/* ---- The operator ------------------------------------------------------------------------- */

/* NULL, or what is wrong with the template. */
static const char *
check_channel(const hde_ctx *ctx, const struct publish *self, char why[160])
{
    const ProtobufCMessageDescriptor *const *types = hde_inputs(ctx)->types;
    bool has_type = strstr(self->channel, "{type}") != NULL;

    for (const char *s = strchr(self->channel, '{'); s; s = strchr(s + 1, '{')) {
        size_t n = strcspn(s, "}"), i = 0;

        while (types[i] && !text_field(types[i], s + 1, n - 1))
            i++;
        if (s[n] != '}' || (!types[i] && strncmp(s, "{type}", 6) != 0)) {
            snprintf(why, 160, "channel: no message has a text field '%.40s'", s);
            return why;
        }
    }
    if (!*self->channel)
        return "channel: is empty";
    if (!has_type && strcmp(self->payload, "protobuf") == 0)
        return "channel: payload: protobuf does not say of which type it is: put {type} into the "
               "channel";
    return NULL;
}

static hde_status
publish_open(hde_ctx *ctx, void *state)
{
    struct publish *self = state;
    struct redis_options options = {.url = self->url.text};
    struct redis_error error = {0};
    char why[160];
    const char *wrong = check_channel(ctx, self, why);

    self->published = hde_counter_open(ctx, "published", "messages that Redis has taken");
    self->dropped = hde_counter_open(ctx, "dropped", "messages that it has not taken in time");
    self->received = hde_counter_open(ctx, "received", "copies that subscribers were sent");
    if (wrong)
        return hde_fail(ctx, "redis.channel", "%s", wrong);
    self->redis = redis_new(&options, &error);
    if (!self->redis)
        return hde_fail(ctx, "redis.url", "url: %s", error.text);
    hde_timer_after(ctx, LOOK_TIMER, 0);
    return HDE_OK;
}

static hde_status
publish_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct publish *self = state;
    int64_t end_ns = redis_now_ns() + self->wait.ns;

    for (; batch->done < batch->n; batch->done++) {
        const ProtobufCMessage *body = batch->msg[batch->done]->body;
        struct part *part = &self->part[self->n];

        part->channel = self->text.len;
        if (!put_channel(self, body, &self->text)) {
            self->text.len = part->channel;
            send_parts(ctx, self, (end_ns - redis_now_ns()) / 1000000);
            return hde_reject(ctx, "redis.no-channel", "%s without a field of the channel '%s'",
                              body->descriptor->short_name, self->channel);
        }
        part->payload = self->text.len;
        put_payload(ctx, self, body, &self->text);
        part->end = self->text.len;
        if (++self->n == AT_ONCE || self->text.len > SIZE_AT_ONCE)
            send_parts(ctx, self, (end_ns - redis_now_ns()) / 1000000);
    }
    send_parts(ctx, self, (end_ns - redis_now_ns()) / 1000000);
    return HDE_OK;
}

static hde_status
publish_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    struct publish *self = state;

    if (!self->is_called)
        look(ctx, self);
    self->is_called = false;
    hde_timer_after(ctx, LOOK_TIMER, look_every_ns);
    return HDE_OK;
}

static void
publish_close(hde_ctx *ctx, void *state)
{
    struct publish *self = state;

    redis_free(self->redis);
    hde_text_free(&self->text);
}

static const hde_param params[] = {
    HDE_PARAM(struct publish, url,
              .help = "redis://[[USER:]PASSWORD@]HOST[:PORT][,...][/DB] or unix:///PATH; from the "
                      "environment: \"${HDE_REDIS}\""),
    HDE_PARAM(struct publish, channel, .fallback = "hde.{feed}",
              .help = "name of the channel; {feed}, {expiry}, ... are fields of the message, "
                      "{type} is its type"),
    HDE_PARAM(struct publish, payload, .fallback = "json", .choices = "json|protobuf",
              .help = "json: an object with a member type; protobuf: the packed message"),
    HDE_PARAM(struct publish, types, .fallback = "",
              .help = "message types of other plugins that it takes too: my.PairSpread"),
    HDE_PARAM(struct publish, wait, .fallback = "250ms", .min = 0.001, .max = 60,
              .help = "what Redis has not taken of a tick by then is dropped and counted"),
    {0}};

static const hde_port inputs[] = {
    {"in",
     HDE_TYPES(&hde__enriched_chain__descriptor, &hde__raw_chain__descriptor,
               &hde__cumulative_oi__descriptor, &hde__velocity__descriptor,
               &hde__buildup__descriptor, &hde__zones__descriptor, &hde__sample__descriptor),
     .help = "chains and results"},
    {0}};

static const hde_operator publish = {
    .size = sizeof(hde_operator),
    .flags = HDE_BLOCKING | HDE_LIVE_ONLY | HDE_AT_MOST_ONCE | HDE_MORE_TYPES,
    .name = "redis/publish",
    .summary = "messages on channels of Redis (pub/sub), for whoever listens now",
    .help = "At most once: what nobody takes now is gone, and a crash never publishes anything\n"
            "twice. Redis may be away, also at the start: then messages are dropped, the counter\n"
            "`dropped` says how many, and the graph is held up no longer than `wait` a tick.",
    .inputs = inputs,
    .params = params,
    .state_size = sizeof(struct publish),
    .open = publish_open,
    .batch = publish_batch,
    .timer = publish_timer,
    .close = publish_close,
};

HDE_PLUGIN(&publish);
