/* SPDX-License-Identifier: Apache-2.0
 * out - bytes on their way to a descriptor: what could not be written stays and is tried again. */
#ifndef STORAGE_OUT_H
#define STORAGE_OUT_H

#include <hde/text.h>

struct out {
    int fd;
    hde_text text; /* add here */
    size_t done;   /* bytes of it that are written */
};

/* Writes what is there, waiting for a slow reader. 0, or the errno of what stopped it; a reader
 * that went away is EPIPE, never a signal. */
int out_write(struct out *out);
static inline size_t
out_left(const struct out *out)
{
    return out->text.len - out->done;
}

#endif
