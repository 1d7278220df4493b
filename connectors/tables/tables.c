/* SPDX-License-Identifier: Apache-2.0
 * tables - names and checksums of migrations. */
#include <connectors/tables.h>

#include <stdint.h>
#include <stdio.h>

size_t
migration_count(const struct migration *migrations)
{
    size_t n = 0;

    while (migrations[n].name)
        n++;
    return n;
}

/* FNV-1a */
void
migration_sum(const struct migration *migration, char out[17])
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (const char *at = migration->sql; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 0x100000001b3u;
    snprintf(out, 17, "%016llx", (unsigned long long)hash);
}
