/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/spread.h"

#include "base/clock.h"

#include <hde/text.h>

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_PORT = 17510, READY = 64 };

static struct {
    const char *graphs;
    char folder[PATH_MAX], program[PATH_MAX];
    bool has_namespaces;
    double sent[SPREAD_HOSTS]; /* see spread_sent() */
} self;

_Noreturn static void
give_up(const char *what, const char *text)
{
    fprintf(stderr, "hde bench: %s: %s\n", what, text);
    exit(70);
}

/* ---- Machines ------------------------------------------------------------------------------ */

/* True: the shell has done it. */
__attribute__((format(printf, 1, 2))) static bool
shell(const char *format, ...)
{
    char line[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return system(line) == 0;
}

/* Of runs that were killed. */
static void
sweep_machines(void)
{
    shell("exec 2>/dev/null; for n in $(ip netns list | grep -o '^hde-spread-[0-9]*-[0-9]'); do "
          "p=${n#hde-spread-}; [ -d /proc/${p%%-*} ] || ip netns delete $n; done");
}

/* hde-spread-PID-0 is the cable, 1 to 4 are the machines. Not `ip -n`, nor `ip netns exec`: they
 * mount, which does not work below a chroot. */
#define IN "nsenter --net=/run/netns/"
static bool
make_machines(void)
{
    int pid = getpid();

    if (geteuid() != 0 ||
        !shell("exec 2>/dev/null; n=hde-spread-%d-0; ip netns add $n && " IN "$n ip link add cable "
               "type bridge && " IN "$n ip link set cable up",
               pid))
        return false;
    for (int i = 1; i <= SPREAD_HOSTS; i++)
        if (!shell("exec 2>/dev/null; n=hde-spread-%d-%d c=hde-spread-%d-0; ip netns add $n && " IN
                   "$n ip link set lo up && " IN
                   "$c ip link add to%d type veth peer name net netns $n && " IN
                   "$c ip link set to%d master cable && " IN "$c ip link set to%d up && " IN
                   "$n ip address add 10.79.0.%d/24 dev net && " IN "$n ip link set net up",
                   pid, i, pid, i, i, i, i))
            return false;
    return true;
}

static void
remove_machines(void)
{
    for (int i = 0; i <= SPREAD_HOSTS; i++)
        shell("exec 2>/dev/null; ip netns delete hde-spread-%d-%d", getpid(), i);
}

static void
put_address(hde_text *out, int host)
{
    if (self.has_namespaces)
        hde_text_printf(out, "tcp://10.79.0.%d:%d", host + 1, FIRST_PORT);
    else
        hde_text_printf(out, "tcp://127.0.0.1:%d", FIRST_PORT + host);
}

/* In a child that is about to become another program. */
static void
enter_machine(int host)
{
    char path[64];
    int fd;

    if (!self.has_namespaces)
        return;
    snprintf(path, sizeof path, "/run/netns/hde-spread-%d-%d", getppid(), host + 1);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
        _exit(71);
}

/* ---- The graph ----------------------------------------------------------------------------- */

static void
write_graph(const struct spread_load *load, const char *path)
{
    static const int at[SPREAD_HOSTS][4] = {{0, 0, 0, 0}, {0, 1, 1, 1}, {0, 1, 2, 2}, {0, 1, 2, 3}};
    const int *host = at[load->hosts - 1];
    hde_text yaml = {0};
    FILE *file = fopen(path, "we");

    hde_text_printf(&yaml, "hde: 1\ngraph: spread\nhosts:\n");
    for (int i = 0; i < load->hosts; i++) {
        hde_text_printf(&yaml, "  h%d: {listen: \"", i);
        put_address(&yaml, i);
        hde_text_printf(&yaml, "\"}\n");
    }
    hde_text_printf(&yaml,
                    "include:\n  processing: {host: h%d, chain: \"%s/processing.yaml\"}\n"
                    "  analytics: {host: h%d, chain: \"%s/analytics.yaml\"}\n"
                    "nodes:\n  source: {host: h%d, op: ingestion/synthetic, params: {ready: %d, "
                    "snapshots: %ld, strikes: %d}}\n"
                    "  late: {host: h%d, op: bench/late, params: {path: \"%s/late\"}}\n"
                    "edges:\n  - source -> processing.chains\n"
                    "  - processing.enriched -> analytics.enriched\n"
                    "  - analytics.results -> late\n",
                    host[1], self.graphs, host[2], self.graphs, host[0], READY, load->chains,
                    load->strikes, host[3], self.folder);
    if (!file || fwrite(yaml.data, 1, yaml.len, file) != yaml.len || fclose(file) != 0)
        give_up(path, "cannot be written");
    hde_text_free(&yaml);
}

/* ---- Running it ---------------------------------------------------------------------------- */

static pid_t
start_host(int host, int hosts, const char *graph)
{
    char name[16], out[PATH_MAX + 24];
    pid_t pid = fork();
    int fd;

    if (pid)
        return pid;
    snprintf(name, sizeof name, "h%d", host);
    snprintf(out, sizeof out, "%s/%s.err", self.folder, name);
    fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    enter_machine(host);
    setenv("XDG_RUNTIME_DIR", self.folder, 1);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(71);
    execl(self.program, "hde", "run", graph, "--insecure", "--log-level", "warn", "--host",
          hosts == 1 ? "all" : name, (char *)NULL);
    _exit(71);
}

static double
seconds(struct timeval at)
{
    return (double)at.tv_sec + (double)at.tv_usec * 1e-6;
}

struct spread_cost
spread_run(const struct spread_load *load)
{
    char graph[PATH_MAX + 16];
    struct spread_cost cost = {0};
    int64_t began_ns;
    pid_t pid[SPREAD_HOSTS];

    snprintf(graph, sizeof graph, "%s/spread.yaml", self.folder);
    write_graph(load, graph);
    began_ns = clock_mono_ns();
    for (int i = 0; i < load->hosts; i++)
        pid[i] = start_host(i, load->hosts, graph);
    for (int i = 0; i < load->hosts; i++) {
        struct rusage usage;
        int status;

        if (pid[i] < 0 || wait4(pid[i], &status, 0, &usage) < 0 || status != 0)
            give_up("a host of the spread graph has failed; see", self.folder);
        cost.cpu_s += seconds(usage.ru_utime) + seconds(usage.ru_stime);
    }
    cost.wall_s = (double)(clock_mono_ns() - began_ns) / 1e9;
    return cost;
}

/* What came out of a machine so far, as its end of the cable has counted. */
static double
count_sent(int host)
{
    char line[160];
    double bytes = 0;
    FILE *pipe;

    snprintf(line, sizeof line,
             IN "hde-spread-%d-0 sed -n 's/^ *to%d: *\\([0-9]*\\).*/\\1/p' /proc/net/dev", getpid(),
             host + 1);
    pipe = self.has_namespaces ? popen(line, "re") : NULL;
    if (pipe && fscanf(pipe, "%lf", &bytes) != 1)
        bytes = 0;
    if (pipe)
        pclose(pipe);
    return bytes;
}

double
spread_sent(int host)
{
    return self.sent[host];
}

double
spread_chain_s(int hosts, int strikes, long chains)
{
    long few = chains / 10;
    double before[SPREAD_HOSTS];
    double all, start;

    start = spread_run(&(struct spread_load){hosts, strikes, few}).cpu_s;
    for (int i = 0; i < hosts; i++)
        before[i] = count_sent(i);
    all = spread_run(&(struct spread_load){hosts, strikes, chains}).cpu_s;
    for (int i = 0; i < hosts; i++)
        self.sent[i] = (count_sent(i) - before[i]) / (double)chains;
    return (all - start) / (double)(chains - few);
}

/* ---- Beginning and end --------------------------------------------------------------------- */

void
spread_open(const char *graphs)
{
    char *slash;
    char name[] = "/tmp/hde-spread-XXXXXX";
    ssize_t n = readlink("/proc/self/exe", self.program, sizeof self.program - 8);

    if (n < 0 || !mkdtemp(name))
        give_up(name, "cannot be made");
    self.program[n] = 0;
    slash = strrchr(self.program, '/');
    snprintf(slash + 1, sizeof self.program - (size_t)(slash + 1 - self.program), "hde");
    snprintf(self.folder, sizeof self.folder, "%s", name);
    self.graphs = graphs;
    sweep_machines();
    self.has_namespaces = make_machines();
    if (!self.has_namespaces)
        remove_machines();
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

void
spread_close(void)
{
    if (self.has_namespaces)
        remove_machines();
    nftw(self.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

bool
spread_has_namespaces(void)
{
    return self.has_namespaces;
}
