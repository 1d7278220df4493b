/* SPDX-License-Identifier: Apache-2.0
 * slab - the states of operators, one behind the other.
 *
 * A tick goes from state to state. Where they lie side by side, in the order in which they were
 * made, the processor fetches the next one by itself when it comes to the end of one, and no two
 * of them meet in the same sets of its cache more often than they must; where malloc() puts them
 * it costs some 2 ns a node. Pieces are freed one by one. Any thread; not for messages. */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stddef.h>

void *slab_alloc(size_t size); /* zeroed, aligned to 64; out of memory ends the process */
void slab_free(void *piece);   /* NULL is fine */

#endif
