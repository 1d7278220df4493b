/* SPDX-License-Identifier: Apache-2.0
 * random_bytes - a fuzz target on random bytes, half of them small, for compilers without
 * libFuzzer. HDE_SEED repeats a run, HDE_ROUNDS makes it longer. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_BYTES = 2048 };

static uint64_t state;

static uint64_t
draw(uint64_t n) /* splitmix64 */
{
    uint64_t z = (state += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % n;
}

int
main(void)
{
    const char *seed_text = getenv("HDE_SEED"), *rounds_text = getenv("HDE_ROUNDS");
    uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : (uint64_t)time(NULL);
    uint64_t rounds = rounds_text ? strtoull(rounds_text, NULL, 10) : 20000;
    static uint8_t bytes[SIZE_MAX_BYTES];

    printf("HDE_SEED=%" PRIu64 " HDE_ROUNDS=%" PRIu64 "\n", seed, rounds);
    fflush(stdout);
    for (uint64_t i = 0; i < rounds; i++) {
        size_t size;

        state = seed + i * UINT64_C(0x2545F4914F6CDD1D);
        size = draw(SIZE_MAX_BYTES + 1);
        for (size_t k = 0; k < size; k++)
            bytes[k] = (uint8_t)draw(draw(2) ? 256 : 28);
        LLVMFuzzerTestOneInput(bytes, size);
    }
    return 0;
}
