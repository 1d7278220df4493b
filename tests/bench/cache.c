/* SPDX-License-Identifier: Apache-2.0
 * cache - hde bench cache: a hit in memory against a bare table of pointers, a hit in Redis against
 * a bare GET of hiredis. Sides alternate; medians of rounds. */
#include <connectors/cache.h>

#include <hiredis.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 101, KEYS = 1024, LOOKUPS = 200000, GETS = 4000, VALUE = 2048 };
enum { HIT, TABLE, REDIS_HIT, BARE, SIDES };

static char keys[KEYS][24], value[VALUE];
static double ns[SIDES][ROUNDS_MAX]; /* of one operation */
static volatile size_t sink;

static double
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int
by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
median(double *list, int n)
{
    qsort(list, (size_t)n, sizeof *list, by_size);
    return list[n / 2];
}

/* ---- A bare table: open addresses, FNV-1a, one thread ------------------------------------- */

static struct {
    const char *key, *value;
} table[4 * KEYS];

static size_t
place(const char *key)
{
    uint64_t hash = 0xcbf29ce484222325u;
    size_t at;

    for (const char *s = key; *s; s++)
        hash = (hash ^ (unsigned char)*s) * 0x100000001b3u;
    for (at = hash % (4 * KEYS); table[at].key && strcmp(table[at].key, key) != 0;)
        at = (at + 1) % (4 * KEYS);
    return at;
}

/* ---- Sides -------------------------------------------------------------------------------- */

static bool
never(void *user, hde_text *out, char *error)
{
    fprintf(stderr, "hde bench cache: a value was not found\n");
    exit(1);
}

static double
take_hits(struct cache *cache, int n)
{
    char error[256];
    double begin = now_ns();

    for (int i = 0; i < n; i++) {
        const struct cache_value *found =
            cached(cache, keys[i % KEYS], 3600000, never, NULL, error);

        sink += found->size;
        cache_drop(found);
    }
    return (now_ns() - begin) / n;
}

static double
take_table(void)
{
    double begin = now_ns();

    for (int i = 0; i < LOOKUPS; i++)
        sink += (size_t)table[place(keys[i % KEYS])].value[0];
    return (now_ns() - begin) / LOOKUPS;
}

static double
take_bare(redisContext *context)
{
    double begin = now_ns();

    for (int i = 0; i < GETS; i++) {
        redisReply *reply = redisCommand(context, "GET bench:%s", keys[i % KEYS]);

        sink += reply->len;
        freeReplyObject(reply);
    }
    return (now_ns() - begin) / GETS;
}

/* ---- Redis of our own --------------------------------------------------------------------- */

static pid_t
start_redis(const char *folder, const char *path)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
               "--dir", folder, "--logfile", "log", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static redisContext *
wait_for_redis(const char *path, pid_t pid)
{
    double end = now_ns() + 20e9;

    while (now_ns() < end) {
        redisContext *context = redisConnectUnix(path);
        redisReply *reply = context && !context->err ? redisCommand(context, "PING") : NULL;

        if (reply) {
            freeReplyObject(reply);
            return context;
        }
        redisFree(context);
        if (waitpid(pid, NULL, WNOHANG) == pid)
            break;
        poll(NULL, 0, 2);
    }
    return NULL;
}

static void
fill(struct cache *memory, struct cache *shared, redisContext *context)
{
    memset(value, 'v', sizeof value);
    for (int i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "nse:NIFTY:%d", i);
        table[place(keys[i])].value = value;
        table[place(keys[i])].key = keys[i];
        cache_set(memory, keys[i], value, sizeof value, 3600000);
        cache_set(shared, keys[i], value, sizeof value, 3600000);
        freeReplyObject(redisCommand(context, "SET bench:%s %b", keys[i], value, sizeof value));
    }
}

static void
measure(struct cache *memory, struct cache *shared, redisContext *context, int rounds)
{
    for (int r = 0; r < rounds; r++) {
        ns[HIT][r] = take_hits(memory, LOOKUPS);
        ns[TABLE][r] = take_table();
        ns[REDIS_HIT][r] = take_hits(shared, GETS);
        ns[BARE][r] = take_bare(context);
    }
}

static void
print(int rounds, bool json)
{
    double m[SIDES];

    for (int s = 0; s < SIDES; s++)
        m[s] = median(ns[s], rounds);
    printf(json ? "{\"l1_hit_ns\":%.1f,\"table_ns\":%.1f,\"l1_ratio\":%.2f,"
                : "hit in memory (any thread, counted): %.1f ns; bare table: %.1f ns; %.2f times\n",
           m[HIT], m[TABLE], m[HIT] / m[TABLE]);
    printf(json ? "\"l2_hit_ns\":%.0f,\"get_ns\":%.0f,\"l2_ratio\":%.2f}\n"
                : "hit in Redis (2 KiB, checked): %.0f ns; GET by hiredis: %.0f ns; %.2f times\n",
           m[REDIS_HIT], m[BARE], m[REDIS_HIT] / m[BARE]);
}

static const char usage[] =
    "usage: hde bench cache [-- [--rounds N] [--json]]\n"
    "What cached() costs where it finds the value: in memory against a bare table, in Redis\n"
    "against a bare GET. Starts a redis-server of its own.\n";

int
main(int argc, char **argv)
{
    char folder[] = "/tmp/hde-bench-cache-XXXXXX", path[64], url[80], error[256], remove[96];
    struct cache_options alone = {.bytes = 64u << 20};
    struct cache_options over = {.redis = url, .value_max = 1 << 20, .timeout_ms = 5000};
    struct cache *memory, *shared;
    redisContext *context;
    bool json = false;
    int rounds = 21;
    pid_t pid;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0) {
            rounds = atoi(argv[++i]);
            rounds = rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX;
        } else if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else {
            bool help = strcmp(argv[i], "--help") == 0;

            fputs(usage, help ? stdout : stderr);
            return help ? 0 : 64;
        }
    }
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/socket", folder);
    snprintf(url, sizeof url, "unix://%s", path);
    snprintf(remove, sizeof remove, "rm -rf '%s'", folder);
    pid = start_redis(folder, path);
    context = wait_for_redis(path, pid);
    if (!context) {
        fprintf(stderr, "hde bench cache: redis-server does not start: is it installed?\n");
        return 1;
    }
    /* Too small for a value: every hit of `shared` comes from Redis. */
    over.bytes = 8 * 512;
    memory = cache_new(&alone, error);
    shared = cache_new(&over, error);
    fill(memory, shared, context);
    measure(memory, shared, context, rounds);
    print(rounds, json);
    cache_free(memory);
    cache_free(shared);
    redisFree(context);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return system(remove) == 0 ? 0 : 1;
}
