/* SPDX-License-Identifier: Apache-2.0
 * reconfigure - other parameters for an instance that goes on: what HDE_PARAM_LIVE allows. */
#include "engine/retain.h"
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
keep_texts(struct node *node, const char *const *texts, size_t n)
{
    const char **kept = arena_alloc(&node->arena, (n + 1) * sizeof *kept);

    for (size_t i = 0; i < n; i++)
        kept[i] = arena_text(&node->arena, texts[i]);
    return kept;
}

/* Texts live as long as the node. */
static void
copy_param(struct node *node, const hde_param *param, void *to, const void *from)
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
        *(const char **)to = *text ? arena_text(&node->arena, *text) : NULL;
        break;
    case HDE_PARAM_LIST:
        *(hde_list *)to = (hde_list){list->n, keep_texts(node, list->item, list->n)};
        break;
    case HDE_PARAM_MAP:
        *(hde_map *)to = (hde_map){map->n, keep_texts(node, map->key, map->n),
                                   keep_texts(node, map->value, map->n)};
        break;
    }
}

static void
copy_live(struct node *node, const void *next)
{
    const hde_param *param = node->ctx.op->params;

    for (; param && param->name; param++)
        if (param->flags & HDE_PARAM_LIVE)
            copy_param(node, param, (char *)node->ctx.state + param->offset,
                       (const char *)next + param->offset);
}

/* ---- All of it ---------------------------------------------------------------------------- */

static bool
call(struct node *node, const void *next, struct err *err)
{
    const hde_operator *op = node->ctx.op;
    hde_status status;

    if (!op->reconfigure) {
        copy_live(node, next);
        return true;
    }
    status = op->reconfigure(&node->ctx, node->ctx.state, next);
    ctx_scratch_reset(&node->ctx);
    return status == HDE_OK ||
           err_set(err, "HDE-R055", "node '%s' (%s) does not take its new parameters: %s",
                   node->ctx.node, op->name,
                   node->ctx.said->text[0] ? node->ctx.said->text : "no reason given");
}

bool
node_reconfigure(struct node *node, const struct graph_node *def, struct err *err)
{
    void *next = calloc(1, node->ctx.op->state_size + 1);
    bool ok;

    if (!next)
        abort();
    ok = node_fill(node, def, next, err) && call(node, next, err);
    if (ok && node->retain) /* what it had before is not fed to other parameters */
        retain_event(node);
    if (ok)
        retain_event(node); /* what it had before it would do otherwise now */
    free(next);
    return ok;
}
