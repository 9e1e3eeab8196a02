/*
** What is known of a socket file that was made.
*/
#ifndef ARSENAL_SYSTEM_UNIX_SOCKET_FILE_MADE_H
#define ARSENAL_SYSTEM_UNIX_SOCKET_FILE_MADE_H

#include "base/platform.h"

#include "base/unix_address.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct UnixSocketFile {
    atomic_uint sharers; /* beside the first socket */
    atomic_bool is_left; /* to somebody else */
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
#ifndef _WIN32
    dev_t device;
    ino_t inode;
    pid_t maker; /* a forked child has a copy of this, and must not remove the file */
#endif
};

/* The system's: removes the file, unless another one has its name now. */
void unix_socket_file_unlink(const struct UnixSocketFile *file);

#endif
