/* SPDX-License-Identifier: Apache-2.0
 * elf - what a plugin file says about itself, read without running anything of it. */
#ifndef PLUGIN_ELF_H
#define PLUGIN_ELF_H

#include "base/err.h"

#include <hde/operator.h>

struct elf_plugin {
    uint32_t magic, abi, size, operator_size; /* first fields of its hde_plugin_table */
    char build_id[2 * 32 + 1];                /* hex, "" where the file has none */
};

/* False (HDE-P001 to HDE-P010, with the file's name, what is wrong and what to do) unless the file
 * is a shared object for this machine that exports hde_plugin with the ABI of this runtime. Reads
 * what the dynamic loader would use (program headers, dynamic symbols), trusts no offset. */
bool elf_inspect(const char *path, struct elf_plugin *out, struct err *err);

#endif
