/* SPDX-License-Identifier: Apache-2.0
 * code - what `hde explain` says about the stable code of an error. */
#ifndef BASE_CODE_H
#define BASE_CODE_H

struct code {
    const char *code, *title;
    const char *text;          /* what it means and what to do, a few sentences */
    const char *wrong, *right; /* an example that shows it, or NULL */
};

#endif
