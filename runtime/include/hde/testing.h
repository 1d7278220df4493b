/* SPDX-License-Identifier: Apache-2.0
 * hde/testing.h - one operator by name, with a clock that the test drives.
 *
 * The harness loads the real .so from the plugin path (HDE_PLUGIN_PATH), so ABI and visibility
 * are tested too. One thread; every function aborts the test with a message on misuse (unknown
 * operator, port or parameter). Link with hde::testing. */
#ifndef HDE_TESTING_H
#define HDE_TESTING_H

#include <hde/operator.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct hde_harness hde_harness;

/* params is YAML text as under "params:" ("window: 5m, mode: mid" in flow form without braces, or
 * lines), or NULL. Opens the operator. */
hde_harness *hde_harness_open(const char *op, const char *params);
/* The same, but a refused parameter or a failed open() gives NULL and its text. */
hde_harness *hde_harness_try(const char *op, const char *params, char *error, size_t size);
void hde_harness_close(hde_harness *h);

/* A message that the test fills: take it back with hde_harness_push(). */
hde_msg *hde_harness_new(hde_harness *h, const ProtobufCMessageDescriptor *type);
/* Makes one tick with one message (taken) for a port. Gives what batch() returned last. Goes on
 * behind a message that was rejected, as the runtime does; after HDE_RETRY keeps the rest of the
 * port, which the next push (of n = 0 messages, say) hands in first; after HDE_FAIL drops it. */
hde_status hde_harness_push(hde_harness *h, const char *port, hde_msg *taken);
hde_status hde_harness_push_all(hde_harness *h, const char *port, hde_msg **taken, uint32_t n);
hde_status hde_harness_poll(hde_harness *h);  /* sources: one call of poll() */
hde_status hde_harness_flush(hde_harness *h); /* up to the last tick */
/* The next message that came out of a port, or NULL. Yours: hde_msg_drop() it. */
hde_msg *hde_harness_pull(hde_harness *h, const char *port);

/* Both clocks begin at 0, the watermark before everything; they never go back. */
void hde_harness_now(hde_harness *h, int64_t now_ns); /* processing time; fires timers */
void hde_harness_watermark(hde_harness *h, int64_t watermark_ns); /* event time; fires timers */
/* Waits (deadline) until a descriptor or post of the operator was served: true if one was. */
bool hde_harness_wait(hde_harness *h, int timeout_ms);

/* Saves, closes, opens anew with the same parameters and loads: the hot-reload path, through the
 * bytes of the state message. Timers stay. False if a step failed. */
bool hde_harness_reload(hde_harness *h);
/* From the next reload on: whether hde_recovers() says that the graph keeps checkpoints (no). */
void hde_harness_keep(hde_harness *h, bool keeps);
/* The same: on which host of a graph over several the operator runs; NULL (as in the beginning): the
 * graph, "test", has none. */
void hde_harness_host(hde_harness *h, const char *host);
/* The text of the last reject, retry, fail: "event: text", or "". */
const char *hde_harness_said(const hde_harness *h);
/* Of an operator with HDE_ANSWERS_LATER: without an answer yet, of this instance. */
uint32_t hde_harness_questions(const hde_harness *h);
uint64_t hde_harness_counter(const hde_harness *h, const char *name);
/* What the operator says of the world; *text (may be NULL) is lent until it says something else. */
hde_standing hde_harness_standing(const hde_harness *h, const char **text);
/* Ticks below that come again: hde_is_again(). */
void hde_harness_again(hde_harness *h, uint64_t below);

/* Sources: what hde_position() said last for a partition (NULL: nothing; lent until the next call
 * of the source), seek(), and the last hde_source_watermark() (INT64_MIN: none). */
const void *hde_harness_position(const hde_harness *h, uint32_t partition, size_t *size);
hde_status hde_harness_seek(hde_harness *h, uint32_t partition, const void *bytes, size_t size);
int64_t hde_harness_source_watermark(const hde_harness *h);
/* Sinks: the last tick pushed, and what mark() says is safely stored. */
uint64_t hde_harness_tick(const hde_harness *h);
hde_status hde_harness_mark(hde_harness *h, uint64_t *tick);
/* The operator's state, to look into. */
void *hde_harness_state(hde_harness *h);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
