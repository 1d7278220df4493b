/* SPDX-License-Identifier: Apache-2.0
 * connectors/kafka.h - clients of a Kafka cluster (librdkafka), with errors that people can act on.
 *
 * Threads   A client belongs to one thread at a time; librdkafka's own threads stay behind it.
 * Waiting   Calls with timeout_ms wait for the cluster at most so long. Others do not wait.
 * Errors    Functions that can fail return false, NULL or -1 and fill *error: what was wanted, what
 *           Kafka said, the brokers, and a code for `hde explain`; kind says what can be done.
 * Settings  Names and values of librdkafka are passed through (sasl.*, ssl.*, ...), but for those
 *           that a caller fixes. Values are never printed: there are secrets among them. */
#ifndef CONNECTORS_KAFKA_H
#define CONNECTORS_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kafka_trouble {
    KAFKA_TROUBLE_NONE = 0,
    KAFKA_TROUBLE_AWAY,    /* nobody answers, or not in time: try again */
    KAFKA_TROUBLE_ABORT,   /* the transaction has to be aborted; then it can be tried again */
    KAFKA_TROUBLE_FENCED,  /* this producer is over: another took its name, or it slept too long */
    KAFKA_TROUBLE_SETTING, /* a setting is wrong */
    KAFKA_TROUBLE_DENIED,  /* credentials, certificate, or a right that is missing */
    KAFKA_TROUBLE_TOPIC,   /* no such topic or partition, or it cannot be made */
    KAFKA_TROUBLE_SIZE,    /* a message is larger than the cluster takes */
    KAFKA_TROUBLE_OTHER,
};

struct kafka_error {
    enum kafka_trouble kind;
    char text[640]; /* ends with the code: "... (HDE-K001)" */
};

struct kafka_setting {
    const char *name, *value;
};

struct kafka_settings {
    const char *brokers; /* "host:port,host:port" */
    size_t n;            /* of the user's, that go through */
    const char *const *name, *const *value;
};

struct kafka;

enum kafka_role { KAFKA_PRODUCER, KAFKA_CONSUMER };

/* `fixed` ends with {0}: they cannot be set by the user (HDE-K002). Connects in the background. */
struct kafka *kafka_open(enum kafka_role role, const struct kafka_settings *settings,
                         const struct kafka_setting *fixed, struct kafka_error *error);
/* A consumer that will subscribe: `rebalance` is called by rd_kafka_consumer_poll() and _close().
 * It or its caller, later, tells librdkafka to assign or unassign. */
typedef void kafka_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                             rd_kafka_topic_partition_list_t *list, void *arg);
struct kafka *kafka_open_member(const struct kafka_settings *settings,
                                const struct kafka_setting *fixed, kafka_rebalance *rebalance,
                                void *arg, struct kafka_error *error);
void kafka_close(struct kafka *kafka); /* does not wait for the cluster; NULL is fine */
rd_kafka_t *kafka_handle(const struct kafka *kafka);
/* What went wrong with a message last, and forgets it; ERR_NO_ERROR: nothing. Producers. */
rd_kafka_resp_err_t kafka_failed(struct kafka *kafka);

/* Whether the last thing heard of a connection is that a broker refused us, or we it. Who knows:
 * rd_kafka_poll(). */
bool kafka_is_denied(const struct kafka *kafka);
/* Whether all partitions of the topic (0 to n - 1) can be reached. Asks their leaders only if a
 * connection broke since it was true, and then for about timeout_ms. */
bool kafka_reaches(struct kafka *kafka, const char *topic, int n, int timeout_ms,
                   struct kafka_error *error);

/* Fills *error and returns false; `what` was wanted. */
bool kafka_say(struct kafka *kafka, rd_kafka_resp_err_t code, const char *what,
               struct kafka_error *error);
/* True where `taken` is NULL; else as kafka_say(), with its flags. */
bool kafka_check(struct kafka *kafka, rd_kafka_error_t *taken, const char *what,
                 struct kafka_error *error);

/* ---- Topics (admin.c) --------------------------------------------------------------------- */

struct kafka_topic {
    const char *name;
    int partitions, replication;
    int64_t retention_ms;      /* 0: the cluster's */
    int64_t max_message_bytes; /* 0: the cluster's */
    bool is_compacted;         /* keeps the last record of each key for ever */
};

/* Makes the topic unless it is there, and waits until its partitions have leaders. Returns how many
 * partitions it has; -1: an error. */
int kafka_topic_make(struct kafka *kafka, const struct kafka_topic *topic, int timeout_ms,
                     struct kafka_error *error);
int kafka_topic_partitions(struct kafka *kafka, const char *topic, int timeout_ms,
                           struct kafka_error *error);

/* ---- What a group has (admin.c): consumers with that group.id -------------------------------- */

enum { KAFKA_METADATA_MAX = 128 };

/* Offset that the group has committed, -1: none; its metadata as text. Asks again while the answer
 * is that somebody is away. */
bool kafka_committed(struct kafka *kafka, const char *topic, int partition, int timeout_ms,
                     int64_t *offset, char metadata[KAFKA_METADATA_MAX], struct kafka_error *error);
struct kafka_range {
    int32_t partition;
    int64_t low;  /* offset of the first message, as far as fetching has told; else 0 */
    int64_t high; /* behind the last one, also of transactions that are open; -1: unknown */
};

/* Fills low and high. high is what the cluster says now, or fetching has told if that is more. Any
 * thread. */
void kafka_ranges(struct kafka *kafka, const char *topic, int n, struct kafka_range *range,
                  int timeout_ms);

#endif
