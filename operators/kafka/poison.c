/* SPDX-License-Identifier: Apache-2.0
 * poison - records that kafka/source could not read, into the dead-letter queue. */
#include <hde/operator.h>
#include <hde/schemas/runtime.pb-c.h>

#include <inttypes.h>

static hde_status
poison_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    const Hde__KafkaRecord *record = (const Hde__KafkaRecord *)batch->msg[batch->done]->body;

    return hde_reject(ctx, "kafka.poison", "topic '%s', partition %" PRIu32 ", offset %" PRId64
                      ": %s", record->topic ? record->topic : "", record->partition, record->offset,
                      record->reason ? record->reason : "");
}

/* What it refuses is in the dead-letter queue once, by a mark of the queue's own. */
static hde_status
poison_mark(hde_ctx *ctx, void *state, uint64_t *tick)
{
    *tick = 0;
    return HDE_OK;
}

static const hde_port inputs[] = {
    {"in", HDE_TYPES(&hde__kafka_record__descriptor), 0, "from kafka/source"}, {0}};

static const hde_operator poison = {
    .size = sizeof(hde_operator),
    .name = "kafka/poison",
    .summary = "unreadable records of a topic into the dead-letter queue",
    .help = "Connect it to the output poison of a kafka/source. 'hde dlq' shows the records.",
    .inputs = inputs,
    .batch = poison_batch,
    .mark = poison_mark,
};

HDE_PLUGIN(&poison);
