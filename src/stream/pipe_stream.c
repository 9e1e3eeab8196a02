/*
** Owns pipe streams: their transport, and their end if the other end stays open.
*/
#include "stream/pipe_stream.h"

#include "kernel/clock.h"
#include "system/pipe.h"

#include <stdio.h>
#include <string.h>

static Loop *pipe_loop(const PipeStream *pipe) {
    return pipe->stream.socket.handle.loop;
}

/* --- the transport: its state is the PipeStream --- */

static ptrdiff_t pipe_stream_read(void *state, int fd, char *data, size_t size) {
    PipeStream *pipe = state;
    ptrdiff_t count = pipe_read(fd, data, size);
    if (count == UV_EAGAIN) return pipe->over ? 0 : TRANSPORT_WANTS_READ;
    if (count == 0) timer_heap_clear(&pipe_loop(pipe)->timers, &pipe->timer);
    return count;
}

static ptrdiff_t pipe_stream_write(void *state, int fd, const uv_buf_t *parts, unsigned count) {
    (void)state;
    ptrdiff_t written = pipe_write(fd, parts, count);
    return written == UV_EAGAIN ? TRANSPORT_WANTS_WRITE : written;
}

/* The stream closes the descriptor after these: see Transport.end_closes. */
static ptrdiff_t pipe_stream_end(void *state, int fd) {
    (void)state, (void)fd;
    return 0;
}

static void pipe_stream_cut(void *state, int fd) {
    (void)state, (void)fd;
}

static void pipe_stream_close(void *state, int fd, bool clean) {
    PipeStream *pipe = state;
    (void)fd, (void)clean;
    if (!pipe_loop(pipe)->closed) timer_heap_clear(&pipe_loop(pipe)->timers, &pipe->timer);
}

static const char *pipe_stream_reason(void *state, int status) {
    const PipeStream *pipe = state;
    if (status != UV_EBADF) return NULL;
    return pipe->stream.read_end == UV_EBADF ? "this end of a pipe only sends"
                                             : "this end of a pipe only receives";
}

static const char *pipe_stream_name(const void *state) {
    return ((const PipeStream *)state)->name;
}

const Transport transport_pipe = {
    .read = pipe_stream_read,
    .write = pipe_stream_write,
    .end = pipe_stream_end,
    .cut = pipe_stream_cut,
    .close = pipe_stream_close,
    .reason = pipe_stream_reason,
    .name = pipe_stream_name,
    .short_is_empty = true,
    .end_closes = true,
};

/* --- the object --- */

static void pipe_stream_is_over(Timer *timer) {
    PipeStream *pipe = container_of(timer, PipeStream, timer);
    pipe->over = true;
    poller_happened(&pipe->stream.socket.poller, POLL_READ);
}

PipeStream *pipe_stream_new(lua_State *L) {
    PipeStream *pipe = stream_new_sized(L, STREAM_PIPE, sizeof *pipe, &transport_pipe);
    pipe->stream.state = pipe;
    pipe->timer.fired = pipe_stream_is_over;
    return pipe;
}

void pipe_stream_adopt(PipeStream *pipe, int fd, bool sends, const char *name) {
    static const Address nothing;
    if (sends)
        pipe->stream.read_end = UV_EBADF;
    else
        pipe->stream.sending = STREAM_NEVER_SENDS;
    snprintf(pipe->name, sizeof pipe->name, "%s", name);
    stream_adopt(&pipe->stream, fd, &nothing);
}

void pipe_stream_end_within(PipeStream *pipe, uint64_t duration) {
    Loop *loop = pipe_loop(pipe);
    if (!pipe->stream.socket.handle.open || pipe->stream.read_end != 0 || duration == FOREVER)
        return;
    if (!timer_heap_set(&loop->timers, &pipe->timer, clock_deadline(loop, duration)))
        pipe_stream_is_over(&pipe->timer);
}

/* --- moving to another Lua state --- */

void pipe_stream_depart(PipeStream *pipe, PipeCargo *cargo) {
    cargo->ends_at = timer_is_set(&pipe->timer) ? pipe->timer.deadline : FOREVER;
    cargo->over = pipe->over;
    memcpy(cargo->name, pipe->name, sizeof cargo->name);
    timer_heap_clear(&pipe_loop(pipe)->timers, &pipe->timer);
}

void pipe_stream_arrive(PipeStream *pipe, const PipeCargo *cargo) {
    TimerHeap *timers = &pipe_loop(pipe)->timers;
    pipe->over = cargo->over;
    memcpy(pipe->name, cargo->name, sizeof pipe->name);
    if (cargo->ends_at != FOREVER && !timer_heap_set(timers, &pipe->timer, cargo->ends_at))
        pipe_stream_is_over(&pipe->timer);
}
