/*
** Owns the plain transports: bytes go to the descriptor and come from it as they are.
*/
#include "stream/transport.h"

#include "system/socket.h"

static ptrdiff_t plain_read(void *state, int fd, char *data, size_t size) {
    (void)state;
    ptrdiff_t count = socket_read(fd, data, size);
    return count == UV_EAGAIN ? TRANSPORT_WANTS_READ : count;
}

static ptrdiff_t plain_read_unix(void *state, int fd, char *data, size_t size) {
    (void)state;
    ptrdiff_t count = socket_read_unix(fd, data, size);
    return count == UV_EAGAIN ? TRANSPORT_WANTS_READ : count;
}

static ptrdiff_t plain_write(void *state, int fd, const uv_buf_t *parts, unsigned count) {
    (void)state;
    ptrdiff_t written = socket_write(fd, parts, count);
    return written == UV_EAGAIN ? TRANSPORT_WANTS_WRITE : written;
}

static ptrdiff_t plain_end(void *state, int fd) {
    (void)state;
    return socket_end(fd);
}

/* Plain bytes have only one kind of end: the protocol above must recognise a truncated message. */
static void plain_cut(void *state, int fd) {
    (void)state;
    socket_end(fd);
}

static void plain_close(void *state, int fd, bool clean) {
    (void)state, (void)fd, (void)clean;
}

static void plain_make_room(void *state, int fd) {
    (void)state;
    socket_make_room(fd);
}

#define PLAIN_TRANSPORT(read_function)                                                   \
    {                                                                                    \
        .read = read_function, .write = plain_write, .end = plain_end, .cut = plain_cut, \
        .close = plain_close, .make_room = plain_make_room, .short_is_empty = true,      \
    }

const Transport transport_plain = PLAIN_TRANSPORT(plain_read);
const Transport transport_unix = PLAIN_TRANSPORT(plain_read_unix);
