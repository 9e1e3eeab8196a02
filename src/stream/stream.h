/*
** Streams: bytes in both directions over any transport. stream.c owns the
** object, receive.c what comes in, send.c what goes out.
*/
#ifndef ARSENAL_STREAM_STREAM_H
#define ARSENAL_STREAM_STREAM_H

#include "base/address.h"
#include "base/buffer.h"
#include "object/socket_handle.h"
#include "stream/transport.h"

enum { STREAM_TCP, STREAM_UNIX, STREAM_TLS, STREAM_PIPE, STREAM_FAMILIES };

typedef struct Stream { /* thousands of them are idle: each byte counts, and their order */
    SocketHandle socket;
    const Transport *transport;
    void *state;    /* the transport's */
    Address remote; /* of no inet family: the kernel is asked */
    int read_end;   /* 0, 1 at the end of stream, or why nothing more can be read */

    Buffer input;          /* read, and not yet received */
    size_t searched;       /* of it: the item being received does not end there */
    struct Task *receiver; /* the one that waits */
    struct Task *sender;   /* whose turn it is */
    WaitQueue senders;     /* the turns after it */
    bool write_ended;
    bool aborted;     /* closing is to reset the connection */
    bool torn;        /* a cancelled send had begun: nothing may follow it */
    uint32_t torn_at; /* the bytes of it that went out, at most 4 GiB */
    uint64_t received, sent;
} Stream;

extern const HandleType stream_types[STREAM_FAMILIES];

/* [-0, +1] makes an object without a descriptor; then stream_adopt, which can't fail, gives it one. */
Stream *stream_new(lua_State *L, int family);
void stream_adopt(Stream *stream, int fd, const Address *remote);

/* [-0, +0] the object on top found no descriptor: the next stream_new has it. */
void stream_spare(lua_State *L);

static inline Stream *stream_check(lua_State *L, int index) {
    return handle_check(L, index, stream_types, STREAM_FAMILIES);
}

/* Waits until the transport is worth calling again. `wants` is one of its answers. */
int stream_wait(lua_State *L, Stream *stream, Task *task, const WaitKind *kind, ptrdiff_t wants,
                uint64_t limit);

/* nil, "<verb> <name>: <reason>", code; returns 3. */
int stream_fail(lua_State *L, const Stream *stream, const char *verb, int status);

/* nil, "<verb>: another task is already receiving on <name>", "BUSY"; returns 3. */
int stream_refuse_receiver(lua_State *L, const Stream *stream, const char *verb);

/*
** Turns to send. Whether the task has to wait for its own, for which it then
** stands in line; whoever has it passes it on in the end. The third answers a
** send after the end of our direction: nil, message, code, 0.
*/
bool stream_must_queue(Stream *stream, Task *task);
void stream_pass_turn(Stream *stream);
int stream_refuse_after_end(lua_State *L, Stream *stream);

/* The same in the middle of a message of which `sent` bytes went out. */
void stream_abandon_turn(Stream *stream, size_t sent);
bool stream_is_mid_message(const Stream *stream);

/* Closing: whoever sends or waits to send learns of it. */
void stream_close_senders(Stream *stream);

/*
** Reads once if nothing is left to receive. Returns false at the end of the
** stream, or when it has failed; what was read stays for later.
*/
bool stream_probe(Stream *stream);

int stream_attempt(lua_State *L); /* recv(stream) that returns nothing where it would wait */

int stream_is_quiet(lua_State *L); /* for Lua: see receive.c */

extern const luaL_Reg receive_methods[], send_methods[];

void stream_open(lua_State *L); /* [-0, +0] */

#endif
