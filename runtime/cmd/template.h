/* SPDX-License-Identifier: Apache-2.0
 * template - the files of examples/hello_operator, built in. */
#ifndef CMD_TEMPLATE_H
#define CMD_TEMPLATE_H

struct template_file {
    const char *name; /* NULL ends the table */
    const char *text;
};

extern const struct template_file template_files[];

#endif
