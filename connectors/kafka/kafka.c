/* SPDX-License-Identifier: Apache-2.0
 * kafka - see connectors/kafka.h: settings, errors. */
#include <connectors/kafka.h>
#include <hde/text.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kafka {
    rd_kafka_t *rk;
    char brokers[128];
    char last[256]; /* what librdkafka said last of its connections; "" nothing */
    rd_kafka_resp_err_t failed;
    bool is_broken; /* a connection broke since all partitions could be reached */
    bool is_denied; /* by who answers at the other end, or by us: the last thing that was heard */
    kafka_rebalance *rebalance;
    void *arg; /* its */
};

/* ---- Errors ------------------------------------------------------------------------------- */

static enum kafka_trouble
trouble_of(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
        return KAFKA_TROUBLE_FENCED;
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
        return KAFKA_TROUBLE_SETTING;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        return KAFKA_TROUBLE_DENIED;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        return KAFKA_TROUBLE_TOPIC;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return KAFKA_TROUBLE_SIZE;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS:
    case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
        return KAFKA_TROUBLE_AWAY;
    default:
        return KAFKA_TROUBLE_OTHER;
    }
}

static const struct {
    const char *code, *advice;
} kinds[] = {
    [KAFKA_TROUBLE_NONE] = {"HDE-K009", ""},
    [KAFKA_TROUBLE_AWAY] = {"HDE-K001", "is the cluster up, and brokers: right?"},
    [KAFKA_TROUBLE_ABORT] = {"HDE-K006", "the transaction is made again"},
    [KAFKA_TROUBLE_FENCED] = {"HDE-K005", "another producer of the same name has taken over"},
    [KAFKA_TROUBLE_SETTING] = {"HDE-K002", "correct the setting"},
    [KAFKA_TROUBLE_DENIED] = {"HDE-K003", "check the sasl.* and ssl.* settings and the rights"},
    [KAFKA_TROUBLE_TOPIC] = {"HDE-K004", "make the topic, or let the node make it"},
    [KAFKA_TROUBLE_SIZE] = {"HDE-K007", "raise max_message, and max.message.bytes of the topic"},
    [KAFKA_TROUBLE_OTHER] = {"HDE-K009", "see the log of the brokers"},
};

static bool
say(const struct kafka *kafka, enum kafka_trouble kind, const char *reason, const char *what,
    struct kafka_error *error)
{
    error->kind = kind;
    snprintf(error->text, sizeof error->text, "%.120s: %.160s%s%.120s%s at %.100s; %s (%s)", what,
             reason, kafka->last[0] ? " (" : "", kafka->last, kafka->last[0] ? ")" : "",
             kafka->brokers, kinds[kind].advice, kinds[kind].code);
    return false;
}

bool
kafka_say(struct kafka *kafka, rd_kafka_resp_err_t code, const char *what,
          struct kafka_error *error)
{
    return say(kafka, trouble_of(code), rd_kafka_err2str(code), what, error);
}

bool
kafka_check(struct kafka *kafka, rd_kafka_error_t *taken, const char *what,
            struct kafka_error *error)
{
    enum kafka_trouble kind;

    if (!taken)
        return true;
    kind = trouble_of(rd_kafka_error_code(taken));
    if (rd_kafka_error_is_fatal(taken))
        kind = KAFKA_TROUBLE_FENCED;
    else if (rd_kafka_error_txn_requires_abort(taken))
        kind = KAFKA_TROUBLE_ABORT;
    else if (rd_kafka_error_is_retriable(taken))
        kind = KAFKA_TROUBLE_AWAY;
    say(kafka, kind, rd_kafka_error_string(taken), what, error);
    rd_kafka_error_destroy(taken);
    return false;
}

/* ---- librdkafka's calls ------------------------------------------------------------------- */

static void
log_nothing(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    /* what matters comes as an error of a call or to hear() */
}

/* On the thread that polls: the state of connections, and what ends the client. */
static void
hear(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct kafka *kafka = opaque;

    snprintf(kafka->last, sizeof kafka->last, "%s", reason);
    kafka->is_broken = true;
    kafka->is_denied = trouble_of(code) == KAFKA_TROUBLE_DENIED;
}

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka *kafka = opaque;

    if (message->err)
        kafka->failed = message->err;
    else
        kafka->last[0] = 0;
}

static void
rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
           void *opaque)
{
    const struct kafka *kafka = opaque;

    kafka->rebalance(rk, code, list, kafka->arg);
}

rd_kafka_resp_err_t
kafka_failed(struct kafka *kafka)
{
    rd_kafka_resp_err_t failed = kafka->failed;

    kafka->failed = RD_KAFKA_RESP_ERR_NO_ERROR;
    return failed;
}

bool
kafka_is_denied(const struct kafka *kafka)
{
    return kafka->is_denied;
}

/* librdkafka asks once who leads when a broker goes, which may be before another one does; and then
 * again in minutes. */
static void
ask_who_leads(struct kafka *kafka, int timeout_ms)
{
    const struct rd_kafka_metadata *known;

    if (!rd_kafka_metadata(kafka->rk, false, NULL, &known, timeout_ms))
        rd_kafka_metadata_destroy(known);
}

bool
kafka_reaches(struct kafka *kafka, const char *topic, int n, int timeout_ms,
              struct kafka_error *error)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t code;
    char what[300];
    int at = 0;

    if (!kafka->is_broken)
        return true;
    list = rd_kafka_topic_partition_list_new(n);
    for (int i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = INT64_MAX; /* a time */
    /* not rd_kafka_query_watermark_offsets(), which does not keep to its timeout */
    code = rd_kafka_offsets_for_times(kafka->rk, list, timeout_ms);
    while (at < n - 1 && !list->elems[at].err)
        at++;
    if (list->elems[at].err)
        code = list->elems[at].err;
    rd_kafka_topic_partition_list_destroy(list);
    if (code) {
        ask_who_leads(kafka, timeout_ms);
        snprintf(what, sizeof what, "partition %d of topic '%s'", at, topic);
        return kafka_say(kafka, code, what, error);
    }
    kafka->is_broken = false;
    kafka->last[0] = 0;
    return true;
}

rd_kafka_t *
kafka_handle(const struct kafka *kafka)
{
    return kafka->rk;
}

/* ---- Opening ------------------------------------------------------------------------------ */

static bool
set(rd_kafka_conf_t *conf, const char *name, const char *value, struct kafka_error *error)
{
    char why[200];
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, why, sizeof why);

    if (result == RD_KAFKA_CONF_OK)
        return true;
    error->kind = KAFKA_TROUBLE_SETTING;
    /* librdkafka's text would show the value */
    snprintf(error->text, sizeof error->text,
             "setting '%.60s': librdkafka %s %s (HDE-K002)", name, rd_kafka_version_str(),
             result == RD_KAFKA_CONF_UNKNOWN ? "has no such setting" : "does not take this value");
    return false;
}

static bool
set_all(rd_kafka_conf_t *conf, const struct kafka_settings *settings,
        const struct kafka_setting *fixed, struct kafka_error *error)
{
    if (!set(conf, "bootstrap.servers", settings->brokers, error) ||
        !set(conf, "client.id", "hde", error))
        return false;
    for (const struct kafka_setting *own = fixed; own->name; own++)
        if (!set(conf, own->name, own->value, error))
            return false;
    for (size_t i = 0; i < settings->n; i++) {
        for (const struct kafka_setting *own = fixed; own->name; own++)
            if (!strcmp(own->name, settings->name[i])) {
                error->kind = KAFKA_TROUBLE_SETTING;
                snprintf(error->text, sizeof error->text,
                         "setting '%.60s' is not free: other parameters decide it (HDE-K002)",
                         own->name);
                return false;
            }
        if (!set(conf, settings->name[i], settings->value[i], error))
            return false;
    }
    return true;
}

static struct kafka *
open_client(enum kafka_role role, const struct kafka_settings *settings,
            const struct kafka_setting *fixed, kafka_rebalance *rebalance, void *arg,
            struct kafka_error *error)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct kafka *kafka = calloc(1, sizeof *kafka);
    char why[256];

    if (!kafka)
        hde_no_memory();
    snprintf(kafka->brokers, sizeof kafka->brokers, "%s", settings->brokers);
    rd_kafka_conf_set_opaque(conf, kafka);
    rd_kafka_conf_set_log_cb(conf, log_nothing);
    rd_kafka_conf_set_error_cb(conf, hear);
    if (role == KAFKA_PRODUCER)
        rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    kafka->rebalance = rebalance;
    kafka->arg = arg;
    if (rebalance)
        rd_kafka_conf_set_rebalance_cb(conf, rebalanced);
    if (set_all(conf, settings, fixed, error)) {
        kafka->rk = rd_kafka_new(role == KAFKA_PRODUCER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER,
                                 conf, why, sizeof why);
        if (kafka->rk)
            return kafka;
        say(kafka, KAFKA_TROUBLE_SETTING, why, "opening a client", error);
    }
    rd_kafka_conf_destroy(conf);
    free(kafka);
    return NULL;
}

struct kafka *
kafka_open(enum kafka_role role, const struct kafka_settings *settings,
           const struct kafka_setting *fixed, struct kafka_error *error)
{
    return open_client(role, settings, fixed, NULL, NULL, error);
}

struct kafka *
kafka_open_member(const struct kafka_settings *settings, const struct kafka_setting *fixed,
                  kafka_rebalance *rebalance, void *arg, struct kafka_error *error)
{
    return open_client(KAFKA_CONSUMER, settings, fixed, rebalance, arg, error);
}

void
kafka_close(struct kafka *kafka)
{
    if (!kafka)
        return;
    if (rd_kafka_type(kafka->rk) == RD_KAFKA_PRODUCER)
        rd_kafka_purge(kafka->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy_flags(kafka->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(kafka);
}
