/* SPDX-License-Identifier: Apache-2.0
 * redis - commands to the servers that have their keys.
 *
 *  (1) A command goes to the server of its slot by the table; who has it really is said by the
 *      server (MOVED, ASK), and that counts. The table is asked for at the first connection, after
 *      a MOVED, and where the server of a slot cannot be reached.
 *      [tests/connectors/redis_cluster_test.c: a slot moves under load]
 *  (2) Commands for one server are sent in their order; those that are redirected follow in theirs.
 *  (3) A command is sent again only after the server has refused it (MOVED, ASK, NOSCRIPT). */
#include "server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 16384, SERVERS_MAX = 256, NOBODY = 0xffff, REDIRECTS_MAX = 6 };
#define TABLE_PAUSE_NS ((int64_t)100 * 1000000)

struct way { /* of one command */
    struct server *server;
    bool is_done, is_asking;
};

struct script {
    const char *text;
    char sha[41];
};

struct redis {
    struct settings settings;
    struct server *server[SERVERS_MAX]; /* the first url.n are those of the URL */
    size_t n;
    uint16_t slot[SLOTS]; /* index of the server, or NOBODY */
    bool is_cluster, was_asked;
    bool is_stale;         /* a MOVED has shown that the table is old */
    int64_t next_table_ns; /* where servers are away, the table is asked for no sooner */
    uint64_t calls;
    uint64_t moved, asked;
    struct script *script;
    size_t n_scripts;
    struct way *way; /* scratch of a call */
    size_t n_way;
};

/* ---- Life --------------------------------------------------------------------------------- */

static uint16_t
add_server(struct redis *redis, const struct place *place)
{
    struct server *server;

    for (size_t i = 0; i < redis->n; i++)
        if (redis->server[i]->place.port == place->port &&
            strcmp(redis->server[i]->place.host, place->host) == 0)
            return (uint16_t)i;
    if (redis->n == SERVERS_MAX)
        return NOBODY;
    server = malloc(sizeof *server);
    if (!server)
        hde_no_memory();
    server_init(server, &redis->settings, place);
    redis->server[redis->n] = server;
    return (uint16_t)redis->n++;
}

struct redis *
redis_new(const struct redis_options *options, struct redis_error *error)
{
    struct redis *redis = calloc(1, sizeof *redis);

    if (!redis)
        hde_no_memory();
    redis->settings.timeout_ms = options->timeout_ms ? options->timeout_ms : 1000;
    redis->settings.reply_max = options->reply_max ? options->reply_max : 64u << 20;
    if (!url_parse(options->url, &redis->settings.url, error)) {
        redis_free(redis);
        return NULL;
    }
    for (size_t i = 0; i < redis->settings.url.n; i++)
        add_server(redis, &redis->settings.url.place[i]);
    memset(redis->slot, 0xff, sizeof redis->slot);
    return redis;
}

void
redis_free(struct redis *redis)
{
    if (!redis)
        return;
    for (size_t i = 0; i < redis->n; i++) {
        server_fini(redis->server[i]);
        free(redis->server[i]);
    }
    free(redis->script);
    free(redis->way);
    free(redis);
}

const char *
redis_address(const struct redis *redis, char out[REDIS_ADDRESS])
{
    return server_name(redis->server[0], out);
}

bool
redis_is_cluster(const struct redis *redis)
{
    return redis->is_cluster;
}

struct redis_counts
redis_counts(const struct redis *redis)
{
    struct redis_counts counts = {.moved = redis->moved, .asked = redis->asked};

    for (size_t i = 0; i < redis->n; i++)
        counts.connects += redis->server[i]->connects;
    return counts;
}

/* ---- Commands and replies ----------------------------------------------------------------- */

void
redis_add(struct redis_command *command, const void *bytes, size_t size)
{
    command->arg[command->n++] = (struct redis_arg){bytes, size};
}

struct redis_command
redis_words(const char *word, ...)
{
    struct redis_command command = {.n = 0};
    va_list words;

    va_start(words, word);
    for (; word; word = va_arg(words, const char *))
        redis_add(&command, word, strlen(word));
    va_end(words);
    command.key = command.n > 1;
    return command;
}

static enum redis_trouble
trouble_of(const char *text)
{
    static const struct {
        const char *word;
        enum redis_trouble kind;
    } words[] = {
        {"NOAUTH", REDIS_TROUBLE_DENIED},    {"WRONGPASS", REDIS_TROUBLE_DENIED},
        {"NOPERM", REDIS_TROUBLE_DENIED},    {"ERR AUTH", REDIS_TROUBLE_DENIED},
        {"ERR invalid password", REDIS_TROUBLE_DENIED},
        {"LOADING", REDIS_TROUBLE_BUSY},     {"BUSY", REDIS_TROUBLE_BUSY},
        {"TRYAGAIN", REDIS_TROUBLE_BUSY},    {"CLUSTERDOWN", REDIS_TROUBLE_BUSY},
        {"MASTERDOWN", REDIS_TROUBLE_BUSY},  {"READONLY", REDIS_TROUBLE_BUSY},
        {"NOREPLICAS", REDIS_TROUBLE_BUSY},  {"MOVED", REDIS_TROUBLE_BUSY},
        {"ASK", REDIS_TROUBLE_BUSY},         {"OOM", REDIS_TROUBLE_FULL},
        {"MISCONF", REDIS_TROUBLE_FULL},     {"CROSSSLOT", REDIS_TROUBLE_SLOTS},
        {"ERR max number of clients", REDIS_TROUBLE_BUSY},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncmp(text, words[i].word, strlen(words[i].word)) == 0)
            return words[i].kind;
    return REDIS_TROUBLE_REFUSED;
}

bool
redis_is_good(const redisReply *reply, struct redis_error *error)
{
    if (reply->type != REDIS_REPLY_ERROR)
        return true;
    return redis_fail(error, trouble_of(reply->str), "Redis says: %.200s", reply->str);
}

/* ---- Slots -------------------------------------------------------------------------------- */

/* One row of CLUSTER SLOTS: first, last, the master, replicas. An empty host is the one asked. */
static void
take_row(struct redis *redis, const struct server *asked, const redisReply *row)
{
    const redisReply *master = row->type == REDIS_REPLY_ARRAY && row->elements >= 3
                                   ? row->element[2]
                                   : NULL;
    struct place place = asked->place;
    uint16_t index;

    if (!master || row->element[0]->type != REDIS_REPLY_INTEGER ||
        row->element[1]->type != REDIS_REPLY_INTEGER || master->type != REDIS_REPLY_ARRAY ||
        master->elements < 2 || master->element[1]->type != REDIS_REPLY_INTEGER ||
        master->element[1]->integer < 1 || master->element[1]->integer > 65535)
        return;
    if (master->element[0]->type == REDIS_REPLY_STRING && master->element[0]->len > 0) {
        if (master->element[0]->len >= sizeof place.host)
            return;
        memcpy(place.host, master->element[0]->str, master->element[0]->len + 1);
    }
    place.port = (int)master->element[1]->integer;
    index = add_server(redis, &place);
    for (long long s = row->element[0]->integer; s <= row->element[1]->integer; s++) {
        if (s < 0 || s >= SLOTS)
            return;
        redis->slot[s] = index;
    }
}

static bool
read_table(struct redis *redis, struct server *server, int64_t deadline_ns,
           struct redis_error *error)
{
    struct redis_command ask = redis_words("CLUSTER", "SLOTS", NULL);
    redisReply *table;

    server_put(server, &ask);
    if (!server_push(server, error) || !server_reply(server, &table, deadline_ns, error))
        return false;
    redis->was_asked = true;
    redis->is_stale = false;
    /* An error: no cluster, or not allowed to know; MOVED tells then. */
    if (table->type == REDIS_REPLY_ARRAY) {
        redis->is_cluster = true;
        for (size_t i = 0; i < table->elements; i++)
            take_row(redis, server, table->element[i]);
    }
    freeReplyObject(table);
    return true;
}

/* Connected: looked at once in each call. */
static bool
is_there(struct redis *redis, struct server *server, int64_t deadline_ns, struct redis_error *error)
{
    if (server->fd >= 0 && server->checked == redis->calls)
        return true;
    server->checked = redis->calls;
    return server_connect(server, deadline_ns, error);
}

/* The first that can be reached. */
static struct server *
anybody(struct redis *redis, const struct server *but, int64_t deadline_ns,
        struct redis_error *error)
{
    for (size_t i = 0; i < redis->n; i++) {
        struct server *server = redis->server[i];

        if (server != but && is_there(redis, server, deadline_ns, error))
            return server;
    }
    return NULL;
}

/* Asks anybody but `but` for the table, where that may help now. */
static bool
renew_table(struct redis *redis, const struct server *but, int64_t deadline_ns)
{
    int64_t now = redis_now_ns();
    struct server *server;

    if (!redis->is_cluster || now < redis->next_table_ns)
        return false;
    redis->next_table_ns = now + TABLE_PAUSE_NS;
    server = anybody(redis, but, deadline_ns, NULL);
    return server && read_table(redis, server, deadline_ns, NULL);
}

static struct server *
home_of(struct redis *redis, int slot)
{
    uint16_t index = slot < 0 ? NOBODY : redis->slot[slot];

    return index == NOBODY ? NULL : redis->server[index];
}

static bool
know_table(struct redis *redis, int64_t deadline_ns, struct redis_error *error)
{
    struct server *server;

    if (redis->is_stale)
        renew_table(redis, NULL, deadline_ns);
    if (redis->was_asked)
        return true;
    server = anybody(redis, NULL, deadline_ns, error);
    return server && read_table(redis, server, deadline_ns, error);
}

/* A connected server for the slot (-1: any). */
static struct server *
find_server(struct redis *redis, int slot, int64_t deadline_ns, struct redis_error *error)
{
    struct server *server = home_of(redis, slot);

    if (!server)
        return anybody(redis, NULL, deadline_ns, error);
    if (is_there(redis, server, deadline_ns, error))
        return server;
    if (!renew_table(redis, server, deadline_ns) || home_of(redis, slot) == server)
        return NULL;
    server = home_of(redis, slot);
    return server && is_there(redis, server, deadline_ns, error) ? server : NULL;
}

/* ---- Running ------------------------------------------------------------------------------ */

/* "MOVED 3999 127.0.0.1:6381", "ASK 3999 host:port": where it is now. */
static bool
redirect(struct redis *redis, struct way *way, const redisReply *reply)
{
    bool is_ask, is_moved;
    struct place place = way->server->place;
    char *end;
    unsigned long slot;
    uint16_t index;

    if (reply->type != REDIS_REPLY_ERROR)
        return false;
    is_ask = strncmp(reply->str, "ASK ", 4) == 0;
    is_moved = strncmp(reply->str, "MOVED ", 6) == 0;
    if (!is_ask && !is_moved)
        return false;
    slot = strtoul(reply->str + (is_ask ? 4 : 6), &end, 10);
    if (slot >= SLOTS || *end != ' ' || !place_parse(end + 1, strlen(end + 1), 0, &place))
        return false;
    index = add_server(redis, &place);
    if (index == NOBODY)
        return false;
    redis->is_cluster = true;
    redis->asked += is_ask;
    redis->moved += is_moved;
    if (is_moved) {
        redis->slot[slot] = index;
        redis->is_stale = true;
    }
    way->server = redis->server[index];
    way->is_asking = is_ask;
    return true;
}

static bool
send_all(struct redis *redis, const struct redis_command *commands, size_t n, struct way *way,
         int64_t deadline_ns, struct redis_error *error)
{
    static const struct redis_command asking = {.n = 1, .arg = {{"ASKING", 6}}};

    for (size_t i = 0; i < n; i++) {
        struct server *server = way[i].server;

        if (way[i].is_done)
            continue;
        if (!server->owed && !is_there(redis, server, deadline_ns, error))
            return false;
        if (way[i].is_asking)
            server_put(server, &asking);
        server_put(server, &commands[i]);
    }
    for (size_t i = 0; i < n; i++)
        if (!way[i].is_done && !server_push(way[i].server, error))
            return false;
    return true;
}

/* A reply of type error, of a server that is not who it was. */
static bool
is_out_of_date(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && (strncmp(reply->str, "READONLY", 8) == 0 ||
                                                strncmp(reply->str, "CLUSTERDOWN", 11) == 0);
}

static bool
receive(struct redis *redis, struct way *way, redisReply **reply, bool may_redirect,
        int64_t deadline_ns, struct redis_error *error)
{
    if (way->is_asking) { /* the answer to ASKING */
        if (!server_reply(way->server, reply, deadline_ns, error))
            return false;
        freeReplyObject(*reply);
        *reply = NULL;
    }
    if (!server_reply(way->server, reply, deadline_ns, error))
        return false;
    redis->is_stale |= is_out_of_date(*reply);
    way->is_done = !(may_redirect && redirect(redis, way, *reply));
    if (!way->is_done) {
        freeReplyObject(*reply);
        *reply = NULL;
    }
    return true;
}

/* Sends what is not done and reads its replies; *left is what has been redirected. */
static bool
make_round(struct redis *redis, const struct redis_command *commands, size_t n, struct way *way,
           redisReply **reply, bool may_redirect, int64_t deadline_ns, size_t *left,
           struct redis_error *error)
{
    *left = 0;
    if (!send_all(redis, commands, n, way, deadline_ns, error))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (way[i].is_done)
            continue;
        if (!receive(redis, &way[i], &reply[i], may_redirect, deadline_ns, error))
            return false;
        *left += !way[i].is_done;
    }
    return true;
}

/* After a failure. */
static void
give_up(struct redis *redis, size_t n, redisReply **reply)
{
    for (size_t i = 0; i < redis->n; i++)
        server_abandon(redis->server[i]);
    for (size_t i = 0; i < n; i++) {
        freeReplyObject(reply[i]);
        reply[i] = NULL;
    }
}

static int
slot_of(const struct redis_command *command)
{
    const struct redis_arg *key = &command->arg[command->key];

    return command->key ? (int)redis_slot(key->bytes, key->size) : -1;
}

static struct way *
scratch(struct redis *redis, size_t n)
{
    if (redis->n_way < n) {
        redis->way = reallocarray(redis->way, n, sizeof *redis->way);
        if (!redis->way)
            hde_no_memory();
        redis->n_way = n;
    }
    memset(redis->way, 0, n * sizeof *redis->way);
    return redis->way;
}

static int64_t
deadline_of(const struct redis *redis, int64_t timeout_ms)
{
    return redis_now_ns() + (timeout_ms ? timeout_ms : redis->settings.timeout_ms) * 1000000;
}

/* at: everything goes there; NULL: each to the server of its key. */
static bool
run_at(struct redis *redis, struct server *at, const struct redis_command *commands, size_t n,
       redisReply **reply, int64_t deadline_ns, struct redis_error *error)
{
    struct way *way = scratch(redis, n);
    size_t left = n;
    bool good = true;

    memset(reply, 0, n * sizeof *reply);
    redis->calls++;
    good = know_table(redis, deadline_ns, error);
    for (size_t i = 0; i < n && good; i++) {
        way[i].server = at ? at : find_server(redis, slot_of(&commands[i]), deadline_ns, error);
        good = way[i].server != NULL;
    }
    for (unsigned round = 0; good && left; round++)
        good = make_round(redis, commands, n, way, reply, !at && round < REDIRECTS_MAX, deadline_ns,
                          &left, error);
    if (!good)
        give_up(redis, n, reply);
    return good;
}

bool
redis_run(struct redis *redis, const struct redis_command *commands, size_t n, redisReply **reply,
          int64_t timeout_ms, struct redis_error *error)
{
    return run_at(redis, NULL, commands, n, reply, deadline_of(redis, timeout_ms), error);
}

/* A reply that is no error, or NULL. */
static redisReply *
good_reply(redisReply *reply, struct redis_error *error)
{
    if (redis_is_good(reply, error))
        return reply;
    freeReplyObject(reply);
    return NULL;
}

redisReply *
redis_call(struct redis *redis, const struct redis_command *command, int64_t timeout_ms,
           struct redis_error *error)
{
    redisReply *reply;

    return redis_run(redis, command, 1, &reply, timeout_ms, error) ? good_reply(reply, error)
                                                                   : NULL;
}

/* ---- Scan --------------------------------------------------------------------------------- */

/* One server, page by page. */
static bool
scan_server(struct redis *redis, struct server *server, const char *pattern, int64_t timeout_ms,
            bool (*each)(void *user, const redisReply *keys), void *user, struct redis_error *error)
{
    char cursor[24] = "0";
    bool good = true;

    do {
        struct redis_command scan =
            redis_words("SCAN", cursor, "MATCH", pattern, "COUNT", "500", NULL);
        redisReply *page;

        scan.key = 0;
        if (!run_at(redis, server, &scan, 1, &page, deadline_of(redis, timeout_ms), error) ||
            !(page = good_reply(page, error)))
            return false;
        good = page->type == REDIS_REPLY_ARRAY && page->elements == 2 &&
               page->element[0]->type == REDIS_REPLY_STRING &&
               page->element[0]->len < sizeof cursor && page->element[1]->type == REDIS_REPLY_ARRAY;
        if (!good) {
            redis_fail(error, REDIS_TROUBLE_BROKEN, "the answer to SCAN is not one");
        } else {
            memcpy(cursor, page->element[0]->str, page->element[0]->len + 1);
            good = each(user, page->element[1]);
        }
        freeReplyObject(page);
    } while (good && strcmp(cursor, "0") != 0);
    return good;
}

bool
redis_scan(struct redis *redis, const char *pattern, int64_t timeout_ms,
           bool (*each)(void *user, const redisReply *keys), void *user, struct redis_error *error)
{
    bool is_master[SERVERS_MAX] = {false}, good = true;
    struct server *any;

    redis->calls++;
    if (!know_table(redis, deadline_of(redis, timeout_ms), error))
        return false;
    if (!redis->is_cluster) {
        any = anybody(redis, NULL, deadline_of(redis, timeout_ms), error);
        return any && scan_server(redis, any, pattern, timeout_ms, each, user, error);
    }
    for (size_t s = 0; s < SLOTS; s++)
        if (redis->slot[s] != NOBODY)
            is_master[redis->slot[s]] = true;
    for (size_t i = 0; i < SERVERS_MAX && good; i++)
        if (is_master[i])
            good = scan_server(redis, redis->server[i], pattern, timeout_ms, each, user, error);
    return good;
}

/* ---- Scripts ------------------------------------------------------------------------------ */

static bool
share_a_slot(const struct redis_arg *key, size_t n, struct redis_error *error)
{
    for (size_t i = 1; i < n; i++)
        if (redis_slot(key[i].bytes, key[i].size) != redis_slot(key[0].bytes, key[0].size))
            return redis_fail(error, REDIS_TROUBLE_SLOTS,
                              "the keys '%.*s' and '%.*s' of one script are in two slots: give "
                              "them one hash tag, as {feed}:a and {feed}:b",
                              (int)(key[0].size < 64 ? key[0].size : 64),
                              (const char *)key[0].bytes,
                              (int)(key[i].size < 64 ? key[i].size : 64),
                              (const char *)key[i].bytes);
    return true;
}

/* The server names scripts by their SHA-1, and tells it when it gets the text. */
static bool
ask_sha(struct redis *redis, const char *text, char sha[41], int64_t timeout_ms,
        struct redis_error *error)
{
    struct redis_command load = redis_words("SCRIPT", "LOAD", text, NULL);
    redisReply *reply;
    bool good;

    load.key = 0;
    reply = redis_call(redis, &load, timeout_ms, error);
    if (!reply)
        return false;
    good = reply->type == REDIS_REPLY_STRING && reply->len == 40;
    if (good)
        memcpy(sha, reply->str, 41);
    else
        redis_fail(error, REDIS_TROUBLE_BROKEN, "the answer to SCRIPT LOAD is not one");
    freeReplyObject(reply);
    return good;
}

static const struct script *
find_script(struct redis *redis, const char *text, int64_t timeout_ms, struct redis_error *error)
{
    struct script fresh = {.text = text};

    for (size_t i = 0; i < redis->n_scripts; i++)
        if (redis->script[i].text == text)
            return &redis->script[i];
    if (!ask_sha(redis, text, fresh.sha, timeout_ms, error))
        return NULL;
    redis->script = reallocarray(redis->script, redis->n_scripts + 1, sizeof *redis->script);
    if (!redis->script)
        hde_no_memory();
    redis->script[redis->n_scripts] = fresh;
    return &redis->script[redis->n_scripts++];
}

redisReply *
redis_eval(struct redis *redis, const char *text, size_t n_keys, const struct redis_arg *arg,
           size_t n_args, int64_t timeout_ms, struct redis_error *error)
{
    struct redis_command command = redis_words("EVALSHA", NULL);
    const struct script *script;
    char count[24];
    redisReply *reply;

    if (!share_a_slot(arg, n_keys, error) ||
        !(script = find_script(redis, text, timeout_ms, error)))
        return NULL;
    snprintf(count, sizeof count, "%zu", n_keys);
    redis_add(&command, script->sha, 40);
    redis_add(&command, count, strlen(count));
    for (size_t i = 0; i < n_args; i++)
        redis_add(&command, arg[i].bytes, arg[i].size);
    command.key = 3;
    if (!redis_run(redis, &command, 1, &reply, timeout_ms, error))
        return NULL;
    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOSCRIPT", 8) == 0) {
        freeReplyObject(reply);
        command.arg[0] = (struct redis_arg){"EVAL", 4};
        command.arg[1] = (struct redis_arg){text, strlen(text)};
        return redis_call(redis, &command, timeout_ms, error);
    }
    return good_reply(reply, error);
}
