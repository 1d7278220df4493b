/* SPDX-License-Identifier: Apache-2.0
 * What connectors/kafka and operators/kafka say. */
#include "cmd/codes.h"

const struct code kafka_codes[] = {
    {"HDE-K001", "no Kafka broker answers in time",
     "brokers: names no machine that runs Kafka, the network is down, or the cluster is busy with "
     "itself (no leader, no coordinator). A start waits `timeout` and gives up; a running node "
     "tries again and loses nothing.",
     NULL, NULL},
    {"HDE-K002", "a setting of Kafka is wrong",
     "config: takes settings of librdkafka by their names. One is not known, has a value that is "
     "not taken, or belongs to the node itself (enable.idempotence, group.id, ...); or the cluster "
     "refuses a topic with so many partitions or copies: replication cannot be larger than the "
     "number of brokers.",
     "config: {sasl.user: me}", "config: {sasl.username: me}"},
    {"HDE-K003", "the Kafka cluster does not let this client in",
     "User, password or certificate are wrong, the protocol is (security.protocol), or a right is "
     "missing: reading or writing the topic, the group hde.GRAPH.NODE, the transactional id of the "
     "same name, making topics.",
     NULL, "config: {security.protocol: SASL_SSL, sasl.mechanism: SCRAM-SHA-512, sasl.username: me}"},
    {"HDE-K004", "there is no such topic",
     "A topic is made when a node opens it, if the cluster allows that. Here it was not, or it is "
     "gone since.",
     NULL, NULL},
    {"HDE-K005", "another producer has taken over",
     "Two starts of one node of one graph wrote to the same topic. The cluster lets only the later "
     "one go on, and this one stops, so that nothing is there twice.",
     NULL, NULL},
    {"HDE-K006", "a transaction was given up and is made again",
     "A broker went away in the middle of it, or it took longer than transaction.timeout.ms. What "
     "was in it waits in memory and is produced again; readers of committed records see it once.",
     NULL, NULL},
    {"HDE-K007", "a message is too large for the topic",
     "It is larger than max_message, or than max.message.bytes of a topic that was there before. "
     "The message goes to the dead-letter queue.",
     NULL, "params: {topic: market.raw, max_message: 32MiB}"},
    {"HDE-K008", "what a graph wants to go on with is gone from the topic",
     "The offset that belongs to the saved state is not in the topic: the graph stood still longer "
     "than the topic's retention, or the topic was deleted and made anew. "
     "--accept-changed-source goes on with what is there.",
     NULL, NULL},
    {"HDE-K009", "Kafka refused", "The text is Kafka's own; see the log of the brokers.", NULL,
     NULL},
    {"HDE-K011", "a record is no message of the types that are read",
     "Something else writes to the topic, or the bytes are damaged. The record leaves by the output "
     "poison; connected to kafka/poison it goes to the dead-letter queue.",
     NULL, NULL},
    {"HDE-K012", "a record has a type of the same name with other fields",
     "The record was written with a version of its type that is not among those of the topic (in "
     "hde.schemas, where each writer puts its own), or that does not go together with the reader's. "
     "The record leaves by the output poison.",
     NULL, NULL},
    {"HDE-K020", "the topics of a shared stage have different numbers of partitions",
     "Processes share a stage by partitions: who has partition 3 has it of each topic that the stage "
     "reads, and the state with it. So they have equally many; records with one key then are in the "
     "same partition of all. Make the topics with the same partitions:, or take one of them in a "
     "stage of its own.",
     NULL, NULL},
    {"HDE-K021", "a partition of a shared stage does not run in this process",
     "Its process cannot start, or crashed again and again; its own messages say why. Exit code 69: "
     "its admin address is taken, which is --admin of the member, plus 1, plus the partition: leave "
     "as many ports free behind it. A member that gives up leaves the group, so that others get its "
     "partitions.",
     NULL, NULL},
    {"HDE-K022", "a topic has another version of a message type",
     "Fields of a message type may be added; they are never renumbered, renamed, retyped or removed, "
     "and what is added is not required. Then old and new programs read each other's records. Here a "
     "version that was written to the topic (all of them are kept in hde.schemas) and the one of this "
     "program do not go together; the text shows both lines. Give the changed field a new number and "
     "name, or write to another topic.",
     "optional double spot = 3;   // was: optional int64 spot = 3;",
     "optional int64 spot = 3;\noptional double spot_price = 9;"},
    {0},
};
