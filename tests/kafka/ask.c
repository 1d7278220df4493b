/* SPDX-License-Identifier: Apache-2.0
 * ask - a bare client for what tests want to know of a topic, or done to it.
 *
 *   kafka-ask BROKERS leader TOPIC   the port of who leads a partition that has records
 *   kafka-ask BROKERS delete TOPIC
 *
 * Exit code 1: not known now, not done. */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>

enum { WAIT_MS = 5000 };

static int
port_of(const struct rd_kafka_metadata *metadata, int32_t broker)
{
    for (int i = 0; i < metadata->broker_cnt; i++)
        if (metadata->brokers[i].id == broker)
            return metadata->brokers[i].port;
    return 0;
}

static int
leader(rd_kafka_t *rk, const char *name)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
    const struct rd_kafka_metadata *metadata;
    int64_t low, high;
    int port = 0;

    if (!rd_kafka_metadata(rk, 0, topic, &metadata, WAIT_MS)) {
        for (int i = 0; metadata->topic_cnt && i < metadata->topics[0].partition_cnt && !port;
             i++) {
            const struct rd_kafka_metadata_partition *partition =
                &metadata->topics[0].partitions[i];

            if (!rd_kafka_query_watermark_offsets(rk, name, partition->id, &low, &high, WAIT_MS) &&
                high > low)
                port = port_of(metadata, partition->leader);
        }
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(topic);
    return port;
}

static int delete (rd_kafka_t *rk, const char *name)
{
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_event_t *event;
    int is_done;

    rd_kafka_DeleteTopics(rk, &topic, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, WAIT_MS);
    is_done = event && !rd_kafka_event_error(event);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteTopic_destroy(topic);
    return is_done;
}

int
main(int argc, char **argv)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];
    rd_kafka_t *rk;
    int answer;

    if (argc != 4)
        return 64;
    rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], why, sizeof why);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!strcmp(argv[2], "delete")) {
        answer = delete (rk, argv[3]);
    } else {
        answer = leader(rk, argv[3]);
        if (answer)
            printf("%d\n", answer);
    }
    rd_kafka_destroy(rk);
    return !answer;
}
