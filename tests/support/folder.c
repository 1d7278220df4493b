/* SPDX-License-Identifier: Apache-2.0
 * folder - see folder.h. */
#include "folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

char folder[FOLDER];

int
make_folder(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/hde-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

void
folder_remove(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int
remove_folder(void **state)
{
    folder_remove(folder);
    return 0;
}
