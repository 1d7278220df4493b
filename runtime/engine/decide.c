/* SPDX-License-Identifier: Apache-2.0
 * decide - decisions to give a message up, before and behind the log.
 *
 *  (1) What was given up stays given up: decisions come behind the tick that they are about, so
 *      they are read before the log is taken, and the operator does not see the message then.
 *      [test_a_message_that_was_given_up_stays_given_up] */
#include "engine/decide.h"

#include "base/arena.h"
#include "engine/ingress.h"
#include "engine/swaps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct give_up {
    struct give_up *next;
    uint64_t tick;
    uint32_t port, index;
    struct said said;
};

static const char *
behind(const char *text, const char *event)
{
    size_t size = strlen(event);

    return strncmp(text, event, size) == 0 && text[size] == ':' ? text + size + 2 : text;
}

void
decide_give_up(struct node *node, uint64_t tick, uint32_t index)
{
    const struct said *said = node->ctx.said;

    if (!node->engine->swaps || node->engine->is_taking)
        return;
    swaps_decide_aside(node,
                       (struct swap_place){
                           .tick = tick, .step = PLACE_CALL, .port = node->port, .done = index},
                       said->event, behind(said->text, said->event));
}

static void
note(void *arg, const Hde__LogEntry *entry)
{
    const struct engine *engine = arg;
    const Hde__LogAside *aside = entry->aside;

    for (uint32_t i = 0; aside && entry->node && i < engine->n_nodes; i++) {
        struct node *node = engine->nodes[i];
        struct give_up *give_up;

        if (node->retain || node->replica != entry->replica ||
            strcmp(node->def->name, entry->node) != 0)
            continue;
        give_up = xcalloc(1, sizeof *give_up);
        *give_up = (struct give_up){.next = node->decided,
                                    .tick = aside->tick,
                                    .port = aside->port,
                                    .index = aside->index};
        snprintf(give_up->said.event, sizeof give_up->said.event, "%s",
                 aside->event ? aside->event : "");
        snprintf(give_up->said.text, sizeof give_up->said.text, "%s",
                 aside->text ? aside->text : "");
        node->decided = give_up;
        node->is_plain = false;
    }
}

bool
decide_read_log(struct engine *engine, struct err *err)
{
    static const Hde__LogKind kinds[] = {HDE__LOG_KIND__LOG_KIND_ASIDE};

    if (!engine->is_taking && !engine->epochs)
        return true;
    return ingress_scan(engine, kinds, 1, note, engine, err);
}

bool
decide_is_given_up(struct node *node)
{
    hde_batch *batch = &node->in;
    struct give_up **at = &node->decided;

    while (*at) {
        struct give_up *give_up = *at;

        if (give_up->tick == batch->tick && give_up->port == batch->port) {
            if (give_up->index == batch->done) {
                *node->ctx.said = give_up->said;
                *at = give_up->next;
                free(give_up);
                return true;
            }
            if (give_up->index > batch->done && give_up->index < batch->n)
                batch->n = give_up->index;
        }
        at = &give_up->next;
    }
    return false;
}

void
decide_free(struct node *node)
{
    while (node->decided) {
        struct give_up *give_up = node->decided;

        node->decided = give_up->next;
        free(give_up);
    }
}
