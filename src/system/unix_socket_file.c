/*
** Owns how many sockets of the process have a socket file.
*/
#include "system/unix_socket_file.h"
#include "system/unix_socket_file_made.h"

#include <stdlib.h>

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
