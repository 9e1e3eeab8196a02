/*
** Pipes: the system's calls on pipes, whose ends are non-blocking and closed on
** exec. A result below 0 is a status of error.h: UV_EAGAIN where a call would block.
*/
#ifndef ARSENAL_SYSTEM_PIPE_H
#define ARSENAL_SYSTEM_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

typedef struct PipeEnds {
    int ours, childs; /* a descriptor of ours, and one that a child can have as a standard stream */
} PipeEnds;

int pipe_open(PipeEnds *ends, bool child_reads); /* 0 or a status */
void pipe_close(int fd);                         /* an end of ours */

ptrdiff_t pipe_read(int fd, char *data, size_t size);
ptrdiff_t pipe_write(int fd, const uv_buf_t *parts, unsigned count);

/*
** Opens the pipe of an end once more. The new descriptor can be made blocking without
** making `fd` blocking. Systems other than Linux cannot do that: there it is a copy, or
** fails on Windows.
*/
int pipe_reopen(int fd, bool writes);

#endif
