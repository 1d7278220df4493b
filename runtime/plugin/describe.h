/* SPDX-License-Identifier: Apache-2.0
 * describe - the reference of an operator, printed from its tables. */
#ifndef PLUGIN_DESCRIBE_H
#define PLUGIN_DESCRIBE_H

#include "plugin/registry.h"

#include <hde/text.h>

/* For a terminal, 80 columns wide. */
void describe_text(const struct registry_operator *operator, hde_text * out);
void describe_markdown(const struct registry_operator *operator, hde_text * out);
/* One JSON object in one line: name, summary, help, flags, inputs, outputs, params, state, path. */
void describe_json(const struct registry_operator *operator, hde_text * out);

/* All operators: names and summaries by folder; the whole reference; one JSON array. */
void describe_list(const struct registry *registry, hde_text *out);
void describe_list_markdown(const struct registry *registry, hde_text *out);
void describe_list_json(const struct registry *registry, hde_text *out);

#endif
