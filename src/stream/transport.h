/*
** Transports: how a stream's bytes reach its descriptor. A stream works on
** anything that implements this interface. transport.c has the plain transport;
** TLS is in a shared object of its own, which includes only this file.
*/
#ifndef ARSENAL_STREAM_TRANSPORT_H
#define ARSENAL_STREAM_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* What a call returns besides a count of bytes (a read of 0 is the end of the stream) or a status. */
enum {
    TRANSPORT_WANTS_READ = -30000, /* wait until the descriptor is readable, then call again */
    TRANSPORT_WANTS_WRITE,         /* wait until it is writable */
    TRANSPORT_AGAIN, /* let other tasks run, then call again; no event may come before that */
};

static inline bool transport_wants(ptrdiff_t answer) {
    return answer == TRANSPORT_WANTS_READ || answer == TRANSPORT_WANTS_WRITE;
}

enum { TRANSPORT_ASKS = 1 }; /* a handshake stops here until its caller has decided something */

/* How a transport's state moves to another Lua state, whose thread may be another one. */
typedef struct TransportCarrier {
    const char *module;    /* makes the metatable of the userdata when it is loaded */
    const char *metatable; /* the name of that */
    size_t size;           /* of the userdata */
    /* Moves a state of a connection that no task uses into `to`, which is zeroed. `from` is closed then. */
    void (*move)(void *to, void *from);
} TransportCarrier;

/*
** `state` belongs to the transport. The plain one has none; that of a transport
** which takes over from it (see start_tls.c) is a userdata that starts with a
** TransportHead. Each function that returns ptrdiff_t may return
** TRANSPORT_WANTS_... or TRANSPORT_AGAIN. A transport answers TRANSPORT_AGAIN only
** a bounded number of times before bytes, the end or a failure.
*/
typedef struct Transport {
    /* Makes the connection ready for the other calls: 0 or TRANSPORT_ASKS. NULL: it always is ready. */
    ptrdiff_t (*handshake)(void *state, int fd);

    ptrdiff_t (*read)(void *state, int fd, char *data, size_t size);

    /* After TRANSPORT_WANTS_... the next call gets at least the same bytes. */
    ptrdiff_t (*write)(void *state, int fd, const uv_buf_t *parts, unsigned count);

    /* Whether bytes that write has not counted can no longer be taken back. NULL: never. */
    bool (*holds)(void *state);

    /* Ends the sending direction; 0 once that is done. */
    ptrdiff_t (*end)(void *state, int fd);

    /* Ends the sending direction in the middle of a message: the peer must not take it for a clean end. */
    void (*cut)(void *state, int fd);

    /* The last call for an open descriptor; never waits. `clean`: the sending direction ends with it. */
    void (*close)(void *state, int fd, bool clean);

    /* Makes the kernel accept a few more bytes although its send buffer is full. May be NULL. */
    void (*make_room)(void *state, int fd);

    /* The reason of a failure in words, or NULL if the status says it all. May be NULL. */
    const char *(*reason)(void *state, int status);

    /* What a stream's text shows in place of the two addresses of a socket. NULL: those. */
    const char *(*name)(const void *state);

    /* Whether the read that has just returned bytes has left none. NULL: see short_is_empty. */
    bool (*is_empty)(void *state);

    /* Whether a read of less than was asked for has left nothing, and a short write has left no room. */
    bool short_is_empty;

    /* Whether the descriptor is closed when the sending direction has ended. */
    bool end_closes;
    const TransportCarrier *carrier; /* NULL: the transport has no state */
} Transport;

typedef struct TransportHead {
    const Transport *transport;
    const Transport *plain; /* set at the takeover: reads and writes the descriptor */
} TransportHead;

/* Bytes as they are, on any stream socket; on a Unix socket, whose messages may bring descriptors. */
extern const Transport transport_plain, transport_unix;

/* Bytes as they are, on one end of a pipe: see pipe_stream.h. */
extern const Transport transport_pipe;

/* Whether a write is a send on a stream socket, of the bytes as they are. */
static inline bool transport_is_socket(const Transport *transport) {
    return transport == &transport_plain || transport == &transport_unix;
}

/* Whether bytes go to the descriptor and come from it as they are, so that the kernel can splice them. */
static inline bool transport_is_plain(const Transport *transport) {
    return transport_is_socket(transport) || transport == &transport_pipe;
}

#endif
