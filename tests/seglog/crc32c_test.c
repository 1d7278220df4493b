/* SPDX-License-Identifier: Apache-2.0
 * crc32c_test - the checksum by instruction and by table. */
#include "check.h"

#include "base/crc32c.h"

#include <string.h>

typedef uint32_t crc_of(uint32_t crc, const void *bytes, size_t size);

/* RFC 3720 appendix B.4, as numbers. */
static void
check_known(crc_of *crc)
{
    uint8_t bytes[32] = {0};

    assert_int_equal(crc(0, bytes, 0), 0);
    assert_int_equal(crc(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc(0, bytes, 32), 0x62a8ab43);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc(0, bytes, 32), 0x46dd794e);
    assert_int_equal(crc(0, "123456789", 9), 0xe3069283);
}

static void
test_known_checksums_by_instruction(void **state)
{
    check_known(crc32c);
}

static void
test_known_checksums_by_table(void **state)
{
    check_known(crc32c_by_table);
}

static void
test_both_ways_agree_on_every_length_and_alignment(void **state)
{
    uint8_t bytes[300];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + (i >> 3));
    for (size_t from = 0; from < 16; from++)
        for (size_t size = 0; from + size <= sizeof bytes; size++)
            assert_int_equal(crc32c(0, bytes + from, size),
                             crc32c_by_table(0, bytes + from, size));
}

static void
test_pieces_give_the_checksum_of_the_whole(void **state)
{
    const char text[] = "pieces give the checksum of the whole";
    uint32_t whole = crc32c(0, text, sizeof text);

    for (size_t cut = 0; cut <= sizeof text; cut++) {
        assert_int_equal(crc32c(crc32c(0, text, cut), text + cut, sizeof text - cut), whole);
        assert_int_equal(
            crc32c_by_table(crc32c_by_table(0, text, cut), text + cut, sizeof text - cut), whole);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_checksums_by_instruction),
        cmocka_unit_test(test_known_checksums_by_table),
        cmocka_unit_test(test_both_ways_agree_on_every_length_and_alignment),
        cmocka_unit_test(test_pieces_give_the_checksum_of_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
