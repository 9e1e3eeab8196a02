/*
** Owns the system calls on pipes. POSIX only.
*/
#include "base/platform.h"

#include "system/pipe.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef __linux__

static int pipe_make(int fds[2]) {
    return pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0 ? 0 : -errno;
}

int pipe_reopen(int fd, bool writes) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, (writes ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
    return again >= 0 ? again : -errno;
}

#else /* untested */

static int pipe_set_up(int fd) {
    bool done = fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
    return done ? 0 : -errno;
}

static int pipe_make(int fds[2]) {
    if (pipe(fds) != 0) return -errno;
    int status = pipe_set_up(fds[0]);
    if (status == 0) status = pipe_set_up(fds[1]);
    if (status != 0) {
        close(fds[0]);
        close(fds[1]);
    }
    return status;
}

int pipe_reopen(int fd, bool writes) {
    (void)writes;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy >= 0 ? copy : -errno;
}

#endif

int pipe_open(PipeEnds *ends, bool child_reads) {
    enum { READING, WRITING };
    int fds[2];
    int status = pipe_make(fds);
    if (status != 0) return status;
    ends->ours = fds[child_reads ? WRITING : READING];
    ends->childs = fds[child_reads ? READING : WRITING];
    return 0;
}

void pipe_close(int fd) {
    close(fd);
}

static ptrdiff_t pipe_count(ptrdiff_t count) {
    if (count >= 0) return count;
    return errno == EWOULDBLOCK ? UV_EAGAIN : -errno;
}

ptrdiff_t pipe_read(int fd, char *data, size_t size) {
    ssize_t count;
    RETRY_ON_EINTR(count = read(fd, data, size));
    return pipe_count(count);
}

/* libuv's buffers are laid out as iovecs. */
ptrdiff_t pipe_write(int fd, const uv_buf_t *parts, unsigned count) {
    ssize_t written;
    RETRY_ON_EINTR(written = count == 1 ? write(fd, parts->base, parts->len)
                                        : writev(fd, (const struct iovec *)parts, (int)count));
    return pipe_count(written);
}
