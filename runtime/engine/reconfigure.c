/* SPDX-License-Identifier: Apache-2.0
 * reconfigure - other parameters for an instance that goes on: what HDE_PARAM_LIVE allows. */
#include "engine/isolate.h"
#include "engine/retain.h"
#include "engine/run.h"
#include "graph/plan.h"

#include <stdlib.h>

/* A node that was reloaded may run another version of its operator than the graph was loaded
 * with. */
bool
node_fill(struct node *node, const struct graph_node *def, void *state, struct err *err)
{
    const hde_operator *op = node->ctx.op;

    if (!change_same_op(op, def->op))
        return graph_refill_params(def, op, state, &node->arena, err);
    if (op->state_size && def->params)
        memcpy(state, def->params, op->state_size);
    return true;
}

/* ---- Without reconfigure() ---------------------------------------------------------------- */

static const char *const *
keep_texts(struct arena *arena, const char *const *texts, size_t n)
{
    const char **kept = arena_alloc(arena, (n + 1) * sizeof *kept);

    for (size_t i = 0; i < n; i++)
        kept[i] = arena_text(arena, texts[i]);
    return kept;
}

static void
copy_param(struct arena *arena, const hde_param *param, void *to, const void *from)
{
    const char *const *text = from;
    const hde_list *list = from;
    const hde_map *map = from;

    switch (param->type) {
    case HDE_PARAM_BOOL:
        memcpy(to, from, sizeof(bool));
        break;
    case HDE_PARAM_INT:
    case HDE_PARAM_REAL:
    case HDE_PARAM_DURATION:
    case HDE_PARAM_SIZE:
    case HDE_PARAM_RATIO:
        memcpy(to, from, sizeof(int64_t));
        break;
    case HDE_PARAM_TEXT:
    case HDE_PARAM_PATH:
    case HDE_PARAM_SECRET:
        *(const char **)to = *text ? arena_text(arena, *text) : NULL;
        break;
    case HDE_PARAM_LIST:
        *(hde_list *)to = (hde_list){list->n, keep_texts(arena, list->item, list->n)};
        break;
    case HDE_PARAM_MAP:
        *(hde_map *)to = (hde_map){map->n, keep_texts(arena, map->key, map->n),
                                   keep_texts(arena, map->value, map->n)};
        break;
    }
}

void
params_copy_live(const hde_operator *op, void *state, const void *next, struct arena *arena)
{
    for (const hde_param *param = op->params; param && param->name; param++)
        if (param->flags & HDE_PARAM_LIVE)
            copy_param(arena, param, (char *)state + param->offset,
                       (const char *)next + param->offset);
}

/* ---- All of it ---------------------------------------------------------------------------- */

static bool
call(struct node *node, const struct graph_node *def, const void *next, struct err *err)
{
    const hde_operator *op = node->ctx.op;
    hde_status status = HDE_OK;

    if (isolate_is(op))
        status = isolate_reconfigure(&node->ctx, node->ctx.state, def);
    else if (op->reconfigure)
        status = op->reconfigure(&node->ctx, node->ctx.state, next);
    else
        params_copy_live(op, node->ctx.state, next, &node->arena);
    ctx_scratch_reset(&node->ctx);
    return status == HDE_OK ||
           err_set(err, "HDE-R055", "node '%s' (%s) does not take its new parameters: %s",
                   node->ctx.node, op->name,
                   node->ctx.said->text[0] ? node->ctx.said->text : "no reason given");
}

bool
node_reconfigure(struct node *node, const struct graph_node *def, struct err *err)
{
    void *next = xcalloc(1, node->ctx.op->state_size + 1);
    bool ok = node_fill(node, def, next, err) && call(node, def, next, err);

    if (ok)
        retain_event(node); /* what it had before it would do otherwise now */
    free(next);
    return ok;
}
