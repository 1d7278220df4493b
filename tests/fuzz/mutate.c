/* SPDX-License-Identifier: Apache-2.0
 * mutate - the corpus of the bad graphs and random changes of it, for compilers without libFuzzer.
 *
 * HDE_SEED repeats a run, HDE_ROUNDS makes it longer. A crash leaves the seed and the round on
 * stdout. */
#include "bad_graphs.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_TEXT = 8192 };

static uint64_t state;

static uint64_t
draw(uint64_t n) /* splitmix64 */
{
    uint64_t z = (state += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % n;
}

/* Pieces of the language: random bytes alone seldom get past the YAML. */
static const char *const pieces[] = {
    "${vars.x}",
    "${HOME}",
    "${HDE_NONE:-d}",
    "${",
    "}",
    " -> ",
    "[a, b]",
    "[",
    "]",
    "{",
    ": ",
    ", ",
    "\n",
    "\n  ",
    "- ",
    "'",
    "\"",
    "\\u00e9",
    "\\",
    "#",
    "&a ",
    "*a",
    "!!int ",
    "|",
    ">",
    "? ",
    "---\n",
    "<<: ",
    "0",
    "-1",
    "1e999",
    "5s",
    "64KiB",
    "40%",
    "true",
    "yes",
    "~",
    "\xC3\xA9",
    "\xFF",
    "\t",
    "nodes:",
    "edges:",
    "vars:",
    "include:",
    "params:",
    "op: ",
    "full: latest",
    "key: ",
    "replicas: 2",
    "test/params",
    "test/filter",
    "test/join",
    "chain: c",
    "inputs: {i: a}",
    "outputs: {o: [a]}",
    "capacity: ",
    "on_error: ",
    "boundary: true",
    "worker: 1",
    "a",
    "b",
    "a.out",
    "b.in",
};

static size_t
put(char *text, size_t size, const char *piece, size_t len)
{
    size_t at = draw(size + 1);

    if (size + len > SIZE_MAX_TEXT)
        return size;
    memmove(text + at + len, text + at, size - at);
    memcpy(text + at, piece, len);
    return size + len;
}

static size_t
change(char *text, size_t size)
{
    const char *piece = pieces[draw(sizeof pieces / sizeof *pieces)];
    const char *other = bad_graphs[draw(n_bad_graphs)].text;
    size_t at = draw(size + 1), len = draw(size - at + 1), from;

    switch (draw(6)) {
    case 0:
        return put(text, size, piece, strlen(piece));
    case 1: /* leave a part out */
        len = len > 20 ? len % 20 : len;
        memmove(text + at, text + at + len, size - at - len);
        return size - len;
    case 2:
        if (at < size)
            text[at] = (char)draw(256);
        return size;
    case 3: /* a part of another row */
        from = draw(strlen(other) + 1);
        return put(text, size, other + from, draw(strlen(other + from) + 1));
    case 4: /* a part of itself once more */
        len = len > 64 ? len % 64 : len;
        if (size + len > SIZE_MAX_TEXT)
            return size;
        memmove(text + at + len, text + at, size - at);
        return size + len;
    default:
        return at; /* cut off */
    }
}

/* A row without its marks. */
static size_t
plain(const char *row, char *text)
{
    size_t size = 0;

    for (; *row && size < SIZE_MAX_TEXT; row++)
        if (*row != '@')
            text[size++] = *row;
    return size;
}

int
main(void)
{
    const char *seed_text = getenv("HDE_SEED"), *rounds_text = getenv("HDE_ROUNDS");
    uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : (uint64_t)time(NULL);
    uint64_t rounds = rounds_text ? strtoull(rounds_text, NULL, 10) : 100000;
    static char text[SIZE_MAX_TEXT + 1];

    for (size_t i = 0; i < n_bad_graphs; i++)
        LLVMFuzzerTestOneInput((const uint8_t *)text, plain(bad_graphs[i].text, text));
    printf("HDE_SEED=%" PRIu64 " HDE_ROUNDS=%" PRIu64 "\n", seed, rounds);
    fflush(stdout);
    for (uint64_t i = 0; i < rounds; i++) {
        size_t size;

        state = seed + i * UINT64_C(0x2545F4914F6CDD1D);
        size = plain(bad_graphs[draw(n_bad_graphs)].text, text);
        for (uint64_t j = draw(6) + 1; j > 0; j--)
            size = change(text, size);
        LLVMFuzzerTestOneInput((const uint8_t *)text, size);
    }
    return 0;
}
