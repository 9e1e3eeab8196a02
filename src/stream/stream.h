/*
** Streams: bytes in both directions over any transport. stream.c owns the
** object; stream_io.c reads and writes; receive.c, send.c and copy.c are built
** on these.
*/
#ifndef ARSENAL_STREAM_STREAM_H
#define ARSENAL_STREAM_STREAM_H

#include "base/address.h"
#include "base/buffer.h"
#include "object/socket_handle.h"
#include "stream/send_queue.h"
#include "stream/transport.h"

enum { STREAM_TCP, STREAM_UNIX, STREAM_TLS, STREAM_PIPE, STREAM_STANDARD, STREAM_FAMILIES };

/* The state of the sending direction. */
enum {
    STREAM_SENDS,
    STREAM_SENT_END,    /* ended by a shutdown, or by a failure in the middle of a message */
    STREAM_TORN,        /* a cancelled message was partly sent: nothing may follow it */
    STREAM_RESET,       /* closing resets the connection */
    STREAM_NEVER_SENDS, /* it has no sending direction */
};

/*
** Thousands of these may be idle: each byte counts, and therefore the order of the
** fields. What a message touches comes first, so that it is in few lines of the cache.
*/
typedef struct Stream {
    SocketHandle socket;
    const Transport *transport;
    void *state;       /* the transport's */
    Buffer input;      /* read, and not yet received */
    Task *receiver;    /* the task that waits to receive, or NULL */
    SendQueue senders; /* the task that sends, and those that wait for their turn */
    uint64_t received, sent;
    int read_end;       /* 0, 1 at the end of the stream, or the status why no more can be read */
    uint8_t sending;    /* STREAM_SENDS, ... */
    bool is_shared : 1; /* other processes have it as well: a close leaves them its unread bytes */
    bool is_given : 1;  /* other code owns its descriptor by now */
    bool is_resumable : 1; /* a message whose time is up does not end the sending direction */
    int16_t lost; /* the status of a lost connection, which the kernel has given to a send; or 0 */

    uint32_t torn_at; /* STREAM_TORN: the bytes of the message that went out, at most 4 GiB */
    Address remote;   /* of no inet family: the kernel is asked */
} Stream;

extern const HandleType stream_types[STREAM_FAMILIES];

/* [-0, +1] makes an object without a descriptor; then stream_adopt, which cannot fail, gives it one. */
Stream *stream_new(lua_State *L, int family);
void stream_adopt(Stream *stream, int fd, const Address *remote);

/* The same for a family whose objects have `size` bytes, 0 behind the Stream, and another transport. */
void *stream_new_sized(lua_State *L, int family, size_t size, const Transport *transport);

/* [-0, +0] no descriptor was found for the object on top: the next stream_new_or_spare returns it. */
void stream_spare(lua_State *L);
Stream *stream_new_or_spare(lua_State *L, int family); /* [-0, +1] */

static inline Stream *stream_check(lua_State *L, int index) {
    return handle_check(L, index, stream_types, STREAM_FAMILIES);
}

/* Whether a message can begin at once: the sending direction is open, and no task sends. */
static inline bool stream_may_send(const Stream *stream) {
    return stream->socket.handle.open && stream->sending == STREAM_SENDS &&
           stream->senders.sender == NULL;
}

/* nil, "<verb> <name>: <reason>", code; returns 3. */
int stream_fail(lua_State *L, const Stream *stream, const char *verb, int status);

/* nil, "<verb>: another task is already receiving on <name>", "BUSY"; returns 3. */
int stream_refuse_receiver(lua_State *L, const Stream *stream, const char *verb);

/* For a send after the end of the sending direction: nil, message, "EPIPE", 0; returns 4. */
int stream_refuse_sender(lua_State *L, const Stream *stream);

/* Whether a message of which `sent` bytes are counted has begun: it cannot be taken back. */
bool stream_has_begun(const Stream *stream, size_t sent);

/* Ends the sending direction in the middle of a message, so that the peer can see it. */
void stream_cut(Stream *stream);

/* The sending direction has ended: closes the descriptor, if the transport says so. */
void stream_close_ended(Stream *stream);

/* Passes the turn to send on, after a message that was cancelled when `sent` bytes were counted. */
void stream_abandon_turn(Stream *stream, size_t sent);

void stream_open(lua_State *L); /* [-0, +0] adds the table stream_methods to the one on top */

#endif
