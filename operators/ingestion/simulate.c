/* SPDX-License-Identifier: Apache-2.0
 * hde-simulate - a loopback stand-in for the Dhan option-chain API, as a program. */
#include "sim.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: hde simulate [options]\n"
    "\n"
    "Serves POST /v2/optionchain and /v2/optionchain/expirylist on 127.0.0.1 with a synthetic\n"
    "market: the same seed and instant give the same numbers.\n"
    "\n"
    "examples:\n"
    "  hde simulate                                    a free port, which is printed\n"
    "  hde simulate --port 8991 --seed 7\n"
    "  hde simulate --calendar nse --start 2026-08-19T09:10:00+05:30 --speed 60\n"
    "  hde simulate --fault 429@3,html@5,timeout@9     the 3rd, 5th and 9th chain go wrong\n"
    "  hde simulate --fault list.401@1,zero-spot@10+\n"
    "  curl -X POST 'http://127.0.0.1:8991/sim/fault?play=502@1-5'   from now on\n"
    "  curl http://127.0.0.1:8991/sim                  its clock and counts\n"
    "\n"
    "options:\n"
    "  --port N          0 (default): a free one\n"
    "  --seed N          of the market (default 1)\n"
    "  --calendar NAME   always (default), nse, or the path of a calendar file\n"
    "  --start INSTANT   what its clock shows at first (default: now)\n"
    "  --speed X         seconds of the market a second (default 1; 0 stands still)\n"
    "  --interval S      the same chain sooner than this is refused with 429 (default 3; 0: "
    "never)\n"
    "  --token TEXT      refuse every other access-token with 401 (default: any)\n"
    "  --client-id TEXT  refuse every other client-id\n"
    "  --fault SCRIPT    NAME@N, NAME@N-M, NAME@N+, comma separated; list.NAME@N for expiry lists\n"
    "  --help\n"
    "\n"
    "faults:\n";

enum { EXIT_USAGE = 64, EXIT_AWAY = 69 };

static int
usage(const char *text)
{
    fprintf(stderr, "hde simulate: %s\ntry: hde simulate --help\n", text);
    return EXIT_USAGE;
}

static int
print_help(void)
{
    fputs(help, stdout);
    for (const struct sim_fault *f = sim_faults; f->name; f++)
        printf("  %-17s %s\n", f->name, f->help);
    return fflush(stdout) == 0 ? 0 : 74;
}

static bool
read_number(const char *text, double min, double max, double *out)
{
    char *end;

    errno = 0;
    *out = strtod(text, &end);
    return *text && !*end && errno == 0 && *out >= min && *out <= max;
}

static bool
read_option(int option, const char *text, struct sim_config *config)
{
    double number = 0;

    switch (option) {
    case 'p':
        if (!read_number(text, 0, 65535, &number))
            return false;
        config->port = (int)number;
        return true;
    case 's':
        if (!read_number(text, 0, 9007199254740991.0, &number))
            return false;
        config->seed = (uint64_t)number;
        return true;
    case 'S':
        return when_parse("%Y-%m-%dT%H:%M:%S%z", text, strlen(text), 19800, &config->start_ns);
    case 'x':
        return read_number(text, 0, 1e6, &config->speed);
    case 'i':
        if (!read_number(text, 0, 3600, &number))
            return false;
        config->interval_ns = (int64_t)(number * 1e9);
        return true;
    case 'c':
        config->calendar = text;
        return true;
    case 't':
        config->token = text;
        return true;
    case 'C':
        config->client_id = text;
        return true;
    case 'f':
        config->faults = text;
        return true;
    }
    return false;
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"seed", required_argument, NULL, 's'},
        {"calendar", required_argument, NULL, 'c'},
        {"start", required_argument, NULL, 'S'},
        {"speed", required_argument, NULL, 'x'},
        {"interval", required_argument, NULL, 'i'},
        {"token", required_argument, NULL, 't'},
        {"client-id", required_argument, NULL, 'C'},
        {"fault", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct sim_config config = {.seed = 1, .speed = 1, .interval_ns = 3 * WHEN_SECOND};
    char error[256];
    struct sim *sim;
    sigset_t stop;
    int option, got;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h')
            return print_help();
        if (option == '?')
            return EXIT_USAGE;
        if (!read_option(option, optarg, &config)) {
            snprintf(error, sizeof error, "'%.100s' is not a value for this option", optarg);
            return usage(error);
        }
    }
    if (optind < argc)
        return usage("takes options only");
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); /* before the server's thread starts */
    sim = sim_start(&config, error, sizeof error);
    if (!sim) {
        fprintf(stderr, "hde simulate: %s\n", error);
        return strstr(error, "listen") ? EXIT_AWAY : EXIT_USAGE;
    }
    printf("http://127.0.0.1:%d\n", sim_port(sim));
    fflush(stdout);
    sigwait(&stop, &got);
    sim_stop(sim);
    return 0;
}
