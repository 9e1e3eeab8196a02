/*
** Owns the streams on the standard descriptors. Each has a descriptor of its own, so
** that the library of C and child processes keep theirs as they are.
*/
#include "base/platform.h"

#include "base/openers.h"

#include "base/error.h"
#include "stream/stream.h"
#include "system/descriptor.h"
#include "system/socket.h"

#include <stdlib.h>

enum { STANDARD_STREAMS = 3 };

/* They are the process's, as the descriptors are. */
static struct Standard {
    int number;
    const char *name;
    unsigned streams; /* on it, of all Lua states */
    bool shares; /* the standard descriptor was made non-blocking, and is to be blocking again */
    int process; /* that has made it so: not a child that was forked since */
} standards[STANDARD_STREAMS] = {{.number = 0, .name = "stdin"},
                                 {.number = 1, .name = "stdout"},
                                 {.number = 2, .name = "stderr"}};

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock; /* guards what changes in these */

/* --- putting back --- */

/* The lock is held. */
static void standard_restore(struct Standard *standard) {
    if (standard->shares && standard->process == uv_os_getpid())
        descriptor_make_blocking(standard->number);
    standard->shares = false;
}

static void standard_restore_all(void) {
    uv_mutex_lock(&lock);
    for (int i = 0; i < STANDARD_STREAMS; i++)
        standard_restore(&standards[i]);
    uv_mutex_unlock(&lock);
}

static void standard_leave(struct Standard *standard) {
    uv_mutex_lock(&lock);
    if (--standard->streams == 0) standard_restore(standard);
    uv_mutex_unlock(&lock);
}

static void standard_set_up(void) {
    uv_mutex_init(&lock);
    (void)atexit(standard_restore_all);
}

/* A descriptor for one more stream, which shares what the standard descriptor refers to. */
static DescriptorView standard_join(struct Standard *standard) {
    uv_once(&once, standard_set_up);
    uv_mutex_lock(&lock);
    DescriptorView view = descriptor_view(standard->number);
    if (view.fd >= 0) standard->streams++;
    if (view.fd >= 0 && view.shares) {
        standard->process = uv_os_getpid();
        standard->shares = true;
    }
    uv_mutex_unlock(&lock);
    return view;
}

/* --- the transports --- */

static ptrdiff_t standard_read(void *state, int fd, char *data, size_t size) {
    (void)state;
    ptrdiff_t count = descriptor_read(fd, data, size);
    return count == UV_EAGAIN ? TRANSPORT_WANTS_READ : count;
}

static ptrdiff_t standard_write(void *state, int fd, const uv_buf_t *parts, unsigned count) {
    (void)state;
    ptrdiff_t written = descriptor_write(fd, parts, count);
    return written == UV_EAGAIN ? TRANSPORT_WANTS_WRITE : written;
}

/* The other end sees the end once the stream is closed as well. */
static ptrdiff_t standard_end(void *state, int fd) {
    (void)fd;
    return descriptor_silence(((struct Standard *)state)->number);
}

static ptrdiff_t standard_end_socket(void *state, int fd) {
    (void)state;
    return socket_end(fd);
}

static void standard_cut(void *state, int fd) {
    (void)state, (void)fd;
}

static void standard_close(void *state, int fd, bool clean) {
    (void)fd, (void)clean;
    standard_leave(state);
}

static const char *standard_name(const void *state) {
    return ((const struct Standard *)state)->name;
}

/* A read of less than was asked for may have left more: a terminal gives a line at a time. */
static const Transport transport_standard = {.read = standard_read,
                                             .write = standard_write,
                                             .end = standard_end,
                                             .cut = standard_cut,
                                             .close = standard_close,
                                             .name = standard_name};
static const Transport transport_standard_socket = {.read = standard_read,
                                                    .write = standard_write,
                                                    .end = standard_end_socket,
                                                    .cut = standard_cut,
                                                    .close = standard_close,
                                                    .name = standard_name};

/* --- */

/* standard_stream(number): the stream on descriptor 0, 1 or 2. */
static int standard_stream(lua_State *L) {
    static const Address no_address;
    struct Standard *standard = &standards[args_integer(L, 1, 0, STANDARD_STREAMS - 1)];
    Stream *stream = stream_new(L, STREAM_STANDARD);
    DescriptorView view = standard_join(standard);
    if (view.fd < 0) return error_push(L, view.fd, "%s", standard->name);
    stream->transport = view.is_socket ? &transport_standard_socket : &transport_standard;
    stream->state = standard;
    stream->is_shared = true;
    stream_adopt(stream, view.fd, &no_address);
    return 1;
}

void standard_stream_open(lua_State *L) {
    lua_pushcfunction(L, standard_stream);
    lua_setfield(L, -2, "standard_stream");
}
