/* SPDX-License-Identifier: Apache-2.0
 * ask_hosts - see ask_hosts.h.
 *
 * net_ask() calls back once for each question that it has taken, in time or with an error, so who
 * waits here waits for all of them and nothing outlives the call. [tests/net/ask_hosts_test.c] */
#include "engine/ask_hosts.h"

#include "graph/hosts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1 }; /* of the control protocol */

struct waiting { /* for all answers of one call */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t n_open; /* with the lock held */
};

struct asked {
    struct waiting *waiting;
    struct host_reply *out;
};

/* ---- One answer --------------------------------------------------------------------------- */

static void
understand(struct host_reply *out, const uint8_t *bytes, size_t size)
{
    out->reply = hde__control_reply__unpack(NULL, size, bytes);
    if (!out->reply) {
        err_set(&out->err, "HDE-C013", "the answer is not understood");
        return;
    }
    if (out->reply->answer_case != HDE__CONTROL_REPLY__ANSWER_ERROR)
        return;
    err_set(&out->err, out->reply->error->code ? out->reply->error->code : "HDE-C013", "%s",
            out->reply->error->message ? out->reply->error->message : "it gives no reason");
    hde__control_reply__free_unpacked(out->reply, NULL);
    out->reply = NULL;
}

/* On the net's thread. */
static void
answered(void *arg, const uint8_t *bytes, size_t size, const struct err *err)
{
    struct asked *asked = arg;
    struct waiting *waiting = asked->waiting;

    if (err) {
        asked->out->err = *err;
        asked->out->is_unheard = true;
    } else {
        understand(asked->out, bytes, size);
    }
    pthread_mutex_lock(&waiting->lock);
    if (--waiting->n_open == 0)
        pthread_cond_signal(&waiting->changed);
    pthread_mutex_unlock(&waiting->lock);
}

/* ---- Asking ------------------------------------------------------------------------------- */

static bool
ask_all(struct net *net, const Hde__ControlRequest *request, int64_t timeout_ns,
        struct host_reply *of, size_t n)
{
    struct waiting waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, n};
    struct asked *asked = xcalloc(n + 1, sizeof *asked);
    Hde__ControlRequest said = *request;
    uint8_t *bytes;
    size_t size;
    bool ok = true;

    said.has_version = true;
    said.version = VERSION;
    said.host = NULL; /* whoever gets it is meant */
    size = hde__control_request__get_packed_size(&said);
    bytes = xmalloc(size + 1);
    hde__control_request__pack(&said, bytes);
    for (size_t i = 0; i < n; i++) {
        struct err err = {0};

        asked[i] = (struct asked){&waiting, &of[i]};
        if (!net_ask(net, of[i].host, bytes, size, timeout_ns, answered, &asked[i], &err))
            answered(&asked[i], NULL, 0, &err);
    }
    free(bytes);
    pthread_mutex_lock(&waiting.lock);
    while (waiting.n_open)
        pthread_cond_wait(&waiting.changed, &waiting.lock);
    pthread_mutex_unlock(&waiting.lock);
    pthread_mutex_destroy(&waiting.lock);
    pthread_cond_destroy(&waiting.changed);
    free(asked);
    for (size_t i = 0; i < n; i++)
        ok &= of[i].reply != NULL;
    return ok;
}

bool *
hosts_taking_part(struct net *net, const struct graph *graph)
{
    bool *out = xcalloc(graph->n_hosts + 1, sizeof *out);
    struct net_seen *seen = xcalloc(graph->n_hosts, sizeof *seen);
    size_t n = net_look(net, seen, graph->n_hosts);

    for (size_t i = 0; i < graph->n_hosts; i++) {
        out[i] = i == graph->host || hosts_has_nodes(graph, i);
        for (size_t k = 0; k < n; k++)
            out[i] |= seen[k].state == NET_UP && !strcmp(seen[k].name, graph->hosts[i].name);
    }
    free(seen);
    return out;
}

bool
ask_hosts(struct net *net, const struct graph *graph, const bool *whom,
          const Hde__ControlRequest *request, int64_t timeout_ns, struct host_replies *out)
{
    *out = (struct host_replies){.of = xcalloc(graph->n_hosts + 1, sizeof *out->of)};
    for (size_t i = 0; i < graph->n_hosts; i++)
        if (i != graph->host && whom[i])
            out->of[out->n++].host = graph->hosts[i].name;
    return ask_all(net, request, timeout_ns, out->of, out->n);
}

bool
ask_host(struct net *net, const char *host, const Hde__ControlRequest *request, int64_t timeout_ns,
         struct host_reply *out)
{
    *out = (struct host_reply){.host = host};
    return ask_all(net, request, timeout_ns, out, 1);
}

bool
host_replies_refusal(const struct host_replies *replies, struct err *err)
{
    for (size_t i = 0; i < replies->n; i++)
        if (!replies->of[i].reply) {
            *err = replies->of[i].err;
            err_wrap(err, "host '%s'", replies->of[i].host);
            return true;
        }
    return false;
}

void
host_reply_fini(struct host_reply *reply)
{
    if (reply->reply)
        hde__control_reply__free_unpacked(reply->reply, NULL);
    reply->reply = NULL;
}

void
host_replies_fini(struct host_replies *replies)
{
    for (size_t i = 0; i < replies->n; i++)
        host_reply_fini(&replies->of[i]);
    free(replies->of);
    *replies = (struct host_replies){0};
}

/* ---- Answering ---------------------------------------------------------------------------- */

void
answer_host(struct net_question *taken, const Hde__ControlReply *reply)
{
    Hde__ControlReply said = *reply;
    uint8_t *bytes;
    size_t size;

    said.has_version = true;
    said.version = VERSION;
    size = hde__control_reply__get_packed_size(&said);
    bytes = xmalloc(size + 1);
    hde__control_reply__pack(&said, bytes);
    net_answer(taken, bytes, size);
    free(bytes);
}

void
answer_host_with(struct net_question *taken, const struct err *err)
{
    Hde__ControlReply reply = HDE__CONTROL_REPLY__INIT;
    Hde__ControlError error = HDE__CONTROL_ERROR__INIT;
    Hde__ControlDone done = HDE__CONTROL_DONE__INIT;

    if (err_is_set(err)) {
        error.code = (char *)(uintptr_t)err->code;
        error.message = (char *)(uintptr_t)err->text;
        reply.answer_case = HDE__CONTROL_REPLY__ANSWER_ERROR;
        reply.error = &error;
    } else {
        reply.answer_case = HDE__CONTROL_REPLY__ANSWER_DONE;
        reply.done = &done;
    }
    answer_host(taken, &reply);
}
