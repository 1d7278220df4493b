/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/supervise.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int64_t first_pause_ns = 100 * NS_PER_MS, max_pause_ns = 10LL * NS_PER_S;
static const int64_t calm_ns = 60LL * NS_PER_S; /* a child that lived so long begins a new count */

struct parent {
    const struct cmd *cmd;
    sigset_t waits_for, old;
    pid_t child;
    bool is_ending; /* was asked to */
    int64_t n_restarts, pause_ns;
};

/* A signal from the terminal goes to the whole group: the child has it already. */
static void
pass_on(struct parent *self, const siginfo_t *info)
{
    self->is_ending = true;
    if (info->si_code != SI_KERNEL && self->child > 0)
        kill(self->child, info->si_signo);
}

static int
wait_for_child(struct parent *self)
{
    siginfo_t info;
    int status = 0;
    pid_t pid;

    while ((pid = waitpid(self->child, &status, WNOHANG)) == 0)
        if (sigwaitinfo(&self->waits_for, &info) > 0 && info.si_signo != SIGCHLD)
            pass_on(self, &info);
    self->child = 0;
    return pid > 0 ? status : -1;
}

/* False: a signal came that ends it. */
static bool
pause_before_start(struct parent *self)
{
    int64_t end_ns = clock_mono_ns() + self->pause_ns, left_ns;
    siginfo_t info;

    while (!self->is_ending && (left_ns = end_ns - clock_mono_ns()) > 0) {
        struct timespec left = {left_ns / NS_PER_S, left_ns % NS_PER_S};

        if (sigtimedwait(&self->waits_for, &info, &left) > 0 && info.si_signo != SIGCHLD)
            pass_on(self, &info);
    }
    self->pause_ns = 2 * self->pause_ns < max_pause_ns ? 2 * self->pause_ns : max_pause_ns;
    return !self->is_ending;
}

/* Whether it is started again; otherwise *exit is how the parent ends. */
static bool
goes_on(struct parent *self, int status, int64_t lived_ns, int64_t max_restarts, int *exit)
{
    const char *signal_name;

    if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL) {
        *exit = cmd_error(self->cmd, EX_TEMPFAIL, "HDE-R097",
                          "end one of the two runs: a supervised one by its parent, a service with "
                          "'systemctl stop'",
                          "another run has the store: this one is not started again");
        return false;
    }
    *exit = status == -1 ? EX_OSERR : WIFEXITED(status) ? WEXITSTATUS(status) : CMD_INTERRUPTED;
    if (status == -1 || WIFEXITED(status) || self->is_ending)
        return false;
    signal_name = sigabbrev_np(WTERMSIG(status));
    if (lived_ns >= calm_ns) {
        self->n_restarts = 0;
        self->pause_ns = first_pause_ns;
    }
    if (self->n_restarts == max_restarts) {
        *exit = cmd_error(self->cmd, CMD_FAILED, "HDE-R046", NULL,
                          "the engine ended with SIG%s, after %lld starts without a calm minute: "
                          "given up",
                          signal_name, (long long)self->n_restarts + 1);
        return false;
    }
    self->n_restarts++;
    cmd_note(self->cmd, "hde: the engine ended with SIG%s: start %lld of %lld in %.1f s",
             signal_name, (long long)self->n_restarts, (long long)max_restarts,
             (double)self->pause_ns / NS_PER_S);
    return pause_before_start(self);
}

/* The child ends when its parent does. */
static void
begin_child(const struct parent *self, pid_t parent)
{
    sigprocmask(SIG_SETMASK, &self->old, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        raise(SIGTERM);
}

int
supervise(const struct cmd *cmd, int64_t max_restarts, int (*run)(void *arg), void *arg)
{
    struct parent self = {.cmd = cmd, .pause_ns = first_pause_ns};
    int exit, status;

    sigemptyset(&self.waits_for);
    sigaddset(&self.waits_for, SIGINT);
    sigaddset(&self.waits_for, SIGTERM);
    sigaddset(&self.waits_for, SIGHUP);
    sigaddset(&self.waits_for, SIGCHLD);
    sigprocmask(SIG_BLOCK, &self.waits_for, &self.old);
    do {
        int64_t start_ns = clock_mono_ns();
        pid_t parent = getpid();

        fflush(NULL);
        self.child = fork();
        if (self.child == 0) {
            begin_child(&self, parent);
            return run(arg);
        }
        if (self.child < 0)
            return cmd_error(cmd, EX_OSERR, "HDE-R004", NULL, "no child process: %s",
                             strerror(errno));
        status = wait_for_child(&self);
        if (!goes_on(&self, status, clock_mono_ns() - start_ns, max_restarts, &exit))
            return exit;
    } while (true);
}
