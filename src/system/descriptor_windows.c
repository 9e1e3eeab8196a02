/*
** Owns the calls on descriptors of Windows: those of the library of C, and sockets,
** which tasks may wait on. A stream is on sockets only.
*/
#include "base/platform.h"

#include "system/descriptor.h"

#include "system/socket.h"

#include <fcntl.h>
#include <io.h>

static int descriptor_socket_status(SOCKET socket) {
    int type, size = sizeof type;
    bool is_socket = getsockopt(socket, SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0;
    return is_socket ? 0 : uv_translate_sys_error(WSAGetLastError());
}

/* For a socket. Nothing distinguishes it from a later one with the same number. */
int descriptor_file(int fd, DescriptorFile *file) {
    *file = (DescriptorFile){0};
    return descriptor_socket_status((SOCKET)fd);
}

bool descriptor_is_of(int fd, const DescriptorFile *file) {
    (void)file;
    return descriptor_socket_status((SOCKET)fd) == 0;
}

int descriptor_of_stream(FILE *stream) {
    return _fileno(stream);
}

/* A socket, if a process that arsenal has started has one as a standard stream. */
int descriptor_to_wait_on(FILE *stream) {
    return (int)_get_osfhandle(_fileno(stream));
}

bool descriptor_stream_has_bytes(FILE *stream) {
    return stream->_cnt > 0;
}

int descriptor_of_socket(int fd) {
    (void)fd;
    return UV_ENOTSUP;
}

int descriptor_copy(int fd) {
    int copy = _dup(fd);
    if (copy < 0) return errno == EMFILE ? UV_EMFILE : UV_EBADF;
    SetHandleInformation((HANDLE)_get_osfhandle(copy), HANDLE_FLAG_INHERIT, 0);
    return copy;
}

void descriptor_close(int fd) {
    _close(fd);
}

/* The system does not say whether a socket blocks: its owner has set it as it needs it. */
int descriptor_blocks(int fd) {
    if (descriptor_socket_status((SOCKET)fd) == 0) return false;
    return _get_osfhandle(fd) != -1 ? true : UV_EBADF;
}

/* A descriptor of the library of C; this has an effect on sockets only. */
void descriptor_make_blocking(int fd) {
    u_long no = 0;
    ioctlsocket((SOCKET)_get_osfhandle(fd), (long)FIONBIO, &no);
}

ptrdiff_t descriptor_read(int fd, char *data, size_t size) {
    return socket_read(fd, data, size);
}

ptrdiff_t descriptor_write(int fd, const uv_buf_t *parts, unsigned count) {
    return socket_write(fd, parts, count);
}

/* A standard stream is a socket in a process that arsenal has started: see pipe_windows.c. */
DescriptorView descriptor_view(int fd) {
    intptr_t own = _get_osfhandle(fd);
    if (own == -1) return (DescriptorView){.fd = UV_EBADF};
    int copy = socket_copy((int)own);
    if (copy < 0) return (DescriptorView){.fd = copy == UV_ENOTSOCK ? UV_ENOTSUP : copy};
    return (DescriptorView){.fd = copy, .is_socket = true, .shares = true};
}

int descriptor_silence(int fd) {
    int null = _open("NUL", _O_RDWR);
    if (null < 0) return UV_EMFILE;
    int status = _dup2(null, fd) == 0 ? 0 : UV_EBADF;
    _close(null);
    return status;
}
