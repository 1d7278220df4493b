/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/codes.h"

#include "engine/codes.h"
#include "graph/codes.h"
#include "net/codes.h"
#include "plugin/codes.h"
#include "seglog/codes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct code command_codes[] = {
    {"HDE-C001", "there is no such command",
     "hde knows no such verb, and there is no program hde-VERB beside it or in PATH. 'hde help' "
     "lists the commands.",
     "hde chek graph.yaml", "hde check graph.yaml"},
    {"HDE-C002", "there is no such option",
     "'hde help VERB' lists the options. The verb comes first, options after it.",
     "hde --json check graph.yaml", "hde check --json graph.yaml"},
    {"HDE-C003", "an option needs a value", "'hde help VERB' says of which form.",
     "hde run graph.yaml --for", "hde run graph.yaml --for 20s"},
    {"HDE-C004", "the value of an option is wrong",
     "It is not of the option's type or outside of its range; the value may also come from the "
     "environment, then the text names the variable.",
     "hde run graph.yaml --for 20", "hde run graph.yaml --for 20s"},
    {"HDE-C005", "an argument is missing or too many",
     "The usage line of 'hde help VERB' shows them.", "hde check", "hde check graph.yaml"},
    {"HDE-C007", "a program cannot be run",
     "hde VERB runs the installed program hde-VERB; the system refused to.", NULL, NULL},
    {"HDE-C008", "the output cannot be written",
     "stdout is full or broken. A reader that went away is no error.", NULL, NULL},
    {"HDE-C009", "there is no such benchmark", "'hde bench' lists those that are installed.", NULL,
     NULL},
    {"HDE-C010", "no such engine is running",
     "The command speaks with a running 'hde run' of the same user. 'hde status' lists them; "
     "--control reaches one elsewhere.",
     NULL, NULL},
    {"HDE-C011", "several engines are running",
     "Say which one by the name of its graph or its pid.", NULL, NULL},
    {"HDE-C012", "an engine does not answer",
     "It is gone, hangs, or listens elsewhere. Its counters can be read all the same: 'hde top'.",
     NULL, NULL},
    {"HDE-C013", "a request or an answer is not understood",
     "The two ends are of different versions, or something else listens there.", NULL, NULL},
    {"HDE-C014", "no edge of the running graph is called so",
     "Edges are written as in graph files: \"a.out -> b.in\", or the name of one end.", NULL, NULL},
    {"HDE-C015", "no node of the running graph is called so",
     "'hde graph' and 'hde status' list them.", NULL, NULL},
    {"HDE-C016", "the control endpoint cannot be opened",
     "The folder for sockets must belong to this user alone, and the address must be free.", NULL,
     NULL},
    {"HDE-C018", "the admin address cannot be used",
     "--admin wants HOST:PORT of this machine, and the port must be free.", "--admin 9090",
     "--admin 127.0.0.1:9090"},
    {"HDE-C019", "too many viewers", "A running engine serves a bounded number of taps. End one.",
     NULL, NULL},
    {"HDE-C020", "a live service cannot be replayed",
     "Replay gives the same output on every run, so its sources must be able to repeat themselves. "
     "Replay a graph that reads recorded data.",
     NULL, NULL},
    {"HDE-C021", "waiting failed", "The system refused to wait for the engine; the text says why.",
     NULL, NULL},
    {"HDE-C022", "a folder cannot be watched",
     "--watch-plugins follows the folders of the plugins with inotify, of which a user has a "
     "limited number (sysctl fs.inotify).",
     NULL, NULL},
    {"HDE-C030", "there is no such code", "'hde explain' lists all codes.", NULL, NULL},
    {"HDE-C031", "a program for the picture is missing",
     "SVG is drawn by graphviz. Install it, or take another --format.", NULL, NULL},
    {"HDE-C032", "the picture could not be drawn", "graphviz failed; its own text is above.", NULL,
     NULL},
    {"HDE-C050", "a file cannot be read", "The text says which one and why.", NULL, NULL},
    {"HDE-C051", "a column is missing or there twice",
     "The first line of a CSV file names its columns, in any order. 'hde help price' lists those "
     "of options; 'hde help verify' says what reference files are made of.",
     "model,type,K,T,r,sigma", "model,type,S_or_F,K,T,r,sigma"},
    {"HDE-C052", "a row is wrong",
     "The text gives line and column. The row is counted, gets a status in the output, and the "
     "others go on.",
     "bsm,C,100,1O0,0.5,0.06,0.2", "bsm,C,100,100,0.5,0.06,0.2"},
    {"HDE-C053", "this machine does not have these instructions",
     "'--cpu portable' works everywhere; without --cpu the best level is taken.", NULL, NULL},
    {"HDE-C054", "something that a benchmark compares with is missing",
     "The text names the package. The other comparisons are made. './test.sh --bench' in the source "
     "tree installs what Debian has, builds and runs all of them.",
     NULL, NULL},
    {"HDE-C040", "there is no such template", "'hde new operator NAME' is all there is.", NULL,
     NULL},
    {"HDE-C041", "this is no name for an operator",
     "Operators are called folder/name, in lower case letters, digits and _. Some names belong to "
     "CMake.",
     "hde new operator MySpread", "hde new operator my/spread"},
    {"HDE-C042", "a folder cannot be made",
     "Folders that exist are never overwritten. Choose another with --dir.", NULL, NULL},
};

enum { N_COMMAND_CODES = sizeof command_codes / sizeof *command_codes };

/* Entry i of a list that ends with a NULL code; counts i down past a list that is shorter. */
static const struct code *
in_list(const struct code *list, size_t *i)
{
    for (; list->code; list++) {
        if (!(*i)--)
            return list;
    }
    return NULL;
}

const struct code *
cmd_code_at(size_t i)
{
    const struct code *code = NULL;

    if (i < codes_count())
        return codes_at(i);
    i -= codes_count();
    code = in_list(plugin_codes, &i);
    if (!code)
        code = in_list(engine_codes, &i);
    if (!code)
        code = in_list(seglog_codes, &i);
    if (!code)
        code = in_list(redis_codes, &i);
    if (!code)
        code = in_list(store_codes, &i);
    if (!code)
        code = in_list(kafka_codes, &i);
    if (!code)
        code = in_list(net_codes, &i);
    if (!code && i < N_COMMAND_CODES)
        code = &command_codes[i];
    return code;
}

size_t
cmd_code_count(void)
{
    size_t n = 0;

    while (cmd_code_at(n))
        n++;
    return n;
}

const struct code *
cmd_code_find(const char *word)
{
    char full[16], *end;
    unsigned long number;
    const struct code *code;

    if (!strncasecmp(word, "HDE-", 4))
        word += 4;
    if (word[0] == 0 || word[1] < '0' || word[1] > '9')
        return NULL;
    number = strtoul(word + 1, &end, 10);
    if (*end || number > 999)
        return NULL;
    snprintf(full, sizeof full, "HDE-%c%03lu", word[0] & ~0x20, number);
    for (size_t i = 0; (code = cmd_code_at(i)); i++) {
        if (!strcmp(code->code, full))
            return code;
    }
    return NULL;
}
