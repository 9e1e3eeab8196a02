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
    Stream held;    /* only what move_stream_copy copies */
    void *state;    /* behind this struct; NULL: the transport has none */
    PipeCargo pipe; /* of a pipe stream only */
} StreamCargo;

/* Copies what goes along, except the descriptor and the state of the transport. */
static void move_stream_copy(Stream *to, const Stream *from) {
    to->socket.recv_timeout = from->socket.recv_timeout;
    to->socket.send_timeout = from->socket.send_timeout;
    to->transport = from->transport;
    to->remote = from->remote;
    to->read_end = from->read_end;
    to->lost = from->lost;
    to->input = from->input;
    to->torn_at = from->torn_at;
    to->sending = from->sending;
    to->is_shared = from->is_shared;
    to->received = from->received;
    to->sent = from->sent;
}

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
    moved->held.transport = stream->transport;
    moved->state = carrier != NULL ? moved + 1 : NULL;
    *cargo = moved;
    return 0;
}

static void move_stream_depart(void *object, void *cargo) {
    Stream *stream = object;
    StreamCargo *moved = cargo;
    move_stream_copy(&moved->held, stream);
    if (moved->state != NULL) moved->held.transport->carrier->move(moved->state, stream->state);
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
    const TransportCarrier *carrier = moved->held.transport->carrier;
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
    move_stream_copy(stream, &moved->held);
    if (moved->state != NULL) {
        stream->state = start_tls_state(L, index);
        moved->held.transport->carrier->move(stream->state, moved->state);
    }
    stream_adopt(stream, moved->fd, &moved->held.remote);
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
    moved->held.transport->close(moved->state, moved->fd, moved->held.sending == STREAM_SENDS);
    if (moved->held.read_end == 0 && !moved->held.is_shared) move_stream_drain(moved->fd);
}

static void move_stream_discard(void *cargo) {
    StreamCargo *moved = cargo;
    if (moved->fd >= 0) {
        if (!move_is_pipe(moved)) move_stream_end(moved);
        socket_close(moved->fd);
        buffer_free(&moved->held.input);
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
