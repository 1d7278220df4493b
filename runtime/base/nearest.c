/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

enum { LONGEST = 63, EDIT = 2, CASE = 1 };

static unsigned
least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned
change(char a, char b)
{
    if (a == b)
        return 0;
    return tolower((unsigned char)a) == tolower((unsigned char)b) ? CASE : EDIT;
}

/* Optimal string alignment, three rows. */
unsigned
nearest_distance(const char *a, const char *b)
{
    unsigned rows[3][LONGEST + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2], *swap;
    size_t m = strlen(a), n = strlen(b);

    if (m > LONGEST || n > LONGEST)
        return UINT_MAX;
    for (size_t j = 0; j <= n; j++)
        last[j] = (unsigned)j * EDIT;
    for (size_t i = 1; i <= m; i++) {
        row[0] = (unsigned)i * EDIT;
        for (size_t j = 1; j <= n; j++) {
            unsigned cost = last[j - 1] + change(a[i - 1], b[j - 1]);

            cost = least(cost, least(last[j], row[j - 1]) + EDIT);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost = least(cost, before[j - 2] + EDIT);
            row[j] = cost;
        }
        swap = before;
        before = last;
        last = row;
        row = swap;
    }
    return last[n];
}

void
nearest_try(struct nearest *near, const char *name)
{
    size_t len = strlen(near->word);
    unsigned distance = nearest_distance(near->word, name);
    unsigned bound = len < 2 ? CASE : len < 3 ? EDIT : (unsigned)(len * EDIT + 2) / 3;

    if (strcasecmp(near->word, name) == 0)
        distance = least(distance, CASE);
    if (len >= 2 && strncmp(near->word, name, len) == 0)
        distance = least(distance, CASE); /* typed the beginning */
    if (distance <= bound && (!near->best || distance < near->distance)) {
        near->best = name;
        near->distance = distance;
    }
}
