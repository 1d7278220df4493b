/* SPDX-License-Identifier: Apache-2.0
 * folded - the operators of seeded.h whose results depend on the order of all they saw, in two
 * builds (SALT) whose results differ. */
#include <hde/operator.h>
#include <hde/schemas/runtime.pb-c.h>

static const hde_port in1[] = {{.name = "in", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};
static const hde_port in2[] = {
    {.name = "a", .types = HDE_TYPES(&hde__sample__descriptor)},
    {.name = "b", .types = HDE_TYPES(&hde__sample__descriptor), .flags = HDE_PORT_OPTIONAL},
    {0}};
static const hde_port out1[] = {{.name = "out", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};

struct fold { /* as in seeded.h */
    int64_t more, drop_every;
    uint64_t sum, seen;
};
static const hde_param params[] = {
    HDE_PARAM(struct fold, more, .fallback = "0", .max = 100, .help = "copies of each message"),
    HDE_PARAM(struct fold, drop_every, .fallback = "0", .max = 100, .help = "of so many messages one is dropped"),
    {0}};

static uint64_t
folded(struct fold *self, uint64_t x)
{
    self->sum = (self->sum * 31 + x + SALT) % ((uint64_t)1 << 50);
    return self->sum;
}

static hde_status
fold_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct fold *self = state;

    for (; batch->done < batch->n; batch->done++) {
        hde_msg *msg = hde_msg_writable(ctx, hde_take(batch, batch->done));
        Hde__Sample *sample = (Hde__Sample *)msg->body;

        if (!self->seen++)
            hde_timer_at(ctx, 1, 7);
        sample->value = (double)folded(self, (uint64_t)sample->value * 2 + batch->port);
        if (self->drop_every && (int64_t)self->seen % self->drop_every == 0) {
            hde_msg_drop(msg);
            continue;
        }
        for (int64_t i = 0; i < self->more; i++)
            hde_forward(ctx, 0, msg);
        hde_emit(ctx, 0, msg);
    }
    return HDE_OK;
}

static hde_status
fold_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    struct fold *self = state;
    hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
    Hde__Sample *sample = (Hde__Sample *)msg->body;

    msg->event_ns = at_ns;
    sample->has_value = true;
    sample->value = (double)folded(self, (uint64_t)at_ns);
    hde_emit(ctx, 0, msg);
    if (at_ns < 35)
        hde_timer_at(ctx, 1, at_ns + 7);
    return HDE_OK;
}

static hde_status
fold_save(hde_ctx *ctx, const void *state, hde_msg *out)
{
    const struct fold *self = state;
    Hde__Sample *sample = (Hde__Sample *)out->body;

    sample->has_value = sample->has_sequence = true;
    sample->value = (double)self->sum;
    sample->sequence = self->seen;
    return HDE_OK;
}

static hde_status
fold_load(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema)
{
    struct fold *self = state;
    const Hde__Sample *sample = (const Hde__Sample *)saved;

    self->sum = (uint64_t)sample->value;
    self->seen = sample->sequence;
    return HDE_OK;
}

#define FOLD(op_name, op_inputs, op_flags)                                                         \
    {                                                                                              \
        .size = sizeof(hde_operator), .flags = op_flags, .name = op_name,                          \
        .summary = "folds all it has seen into each message", .inputs = op_inputs,                 \
        .outputs = out1, .state_size = sizeof(struct fold), .batch = fold_batch,                   \
        .timer = fold_timer, .state_type = &hde__sample__descriptor, .state_schema = 1,            \
        .save = fold_save, .load = fold_load, .params = params                                     \
    }
static const hde_operator op_fold = FOLD("test/fold", in1, 0);
static const hde_operator op_fold2 = FOLD("test/fold2", in2, 0);
static const hde_operator op_fold_blocking = FOLD("test/fold_blocking", in1, HDE_BLOCKING);

HDE_PLUGIN(&op_fold, &op_fold2, &op_fold_blocking);
