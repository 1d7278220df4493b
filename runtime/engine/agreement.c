/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/agreement.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/whole.h"

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { DECISIONS = 64 }; /* that are kept: nobody asks for an older one any more */
static const int64_t look_ns = 500 * NS_PER_MS; /* without a word: the coordinator is asked */
static const int64_t fate_ns = NS_PER_S, abort_ns = NS_PER_S;
static const char magic[WHOLE_MAGIC] = {'H', 'D', 'E', 'D', 'C', 'I', 'D', '1'};

struct share {
    struct share *next;
    Hde__ControlShare *said;
    struct net_question *question; /* of PREPARE or COMMIT; NULL: it has its answer */
    enum word word;
};

struct agreement {
    struct net *net;
    const struct graph *graph;
    char *store, *path; /* of the decisions; NULL: they are kept in memory alone */
    agreement_prepare_with *prepare;
    void *arg;
    pthread_mutex_t lock; /* all below, and what is in shares */
    pthread_cond_t changed;
    bool is_stopping;
    struct share *shares;
    uint64_t open; /* the change that is led and not decided; 0: none */
    bool *whom;    /* hosts that take part in the last one that was led; the leading thread's */
    size_t n_decided;
    uint64_t decided[DECISIONS]; /* that are made; the newest is the last */
};

/* ---- Decisions ---------------------------------------------------------------------------- */

/* The newest is the last. */
static size_t
read_decisions(const char *path, uint64_t out[DECISIONS])
{
    size_t size = 0, n;
    uint64_t *bytes = path ? (uint64_t *)(void *)whole_read(path, magic, &size) : NULL;

    n = bytes && size / sizeof *bytes <= DECISIONS ? size / sizeof *bytes : 0;
    for (size_t i = 0; i < n; i++)
        out[i] = le64toh(bytes[i]);
    free(bytes);
    return n;
}

/* All that are kept when that change is decided too. Gives how many. */
static size_t
with_change(const struct agreement *self, uint64_t change, uint64_t out[DECISIONS])
{
    size_t kept = self->n_decided < DECISIONS ? self->n_decided : DECISIONS - 1;

    memmove(out, self->decided + self->n_decided - kept, kept * sizeof *out);
    out[kept++] = change;
    return kept;
}

static bool
cannot_keep(const struct agreement *self, struct err *err)
{
    return err_set(err, "HDE-R214", "'%s' cannot be written: %s", self->path, strerror(errno));
}

/* (3) */
static bool
draft_decision(const struct agreement *self, uint64_t change, struct err *err)
{
    uint64_t bytes[DECISIONS];
    size_t n = with_change(self, change, bytes);

    for (size_t i = 0; i < n; i++)
        bytes[i] = htole64(bytes[i]);
    return !self->path || whole_draft(self->path, magic, bytes, n * sizeof *bytes) ||
           cannot_keep(self, err);
}

/* The draft is gone, and its folder is not. */
static bool
is_replaced(const struct agreement *self)
{
    return errno == ENOENT && access(self->store, F_OK) == 0;
}

/* (1) */
bool
agreement_decide(struct agreement *self, struct err *err)
{
    bool ok;

    fault_point(FAULT_DECISION);
    ok = !self->path || whole_commit(self->path);
    fault_point(FAULT_DECISION);
    if (!ok)
        return is_replaced(self)
                   ? err_set(err, "HDE-R311",
                             "another host has taken the place of '%s', which was said to be lost",
                             agreement_leader(self))
                   : cannot_keep(self, err);
    pthread_mutex_lock(&self->lock);
    self->n_decided = with_change(self, self->open, self->decided);
    self->open = 0;
    pthread_mutex_unlock(&self->lock);
    return true;
}

/* With the lock held. */
static Hde__Fate
fate_of(const struct agreement *self, uint64_t change)
{
    if (change && change == self->open)
        return HDE__FATE__FATE_OPEN;
    for (size_t i = 0; i < self->n_decided; i++)
        if (self->decided[i] == change)
            return HDE__FATE__FATE_COMMIT;
    return HDE__FATE__FATE_ABORT;
}

/* ---- Life --------------------------------------------------------------------------------- */

static char *
path_of(const char *store)
{
    return xprintf("%s/decisions", store);
}

struct agreement *
agreement_new(struct net *net, const struct graph *graph, const char *store,
              agreement_prepare_with *prepare, void *arg)
{
    struct agreement *self = xcalloc(1, sizeof *self);

    self->net = net;
    self->graph = graph;
    self->prepare = prepare;
    self->arg = arg;
    if (store) {
        self->store = xstrdup(store);
        self->path = path_of(store);
    }
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->n_decided = read_decisions(self->path, self->decided);
    return self;
}

void
agreement_stop(struct agreement *self)
{
    pthread_mutex_lock(&self->lock);
    self->is_stopping = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

void
agreement_free(struct agreement *self)
{
    if (!self)
        return;
    while (self->shares) /* whose turn never came */
        share_free(self, self->shares);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self->whom);
    free(self->store);
    free(self->path);
    free(self);
}

bool
agreement_leads(const struct agreement *self)
{
    return self->graph->host == self->graph->coordinator;
}

const char *
agreement_leader(const struct agreement *self)
{
    return self->graph->hosts[self->graph->coordinator].name;
}

/* ---- The coordinator ---------------------------------------------------------------------- */

static uint64_t
new_number(void)
{
    uint64_t number = 0;

    while (!number)
        if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
            number = 0;
    return number;
}

static void
set_open(struct agreement *self, uint64_t change)
{
    pthread_mutex_lock(&self->lock);
    self->open = change;
    pthread_mutex_unlock(&self->lock);
}

static bool
tell_all(struct agreement *self, Hde__ControlShare *share, Hde__ShareStep step, int64_t timeout_ns,
         struct host_replies *out)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;

    share->has_change = share->has_step = true;
    share->step = step;
    share->coordinator = (char *)(uintptr_t)agreement_leader(self);
    request.ask_case = HDE__CONTROL_REQUEST__ASK_SHARE;
    request.share = share;
    return ask_hosts(self->net, self->graph, self->whom, &request, timeout_ns, out);
}

bool
agreement_prepare(struct agreement *self, Hde__ControlShare *share, int64_t timeout_ns,
                  struct host_replies *out, struct err *err)
{
    bool plans_only = share->apply && share->apply->plan_only;

    *out = (struct host_replies){0};
    free(self->whom);
    self->whom = hosts_taking_part(self->net, self->graph);
    share->change = new_number();
    set_open(self, plans_only ? 0 : share->change);
    if (!plans_only && !draft_decision(self, share->change, err))
        return false;
    if (tell_all(self, share, HDE__SHARE_STEP__SHARE_STEP_PREPARE, timeout_ns, out))
        return true;
    for (size_t i = 0; i < out->n; i++)
        if (out->of[i].is_unheard)
            return err_set(err, "HDE-R211", "%s: a change is made by all hosts or by none",
                           out->of[i].err.text);
    host_replies_refusal(out, err);
    return false;
}

void
agreement_commit(struct agreement *self, int64_t timeout_ns, struct host_replies *out)
{
    Hde__ControlShare share = HDE__CONTROL_SHARE__INIT;

    share.change = self->decided[self->n_decided - 1];
    tell_all(self, &share, HDE__SHARE_STEP__SHARE_STEP_COMMIT, timeout_ns, out);
}

void
agreement_abort(struct agreement *self)
{
    Hde__ControlShare share = HDE__CONTROL_SHARE__INIT;
    struct host_replies replies;

    share.change = self->open;
    set_open(self, 0);
    if (self->path)
        whole_revoke(self->path);
    tell_all(self, &share, HDE__SHARE_STEP__SHARE_STEP_ABORT, abort_ns, &replies);
    host_replies_fini(&replies); /* who has not heard it asks */
}

/* ---- Another host ------------------------------------------------------------------------- */

const Hde__ControlShare *
share_said(const struct share *share)
{
    return share->said;
}

static struct net_question *
take_question(struct agreement *self, struct share *share)
{
    struct net_question *question;

    pthread_mutex_lock(&self->lock);
    question = share->question;
    share->question = NULL;
    pthread_mutex_unlock(&self->lock);
    return question;
}

void
agreement_ready(struct agreement *self, struct share *share)
{
    fault_point(FAULT_READY);
    agreement_answer(self, share, NULL);
    fault_point(FAULT_READY);
}

void
agreement_answer(struct agreement *self, struct share *share, const struct err *refusal)
{
    struct net_question *question = take_question(self, share);

    if (question)
        answer_host_with(question, refusal);
}

/* NONE: it is not decided, or, with *is_heard false, nobody knows. */
static enum word
ask_fate(struct agreement *self, const struct share *share, bool *is_heard)
{
    static const enum word words[] = {WORD_NONE, WORD_NONE, WORD_COMMIT, WORD_ABORT};
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlShare ask = HDE__CONTROL_SHARE__INIT;
    struct host_reply reply;
    enum word word = WORD_NONE;

    ask.has_change = ask.has_step = true;
    ask.change = share->said->change;
    ask.step = HDE__SHARE_STEP__SHARE_STEP_FATE;
    request.ask_case = HDE__CONTROL_REQUEST__ASK_SHARE;
    request.share = &ask;
    ask_host(self->net, agreement_leader(self), &request, fate_ns, &reply);
    *is_heard = reply.reply && reply.reply->answer_case == HDE__CONTROL_REPLY__ANSWER_FATE &&
                (size_t)reply.reply->fate->fate < sizeof words / sizeof *words;
    if (*is_heard)
        word = words[reply.reply->fate->fate];
    host_reply_fini(&reply);
    return word;
}

/* With the lock held: until there is a word, the end has come, or a moment is over. */
static void
wait_a_moment(struct agreement *self, const struct share *share)
{
    int64_t at_ns = clock_real_ns() + look_ns;
    struct timespec at = {at_ns / NS_PER_S, at_ns % NS_PER_S};

    while (share->word == WORD_NONE && !self->is_stopping)
        if (pthread_cond_timedwait(&self->changed, &self->lock, &at))
            return;
}

/* (2) */
static enum word
hear(struct agreement *self, struct share *share, bool is_patient)
{
    enum word word;
    bool is_heard = true, is_stopping;

    do {
        pthread_mutex_lock(&self->lock);
        wait_a_moment(self, share);
        word = share->word;
        is_stopping = self->is_stopping;
        pthread_mutex_unlock(&self->lock);
        if (word == WORD_NONE && !is_stopping)
            word = ask_fate(self, share, &is_heard);
    } while (word == WORD_NONE && !is_stopping && (is_heard || is_patient));
    return word == WORD_NONE && !is_stopping ? WORD_LOST : word;
}

enum word
agreement_word(struct agreement *self, struct share *share)
{
    return hear(self, share, false);
}

enum word
agreement_fate(struct agreement *self, struct share *share)
{
    return hear(self, share, true);
}

void
agreement_report(struct agreement *self, struct share *share, const Hde__GraphChange *report)
{
    struct net_question *question = take_question(self, share);
    Hde__ControlReply reply = HDE__CONTROL_REPLY__INIT;
    Hde__EngineChanges changes = HDE__ENGINE_CHANGES__INIT;
    Hde__GraphChange *one = (Hde__GraphChange *)(uintptr_t)report;

    if (!question)
        return;
    changes.n_changes = 1;
    changes.changes = &one;
    reply.answer_case = HDE__CONTROL_REPLY__ANSWER_CHANGES;
    reply.changes = &changes;
    answer_host(question, &reply);
}

void
share_free(struct agreement *self, struct share *share)
{
    struct share **at = &self->shares;
    struct err err = {0};

    err_set(&err, "HDE-R054", "the graph ended while it was changed");
    agreement_answer(self, share, &err);
    pthread_mutex_lock(&self->lock);
    while (*at != share)
        at = &(*at)->next;
    *at = share->next;
    pthread_mutex_unlock(&self->lock);
    hde__control_share__free_unpacked(share->said, NULL);
    free(share);
}

/* With the lock held: nothing is decided there behind this. (3) */
static bool
end_doubts(struct agreement *self, const char *path, struct err *err)
{
    uint64_t decided[DECISIONS];
    size_t n;

    if (!whole_revoke(path))
        return err_set(err, "HDE-R014", "%s cannot be written: %s", path, strerror(errno));
    n = read_decisions(path, decided);
    for (struct share *share = self->shares; share; share = share->next) {
        if (share->word == WORD_NONE)
            share->word = WORD_ABORT;
        for (size_t i = 0; i < n; i++)
            if (decided[i] == share->said->change)
                share->word = WORD_COMMIT;
    }
    pthread_cond_broadcast(&self->changed);
    return true;
}

bool
agreement_end_doubts(struct agreement *self, const char *store, struct err *err)
{
    char *path = store ? path_of(store) : NULL;
    bool is_any, ok;

    pthread_mutex_lock(&self->lock);
    is_any = self->shares != NULL;
    ok = !is_any || !path || end_doubts(self, path, err);
    pthread_mutex_unlock(&self->lock);
    free(path);
    if (ok && is_any)
        ok = err_set(err, "HDE-R238",
                     "a change that '%s' led is in doubt here: its store tells what was decided%s",
                     agreement_leader(self),
                     store ? "; ask again in some seconds" : ", when this is applied");
    return ok;
}

/* ---- Asked -------------------------------------------------------------------------------- */

static Hde__ControlShare *
copy(const Hde__ControlShare *said)
{
    size_t size = hde__control_share__get_packed_size(said);
    uint8_t *bytes = xmalloc(size + 1);
    Hde__ControlShare *copied;

    hde__control_share__pack(said, bytes);
    copied = hde__control_share__unpack(NULL, size, bytes);
    free(bytes);
    return copied;
}

static void
prepare(struct agreement *self, const Hde__ControlShare *said, struct net_question *taken)
{
    struct err err = {0};
    struct share *share;

    if (agreement_leads(self) || strcmp(said->coordinator, agreement_leader(self)) != 0) {
        err_set(&err, "HDE-R212", "the coordinator is '%s' here, and '%s' would lead a change",
                agreement_leader(self), said->coordinator);
        answer_host_with(taken, &err);
        return;
    }
    share = xcalloc(1, sizeof *share);
    share->said = copy(said);
    share->question = taken;
    pthread_mutex_lock(&self->lock);
    share->next = self->shares;
    self->shares = share;
    pthread_mutex_unlock(&self->lock);
    self->prepare(self->arg, share);
}

/* COMMIT is answered when the change is made. */
static void
hear_word(struct agreement *self, const Hde__ControlShare *said, enum word word,
          struct net_question *taken)
{
    struct err err = {0};
    struct share *share;
    bool is_later = false;

    pthread_mutex_lock(&self->lock);
    for (share = self->shares; share && share->said->change != said->change;)
        share = share->next;
    if (share && (word == WORD_ABORT || !share->question)) {
        share->word = word;
        is_later = word == WORD_COMMIT;
        if (is_later)
            share->question = taken;
        pthread_cond_broadcast(&self->changed);
    } else if (word == WORD_COMMIT) {
        err_set(&err, "HDE-R213",
                "it was started anew since it was ready: it runs what its file says");
    }
    pthread_mutex_unlock(&self->lock);
    if (!is_later)
        answer_host_with(taken, &err);
}

static void
tell_fate(struct agreement *self, uint64_t change, struct net_question *taken)
{
    Hde__ControlReply reply = HDE__CONTROL_REPLY__INIT;
    Hde__EngineFate fate = HDE__ENGINE_FATE__INIT;

    fate.has_fate = true;
    pthread_mutex_lock(&self->lock);
    fate.fate = fate_of(self, change);
    pthread_mutex_unlock(&self->lock);
    reply.answer_case = HDE__CONTROL_REPLY__ANSWER_FATE;
    reply.fate = &fate;
    answer_host(taken, &reply);
}

void
agreement_asked(struct agreement *self, const Hde__ControlShare *said, struct net_question *taken)
{
    struct err err = {0};

    if (said->step == HDE__SHARE_STEP__SHARE_STEP_PREPARE && said->coordinator) {
        prepare(self, said, taken);
    } else if (said->step == HDE__SHARE_STEP__SHARE_STEP_COMMIT) {
        hear_word(self, said, WORD_COMMIT, taken);
    } else if (said->step == HDE__SHARE_STEP__SHARE_STEP_ABORT) {
        hear_word(self, said, WORD_ABORT, taken);
    } else if (said->step == HDE__SHARE_STEP__SHARE_STEP_FATE && agreement_leads(self)) {
        tell_fate(self, said->change, taken);
    } else {
        err_set(&err, "HDE-C013", "this step of a change is not understood here");
        answer_host_with(taken, &err);
    }
}
