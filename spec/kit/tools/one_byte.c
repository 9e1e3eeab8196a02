/*
** A hostile kernel, loaded with LD_PRELOAD: each read and write on a stream
** socket moves one byte at most, and every other one on a non-blocking socket
** answers EAGAIN instead.
**
** A poller with edge-triggered readiness may rightly wait for the next edge
** after either answer, but the kernel has none to give where it never said
** EAGAIN itself. So each registration with epoll is remembered, and made anew
** after each such answer: that reports readiness again. For the same reason the
** bytes that a close would turn into a reset are taken in here, since the
** caller was told that there are none.
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST = 65536, EPOLLS = 4, READING = 0, WRITING = 1 };

/* The function that this one stands in front of. */
#define REAL(name)                                                     \
    (__extension__({                                                   \
        static __typeof__(&name) found;                                \
        if (found == NULL) *(void **)&found = dlsym(RTLD_NEXT, #name); \
        found;                                                         \
    }))

/* Where a descriptor is registered; an epoll of 0 is none. */
static struct registration {
    int epoll;
    struct epoll_event event;
} registrations[MOST][EPOLLS];

static unsigned char calls[MOST][2]; /* how many there were in each direction; may wrap around */

static bool is_stream_socket(int fd) {
    int kept = errno, type = 0;
    socklen_t length = sizeof type;
    bool is = fd >= 0 && fd < MOST && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
              type == SOCK_STREAM;
    errno = kept;
    return is;
}

static void report_readiness_again(int fd) {
    int kept = errno;
    for (struct registration *at = registrations[fd]; at < registrations[fd] + EPOLLS; at++)
        if (at->epoll != 0) REAL(epoll_ctl)(at->epoll, EPOLL_CTL_MOD, fd, &at->event);
    errno = kept;
}

/* Its place among those of the descriptor, or a free one; NULL when there is none. */
static struct registration *find_registration(int fd, int epoll) {
    struct registration *found = NULL;
    for (struct registration *at = registrations[fd]; at < registrations[fd] + EPOLLS; at++) {
        if (at->epoll == epoll) return at;
        if (at->epoll == 0) found = at;
    }
    return found;
}

/* Whether this call is to fail with EAGAIN, without being made. */
static bool put_off(int fd, int direction, int flags) {
    bool waits = (flags & MSG_DONTWAIT) == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
    if (waits || calls[fd][direction]++ % 2 != 0) return false;
    report_readiness_again(fd);
    errno = EAGAIN;
    return true;
}

/* The result of a call that was cut to one byte. */
static ssize_t cut(int fd, ssize_t result) {
    if (result > 0) report_readiness_again(fd);
    return result;
}

ssize_t read(int fd, void *buffer, size_t size) {
    if (size == 0 || !is_stream_socket(fd)) return REAL(read)(fd, buffer, size);
    return put_off(fd, READING, 0) ? -1 : cut(fd, REAL(read)(fd, buffer, 1));
}

ssize_t recv(int fd, void *buffer, size_t size, int flags) {
    if (size == 0 || !is_stream_socket(fd)) return REAL(recv)(fd, buffer, size, flags);
    return put_off(fd, READING, flags) ? -1 : cut(fd, REAL(recv)(fd, buffer, 1, flags));
}

/* The first vector with anything in it, cut to one byte; an empty one where there is none. */
static struct iovec first_byte(const struct iovec *vectors, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (vectors[i].iov_len > 0) return (struct iovec){vectors[i].iov_base, 1};
    return (struct iovec){NULL, 0};
}

/* For a message without room for descriptors, and with one vector. */
ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    bool is_plain = message->msg_iovlen == 1 && message->msg_iov->iov_len > 0;
    if (!is_plain || !is_stream_socket(fd)) return REAL(recvmsg)(fd, message, flags);
    if (put_off(fd, READING, flags)) return -1;
    message->msg_iov->iov_len = 1;
    return cut(fd, REAL(recvmsg)(fd, message, flags));
}

ssize_t readv(int fd, const struct iovec *vectors, int count) {
    struct iovec one = first_byte(vectors, (size_t)count);
    if (one.iov_len == 0 || !is_stream_socket(fd)) return REAL(readv)(fd, vectors, count);
    return put_off(fd, READING, 0) ? -1 : cut(fd, REAL(readv)(fd, &one, 1));
}

ssize_t write(int fd, const void *buffer, size_t size) {
    if (size == 0 || !is_stream_socket(fd)) return REAL(write)(fd, buffer, size);
    return put_off(fd, WRITING, 0) ? -1 : cut(fd, REAL(write)(fd, buffer, 1));
}

ssize_t send(int fd, const void *buffer, size_t size, int flags) {
    if (size == 0 || !is_stream_socket(fd)) return REAL(send)(fd, buffer, size, flags);
    return put_off(fd, WRITING, flags) ? -1 : cut(fd, REAL(send)(fd, buffer, 1, flags));
}

ssize_t writev(int fd, const struct iovec *vectors, int count) {
    struct iovec one = first_byte(vectors, (size_t)count);
    if (one.iov_len == 0 || !is_stream_socket(fd)) return REAL(writev)(fd, vectors, count);
    return put_off(fd, WRITING, 0) ? -1 : cut(fd, REAL(writev)(fd, &one, 1));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    struct iovec one = first_byte(message->msg_iov, message->msg_iovlen);
    if (one.iov_len == 0 || !is_stream_socket(fd)) return REAL(sendmsg)(fd, message, flags);
    struct msghdr shorter = *message;
    shorter.msg_iov = &one;
    shorter.msg_iovlen = 1;
    return put_off(fd, WRITING, flags) ? -1 : cut(fd, REAL(sendmsg)(fd, &shorter, flags));
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
    int result = REAL(epoll_ctl)(epoll, operation, fd, event);
    struct registration *found = fd < MOST ? find_registration(fd, epoll) : NULL;
    if (result == 0 && found != NULL) {
        found->epoll = operation == EPOLL_CTL_DEL ? 0 : epoll;
        if (operation != EPOLL_CTL_DEL) found->event = *event;
    }
    return result;
}

int close(int fd) {
    char rest[4096];
    if (is_stream_socket(fd)) {
        for (int i = 0; i < 256; i++)
            if (REAL(recv)(fd, rest, sizeof rest, MSG_DONTWAIT) <= 0) break;
    }
    if (fd >= 0 && fd < MOST) memset(registrations[fd], 0, sizeof registrations[fd]);
    return REAL(close)(fd);
}
