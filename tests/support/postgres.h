/* SPDX-License-Identifier: Apache-2.0
 * postgres - a server of the test's own (postgres.sh), and questions to it. */
#ifndef SUPPORT_POSTGRES_H
#define SUPPORT_POSTGRES_H

#include "check.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    FILE *to, *from;
    pid_t pid;
    char address[256]; /* of the database hde */
} postgres_server;

/* script: of this folder. False: what it needs is not here, and the test is skipped. settings:
 * "name=value name=value" or "". */
static bool
postgres_start(const char *script, const char *settings)
{
    int in[2], out[2], status;
    char line[300], path[300];

    snprintf(path, sizeof path, "%s/tests/support/%s", HDE_SOURCE_DIR, script);
    assert_int_equal(pipe(in) | pipe(out), 0);
    postgres_server.pid = fork();
    assert_true(postgres_server.pid >= 0);
    if (postgres_server.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        for (int fd = 3; fd < 256; fd++)
            close(fd);
        setenv("HDE_SOURCE", HDE_SOURCE_DIR, 1);
        setenv("HDE_BUILD", HDE_BINARY_DIR, 1);
        execlp("bash", "bash", path, "hold", settings, (char *)NULL);
        _exit(1);
    }
    close(in[0]);
    close(out[1]);
    postgres_server.to = fdopen(in[1], "w");
    postgres_server.from = fdopen(out[0], "r");
    if (fgets(line, sizeof line, postgres_server.from) && strncmp(line, "ready ", 6) == 0) {
        snprintf(postgres_server.address, sizeof postgres_server.address, "%.*s",
                 (int)strcspn(line + 6, "\n"), line + 6);
        return true;
    }
    waitpid(postgres_server.pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        return false;
    fail_msg("the server did not start");
    return false;
}

/* "kill", "stop", "start" */
static inline void
postgres_do(const char *word)
{
    char line[16];

    fprintf(postgres_server.to, "%s\n", word);
    fflush(postgres_server.to);
    assert_non_null(fgets(line, sizeof line, postgres_server.from));
    assert_string_equal(line, "ok\n");
}

static void
postgres_end(void)
{
    fclose(postgres_server.to);
    fclose(postgres_server.from);
    waitpid(postgres_server.pid, NULL, 0);
}

/* All values of a result between blanks, with a connection of its own; "address" as above with
 * another database. */
static char *
ask(const char *address, const char *sql)
{
    static char answer[4096];
    PGconn *conn = PQconnectdb(address);
    PGresult *result = PQexec(conn, sql);
    size_t len = 0;

    answer[0] = '\0';
    if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    for (int row = 0; row < PQntuples(result); row++)
        for (int i = 0; i < PQnfields(result); i++) {
            len += (size_t)snprintf(answer + len, sizeof answer - len, "%s%s", len ? " " : "",
                                    PQgetisnull(result, row, i) ? "null"
                                                                : PQgetvalue(result, row, i));
            assert_true(len < sizeof answer);
        }
    PQclear(result);
    PQfinish(conn);
    return answer;
}

/* A database of its own for a test; its address. */
static inline const char *
database_new(void)
{
    static char address[256];
    static int n;
    char sql[64];

    snprintf(sql, sizeof sql, "CREATE DATABASE t%d", ++n);
    ask(postgres_server.address, sql);
    snprintf(address, sizeof address, "%.*s dbname=t%d",
             (int)(strstr(postgres_server.address, " dbname") - postgres_server.address),
             postgres_server.address, n);
    return address;
}

#endif
