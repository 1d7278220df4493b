/* SPDX-License-Identifier: Apache-2.0
 * anew - this program once more, in this process, with the arguments it was started with. */
#ifndef CMD_ANEW_H
#define CMD_ANEW_H

/* Everything that others see of this process is closed before. Does not come back unless it fails:
 * errno. A parent that supervises this process goes on doing so. */
void begin_anew(void);

#endif
