/* SPDX-License-Identifier: Apache-2.0
 * slab_test - pieces of memory side by side, freed one by one. */
#include "base/slab.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECES = 200 };

static void
assert_is(const unsigned char *piece, size_t size, unsigned char byte)
{
    for (size_t i = 0; i < size; i++)
        if (piece[i] != byte)
            fail_msg("byte %zu of %zu is %u instead of %u", i, size, piece[i], byte);
}

static unsigned char *
take(size_t size, unsigned char byte)
{
    unsigned char *piece = slab_alloc(size);

    assert_int_equal((uintptr_t)piece % 64, 0);
    assert_is(piece, size, 0);
    memset(piece, byte, size);
    return piece;
}

static void
test_pieces_are_freed_in_any_order(void **state)
{
    const unsigned seed = 20261127;
    unsigned char *piece[PIECES] = {NULL};
    size_t size[PIECES];

    printf("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < 100 * PIECES; i++) {
        int at = rand() % PIECES;

        if (piece[at])
            assert_is(piece[at], size[at], (unsigned char)at);
        slab_free(piece[at]);
        size[at] = (size_t)(rand() % 4000);
        piece[at] = rand() % 3 ? take(size[at], (unsigned char)at) : NULL;
    }
    for (int i = 0; i < PIECES; i++)
        slab_free(piece[i]);
}

static void
test_a_piece_may_be_larger_than_a_block(void **state)
{
    unsigned char *small = take(100, 1), *large = take(1 << 20, 2), *after = take(100, 3);

    assert_is(small, 100, 1);
    assert_is(large, 1 << 20, 2);
    assert_is(after, 100, 3);
    slab_free(small);
    slab_free(large);
    slab_free(after);
}

static void
test_nothing_has_a_place_too(void **state)
{
    unsigned char *none = slab_alloc(0), *other = slab_alloc(0);

    assert_non_null(none);
    assert_ptr_not_equal(none, other);
    slab_free(none);
    slab_free(other);
    slab_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_are_freed_in_any_order),
        cmocka_unit_test(test_a_piece_may_be_larger_than_a_block),
        cmocka_unit_test(test_nothing_has_a_place_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
