/* SPDX-License-Identifier: Apache-2.0
 * put - a bare producer: one record of the bytes of standard input.
 *
 *   kafka-put BROKERS TOPIC PARTITION [key=TEXT] [HEADER=TEXT...] */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed;

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    failed |= message->err != 0;
}

int
main(int argc, char **argv)
{
    static char bytes[1 << 20];
    size_t n = fread(bytes, 1, sizeof bytes, stdin);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    const char *key = NULL;
    char why[256];
    rd_kafka_t *rk;

    if (argc < 4)
        return 64;
    rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], why, sizeof why);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    for (int i = 4; i < argc; i++) {
        const char *text = strchr(argv[i], '=');

        if (!strncmp(argv[i], "key=", 4))
            key = text + 1;
        else if (text)
            rd_kafka_header_add(headers, argv[i], text - argv[i], text + 1, -1);
    }
    if (rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(argv[2]), RD_KAFKA_V_PARTITION(atoi(argv[3])),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(bytes, n),
                          RD_KAFKA_V_KEY(key, key ? strlen(key) : 0),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END) ||
        rd_kafka_flush(rk, 20000) || failed) {
        fprintf(stderr, "kafka-put: not delivered\n");
        return 1;
    }
    rd_kafka_destroy(rk);
    return 0;
}
