/* SPDX-License-Identifier: Apache-2.0
 * common - the parameters that both ends of a topic have, and what follows from them. */
#ifndef KAFKA_COMMON_H
#define KAFKA_COMMON_H

#include <connectors/kafka.h>
#include <hde/operator.h>

struct cluster {
    const char *brokers, *topic, *schemas;
    hde_map config;
    hde_secret password;
    int64_t partitions, replication;
    hde_duration retention, timeout;
    hde_size max_message;
};

/* For a table of parameters; `state` has a struct cluster called `cluster`. */
#define CLUSTER_PARAM(state, field, ...)                                                           \
    {                                                                                              \
        .name = #field, .type = HDE_PARAM_TYPE(((state *)0)->cluster.field),                       \
        .offset = offsetof(state, cluster.field), __VA_ARGS__                                      \
    }
#define CLUSTER_PARAMS(state)                                                                      \
    CLUSTER_PARAM(state, brokers, .fallback = "127.0.0.1:9092",                                    \
                  .help = "host:port, several with commas"),                                       \
        CLUSTER_PARAM(state, topic, .help = "made when it is not there"),                          \
        CLUSTER_PARAM(state, config, .fallback = "",                                               \
                      .help = "settings of librdkafka by their names: sasl.*, ssl.*, ..."),        \
        CLUSTER_PARAM(state, password, .fallback = "", .help = "sasl.password"),                   \
        CLUSTER_PARAM(state, partitions, .fallback = "3", .min = 1, .max = 10000,                  \
                      .help = "of a topic that is made"),                                          \
        CLUSTER_PARAM(state, replication, .fallback = "2", .min = 1, .max = 100,                   \
                      .help = "of a topic that is made"),                                          \
        CLUSTER_PARAM(state, retention, .fallback = "168h", .min = 1, .max = 1e10,                 \
                      .help = "of a topic that is made"),                                          \
        CLUSTER_PARAM(state, max_message, .fallback = "8MiB", .min = 1024, .max = 1e9,             \
                      .help = "largest message, also of a topic that is made"),                    \
        CLUSTER_PARAM(state, schemas, .fallback = "hde.schemas",                                   \
                      .help = "compacted topic with the versions of all message types"),           \
        CLUSTER_PARAM(state, timeout, .fallback = "30s", .min = 0.1, .max = 3600,                  \
                      .help = "how long a start waits for the cluster")

/* A client with the user's settings. */
struct kafka *cluster_open(const struct cluster *cluster, enum kafka_role role,
                           const struct kafka_setting *fixed, struct kafka_error *error);
/* A consumer that takes part in a group: `rebalance` is called with arg, while the caller polls. */
struct kafka *cluster_open_member(const struct cluster *cluster, const struct kafka_setting *fixed,
                                  kafka_rebalance *rebalance, void *arg, struct kafka_error *error);
/* How a sink calls itself, as a producer and where it commits its mark. */
enum { CLUSTER_NAME = 512 };
void cluster_name(char out[CLUSTER_NAME], const char *graph, const char *node);
/* Partitions of the topic, which is made if need be; -1: an error. */
int cluster_topic(const struct cluster *cluster, struct kafka *kafka, struct kafka_error *error);
/* The topic of the schemas is there. */
bool cluster_schemas_topic(const struct cluster *cluster, struct kafka *kafka,
                           struct kafka_error *error);
int cluster_timeout_ms(const struct cluster *cluster);
/* Says hde_stands() by what kafka_reaches() says. False: away. */
bool cluster_look(hde_ctx *ctx, const struct cluster *cluster, struct kafka *kafka, int partitions);
/* What an error means for a node that runs: RETRY, away, or FAIL. */
hde_status cluster_status(hde_ctx *ctx, const struct kafka_error *error);

#endif
