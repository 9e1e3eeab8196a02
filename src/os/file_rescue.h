/*
** File rescues: what was written to a file and is still in memory when nobody can
** wait for it any more reaches the disk in a thread of its own.
*/
#ifndef ARSENAL_OS_FILE_RESCUE_H
#define ARSENAL_OS_FILE_RESCUE_H

#include "base/buffer.h"

/* Takes over both: writes the bytes, starting `back` bytes before the position, and closes the descriptor. */
void file_rescue(int fd, Buffer *output, size_t back);

/* Waits until all rescues have ended, but no longer than a second: a disk may hang. */
void file_rescue_wait(void);

#endif
