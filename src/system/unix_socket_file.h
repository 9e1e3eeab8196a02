/*
** Socket files: what a Unix listener or datagram socket makes in the file system. A
** file is replaced only if no process has its socket any more, and removed only by
** the process that made it.
*/
#ifndef ARSENAL_SYSTEM_UNIX_SOCKET_FILE_H
#define ARSENAL_SYSTEM_UNIX_SOCKET_FILE_H

#include "base/unix_address.h"

#include <stdbool.h>

typedef struct UnixSocketFile UnixSocketFile;

typedef struct UnixSocketFileOptions {
    int mode;     /* permission bits; -1: what the process's umask leaves */
    bool replace; /* a socket file of that name whose socket no process has */
    int backlog;  /* of a listener; 0: it does not listen */
} UnixSocketFileOptions;

/*
** Binds the descriptor to the name, and makes it listen if it has a backlog. *file is
** the file made: NULL for an abstract name and on failure. Returns 0 or a status.
*/
int unix_socket_file_make(int fd, const UnixAddress *name, const UnixSocketFileOptions *options,
                          UnixSocketFile **file);

/* Several sockets of the process have the file: each calls one of the next two. In any thread. */
void unix_socket_file_share(UnixSocketFile *file);

/* Lets go of `file`, and leaves the file to another process: this one does not remove it. */
void unix_socket_file_leave(UnixSocketFile *file);

/* Lets go of `file`. The last one unlinks the file, unless another one has its name now. */
void unix_socket_file_remove(UnixSocketFile *file);

#endif
