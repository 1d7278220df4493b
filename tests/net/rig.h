/* SPDX-License-Identifier: Apache-2.0
 * rig - two hosts in one process, joined by a net each: what is put at host "a" is taken at "b".
 *
 * Waiting is turning until a condition holds, for at most 20 s. */
#ifndef NET_TEST_RIG_H
#define NET_TEST_RIG_H

#include "net/net.h"

enum { A, B, HOSTS };

struct rig {
    char folder[64], own[HOSTS][96];
    const char *address[HOSTS];      /* where each listens; by default ipc in the folder */
    const char *address_from[HOSTS]; /* where the other one looks for it; by default there */
    bool has_keys, has_epochs;
    int64_t capacity;       /* of the edge, in messages */
    size_t bytes_max, size; /* of what is in a frame beside its number */
    uint64_t shape[HOSTS];
    uint32_t line[HOSTS];
    bool is_spare[HOSTS];
    _Atomic int ends[HOSTS]; /* of the other one, that were heard of */
    char public_key[HOSTS][NET_KEY], secret_key[HOSTS][NET_KEY];
    const ProtobufCMessageDescriptor *const *types[HOSTS];

    struct net *net[HOSTS];
    struct link *link[HOSTS];
    struct stats_edge stats[HOSTS];
    uint64_t life[HOSTS];
    net_serve_with *serve;
    uint64_t asks; /* for an epoch, at b */
    bool remembers; /* the end of the edge */
    struct {
        uint64_t tick, tries;
        bool is_heard, cannot;
    } known[HOSTS]; /* over nets */
};

void rig_init(struct rig *rig);
void rig_fini(struct rig *rig);
void rig_links(struct rig *rig);           /* makes both */
void rig_link(struct rig *rig, int host);  /* makes one anew, empty */
void rig_start(struct rig *rig, int host); /* its net */
void rig_stop(struct rig *rig, int host);
void rig_up(struct rig *rig); /* all of it, and waits until both are up */
struct net_seen rig_look(struct rig *rig, int host);
void rig_wait_state(struct rig *rig, int host, enum net_state state);

bool rig_put(struct rig *rig, uint64_t tick); /* false: no room */
void rig_must_put(struct rig *rig, uint64_t tick);
/* The next frame's tick, 0: there is none (now). Checks what is in it. */
uint64_t rig_take(struct rig *rig);
uint64_t rig_wait_take(struct rig *rig);
void rig_take_all(struct rig *rig, uint64_t first, uint64_t last);

/* Loop head: for (wait_begin(); !condition; wait_turn()) */
void wait_begin(void);
void wait_turn(void);
uint64_t draw(uint64_t n); /* splitmix64, from HDE_SEED or the clock; the seed is printed */
void draw_begin(void);

#endif
