/* SPDX-License-Identifier: Apache-2.0 */
#include "kept_ops.h"

#include <hde/schemas/runtime.pb-c.h>

#include <string.h>

static const hde_port out1[] = {{.name = "out", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};
static const hde_port in1[] = {{.name = "in", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};
static const hde_port in2[] = {
    {.name = "a", .types = HDE_TYPES(&hde__sample__descriptor)},
    {.name = "b", .types = HDE_TYPES(&hde__sample__descriptor), .flags = HDE_PORT_OPTIONAL},
    {0}};

static hde_status
steps_poll(hde_ctx *ctx, void *state)
{
    struct steps *self = state;
    Hde__Sample *sample;
    hde_msg *msg;

    if (self->at >= self->count)
        return HDE_END;
    msg = hde_msg_new(ctx, &hde__sample__descriptor);
    sample = (Hde__Sample *)msg->body;
    msg->event_ns = self->at;
    sample->has_sequence = sample->has_value = true;
    sample->sequence = (uint64_t)self->at;
    sample->value = (double)self->at;
    self->at++;
    hde_position(ctx, 0, &self->at, sizeof self->at);
    hde_emit(ctx, 0, msg);
    return HDE_OK;
}

static hde_status
steps_seek(hde_ctx *ctx, void *state, uint32_t partition, const void *bytes, size_t size)
{
    struct steps *self = state;

    if (partition != 0 || size != sizeof self->at)
        return HDE_FAIL;
    memcpy(&self->at, bytes, size);
    return HDE_OK;
}

const hde_operator op_steps = {.size = sizeof(hde_operator),
                               .name = "test/steps",
                               .outputs = out1,
                               .state_size = sizeof(struct steps),
                               .poll = steps_poll,
                               .seek = steps_seek};
const hde_operator op_steps_blocking = {.size = sizeof(hde_operator),
                                        .flags = HDE_BLOCKING,
                                        .name = "test/steps_blocking",
                                        .outputs = out1,
                                        .state_size = sizeof(struct steps),
                                        .poll = steps_poll,
                                        .seek = steps_seek};

static hde_status
sum_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct sum *self = state;

    for (; batch->done < batch->n; batch->done++) {
        hde_msg *msg = hde_msg_writable(ctx, hde_take(batch, batch->done));
        Hde__Sample *sample = (Hde__Sample *)msg->body;
        bool slips = self->slips_at && (uint64_t)self->slips_at == sample->sequence;

        self->sum += sample->value;
        sample->value = self->sum + slips;
        hde_emit(ctx, 0, msg);
    }
    return HDE_OK;
}

static hde_status
sum_save(hde_ctx *ctx, const void *state, hde_msg *out)
{
    Hde__Sample *sample = (Hde__Sample *)out->body;

    sample->has_value = true;
    sample->value = ((const struct sum *)state)->sum;
    return HDE_OK;
}

static hde_status
sum_load(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema)
{
    ((struct sum *)state)->sum = ((const Hde__Sample *)saved)->value;
    return HDE_OK;
}

const hde_operator op_sum = {.size = sizeof(hde_operator),
                             .name = "test/sum",
                             .inputs = in1,
                             .outputs = out1,
                             .state_size = sizeof(struct sum),
                             .batch = sum_batch,
                             .state_type = &hde__sample__descriptor,
                             .state_schema = 1,
                             .save = sum_save,
                             .load = sum_load};
const hde_operator op_sum_newer = {.size = sizeof(hde_operator),
                                   .name = "test/sum",
                                   .inputs = in1,
                                   .outputs = out1,
                                   .state_size = sizeof(struct sum),
                                   .batch = sum_batch,
                                   .state_type = &hde__sample__descriptor,
                                   .state_schema = 2,
                                   .save = sum_save,
                                   .load = sum_load};

static hde_status
vault_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct vault *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const Hde__Sample *sample = (const Hde__Sample *)batch->msg[batch->done]->body;

        hde_text_printf(&self->waiting, "%u %llu %.17g\n", batch->port,
                        (unsigned long long)sample->sequence, sample->value);
        self->n++;
    }
    return HDE_OK;
}

static hde_status
vault_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct vault *self = state;

    if (!self->n)
        return HDE_OK;
    hde_text_put(&self->store->lines, self->waiting.data, self->waiting.len);
    self->store->mark = tick;
    atomic_fetch_add(&self->store->n, self->n);
    hde_text_clear(&self->waiting);
    self->n = 0;
    return HDE_OK;
}

static hde_status
vault_mark(hde_ctx *ctx, void *state, uint64_t *tick)
{
    *tick = ((struct vault *)state)->store->mark;
    return HDE_OK;
}

static void
vault_close(hde_ctx *ctx, void *state)
{
    hde_text_free(&((struct vault *)state)->waiting); /* what was not committed is lost */
}

const hde_operator op_vault = {.size = sizeof(hde_operator),
                               .flags = HDE_BLOCKING,
                               .name = "test/vault",
                               .inputs = in2,
                               .state_size = sizeof(struct vault),
                               .batch = vault_batch,
                               .flush = vault_flush,
                               .mark = vault_mark,
                               .close = vault_close};
