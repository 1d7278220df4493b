/* SPDX-License-Identifier: Apache-2.0
 * seglog-write FOLDER RECORDS - a log for the tests of `hde log`: segments of 4 KiB, ticks 100,
 * 101, ... one each two records, event times from 2026-08-19T05:57:00Z a second each. */
#include "seglog/seglog.h"

#include <stdio.h>
#include <stdlib.h>

int
main(int argc, char **argv)
{
    const int64_t begin_ns = INT64_C(1787119020) * 1000000000;
    uint64_t n = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    struct err err = {0};
    struct seglog *log =
        n ? seglog_open(argv[1], &(struct seglog_options){.segment_bytes = 4096}, NULL, &err)
          : NULL;

    if (!log) {
        fprintf(stderr, "%s %s\n", err.code, err.text);
        return 1;
    }
    while (n--) {
        uint64_t i = seglog_last(log);
        struct seglog_key key = {.tick = 100 + i / 2,
                                 .event_ns = begin_ns + (int64_t)i * 1000000000,
                                 .kind = (uint32_t)(i % 3)};
        char payload[64];
        int size = snprintf(payload, sizeof payload, "record %llu", (unsigned long long)i + 1);

        if (!seglog_append(log, &key, payload, (size_t)size, false) ||
            !seglog_wait(log, key.position, 20000))
            return 1;
    }
    seglog_close(log);
    return 0;
}
