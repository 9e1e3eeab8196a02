/*
** Socket files: what a Unix listener leaves in the file system. Told dead from
** living, and removed only by who has made it.
*/
#ifndef ARSENAL_SYSTEM_UNIX_SOCKET_FILE_H
#define ARSENAL_SYSTEM_UNIX_SOCKET_FILE_H

#include "base/unix_address.h"

#include <stdbool.h>

typedef struct UnixSocketFile UnixSocketFile;

typedef struct UnixSocketFileOptions {
    int mode;     /* permission bits, or -1 for what the process's umask leaves */
    bool replace; /* a dead socket file that is in the way */
} UnixSocketFileOptions;

/*
** Binds the descriptor to the name, and lets it listen. *file is what was made,
** NULL for an abstract name and on failure. Returns 0 or a status.
*/
int unix_socket_file_listen(int fd, const UnixAddress *name, int backlog,
                            const UnixSocketFileOptions *options, UnixSocketFile **file);

/* Unlinks the file, unless something else has its name by now, and frees what was kept of it. */
void unix_socket_file_remove(UnixSocketFile *file);

#endif
