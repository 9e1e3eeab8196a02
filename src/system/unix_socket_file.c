/*
** Owns when a socket file is replaced, and how many sockets of the process have it.
*/
#include "system/unix_socket_file.h"

#include "system/socket.h"
#include "system/unix_socket_file_made.h"

#include <stdlib.h>

int unix_socket_file_bind(int fd, const UnixAddress *name, bool replace) {
    int status = socket_bind_unix(fd, name);
    if (status != UV_EADDRINUSE || !replace || !unix_socket_file_is_dead(name)) return status;
    status = unix_socket_file_delete(name->address.sun_path);
    return status == 0 || status == UV_ENOENT ? socket_bind_unix(fd, name) : status;
}

void unix_socket_file_share(UnixSocketFile *file) {
    atomic_fetch_add(&file->sharers, 1);
}

void unix_socket_file_leave(UnixSocketFile *file) {
    atomic_store(&file->is_left, true);
    unix_socket_file_remove(file);
}

void unix_socket_file_remove(UnixSocketFile *file) {
    if (atomic_fetch_sub(&file->sharers, 1) > 0) return;
    if (!atomic_load(&file->is_left)) unix_socket_file_unlink(file);
    free(file);
}
