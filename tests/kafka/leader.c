/* SPDX-License-Identifier: Apache-2.0
 * leader - which broker leads a partition of a topic that has records.
 *
 *   kafka-leader BROKERS TOPIC      prints its port; exit code 1: none is known now */
#include <librdkafka/rdkafka.h>
#include <stdio.h>

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
        for (int i = 0; metadata->topic_cnt && i < metadata->topics[0].partition_cnt && !port; i++) {
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

int
main(int argc, char **argv)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];
    rd_kafka_t *rk;
    int port;

    if (argc != 3)
        return 64;
    rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], why, sizeof why);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    port = leader(rk, argv[2]);
    if (port)
        printf("%d\n", port);
    rd_kafka_destroy(rk);
    return !port;
}
