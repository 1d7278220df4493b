/* SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

#include <hde/text.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kafka *
open_client(const struct cluster *cluster, enum kafka_role role, const struct kafka_setting *fixed,
            kafka_rebalance *rebalance, void *arg, struct kafka_error *error)
{
    size_t n = cluster->config.n;
    const char **name = calloc(2 * (n + 1), sizeof *name), **value = name + n + 1;
    struct kafka_settings settings = {cluster->brokers, n, name, value};
    struct kafka *kafka;

    if (!name)
        hde_no_memory();
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(cluster->config.key[i], "sasl.password")) {
            free(name);
            error->kind = KAFKA_TROUBLE_SETTING;
            snprintf(error->text, sizeof error->text,
                     "setting 'sasl.password': give it as 'password:', which is never shown "
                     "(HDE-K002)");
            return NULL;
        }
        name[i] = cluster->config.key[i];
        value[i] = cluster->config.value[i];
    }
    if (cluster->password.text && cluster->password.text[0]) {
        name[n] = "sasl.password";
        value[n] = cluster->password.text;
        settings.n++;
    }
    kafka = rebalance ? kafka_open_member(&settings, fixed, rebalance, arg, error)
                      : kafka_open(role, &settings, fixed, error);
    free(name);
    return kafka;
}

struct kafka *
cluster_open(const struct cluster *cluster, enum kafka_role role,
             const struct kafka_setting *fixed, struct kafka_error *error)
{
    return open_client(cluster, role, fixed, NULL, NULL, error);
}

struct kafka *
cluster_open_member(const struct cluster *cluster, const struct kafka_setting *fixed,
                    kafka_rebalance *rebalance, void *arg, struct kafka_error *error)
{
    return open_client(cluster, KAFKA_CONSUMER, fixed, rebalance, arg, error);
}

void
cluster_name(char out[CLUSTER_NAME], const char *graph, const char *node)
{
    snprintf(out, CLUSTER_NAME, "hde.%s.%s", graph, node);
}

int
cluster_timeout_ms(const struct cluster *cluster)
{
    return (int)(cluster->timeout.ns / 1000000);
}

int
cluster_topic(const struct cluster *cluster, struct kafka *kafka, struct kafka_error *error)
{
    struct kafka_topic topic = {.name = cluster->topic,
                                .partitions = (int)cluster->partitions,
                                .replication = (int)cluster->replication,
                                .retention_ms = cluster->retention.ns / 1000000,
                                .max_message_bytes = cluster->max_message.bytes};

    return kafka_topic_make(kafka, &topic, cluster_timeout_ms(cluster), error);
}

bool
cluster_schemas_topic(const struct cluster *cluster, struct kafka *kafka, struct kafka_error *error)
{
    struct kafka_topic topic = {.name = cluster->schemas,
                                .partitions = 1,
                                .replication = (int)cluster->replication,
                                .is_compacted = true};

    return kafka_topic_make(kafka, &topic, cluster_timeout_ms(cluster), error) > 0;
}

bool
cluster_look(hde_ctx *ctx, const struct cluster *cluster, struct kafka *kafka, int partitions)
{
    enum { LOOK_MS = 300 };
    struct kafka_error error = {0};

    if (kafka_reaches(kafka, cluster->topic, partitions, LOOK_MS, &error)) {
        hde_stands(ctx, HDE_WELL, "%s", "");
        return true;
    }
    hde_stands(ctx, HDE_HELD_UP, "%s", error.text);
    return false;
}

hde_status
cluster_status(hde_ctx *ctx, const struct kafka_error *error)
{
    switch (error->kind) {
    case KAFKA_TROUBLE_AWAY:
        hde_stands(ctx, HDE_HELD_UP, "%s", error->text);
        return hde_retry(ctx, "kafka.away", "%s", error->text);
    case KAFKA_TROUBLE_ABORT:
        return hde_retry(ctx, "kafka.aborted", "%s", error->text);
    case KAFKA_TROUBLE_FENCED:
        return hde_fail(ctx, "kafka.fenced", "%s", error->text);
    case KAFKA_TROUBLE_SETTING:
        return hde_fail(ctx, "kafka.setting", "%s", error->text);
    case KAFKA_TROUBLE_DENIED:
        return hde_fail(ctx, "kafka.denied", "%s", error->text);
    case KAFKA_TROUBLE_TOPIC: /* a broker that comes back may not know it for a moment */
        hde_stands(ctx, HDE_HELD_UP, "%s", error->text);
        return hde_retry(ctx, "kafka.topic", "%s", error->text);
    case KAFKA_TROUBLE_SIZE:
        return hde_fail(ctx, "kafka.too-large", "%s", error->text);
    default:
        return hde_fail(ctx, "kafka.error", "%s", error->text);
    }
}
