/* SPDX-License-Identifier: Apache-2.0
 * plan_show - a plan (graph/plan.h) as a message, for whoever shows it. */
#ifndef ENGINE_PLAN_SHOW_H
#define ENGINE_PLAN_SHOW_H

#include "graph/plan.h"

#include <hde/schemas/control.pb-c.h>

/* Everything lives in arena. */
Hde__GraphPlan *change_plan_show(const struct change_plan *plan, struct arena *arena);

#endif
