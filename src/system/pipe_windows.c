/*
** Owns pipes on Windows: pairs of sockets, because the system does not report that a pipe
** can be read. The child's end is a descriptor of the library of C, which the child reads
** and writes as a file.
*/
#include "base/platform.h"

#include "system/pipe.h"

#include "system/socket.h"

#include <fcntl.h>
#include <io.h>

/* Each end is used in one direction only. */
int pipe_open(PipeEnds *ends, bool child_reads) {
    uv_os_sock_t pair[2];
    int status = uv_socketpair(SOCK_STREAM, 0, pair, UV_NONBLOCK_PIPE, 0);
    if (status != 0) return status;
    shutdown(pair[0], child_reads ? SD_RECEIVE : SD_SEND);
    ends->ours = (int)pair[0];
    status = socket_prepare(ends->ours); /* libuv takes UV_NONBLOCK_PIPE for overlapped only */
    if (status == 0) ends->childs = _open_osfhandle((intptr_t)pair[1], child_reads ? _O_RDONLY : 0);
    if (status == 0 && ends->childs >= 0) return 0;
    closesocket(pair[0]);
    closesocket(pair[1]);
    return status != 0 ? status : UV_EMFILE;
}

void pipe_close(int fd) {
    socket_close(fd);
}

ptrdiff_t pipe_read(int fd, char *data, size_t size) {
    return socket_read(fd, data, size);
}

/* What the other end's process has not read is lost with it, as in a pipe. */
ptrdiff_t pipe_write(int fd, const uv_buf_t *parts, unsigned count) {
    ptrdiff_t written = socket_write(fd, parts, count);
    return written == UV_ECONNRESET || written == UV_ECONNABORTED ? UV_EPIPE : written;
}

int pipe_reopen(int fd, bool writes) {
    (void)fd, (void)writes;
    return UV_ENOTSUP;
}
