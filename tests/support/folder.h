/* SPDX-License-Identifier: Apache-2.0
 * folder - a folder of a test's own, gone behind it: setup and teardown of cmocka. */
#ifndef SUPPORT_FOLDER_H
#define SUPPORT_FOLDER_H

enum { FOLDER = sizeof "/tmp/hde-test-XXXXXX" };
extern char folder[FOLDER]; /* of the test that runs */

int make_folder(void **state);
int remove_folder(void **state);
/* With all that is in it. */
void folder_remove(const char *path);

#endif
