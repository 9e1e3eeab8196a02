/*
** Socket files: what a Unix listener makes in the file system. A file is replaced
** only if no process listens on it, and removed only by the process that made it.
*/
#ifndef ARSENAL_SYSTEM_UNIX_SOCKET_FILE_H
#define ARSENAL_SYSTEM_UNIX_SOCKET_FILE_H

#include "base/unix_address.h"

#include <stdbool.h>

typedef struct UnixSocketFile UnixSocketFile;

typedef struct UnixSocketFileOptions {
    int mode;     /* permission bits; -1: what the process's umask leaves */
    bool replace; /* a socket file of that name on which no process listens */
} UnixSocketFileOptions;

/*
** Binds the descriptor to the name and makes it listen. *file is the file made:
** NULL for an abstract name and on failure. Returns 0 or a status.
*/
int unix_socket_file_listen(int fd, const UnixAddress *name, int backlog,
                            const UnixSocketFileOptions *options, UnixSocketFile **file);

/* Unlinks the file, unless another one has its name now, and frees `file`. */
void unix_socket_file_remove(UnixSocketFile *file);

#endif
