/* SPDX-License-Identifier: Apache-2.0
 * nearest - which of the valid names did somebody mean?
 *
 *     struct nearest near = {.word = "chian"};
 *     for (each name)
 *         nearest_try(&near, name);
 *     if (near.best) ... did you mean near.best?
 *
 * Letters swapped, missing, added or wrong count one each; a third of the word may be wrong, and
 * a word that begins a name is near to it. The first of equals wins. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

struct nearest {
    const char *word;
    const char *best;  /* NULL: nothing is near */
    unsigned distance; /* of best */
};

void nearest_try(struct nearest *near, const char *name);
/* Edits between two texts (swaps of neighbours count one); case counts half a letter, so the unit
 * is half an edit. Texts over 63 bytes are infinitely far. */
unsigned nearest_distance(const char *a, const char *b);

#endif
