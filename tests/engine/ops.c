/* SPDX-License-Identifier: Apache-2.0 */
#include "ops.h"

#include <hde/schemas/runtime.pb-c.h>

#include <stdio.h>
#include <string.h>

static const hde_port out1[] = {{.name = "out", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};
static const hde_port out2[] = {{.name = "even", .types = HDE_TYPES(&hde__sample__descriptor)},
                                {.name = "odd", .types = HDE_TYPES(&hde__sample__descriptor)},
                                {0}};
static const hde_port in1[] = {{.name = "in", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};
static const hde_port in2[] = {
    {.name = "a", .types = HDE_TYPES(&hde__sample__descriptor)},
    {.name = "b", .types = HDE_TYPES(&hde__sample__descriptor), .flags = HDE_PORT_OPTIONAL},
    {0}};

/* ---- feed --------------------------------------------------------------------------------- */

static void
feed_one(hde_ctx *ctx, struct feed *self)
{
    hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
    Hde__Sample *sample = (Hde__Sample *)msg->body;
    char key[24];

    msg->event_ns = self->start_ns + self->at * self->step_ns;
    sample->has_sequence = sample->has_value = true;
    sample->sequence = (uint64_t)(self->first + self->at);
    sample->value = (double)self->at;
    if (self->keys) {
        snprintf(key, sizeof key, "k%lld", (long long)(self->at % self->keys));
        sample->key = hde_msg_text(msg, key);
    }
    self->at++;
    hde_emit(ctx, 0, msg);
}

static hde_status
feed_poll(hde_ctx *ctx, void *state)
{
    struct feed *self = state;

    self->polls++;
    if (self->polled)
        atomic_fetch_add(self->polled, 1);
    if (self->at == self->count)
        return self->stay ? HDE_IDLE : HDE_END;
    if (self->silent_every && self->polls % self->silent_every == 0)
        return HDE_OK;
    for (int64_t i = 0; i < (self->per_poll ? self->per_poll : 1) && self->at < self->count; i++)
        feed_one(ctx, self);
    return HDE_OK;
}

const hde_operator op_feed = {.size = sizeof(hde_operator),
                              .name = "test/feed",
                              .outputs = out1,
                              .state_size = sizeof(struct feed),
                              .poll = feed_poll};
const hde_operator op_feed_blocking = {.size = sizeof(hde_operator),
                                       .flags = HDE_BLOCKING,
                                       .name = "test/feed_blocking",
                                       .outputs = out1,
                                       .state_size = sizeof(struct feed),
                                       .poll = feed_poll};

/* ---- mix ---------------------------------------------------------------------------------- */

/* Wraps like an integer, so that nothing is rounded away. */
static double
mixed(double value, int64_t salt)
{
    return (double)(uint32_t)((uint32_t)value * 31u + (uint32_t)salt);
}

/* Sends all but the last of what it makes of a message; NULL: it makes nothing. */
static hde_msg *
mix(hde_ctx *ctx, struct mix *self, unsigned port, hde_msg *taken)
{
    uint64_t sequence = ((Hde__Sample *)taken->body)->sequence;
    Hde__Sample *sample;

    self->seen++;
    if (self->drop_every && sequence % (uint64_t)self->drop_every == 0)
        return hde_msg_drop(taken), NULL;
    taken = hde_msg_writable(ctx, taken);
    sample = (Hde__Sample *)taken->body;
    sample->value = mixed(sample->value, self->salt + port + self->seen);
    for (int64_t i = 0; i < self->amplify; i++)
        hde_forward(ctx, 0, taken);
    return taken;
}

static hde_status
mix_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    for (; batch->done < batch->n; batch->done++) {
        hde_msg *msg = mix(ctx, state, batch->port, hde_take(batch, batch->done));

        if (msg)
            hde_emit(ctx, 0, msg);
    }
    return HDE_OK;
}

static hde_msg *
mix_each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    return mix(ctx, state, 0, taken);
}

const hde_operator op_mix = {.size = sizeof(hde_operator),
                             .name = "test/mix",
                             .inputs = in1,
                             .outputs = out1,
                             .state_size = sizeof(struct mix),
                             .batch = mix_batch};
const hde_operator op_mix_each = {.size = sizeof(hde_operator),
                                  .name = "test/mix_each",
                                  .inputs = in1,
                                  .outputs = out1,
                                  .state_size = sizeof(struct mix),
                                  .batch = hde_each,
                                  .each = mix_each};
const hde_operator op_mix2 = {.size = sizeof(hde_operator),
                              .name = "test/mix2",
                              .inputs = in2,
                              .outputs = out1,
                              .state_size = sizeof(struct mix),
                              .batch = mix_batch};
const hde_operator op_mix_blocking = {.size = sizeof(hde_operator),
                                      .flags = HDE_BLOCKING,
                                      .name = "test/mix_blocking",
                                      .inputs = in1,
                                      .outputs = out1,
                                      .state_size = sizeof(struct mix),
                                      .batch = mix_batch};

/* ---- fork --------------------------------------------------------------------------------- */

static hde_status
fork_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    for (; batch->done < batch->n; batch->done++) {
        hde_msg *msg = hde_take(batch, batch->done);

        hde_emit(ctx, ((Hde__Sample *)msg->body)->sequence & 1, msg);
    }
    return HDE_OK;
}

const hde_operator op_fork = {.size = sizeof(hde_operator),
                              .name = "test/fork",
                              .inputs = in1,
                              .outputs = out2,
                              .batch = fork_batch};

/* ---- collect ------------------------------------------------------------------------------ */

static hde_status
collect_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct collect *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const hde_msg *msg = batch->msg[batch->done];
        const Hde__Sample *sample = (const Hde__Sample *)msg->body;

        if (self->into)
            hde_text_printf(self->into, "%llu %u %llu %.17g %lld\n",
                            (unsigned long long)(batch->tick & 0xffffffffff), batch->port,
                            (unsigned long long)sample->sequence, sample->value,
                            (long long)msg->event_ns);
        if (self->n)
            atomic_fetch_add(self->n, 1);
    }
    return HDE_OK;
}

const hde_operator op_collect = {.size = sizeof(hde_operator),
                                 .name = "test/collect",
                                 .inputs = in2,
                                 .state_size = sizeof(struct collect),
                                 .batch = collect_batch};
const hde_operator op_collect_blocking = {.size = sizeof(hde_operator),
                                          .flags = HDE_BLOCKING,
                                          .name = "test/collect_blocking",
                                          .inputs = in2,
                                          .state_size = sizeof(struct collect),
                                          .batch = collect_batch};
