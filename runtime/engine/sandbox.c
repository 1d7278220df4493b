/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#else
#error "sandbox: the number of this machine is missing here"
#endif

/* ---- System calls ------------------------------------------------------------------------- */

static const uint32_t refused[] = {
    SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
    SYS_pidfd_open, SYS_pidfd_send_signal, SYS_pidfd_getfd, SYS_process_madvise, SYS_kcmp,
    SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_open_tree,
    SYS_move_mount, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_swapon, SYS_swapoff,
    SYS_reboot, SYS_kexec_load, SYS_kexec_file_load, SYS_init_module, SYS_finit_module,
    SYS_delete_module, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup,
    SYS_add_key, SYS_request_key, SYS_keyctl, SYS_acct, SYS_quotactl, SYS_settimeofday,
    SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime, SYS_sethostname, SYS_setdomainname,
    SYS_open_by_handle_at, SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid,
    SYS_setresgid, SYS_setfsuid, SYS_setfsgid, SYS_setgroups, SYS_capset, SYS_setsid, SYS_setpgid,
    SYS_setpriority, SYS_tkill, SYS_shmget, SYS_msgget, SYS_semget,
#ifdef SYS_fork
    SYS_fork, SYS_vfork,
#endif
};
static const uint32_t network_calls[] = {SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_accept,
                                         SYS_accept4};
/* To the process itself these are fine: abort() and raise() use them. */
static const uint32_t signals[] = {SYS_kill, SYS_tgkill, SYS_rt_sigqueueinfo,
                                   SYS_rt_tgsigqueueinfo};
#define N(array) (sizeof(array) / sizeof *(array))

enum { LENGTH = 16 + 2 * (N(refused) + N(network_calls)) + 5 * N(signals) };

struct program {
    struct sock_filter at[LENGTH];
    unsigned short n;
};

static void
add(struct program *program, struct sock_filter step)
{
    program->at[program->n++] = step;
}

#define LOAD(member) ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, member))
#define SKIP_UNLESS(value, n) ((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n))
#define SKIP_IF(value, n) ((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, n, 0))
#define GIVE(what) ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what))
#define REFUSE GIVE(SECCOMP_RET_ERRNO | EPERM)
#define NUMBER offsetof(struct seccomp_data, nr)
#define ARGUMENT offsetof(struct seccomp_data, args) /* the low half of the first */

static void
refuse_all(struct program *program, const uint32_t *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        add(program, SKIP_UNLESS(calls[i], 1));
        add(program, REFUSE);
    }
}

/* Threads are fine, processes are not. Without clone3() glibc takes clone(), whose flags can be
 * looked at. */
static void
refuse_processes(struct program *program)
{
    add(program, SKIP_UNLESS(SYS_clone3, 1));
    add(program, GIVE(SECCOMP_RET_ERRNO | ENOSYS));
    add(program, SKIP_UNLESS(SYS_clone, 4));
    add(program, LOAD(ARGUMENT));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0));
    add(program, REFUSE);
    add(program, GIVE(SECCOMP_RET_ALLOW));
}

static void
refuse_signals(struct program *program)
{
    for (size_t i = 0; i < N(signals); i++) {
        add(program, SKIP_UNLESS(signals[i], 4));
        add(program, LOAD(ARGUMENT));
        add(program, SKIP_IF((uint32_t)getpid(), 1));
        add(program, REFUSE);
        add(program, GIVE(SECCOMP_RET_ALLOW));
    }
}

static bool
filter_calls(bool network)
{
    struct program program = {0};
    struct sock_fprog all = {.filter = program.at};

    add(&program, LOAD(offsetof(struct seccomp_data, arch)));
    add(&program, SKIP_IF(MACHINE, 1));
    add(&program, GIVE(SECCOMP_RET_KILL_PROCESS));
    add(&program, LOAD(NUMBER));
#ifdef __x86_64__ /* the numbers of x32 */
    add(&program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1));
    add(&program, GIVE(SECCOMP_RET_KILL_PROCESS));
#endif
    refuse_all(&program, refused, N(refused));
    if (!network)
        refuse_all(&program, network_calls, N(network_calls));
    refuse_processes(&program);
    refuse_signals(&program);
    add(&program, GIVE(SECCOMP_RET_ALLOW));
    all.len = program.n;
    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
           !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &all);
}

/* ---- Limits ------------------------------------------------------------------------------- */

/* Private memory that the process may write, as the kernel counts it against RLIMIT_DATA:
 * sanitizers have terabytes of it, so the limit stands above what there is. 0: unknown. */
static uint64_t
data_bytes(void)
{
    unsigned long long kib = 0;
    char line[256];
    FILE *file = fopen("/proc/self/status", "re");

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmData: %llu kB", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return (uint64_t)kib * 1024;
}

static bool
limit(int resource, uint64_t most)
{
    return !setrlimit((__rlimit_resource_t)resource, &(struct rlimit){most, most});
}

bool
sandbox_enter(uint64_t memory, bool network, struct err *err)
{
    uint64_t now = data_bytes();

    if (now && limit(RLIMIT_CORE, 0) && limit(RLIMIT_DATA, now + memory) && filter_calls(network))
        return true;
    return err_set(err, "HDE-R061", "the limits of an isolated process cannot be set: %s",
                   now ? strerror(errno) : "no /proc/self/status");
}

bool
sandbox_die_with(int pipe_fd, struct err *err)
{
    struct pollfd end = {.fd = pipe_fd, .events = POLLIN};

    if (!fcntl(pipe_fd, F_SETOWN, getpid()) && !fcntl(pipe_fd, F_SETSIG, SIGKILL) &&
        !fcntl(pipe_fd, F_SETFL, O_ASYNC))
        return poll(&end, 1, 0) == 0 || /* closed before we asked */
               err_set(err, "HDE-R061", "the parent of an isolated process is gone");
    return err_set(err, "HDE-R061", "an isolated process cannot watch its parent: %s",
                   strerror(errno));
}
