/* SPDX-License-Identifier: Apache-2.0
 * peer - sessions with another host.
 *
 * Each end draws an offer, the number that marks what comes to it. A greeting has the own offer and
 * the other's as far as it was seen; who gets his own back knows that the other is there now, and
 * not a record of earlier:
 *
 *      A: offer a            ->                                B learns a
 *                            <-   offer b, answers a        :B  A has the session (a, b)
 *      A: offer a, answers b, settled ->                        B has it, and may send
 *                            <-   settled, or anything in it :B  A may send
 *
 *  (1) A session begins only with a greeting that answers the present offer; offers are used once.
 *      So a greeting that is replayed, or comes from an earlier process, changes nothing.
 *      [test_a_replayed_greeting_changes_nothing]
 *  (2) Messages of a session are numbered on each of its two lanes. One that is not the next is a
 *      repetition, and dropped, or shows that some were lost, and the session is over. Both lanes
 *      beat, so a loss at the end shows too. [test_a_lost_message_ends_the_session,
 *      test_a_replayed_message_changes_nothing]
 *  (3) Whatever is wrong, the session is over and another one begins; edges go on from where the
 *      receiver is (edges.c). Nothing of an earlier session has an effect.
 *  (4) Hosts that differ in what both share do not come to a session; both say why, with both
 *      hashes, and ask again, ever more rarely. [test_graphs_that_differ_are_refused_on_both_sides]
 *  (5) With CURVE a message counts for the host whose key it came with, and for no other.
 *      [test_a_host_cannot_speak_for_another]
 *  (6) A spare host, on which no node lies, shares nothing with another: they come to a session
 *      whatever line and shape each has, so it can ask what the others go on from. A host that is at
 *      its end says so in its beats, and stays a moment until spare hosts have heard it: they end
 *      when all have. [test_a_spare_host_talks_whatever_it_goes_back_to,
 *      test_a_spare_host_hears_of_the_end] */
#include "base/log.h"
#include "net/inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- State --------------------------------------------------------------------------------- */

static void
set_state(struct peer *peer, enum net_state state)
{
    if (peer->look.state == state)
        return;
    peer->look.state = state;
    peer->look.since_ns = clock_real_ns();
    if (state != NET_REFUSED)
        peer->look.why[0] = 0;
}

static void
greet_soon(struct peer *peer)
{
    peer->greets = true;
}

void
peer_begin(struct peer *peer)
{
    snprintf(peer->look.name, sizeof peer->look.name, "%s", peer->name);
    peer->look.since_ns = clock_real_ns();
    peer->offer = net_random();
    greet_soon(peer);
}

static void
end_session(struct peer *peer)
{
    if (!peer->mine)
        return;
    peer->was[peer->n_was++ % OLD_SESSIONS] = peer->mine;
    peer->mine = peer->theirs = 0;
    peer->is_open = peer->settles = false;
    socket_forget(peer);
    edges_end(peer);
}

void
peer_lose(struct peer *peer, const char *why)
{
    bool was_open = peer->is_open;

    peer->net->is_due = true;
    end_session(peer);
    questions_end(peer, why ? why : "the host is down");
    set_state(peer, NET_DOWN);
    if (was_open && why)
        log_line(LEVEL_WARN, peer->net->graph, NULL, "net.down", "host '%s': %s", peer->name, why);
    greet_soon(peer);
}

void
peer_refused(struct peer *peer, const char *why)
{
    peer->look.refused++;
    if (peer->refusals < 5)
        peer->refusals++;
    if (peer->mine)
        peer_lose(peer, NULL);
    if (peer->look.state != NET_REFUSED || strcmp(peer->look.why, why) != 0)
        log_line(LEVEL_ERROR, peer->net->graph, NULL, "net.refused", "host '%s': %s", peer->name,
                 why);
    set_state(peer, NET_REFUSED);
    snprintf(peer->look.why, sizeof peer->look.why, "%s", why);
}

void
peer_broke(struct peer *peer, const char *what)
{
    char why[500];

    peer->look.malformed++;
    if (peer->refusals < 5)
        peer->refusals++;
    snprintf(why, sizeof why, "what it sent breaks a rule: %s", what);
    peer_lose(peer, why);
    peer->greets = false; /* not at once: it may do so again */
    peer->greet_at_ns = clock_mono_ns() + (peer->net->config.beat_ns << peer->refusals) / 4;
}

static void
open_session(struct peer *peer)
{
    if (peer->is_open)
        return;
    peer->is_open = peer->net->is_due = true;
    peer->refusals = peer->hangups = 0;
    peer->look.connects++;
    peer->beats[LANE_CONTROL] = peer->beats[LANE_DATA] = true;
    set_state(peer, NET_UP);
    log_line(LEVEL_INFO, peer->net->graph, NULL, "net.up", "host '%s' at %s", peer->name,
             peer->endpoint);
}

/* The connection of the last session's data may hang. Not more than once a beat, whatever the other
 * host does. */
static void
renew(struct peer *peer, int64_t now_ns)
{
    if (!peer->n_was || now_ns - peer->renewed_ns < peer->net->config.beat_ns)
        return;
    peer->renewed_ns = now_ns;
    socket_renew(peer);
}

static void
begin_session(struct peer *peer, const Hde__NetGreeting *greeting)
{
    int64_t now_ns = clock_mono_ns();

    if (peer->mine)
        peer_lose(peer, "it began another session");
    renew(peer, now_ns);
    peer->mine = peer->offer;
    peer->theirs = greeting->offer;
    peer->life = greeting->life;
    peer->bytes_max = greeting->bytes_max;
    peer->offer = net_random();
    peer->seen = 0;
    peer->has_denied = peer->is_skewed = false;
    peer->said_end_ns = 0;
    peer->n_samples = 0;
    peer->echo_ns = 0;
    for (int lane = 0; lane < LANES; lane++) {
        peer->sent[lane] = peer->received[lane] = 0;
        peer->heard_ns[lane] = now_ns;
        peer->beats[lane] = false;
    }
    edges_begin(peer);
    peer->settles = true;
    greet_soon(peer);
    if (greeting->settled)
        open_session(peer);
}

/* ---- Clocks -------------------------------------------------------------------------------- */

/* With the clocks of a word there and one back, less what the other has waited: as NTP does. */
static void
compare_clocks(struct peer *peer, const Hde__NetGreeting *beat)
{
    struct net_seen *look = &peer->look;
    int64_t now_ns = clock_real_ns();
    struct clock_sample sample, best;
    unsigned n;

    peer->echo_ns = beat->sent_ns;
    peer->echo_at_ns = now_ns;
    if (!beat->echo_ns)
        return;
    sample.round_ns = now_ns - beat->echo_ns - (beat->sent_ns - beat->echo_at_ns);
    sample.skew_ns = ((beat->echo_at_ns - beat->echo_ns) + (beat->sent_ns - now_ns)) / 2;
    if (sample.round_ns < 0)
        return; /* a clock was set in between */
    peer->sample[peer->n_samples++ % CLOCK_SAMPLES] = best = sample;
    n = peer->n_samples < CLOCK_SAMPLES ? peer->n_samples : CLOCK_SAMPLES;
    for (unsigned i = 0; i < n; i++)
        if (peer->sample[i].round_ns < best.round_ns)
            best = peer->sample[i];
    look->round_ns = sample.round_ns;
    look->round_best_ns = best.round_ns;
    look->skew_ns = best.skew_ns;
}

static void
watch_skew(struct peer *peer)
{
    int64_t skew_ns = peer->look.skew_ns, limit_ns = peer->net->config.skew_ns;
    /* what the way there and back may hide */
    int64_t sure_ns = (skew_ns < 0 ? -skew_ns : skew_ns) - peer->look.round_best_ns / 2;

    if (!peer->is_skewed && sure_ns >= limit_ns)
        log_line(LEVEL_WARN, peer->net->graph, NULL, "net.skew",
                 "the clock of host '%s' is %.3f s %s this one's: times of both do not go together",
                 peer->name, (double)(skew_ns < 0 ? -skew_ns : skew_ns) / 1e9,
                 skew_ns < 0 ? "behind" : "ahead of");
    if (peer->is_skewed && sure_ns < limit_ns / 2)
        log_line(LEVEL_INFO, peer->net->graph, NULL, "net.skew",
                 "the clock of host '%s' is right again", peer->name);
    peer->is_skewed = sure_ns >= (peer->is_skewed ? limit_ns / 2 : limit_ns);
}

/* ---- Greetings that come -------------------------------------------------------------------- */

/* (6) */
static bool
shares_nothing(const struct peer *peer, const Hde__NetGreeting *greeting)
{
    return (greeting->spare || peer->net->config.self.is_spare) && !peer->n_edges &&
           !greeting->n_edges;
}

static bool
check_shared(struct peer *peer, const Hde__NetGreeting *greeting, struct err *err)
{
    const struct net *net = peer->net;

    if (greeting->version != NET_VERSION)
        return err_set(err, "HDE-N010",
                       "it speaks version %u of the links between hosts, and this "
                       "one %u",
                       greeting->version, NET_VERSION);
    if (strcmp(greeting->graph, net->graph) != 0)
        return err_set(err, "HDE-N007", "it runs graph '%s', and this one '%s'", greeting->graph,
                       net->graph);
    if (strcmp(greeting->to, net->name) != 0)
        return err_set(err, "HDE-N007", "it looks for host '%s' here, and this one is '%s'",
                       greeting->to, net->name);
    if (shares_nothing(peer, greeting))
        return true;
    if (greeting->line != net->config.line)
        return err_set(err, "HDE-N020",
                       "its state goes back to savepoint number %" PRIu32
                       ", and this one's to %" PRIu32 " (0: none)",
                       greeting->line, net->config.line);
    if (greeting->shape != net->config.shape)
        return err_set(err, "HDE-N008",
                       "its graph is %016" PRIx64 " in what both share, and this one's "
                       "%016" PRIx64 ": edges, types, keys or replicas differ",
                       greeting->shape, net->config.shape);
    return schema_fits(peer, greeting, err);
}

static void
deny(struct peer *peer, const struct err *err)
{
    snprintf(peer->denial, sizeof peer->denial, "%s: %s", err->code, err->text);
    peer->has_denied = true;
}

static bool
is_old(const struct peer *peer, uint64_t session)
{
    for (int i = 0; i < OLD_SESSIONS; i++)
        if (session && peer->was[i] == session)
            return true;
    return false;
}

/* What a greeting says that is no part of a session yet. */
static void
take_greeting(struct peer *peer, const Hde__NetGreeting *greeting)
{
    bool is_fresh = greeting->answers == peer->offer;
    struct err err = {0};
    char why[540];

    if (!greeting->offer) {
        peer->look.malformed++;
        return;
    }
    if (peer->mine && greeting->offer == peer->theirs &&
        (greeting->answers == peer->mine || !greeting->answers)) { /* of this session */
        if (greeting->settled && greeting->answers)
            open_session(peer);
        else
            greet_soon(peer);
        return;
    }
    if (greeting->answers && !is_fresh) {
        peer->look.stale++; /* of earlier, or crossed with ours */
        if (peer->mine || is_old(peer, greeting->answers))
            return; /* who has no session says so by answering nothing */
    }
    peer->seen = greeting->offer;
    if (is_fresh) {
        peer->look.line = greeting->line;
        peer->look.is_spare = greeting->spare;
    }
    peer->has_denied = false;
    if (!check_shared(peer, greeting, &err))
        deny(peer, &err);
    if (greeting->refusal && greeting->refusal[0] && is_fresh) {
        snprintf(why, sizeof why, "it refuses: %s", greeting->refusal);
        peer_refused(peer, peer->has_denied ? peer->denial : why);
        return;
    }
    if (is_fresh && peer->has_denied)
        peer_refused(peer, peer->denial);
    else if (is_fresh)
        begin_session(peer, greeting);
    greet_soon(peer);
}

/* (6) What another line comes to is no end of this one. */
static void
take_end(struct peer *peer, const Hde__NetGreeting *beat)
{
    if (beat->ended && !peer->has_ended && peer->look.line == peer->net->config.line) {
        peer->has_ended = true;
        peer->beats[LANE_CONTROL] = true; /* it waits for that */
    }
    peer->has_heard_end |= peer->said_end_ns && beat->echo_ns >= peer->said_end_ns;
}

static void
take_beat(struct peer *peer, const Hde__NetGreeting *greeting)
{
    compare_clocks(peer, greeting);
    watch_skew(peer);
    take_end(peer, greeting);
    peer->look.texts = greeting->texts;
    edges_heard(peer, greeting->echo_ns);
}

void
peer_say_end(struct peer *peer)
{
    peer->beats[LANE_CONTROL] |= peer->is_open;
}

bool
peer_waits_for_end(const struct peer *peer)
{
    return peer->net->is_at_end && peer->is_spare && !peer->has_heard_end;
}

static bool
is_complete(const Hde__NetGreeting *greeting)
{
    if (!greeting->graph || !greeting->from || !greeting->to)
        return false;
    for (size_t i = 0; i < greeting->n_edges; i++)
        if (!greeting->edges[i]->name)
            return false;
    for (size_t i = 0; i < greeting->n_types; i++) {
        if (!greeting->types[i]->name)
            return false;
        for (size_t k = 0; k < greeting->types[i]->n_fields; k++)
            if (!greeting->types[i]->fields[k]->name)
                return false;
    }
    return true;
}

static struct peer *
peer_called(struct net *net, const char *name)
{
    for (size_t i = 0; i < net->n_peers; i++)
        if (!strcmp(net->peer[i].name, name))
            return &net->peer[i];
    return NULL;
}

static void
receive_greeting(struct net *net, const char *user, const struct envelope *envelope)
{
    Hde__NetGreeting *greeting =
        hde__net_greeting__unpack(&msg_memory, envelope->greeting_size, envelope->greeting);
    struct peer *peer = NULL;

    if (greeting && is_complete(greeting))
        peer = peer_called(net, greeting->from);
    if (!peer || (user && strcmp(user, greeting->from) != 0)) /* (5) */
        net->strangers++;
    else
        take_greeting(peer, greeting);
    if (greeting)
        hde__net_greeting__free_unpacked(greeting, &msg_memory);
}

/* ---- Messages of a session ------------------------------------------------------------------- */

static void
receive_frames(struct peer *peer, struct envelope *envelope)
{
    struct net *net = peer->net;
    const uint8_t *bytes;
    size_t size;
    uint64_t session = peer->mine;
    struct err err = {0};

    while (peer->mine == session && envelope_next(envelope, &bytes, &size)) {
        struct frame *frame = &net->read;

        peer->look.frames[1]++;
        if (!frame_read(frame, bytes, size, &err)) {
            peer_broke(peer, err.text);
            return;
        }
        if (frame->kind == HDE__FRAME_KIND__FRAME_KIND_REQUEST ||
            frame->kind == HDE__FRAME_KIND__FRAME_KIND_REPLY) {
            questions_receive(peer, frame);
        } else if (!edges_receive(peer, (enum lane)envelope->lane, frame, &err)) {
            peer_broke(peer, err.text);
            return;
        }
    }
}

static void
receive_beat(struct peer *peer, const struct envelope *envelope)
{
    Hde__NetGreeting *greeting =
        hde__net_greeting__unpack(&msg_memory, envelope->greeting_size, envelope->greeting);

    if (!greeting) {
        peer_broke(peer, "a beat that cannot be read");
        return;
    }
    take_beat(peer, greeting);
    hde__net_greeting__free_unpacked(greeting, &msg_memory);
}

/* (2) */
static bool
is_next(struct peer *peer, const struct envelope *envelope)
{
    uint64_t due = peer->received[envelope->lane];
    char why[100];

    if (envelope->number == due)
        return true;
    if (envelope->number < due) {
        peer->look.stale++;
        return false;
    }
    snprintf(why, sizeof why, "%" PRIu64 " messages were lost on the way", envelope->number - due);
    peer_lose(peer, why);
    return false;
}

static void
receive_in_session(struct peer *peer, struct envelope *envelope, size_t size)
{
    if (!is_next(peer, envelope))
        return;
    peer->received[envelope->lane]++;
    peer->heard_ns[envelope->lane] = clock_mono_ns();
    peer->look.bytes[1] += size;
    peer->look.helped[1] += peer->net->is_helped;
    open_session(peer);
    if (envelope->greeting)
        receive_beat(peer, envelope);
    if (peer->mine)
        receive_frames(peer, envelope);
}

static struct peer *
peer_of_session(struct net *net, uint64_t session)
{
    for (size_t i = 0; i < net->n_peers; i++)
        if (net->peer[i].mine == session)
            return &net->peer[i];
    return NULL;
}

static void
count_stale(struct net *net, const char *user, uint64_t session)
{
    struct peer *peer = user ? peer_called(net, user) : NULL;

    for (size_t i = 0; i < net->n_peers && !peer; i++)
        if (is_old(&net->peer[i], session))
            peer = &net->peer[i];
    if (peer)
        peer->look.stale++;
    else
        net->strangers++;
}

static void
count_malformed(struct net *net, const char *user)
{
    struct peer *peer = user ? peer_called(net, user) : NULL;

    if (peer)
        peer->look.malformed++;
    else
        net->strangers++;
}

void
net_receive(struct net *net, const char *user, const uint8_t *bytes, size_t size)
{
    struct envelope envelope;
    struct peer *peer;

    if (size > net->config.bytes_max || !envelope_read(&envelope, bytes, size, NULL)) {
        count_malformed(net, user);
    } else if (!envelope.session) {
        receive_greeting(net, user, &envelope);
    } else {
        peer = peer_of_session(net, envelope.session);
        if (!peer)
            count_stale(net, user, envelope.session);
        else if (user && strcmp(user, peer->name) != 0)
            net->strangers++; /* (5) */
        else
            receive_in_session(peer, &envelope, size);
    }
}

/* ---- What is due ---------------------------------------------------------------------------- */

static size_t
pack_greeting(const Hde__NetGreeting *greeting, uint8_t **out)
{
    size_t size = hde__net_greeting__get_packed_size(greeting);

    *out = xmalloc(size);
    return hde__net_greeting__pack(greeting, *out);
}

/* A greeting outside of sessions, in full; where there is one, and the other has not come to say
 * that it knows of another process, it is the one that settles it. */
static bool
send_greeting(struct peer *peer)
{
    struct net *net = peer->net;
    bool settles = peer->mine && !peer->seen;
    Hde__NetGreeting greeting = HDE__NET_GREETING__INIT;
    uint8_t *bytes;
    bool went;
    size_t size;

    greeting.has_version = greeting.has_offer = greeting.has_answers = greeting.has_settled = true;
    greeting.has_life = greeting.has_shape = greeting.has_bytes_max = true;
    greeting.version = NET_VERSION;
    greeting.graph = (char *)(uintptr_t)net->graph;
    greeting.from = (char *)(uintptr_t)net->name;
    greeting.to = (char *)(uintptr_t)peer->name;
    greeting.offer = settles ? peer->mine : peer->offer;
    greeting.answers = settles ? peer->theirs : peer->seen;
    greeting.settled = settles;
    greeting.life = net->life;
    greeting.shape = net->config.shape;
    greeting.has_line = true;
    greeting.line = net->config.line;
    greeting.has_spare = greeting.spare = net->config.self.is_spare;
    greeting.bytes_max = net->config.bytes_max;
    if (peer->has_denied)
        greeting.refusal = peer->denial;
    greeting.n_edges = peer->n_edges;
    greeting.edges = peer->said_edges;
    greeting.n_types = peer->n_said_types;
    greeting.types = peer->said_types;
    size = pack_greeting(&greeting, &bytes);
    went = socket_greet(peer, bytes, size);
    free(bytes);
    if (went && !settles)
        peer->seen = 0;
    return went;
}

static void
send_beat(struct peer *peer)
{
    Hde__NetGreeting greeting = HDE__NET_GREETING__INIT;
    uint8_t *bytes;
    size_t size;

    greeting.has_sent_ns = true;
    greeting.sent_ns = clock_real_ns();
    greeting.has_echo_ns = greeting.has_echo_at_ns = peer->echo_ns != 0;
    greeting.echo_ns = peer->echo_ns;
    greeting.echo_at_ns = peer->echo_at_ns;
    greeting.has_ended = greeting.ended = peer->net->is_at_end;
    greeting.has_texts = true;
    greeting.texts = peer->net->config.texts;
    if (greeting.ended && !peer->said_end_ns)
        peer->said_end_ns = greeting.sent_ns;
    size = pack_greeting(&greeting, &bytes);
    socket_send(peer, LANE_CONTROL, bytes, size);
    free(bytes);
}

static void
turn_control(struct peer *peer)
{
    while (socket_unstick(peer, LANE_CONTROL)) {
        edges_control(peer);
        questions_control(peer);
        if (peer->beats[LANE_CONTROL])
            send_beat(peer);
        else if (peer->net->n_out)
            socket_send(peer, LANE_CONTROL, NULL, 0);
        else
            return;
        peer->beats[LANE_CONTROL] = false;
    }
}

void
peer_say_last(struct peer *peer)
{
    if (!peer->is_open)
        return;
    peer->beats[LANE_CONTROL] = true;
    turn_control(peer);
    socket_let_out(peer);
}

static void
send_data(struct peer *peer, int64_t now_ns)
{
    socket_send(peer, LANE_DATA, NULL, 0);
    peer->data_ns = now_ns;
}

/* Some; true: there may be more. */
static bool
turn_data(struct peer *peer)
{
    for (int i = 0; i < 16; i++) {
        if (!socket_unstick(peer, LANE_DATA))
            return false;
        questions_data(peer);
        edges_data(peer);
        if (!peer->net->n_out && !peer->beats[LANE_DATA])
            return false;
        send_data(peer, clock_mono_ns());
        peer->beats[LANE_DATA] = false;
    }
    return true;
}

bool
peer_send_now(struct peer *peer, struct far_edge *edge)
{
    int64_t now_ns = clock_mono_ns();

    if (!peer->is_open || peer->is_stuck[LANE_DATA] || peer->net->polls_lanes ||
        now_ns - peer->data_ns < SELDOM_NS)
        return false;
    edge_data(edge);
    if (peer->net->n_out) {
        send_data(peer, now_ns);
        peer->look.helped[0]++;
    }
    return !peer->is_stuck[LANE_DATA] && !edge_is_due(edge);
}

static void
greet_if_due(struct peer *peer, int64_t now_ns)
{
    int64_t beat_ns = peer->net->config.beat_ns;

    if (!peer->is_open && now_ns >= peer->greet_at_ns)
        peer->greets = true;
    if (!peer->greets)
        return;
    peer->greets = !send_greeting(peer); /* without a connection its socket says when there is one */
    peer->greet_at_ns = now_ns + (beat_ns << peer->refusals) / 2;
}

static void
look_for_silence(struct peer *peer, int64_t now_ns)
{
    int64_t beat_ns = peer->net->config.beat_ns;

    if (peer->mine && (now_ns - peer->heard_ns[LANE_CONTROL] > DEAD_BEATS * beat_ns ||
                       now_ns - peer->heard_ns[LANE_DATA] > DEAD_DATA_BEATS * beat_ns))
        peer_lose(peer, "it is silent");
}

bool
peer_turn(struct peer *peer, int64_t now_ns)
{
    bool more;

    look_for_silence(peer, now_ns);
    questions_late(peer, now_ns);
    greet_if_due(peer, now_ns);
    if (!peer->is_open)
        return false;
    if (now_ns >= peer->beat_at_ns) {
        peer->beats[LANE_CONTROL] = peer->beats[LANE_DATA] = true;
        peer->beat_at_ns = now_ns + peer->net->config.beat_ns;
        edges_remind(peer);
    }
    turn_control(peer);
    more = turn_data(peer);
    turn_control(peer); /* what data has led to: an ask, a frame that is gone */
    return more;
}

int64_t
peer_next_ns(const struct peer *peer)
{
    return peer->is_open ? peer->beat_at_ns : peer->greet_at_ns;
}
