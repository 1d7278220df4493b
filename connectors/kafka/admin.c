/* SPDX-License-Identifier: Apache-2.0
 * admin - see connectors/kafka.h: topics, and what groups have committed. */
#include <connectors/kafka.h>
#include <hde/text.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* ---- Topics ------------------------------------------------------------------------------- */

/* Asks for the topic until it is told, at most timeout_ms; sooner where the cluster refuses us, of
 * which the question itself hears nothing. */
static rd_kafka_resp_err_t
ask(struct kafka *kafka, rd_kafka_topic_t *topic, int timeout_ms,
    const struct rd_kafka_metadata **metadata)
{
    enum { AT_A_TIME_MS = 500 };
    int64_t end_ms = now_ms() + timeout_ms, left_ms = timeout_ms;
    rd_kafka_resp_err_t code;

    do {
        code = rd_kafka_metadata(kafka_handle(kafka), 0, topic, metadata,
                                 (int)(left_ms < AT_A_TIME_MS ? left_ms : AT_A_TIME_MS));
        rd_kafka_poll(kafka_handle(kafka), 0); /* hears of connections */
        if (code && kafka_is_denied(kafka))
            return RD_KAFKA_RESP_ERR__AUTHENTICATION;
        left_ms = end_ms - now_ms();
    } while (code && left_ms > 0);
    return code;
}

/* Partitions of the topic, all with leaders; 0: it is not there, or not whole yet; -1: an error. */
static int
look(struct kafka *kafka, const char *name, int timeout_ms, struct kafka_error *error)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(kafka_handle(kafka), name, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code;
    char what[300];
    int n = 0;

    snprintf(what, sizeof what, "looking for topic '%s'", name);
    if (!topic) {
        kafka_say(kafka, rd_kafka_last_error(), what, error);
        return -1;
    }
    code = ask(kafka, topic, timeout_ms, &metadata);
    if (!code && metadata->topic_cnt == 1) {
        code = metadata->topics[0].err;
        n = metadata->topics[0].partition_cnt;
        for (int i = 0; i < metadata->topics[0].partition_cnt; i++)
            if (metadata->topics[0].partitions[i].leader < 0)
                n = 0;
    }
    if (metadata)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    if (!code || code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
        return code ? 0 : n;
    kafka_say(kafka, code, what, error);
    return -1;
}

static bool
answer_is_fine(struct kafka *kafka, rd_kafka_event_t *event, const char *what,
               struct kafka_error *error)
{
    const rd_kafka_topic_result_t **results;
    rd_kafka_resp_err_t code;
    size_t n = 0;

    if (!event)
        return kafka_say(kafka, RD_KAFKA_RESP_ERR__TIMED_OUT, what, error);
    code = rd_kafka_event_error(event);
    if (!code) {
        results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
        if (n)
            code = rd_kafka_topic_result_error(results[0]);
    }
    return !code || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS ||
           kafka_say(kafka, code, what, error);
}

static bool
create(struct kafka *kafka, const struct kafka_topic *topic, int timeout_ms,
       struct kafka_error *error)
{
    rd_kafka_t *rk = kafka_handle(kafka);
    char why[256], what[300], number[24];
    rd_kafka_NewTopic_t *wanted =
        rd_kafka_NewTopic_new(topic->name, topic->partitions, topic->replication, why, sizeof why);
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
    bool ok;

    snprintf(what, sizeof what, "making topic '%s' (%d partitions, replication %d)", topic->name,
             topic->partitions, topic->replication);
    if (!wanted)
        return kafka_say(kafka, RD_KAFKA_RESP_ERR__INVALID_ARG, what, error);
    snprintf(number, sizeof number, "%lld", (long long)topic->retention_ms);
    if (topic->retention_ms)
        rd_kafka_NewTopic_set_config(wanted, "retention.ms", number);
    snprintf(number, sizeof number, "%lld", (long long)topic->max_message_bytes);
    if (topic->max_message_bytes)
        rd_kafka_NewTopic_set_config(wanted, "max.message.bytes", number);
    if (topic->is_compacted)
        rd_kafka_NewTopic_set_config(wanted, "cleanup.policy", "compact");
    queue = rd_kafka_queue_new(rk);
    rd_kafka_CreateTopics(rk, &wanted, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, timeout_ms);
    ok = answer_is_fine(kafka, event, what, error);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(wanted);
    return ok;
}

int
kafka_topic_make(struct kafka *kafka, const struct kafka_topic *topic, int timeout_ms,
                 struct kafka_error *error)
{
    int64_t end_ms = now_ms() + timeout_ms;
    bool is_made = false;
    char what[300];
    int n;

    while ((n = look(kafka, topic->name, timeout_ms, error)) == 0) {
        int left_ms = (int)(end_ms - now_ms());

        if (left_ms <= 0) {
            snprintf(what, sizeof what, "waiting for the leaders of topic '%s'", topic->name);
            kafka_say(kafka, RD_KAFKA_RESP_ERR__TIMED_OUT, what, error);
            return -1;
        }
        if (!is_made && !create(kafka, topic, left_ms, error))
            return -1;
        is_made = true;
        rd_kafka_poll(kafka_handle(kafka), 20); /* leaders come some ms later */
    }
    return n;
}

int
kafka_topic_partitions(struct kafka *kafka, const char *topic, int timeout_ms,
                       struct kafka_error *error)
{
    int n = look(kafka, topic, timeout_ms, error);
    char what[300];

    if (n)
        return n;
    snprintf(what, sizeof what, "looking for topic '%s'", topic);
    kafka_say(kafka, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, what, error);
    return -1;
}

/* ---- Groups ------------------------------------------------------------------------------- */

/* Once; the code of the answer is the partition's where the question was fine. */
static rd_kafka_resp_err_t
ask_committed(struct kafka *kafka, const char *topic, int partition, int timeout_ms,
              int64_t *offset, char metadata[KAFKA_METADATA_MAX])
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    const rd_kafka_topic_partition_t *found;
    rd_kafka_resp_err_t code;

    found = rd_kafka_topic_partition_list_add(list, topic, partition);
    code = rd_kafka_committed(kafka_handle(kafka), list, timeout_ms);
    if (!code)
        code = found->err;
    *offset = code || found->offset < 0 ? -1 : found->offset;
    snprintf(metadata, KAFKA_METADATA_MAX, "%.*s", (int)found->metadata_size,
             found->metadata ? (const char *)found->metadata : "");
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

bool
kafka_committed(struct kafka *kafka, const char *topic, int partition, int timeout_ms,
                int64_t *offset, char metadata[KAFKA_METADATA_MAX], struct kafka_error *error)
{
    int64_t end_ms = now_ms() + timeout_ms, left_ms = timeout_ms;
    rd_kafka_resp_err_t code;
    char what[300];

    snprintf(what, sizeof what, "asking what was committed of topic '%s'", topic);
    for (;;) {
        code = ask_committed(kafka, topic, partition, (int)left_ms, offset, metadata);
        if (!code || kafka_say(kafka, code, what, error))
            return true;
        left_ms = end_ms - now_ms();
        if (error->kind != KAFKA_TROUBLE_AWAY || left_ms <= 0)
            return false;
        rd_kafka_poll(kafka_handle(kafka), 20); /* a coordinator that moves is there soon */
    }
}

void
kafka_ranges(struct kafka *kafka, const char *topic, int n, struct kafka_range *range,
             int timeout_ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);
    int64_t low, high;
    bool is_told;

    for (int i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, topic, range[i].partition)->offset =
            RD_KAFKA_OFFSET_END;
    /* not rd_kafka_query_watermark_offsets(), which does not keep to its timeout */
    is_told = !rd_kafka_offsets_for_times(kafka_handle(kafka), list, timeout_ms);
    for (int i = 0; i < n; i++) {
        range[i].low = 0;
        range[i].high = is_told && !list->elems[i].err ? list->elems[i].offset : -1;
        if (rd_kafka_get_watermark_offsets(kafka_handle(kafka), topic, range[i].partition, &low,
                                           &high))
            continue;
        if (low > 0)
            range[i].low = low;
        if (high > range[i].high)
            range[i].high = high;
    }
    rd_kafka_topic_partition_list_destroy(list);
}
