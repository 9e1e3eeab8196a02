/*
** Owns the system's calls on files. POSIX only: a Windows version has the same functions.
*/
#include "base/platform.h"

#include "system/file.h"
#include "system/file_type.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

_Static_assert(sizeof(off_t) == sizeof(int64_t),
               "base/platform.h comes after a header of the system");
/* libuv has a position of a file in its requests, as long as it was compiled with. */
_Static_assert(sizeof(((uv_fs_t *)NULL)->off) == sizeof(int64_t), "libuv has short offsets");

static int file_status(int result) {
    return result == 0 ? 0 : -errno;
}

static int file_flags(unsigned flags) {
    bool reads = flags & FILE_READS, writes = flags & FILE_WRITES;
    return (reads && writes ? O_RDWR
            : writes        ? O_WRONLY
                            : O_RDONLY) |
           (flags & FILE_CREATES ? O_CREAT : 0) | (flags & FILE_EMPTIES ? O_TRUNC : 0) |
           (flags & FILE_APPENDS ? O_APPEND : 0) | O_CLOEXEC | O_NOCTTY;
}

int file_open(const char *path, unsigned flags, int mode) {
    struct stat found;
    int fd;
    RETRY_ON_EINTR(fd = open(path, file_flags(flags), mode));
    if (fd < 0) return -errno;
    if (fstat(fd, &found) == 0 && !S_ISDIR(found.st_mode)) return fd;
    close(fd);
    return UV_EISDIR;
}

void file_close(int fd) {
    close(fd);
}

/* On Linux and macOS close has closed the descriptor also if a signal has interrupted it. */
int file_end(int fd) {
    int status = file_status(close(fd));
    return status == UV_EINTR ? 0 : status;
}

int64_t file_size(int fd) {
    struct stat found;
    return fstat(fd, &found) == 0 ? (int64_t)found.st_size : -errno;
}

bool file_can_seek(int fd) {
    return lseek(fd, 0, SEEK_CUR) >= 0;
}

int64_t file_seek(int fd, int64_t offset, int whence) {
    off_t position = lseek(fd, (off_t)offset, whence);
    return position >= 0 ? (int64_t)position : -errno;
}

ptrdiff_t file_read(int fd, char *data, size_t size) {
    ssize_t count;
    RETRY_ON_EINTR(count = read(fd, data, size));
    return count >= 0 ? count : -errno;
}

ptrdiff_t file_read_at(int fd, char *data, size_t size, int64_t offset) {
    ssize_t count;
    RETRY_ON_EINTR(count = pread(fd, data, size, (off_t)offset));
    return count >= 0 ? count : -errno;
}

int file_write(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t count;
        RETRY_ON_EINTR(count = write(fd, data, size));
        if (count < 0) return -errno;
        data += count;
        size -= (size_t)count;
    }
    return 0;
}

int file_sync(int fd) {
    return file_status(fsync(fd));
}

int file_truncate(int fd, int64_t size) {
    int status;
    RETRY_ON_EINTR(status = ftruncate(fd, (off_t)size));
    return file_status(status);
}

int file_lock(int fd, int kind) {
    static const int operations[] = {LOCK_UN, LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB};
    int status;
    RETRY_ON_EINTR(status = flock(fd, operations[kind]));
    return file_status(status);
}

char file_type_at(const char *directory, const char *name) {
    struct stat found;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_known = fd >= 0 && fstatat(fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0;
    if (fd >= 0) close(fd);
    return is_known ? file_type_letter(found.st_mode) : '?';
}

/* --- making and replacing --- */

int file_make_unique(char *name) {
    int fd = mkostemp(name, O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

int file_create(const char *path, int mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    return fd >= 0 ? fd : -errno;
}

int file_rename(const char *from, const char *to) {
    return file_status(rename(from, to));
}

void file_remove(const char *path) {
    unlink(path);
}

char *file_real_path(const char *path) {
    char *real = realpath(path, NULL);
    return real != NULL ? real : strdup(path);
}

int file_take_rights(int fd, const char *path) {
    struct stat found;
    if (stat(path, &found) != 0) return 0;
    if (S_ISDIR(found.st_mode)) return UV_EISDIR;
    int owned = fchown(fd, found.st_uid, found.st_gid);
    (void)owned;
    return file_status(fchmod(fd, found.st_mode & 07777));
}

/* Some file systems cannot sync a directory. */
int file_sync_directory(const char *path) {
    char *directory = strdup(path);
    if (directory == NULL) return UV_ENOMEM;
    char *slash = strrchr(directory, '/');
    if (slash != NULL) slash[slash == directory ? 1 : 0] = '\0';
    int fd = open(slash != NULL ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = fd < 0 ? -errno : file_status(fsync(fd));
    if (fd >= 0) close(fd);
    free(directory);
    return status == UV_EINVAL || status == UV_EACCES ? 0 : status;
}
