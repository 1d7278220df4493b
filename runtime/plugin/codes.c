/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/codes.h"

#include <stddef.h>

const struct code plugin_codes[] = {
    {"HDE-P001", "a plugin file cannot be read",
     "The file is not there, may not be read by this user, or is a folder, a device or larger than "
     "1 GiB. The text says which.",
     NULL, NULL},
    {"HDE-P002", "a file on the plugin path is no shared object",
     "Every file *.so on the plugin path must be an ELF shared object. Take other files away, or "
     "link this one as a module (hde_add_operator() of the hde CMake package does).",
     "cc -o my.so my.c", "cc -shared -fPIC -fvisibility=hidden -o my.so my.c"},
    {"HDE-P003", "a plugin is for another machine",
     "It was built for another processor, word size or byte order. Build it on this machine, or "
     "with a compiler for it.",
     NULL, NULL},
    {"HDE-P004", "a plugin file is damaged",
     "Its headers or tables point outside of the file: it was cut short while it was copied, or is "
     "still being written. Build or copy it again; move it into place only when it is complete.",
     "cp my.so plugins/my.so", "cp my.so plugins/.my.so && mv plugins/.my.so plugins/my.so"},
    {"HDE-P005", "a shared object exports no hde_plugin",
     "A plugin exports one data symbol that lists its operators. Ordinary libraries do not belong "
     "on the plugin path.",
     NULL, "HDE_PLUGIN(&my_operator); /* at the end of one C file */"},
    {"HDE-P006", "the symbol hde_plugin is no plugin table",
     "Something else has that name, or the table was not made by HDE_PLUGIN(). Nothing of the file "
     "was run.",
     "void *hde_plugin;", "HDE_PLUGIN(&my_operator);"},
    {"HDE-P007", "a plugin has another ABI",
     "The ABI number grows when old plugins can no longer be loaded. Nothing of the file was run. "
     "Build it again with the headers that belong to this hde; 'hde version' prints its ABI.",
     NULL, NULL},
    {"HDE-P008", "the sizes in a plugin's tables are impossible",
     "The table or an operator is smaller than the smallest or larger than its symbol: set .size = "
     "sizeof(hde_operator) and use HDE_PLUGIN().",
     "static const hde_operator op = {.name = ...};",
     "static const hde_operator op = {.size = sizeof(hde_operator), .name = ...};"},
    {"HDE-P009", "a plugin brings its own copy of the schemas",
     "Messages are told apart by the address of their descriptor, so all generated code must come "
     "from libhde_schemas.so. Link with that library (hde::hde) and leave the .pb-c.c files out. "
     "Messages of your own belong into another package than hde, in a library that stays loaded.",
     "cc -shared my.c market.pb-c.c", "cc -shared my.c -lhde_schemas"},
    {"HDE-P010", "a plugin asks for an executable stack",
     "The loader would make the stacks of the whole process executable. It comes from an assembler "
     "file without a .note.GNU-stack section, or from nested functions.",
     NULL, "link with -Wl,-z,noexecstack"},
    {"HDE-P011", "a plugin cannot be loaded",
     "The dynamic loader refused it; the text is its own. Mostly a symbol is missing: a library "
     "was "
     "not linked, or the plugin uses a host function that this hde does not have. All symbols are "
     "resolved when a plugin is loaded, so nothing is missing later.",
     NULL, NULL},
    {"HDE-P012", "an operator's table is wrong",
     "The text names operator and fault: names, ports without types, parameters outside of the "
     "state, fallbacks that are no value of their type, functions that are missing.",
     NULL, NULL},
    {"HDE-P013", "two plugins have an operator of the same name",
     "The first on the plugin path wins: --plugins, HDE_PLUGIN_PATH, then hde's own folder. To "
     "replace an operator on purpose this is all that is needed; otherwise rename one.",
     NULL, NULL},
    {"HDE-P014", "an operator needs a newer hde",
     "It was built with later headers and uses a function that this runtime does not know. Update "
     "hde, or build the plugin with the headers of this version.",
     NULL, NULL},
    {"HDE-P015", "a plugin folder cannot be read",
     "A folder of --plugins or HDE_PLUGIN_PATH is not there or may not be listed. Folders are "
     "separated by colons.",
     "HDE_PLUGIN_PATH=a,b", "HDE_PLUGIN_PATH=a:b"},
    {"HDE-P016", "no plugin has this operator",
     "'hde describe' lists the operators that were found, and says on stderr which files were "
     "refused and why.",
     "hde describe pcr", "hde describe processing/pcr"},
    {"HDE-P017", "a plugin has no build id",
     "A reload tells builds apart by the build id that the linker writes. It was switched off.",
     "cc -shared -Wl,--build-id=none my.c", "cc -shared -Wl,--build-id my.c"},
    {"HDE-P018", "a plugin cannot be copied",
     "A reload opens a private copy of the file, so that the original can be replaced at any "
     "time. The copy lies in the folder of the control socket ($XDG_RUNTIME_DIR/hde, or "
     "/tmp/hde-UID): it may be full or not writable.",
     NULL, NULL},
    {"HDE-P019", "the loader gave other code than that of the file",
     "A reload checks that what it has loaded is the file that it has copied. The process runs on "
     "with the old build. If this happens again, please report it.",
     NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
