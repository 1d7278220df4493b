/* SPDX-License-Identifier: Apache-2.0 */
#include "common/chain.h"

static bool
is_raw(const hde_msg *msg)
{
    return msg->body->descriptor == &hde__raw_chain__descriptor;
}

const Hde__RawChain *
chain_raw(const hde_msg *msg)
{
    if (is_raw(msg))
        return (const Hde__RawChain *)msg->body;
    return ((const Hde__EnrichedChain *)msg->body)->raw;
}

hde_msg *
chain_enrich(hde_ctx *ctx, hde_msg *taken, Hde__EnrichedChain **chain)
{
    hde_msg *msg;

    if (is_raw(taken)) {
        Hde__RawChain *raw = (Hde__RawChain *)taken->body;

        msg = hde_msg_new(ctx, &hde__enriched_chain__descriptor);
        msg->event_ns = taken->event_ns;
        hde_msg_share(msg, taken);
        hde_msg_drop(taken);
        *chain = (Hde__EnrichedChain *)msg->body;
        (*chain)->raw = raw;
        (*chain)->feed = raw->feed;
        (*chain)->expiry = raw->expiry;
        (*chain)->has_event_ns = raw->has_event_ns;
        (*chain)->event_ns = raw->event_ns;
        return msg;
    }
    msg = hde_msg_writable(ctx, taken);
    *chain = (Hde__EnrichedChain *)msg->body;
    return msg;
}

Hde__ChainMetrics *
chain_metrics(hde_msg *msg)
{
    Hde__EnrichedChain *chain = (Hde__EnrichedChain *)msg->body;

    return hde_msg_edit(msg, &chain->metrics, &hde__chain_metrics__descriptor);
}

hde_status
chain_owns(hde_ctx *ctx, const char *feed, const char *expiry, bool *is_ours)
{
    Hde__RawChain like = HDE__RAW_CHAIN__INIT;
    bool unknown;

    like.feed = (char *)(uintptr_t)feed;
    like.expiry = (char *)(uintptr_t)expiry;
    *is_ours = hde_owns(ctx, &like.base, &unknown);
    if (!unknown)
        return HDE_OK;
    return hde_fail(ctx, "chain.key", "this state is kept by feed and expiry, so replicas can be "
                                      "split by these alone (key: feed)");
}
