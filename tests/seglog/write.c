/* SPDX-License-Identifier: Apache-2.0
 * seglog-write FOLDER RECORDS [NODE] - a log for the tests of `hde log`: segments of 4 KiB, ticks
 * 100, 101, ... one each two records, event times from 2026-08-19T05:57:00Z a second each; with
 * NODE entries of an ingress log. */
#include "seglog/seglog.h"

#include <hde/schemas/runtime.pb-c.h>

#include <stdio.h>
#include <stdlib.h>

static size_t
make_entry(const struct seglog_key *key, char *node, uint8_t *payload)
{
    Hde__LogEntry entry = HDE__LOG_ENTRY__INIT;

    entry.has_tick = entry.has_kind = true;
    entry.tick = key->tick;
    entry.kind = (Hde__LogKind)key->kind;
    entry.node = node;
    return hde__log_entry__pack(&entry, payload);
}

int
main(int argc, char **argv)
{
    const int64_t begin_ns = INT64_C(1787119020) * 1000000000;
    uint64_t n = argc >= 3 ? strtoull(argv[2], NULL, 10) : 0;
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
        size_t size = (size_t)snprintf(payload, sizeof payload, "record %llu",
                                       (unsigned long long)i + 1);

        if (argc > 3)
            size = make_entry(&key, argv[3], (uint8_t *)payload);
        if (!seglog_append(log, &key, payload, size, false) ||
            !seglog_wait(log, key.position, 20000))
            return 1;
    }
    seglog_close(log);
    return 0;
}
