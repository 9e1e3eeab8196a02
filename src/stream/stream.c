/*
** Owns the stream object: how it gets its descriptor, its options, the state of
** its sending direction, and how it is closed.
*/
#include "stream/stream.h"

#include "base/error.h"
#include "event/outbox.h"
#include "system/socket.h"
#include "system/socket_name.h"

#include <limits.h>

static void stream_describe(lua_State *L, const Handle *handle) {
    const Stream *stream = (const Stream *)handle;
    if (stream->transport->name != NULL) {
        lua_pushstring(L, stream->transport->name(stream->state));
        return;
    }
    socket_name_push_text(L, stream->socket.poller.fd, END_LOCAL);
    lua_pushliteral(L, " -> ");
    if (address_is_inet(&stream->remote)) /* the kernel forgets it at a reset */
        address_push(L, &stream->remote);
    else
        socket_name_push_text(L, stream->socket.poller.fd, END_REMOTE);
    lua_concat(L, 3);
}

/* --- closing --- */

/*
** Reads and drops what has arrived, because the kernel answers unread bytes with
** a reset, which could overtake what was sent. The number of reads is bounded,
** because the peer may keep sending.
*/
static void stream_drain(const Stream *stream, int fd) {
    enum { READS = 64 };
    char *scratch = stream->socket.handle.loop->scratch;
    for (int i = 0; i < READS && !stream->socket.handle.loop->closed; i++)
        if (socket_read(fd, scratch, SCRATCH_SIZE) <= 0) return;
}

static void stream_wake_receiver(Stream *stream) {
    Task *task = stream->receiver;
    if (task == NULL) return;
    waiter_wake(&task->waiter, ARSENAL_CLOSED);
    if (task->object == stream) task->object = NULL;
    stream->receiver = NULL;
}

static bool stream_is_mid_message(const Stream *stream) {
    const Task *sender = stream->senders.sender;
    return sender != NULL && stream_has_begun(stream, sender->progress);
}

static void stream_close_descriptor(const Stream *stream, int fd, bool resets) {
    bool is_socket = stream->socket.handle.type != &stream_types[STREAM_PIPE];
    if (resets && is_socket) {
        socket_abort(fd);
        return;
    }
    if (stream->read_end == 0 && is_socket && !stream->is_shared) stream_drain(stream, fd);
    socket_close(fd);
}

/* A forked child closes its descriptor and nothing else: the connection is the parent's. */
static void stream_close(Handle *handle) {
    Stream *stream = (Stream *)handle;
    outbox_flush(handle->loop);
    bool is_ours = !handle->loop->forked;
    bool clean = is_ours && stream->sending == STREAM_SENDS && !stream_is_mid_message(stream);
    int fd = socket_handle_release(&stream->socket);
    stream_wake_receiver(stream);
    send_queue_close(&stream->senders, stream);
    stream->transport->close(stream->state, fd, clean);
    if (fd >= 0 && !stream->is_given)
        stream_close_descriptor(stream, fd, is_ours && stream->sending == STREAM_RESET);
    buffer_free(&stream->input);
}

/* receive.c attaches what a stream is in a select. */
#define STREAM_TYPE(name, kind) \
    { name, "stream", kind, stream_close, stream_describe, NULL }

const HandleType stream_types[STREAM_FAMILIES] = {
    [STREAM_TCP] = STREAM_TYPE("tcp stream", KIND_TCP_STREAM),
    [STREAM_UNIX] = STREAM_TYPE("unix stream", KIND_UNIX_STREAM),
    [STREAM_TLS] = STREAM_TYPE("tls stream", KIND_TLS_STREAM),
    [STREAM_PIPE] = STREAM_TYPE("pipe stream", KIND_PIPE_STREAM),
    [STREAM_STANDARD] = STREAM_TYPE("standard stream", KIND_STANDARD_STREAM),
};

/* --- opening --- */

/* In the registry: an object of the family that has had no descriptor yet. */
static const char spare_keys[STREAM_FAMILIES];

void stream_spare(lua_State *L) {
    Stream *stream = lua_touserdata(L, -1);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &spare_keys[stream->socket.handle.type - stream_types]);
}

void *stream_new_sized(lua_State *L, int family, size_t size, const Transport *transport) {
    Stream *stream = socket_handle_new(L, &stream_types[family], size, 0);
    stream->transport = transport;
    return stream;
}

Stream *stream_new_or_spare(lua_State *L, int family) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &spare_keys[family]) == LUA_TNIL) {
        lua_pop(L, 1);
        return stream_new(L, family);
    }
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &spare_keys[family]);
    return lua_touserdata(L, -1);
}

Stream *stream_new(lua_State *L, int family) {
    return stream_new_sized(L, family, sizeof(Stream),
                            family == STREAM_UNIX ? &transport_unix : &transport_plain);
}

void stream_adopt(Stream *stream, int fd, const Address *remote) {
    stream->remote = *remote;
    socket_handle_adopt(&stream->socket, fd);
}

/* --- the sending direction --- */

bool stream_has_begun(const Stream *stream, size_t sent) {
    const Transport *transport = stream->transport;
    return sent > 0 || (transport->holds != NULL && transport->holds(stream->state));
}

void stream_close_ended(Stream *stream) {
    if (!stream->transport->end_closes || !handle_is_ours(&stream->socket.handle)) return;
    int fd = socket_handle_release(&stream->socket);
    if (fd >= 0) socket_close(fd);
}

static void stream_cut_as(Stream *stream, uint8_t sending) {
    stream->sending = sending;
    if (!stream->socket.handle.open) return;
    stream->transport->cut(stream->state, stream->socket.poller.fd);
    stream_close_ended(stream);
}

void stream_cut(Stream *stream) {
    stream_cut_as(stream, STREAM_SENT_END);
}

void stream_abandon_turn(Stream *stream, size_t sent) {
    if (stream_has_begun(stream, sent)) {
        stream->torn_at = sent < UINT32_MAX ? (uint32_t)sent : UINT32_MAX;
        stream_cut_as(stream, STREAM_TORN);
    }
    send_queue_pass_turn(&stream->senders);
}

/* --- failures --- */

int stream_fail(lua_State *L, const Stream *stream, const char *verb, int status) {
    const char *reason = NULL;
    if (stream->socket.handle.open && stream->transport->reason != NULL)
        reason = stream->transport->reason(stream->state, status);
    if (reason == NULL) return handle_fail(L, &stream->socket.handle, verb, status);
    return handle_fail_reason(L, &stream->socket.handle, verb, status, reason);
}

int stream_refuse_receiver(lua_State *L, const Stream *stream, const char *verb) {
    handle_push_name(L, &stream->socket.handle);
    lua_pushfstring(L, "%s: another task is already receiving on %s", verb, lua_tostring(L, -1));
    error_push_reason(L, ARSENAL_BUSY, lua_tostring(L, -1));
    return handle_set_failed(L, &stream->socket.handle);
}

int stream_refuse_sender(lua_State *L, const Stream *stream) {
    if (stream->sending == STREAM_TORN) {
        const char *reason = lua_pushfstring(L, "an earlier message was truncated after %I bytes",
                                             (LUAI_UACINT)stream->torn_at);
        handle_fail_reason(L, &stream->socket.handle, "send", UV_EPIPE, reason);
    } else if (stream->sending == STREAM_NEVER_SENDS) {
        stream_fail(L, stream, "send", UV_EBADF);
    } else {
        stream_fail(L, stream, "send", UV_EPIPE);
    }
    lua_pushinteger(L, 0);
    return 4;
}

/* --- the methods that never wait --- */

/* stream:reset() closes with a reset: what was sent may be lost, and what arrives is refused. */
static int stream_reset(lua_State *L) {
    Stream *stream = stream_check(L, 1);
    if (stream->socket.handle.open) {
        stream->sending = STREAM_RESET;
        handle_close(&stream->socket.handle);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* stream:set_option(name, value): see the reference for names and values. */
static int stream_set_option(lua_State *L) {
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
    if (!handle_is_ours(&stream->socket.handle))
        return stream_fail(L, stream, "set_option", ARSENAL_CLOSED);
    outbox_flush(stream->socket.handle.loop);
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

/* stream_directions(stream): whether it has a receiving and a sending direction; a pipe has one of them. */
static int stream_directions(lua_State *L) {
    const Stream *stream = stream_check(L, 1);
    bool only_sends = stream->transport->end_closes && stream->read_end == UV_EBADF;
    lua_pushboolean(L, !only_sends);
    lua_pushboolean(L, stream->sending != STREAM_NEVER_SENDS);
    return 2;
}

/* stream:stats() a table with the bytes `received` and `sent`. */
static int stream_stats(lua_State *L) {
    Stream *stream = stream_check(L, 1);
    lua_createtable(L, 0, 2);
    socket_handle_set_count(L, "received", stream->received);
    socket_handle_set_count(L, "sent", stream->sent);
    return 1;
}

static const luaL_Reg methods[] = {
    {"reset", stream_reset},
    {"set_option", stream_set_option},
    {"stats", stream_stats},
    {NULL, NULL},
};

static const luaL_Reg socket_methods[] = {
    {"local_address", socket_handle_local_address},
    {"remote_address", stream_remote_address},
    {"fd", socket_handle_fd},
    {"set_timeout", socket_handle_set_timeout},
    {NULL, NULL},
};

/*
** The methods of a message, which are set later, have the first places in a table
** that does not grow. So Lua finds them without a search.
*/
enum { METHODS_MOST = 32 };

static const luaL_Reg first_methods[] = {
    {"recv", NULL}, {"send", NULL}, {"recv_line", NULL}, {"recv_exactly", NULL}, {NULL, NULL},
};

void stream_open(lua_State *L) {
    lua_createtable(L, 0, METHODS_MOST);
    luaL_setfuncs(L, first_methods, 0);
    luaL_setfuncs(L, methods, 0);
    socket_handle_set_methods(L, socket_methods, stream_types, STREAM_FAMILIES);
    for (int family = 0; family < STREAM_FAMILIES; family++)
        handle_define(L, &stream_types[family]);
    lua_setfield(L, -2, "stream_methods");
    lua_pushcfunction(L, stream_directions);
    lua_setfield(L, -2, "stream_directions");
}
