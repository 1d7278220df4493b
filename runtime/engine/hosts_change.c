/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/hosts_change.h"

#include "base/clock.h"
#include "engine/reload.h"
#include "graph/hosts.h"

#include <string.h>

/* Longer than the parts of a host wait for each other (joint.c): it says first why. */
static const int64_t grace_ns = 7LL * NS_PER_S;

/* ---- What both have ----------------------------------------------------------------------- */

struct change *
hosts_change_new(struct share *share)
{
    const Hde__ControlShare *said = share_said(share);
    const Hde__ControlApply *apply = said->apply;
    struct apply_ask ask = {.share = share, .who = said->coordinator};
    struct change *change;

    ask.reload = said->reload;
    ask.timeout_ns = said->reload ? reload_timeout_ns(said->reload) : 0;
    if (apply) {
        ask.path = apply->path;
        ask.sets = (const char *const *)(uintptr_t)apply->set;
        ask.n_sets = apply->n_set;
        ask.plans_only = apply->plan_only;
        ask.drops_state = apply->drop_state;
        ask.timeout_ns = (int64_t)(apply->timeout_seconds * 1e9);
        ask.who = apply->who;
    }
    ask.undoes = said->failed ? said->undoes : 0;
    change = change_new(&ask);
    change->id = said->change;
    return change;
}

bool
hosts_change_fits(struct agreement *self, struct change *change, const struct graph *graph)
{
    const Hde__ControlShare *said = change->ask.share ? share_said(change->ask.share) : NULL;
    uint64_t here = said && said->has_files ? hosts_texts(graph) : 0;

    return !here || here == said->files ||
           err_set(&change->err, "HDE-R210",
                   "%s says something else here than at '%s': the hash of its files is %016llx, "
                   "and %016llx there",
                   change->ask.path, agreement_leader(self), (unsigned long long)here,
                   (unsigned long long)said->files);
}

/* ---- The coordinator ---------------------------------------------------------------------- */

static void
say_what(struct change *change, Hde__ControlShare *share, Hde__ControlApply *apply)
{
    const struct apply_ask *ask = &change->ask;

    share->reload = change->reload;
    if (share->reload)
        return;
    share->apply = apply;
    apply->path = (char *)(uintptr_t)ask->path;
    apply->n_set = ask->n_sets;
    apply->set = (char **)(uintptr_t)ask->sets;
    apply->has_plan_only = apply->has_drop_state = apply->has_timeout_seconds = true;
    apply->plan_only = ask->plans_only;
    apply->drop_state = ask->drops_state;
    apply->timeout_seconds = (double)ask->timeout_ns / 1e9;
    apply->who = (char *)(uintptr_t)ask->who;
    share->has_files = ask->path != NULL;
    if (ask->path)
        share->files = hosts_texts(change->plan->after);
    share->has_undoes = ask->path == NULL;
    share->undoes = ask->undoes ? ask->undoes : change->undone;
    share->has_failed = share->failed = ask->undoes != 0;
}

static bool
prepare(struct agreement *self, struct change *change, struct host_replies *replies,
        struct err *err)
{
    Hde__ControlShare share = HDE__CONTROL_SHARE__INIT;
    Hde__ControlApply apply = HDE__CONTROL_APPLY__INIT;
    bool ok;

    say_what(change, &share, &apply);
    ok = agreement_prepare(self, &share, change->ask.timeout_ns + grace_ns, replies, err);
    change->id = share.change;
    return ok;
}

static Hde__HostChange *
add_host(struct change *change, const struct host_reply *reply)
{
    Hde__GraphChange *report = &change->report;
    Hde__HostChange *host = arena_alloc(&change->arena, sizeof *host);

    hde__host_change__init(host);
    host->host = arena_text(&change->arena, reply->host);
    host->has_state = true;
    host->state = HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;
    if (err_is_set(&reply->err))
        host->error = change_error(change, &reply->err);
    report->hosts[report->n_hosts++] = host;
    return host;
}

static void
begin_hosts(struct change *change, size_t n)
{
    change->report.n_hosts = 0;
    change->report.hosts = arena_alloc(&change->arena, (n + 1) * sizeof *change->report.hosts);
}

/* NULL: it has given none. */
static const Hde__GraphChange *
report_of(const struct host_reply *reply)
{
    return reply->reply && reply->reply->answer_case == HDE__CONTROL_REPLY__ANSWER_CHANGES &&
                   reply->reply->changes->n_changes == 1
               ? reply->reply->changes->changes[0]
               : NULL;
}

static void
copy_report(struct change *change, Hde__HostChange *host, const Hde__GraphChange *theirs)
{
    struct err err = {0};

    if (!theirs)
        return;
    host->state = theirs->state;
    host->has_pause_seconds = theirs->has_pause_seconds;
    host->pause_seconds = theirs->pause_seconds;
    if (theirs->plan) {
        host->has_changes = true;
        host->changes = theirs->plan->changes;
    }
    if (theirs->build)
        host->build = arena_text(&change->arena, theirs->build);
    if (!theirs->error)
        return;
    err_set(&err, theirs->error->code, "%s", theirs->error->message);
    host->error = change_error(change, &err);
}

/* Who was not heard makes it when he hears of it; who was started anew runs it. */
static void
note_reports(struct change *change, const struct host_replies *replies)
{
    begin_hosts(change, replies->n);
    for (size_t i = 0; i < replies->n; i++) {
        const struct host_reply *reply = &replies->of[i];
        Hde__HostChange *host = add_host(change, reply);

        if (reply->is_unheard)
            host->state = HDE__CHANGE_STATE__CHANGE_STATE_WORKING;
        copy_report(change, host, report_of(reply));
        change->has_failed |= host->state == HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;
    }
}

void
hosts_change_failure(struct change *change)
{
    for (size_t i = 0; i < change->report.n_hosts; i++) {
        const Hde__HostChange *host = change->report.hosts[i];

        if (host->state == HDE__CHANGE_STATE__CHANGE_STATE_REFUSED)
            err_set(&change->err, "HDE-R215", "host '%s' was ready and has not made the change: %s",
                    host->host, host->error ? host->error->message : "it does not say why");
    }
}

static void
lead(struct agreement *self, struct change *change, struct joint *joint)
{
    int64_t end_ns = clock_mono_ns() + change->ask.timeout_ns;
    struct host_replies replies = {0};
    struct err err = {0};
    bool ok = prepare(self, change, &replies, &err) && joint_last(joint, end_ns) &&
              agreement_decide(self, &err);

    host_replies_fini(&replies);
    change->is_decided = joint_agree(joint, NULL, ok, end_ns, &err);
    joint_leave(joint);
    if (!change->is_decided)
        agreement_abort(self);
}

void
hosts_change_tell(struct agreement *self, struct change *change)
{
    struct host_replies replies;

    if (change->ask.share || !change->is_decided)
        return;
    agreement_commit(self, 3 * (change->ask.timeout_ns + grace_ns), &replies);
    note_reports(change, &replies);
    host_replies_fini(&replies);
}

void
hosts_change_plan(struct agreement *self, struct change *change)
{
    struct host_replies replies = {0};
    struct err err = {0}; /* each host's is in the report */

    if (change->ask.share)
        return;
    prepare(self, change, &replies, &err);
    begin_hosts(change, replies.n);
    for (size_t i = 0; i < replies.n; i++) {
        Hde__HostChange *host = add_host(change, &replies.of[i]);

        copy_report(change, host, report_of(&replies.of[i]));
    }
    host_replies_fini(&replies);
}

/* ---- Another host ------------------------------------------------------------------------- */

static void
follow(struct agreement *self, struct change *change, struct joint *joint)
{
    int64_t end_ns = clock_mono_ns() + change->ask.timeout_ns;
    enum word word = WORD_ABORT;
    struct err err = {0};

    if (joint_last(joint, end_ns)) {
        agreement_ready(self, change->ask.share);
        word = agreement_word(self, change->ask.share);
    }
    change->is_decided = word == WORD_COMMIT;
    change->is_lost = word == WORD_LOST;
    if (word == WORD_LOST)
        err_set(&err, "HDE-R211", "the coordinator '%s' went away before it has decided",
                agreement_leader(self));
    else if (word != WORD_COMMIT)
        err_set(&err, "HDE-R216", "not all hosts can make it");
    joint_agree(joint, NULL, change->is_decided, end_ns, &err);
    joint_leave(joint);
}

void
hosts_change_join(struct agreement *self, struct change *change, struct joint *joint)
{
    if (change->ask.share)
        follow(self, change, joint);
    else
        lead(self, change, joint);
    joint_over(joint);
}

void
hosts_change_over(struct agreement *self, struct change *change)
{
    struct share *share = change->ask.share;
    bool is_refused = change->report.state == HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;

    if (!share)
        return;
    if (is_refused && !change->is_decided)
        agreement_answer(self, share, &change->err);
    else
        agreement_report(self, share, &change->report);
    share_free(self, share);
    change->ask.share = NULL;
}
