/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/anew.h"

#include "base/arena.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
is_option(const char *word, const char *option)
{
    size_t len = strlen(option);

    return strncmp(word, option, len) == 0 && (!word[len] || word[len] == '=');
}

/* The words between their zeros; supervision is the parent's. */
static char **
split(char *text, size_t size)
{
    char **words = xcalloc(size / 2 + 2, sizeof *words);
    size_t n = 0;

    for (char *at = text; at < text + size; at += strlen(at) + 1) {
        bool is_count = is_option(at, "--max-restarts");

        if (is_count && !strchr(at, '='))
            at += strlen(at) + 1; /* its value goes too */
        if (!is_count && !is_option(at, "--supervise"))
            words[n++] = at;
    }
    return words;
}

void
begin_anew(void)
{
    FILE *file = fopen("/proc/self/cmdline", "re");
    char *text = NULL, **words;
    size_t cap = 0, size = 0, n;

    if (!file)
        return;
    do {
        text = xrealloc(text, cap += 65536);
        n = fread(text + size, 1, cap - size - 1, file);
        size += n;
    } while (n);
    fclose(file);
    text[size] = 0;
    words = split(text, size);
    execv("/proc/self/exe", words);
    free(words);
    free(text);
}
