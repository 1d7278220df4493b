/* SPDX-License-Identifier: Apache-2.0
 * wire - what libmicrohttpd lets through and we do not: framing that two parsers read differently.
 */
#ifndef GATEWAY_WIRE_H
#define GATEWAY_WIRE_H

#include "problem.h"

#include <microhttpd.h>

/* The parts of a request's head as libmicrohttpd hands them out. */
struct wire_head {
    const char *method, *version;
    const char *target; /* as the URI callback saw it */
    size_t target_size;
};

/* False: a problem is set; the connection must be closed after the answer. */
bool wire_check(struct MHD_Connection *connection, const struct wire_head *head,
                struct problem *problem);
/* Whether a body follows: a length above 0 or a transfer coding. */
bool wire_has_body(struct MHD_Connection *connection);

#endif
