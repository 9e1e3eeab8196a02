/*
** Passing descriptors: a message on a Unix stream may bring some along.
*/
#ifndef ARSENAL_SYSTEM_FD_PASSING_H
#define ARSENAL_SYSTEM_FD_PASSING_H

#include <stdbool.h>
#include <stddef.h>

enum { FD_PASSING_MOST = 253 }; /* descriptors in a message: SCM_MAX_FD on Linux */

typedef struct PassedFds {
    int count;
    int fds[FD_PASSING_MOST]; /* -1: taken */
    bool truncated; /* more were sent: this process has no room for them, and they are closed */
} PassedFds;

/* Both return a count of bytes or a status. The descriptors go with the first byte. */
ptrdiff_t fd_passing_send(int fd, const char *data, size_t size, const int *fds, int count);

/* Received descriptors are closed on exec. At most one message that brings descriptors is received. */
ptrdiff_t fd_passing_receive(int fd, char *data, size_t size, PassedFds *passed);

void fd_passing_close(PassedFds *passed); /* closes those that are not taken */

#endif
