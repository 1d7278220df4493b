/* SPDX-License-Identifier: Apache-2.0
 * rig - the gateway's HTTP server on a free port, without an engine, and clients for it. */
#ifndef GATEWAY_RIG_H
#define GATEWAY_RIG_H

#include "chains.h"
#include "server.h"

#include "engine/ctx.h"

#include <jansson.h>

#define RIG_FEED "nse:NIFTY@test"
#define RIG_BANK "nse:BANKNIFTY@test"
#define RIG_NEAR "2026-08-20"
#define RIG_FAR "2026-08-27"
#define RIG_NOW_NS (CHAIN_OPEN_NS + 30 * MINUTE_NS)

struct rig {
    struct host host;
    hde_ctx ctx;
    hde_health health; /* what the server's health function says */
    struct gateway gateway;
    struct server *server;
    int port;
};

/* timeout_ns: of a request's head. store may be NULL. */
void rig_open(struct rig *rig, int64_t timeout_ns, const char *store);
void rig_close(struct rig *rig);
/* NIFTY with two expiries and all results, BANKNIFTY with a raw chain alone. */
void rig_fill(struct rig *rig);
void rig_put(struct rig *rig, hde_msg *taken);

struct answer {
    long status;
    char *head, *body; /* header fields as sent, in one text */
    size_t size;
    json_t *json; /* NULL if the body is not JSON */
};

/* One request; method NULL is GET, headers a list ended by NULL, or NULL. */
struct answer rig_ask(struct rig *rig, const char *method, const char *path,
                      const char *const *headers);
struct answer rig_get(struct rig *rig, const char *path);
void answer_free(struct answer *answer);
/* Value of a header field, copied to out; "" if there is none. */
const char *answer_header(const struct answer *answer, const char *name, char *out, size_t size);
/* A member by path: "data.rows.0.CE.oi". Fails the test if there is none. */
json_t *answer_at(const struct answer *answer, const char *path);

/* ---- What an answer looks like; every fault fails the test -------------------------------- */

/* A member and its kind: n number or null, N number, s text or null, S text, b bool, a array,
 * o object, z null. A list ends with {0}. */
struct member {
    const char *name;
    char kind;
};

/* Every member is there with its kind, and no other. */
void check_members(const char *path, const json_t *object, const struct member *members);
/* A GET whose answer is 200 and has the envelope. */
struct answer rig_data(struct rig *rig, const char *path);
double number_at(const struct answer *answer, const char *path);
const char *text_at(const struct answer *answer, const char *path);
void assert_null_at(const struct answer *answer, const char *path);
bool is_missing(const struct answer *answer, const char *field); /* in meta.missing */

/* Raw sockets. Every wait has a deadline of some seconds, after which the test fails. */
int rig_connect(struct rig *rig);
void rig_send(int fd, const char *bytes, size_t size);
/* Reads one answer with its body; gives the status, 0 if the server closed without one. */
int rig_read_status(int fd);
/* Whether the server closes within its deadline. */
bool rig_is_closed(int fd);

#endif
