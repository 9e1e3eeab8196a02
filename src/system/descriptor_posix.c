/*
** Owns the system's calls on descriptors of any kind. POSIX only.
*/
#include "base/platform.h"

#include "system/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef __linux__
#include <stdio_ext.h>
#endif

int descriptor_file(int fd, DescriptorFile *file) {
    struct stat found;
    if (fstat(fd, &found) != 0) return -errno;
    *file = (DescriptorFile){(uint64_t)found.st_dev, (uint64_t)found.st_ino};
    return 0;
}

bool descriptor_is_of(int fd, const DescriptorFile *file) {
    DescriptorFile now = {0, 0};
    return descriptor_file(fd, &now) == 0 && now.device == file->device && now.inode == file->inode;
}

int descriptor_of_stream(FILE *stream) {
    return fileno(stream);
}

/*
** No standard has a function for it. On a system that is not listed the result is false, and
** the program must switch the stream's buffer off.
*/
int descriptor_to_wait_on(FILE *stream) {
    return fileno(stream);
}

bool descriptor_stream_has_bytes(FILE *stream) {
#if defined(__GLIBC__)
    return stream->_IO_read_ptr < stream->_IO_read_end;
#elif defined(__APPLE__) || defined(__FreeBSD__)
    return stream->_r > 0;
#elif defined(__linux__) && !defined(__ANDROID__) /* musl */
    return __freadahead(stream) > 0;
#else
    (void)stream;
    return false;
#endif
}

int descriptor_of_socket(int fd) {
    return fd;
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

ptrdiff_t descriptor_read(int fd, char *data, size_t size) {
    ssize_t count;
    RETRY_ON_EINTR(count = read(fd, data, size));
    return count >= 0 ? count : -errno;
}

ptrdiff_t descriptor_write(int fd, const uv_buf_t *parts, unsigned count) {
    ssize_t written;
    RETRY_ON_EINTR(written = writev(fd, (const struct iovec *)parts, (int)count));
    return written >= 0 ? written : -errno;
}

/*
** Opens anew what a pipe or terminal is, so that what others have of it stays blocking.
** Below 0: it cannot be.
*/
static int descriptor_reopen(int fd) {
    char name[32];
    int flags = fcntl(fd, F_GETFL);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    return open(name, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Only its owner opens a socket, and a file that is opened anew has a position of its own. */
static DescriptorView descriptor_view_copy(int fd, bool blocks, bool is_socket) {
    DescriptorView view = {.fd = descriptor_copy(fd), .is_socket = is_socket};
    if (view.fd < 0 || !blocks) return view;
    int flags = fcntl(fd, F_GETFL);
    view.shares =
        flags >= 0 && !(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
    return view;
}

DescriptorView descriptor_view(int fd) {
    struct stat found;
    if (fstat(fd, &found) != 0) return (DescriptorView){.fd = -errno};
    bool is_pipe = S_ISFIFO(found.st_mode), is_socket = S_ISSOCK(found.st_mode);
    bool is_terminal = S_ISCHR(found.st_mode) && isatty(fd);
    if (is_pipe || is_terminal) {
        int opened = descriptor_reopen(fd);
        if (opened >= 0) return (DescriptorView){.fd = opened};
    }
    return descriptor_view_copy(fd, is_pipe || is_terminal || is_socket, is_socket);
}

int descriptor_silence(int fd) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return -errno;
    int status = dup2(null, fd) >= 0 ? 0 : -errno;
    close(null);
    return status;
}
