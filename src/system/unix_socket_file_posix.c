/*
** Owns the files of Unix sockets: binding, replacing a dead one, unlinking. A
** lock on its directory keeps two programs that start at the same time from
** replacing each other's file.
*/
#include "base/platform.h"

#include "system/unix_socket_file.h"

#include "system/socket.h"
#include "system/unix_socket_file_made.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the lock on the directory --- */

enum { LOCK_TRIES = 50, LOCK_PAUSE = 1 }; /* milliseconds */

static int socket_file_open_directory(const char *path) {
    char directory[sizeof((UnixSocketFile *)0)->path];
    strcpy(directory, path);
    char *slash = strrchr(directory, '/');
    if (slash != NULL) slash[slash == directory] = '\0';
    return open(slash != NULL ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Returns a descriptor that holds the lock; -1: the caller goes on without the lock. */
static int socket_file_lock_directory(const char *path) {
    int fd = socket_file_open_directory(path);
    for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
        if (errno != EWOULDBLOCK && errno != EINTR) break;
        uv_sleep(LOCK_PAUSE);
    }
    if (fd >= 0) close(fd);
    return -1;
}

/* --- dead files --- */

static bool socket_file_is_socket(const char *path, struct stat *file) {
    return lstat(path, file) == 0 && S_ISSOCK(file->st_mode);
}

/*
** Connects a datagram socket to find out: the system refuses it if no process has the
** socket, answers EPROTOTYPE if that is a stream's, and connects it, without effect, if it
** is one of datagrams. A stream would not do: on systems other than Linux a listener whose
** backlog is full refuses it, too, and any other listener would have to serve it.
*/
bool unix_socket_file_is_dead(const UnixAddress *name) {
    struct stat file;
    if (!socket_file_is_socket(name->address.sun_path, &file)) return false;
    int fd = socket_open(AF_UNIX, SOCK_DGRAM);
    if (fd < 0) return false;
    int status = socket_connect_unix(fd, name);
    socket_close(fd);
    return status == UV_ECONNREFUSED;
}

int unix_socket_file_delete(const char *path) {
    return unlink(path) == 0 ? 0 : -errno;
}

/* --- the file --- */

static int socket_file_remember(UnixSocketFile *file, const char *path) {
    struct stat made;
    if (lstat(path, &made) != 0) return -errno;
    file->device = made.st_dev;
    file->inode = made.st_ino;
    file->maker = getpid();
    strcpy(file->path, path);
    return 0;
}

static int socket_file_listen(int fd, const UnixSocketFileOptions *options) {
    return options->backlog > 0 ? socket_listen(fd, options->backlog) : 0;
}

/* On Linux, bind gives the file the descriptor's mode, so it never has more permissions than asked for. */
static int socket_file_make(int fd, const UnixAddress *name, const UnixSocketFileOptions *options,
                            UnixSocketFile *file) {
    const char *path = name->address.sun_path;
    if (options->mode >= 0) fchmod(fd, (mode_t)options->mode);
    int status = unix_socket_file_bind(fd, name, options->replace);
    if (status != 0) return status;
    status = socket_file_remember(file, path);
    if (status == 0 && options->mode >= 0 && chmod(path, (mode_t)options->mode) != 0)
        status = -errno;
    if (status == 0) status = socket_file_listen(fd, options);
    if (status != 0) unlink(path);
    return status;
}

int unix_socket_file_make(int fd, const UnixAddress *name, const UnixSocketFileOptions *options,
                          UnixSocketFile **file) {
    *file = NULL;
    if (unix_address_is_abstract(name)) {
        int status = socket_bind_unix(fd, name);
        return status != 0 ? status : socket_file_listen(fd, options);
    }
    UnixSocketFile *made = calloc(1, sizeof *made);
    if (made == NULL) return UV_ENOMEM;
    int lock = socket_file_lock_directory(name->address.sun_path);
    int status = socket_file_make(fd, name, options, made);
    if (lock >= 0) close(lock);
    if (status == 0)
        *file = made;
    else
        free(made);
    return status;
}

void unix_socket_file_unlink(const UnixSocketFile *file) {
    struct stat now;
    if (getpid() == file->maker && socket_file_is_socket(file->path, &now) &&
        now.st_dev == file->device && now.st_ino == file->inode)
        unlink(file->path);
}
