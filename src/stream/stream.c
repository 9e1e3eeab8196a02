/*
** Owns the stream object: how it comes to a descriptor, its options, and how
** it is closed.
*/
#include "stream/stream.h"

#include "system/socket_name.h"
#include "base/error.h"
#include "system/socket.h"

#include <limits.h>

static void describe(lua_State *L, const Handle *handle) {
    const Stream *stream = (const Stream *)handle;
    socket_name_push_text(L, stream->socket.poller.fd, END_LOCAL);
    lua_pushliteral(L, " -> ");
    if (address_is_inet(&stream->remote)) /* the kernel forgets it at a reset */
        address_push(L, &stream->remote);
    else
        socket_name_push_text(L, stream->socket.poller.fd, END_REMOTE);
    lua_concat(L, 3);
}

/*
** Takes in what has arrived: the kernel answers unread bytes with a reset,
** which could overtake what was sent. Bounded, for a peer that goes on sending.
*/
static void drain(const Stream *stream, int fd) {
    enum { READS = 64 };
    char *scratch = stream->socket.handle.loop->scratch;
    for (int i = 0; i < READS && !stream->socket.handle.loop->closed; i++)
        if (socket_read(fd, scratch, SCRATCH_SIZE) <= 0) return;
}

static void close_stream(Handle *handle) {
    Stream *stream = (Stream *)handle;
    bool clean = !stream->aborted && !stream->write_ended && !stream_is_mid_message(stream);
    int fd = socket_handle_release(&stream->socket);
    if (stream->receiver != NULL) waiter_wake(&stream->receiver->waiter, ARSENAL_CLOSED);
    stream_close_senders(stream);
    if (stream->receiver != NULL && stream->receiver->object == stream)
        stream->receiver->object = NULL;
    stream->receiver = NULL;
    stream->transport->close(stream->state, fd, clean);
    if (stream->aborted) {
        socket_abort(fd);
    } else {
        if (stream->read_end == 0) drain(stream, fd);
        socket_close(fd);
    }
    buffer_free(&stream->input);
}

/* --- select: a stream's natural receive --- */

static int watch(void *object, Waiter *waiter) {
    return poller_wait(&((Stream *)object)->socket.poller, waiter, POLL_READ);
}

static const Selectable source = {stream_attempt, watch, NULL, NULL};

const HandleType stream_types[STREAM_FAMILIES] = {
    [STREAM_TCP] = {"tcp stream", "stream", KIND_TCP_STREAM, close_stream, describe, &source},
    [STREAM_UNIX] = {"unix stream", "stream", KIND_UNIX_STREAM, close_stream, describe, &source},
    [STREAM_TLS] = {"tls stream", "stream", KIND_TLS_STREAM, close_stream, describe, &source},
    [STREAM_PIPE] = {"pipe stream", "stream", KIND_PIPE_STREAM, close_stream, describe, &source},
};

static const char spare_keys[STREAM_FAMILIES]; /* registry: an object that found no connection */

void stream_spare(lua_State *L) {
    Stream *stream = lua_touserdata(L, -1);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &spare_keys[stream->socket.handle.type - stream_types]);
}

Stream *stream_new(lua_State *L, int family) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &spare_keys[family]) != LUA_TNIL) {
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &spare_keys[family]);
        return lua_touserdata(L, -1);
    }
    lua_pop(L, 1);
    Stream *stream = handle_new(L, &stream_types[family], sizeof *stream, 0);
    stream->transport = &transport_plain;
    stream->socket.recv_timeout = stream->socket.send_timeout = FOREVER;
    stream->socket.poller.fd = -1;
    return stream;
}

void stream_adopt(Stream *stream, int fd, const Address *remote) {
    stream->remote = *remote;
    socket_handle_adopt(&stream->socket, fd);
}

int stream_wait(lua_State *L, Stream *stream, Task *task, const WaitKind *kind, ptrdiff_t wants,
                uint64_t limit) {
    unsigned events = wants == TRANSPORT_WANTS_READ ? POLL_READ : POLL_WRITE;
    poller_exhausted(&stream->socket.poller, events);
    task_set_timeout(task, limit);
    task->status = poller_wait(&stream->socket.poller, &task->waiter, events);
    task->kind = kind;
    if (task->status != 0) return kind->step(L);
    return task_wait(L, task, kind, stream);
}

int stream_fail(lua_State *L, const Stream *stream, const char *verb, int status) {
    const char *reason = NULL;
    if (stream->socket.handle.open && stream->transport->reason != NULL)
        reason = stream->transport->reason(stream->state, status);
    if (reason == NULL) return handle_fail(L, &stream->socket.handle, verb, status);
    handle_push_name(L, &stream->socket.handle);
    error_push_reason(L, status,
                      lua_pushfstring(L, "%s %s: %s", verb, lua_tostring(L, -1), reason));
    return handle_set_failed(L, &stream->socket.handle);
}

/* --- the methods that never wait --- */

/* stream:reset() closes with a reset: what was sent may be lost, what comes is refused. */
static int reset(lua_State *L) {
    Stream *stream = stream_check(L, 1);
    if (stream->socket.handle.open) {
        stream->aborted = true;
        handle_close(&stream->socket.handle);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* stream:set_option(name, value): see the reference for names and values. */
static int set_option(lua_State *L) {
    static const char *const names[] = {"nodelay", "keepalive", "send_buffer", "recv_buffer", NULL};
    static const SocketOption options[] = {SOCKET_NODELAY, SOCKET_KEEPALIVE, SOCKET_SEND_BUFFER,
                                           SOCKET_RECV_BUFFER};
    Stream *stream = stream_check(L, 1);
    int which = luaL_checkoption(L, 2, NULL, names);
    int value = 0;
    if (options[which] == SOCKET_NODELAY) {
        luaL_checktype(L, 3, LUA_TBOOLEAN);
        value = lua_toboolean(L, 3);
    } else if (options[which] != SOCKET_KEEPALIVE || lua_toboolean(L, 3)) {
        bool is_keepalive = options[which] == SOCKET_KEEPALIVE;
        value = (int)args_integer(L, 3, 1, is_keepalive ? SOCKET_LONGEST_KEEPALIVE : INT_MAX);
    }
    if (!stream->socket.handle.open) return stream_fail(L, stream, "set_option", ARSENAL_CLOSED);
    int status = socket_set(stream->socket.poller.fd, options[which], value);
    if (status != 0) return stream_fail(L, stream, "set_option", status);
    lua_pushboolean(L, true);
    return 1;
}

/* stream:remote_address() host, port, also after a reset, which the kernel answers with ENOTCONN; or a path */
static int stream_remote_address(lua_State *L) {
    Stream *stream = stream_check(L, 1);
    if (stream->socket.handle.open && address_is_inet(&stream->remote))
        return socket_name_push_inet(L, &stream->remote);
    return socket_handle_remote_address(L);
}

/* stream:stats() a table with the bytes `received` and `sent`. */
static int stats(lua_State *L) {
    Stream *stream = stream_check(L, 1);
    lua_createtable(L, 0, 2);
    socket_handle_set_count(L, "received", stream->received);
    socket_handle_set_count(L, "sent", stream->sent);
    return 1;
}

static const luaL_Reg methods[] = {
    {"reset", reset},
    {"set_option", set_option},
    {"stats", stats},
    {NULL, NULL},
};

static const luaL_Reg socket_methods[] = {
    {"local_address", socket_handle_local_address},
    {"remote_address", stream_remote_address},
    {"fd", socket_handle_fd},
    {"set_timeout", socket_handle_set_timeout},
    {NULL, NULL},
};

void stream_open(lua_State *L) {
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    socket_handle_set_methods(L, socket_methods, stream_types, STREAM_FAMILIES);
    luaL_setfuncs(L, receive_methods, 0);
    luaL_setfuncs(L, send_methods, 0);
    for (int family = 0; family < STREAM_FAMILIES; family++)
        handle_define(L, &stream_types[family]);
    lua_setfield(L, -2, "stream_methods");
    lua_pushcfunction(L, stream_is_quiet);
    lua_setfield(L, -2, "stream_is_quiet");
}
