/*
** Transports: how a stream's bytes reach its descriptor. A stream works on
** whatever implements this; the plain one is in transport.c, TLS lives in a
** shared object of its own and includes nothing but this file.
*/
#ifndef ARSENAL_STREAM_TRANSPORT_H
#define ARSENAL_STREAM_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* What a call answers besides a count of bytes (reading 0 is the end of stream) or a status. */
enum {
    TRANSPORT_WANTS_READ = -30000, /* wait until the descriptor is readable, then call again */
    TRANSPORT_WANTS_WRITE,
};

enum { TRANSPORT_ASKS = 1 }; /* a handshake's: whoever started it has something to decide first */

/*
** `state` belongs to the transport. The plain one has none; that of a transport which
** takes over from it (see start_tls.c) is a userdata that starts with a TransportHead.
*/
typedef struct Transport {
    /* Makes the connection ready for the rest: 0, or one of the answers above. NULL: it always is. */
    ptrdiff_t (*handshake)(void *state, int fd);

    ptrdiff_t (*read)(void *state, int fd, char *data, size_t size);

    /* After WANTS_... the next call gets at least the same bytes. */
    ptrdiff_t (*write)(void *state, int fd, const uv_buf_t *parts, unsigned count);

    /* Whether bytes that write has not counted can't be taken back. NULL: there never are any. */
    bool (*holds)(void *state);

    /* Ends our direction; 0 once that is done, or one of the answers above. */
    ptrdiff_t (*end)(void *state, int fd);

    /* Ends our direction after a torn message, in no way that the peer could take for a clean end. */
    void (*cut)(void *state, int fd);

    /* The last one for an open descriptor; never waits. `clean`: our direction ends with it. */
    void (*close)(void *state, int fd, bool clean);

    /* Makes the kernel accept a few more bytes although its send buffer is full. May be NULL. */
    void (*make_room)(void *state, int fd);

    /* What went wrong, where the status alone doesn't tell; NULL where it does. May be NULL. */
    const char *(*reason)(void *state, int status);

    /* Whether a read that has just got bytes got all that there were. May be NULL. */
    bool (*is_empty)(void *state);

    /* A read of less than was asked for means that there is no more for now. */
    bool short_is_empty;
} Transport;

typedef struct TransportHead {
    const Transport *transport;
    const Transport *plain; /* set at the takeover: reads and writes the descriptor */
} TransportHead;

extern const Transport transport_plain;

#endif
