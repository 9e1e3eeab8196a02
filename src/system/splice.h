/*
** Splices: a pipe through which the kernel passes bytes from one descriptor to
** another without copying them. Linux only: on other systems splice_open fails.
*/
#ifndef ARSENAL_SYSTEM_SPLICE_H
#define ARSENAL_SYSTEM_SPLICE_H

#include <stddef.h>
#include <stdint.h>

enum { SPLICE_SIZE = 64 * 1024 }; /* bytes that each splice has room for */

typedef struct Splice {
    int out, in; /* the ends of the pipe; both -1 while it is not open */
    size_t held; /* the bytes in the pipe */
} Splice;

int splice_open(Splice *splice); /* 0 or a status */
void splice_close(Splice *splice);

/* Gives the pipe more room, if the user may have so much. */
void splice_widen(Splice *splice, size_t size);

/* Moves bytes from a place in a file into the pipe, and *offset with them. May wait for a disk. */
ptrdiff_t splice_fill_at(Splice *splice, int fd, int64_t *offset, size_t size);

/* Move bytes from a descriptor into the pipe, and from the pipe to a descriptor: a count or a status. */
ptrdiff_t splice_fill(Splice *splice, int fd, size_t size);
ptrdiff_t splice_drain(Splice *splice, int fd);

/* Moves all bytes that are held into memory, and returns how many these were. */
size_t splice_take(Splice *splice, char *data);

#endif
