/* SPDX-License-Identifier: Apache-2.0
 * hosts - requests to other hosts of the graph, and from them.
 *
 * A request that names another host goes there as it is, over the net's lane for questions; its
 * control answers it like one of its own clients, and that answer goes to who asked here. What the
 * net's thread hands over waits in an inbox until the control thread comes to it. */
#include "control/server.h"

#include "base/arena.h"
#include "base/clock.h"
#include "engine/parts.h"
#include "net/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define ANSWER_NS (1500 * NS_PER_MS) /* shorter than a client waits */
#define TAP_NS (5 * (int64_t)NS_PER_S) /* longer than a host waits for something to show */

struct inbox_item {
    struct inbox_item *next;
    struct control *control;
    struct peer peer; /* who asked: another host, or a client here whose answer this is */
    uint64_t id;
    bool is_led;    /* it was asked as the coordinator */
    uint64_t viewer; /* here, whose answer this is; 0: a client's */
    char host[CONTROL_HOST];
    struct err err; /* there is no answer */
    size_t size;
    uint8_t *bytes;
};

static void
put(struct inbox_item *item, const uint8_t *bytes, size_t size)
{
    struct control *control = item->control;

    item->bytes = xmalloc(size + 1);
    item->size = size;
    if (size)
        memcpy(item->bytes, bytes, size);
    pthread_mutex_lock(&control->inbox_lock);
    *control->inbox_tail = item;
    control->inbox_tail = &item->next;
    pthread_mutex_unlock(&control->inbox_lock);
    eventfd_write(control->inbox_fd, 1);
}

/* On the net's thread. */
static void
asked(void *arg, const char *from, const uint8_t *bytes, size_t size, struct net_question *taken)
{
    struct inbox_item *item = xcalloc(1, sizeof *item);

    item->control = arg;
    item->peer.question = taken;
    item->peer.size = (uint8_t)strnlen(from, sizeof item->peer.bytes);
    memcpy(item->peer.bytes, from, item->peer.size);
    put(item, bytes, size);
}

/* On the net's thread. */
static void
answered(void *arg, const uint8_t *bytes, size_t size, const struct err *err)
{
    struct inbox_item *item = arg;

    if (err)
        item->err = *err;
    put(item, bytes, err ? 0 : size);
}

void
hosts_open(struct control *control)
{
    control->inbox_tail = &control->inbox;
    pthread_mutex_init(&control->inbox_lock, NULL);
    if (parts_net(control->parts))
        net_serve(parts_net(control->parts), asked, control);
}

static void
refuse(struct control *control, const struct peer *peer, uint64_t id, bool is_led,
       const struct err *err)
{
    struct err said = *err;

    if (is_led) {
        said = (struct err){0};
        err_set(&said, "HDE-R211", "%s: it is the coordinator, without which nothing is changed",
                err->text);
    }
    control_refuse(control, peer, id, said.code,
                   is_led ? "the graph runs on as it is; ask again when that host is back. If its "
                            "machine is lost: 'hde help apply' (--lost)"
                          : NULL,
                   said.text);
}

void
hosts_forward(struct control *control, const struct peer *peer, const char *host,
              const Hde__ControlRequest *request, const uint8_t *bytes, size_t size)
{
    struct net *net = parts_net(control->parts);
    struct inbox_item *item;
    struct err err = {0};

    if (!net || peer->question || request->ask_case == HDE__CONTROL_REQUEST__ASK_TAP) {
        control_refuse(control, peer, request->id, "HDE-C013",
                       net ? NULL : "the graph has no hosts, or runs as one process",
                       "this is not asked of another host");
        return;
    }
    item = xcalloc(1, sizeof *item);
    *item = (struct inbox_item){
        .control = control, .peer = *peer, .id = request->id, .is_led = host != request->host};
    if (net_ask(net, host, bytes, size, ANSWER_NS, answered, item, &err))
        return;
    refuse(control, peer, request->id, item->is_led, &err);
    free(item);
}

bool
hosts_ask_tap(struct control *control, const char *host, Hde__ControlRequest *request,
              uint64_t viewer, struct err *err)
{
    size_t size = hde__control_request__get_packed_size(request);
    struct inbox_item *item = xcalloc(1, sizeof *item);
    uint8_t *bytes = xmalloc(size);
    bool ok;

    hde__control_request__pack(request, bytes);
    item->control = control;
    item->viewer = viewer;
    snprintf(item->host, sizeof item->host, "%s", host);
    ok = net_ask(parts_net(control->parts), host, bytes, size, TAP_NS, answered, item, err);
    if (!ok)
        free(item);
    free(bytes);
    return ok;
}

static struct inbox_item *
take(struct control *control)
{
    struct inbox_item *item;

    pthread_mutex_lock(&control->inbox_lock);
    item = control->inbox;
    if (item)
        control->inbox = item->next;
    if (!control->inbox)
        control->inbox_tail = &control->inbox;
    pthread_mutex_unlock(&control->inbox_lock);
    return item;
}

static void
serve(struct control *control, const struct inbox_item *item)
{
    if (item->peer.question)
        control_answer(control, &item->peer, item->bytes, item->size);
    else if (item->viewer)
        viewer_heard(control, item->viewer, item->host, item->bytes, item->size,
                     err_is_set(&item->err) ? &item->err : NULL);
    else if (err_is_set(&item->err))
        refuse(control, &item->peer, item->id, item->is_led, &item->err);
    else
        control_send_bytes(control, &item->peer, item->bytes, item->size);
}

void
hosts_serve(struct control *control)
{
    struct inbox_item *item;
    eventfd_t n;

    eventfd_read(control->inbox_fd, &n);
    while ((item = take(control))) {
        serve(control, item);
        free(item->bytes);
        free(item);
    }
}

void
hosts_close(struct control *control)
{
    struct inbox_item *item;

    if (!control->inbox_tail)
        return;
    if (parts_net(control->parts))
        net_stop(parts_net(control->parts)); /* it calls nobody from here on */
    while ((item = take(control))) {
        if (item->peer.question)
            net_answer(item->peer.question, NULL, 0);
        free(item->bytes);
        free(item);
    }
    pthread_mutex_destroy(&control->inbox_lock);
}
