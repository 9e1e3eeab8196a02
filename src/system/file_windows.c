/*
** Owns the system's calls on files of Windows, most of which are libuv's: its paths are
** UTF-8.
*/
#include "base/platform.h"

#include "system/file.h"
#include "system/file_type.h"

#include <fcntl.h>
#include <io.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

/* The result of a call of libuv's, whose request is cleaned up. */
static ptrdiff_t file_result(uv_fs_t *request) {
    ptrdiff_t result = request->result;
    uv_fs_req_cleanup(request);
    return result;
}

/* Of the last call of the library of C. */
static int file_failure(void) {
    return errno == EBADF    ? UV_EBADF
           : errno == EINVAL ? UV_EINVAL
           : errno == ESPIPE ? UV_ESPIPE
                             : uv_translate_sys_error((int)_doserrno);
}

static int file_flags(unsigned flags) {
    bool reads = flags & FILE_READS, writes = flags & FILE_WRITES;
    return (reads && writes ? UV_FS_O_RDWR
            : writes        ? UV_FS_O_WRONLY
                            : UV_FS_O_RDONLY) |
           (flags & FILE_CREATES ? UV_FS_O_CREAT : 0) | (flags & FILE_EMPTIES ? UV_FS_O_TRUNC : 0) |
           (flags & FILE_APPENDS ? UV_FS_O_APPEND : 0);
}

static unsigned file_mode_of(int fd) {
    uv_fs_t request;
    uv_fs_fstat(NULL, &request, fd, NULL);
    unsigned mode = request.result == 0 ? (unsigned)request.statbuf.st_mode : 0;
    uv_fs_req_cleanup(&request);
    return mode;
}

int file_open(const char *path, unsigned flags, int mode) {
    uv_fs_t request;
    uv_fs_open(NULL, &request, path, file_flags(flags), mode, NULL);
    int fd = (int)file_result(&request);
    if (fd < 0 || (file_mode_of(fd) & S_IFMT) != S_IFDIR) return fd;
    file_close(fd);
    return UV_EISDIR;
}

void file_close(int fd) {
    file_end(fd);
}

int file_end(int fd) {
    uv_fs_t request;
    uv_fs_close(NULL, &request, fd, NULL);
    return (int)file_result(&request);
}

int64_t file_size(int fd) {
    int64_t size = _filelengthi64(fd);
    return size >= 0 ? size : file_failure();
}

bool file_can_seek(int fd) {
    return GetFileType((HANDLE)_get_osfhandle(fd)) == FILE_TYPE_DISK;
}

int64_t file_seek(int fd, int64_t offset, int whence) {
    int64_t position = _lseeki64(fd, offset, whence);
    return position >= 0 ? position : file_failure();
}

static uv_buf_t file_part(char *data, size_t size) {
    return uv_buf_init(data, size < INT_MAX ? (unsigned)size : INT_MAX);
}

ptrdiff_t file_read(int fd, char *data, size_t size) {
    return file_read_at(fd, data, size, -1);
}

ptrdiff_t file_read_at(int fd, char *data, size_t size, int64_t offset) {
    uv_fs_t request;
    uv_buf_t part = file_part(data, size);
    uv_fs_read(NULL, &request, fd, &part, 1, offset, NULL);
    return file_result(&request);
}

int file_write(int fd, const char *data, size_t size) {
    while (size > 0) {
        uv_fs_t request;
        uv_buf_t part = file_part((char *)data, size);
        uv_fs_write(NULL, &request, fd, &part, 1, -1, NULL);
        ptrdiff_t count = file_result(&request);
        if (count < 0) return (int)count;
        data += count;
        size -= (size_t)count;
    }
    return 0;
}

int file_sync(int fd) {
    uv_fs_t request;
    uv_fs_fsync(NULL, &request, fd, NULL);
    return (int)file_result(&request);
}

int file_truncate(int fd, int64_t size) {
    uv_fs_t request;
    uv_fs_ftruncate(NULL, &request, fd, size, NULL);
    return (int)file_result(&request);
}

/* A lock keeps others from reading and writing: so it is on a byte that no file has. */
int file_lock(int fd, int kind) {
    OVERLAPPED place = {.Offset = 0xfffffffe, .OffsetHigh = 0x7fffffff};
    HANDLE file = (HANDLE)_get_osfhandle(fd);
    DWORD flags = LOCKFILE_FAIL_IMMEDIATELY;
    UnlockFileEx(file, 0, 1, 0, &place); /* a lock of another kind is changed, not added */
    if (kind == FILE_UNLOCK) return 0;
    if (kind == FILE_LOCK_EXCLUSIVE) flags |= LOCKFILE_EXCLUSIVE_LOCK;
    if (LockFileEx(file, flags, 0, 1, 0, &place)) return 0;
    int error = (int)GetLastError();
    return error == ERROR_LOCK_VIOLATION || error == ERROR_IO_PENDING
               ? UV_EAGAIN
               : uv_translate_sys_error(error);
}

char file_type_at(const char *directory, const char *name) {
    uv_fs_t request;
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);
    if (path == NULL) return '?';
    snprintf(path, size, "%s/%s", directory, name);
    uv_fs_lstat(NULL, &request, path, NULL);
    char letter = request.result == 0 ? file_type_letter((unsigned)request.statbuf.st_mode) : '?';
    uv_fs_req_cleanup(&request);
    free(path);
    return letter;
}

/* --- making and replacing --- */

int file_make_unique(char *name) {
    uv_fs_t request;
    uv_fs_mkstemp(NULL, &request, name, NULL);
    if (request.result >= 0) strcpy(name, request.path);
    return (int)file_result(&request);
}

int file_create(const char *path, int mode) {
    uv_fs_t request;
    uv_fs_open(NULL, &request, path, UV_FS_O_WRONLY | UV_FS_O_CREAT | UV_FS_O_EXCL, mode, NULL);
    return (int)file_result(&request);
}

int file_rename(const char *from, const char *to) {
    uv_fs_t request;
    uv_fs_rename(NULL, &request, from, to, NULL);
    return (int)file_result(&request);
}

void file_remove(const char *path) {
    uv_fs_t request;
    uv_fs_unlink(NULL, &request, path, NULL);
    uv_fs_req_cleanup(&request);
}

char *file_real_path(const char *path) {
    uv_fs_t request;
    uv_fs_realpath(NULL, &request, path, NULL);
    char *real = _strdup(request.result == 0 ? request.ptr : path);
    uv_fs_req_cleanup(&request);
    return real;
}

/* A new file has the rights of its directory. */
int file_take_rights(int fd, const char *path) {
    uv_fs_t request;
    (void)fd;
    uv_fs_stat(NULL, &request, path, NULL);
    bool is_directory = request.result == 0 && (request.statbuf.st_mode & S_IFMT) == S_IFDIR;
    uv_fs_req_cleanup(&request);
    return is_directory ? UV_EISDIR : 0;
}

/* The system has no call for it. */
int file_sync_directory(const char *path) {
    (void)path;
    return 0;
}
