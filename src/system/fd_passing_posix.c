/*
** Owns the control messages that pass descriptors.
*/
#include "base/platform.h"

#include "system/fd_passing.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#if defined(__linux__) && !defined(__GLIBC__)
/* musl's function refuses more than 1024 bytes of descriptors and credentials, which are 252 descriptors. */
#include <sys/syscall.h>
#define sendmsg(fd, message, flags) syscall(SYS_sendmsg, fd, message, flags)
#endif

#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0
#endif

/* Room for the descriptors and for credentials, which a program may have asked the kernel for. */
enum { CONTROL_SIZE = CMSG_SPACE(FD_PASSING_MOST * sizeof(int)) + 256 };

typedef union ControlMemory {
    char bytes[CONTROL_SIZE];
    struct cmsghdr header;
} ControlMemory;

static ptrdiff_t fd_passing_count(ssize_t count) {
    if (count >= 0) return count;
    return errno == EWOULDBLOCK ? UV_EAGAIN : -errno;
}

ptrdiff_t fd_passing_send(int fd, const char *data, size_t size, const int *fds, int count) {
    ControlMemory control = {{0}};
    struct iovec part = {(char *)data, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    size_t length = (size_t)count * sizeof *fds;
    if (count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(length);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(length);
        memcpy(CMSG_DATA(&control.header), fds, length);
    }
    ssize_t sent;
    RETRY_ON_EINTR(sent = sendmsg(fd, &message, MSG_NOSIGNAL));
    return fd_passing_count(sent);
}

static void fd_passing_add(PassedFds *passed, int fd) {
    if (MSG_CMSG_CLOEXEC == 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
    passed->fds[passed->count++] = fd;
}

/* A message has no more descriptors than fit; if several messages did, the rest would be closed. */
static void fd_passing_take(PassedFds *passed, const struct cmsghdr *header) {
    int fd;
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof fd;
    for (size_t i = 0; i < count; i++) {
        memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        if (passed->count < FD_PASSING_MOST)
            fd_passing_add(passed, fd);
        else
            close(fd);
    }
}

ptrdiff_t fd_passing_receive(int fd, char *data, size_t size, PassedFds *passed) {
    ControlMemory control;
    struct iovec part = {data, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t count;
    passed->count = 0;
    passed->truncated = false;
    RETRY_ON_EINTR(count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC));
    if (count < 0) return fd_passing_count(count);
    passed->truncated = (message.msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL;
         header = CMSG_NXTHDR(&message, header))
        fd_passing_take(passed, header);
    return count;
}

void fd_passing_close(PassedFds *passed) {
    for (int i = 0; i < passed->count; i++)
        if (passed->fds[i] >= 0) close(passed->fds[i]);
    passed->count = 0;
}
