/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/codes.h"

const struct code redis_codes[] = {
    {"HDE-D001", "the address of Redis cannot be used",
     "redis://[[USER:]PASSWORD@]HOST[:PORT][,HOST[:PORT]...][/DATABASE] for TCP, several "
     "hosts of one cluster; unix://[[USER:]PASSWORD@]/PATH[?db=DATABASE] for a socket of this machine. "
     "Special characters in user, password and path are written %XX. TLS (rediss://) is not "
     "spoken: reach such a server through a local TLS proxy, stunnel for example.",
     "redis: localhost:6379", "redis: redis://localhost:6379"},
    {"HDE-D002", "Redis is away",
     "Nobody listens there, the connection was cut, or a try shortly before has failed: it is "
     "tried again after a pause that doubles from 0.1 to 5 seconds, without a restart. What was under "
     "way when it was cut may or may not have been done.",
     NULL, NULL},
    {"HDE-D003", "Redis does not answer in time",
     "The call has ended at its deadline and the connection with it, since a late answer would be "
     "taken for that of another call. Is the server overloaded, stopped, behind a slow network, or "
     "running a long script?",
     NULL, NULL},
    {"HDE-D004", "Redis does not let us in",
     "User or password are wrong or missing, or the user may not run this command (ACL). The text "
     "after 'Redis says' is the server's own.",
     "redis://localhost:6379", "redis://user:password@localhost:6379"},
    {"HDE-D005", "Redis is busy",
     "It loads its data, a slot is on its way between two servers of the cluster, or a part of the "
     "cluster has no master: it passes.",
     NULL, NULL},
    {"HDE-D006", "Redis has no room",
     "maxmemory is reached and nothing may be evicted, or the last snapshot could not be written. "
     "Raise it, or set maxmemory-policy: allkeys-lru suits a server that is only a cache.",
     NULL, NULL},
    {"HDE-D007", "what came is not from Redis",
     "The answer breaks the protocol or is larger than the bound. Something else listens at this "
     "address, or speaks TLS there. The connection was closed.",
     NULL, NULL},
    {"HDE-D008", "keys of one script are in different slots",
     "In a cluster a script runs where its keys are, so all of them need one hash tag, the part in "
     "braces; that is asked for on a single server too, so that what works there works everywhere.",
     "feed:lock, feed:count", "{feed}:lock, {feed}:count"},
    {"HDE-D009", "a lock was lost",
     "Its lease ended before it was extended or released, and it is free or held by somebody else "
     "by now. What was done after that end was not done alone.",
     NULL, NULL},
    {"HDE-D010", "Redis refused a command",
     "The text after 'Redis says' is the server's own: a key that holds another type of value, a "
     "database that is not there, a command that this version does not have.",
     NULL, NULL},
    {0},
};
