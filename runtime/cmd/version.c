/* SPDX-License-Identifier: Apache-2.0
 * version - what exactly is this program? */
#include "cmd/cmd.h"

#include <yaml.h>
#include <zmq.h>

#ifndef HDE_BUILD_TYPE
#define HDE_BUILD_TYPE ""
#endif
#ifndef HDE_COMMIT
#define HDE_COMMIT ""
#endif

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZER "address"
#elif defined(__SANITIZE_THREAD__)
#define SANITIZER "thread"
#else
#define SANITIZER ""
#endif

static void
field(hde_text *out, bool json, const char *name, const char *value)
{
    if (!*value)
        return;
    if (json) {
        hde_text_printf(out, ",\"%s\":", name);
        hde_json_string(out, value);
    } else {
        hde_text_printf(out, "%-12s %s\n", name, value);
    }
}

static int
run_version(const struct cmd *cmd, const void *options)
{
    int major, minor, patch, exit;
    char zmq[32], abi[16];
    hde_text out = {0};

    zmq_version(&major, &minor, &patch);
    snprintf(zmq, sizeof zmq, "%d.%d.%d", major, minor, patch);
    snprintf(abi, sizeof abi, "%u", HDE_ABI);
    hde_text_puts(&out, cmd->json ? "{\"version\":\"" HDE_VERSION "\"" : "hde " HDE_VERSION "\n");
    field(&out, cmd->json, "abi", abi);
    field(&out, cmd->json, "build", HDE_BUILD_TYPE);
    field(&out, cmd->json, "commit", HDE_COMMIT);
    field(&out, cmd->json, "sanitizer", SANITIZER);
    field(&out, cmd->json, "compiler", COMPILER);
    field(&out, cmd->json, "libzmq", zmq);
    field(&out, cmd->json, "libyaml", yaml_get_version_string());
    field(&out, cmd->json, "protobuf-c", protobuf_c_version());
    hde_text_puts(&out, cmd->json ? "}\n" : "");
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

const struct command cmd_version = {
    .name = "version",
    .args = "",
    .group = CMD_GROUP_TOOL,
    .summary = "version, build, ABI and libraries",
    .examples = (const struct cmd_example[]){{"hde version", "for people"},
                                             {"hde version --json", "for scripts"},
                                             {0}},
    .run = run_version,
};
