/*
** Owns what is TCP's own: listening on an address, and one attempt to connect
** to one. Names, races and options' defaults are in Lua.
*/
#include "base/openers.h"

#include "base/error.h"
#include "net/listener.h"
#include "event/run.h"
#include "system/socket.h"

#include <limits.h>
#include <string.h>

/* (host, port): a numeric address; its callers have resolved names. */
static void check_address(lua_State *L, int index, Address *address) {
    const char *host = luaL_checkstring(L, index);
    int port = (int)args_integer(L, index + 1, 0, 65535);
    if (!address_parse(address, host, port)) luaL_argerror(L, index, "numeric address expected");
}

static int set_stream_options(lua_State *L, int index, int fd) {
    int seconds = (int)args_integer_option(L, index, "keepalive", 0, INT_MAX, 0);
    int status = socket_set(fd, SOCKET_NODELAY, args_boolean_option(L, index, "nodelay", true));
    if (status == 0 && seconds > 0) status = socket_set(fd, SOCKET_KEEPALIVE, seconds);
    return status;
}

/* --- listening --- */

static int start_listening(lua_State *L, int options, const Address *address, int fd) {
    int backlog = (int)args_integer_option(L, options, "backlog", 1, INT_MAX, 511);
    int status = socket_set(fd, SOCKET_REUSEADDR, 1);
    if (status == 0 && args_boolean_option(L, options, "reuseport", false))
        status = socket_set(fd, SOCKET_REUSEPORT, 1);
    if (status == 0 && address->any.sa_family == AF_INET6)
        status =
            socket_set(fd, SOCKET_IPV6ONLY, args_boolean_option(L, options, "ipv6only", false));
    if (status == 0) status = set_stream_options(L, options, fd); /* accepted ones inherit them */
    if (status == 0) status = socket_bind(fd, address);
    if (status == 0) status = socket_listen(fd, backlog);
    return status;
}

/* tcp_listen(host, port, options): all checked by the caller but for what the system says. */
static int tcp_listen(lua_State *L) {
    Address address;
    check_address(L, 1, &address);
    Listener *listener = listener_new(L, LISTENER_TCP, STREAM_TCP);
    int fd = socket_open(address.any.sa_family, SOCK_STREAM);
    int status = fd < 0 ? fd : start_listening(L, 3, &address, fd);
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
enum { STREAM = 4 };

static int fail(lua_State *L, Stream *stream, int status) {
    lua_pushvalue(L, STREAM);
    address_push(L, &stream->remote);
    int results = error_push(L, status, "connect %s", lua_tostring(L, -1));
    handle_close(&stream->socket.handle);
    return results;
}

static int go_on(lua_State *L) {
    Stream *stream = lua_touserdata(L, STREAM);
    Task *task = stream->socket.handle.loop->running;
    int status = task->status;
    stream->sender = NULL;
    if (status == 0) status = socket_connected(stream->socket.poller.fd);
    if (status != 0) return fail(L, stream, status);
    lua_pushvalue(L, STREAM);
    return 1;
}

static void forget(Task *task) {
    handle_close(task->object);
}

static void describe(lua_State *L, Task *task) {
    address_push(L, &((Stream *)task->object)->remote);
    lua_pushfstring(L, "connecting to %s", lua_tostring(L, -1));
    lua_replace(L, -2);
}

static const WaitKind connect_wait = {go_on, forget, describe};

static int bind_locally(lua_State *L, int options, int fd, int family) {
    Address address;
    size_t length;
    const char *host = args_string_option(L, options, "local_address", &length);
    int port = (int)args_integer_option(L, options, "local_port", 0, 65535, 0);
    if (host == NULL && port == 0) return 0;
    if (host != NULL && strlen(host) != length) return UV_EINVAL;
    if (host == NULL) host = family == AF_INET6 ? "::" : "0.0.0.0";
    if (!address_parse(&address, host, port)) return UV_EINVAL;
    if (address.any.sa_family != family) return UV_EAFNOSUPPORT;
    int status = port == 0 ? 0 : socket_set(fd, SOCKET_REUSEADDR, 1);
    return status != 0 ? status : socket_bind(fd, &address);
}

/* tcp_connect(host, port, options): one attempt, to a numeric address. */
static int tcp_connect(lua_State *L) {
    Loop *loop = loop_of(L);
    Address address;
    check_address(L, 1, &address);
    lua_settop(L, STREAM - 1);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    Stream *stream = stream_new(L, STREAM_TCP);
    int fd = socket_open(address.any.sa_family, SOCK_STREAM);
    stream->remote = address;
    if (fd < 0) return fail(L, stream, fd);
    stream_adopt(stream, fd, &address);
    int status = set_stream_options(L, 3, fd);
    if (status == 0) status = bind_locally(L, 3, fd, address.any.sa_family);
    if (status == 0) status = socket_connect(fd, &address);
    if (status == UV_EAGAIN) {
        poller_exhausted(&stream->socket.poller, POLL_READ | POLL_WRITE);
        status = poller_wait(&stream->socket.poller, &task->waiter, POLL_WRITE);
        stream->sender = task;
        if (status == 0) return task_wait(L, task, &connect_wait, stream);
        stream->sender = NULL;
    }
    if (status != 0) return fail(L, stream, status);
    lua_pushvalue(L, STREAM);
    return 1;
}

static const luaL_Reg functions[] = {
    {"tcp_listen", tcp_listen},
    {"tcp_connect", tcp_connect},
    {NULL, NULL},
};

void tcp_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
