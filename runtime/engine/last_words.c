/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/last_words.h"

#include "engine/swap.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { STACK = 64 * 1024, LINE = 768, STORES = 64 };

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
static _Atomic bool is_armed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* writers of: */
static struct {
    const struct engine *_Atomic engine; /* NULL: free */
    char path[PATH_MAX];
} stores[STORES];
static _Thread_local const struct worker *mine;
static _Thread_local void *alternate;
static _Thread_local const struct node *opening;
static _Thread_local const char *opening_build;

/* ---- Text, without anything that a signal handler must not call ---------------------------- */

struct line {
    size_t len;
    char text[LINE];
};

static void
put(struct line *line, const char *text)
{
    for (; text && *text && line->len < LINE; text++)
        line->text[line->len++] = *text;
}

static void
put_number(struct line *line, uint64_t number)
{
    char digits[24];
    size_t n = sizeof digits;

    digits[--n] = 0;
    do
        digits[--n] = (char)('0' + number % 10);
    while (number /= 10);
    put(line, digits + n);
}

static const char *
name_of(int signo)
{
    switch (signo) {
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGFPE:
        return "SIGFPE";
    case SIGILL:
        return "SIGILL";
    default:
        return "SIGABRT";
    }
}

static void
write_all(int fd, const struct line *line)
{
    size_t at = 0;
    ssize_t n;

    while (at < line->len && (n = write(fd, line->text + at, line->len - at)) > 0)
        at += (size_t)n;
}

/* ---- The handler -------------------------------------------------------------------------- */

/* The node whose function this thread was in; NULL: none. */
static const struct node *
node_at_work(void)
{
    uint32_t id = mine ? (uint32_t)STAT_GET(mine->stats->node) : 0;

    if (opening)
        return opening;
    return id && id <= mine->engine->n_nodes ? mine->engine->nodes[id - 1] : NULL;
}

static const char *
build_at_work(const struct node *node)
{
    const char *build = opening ? opening_build : node ? node_build(node) : "";

    return *build ? build : "-";
}

static void
put_message(struct line *line, const struct node *node)
{
    const hde_batch *in = node->ctx.in;

    put(line, " tick ");
    put_number(line, node->actor->tick);
    if (!in)
        return;
    put(line, ", port '");
    put(line, node->ctx.op->inputs[in->port].name);
    put(line, "', message ");
    put_number(line, in->done + 1);
    put(line, " of ");
    put_number(line, in->n);
    if (in->done < in->n && in->msg[in->done]) {
        put(line, " (");
        put(line, in->msg[in->done]->body->descriptor->name);
        put(line, ")");
    }
}

static void
say(const struct node *node, int signo)
{
    struct line line = {0};

    put(&line, "hde: ");
    put(&line, name_of(signo));
    if (node) {
        put(&line, " in node '");
        put(&line, node->def->name);
        put(&line, "' (");
        put(&line, node->ctx.op->name);
        put(&line, ", build ");
        put(&line, build_at_work(node));
        put(&line, opening ? "), open()" : node->ctx.in ? "), batch():" : "):");
        if (!opening)
            put_message(&line, node);
    } else {
        put(&line, " outside of any operator");
    }
    put(&line, "\n");
    write_all(STDERR_FILENO, &line);
}

/* SIGNAL TICK TIME NODE BUILD, "-" for what is not known */
static void
write_note(const char *path, const struct line *line)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0)
        return;
    write_all(fd, line);
    close(fd);
}

static void
leave_notes(const struct node *node, int signo)
{
    const struct engine *engine = node ? node->engine : mine ? mine->engine : NULL;
    struct line line = {0};
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    put(&line, name_of(signo));
    put(&line, " ");
    put_number(&line, node ? node->actor->tick : 0);
    put(&line, " ");
    put_number(&line, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    put(&line, " ");
    put(&line, node ? node->def->name : "-");
    put(&line, " ");
    put(&line, build_at_work(node));
    put(&line, "\n");
    for (size_t i = 0; i < STORES; i++) {
        const struct engine *owner = atomic_load(&stores[i].engine);

        if (owner && (!engine || owner == engine))
            write_note(stores[i].path, &line);
    }
}

/* One thread speaks. The disposition is the default one by now (SA_RESETHAND). */
static void
handle(int signo)
{
    if (atomic_exchange(&is_armed, false)) {
        const struct node *node = node_at_work();

        say(node, signo);
        leave_notes(node, signo);
    }
    raise(signo);
}

/* ---- Arming ------------------------------------------------------------------------------- */

void
last_words_arm(void)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK | SA_RESETHAND};

    atomic_store(&is_armed, true);
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
}

void
last_words_disarm(void)
{
    atomic_store(&is_armed, false);
}

void
last_words_note(const struct engine *engine, const char *folder)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < STORES; i++) {
        const struct engine *owner = atomic_load(&stores[i].engine);

        if (folder ? owner != NULL : owner != engine)
            continue;
        if (folder)
            snprintf(stores[i].path, sizeof stores[i].path, "%s/crashed", folder);
        atomic_store(&stores[i].engine, folder ? engine : NULL);
        break;
    }
    pthread_mutex_unlock(&lock);
}

void
last_words_opening(const struct node *node, const char *build)
{
    opening = node;
    opening_build = build;
}

void
last_words_begin_thread(const struct worker *worker)
{
    stack_t stack = {.ss_size = STACK};

    mine = worker;
    stack.ss_sp = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp == MAP_FAILED)
        return;
    alternate = stack.ss_sp;
    sigaltstack(&stack, NULL);
}

void
last_words_end_thread(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};

    mine = NULL;
    if (!alternate)
        return;
    sigaltstack(&none, NULL);
    munmap(alternate, STACK);
    alternate = NULL;
}

/* ---- The note ----------------------------------------------------------------------------- */

bool
crash_note_read(const char *folder, struct crash_note *out)
{
    unsigned long long tick = 0;
    long long time_ns = 0;
    char path[PATH_MAX];
    FILE *file;
    bool ok;

    *out = (struct crash_note){0};
    snprintf(path, sizeof path, "%s/crashed", folder);
    file = fopen(path, "re");
    if (!file)
        return false;
    ok = fscanf(file, "%15s %llu %lld %127s %79s", out->signal, &tick, &time_ns, out->node,
                out->build) == 5;
    fclose(file);
    out->tick = tick;
    out->time_ns = time_ns;
    return ok;
}

void
crash_note_remove(const char *folder)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/crashed", folder);
    unlink(path);
}
