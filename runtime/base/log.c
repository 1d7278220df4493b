/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/arena.h"
#include "base/clock.h"

#include <hde/text.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FOLDS = 512, /* pairs that are remembered; when all are busy, lines are written unfolded */
    SECRET_MIN = 4,
};
static const int64_t fold_ns = 10 * (int64_t)NS_PER_S;

/* What was seen of one (node, event). */
struct fold {
    char *graph, *node, *event; /* owned; event NULL: the entry is free */
    enum level level;
    int64_t since_ns; /* when the last line was written */
    uint64_t more;    /* not written since */
    char text[200];   /* of the last one of these */
};

static struct {
    pthread_mutex_t lock; /* guards everything here; log lines are a cold path */
    enum log_format format;
    _Atomic int level;
    log_sink *sink;
    void *sink_arg;
    int64_t (*now_ns)(void);
    struct fold folds[FOLDS];
    char **secrets;
    size_t n_secrets;
    hde_text line, text;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LEVEL_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

const char *
log_level_name(enum level level)
{
    return level_names[level <= LEVEL_ERROR ? level : LEVEL_ERROR];
}

bool
log_level_parse(const char *name, enum level *level)
{
    for (unsigned i = 0; i <= LEVEL_ERROR; i++) {
        if (!strcmp(name, level_names[i]))
            return *level = (enum level)i, true;
    }
    return false;
}

/* ---- Secrets ------------------------------------------------------------------------------ */

void
log_hide(const char *secret)
{
    if (!secret || strlen(secret) < SECRET_MIN)
        return;
    pthread_mutex_lock(&state.lock);
    for (size_t i = 0; i < state.n_secrets; i++) {
        if (!strcmp(state.secrets[i], secret)) {
            pthread_mutex_unlock(&state.lock);
            return;
        }
    }
    state.secrets = xrealloc(state.secrets, (state.n_secrets + 1) * sizeof *state.secrets);
    state.secrets[state.n_secrets++] = xstrdup(secret);
    pthread_mutex_unlock(&state.lock);
}

static void
redact(char *text)
{
    for (size_t i = 0; i < state.n_secrets; i++) {
        size_t len = strlen(state.secrets[i]);

        for (char *at = text; (at = strstr(at, state.secrets[i])); at += 3) {
            memcpy(at, "***", 3);
            memmove(at + 3, at + len, strlen(at + len) + 1);
        }
    }
}

void
log_redact(char *text)
{
    pthread_mutex_lock(&state.lock);
    redact(text);
    pthread_mutex_unlock(&state.lock);
}

/* ---- Lines -------------------------------------------------------------------------------- */

static bool
is_plain(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++) {
        if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' || *s == 0x7f)
            return false;
    }
    return true;
}

static void
put_pair(hde_text *line, const char *key, const char *value)
{
    if (!value)
        return;
    if (state.format == LOG_JSON) {
        hde_text_puts(line, line->len ? "," : "{");
        hde_json_string(line, key);
        hde_text_puts(line, ":");
        hde_json_string(line, value);
        return;
    }
    hde_text_printf(line, "%s%s=", line->len ? " " : "", key);
    if (is_plain(value))
        hde_text_puts(line, value);
    else
        hde_json_string(line, value);
}

static void
put_time(hde_text *line, int64_t ns)
{
    hde_text_puts(line, state.format == LOG_JSON ? "{\"ts\":" : "ts=");
    hde_json_time(line, ns - ns % NS_PER_MS);
    if (state.format == LOG_LOGFMT) { /* the quotes are not needed */
        memmove(line->data + 3, line->data + 4, line->len - 4);
        line->len -= 2;
        line->data[line->len] = 0;
    }
}

static void
write_line(int64_t now, enum level level, const char *graph, const char *node, const char *event,
           const char *text)
{
    hde_text *line = &state.line;

    hde_text_clear(line);
    put_time(line, now);
    put_pair(line, "level", log_level_name(level));
    put_pair(line, "graph", graph);
    put_pair(line, "node", node);
    put_pair(line, "event", event);
    put_pair(line, "text", text);
    if (state.format == LOG_JSON)
        hde_text_puts(line, "}");
    if (state.sink) {
        state.sink(state.sink_arg, line->data, line->len);
        return;
    }
    hde_text_puts(line, "\n");
    /* One write a line, so that lines of several processes do not mix. */
    for (size_t at = 0; at < line->len;) {
        ssize_t n = write(STDERR_FILENO, line->data + at, line->len - at);

        if (n <= 0)
            return; /* nobody reads: a log must not stop the engine */
        at += (size_t)n;
    }
}

/* ---- Folding ------------------------------------------------------------------------------ */

static void
fold_write(struct fold *fold, int64_t now)
{
    int64_t seconds = (now - fold->since_ns + NS_PER_S / 2) / NS_PER_S;

    hde_text_clear(&state.text);
    hde_text_printf(&state.text, "%s (seen %llu more times in %lld s)", fold->text,
                    (unsigned long long)fold->more, (long long)seconds);
    fold->more = 0;
    write_line(now, fold->level, fold->graph, fold->node, fold->event, state.text.data);
}

static void
fold_free(struct fold *fold)
{
    free(fold->graph);
    free(fold->node);
    free(fold->event);
    memset(fold, 0, sizeof *fold);
}

static bool
same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static uint32_t
hash(const char *text, uint32_t h)
{
    for (; text && *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

/* The entry of a pair; a free or outdated one of its neighbourhood if it has none; else NULL. */
static struct fold *
fold_find(const char *graph, const char *node, const char *event, int64_t now)
{
    uint32_t at = hash(event, hash(node, hash(graph, 2166136261u)));
    struct fold *room = NULL;

    for (uint32_t i = 0; i < 16; i++) {
        struct fold *fold = &state.folds[(at + i) % FOLDS];

        if (fold->event && same(fold->event, event) && same(fold->node, node) &&
            same(fold->graph, graph))
            return fold;
        if (!room && (!fold->event || (!fold->more && now - fold->since_ns >= fold_ns)))
            room = fold;
    }
    if (!room)
        return NULL;
    fold_free(room);
    room->graph = graph ? xstrdup(graph) : NULL;
    room->node = node ? xstrdup(node) : NULL;
    room->event = xstrdup(event);
    room->since_ns = now - fold_ns;
    return room;
}

static void
write_folds(int64_t now, bool all)
{
    for (unsigned i = 0; i < FOLDS; i++) {
        struct fold *fold = &state.folds[i];

        if (fold->more && (all || now - fold->since_ns >= fold_ns)) {
            fold_write(fold, now);
            fold->since_ns = now;
        }
    }
}

static int64_t
read_clock(void)
{
    return state.now_ns ? state.now_ns() : clock_real_ns();
}

void
log_tick(void)
{
    pthread_mutex_lock(&state.lock);
    write_folds(read_clock(), false);
    pthread_mutex_unlock(&state.lock);
}

void
log_flush(void)
{
    pthread_mutex_lock(&state.lock);
    write_folds(read_clock(), true);
    for (unsigned i = 0; i < FOLDS; i++)
        fold_free(&state.folds[i]);
    pthread_mutex_unlock(&state.lock);
}

void
log_linev(enum level level, const char *graph, const char *node, const char *event, const char *fmt,
          va_list args)
{
    struct fold *fold;
    char text[1000];
    int64_t now;

    if (!node && (int)level < atomic_load_explicit(&state.level, memory_order_relaxed))
        return;
    vsnprintf(text, sizeof text, fmt, args);
    pthread_mutex_lock(&state.lock);
    redact(text);
    now = read_clock();
    fold = fold_find(graph, node, event, now);
    if (fold && now - fold->since_ns < fold_ns && now >= fold->since_ns) {
        fold->more++;
        fold->level = level;
        snprintf(fold->text, sizeof fold->text, "%.199s", text);
    } else {
        if (fold && fold->more)
            fold_write(fold, now);
        if (fold)
            fold->since_ns = now;
        write_line(now, level, graph, node, event, text);
    }
    pthread_mutex_unlock(&state.lock);
}

void
log_line(enum level level, const char *graph, const char *node, const char *event, const char *fmt,
         ...)
{
    va_list args;

    va_start(args, fmt);
    log_linev(level, graph, node, event, fmt, args);
    va_end(args);
}

/* ---- Settings ----------------------------------------------------------------------------- */

void
log_set_format(enum log_format format)
{
    pthread_mutex_lock(&state.lock);
    state.format = format;
    pthread_mutex_unlock(&state.lock);
}

void
log_set_level(enum level level)
{
    atomic_store_explicit(&state.level, (int)level, memory_order_relaxed);
}

void
log_set_sink(log_sink *sink, void *arg)
{
    pthread_mutex_lock(&state.lock);
    state.sink = sink;
    state.sink_arg = arg;
    pthread_mutex_unlock(&state.lock);
}

void
log_set_clock(int64_t (*now_ns)(void))
{
    pthread_mutex_lock(&state.lock);
    state.now_ns = now_ns;
    pthread_mutex_unlock(&state.lock);
}
