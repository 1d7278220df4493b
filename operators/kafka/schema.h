/* SPDX-License-Identifier: Apache-2.0
 * schema - the versions of the message types of a topic, and which of them go together.
 *
 * A version is text, one line a field of the type and of all that it contains, or a value of an
 * enum:
 *
 *   hde.RawChain 3 optional:double spot
 *
 * and its number is the hash of that text: the header hde-schema of a record. The texts are records
 * of a compacted topic (hde.schemas), with the key TOPIC TYPE HASH: a writer puts its own there
 * before the first record that needs it, so any console consumer shows what a topic holds.
 *
 * Two versions go together where one of them has all the lines of the other: fields may be added,
 * and are never renumbered, renamed, retyped or removed. Then each reads what the other writes. */
#ifndef KAFKA_SCHEMA_H
#define KAFKA_SCHEMA_H

#include "common.h"

#include <hde/text.h>

void schema_text(const ProtobufCMessageDescriptor *type, hde_text *out); /* out is {0} */
uint64_t schema_hash(const ProtobufCMessageDescriptor *type);            /* never 0 */
/* Whether they go together; else why says the first difference, with the lines of both. */
bool schema_agrees(const char *ours, const char *theirs, char *why, size_t size);

struct schemas { /* of one topic; {0} knows none */
    size_t n;
    struct schema {
        char *type, *text;
        uint64_t hash;
        enum { SCHEMA_UNSEEN, SCHEMA_GOOD, SCHEMA_BAD } state; /* for a reader */
    } *item;
};

/* Reads those of the cluster's topic, waiting for the cluster. */
bool schemas_read(struct schemas *self, const struct cluster *cluster, struct kafka_error *error);
/* Whether the type goes together with all that are there of its name: HDE-K022. */
bool schemas_check(const struct schemas *self, const struct cluster *cluster,
                   const ProtobufCMessageDescriptor *type, struct kafka_error *error);
/* The same for a writer, whose version is there after this. */
bool schemas_offer(struct schemas *self, const struct cluster *cluster,
                   const ProtobufCMessageDescriptor *type, struct kafka_error *error);
/* NULL: it is not among those that were read. */
struct schema *schemas_find(const struct schemas *self, const char *type, uint64_t hash);
/* Whether a record of that version can be read as the type. */
bool schema_can_read(struct schema *self, const ProtobufCMessageDescriptor *type);
void schemas_fini(struct schemas *self);

#endif
