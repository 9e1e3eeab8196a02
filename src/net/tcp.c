/*
** Owns what is TCP's own: listening on an address, and one attempt to connect to
** one. Looking names up, racing their addresses and the options' defaults are
** Lua's part.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "net/inet_args.h"
#include "net/listener.h"
#include "system/socket.h"

#include <limits.h>

/* The options of a stream, in the table at `index`. */
static int tcp_set_options(lua_State *L, int index, int fd) {
    int seconds = (int)args_integer_option(L, index, "keepalive", 1, SOCKET_LONGEST_KEEPALIVE, 0);
    int status = socket_set(fd, SOCKET_NODELAY, args_boolean_option(L, index, "nodelay", true));
    if (status == 0 && seconds > 0) status = socket_set(fd, SOCKET_KEEPALIVE, seconds);
    return status;
}

/* --- listening --- */

static int tcp_start_listening(lua_State *L, int options, const Address *address, int fd) {
    int backlog = (int)args_integer_option(L, options, "backlog", 1, INT_MAX, 511);
    int status = socket_set(fd, SOCKET_REUSEADDR, 1);
    if (status == 0 && args_boolean_option(L, options, "reuseport", false))
        status = socket_set(fd, SOCKET_REUSEPORT, 1);
    if (status == 0 && address->any.sa_family == AF_INET6)
        status =
            socket_set(fd, SOCKET_IPV6ONLY, args_boolean_option(L, options, "ipv6only", false));
    if (status == 0) status = tcp_set_options(L, options, fd); /* accepted streams inherit them */
    if (status == 0) status = socket_bind(fd, address);
    if (status == 0) status = socket_listen(fd, backlog);
    return status;
}

/* tcp_listen(host, port, options): all is checked by the caller, except what the system refuses. */
static int tcp_listen(lua_State *L) {
    Address address;
    inet_args_address(L, 1, &address);
    Listener *listener = listener_new(L, LISTENER_TCP, STREAM_TCP);
    int fd = socket_open(address.any.sa_family, SOCK_STREAM);
    int status = fd < 0 ? fd : tcp_start_listening(L, 3, &address, fd);
    if (status != 0) {
        if (fd >= 0) socket_close(fd);
        address_push(L, &address);
        return error_push(L, status, "listen %s", lua_tostring(L, -1));
    }
    listener_adopt(listener, fd);
    return 1;
}

/* --- connecting --- */

/* The stack of a connect that waits: (host, port, options, stream) */
enum { OPTIONS = 3, STREAM };

static int tcp_connect_end(lua_State *L, Stream *stream, int status) {
    if (status == 0) {
        lua_pushvalue(L, STREAM);
        return 1;
    }
    address_push(L, &stream->remote);
    int results = error_push(L, status, "%s", lua_tostring(L, -1));
    handle_close(&stream->socket.handle);
    return results;
}

static int tcp_connect_step(lua_State *L, Task *task) {
    Stream *stream = lua_touserdata(L, STREAM);
    int status = task->status;
    stream->senders.sender = NULL;
    return tcp_connect_end(L, stream,
                           status != 0 ? status : socket_connected(stream->socket.poller.fd));
}

static void tcp_connect_forget(Task *task) {
    handle_close(task->object);
}

static void tcp_connect_describe_wait(lua_State *L, Task *task) {
    address_push(L, &((Stream *)task->object)->remote);
    lua_pushfstring(L, "connecting to %s", lua_tostring(L, -1));
    lua_replace(L, -2);
}

static const WaitKind connect_wait = {tcp_connect_step, tcp_connect_forget,
                                      tcp_connect_describe_wait};

/* A fixed local port may still be in use by connections that have ended. */
static int tcp_bind_locally(lua_State *L, int fd, int family) {
    Address local;
    int status = inet_args_local(L, OPTIONS, family, &local);
    if (status != 0 || !address_is_inet(&local)) return status;
    if (address_port(&local) != 0) status = socket_set(fd, SOCKET_REUSEADDR, 1);
    return status != 0 ? status : socket_bind(fd, &local);
}

static int tcp_start_connecting(lua_State *L, Stream *stream) {
    int fd = stream->socket.poller.fd;
    int status = tcp_set_options(L, OPTIONS, fd);
    if (status == 0) status = tcp_bind_locally(L, fd, stream->remote.any.sa_family);
    return status != 0 ? status : socket_connect(fd, &stream->remote);
}

/*
** tcp_connect(host, port, options): one attempt, to a numeric address. A
** failure's message is "<host>:<port>: <reason>".
*/
static int tcp_connect(lua_State *L) {
    Loop *loop = loop_of(L);
    Address address;
    inet_args_address(L, 1, &address);
    lua_settop(L, OPTIONS);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    Stream *stream = stream_new(L, STREAM_TCP);
    int fd = socket_open(address.any.sa_family, SOCK_STREAM);
    stream->remote = address;
    if (fd < 0) return tcp_connect_end(L, stream, fd);
    stream_adopt(stream, fd, &address);
    int status = tcp_start_connecting(L, stream);
    if (status != UV_EAGAIN) return tcp_connect_end(L, stream, status);
    poller_exhausted(&stream->socket.poller, POLL_READ | POLL_WRITE);
    status = poller_wait(&stream->socket.poller, &task->waiter, POLL_WRITE);
    if (status != 0) return tcp_connect_end(L, stream, status);
    stream->senders.sender = task;
    return task_wait(L, task, &connect_wait, stream);
}

static const luaL_Reg functions[] = {
    {"tcp_listen", tcp_listen},
    {"tcp_connect", tcp_connect},
    {NULL, NULL},
};

void tcp_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
    lua_pushinteger(L, SOCKET_LONGEST_KEEPALIVE);
    lua_setfield(L, -2, "longest_keepalive");
}
