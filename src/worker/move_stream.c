/*
** Owns how streams cross: with the bytes that were read and not received, the
** time limits, the counts, the state of both directions and of TLS.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/outbox.h"
#include "stream/pipe_stream.h"
#include "stream/start_tls.h"
#include "stream/stream.h"
#include "system/socket.h"
#include "worker/by_name.h"
#include "worker/crossing.h"

#include <stdlib.h>
#include <string.h>

typedef struct StreamCargo {
    int family, fd;
    uint64_t recv_timeout, send_timeout;
    const Transport *transport;
    void *state; /* behind this struct; NULL: the transport has none */
    Address remote;
    int read_end;
    int16_t lost;
    Buffer input;
    uint32_t torn_at;
    uint8_t sending;
    bool is_shared;
    uint64_t received, sent;
    PipeCargo pipe; /* of a pipe stream only */
} StreamCargo;

static bool move_is_pipe(const StreamCargo *moved) {
    return moved->family == STREAM_PIPE;
}

static bool move_is_used(const Stream *stream) {
    outbox_flush(stream->socket.handle.loop);
    return stream->receiver != NULL || stream->senders.sender != NULL ||
           !wait_queue_is_empty(&stream->senders.waiting) ||
           !wait_queue_is_empty(&stream->socket.poller.waiters);
}

static int move_stream_prepare(lua_State *L, int index, void **cargo) {
    const Stream *stream = lua_touserdata(L, index);
    if (!handle_is_ours(&stream->socket.handle)) return ARSENAL_CLOSED;
    if (move_is_used(stream)) return ARSENAL_BUSY;
    const TransportCarrier *carrier = stream->transport->carrier;
    StreamCargo *moved = calloc(1, sizeof *moved + (carrier != NULL ? carrier->size : 0));
    if (moved == NULL) return UV_ENOMEM;
    moved->fd = -1;
    moved->family = (int)(stream->socket.handle.type - stream_types);
    moved->transport = stream->transport;
    moved->state = carrier != NULL ? moved + 1 : NULL;
    *cargo = moved;
    return 0;
}

static void move_stream_depart(void *object, void *cargo) {
    Stream *stream = object;
    StreamCargo *moved = cargo;
    moved->recv_timeout = stream->socket.recv_timeout;
    moved->send_timeout = stream->socket.send_timeout;
    moved->remote = stream->remote;
    moved->read_end = stream->read_end;
    moved->lost = stream->lost;
    moved->input = stream->input;
    moved->torn_at = stream->torn_at;
    moved->sending = stream->sending;
    moved->is_shared = stream->is_shared;
    moved->received = stream->received;
    moved->sent = stream->sent;
    if (moved->state != NULL) moved->transport->carrier->move(moved->state, stream->state);
    if (move_is_pipe(moved)) pipe_stream_depart((PipeStream *)stream, &moved->pipe);
    stream->input = (Buffer){NULL};
    moved->fd = socket_handle_release(&stream->socket);
    handle_leave(&stream->socket.handle);
}

static void move_stream_make(lua_State *L, const void *cargo) {
    const StreamCargo *moved = cargo;
    if (move_is_pipe(moved))
        pipe_stream_new(L);
    else
        stream_new(L, moved->family);
    if (moved->state == NULL) return;
    const TransportCarrier *carrier = moved->transport->carrier;
    by_name_push_module(L, carrier->module);
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    memset(lua_newuserdatauv(L, carrier->size, 0), 0, carrier->size);
    luaL_setmetatable(L, carrier->metatable);
    start_tls_keep(L);
}

static void move_stream_arrive(lua_State *L, int index, void *cargo) {
    Stream *stream = lua_touserdata(L, index);
    StreamCargo *moved = cargo;
    stream->socket.recv_timeout = moved->recv_timeout;
    stream->socket.send_timeout = moved->send_timeout;
    stream->transport = moved->transport;
    stream->read_end = moved->read_end;
    stream->lost = moved->lost;
    stream->input = moved->input;
    stream->torn_at = moved->torn_at;
    stream->sending = moved->sending;
    stream->is_shared = moved->is_shared;
    stream->received = moved->received;
    stream->sent = moved->sent;
    if (moved->state != NULL) {
        stream->state = start_tls_state(L, index);
        moved->transport->carrier->move(stream->state, moved->state);
    }
    stream_adopt(stream, moved->fd, &moved->remote);
    if (move_is_pipe(moved)) pipe_stream_arrive((PipeStream *)stream, &moved->pipe);
    free(moved);
}

/* Reads and drops what has arrived, a bounded number of times: see stream_drain in stream.c. */
static void move_stream_drain(int fd) {
    enum { READS = 256 };
    char scratch[4096];
    for (int i = 0; i < READS; i++)
        if (socket_read(fd, scratch, sizeof scratch) <= 0) return;
}

/* Ends a socket as stream_close does. */
static void move_stream_end(const StreamCargo *moved) {
    moved->transport->close(moved->state, moved->fd, moved->sending == STREAM_SENDS);
    if (moved->read_end == 0 && !moved->is_shared) move_stream_drain(moved->fd);
}

static void move_stream_discard(void *cargo) {
    StreamCargo *moved = cargo;
    if (moved->fd >= 0) {
        if (!move_is_pipe(moved)) move_stream_end(moved);
        socket_close(moved->fd);
        buffer_free(&moved->input);
    }
    free(moved);
}

static const Crossing stream_crossing = {
    .prepare = move_stream_prepare,
    .depart = move_stream_depart,
    .make = move_stream_make,
    .arrive = move_stream_arrive,
    .discard = move_stream_discard,
};

/* Standard streams stay: each Lua state has its own. */
void move_stream_open(lua_State *L) {
    for (int family = 0; family < STREAM_FAMILIES; family++) {
        if (family == STREAM_STANDARD) continue;
        lua_rawgetp(L, LUA_REGISTRYINDEX, &stream_types[family]);
        crossing_attach(L, &stream_crossing);
        lua_pop(L, 1);
    }
}
