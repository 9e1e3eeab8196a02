/*
** Owns Unix datagram sockets: making one, sending to a path, receiving. Of the
** socket that a datagram is sent to, the kernel says when its queue has room only to
** a socket that is connected to it. So a task that waits for room makes such a
** socket, the gauge, for as long as it waits.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "kernel/public.h"
#include "net/datagram.h"
#include "net/unix_args.h"
#include "system/socket.h"

#include <limits.h>

/* Nanoseconds between two attempts, if there is no gauge or it is of no use. */
static const uint64_t PAUSE = UINT64_C(50000000);

/* --- making one --- */

enum { MAKE_PATH = 1, MAKE_OPTIONS };

static int unix_datagram_set_buffers(lua_State *L, int fd) {
    int for_recv = (int)args_integer_option(L, MAKE_OPTIONS, "recv_buffer", 1, INT_MAX, 0);
    int for_send = (int)args_integer_option(L, MAKE_OPTIONS, "send_buffer", 1, INT_MAX, 0);
    int status = for_recv > 0 ? socket_set(fd, SOCKET_RECV_BUFFER, for_recv) : 0;
    if (status == 0 && for_send > 0) status = socket_set(fd, SOCKET_SEND_BUFFER, for_send);
    return status;
}

static int unix_datagram_bind(lua_State *L, DatagramSocket *socket, const UnixAddress *name) {
    UnixSocketFileOptions options = {
        .mode = (int)args_integer_option(L, MAKE_OPTIONS, "mode", 0, 0777, -1),
        .replace = args_boolean_option(L, MAKE_OPTIONS, "unlink", false),
    };
    return unix_socket_file_make(socket->socket.poller.fd, name, &options, &socket->file);
}

/*
** [-0, +0 or 3] the names; false if one cannot be a name: then the failure is on top.
** Without one its size is 0.
*/
static bool unix_datagram_names(lua_State *L, UnixAddress *path, UnixAddress *peer) {
    path->size = peer->size = 0;
    if (!lua_isnil(L, MAKE_PATH) && !unix_args_name(L, MAKE_PATH, path, "bind")) return false;
    if (lua_getfield(L, MAKE_OPTIONS, "peer") == LUA_TNIL) return true;
    return unix_args_name(L, -1, peer, "connect");
}

static int unix_datagram_fail_making(lua_State *L, DatagramSocket *socket, const UnixAddress *name,
                                     const char *verb, int status) {
    handle_close(&socket->socket.handle);
    return unix_args_fail(L, name, verb, status);
}

/* unix_datagram(path or nil, options): types are checked by the caller. Never waits. */
static int unix_datagram(lua_State *L) {
    UnixAddress path, peer;
    if (!unix_datagram_names(L, &path, &peer)) return 3;
    DatagramSocket *socket = datagram_new(L, &unix_datagram_kind, AF_UNIX);
    int fd = socket_open(AF_UNIX, SOCK_DGRAM);
    if (fd < 0) return error_push(L, fd, "unix datagram socket");
    datagram_adopt(socket, fd);
    int status = unix_datagram_set_buffers(L, fd);
    if (status == 0 && path.size > 0) status = unix_datagram_bind(L, socket, &path);
    if (status != 0) return unix_datagram_fail_making(L, socket, &path, "bind", status);
    if (peer.size > 0) status = socket_connect_unix(fd, &peer);
    if (status != 0) return unix_datagram_fail_making(L, socket, &peer, "connect", status);
    return 1;
}

/* --- receiving --- */

/*
** Where to receive to, and how much fits there: a datagram that is larger than the scratch
** buffer has memory of its own.
*/
static char *unix_datagram_room(lua_State *L, const DatagramSocket *socket, size_t most,
                                size_t *room) {
    *room = SCRATCH_SIZE;
    if (most <= SCRATCH_SIZE) return socket->socket.handle.loop->scratch;
    ptrdiff_t size = socket_next_size_unix(socket->socket.poller.fd);
    if (size <= SCRATCH_SIZE) return socket->socket.handle.loop->scratch;
    *room = (size_t)size < most ? (size_t)size : most;
    return lua_newuserdatauv(L, *room, 0);
}

static int unix_datagram_return(lua_State *L, const DatagramSocket *socket,
                                const DatagramCall *call, const char *data, size_t size,
                                size_t most, const UnixAddress *from) {
    int results = 1;
    lua_pushlstring(L, data, size < most ? size : most); /* first: finalizers may use the scratch */
    if (size > most) {
        int bytes = lua_gettop(L);
        results += datagram_refuse_oversized(L, socket, call, size, most);
        lua_pushvalue(L, bytes);
    }
    if (!call->addressed) return results;
    unix_address_push(L, from);
    return results + 1;
}

static int unix_datagram_receive(lua_State *L, DatagramSocket *socket, const DatagramCall *call) {
    UnixAddress from;
    size_t room, most = args_size(L, DATAGRAM_MOST);
    char *data = unix_datagram_room(L, socket, most, &room);
    ptrdiff_t size = socket_recv_unix(socket->socket.poller.fd, data, room, &from);
    if (size == UV_EAGAIN) {
        datagram_exhausted(socket, POLL_READ);
        return 0;
    }
    if (size < 0) return datagram_fail(L, socket, call, (int)size);
    socket->received++;
    return unix_datagram_return(L, socket, call, data, (size_t)size, most < room ? most : room,
                                &from);
}

const DatagramKind unix_datagram_kind = {DATAGRAM_UNIX, unix_datagram_receive, SCRATCH_SIZE};

/* --- sending to a path --- */

enum { SEND_SELF = 1, SEND_DATA, SEND_PATH };

static int unix_datagram_send_fail(lua_State *L, const DatagramSocket *socket,
                                   const UnixAddress *to, int status) {
    unix_address_push_text(L, to);
    handle_push_name(L, &socket->socket.handle);
    error_push(L, status, "send_to %s from %s", lua_tostring(L, -2), lua_tostring(L, -1));
    return handle_set_failed(L, &socket->socket.handle);
}

/* Sends once: returns the number of results, 0 if there is no room. */
static int unix_datagram_send(lua_State *L, DatagramSocket *socket) {
    UnixAddress to;
    size_t size;
    const char *data = lua_tolstring(L, SEND_DATA, &size);
    if (!unix_args_name(L, SEND_PATH, &to, "send_to")) return 3;
    if (!socket->socket.handle.open) return unix_datagram_send_fail(L, socket, &to, ARSENAL_CLOSED);
    ptrdiff_t sent = socket_send_unix(socket->socket.poller.fd, data, size, &to);
    if (sent == UV_EAGAIN) return 0;
    if (sent < 0) return unix_datagram_send_fail(L, socket, &to, (int)sent);
    socket->sent++;
    lua_pushinteger(L, sent);
    return 1;
}

static int unix_datagram_return_all(lua_State *L, int status, lua_KContext context) {
    (void)status, (void)context;
    return lua_gettop(L);
}

/*
** [self, data, path] A function of unix.lua waits until the datagram can be sent: it also
** gets the limit in seconds.
*/
static int unix_datagram_send_later(lua_State *L, const DatagramSocket *socket) {
    uint64_t limit = socket->socket.send_timeout;
    public_push_registered(L, "send_to_full");
    lua_insert(L, SEND_SELF);
    if (limit == FOREVER)
        lua_pushnil(L);
    else
        lua_pushnumber(L, (lua_Number)limit / 1e9);
    lua_callk(L, SEND_PATH + 1, LUA_MULTRET, 0, unix_datagram_return_all);
    return unix_datagram_return_all(L, LUA_OK, 0);
}

/* socket:send_to(data, path) the count of bytes. */
static int unix_datagram_send_to(lua_State *L) {
    DatagramSocket *socket = datagram_check_type(L, SEND_SELF, DATAGRAM_UNIX);
    luaL_checkstring(L, SEND_DATA);
    luaL_checktype(L, SEND_PATH, LUA_TSTRING);
    lua_settop(L, SEND_PATH);
    if (task_enter(L, socket->socket.handle.loop) == NULL) return run_outside(L);
    int results = unix_datagram_send(L, socket);
    return results > 0 ? results : unix_datagram_send_later(L, socket);
}

/* unix_try_send_to(socket, data, path) what send_to returns, or false where it would wait. */
static int unix_datagram_try_send_to(lua_State *L) {
    int results = unix_datagram_send(L, datagram_check_type(L, SEND_SELF, DATAGRAM_UNIX));
    if (results > 0) return results;
    lua_pushboolean(L, false);
    return 1;
}

/* --- waiting for room --- */

enum { ROOM_SOCKET = 1, ROOM_GAUGE };

static int room_step(lua_State *L, Task *task);

static void room_forget(Task *task) {
    waiter_leave(&((DatagramSocket *)task->object)->sender);
}

static void room_describe(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "waiting for room with");
}

static const WaitKind room_wait = {room_step, room_forget, room_describe};

/*
** The task waits in the gauge's queue, and once more in the socket's, for its close
** only: a send that has failed is an event there.
*/
static int room_watch_both(DatagramSocket *socket, DatagramSocket *gauge, Task *task) {
    int status = poller_wait(&gauge->socket.poller, &task->waiter, POLL_WRITE);
    if (status != 0) return status;
    gauge->sender.task = task;
    status = poller_wait(&socket->socket.poller, &gauge->sender, 0);
    if (status != 0) waiter_leave(&task->waiter);
    return status;
}

/*
** The receiver has room, but the datagrams of the socket that nobody has received yet leave
** none in its own buffer.
*/
static int room_watch_socket(DatagramSocket *socket, Task *task) {
    task_set_timeout(task, PAUSE);
    return poller_wait(&socket->socket.poller, &task->waiter, POLL_WRITE);
}

static int room_step(lua_State *L, Task *task) {
    DatagramSocket *gauge = lua_touserdata(L, ROOM_GAUGE);
    if (gauge != NULL) {
        waiter_leave(&gauge->sender);
        waiter_leave(&task->waiter);
    }
    lua_pushboolean(L, true);
    return 1;
}

/*
** unix_wait_for_room(socket, gauge): true once sending is worth another try, or the
** socket is closed. `gauge`: a new socket that is connected to the receiver, or nil.
*/
static int room_wait_for(lua_State *L) {
    DatagramSocket *socket = datagram_check_type(L, ROOM_SOCKET, DATAGRAM_UNIX);
    DatagramSocket *gauge = lua_isnil(L, ROOM_GAUGE) ? NULL : datagram_check(L, ROOM_GAUGE);
    Task *task = task_enter(L, socket->socket.handle.loop);
    if (task == NULL) return run_outside(L);
    if (!socket->socket.handle.open)
        return handle_fail(L, &socket->socket.handle, "send_to", ARSENAL_CLOSED);
    bool is_of_use = gauge != NULL && !socket_is_writable(gauge->socket.poller.fd);
    int status = is_of_use ? room_watch_both(socket, gauge, task) : room_watch_socket(socket, task);
    if (status != 0) return handle_fail(L, &socket->socket.handle, "send_to", status);
    return task_wait(L, task, &room_wait, is_of_use ? gauge : socket);
}

/* --- options --- */

/* socket:set_option(name, value): the size of a buffer in bytes. */
static int unix_datagram_set_option(lua_State *L) {
    static const char *const names[] = {"recv_buffer", "send_buffer", NULL};
    static const SocketOption options[] = {SOCKET_RECV_BUFFER, SOCKET_SEND_BUFFER};
    const DatagramSocket *socket = datagram_check_type(L, 1, DATAGRAM_UNIX);
    int which = luaL_checkoption(L, 2, NULL, names);
    int value = (int)args_integer(L, 3, 1, INT_MAX);
    int status = handle_is_ours(&socket->socket.handle)
                     ? socket_set(socket->socket.poller.fd, options[which], value)
                     : ARSENAL_CLOSED;
    if (status != 0) return handle_fail(L, &socket->socket.handle, "set_option", status);
    lua_pushboolean(L, true);
    return 1;
}

static const luaL_Reg functions[] = {
    {"unix_datagram", unix_datagram},
    {"unix_try_send_to", unix_datagram_try_send_to},
    {"unix_wait_for_room", room_wait_for},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"send_to", unix_datagram_send_to},
    {"set_option", unix_datagram_set_option},
    {NULL, NULL},
};

void unix_datagram_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
    lua_getfield(L, -1, "unix_datagram_methods");
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}
