/* SPDX-License-Identifier: Apache-2.0
 * check - is an operator's table sound? The runtime trusts it from then on. */
#ifndef PLUGIN_CHECK_H
#define PLUGIN_CHECK_H

#include "base/err.h"

#include <hde/operator.h>

/* False (HDE-P012) with the operator's name, what is wrong and where. */
bool operator_check(const hde_operator *op, struct err *err);
static inline uint32_t
count_ports(const hde_port *ports)
{
    uint32_t n = 0;

    while (ports && ports[n].name)
        n++;
    return n;
}

/* "folder/name": lower case letters, digits and _, each part begins with a letter. */
bool operator_name_is_valid(const char *name);

#endif
