/* SPDX-License-Identifier: Apache-2.0
 * deaf - preloaded into a client of Kafka: while there is a file of the name HDE_DEAF, what brokers
 * answer is lost with the connection, though they hear all that is said to them; and an error of a
 * transaction says that it has to be aborted. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#pragma GCC visibility push(default)

static int
is_deaf(void)
{
    const char *flag = getenv("HDE_DEAF");

    return flag && access(flag, F_OK) == 0;
}

static ssize_t
lost(ssize_t n)
{
    if (n <= 0 || !is_deaf())
        return n;
    errno = ECONNRESET;
    return -1;
}

ssize_t
recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t (*next)(int, struct msghdr *, int) = dlsym(RTLD_NEXT, "recvmsg");

    return lost(next(fd, message, flags));
}

int
rd_kafka_error_txn_requires_abort(const rd_kafka_error_t *error)
{
    int (*next)(const rd_kafka_error_t *) = dlsym(RTLD_NEXT, "rd_kafka_error_txn_requires_abort");

    return is_deaf() || next(error);
}
