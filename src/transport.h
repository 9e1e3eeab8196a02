/*
** Transports: how a stream's bytes reach its descriptor. A stream works on
** whatever implements this; the plain one is in transport.c, TLS lives in a
** shared object of its own and includes nothing but this file. Floor 3.
*/
#ifndef ARSENAL_TRANSPORT_H
#define ARSENAL_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* What a call answers besides a count of bytes (reading 0 is the end of stream) or a status. */
enum {
    TRANSPORT_WANTS_READ = -30000, /* wait until the descriptor is readable, then call again */
    TRANSPORT_WANTS_WRITE,
};

typedef struct Transport {
    ptrdiff_t (*read)(void *state, int fd, char *data, size_t size);
    ptrdiff_t (*write)(void *state, int fd, const uv_buf_t *parts, unsigned count);

    /* Ends our direction; 0 once that is done, or one of the answers above. */
    ptrdiff_t (*end)(void *state, int fd);

    /* Ends our direction after a torn message, in no way that the peer could take for a clean end. */
    void (*cut)(void *state, int fd);

    /* The last one for an open descriptor; never waits. `state` is freed. */
    void (*close)(void *state, int fd);

    /* What went wrong, where the status alone doesn't tell; NULL where it does. */
    const char *(*reason)(void *state);

    /* A read of less than was asked for means that there is no more for now. */
    bool short_is_empty;
} Transport;

extern const Transport transport_plain;

#endif
