/*
** Owns the system calls for splices.
*/
#include "base/platform.h"

#include "system/splice.h"

#include <uv.h>

#ifdef __linux__

#include <fcntl.h>
#include <unistd.h>

/* A user who has many pipes open gets small ones, which save nothing. */
int splice_open(Splice *splice) {
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return -errno;
    *splice = (Splice){.out = ends[0], .in = ends[1]};
    if (fcntl(splice->in, F_GETPIPE_SZ) >= SPLICE_SIZE) return 0;
    splice_close(splice);
    return UV_ENOMEM;
}

void splice_close(Splice *splice) {
    if (splice->out < 0) return;
    close(splice->out);
    close(splice->in);
    *splice = (Splice){.out = -1, .in = -1};
}

static ptrdiff_t splice_pass(int from, int to, size_t size) {
    ssize_t count;
    RETRY_ON_EINTR(count = splice(from, NULL, to, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
    return count >= 0 ? count : -errno;
}

ptrdiff_t splice_fill(Splice *splice, int fd, size_t size) {
    ptrdiff_t count = splice_pass(fd, splice->in, size);
    if (count > 0) splice->held += (size_t)count;
    return count;
}

void splice_widen(Splice *splice, size_t size) {
    fcntl(splice->in, F_SETPIPE_SZ, (int)size);
}

ptrdiff_t splice_fill_at(Splice *filled, int fd, int64_t *offset, size_t size) {
    ssize_t count;
    RETRY_ON_EINTR(count = splice(fd, offset, filled->in, NULL, size, SPLICE_F_MOVE));
    if (count < 0) return -errno;
    filled->held += (size_t)count;
    return count;
}

ptrdiff_t splice_drain(Splice *splice, int fd) {
    ptrdiff_t count = splice_pass(splice->out, fd, splice->held);
    if (count > 0) splice->held -= (size_t)count;
    return count;
}

size_t splice_take(Splice *splice, char *data) {
    size_t taken = 0;
    ssize_t count = 1;
    while (splice->held > 0 && count > 0) {
        RETRY_ON_EINTR(count = read(splice->out, data + taken, splice->held));
        size_t more = count > 0 ? (size_t)count : 0;
        taken += more;
        splice->held -= more;
    }
    return taken;
}

#else

int splice_open(Splice *splice) {
    (void)splice;
    return UV_ENOSYS;
}

void splice_close(Splice *splice) {
    (void)splice;
}

ptrdiff_t splice_fill(Splice *splice, int fd, size_t size) {
    (void)splice, (void)fd, (void)size;
    return UV_ENOSYS;
}

void splice_widen(Splice *splice, size_t size) {
    (void)splice, (void)size;
}

ptrdiff_t splice_fill_at(Splice *splice, int fd, int64_t *offset, size_t size) {
    (void)splice, (void)fd, (void)offset, (void)size;
    return UV_ENOSYS;
}

ptrdiff_t splice_drain(Splice *splice, int fd) {
    (void)splice, (void)fd;
    return UV_ENOSYS;
}

size_t splice_take(Splice *splice, char *data) {
    (void)splice, (void)data;
    return 0;
}

#endif
