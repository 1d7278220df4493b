/* SPDX-License-Identifier: Apache-2.0
 * kafka - `hde bench kafka`: kafka/sink -> topic -> kafka/source in a graph, against a producer and
 * a consumer of librdkafka and nothing else, with the same partitions, acks, transactions and
 * isolation. A side sends chains of a size; what counts is the time from the moment when one of
 * them goes to the arrival of one far behind it, so connecting and the first transactions are not
 * in it. Sides alternate; medians. Then how long a chain takes over a topic, with a transaction for
 * each. */
#include "rig.h"

#include "base/log.h"
#include "cmd/cmd.h"
#include "engine/run.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS_MAX = 99, PARTITIONS = 3, PACED_MAX = 10000, WAIT_MS = 60000 };
/* Of a transaction, as kafka/sink has them by default. */
enum { BATCH_MESSAGES = 5000, BATCH_BYTES = 8 << 20 };

struct load {
    int64_t strikes, first, n; /* n messages count, `first` before them do not */
    size_t bytes;              /* a message, about */
    int64_t every_ns;          /* 0: as fast as they are taken */
};

struct run {
    double rate;               /* messages a second */
    double late_ms[PACED_MAX]; /* paced: of each message */
};

static const char *brokers;
static char replication[8];

/* ---- The cluster -------------------------------------------------------------------------- */

static FILE *held; /* the script that keeps our broker up: it ends with its input */
static pid_t keeper;

/* Starts one broker as tests do; false: there is nothing to start here. */
static bool
start_broker(void)
{
    static char line[300];
    int in[2], out[2];
    FILE *said;

    if (access(HDE_TESTS "/support/kafka.sh", R_OK) || pipe(in) || pipe(out))
        return false;
    keeper = fork();
    if (keeper == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        execlp("bash", "bash", HDE_TESTS "/support/kafka.sh", "hold", "1", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    held = fdopen(in[1], "w");
    said = fdopen(out[0], "r");
    if (keeper < 0 || !held || !said)
        return false;
    if (!fgets(line, sizeof line, said) || strncmp(line, "ready ", 6) != 0)
        line[0] = 0;
    fclose(said);
    line[strcspn(line, "\n")] = 0;
    brokers = line + 6;
    return line[0];
}

static void
stop_broker(void)
{
    if (held)
        fclose(held);
    if (keeper > 0)
        waitpid(keeper, NULL, 0);
}

/* Without one, flush() looks for what was delivered every 10 ms only. */
static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    if (message->err)
        die("librdkafka", rd_kafka_err2str(message->err));
}

static rd_kafka_t *
client(rd_kafka_type_t type, const char *const *settings)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];
    rd_kafka_t *rk;

    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why);
    for (; *settings; settings += 2)
        if (rd_kafka_conf_set(conf, settings[0], settings[1], why, sizeof why))
            die(settings[0], why);
    if (type == RD_KAFKA_PRODUCER)
        rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk)
        die("librdkafka", why);
    return rk;
}

static void
must(rd_kafka_error_t *error)
{
    if (error)
        die("librdkafka", rd_kafka_error_string(error));
}

static void
make_topic(rd_kafka_t *rk, const char *topic, bool is_gone)
{
    char why[256];
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_event_t *event;

    if (is_gone) {
        rd_kafka_DeleteTopic_t *old = rd_kafka_DeleteTopic_new(topic);

        rd_kafka_DeleteTopics(rk, &old, 1, NULL, queue);
        rd_kafka_DeleteTopic_destroy(old);
    } else {
        rd_kafka_NewTopic_t *fresh =
            rd_kafka_NewTopic_new(topic, PARTITIONS, atoi(replication), why, sizeof why);

        rd_kafka_CreateTopics(rk, &fresh, 1, NULL, queue);
        rd_kafka_NewTopic_destroy(fresh);
    }
    event = rd_kafka_queue_poll(queue, WAIT_MS);
    if (!event || rd_kafka_event_error(event))
        die(topic, "the topic cannot be made");
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
}

/* ---- Ours --------------------------------------------------------------------------------- */

static void
read_arrivals(const char *path, const struct load *load, struct run *out)
{
    FILE *file = fopen(path, "r");
    double seconds, late_ns;

    if (!file || fscanf(file, "%lf", &seconds) != 1)
        die(path, "not all messages have come");
    out->rate = (double)load->n / seconds;
    for (int i = 0; load->every_ns && i < load->n; i++) {
        if (fscanf(file, "%lf", &late_ns) != 1)
            die(path, "is cut off");
        out->late_ms[i] = late_ns / 1e6;
    }
    fclose(file);
    unlink(path);
}

static bool
has_all(const struct engine *engine, uint64_t messages)
{
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (strcmp(engine->nodes[i]->def->name, "arrivals") == 0)
            return STAT_GET(engine->nodes[i]->stats->messages) >= messages;
    return true;
}

static void
run_ours(const struct load *load, const char *topic, struct run *out)
{
    struct engine_options options = {0};
    struct err err = {{0}, {0}};
    int64_t all = load->first + load->n + 1;
    int waited_ms = 0;
    struct running run;
    hde_text yaml = {0};
    char path[64];

    snprintf(path, sizeof path, "/tmp/hde-bench-kafka.%ld", (long)getpid());
    hde_text_printf(
        &yaml,
        "hde: 1\ngraph: %s\nnodes:\n"
        "  feed: {op: bench/feed, params: {messages: %lld, strikes: %lld, every: %lldus}}\n"
        "  to: {op: kafka/sink, params: {brokers: '%s', topic: %s, replication: %s}}\n"
        "  from: {op: kafka/source, params: {brokers: '%s', topic: %s, replication: %s}}\n"
        "  arrivals: {op: bench/arrivals, params: {path: %s, first: %lld, n: %lld}}\n"
        "edges:\n  - feed -> to\n  - from.chains -> arrivals\n",
        topic, (long long)all, (long long)load->strikes, (long long)load->every_ns / 1000, brokers,
        topic, replication, brokers, topic, replication, path, (long long)load->first,
        (long long)load->n);
    run = rig_start(yaml.data, &options);
    hde_text_free(&yaml);
    if (!engine_start(run.engine, &err))
        die("engine", err.text);
    while (!has_all(run.engine, (uint64_t)all) && waited_ms++ < WAIT_MS &&
           !engine_wait(run.engine, 1))
        ;
    engine_stop(run.engine);
    engine_wait(run.engine, WAIT_MS);
    rig_finish(&run);
    read_arrivals(path, load, out);
}

/* ---- Bare --------------------------------------------------------------------------------- */

struct bare {
    const struct load *load;
    const char *topic;
    double begin_s; /* when the first one went that counts */
};

static double
now_s(void)
{
    return clock_s(CLOCK_MONOTONIC);
}

static void
wait_until(double at_s)
{
    struct timespec at = {(time_t)at_s, (long)(1e9 * (at_s - (double)(time_t)at_s))};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void
produce(rd_kafka_t *rk, rd_kafka_topic_t *topic, char *bytes, size_t size, int64_t i)
{
    static const char *const keys[] = {"NSE:A@bench", "NSE:B@bench", "NSE:C@bench"};

    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, 0, bytes, size, keys[i % 3],
                            strlen(keys[i % 3]), NULL)) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            die("librdkafka", rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(rk, 10);
    }
    rd_kafka_poll(rk, 0);
}

/* A message begins with the moment when it went, so a paced one is committed before the next. */
static void *
produce_all(void *arg)
{
    struct bare *self = arg;
    const struct load *load = self->load;
    const char *const settings[] = {"transactional.id", self->topic,   "message.max.bytes",
                                    "8388608",          "partitioner", "murmur2_random",
                                    "retry.backoff.ms", "10",          NULL};
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, settings);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, self->topic, NULL);
    int64_t all = load->first + load->n + 1, open = 0;
    char *bytes = calloc(1, load->bytes);
    double next = now_s();

    if (!bytes)
        hde_no_memory();
    must(rd_kafka_init_transactions(rk, WAIT_MS));
    for (int64_t i = 0; i < all; i++) {
        double now;

        if (load->every_ns)
            wait_until(next);
        next += (double)load->every_ns / 1e9;
        if (!open)
            must(rd_kafka_begin_transaction(rk));
        if (load->every_ns) {
            now = now_s();
            memcpy(bytes, &now, sizeof now);
        }
        if (i == load->first)
            self->begin_s = now_s();
        produce(rk, topic, bytes, load->bytes, i);
        open++;
        if (load->every_ns || open == BATCH_MESSAGES || (size_t)open * load->bytes >= BATCH_BYTES ||
            i == all - 1) {
            must(rd_kafka_commit_transaction(rk, WAIT_MS));
            open = 0;
        }
    }
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    free(bytes);
    return NULL;
}

static rd_kafka_t *
open_consumer(const char *topic)
{
    const char *const settings[] = {"group.id",
                                    "bare",
                                    "enable.auto.commit",
                                    "false",
                                    "auto.offset.reset",
                                    "earliest",
                                    "isolation.level",
                                    "read_committed",
                                    "queued.max.messages.kbytes",
                                    "32768",
                                    NULL};
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, settings);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);

    rd_kafka_poll_set_consumer(rk);
    for (int i = 0; i < PARTITIONS; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return rk;
}

static void
run_bare(const struct load *load, const char *topic, struct run *out)
{
    struct bare self = {.load = load, .topic = topic};
    rd_kafka_t *rk = open_consumer(topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
    int64_t seen = 0, end = load->first + load->n;
    rd_kafka_message_t *message;
    double now, sent;
    pthread_t thread;

    pthread_create(&thread, NULL, produce_all, &self);
    while (seen <= end) {
        message = rd_kafka_consume_queue(queue, 1000);
        if (message && !message->err) {
            memcpy(&sent, message->payload, sizeof sent);
            if (load->every_ns && seen >= load->first && seen < end)
                out->late_ms[seen - load->first] = 1e3 * (now_s() - sent);
            seen++;
        }
        if (message)
            rd_kafka_message_destroy(message);
    }
    now = now_s();
    pthread_join(thread, NULL);
    out->rate = (double)load->n / (now - self.begin_s);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
}

/* ---- The command -------------------------------------------------------------------------- */

struct kafka_options {
    const char *brokers;
    int64_t rounds, replication, megabytes, paced;
};

enum { OURS, BARE, SIDES, BIG = 0, SMALL, PACED, LOADS };
static const char *const side_names[SIDES] = {"kafka/sink, kafka/source", "bare librdkafka"};
static const char *const load_names[LOADS] = {"32 KiB", "1 KiB", "32 KiB"};

struct report {
    struct load load[LOADS];
    double rate[LOADS][SIDES][ROUNDS_MAX], p50_ms[SIDES][ROUNDS_MAX], p99_ms[SIDES][ROUNDS_MAX];
};

static void
run_once(struct report *report, int l, int side, int round)
{
    static struct run out;
    const struct load *load = &report->load[l];
    const char *const no_settings[] = {NULL};
    rd_kafka_t *admin = client(RD_KAFKA_PRODUCER, no_settings);
    char topic[100];

    snprintf(topic, sizeof topic, "hde-bench-%ld-%d-%d-%d", (long)getpid(), l, side, round);
    make_topic(admin, topic, false);
    if (side == OURS)
        run_ours(load, topic, &out);
    else
        run_bare(load, topic, &out);
    report->rate[l][side][round] = out.rate;
    if (l == PACED) {
        report->p50_ms[side][round] = quantile(out.late_ms, (size_t)load->n, 0.5);
        report->p99_ms[side][round] = quantile(out.late_ms, (size_t)load->n, 0.99);
    }
    make_topic(admin, topic, true);
    rd_kafka_destroy(admin);
}

static void
print_report(const struct cmd *cmd, hde_text *out, struct report *report, size_t n)
{
    for (int l = 0; l < PACED; l++) {
        double ours = quantile(report->rate[l][OURS], n, 0.5);

        for (int side = 0; side < SIDES; side++) {
            double rate = quantile(report->rate[l][side], n, 0.5);

            hde_text_printf(out,
                            cmd->json
                                ? "{\"chains\":\"%s\",\"side\":\"%s\",\"messages_per_s\":%.0f,"
                                  "\"ratio\":%.3f}\n"
                                : "%-7s %-26s %9.0f messages/s   ours / this: %.2f\n",
                            load_names[l], side_names[side], rate, ours / rate);
        }
    }
    for (int side = 0; side < SIDES; side++)
        hde_text_printf(out,
                        cmd->json
                            ? "{\"chains\":\"%s\",\"side\":\"%s\",\"p50_ms\":%.2f,"
                              "\"p99_ms\":%.2f}\n"
                            : "%-7s %-26s a chain at a time, 50 a second: %.2f ms p50, %.2f ms "
                              "p99\n",
                        load_names[PACED], side_names[side], quantile(report->p50_ms[side], n, 0.5),
                        quantile(report->p99_ms[side], n, 0.5));
}

static int
run_kafka(const struct cmd *cmd, const void *block)
{
    static struct report report;
    const struct kafka_options *options = block;
    int64_t bytes = options->megabytes << 20;
    hde_text out = {0};
    int exit;

    report.load[BIG] = (struct load){371, 512, bytes >> 15, 32768, 0};
    report.load[SMALL] = (struct load){11, 10000, bytes >> 10, 1024, 0};
    report.load[PACED] = (struct load){371, 100, options->paced, 32768, 20000000};
    brokers = options->brokers;
    snprintf(replication, sizeof replication, "%lld", (long long)options->replication);
    log_set_level(LEVEL_WARN);
    rig_open("kafka");
    if ((!brokers || !*brokers) && !start_broker()) {
        stop_broker();
        return cmd_error(
            cmd, CMD_FAILED, "HDE-C054",
            "--brokers HOST:PORT or HDE_KAFKA; or a JRE and Maven (deploy/packages.sh), "
            "and run it from a build in the source tree",
            "no Kafka, and none can be started here");
    }
    for (int round = 0; round < (int)options->rounds; round++)
        for (int l = 0; l < LOADS; l++)
            for (int i = 0; i < SIDES; i++)
                run_once(&report, l, (i + round) % SIDES, round);
    stop_broker();
    rig_close();
    print_report(cmd, &out, &report, (size_t)options->rounds);
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

static const struct command kafka = {
    .name = "bench-kafka",
    .args = "",
    .group = CMD_GROUP_TOOL,
    .summary = "messages a second over a topic, against bare librdkafka",
    .help =
        "Option chains go through kafka/sink, a topic of three partitions and kafka/source in a "
        "running graph, and the same bytes through a producer and a consumer of librdkafka and "
        "nothing else: idempotent, acks of all replicas, transactions of 5,000 messages or 8 MiB, "
        "readers of committed records. Sides alternate. Then one chain at a time, each in a "
        "transaction of its own, and how long it takes from source to sink.\n\n"
        "Without --brokers a broker is started for it, as the tests do.",
    .examples = (const struct cmd_example[]){{"hde bench kafka", "with a broker of its own"},
                                             {"hde bench kafka -- --brokers host:9092 --rounds 9",
                                              "on a cluster; topics hde-bench-* come and go"},
                                             {0}},
    .options =
        (const struct cmd_option[]){
            {CMD_OPTION("brokers", struct kafka_options, brokers), .value = "HOST:PORT",
             .env = "HDE_KAFKA", .help = "a cluster; left out: one broker is started"},
            {CMD_OPTION("replication", struct kafka_options, replication), .value = "N",
             .fallback = "1", .min = 1, .max = 9, .help = "of the topics"},
            {CMD_OPTION("rounds", struct kafka_options, rounds), .value = "N", .fallback = "5",
             .min = 1, .max = ROUNDS_MAX, .help = "medians are of so many"},
            {CMD_OPTION("megabytes", struct kafka_options, megabytes), .value = "N",
             .fallback = "128", .min = 1, .max = 100000, .help = "that count, a side and round"},
            {CMD_OPTION("paced", struct kafka_options, paced), .value = "N", .fallback = "100",
             .min = 1, .max = PACED_MAX, .help = "chains whose time is taken, a side and round"},
            {0}},
    .exits = (const struct cmd_exit[]){{CMD_FAILED, "there is no Kafka"}, {0}},
    CMD_BLOCK(struct kafka_options),
    .run = run_kafka,
};

int
main(int argc, char **argv)
{
    return cmd_program(&kafka, argc, argv);
}
