/*
** Windows passes no descriptors on a Unix stream.
*/
#include "system/fd_passing.h"

#include <uv.h>

ptrdiff_t fd_passing_send(int fd, const char *data, size_t size, const int *fds, int count) {
    (void)fd, (void)data, (void)size, (void)fds, (void)count;
    return UV_ENOTSUP;
}

ptrdiff_t fd_passing_receive(int fd, char *data, size_t size, PassedFds *passed) {
    (void)fd, (void)data, (void)size;
    *passed = (PassedFds){.count = 0};
    return UV_ENOTSUP;
}

void fd_passing_close(PassedFds *passed) {
    (void)passed;
}
