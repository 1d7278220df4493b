/* SPDX-License-Identifier: Apache-2.0 */
#include "seglog/codes.h"

#include <stddef.h>

const struct code seglog_codes[] = {
    {"HDE-L001", "another process appends to the log",
     "One process writes a log; the text has its process id. Stop it first, or give this one a "
     "folder of its own. Reading (hde log cat) is always allowed.",
     NULL, NULL},
    {"HDE-L002", "a log cannot be opened or read",
     "The system refused; the text has its reason and the file. See the rights and the owner of "
     "the folder, and its disk.",
     NULL, NULL},
    {"HDE-L003", "a log is damaged",
     "Bytes that were written safely are not what they were: the disk or somebody else has changed "
     "the file at this place. 'hde log verify FOLDER' lists all such places, 'hde log cat' prints "
     "what can be read. The log is not opened for writing, since what is behind the damage depends "
     "on it: put the file back from a copy, or move the folder away and begin a new log. (What a "
     "crash leaves half written at the very end is no damage, it is cut off.)",
     NULL, NULL},
    {"HDE-L004", "a file is no segment of a log",
     "It was made by another program, or by a version of hde with another format.", NULL, NULL},
    {"HDE-L005", "segments of a log are missing",
     "Positions follow each other without a gap, so files were removed by hand. Old segments are "
     "removed by retention only, from the oldest on.",
     NULL, NULL},
    {"HDE-L006", "a log cannot be written",
     "The disk gave an error. Nothing was appended after it, and what was durable before is there. "
     "The log is closed for writing until it is opened again: see the disk first.",
     NULL, NULL},
    {"HDE-L007", "a log cannot be synced",
     "The system could not bring what was written to the disk, and does not say which part is "
     "lost; asking again would only look like success. So the log is closed for writing; what was "
     "durable before is there. See the disk, then start again.",
     NULL, NULL},
    {"HDE-L008", "there is no room to begin a log",
     "The disk or a quota is full, so that a new log cannot be made. A log that is open already "
     "waits for room and goes on by itself.",
     NULL, NULL},
    {"HDE-L009", "there is no log in the folder",
     "A log is a folder with files that are called by a position of 20 digits and .seg.", NULL,
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
