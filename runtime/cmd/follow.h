/* SPDX-License-Identifier: Apache-2.0
 * follow - reloads operators when the files that they were loaded from change. One thread. */
#ifndef CMD_FOLLOW_H
#define CMD_FOLLOW_H

#include "engine/parts.h"

struct follow;

/* Watches the folders of the graph's plugins. NULL: HDE-C022. The parts must outlive it. */
struct follow *follow_open(struct parts *parts, struct err *err);
void follow_close(struct follow *follow);
int follow_fd(const struct follow *follow); /* readable when follow_serve() has work */
/* Reads what has changed, or, when nothing has for a while, asks for the reloads. */
void follow_serve(struct follow *follow);
/* ms until follow_serve() is to be called even if nothing is readable; -1: no need. */
int follow_timeout_ms(const struct follow *follow);

#endif
