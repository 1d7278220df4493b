/* SPDX-License-Identifier: Apache-2.0
 * redis_rig - a real redis-server of this test: a folder, a port and a socket of its own.
 *
 * A server dies with the test, however that ends. Everything fails the test with a message; where
 * no redis-server is installed, rig_has_redis() is false and the program exits with 77. */
#ifndef SUPPORT_REDIS_RIG_H
#define SUPPORT_REDIS_RIG_H

#include <hiredis.h>

#include <stdbool.h>
#include <sys/types.h>

struct redis_rig {
    pid_t pid;
    char folder[64], path[96]; /* path: of the socket */
    int port, bus;
    char url[64], unix_url[128]; /* redis://127.0.0.1:PORT, unix:///... */
    bool is_cluster;
    redisContext *admin;
};

bool rig_has_redis(void);
void rig_redis_start(struct redis_rig *rig, bool is_cluster); /* ready when it comes back */
void rig_redis_kill(struct redis_rig *rig);  /* SIGKILL */
void rig_redis_again(struct redis_rig *rig); /* after that: same port, socket and folder */
void rig_redis_stop(struct redis_rig *rig);  /* and removes the folder; stopped is fine */
/* A command over a connection of the rig's own; never an error. freeReplyObject(). */
redisReply *rig_redis(struct redis_rig *rig, const char *fmt, ...);
long long rig_redis_integer(struct redis_rig *rig, const char *fmt, ...);

/* n servers as one cluster, the slots in equal parts; ready when every one says so. */
void rig_cluster_start(struct redis_rig *rig, size_t n);
/* The id of a member, and which member has a slot. */
void rig_cluster_id(struct redis_rig *rig, char id[41]);
/* Moves a slot as a resharding does, key by key. Between opening and closing it, the server asked
 * for a key that has gone answers ASK; afterwards MOVED. */
void rig_slot_open(struct redis_rig *from, struct redis_rig *to, unsigned slot);
long long rig_slot_move_keys(struct redis_rig *from, struct redis_rig *to, unsigned slot, int most);
void rig_slot_close(struct redis_rig *from, struct redis_rig *to, unsigned slot);

/* Looks until the condition holds: false after `seconds`. */
bool rig_until(double seconds, bool (*holds)(void *user), void *user);

#endif
