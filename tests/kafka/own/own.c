/* SPDX-License-Identifier: Apache-2.0
 * own - a plugin as somebody else would write it: operators from hde.Sample to a message of its own
 * and back. */
#include <hde/operator.h>
#include <hde/schemas/runtime.pb-c.h>

#include "own.pb-c.h"

static hde_msg *
to_spread(hde_ctx *ctx, void *state, hde_msg *taken)
{
    const Hde__Sample *sample = (const Hde__Sample *)taken->body;
    hde_msg *msg = hde_msg_new(ctx, &own__pair_spread__descriptor);
    Own__PairSpread *spread = (Own__PairSpread *)msg->body;

    spread->pair = hde_msg_text(msg, sample->key);
    spread->has_width = spread->has_number = true;
    spread->width = sample->value;
    spread->number = sample->sequence;
    hde_msg_drop(taken);
    return msg;
}

static hde_msg *
to_sample(hde_ctx *ctx, void *state, hde_msg *taken)
{
    const Own__PairSpread *spread = (const Own__PairSpread *)taken->body;
    hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
    Hde__Sample *sample = (Hde__Sample *)msg->body;

    sample->key = hde_msg_text(msg, spread->pair);
    sample->has_value = sample->has_sequence = true;
    sample->value = spread->width;
    sample->sequence = spread->number;
    hde_msg_drop(taken);
    return msg;
}

static const hde_port samples_in[] = {{"in", HDE_TYPES(&hde__sample__descriptor), 0, "samples"},
                                      {0}};
static const hde_port samples_out[] = {{"out", HDE_TYPES(&hde__sample__descriptor), 0, "samples"},
                                       {0}};
static const hde_port spreads_in[] = {
    {"in", HDE_TYPES(&own__pair_spread__descriptor), 0, "spreads"}, {0}};
static const hde_port spreads_out[] = {
    {"out", HDE_TYPES(&own__pair_spread__descriptor), 0, "spreads"}, {0}};

static const hde_operator spread = {.size = sizeof(hde_operator),
                                    .name = "own/spread",
                                    .summary = "samples as spreads",
                                    .inputs = samples_in,
                                    .outputs = spreads_out,
                                    .batch = hde_each,
                                    .each = to_spread};
static const hde_operator sample = {.size = sizeof(hde_operator),
                                    .name = "own/sample",
                                    .summary = "spreads as samples",
                                    .inputs = spreads_in,
                                    .outputs = samples_out,
                                    .batch = hde_each,
                                    .each = to_sample};

HDE_PLUGIN(&spread, &sample);
