/*
** Owns the files of Unix sockets: binding, replacing a dead one, unlinking.
** Between two of ours that start at once a lock on the directory decides, so
** that neither takes the other's file for dead before it listens.
*/
#include "base/platform.h"

#include "system/unix_socket_file.h"

#include "system/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct UnixSocketFile {
    dev_t device;
    ino_t inode;
    pid_t maker; /* a forked child has a copy of this, and must leave the file alone */
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
};

/* --- the lock on the directory --- */

enum { LOCK_TRIES = 50, LOCK_PAUSE = 1 }; /* milliseconds */

static int open_directory(const char *path) {
    char directory[sizeof((UnixSocketFile *)0)->path];
    strcpy(directory, path);
    char *slash = strrchr(directory, '/');
    if (slash != NULL) slash[slash == directory] = '\0';
    return open(slash != NULL ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A descriptor that holds it, or -1: it is not to be had, and we go on without. */
static int lock_directory(const char *path) {
    int fd = open_directory(path);
    for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
        if (errno != EWOULDBLOCK && errno != EINTR) break;
        uv_sleep(LOCK_PAUSE);
    }
    if (fd >= 0) close(fd);
    return -1;
}

/* --- the dead and the living --- */

static bool is_socket(const char *path, struct stat *file) {
    return lstat(path, file) == 0 && S_ISSOCK(file->st_mode);
}

/* Whether the name is a socket's that nobody listens on any more. */
static bool is_dead(const UnixAddress *name) {
    struct stat file;
    if (!is_socket(name->address.sun_path, &file)) return false;
    int fd = socket_open(AF_UNIX, SOCK_STREAM);
    if (fd < 0) return false;
    int status = socket_connect_unix(fd, name);
    socket_close(fd);
    return status == UV_ECONNREFUSED;
}

static int bind_in_place(int fd, const UnixAddress *name, bool replace) {
    int status = socket_bind_unix(fd, name);
    if (status != UV_EADDRINUSE || !replace || !is_dead(name)) return status;
    if (unlink(name->address.sun_path) != 0 && errno != ENOENT) return -errno;
    return socket_bind_unix(fd, name);
}

/* --- the file --- */

static int remember(UnixSocketFile *file, const char *path) {
    struct stat made;
    if (lstat(path, &made) != 0) return -errno;
    file->device = made.st_dev;
    file->inode = made.st_ino;
    file->maker = getpid();
    strcpy(file->path, path);
    return 0;
}

/* The descriptor's own mode is what bind starts from on Linux: the file is never more open than asked. */
static int listen_on_path(int fd, const UnixAddress *name, int backlog,
                          const UnixSocketFileOptions *options, UnixSocketFile *file) {
    const char *path = name->address.sun_path;
    if (options->mode >= 0) fchmod(fd, (mode_t)options->mode);
    int status = bind_in_place(fd, name, options->replace);
    if (status != 0) return status;
    status = remember(file, path);
    if (status == 0 && options->mode >= 0 && chmod(path, (mode_t)options->mode) != 0)
        status = -errno;
    if (status == 0) status = socket_listen(fd, backlog);
    if (status != 0) unlink(path);
    return status;
}

int unix_socket_file_listen(int fd, const UnixAddress *name, int backlog,
                            const UnixSocketFileOptions *options, UnixSocketFile **file) {
    *file = NULL;
    if (unix_address_is_abstract(name)) {
        int status = socket_bind_unix(fd, name);
        return status != 0 ? status : socket_listen(fd, backlog);
    }
    UnixSocketFile *made = calloc(1, sizeof *made);
    if (made == NULL) return UV_ENOMEM;
    int lock = lock_directory(name->address.sun_path);
    int status = listen_on_path(fd, name, backlog, options, made);
    if (lock >= 0) close(lock);
    if (status == 0)
        *file = made;
    else
        free(made);
    return status;
}

void unix_socket_file_remove(UnixSocketFile *file) {
    struct stat now;
    if (getpid() == file->maker && is_socket(file->path, &now) && now.st_dev == file->device &&
        now.st_ino == file->inode)
        unlink(file->path);
    free(file);
}
