/*
** Reading and writing: each call of a stream's transport that may block, with
** all that follows from what it returns. A call counts `received` or `sent`,
** records the end of the stream, records that the descriptor is not ready any
** more, and takes the bytes off the running task's budget.
*/
#ifndef ARSENAL_STREAM_STREAM_IO_H
#define ARSENAL_STREAM_STREAM_IO_H

#include "stream/stream.h"
#include "system/fd_passing.h"
#include "system/splice.h"

/* What the poller is asked for after TRANSPORT_WANTS_... */
static inline unsigned stream_events(ptrdiff_t wants) {
    return wants == TRANSPORT_WANTS_READ ? POLL_READ : POLL_WRITE;
}

/* Returns 1 if a read is worth trying; otherwise what it would return. */
static inline ptrdiff_t stream_may_read(const Stream *stream) {
    if (stream->read_end != 0) return 0;
    return stream->socket.poller.ready & POLL_READ ? 1 : TRANSPORT_WANTS_READ;
}

/*
** Reads once, at most `size` bytes: into `data`, to the end of stream->input, or
** into a splice. Returns the count of bytes, TRANSPORT_WANTS_..., TRANSPORT_AGAIN,
** or 0 if stream->read_end says why there are no more. A splice may also return 0
** when only a read can show whether there are more.
*/
ptrdiff_t stream_read(Stream *stream, char *data, size_t size);
ptrdiff_t stream_read_input(Stream *stream, size_t size);
ptrdiff_t stream_read_splice(Stream *stream, Splice *splice, size_t size);

/* The same on a Unix stream, with the descriptors that come along. */
ptrdiff_t stream_read_passing(Stream *stream, char *data, size_t size, PassedFds *passed);

/*
** Writes once, from memory (`size` bytes in all) or from a splice. Returns the
** count of bytes, TRANSPORT_WANTS_..., TRANSPORT_AGAIN, or a status.
*/
ptrdiff_t stream_write(Stream *stream, const uv_buf_t *parts, unsigned count, size_t size);
ptrdiff_t stream_write_splice(Stream *stream, Splice *splice);

/*
** What follows from a write of `size` bytes that was not made here: `written` is as
** the transport's write returns it. Returns as stream_write does.
*/
ptrdiff_t stream_written(Stream *stream, size_t size, ptrdiff_t written);

/* The same on a Unix stream, with descriptors that go along. */
ptrdiff_t stream_write_passing(Stream *stream, const char *data, size_t size, const int *fds,
                               int count);

ptrdiff_t stream_end(Stream *stream);         /* ends the sending direction: see Transport.end */
ptrdiff_t stream_shake_hands(Stream *stream); /* see Transport.handshake */

/*
** Lets the task wait until the call that returned TRANSPORT_WANTS_... is worth
** repeating, with `timeout` for its whole call. Returns 0, and task_wait comes
** next, or a status.
*/
static inline int stream_watch(Stream *stream, Task *task, ptrdiff_t wants, uint64_t timeout) {
    task_set_timeout(task, timeout);
    return poller_wait(&stream->socket.poller, &task->waiter, stream_events(wants));
}

/*
** Whether a receive of some bytes would not wait: there are bytes, or no more will
** come. Reads once if nothing is left to receive. The bytes stay in the stream.
*/
bool stream_is_readable(Stream *stream);

/*
** The same, but reads also if no event has shown that there is something to read.
** Returns false if no more bytes will come.
*/
bool stream_probe(Stream *stream);

#endif
