/* SPDX-License-Identifier: Apache-2.0
 * sim_answer - the stand-in's JSON, with the faults that change what is in it. */
#ifndef INGESTION_SIM_ANSWER_H
#define INGESTION_SIM_ANSWER_H

#include "market.h"

/* fault is a name of sim_faults or NULL. The text is the caller's to free(); NULL when the memory
 * ran out. chain may be changed to what the fault makes of it. */
char *sim_print_chain(struct market_chain *chain, const char *fault, size_t *size);
char *sim_print_list(const struct market *market, const struct market_underlying *u, int64_t now_ns,
                     const char *fault, size_t *size);

#endif
