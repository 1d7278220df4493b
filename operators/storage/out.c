/* SPDX-License-Identifier: Apache-2.0
 * out - bytes on their way to a descriptor. */
#include "out.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

/* Some of it; -1 with errno. */
static ssize_t
write_some(const struct out *out)
{
    struct pollfd ready = {.fd = out->fd, .events = POLLOUT};
    ssize_t n;

    do
        n = write(out->fd, out->text.data + out->done, out_left(out));
    while (n < 0 && (errno == EINTR || (errno == EAGAIN && poll(&ready, 1, -1) >= 0)));
    return n;
}

int
out_write(struct out *out)
{
    const struct timespec now = {0};
    sigset_t pipe, before;
    int error = 0;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    while (!error && out_left(out) > 0) {
        ssize_t n = write_some(out);

        if (n < 0)
            error = errno;
        else
            out->done += (size_t)n;
    }
    if (error == EPIPE && !sigismember(&before, SIGPIPE))
        while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR) /* take it back */
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!error) {
        hde_text_clear(&out->text);
        out->done = 0;
    }
    return error;
}
