/*
** Owns the files of Unix sockets on Windows. Such a file has no permission bits, and is
** known by its name only.
*/
#include "system/unix_socket_file.h"

#include "system/socket.h"
#include "system/unix_socket_file_made.h"

#include <stdlib.h>
#include <string.h>

int unix_socket_file_delete(const char *path) {
    uv_fs_t request;
    int status = uv_fs_unlink(NULL, &request, path, NULL);
    uv_fs_req_cleanup(&request);
    return status;
}

/* Whether the file may be a socket's, which stat shows only as a reparse point. */
static bool socket_file_is_special(const char *path) {
    wchar_t wide[sizeof((UnixSocketFile *)0)->path];
    enum { ROOM = sizeof wide / sizeof *wide };
    if (MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, ROOM) == 0) return false;
    DWORD attributes = GetFileAttributesW(wide);
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_REPARSE_POINT);
}

bool unix_socket_file_is_dead(const UnixAddress *name) {
    if (!socket_file_is_special(name->address.sun_path)) return false;
    int fd = socket_open(AF_UNIX, SOCK_STREAM);
    if (fd < 0) return false;
    int status = socket_connect_unix(fd, name);
    socket_close(fd);
    return status == UV_ECONNREFUSED;
}

int unix_socket_file_make(int fd, const UnixAddress *name, const UnixSocketFileOptions *options,
                          UnixSocketFile **file) {
    *file = NULL;
    if (options->mode >= 0) return UV_ENOTSUP;
    UnixSocketFile *made = calloc(1, sizeof *made);
    if (made == NULL) return UV_ENOMEM;
    memcpy(made->path, name->address.sun_path, sizeof made->path);
    int status = unix_socket_file_bind(fd, name, options->replace);
    if (status == 0 && options->backlog > 0) {
        status = socket_listen(fd, options->backlog);
        if (status != 0) unix_socket_file_delete(made->path);
    }
    if (status == 0)
        *file = made;
    else
        free(made);
    return status;
}

void unix_socket_file_unlink(const UnixSocketFile *file) {
    unix_socket_file_delete(file->path);
}
