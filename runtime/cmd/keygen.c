/* SPDX-License-Identifier: Apache-2.0
 * keygen - the key of a host: the secret half into a file, the public one for the graph. */
#include "cmd/cmd.h"
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct keygen_options {
    bool show;
};

/* Nobody else may read it, and a key that is there is not lost. */
static int
write_secret(const struct cmd *cmd, const char *path, const char *secret)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok;

    if (fd < 0)
        return cmd_error(cmd, EX_CANTCREAT, "HDE-R184",
                         errno == EEXIST ? "--show prints the public key of one that is there"
                                         : NULL,
                         "%s: %s", path, strerror(errno));
    ok = dprintf(fd, "%s\n", secret) == NET_KEY && fsync(fd) == 0;
    if (close(fd) == 0 && ok)
        return CMD_OK;
    unlink(path);
    return cmd_error(cmd, EX_IOERR, "HDE-R184", NULL, "%s: the key could not be written", path);
}

static int
read_secret(const struct cmd *cmd, const char *path, char secret[256])
{
    FILE *file = fopen(path, "re");
    bool ok = file && fgets(secret, 256, file);

    if (file)
        fclose(file);
    if (!ok)
        return cmd_error(cmd, EX_NOINPUT, "HDE-R182", NULL, "%s: no key can be read", path);
    secret[strcspn(secret, " \t\r\n")] = 0;
    return CMD_OK;
}

static int
run_keygen(const struct cmd *cmd, const void *block)
{
    const struct keygen_options *options = block;
    char public_key[NET_KEY], secret[256] = "";
    struct err err = {0};
    hde_text out = {0};
    int exit = CMD_OK;

    if (options->show)
        exit = read_secret(cmd, cmd->args[0], secret);
    else if (net_keys(public_key, secret, &err))
        exit = write_secret(cmd, cmd->args[0], secret);
    if (!exit && options->show)
        net_public_key(secret, public_key, &err);
    explicit_bzero(secret, sizeof secret);
    if (exit || err_is_set(&err))
        return exit ? exit : cmd_error_err(cmd, EX_DATAERR, &err);
    if (cmd->json) {
        hde_text_puts(&out, "{\"public_key\":");
        hde_json_string(&out, public_key);
        hde_text_puts(&out, "}\n");
    } else {
        hde_text_printf(&out, "%s\n", public_key);
    }
    exit = cmd_print(cmd, &out, NULL);
    hde_text_free(&out);
    return exit;
}

const struct command cmd_keygen = {
    .name = "keygen",
    .args = "FILE",
    .group = CMD_GROUP_WRITE,
    .summary = "make the key of a host",
    .help =
        "Makes a pair of keys. The secret one is written to FILE, which only its owner may read; "
        "it stays on its machine and is given to 'hde run --host NAME --key FILE'. The public one "
        "is printed: it stands in the graph, hosts: {NAME: {public_key: \"...\"}}, on all hosts. "
        "What passes between hosts with keys is encrypted, and nobody else is let in.",
    .examples = (const struct cmd_example[]){{"hde keygen ingest.key", "a new pair"},
                                             {"hde keygen --show ingest.key",
                                              "the public key of one that is there"},
                                             {0}},
    .options = (const struct cmd_option[]){{CMD_OPTION("show", struct keygen_options, show),
                                            .help = "make nothing; print the public key that goes "
                                                    "with the secret one in FILE"},
                                           {0}},
    .exits = (const struct cmd_exit[]){{EX_CANTCREAT, "the file is there, or cannot be made"},
                                       {EX_NOINPUT, NULL},
                                       {EX_DATAERR, "--show: that is no key"},
                                       {0}},
    .complete = CMD_COMPLETE_FILE,
    .min_args = 1,
    .max_args = 1,
    CMD_BLOCK(struct keygen_options),
    .run = run_keygen,
};
