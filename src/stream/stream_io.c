/*
** Owns reading and writing, with the accounts of both.
*/
#include "stream/stream_io.h"

#include "base/error.h"
#include "event/turn.h"

/* --- accounts --- */

/* The transport has worked for long: the task's share is used up, and the loop polls before it goes on. */
static void stream_io_use_up_share(Loop *loop) {
    loop->budget = 0;
    turn_poll_next(loop);
}

static ptrdiff_t stream_io_answer(Stream *stream, ptrdiff_t answer) {
    if (transport_wants(answer)) poller_exhausted(&stream->socket.poller, stream_events(answer));
    if (answer == TRANSPORT_AGAIN) stream_io_use_up_share(stream->socket.handle.loop);
    return answer;
}

/* Many bytes are worth several calls with few. */
static void stream_io_charge(const Stream *stream, size_t count) {
    stream->socket.handle.loop->budget -= (int)(count / READ_SIZE);
}

/* A read has returned no bytes. After a lost connection that is no end of the stream: bytes may be missing. */
static ptrdiff_t stream_io_read_none(Stream *stream, ptrdiff_t answer) {
    if (transport_wants(answer) || answer == TRANSPORT_AGAIN)
        return stream_io_answer(stream, answer);
    if (answer == 0) answer = stream->lost != 0 ? stream->lost : 1;
    stream->read_end = (int)answer;
    return 0;
}

/*
** A write has returned no count. The kernel reports a lost connection only once, to a send
** as well as to a receive.
*/
static ptrdiff_t stream_io_written_none(Stream *stream, ptrdiff_t answer) {
    bool is_lost = answer == UV_ECONNRESET || answer == UV_ETIMEDOUT || answer == UV_EHOSTUNREACH ||
                   answer == UV_ENETUNREACH || answer == UV_ENETDOWN;
    if (is_lost) stream->lost = (int16_t)answer;
    return stream_io_answer(stream, answer);
}

static ptrdiff_t stream_io_has_read(Stream *stream, size_t count) {
    stream->received += count;
    stream_io_charge(stream, count);
    return (ptrdiff_t)count;
}

static ptrdiff_t stream_io_has_written(Stream *stream, size_t count) {
    stream->sent += count;
    stream_io_charge(stream, count);
    return (ptrdiff_t)count;
}

/* --- reading --- */

/* A read of less than was asked for has left nothing to read. */
static bool stream_io_is_empty(const Stream *stream) {
    const Transport *transport = stream->transport;
    return transport->is_empty == NULL ? transport->short_is_empty
                                       : transport->is_empty(stream->state);
}

ptrdiff_t stream_read(Stream *stream, char *data, size_t size) {
    Poller *poller = &stream->socket.poller;
    ptrdiff_t count = stream_may_read(stream);
    if (count != 1) return count;
    count = stream->transport->read(stream->state, poller->fd, data, size);
    if (count <= 0) return stream_io_read_none(stream, count);
    if ((size_t)count < size && stream_io_is_empty(stream)) poller_fell_short(poller, POLL_READ);
    return stream_io_has_read(stream, (size_t)count);
}

ptrdiff_t stream_read_input(Stream *stream, size_t size) {
    ptrdiff_t count = stream_may_read(stream);
    if (count != 1) return count;
    char *room = buffer_reserve(&stream->input, size);
    if (room == NULL) {
        stream->read_end = UV_ENOMEM;
        return 0;
    }
    count = stream_read(stream, room, size);
    buffer_added(&stream->input, count > 0 ? (size_t)count : 0);
    return count;
}

/*
** A short splice does not show that nothing is left. Nor does one of no bytes show
** the end: it stops at urgent data, which only a read passes.
*/
ptrdiff_t stream_read_splice(Stream *stream, Splice *splice, size_t size) {
    ptrdiff_t count = stream_may_read(stream);
    if (count != 1) return count;
    count = splice_fill(splice, stream->socket.poller.fd, size);
    if (count == UV_EAGAIN) count = TRANSPORT_WANTS_READ;
    if (count < 0) return stream_io_read_none(stream, count);
    return stream_io_has_read(stream, (size_t)count);
}

/* One that brings descriptors ends behind their message. So a short one does not show that nothing is left. */
ptrdiff_t stream_read_passing(Stream *stream, char *data, size_t size, PassedFds *passed) {
    ptrdiff_t count = stream_may_read(stream);
    if (count != 1) return count;
    count = fd_passing_receive(stream->socket.poller.fd, data, size, passed);
    if (count == UV_EAGAIN) count = TRANSPORT_WANTS_READ;
    if (count <= 0) return stream_io_read_none(stream, count);
    return stream_io_has_read(stream, (size_t)count);
}

bool stream_is_readable(Stream *stream) {
    char *scratch = stream->socket.handle.loop->scratch;
    if (buffer_length(&stream->input) > 0) return true;
    ptrdiff_t count = TRANSPORT_AGAIN;
    while (count == TRANSPORT_AGAIN) /* which does not last: see transport.h */
        count = stream_read(stream, scratch, READ_SIZE);
    if (count > 0 && !buffer_append(&stream->input, scratch, (size_t)count))
        stream->read_end = UV_ENOMEM;
    return count >= 0;
}

bool stream_probe(Stream *stream) {
    stream->socket.poller.ready |= POLL_READ;
    stream_is_readable(stream);
    return stream->read_end == 0;
}

/* --- writing --- */

ptrdiff_t stream_written(Stream *stream, size_t size, ptrdiff_t written) {
    if (written < 0) return stream_io_written_none(stream, written);
    if ((size_t)written < size && stream->transport->short_is_empty)
        poller_fell_short(&stream->socket.poller, POLL_WRITE);
    return stream_io_has_written(stream, (size_t)written);
}

ptrdiff_t stream_write(Stream *stream, const uv_buf_t *parts, unsigned count, size_t size) {
    Poller *poller = &stream->socket.poller;
    if (!(poller->ready & POLL_WRITE)) return TRANSPORT_WANTS_WRITE;
    return stream_written(stream, size,
                          stream->transport->write(stream->state, poller->fd, parts, count));
}

ptrdiff_t stream_write_splice(Stream *stream, Splice *splice) {
    Poller *poller = &stream->socket.poller;
    if (!(poller->ready & POLL_WRITE)) return TRANSPORT_WANTS_WRITE;
    ptrdiff_t written = splice_drain(splice, poller->fd);
    if (written == UV_EAGAIN) written = TRANSPORT_WANTS_WRITE;
    if (written < 0) return stream_io_written_none(stream, written);
    return stream_io_has_written(stream, (size_t)written);
}

ptrdiff_t stream_write_passing(Stream *stream, const char *data, size_t size, const int *fds,
                               int count) {
    Poller *poller = &stream->socket.poller;
    if (!(poller->ready & POLL_WRITE)) return TRANSPORT_WANTS_WRITE;
    ptrdiff_t written = fd_passing_send(poller->fd, data, size, fds, count);
    if (written == UV_EAGAIN) written = TRANSPORT_WANTS_WRITE;
    if (written < 0) return stream_io_written_none(stream, written);
    return stream_io_has_written(stream, (size_t)written);
}

/* --- the other calls of the transport --- */

ptrdiff_t stream_end(Stream *stream) {
    ptrdiff_t answer = stream->transport->end(stream->state, stream->socket.poller.fd);
    if (answer == 0) stream_close_ended(stream);
    return stream_io_answer(stream, answer);
}

ptrdiff_t stream_shake_hands(Stream *stream) {
    const Transport *transport = stream->transport;
    if (transport->handshake == NULL) return 0;
    return stream_io_answer(stream, transport->handshake(stream->state, stream->socket.poller.fd));
}
