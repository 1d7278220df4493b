/* SPDX-License-Identifier: Apache-2.0
 * question - what one host asks another: a request and its reply, on the lane of control.
 *
 *  (1) Every question that was taken ends in one call of `answered`: with the reply, or with an
 *      error when the session ends, the time is over or the net stops.
 *      [test_every_question_has_one_answer]
 *  (2) Callbacks are made by the net's thread alone, between its turns and without the lock: they
 *      may ask and answer. What came waits for that in net->told and net->came, in order.
 *      [test_callbacks_are_made_on_one_thread]
 *  (3) An answer that is large and in no hurry goes on the lane of data: what is urgent never waits
 *      behind it. [test_a_slow_answer_goes_among_the_data] */
#include "net/inside.h"

#include <stdlib.h>
#include <string.h>

struct question {
    struct question *next;
    uint64_t id;
    uint8_t *bytes; /* NULL: it was sent; when it has ended the reply */
    size_t size;
    int64_t late_ns; /* clock_mono_ns() */
    net_answered *answered;
    void *arg;
    struct err failed; /* when it has ended: there is no reply */
};

struct net_question {
    struct net_question *next;
    struct net *net;
    struct peer *peer;
    uint64_t id, session;
    uint8_t *bytes; /* of the question, then of the answer */
    size_t size;
};

static uint8_t *
copy(const uint8_t *bytes, size_t size)
{
    uint8_t *out = xmalloc(size + 1);

    if (size)
        memcpy(out, bytes, size);
    return out;
}

static void
add_question(struct question **list, struct question *question)
{
    while (*list)
        list = &(*list)->next;
    question->next = NULL;
    *list = question;
}

static void
add_taken(struct net_question **list, struct net_question *taken)
{
    while (*list)
        list = &(*list)->next;
    taken->next = NULL;
    *list = taken;
}

static void
fail_question(struct peer *peer, struct question *taken, const char *why)
{
    err_set(&taken->failed, "HDE-N006", "host '%s' has not answered: %s", peer->name, why);
    add_question(&peer->net->told, taken);
    peer->net->is_due = true;
}

/* ---- Asking -------------------------------------------------------------------------------- */

bool
net_ask(struct net *net, const char *name, const uint8_t *bytes, size_t size, int64_t timeout_ns,
        net_answered *answered, void *arg, struct err *err)
{
    struct question *question;
    struct peer *peer = NULL;
    bool ok = false;

    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < net->n_peers && !peer; i++)
        if (!strcmp(net->peer[i].name, name))
            peer = &net->peer[i];
    if (!peer)
        err_set(err, "HDE-N006", "the graph has no other host '%s'", name);
    else if (!peer->is_open || !net->has_thread)
        err_set(err, "HDE-N006", "host '%s' is %s", name, net_state_name(peer->look.state));
    else if (size + ENVELOPE_BYTES > peer->bytes_max)
        err_set(err, "HDE-N004", "a question of %zu bytes is more than host '%s' takes", size,
                name);
    else
        ok = true;
    if (ok) {
        question = xcalloc(1, sizeof *question);
        *question = (struct question){.id = ++net->last_question,
                                      .bytes = copy(bytes, size),
                                      .size = size,
                                      .late_ns = clock_mono_ns() + timeout_ns,
                                      .answered = answered,
                                      .arg = arg};
        add_question(&peer->questions, question);
    }
    pthread_mutex_unlock(&net->lock);
    if (ok)
        net_wake(net);
    return ok;
}

static void
take_reply(struct peer *peer, const struct frame *frame)
{
    for (struct question **at = &peer->questions; *at; at = &(*at)->next)
        if ((*at)->id == frame->number && !(*at)->bytes) {
            struct question *found = *at;

            *at = found->next;
            found->bytes = copy(frame->payload, frame->payload_size);
            found->size = frame->payload_size;
            add_question(&peer->net->told, found);
            return;
        } /* else it came too late */
}

void
questions_end(struct peer *peer, const char *why)
{
    while (peer->questions) {
        struct question *first = peer->questions;

        peer->questions = first->next;
        fail_question(peer, first, why);
    }
}

void
questions_late(struct peer *peer, int64_t now_ns)
{
    struct question **at = &peer->questions;

    while (*at) {
        struct question *late = *at;

        if (late->late_ns > now_ns) {
            at = &late->next;
            continue;
        }
        *at = late->next;
        fail_question(peer, late, "the time is over");
    }
}

int64_t
questions_next_ns(const struct peer *peer)
{
    int64_t next_ns = INT64_MAX;

    for (const struct question *at = peer->questions; at; at = at->next)
        if (at->late_ns < next_ns)
            next_ns = at->late_ns;
    return next_ns;
}

/* ---- Being asked ----------------------------------------------------------------------------- */

void
net_serve(struct net *net, net_serve_with *serve, void *arg)
{
    net->serve = serve;
    net->serve_arg = arg;
}

static void
take_request(struct peer *peer, const struct frame *frame)
{
    struct net_question *question = xcalloc(1, sizeof *question);

    *question = (struct net_question){.net = peer->net,
                                      .peer = peer,
                                      .id = frame->number,
                                      .session = peer->mine,
                                      .bytes = copy(frame->payload, frame->payload_size),
                                      .size = frame->payload_size};
    add_taken(&peer->net->came, question);
}

static void
answer(struct net_question *taken, enum lane lane, const uint8_t *bytes, size_t size)
{
    struct net *net = taken->net;
    bool is_wanted;

    pthread_mutex_lock(&net->lock);
    is_wanted =
        taken->session == taken->peer->mine && size + ENVELOPE_BYTES < taken->peer->bytes_max;
    if (is_wanted) {
        taken->bytes = copy(bytes, size);
        taken->size = size;
        add_taken(&taken->peer->answers[lane], taken);
    }
    pthread_mutex_unlock(&net->lock);
    if (is_wanted)
        net_wake(net);
    else
        free(taken);
}

void
net_answer(struct net_question *taken, const uint8_t *bytes, size_t size)
{
    answer(taken, LANE_CONTROL, bytes, size);
}

void
net_answer_slowly(struct net_question *taken, const uint8_t *bytes, size_t size)
{
    answer(taken, LANE_DATA, bytes, size);
}

/* ---- On the way ------------------------------------------------------------------------------ */

static void
add_frame(struct net *net, Hde__FrameKind kind, uint64_t id, uint8_t *taken, size_t size)
{
    struct frame *frame = out_add(net, kind, 0);

    frame->number = id;
    frame->payload = taken;
    frame->payload_size = size;
    net->text[net->n_out] = taken;
    out_done(net);
}

static struct net_question *
next_answer(struct peer *peer, int lane)
{
    struct net_question *first = peer->answers[lane];

    if (first)
        peer->answers[lane] = first->next;
    return first;
}

static void
add_answers(struct peer *peer, enum lane lane)
{
    struct net *net = peer->net;
    struct net_question *answer;

    while (!out_is_full(net) && (answer = next_answer(peer, lane))) {
        if (answer->session == peer->mine)
            add_frame(net, HDE__FRAME_KIND__FRAME_KIND_REPLY, answer->id, answer->bytes,
                      answer->size);
        else
            free(answer->bytes);
        free(answer);
    }
}

void
questions_control(struct peer *peer)
{
    struct net *net = peer->net;

    for (struct question *at = peer->questions; at && !out_is_full(net); at = at->next)
        if (at->bytes) {
            add_frame(net, HDE__FRAME_KIND__FRAME_KIND_REQUEST, at->id, at->bytes, at->size);
            at->bytes = NULL;
        }
    add_answers(peer, LANE_CONTROL);
}

void
questions_data(struct peer *peer)
{
    add_answers(peer, LANE_DATA);
}

void
questions_receive(struct peer *peer, const struct frame *frame)
{
    peer->net->is_due = true;
    if (frame->kind == HDE__FRAME_KIND__FRAME_KIND_REPLY)
        take_reply(peer, frame);
    else
        take_request(peer, frame);
}

/* ---- Callbacks, without the lock ------------------------------------------------------------- */

static void
tell(struct question *ended)
{
    bool has_failed = err_is_set(&ended->failed);

    ended->answered(ended->arg, has_failed ? NULL : ended->bytes, has_failed ? 0 : ended->size,
                    has_failed ? &ended->failed : NULL);
    free(ended->bytes);
    free(ended);
}

static void
serve(struct net *net, struct net_question *taken)
{
    uint8_t *bytes = taken->bytes;

    taken->bytes = NULL;
    if (net->serve)
        net->serve(net->serve_arg, taken->peer->name, bytes, taken->size, taken);
    else
        net_answer(taken, NULL, 0);
    free(bytes);
}

/* Those that nobody has seen. */
void
questions_forget(struct net *net)
{
    while (net->came) {
        struct net_question *first = net->came;

        net->came = first->next;
        free(first->bytes);
        free(first);
    }
}

void
questions_tell(struct net *net)
{
    for (;;) {
        struct question *ended;
        struct net_question *taken;

        pthread_mutex_lock(&net->lock);
        ended = net->told;
        taken = net->came;
        if (ended)
            net->told = ended->next;
        else if (taken)
            net->came = taken->next;
        pthread_mutex_unlock(&net->lock);
        if (ended)
            tell(ended);
        else if (taken)
            serve(net, taken);
        else
            return;
    }
}

void
questions_fini(struct peer *peer)
{
    struct net_question *answer;

    for (int lane = 0; lane < LANES; lane++)
        while ((answer = next_answer(peer, lane))) {
            free(answer->bytes);
            free(answer);
        }
}
