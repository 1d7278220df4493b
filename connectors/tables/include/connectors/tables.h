/* SPDX-License-Identifier: Apache-2.0
 * connectors/tables.h - the tables of the market store, as migrations of each database.
 *
 * The sinks write these tables and the gateway reads them. A table hde_schema in the database
 * holds one row for each migration that was applied, with its checksum. */
#ifndef CONNECTORS_TABLES_H
#define CONNECTORS_TABLES_H

#include <stddef.h>

struct migration {
    const char *name; /* NNN_word, ascending; NULL ends the table */
    const char *sql;
};

extern const struct migration sqlite_migrations[], postgres_migrations[];

size_t migration_count(const struct migration *migrations);
/* Tells an edited migration from ours, guards against nobody. */
void migration_sum(const struct migration *migration, char out[17]);

#endif
