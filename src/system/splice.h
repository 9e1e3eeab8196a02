/*
** Splices: a pipe through which the kernel passes bytes from one descriptor to
** another without copying them. Linux only; elsewhere none can be opened.
*/
#ifndef ARSENAL_SYSTEM_SPLICE_H
#define ARSENAL_SYSTEM_SPLICE_H

#include <stddef.h>

enum { SPLICE_SIZE = 64 * 1024 }; /* what one may hold at least */

typedef struct Splice {
    int out, in; /* both -1 while it is not open */
    size_t held;
} Splice;

int splice_open(Splice *splice); /* 0 or a status */
void splice_close(Splice *splice);

/* From the descriptor into the pipe, and from there to the descriptor: a count, or a status. */
ptrdiff_t splice_fill(Splice *splice, int fd, size_t size);
ptrdiff_t splice_drain(Splice *splice, int fd);

void splice_take(Splice *splice, char *data); /* all that is held */

#endif
