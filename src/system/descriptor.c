/*
** Owns the system's calls on descriptors of any kind.
*/
#include "base/platform.h"

#include "system/descriptor.h"

#include <uv.h>

#ifdef _WIN32 /* sockets have no file that could be asked for */

int descriptor_file(int fd, DescriptorFile *file) {
    (void)fd;
    *file = (DescriptorFile){0};
    return 0;
}

bool descriptor_is_of(int fd, const DescriptorFile *file) {
    (void)fd, (void)file;
    return true;
}

int descriptor_of_stream(FILE *stream) {
    return _fileno(stream);
}

bool descriptor_stream_has_bytes(FILE *stream) {
    (void)stream;
    return false;
}

int descriptor_copy(int fd) {
    (void)fd;
    return UV_ENOTSUP;
}

void descriptor_close(int fd) {
    (void)fd;
}

int descriptor_blocks(int fd) {
    (void)fd;
    return false;
}

void descriptor_make_blocking(int fd) {
    (void)fd;
}

#else

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int descriptor_file(int fd, DescriptorFile *file) {
    struct stat found;
    if (fstat(fd, &found) != 0) return -errno;
    *file = (DescriptorFile){(uint64_t)found.st_dev, (uint64_t)found.st_ino};
    return 0;
}

bool descriptor_is_of(int fd, const DescriptorFile *file) {
    DescriptorFile now;
    return descriptor_file(fd, &now) == 0 && now.device == file->device && now.inode == file->inode;
}

int descriptor_of_stream(FILE *stream) {
    return fileno(stream);
}

/* No standard tells; of other systems false is told, and the program must switch the stream's buffer off. */
bool descriptor_stream_has_bytes(FILE *stream) {
#if defined(__GLIBC__)
    return stream->_IO_read_ptr < stream->_IO_read_end;
#elif defined(__APPLE__) || defined(__FreeBSD__)
    return stream->_r > 0;
#else
    (void)stream;
    return false;
#endif
}

int descriptor_copy(int fd) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy >= 0 ? copy : -errno;
}

void descriptor_close(int fd) {
    close(fd);
}

int descriptor_blocks(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -errno : !(flags & O_NONBLOCK);
}

void descriptor_make_blocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

#endif
