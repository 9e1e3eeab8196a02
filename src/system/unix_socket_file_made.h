/*
** What is known of a socket file that was made, and what unix_socket_file.c and its parts
** for the systems have of each other.
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
    atomic_bool is_left; /* another process has to remove it */
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
#ifndef _WIN32
    dev_t device;
    ino_t inode;
    pid_t maker; /* a forked child has a copy of this, and must not remove the file */
#endif
};

/* Binds to the name; with `replace`, in place of a file whose socket no process has. Returns 0 or a status. */
int unix_socket_file_bind(int fd, const UnixAddress *name, bool replace);

/* --- the system's --- */

/* Whether the file is a socket's, and no process has that socket. */
bool unix_socket_file_is_dead(const UnixAddress *name);

/* Removes the file at the path. Returns 0 or a status. */
int unix_socket_file_delete(const char *path);

/* Removes the file, unless another one has its name by then. */
void unix_socket_file_unlink(const struct UnixSocketFile *file);

#endif
