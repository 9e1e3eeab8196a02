/*
** Owns the adoption of sockets that were opened elsewhere: by another library, or
** by systemd, which hands over listening ones.
*/
#include "base/platform.h"

#include "base/openers.h"

#include "net/datagram.h"
#include "system/socket_name.h"
#include "base/error.h"
#include "net/listener.h"
#include "system/socket.h"

#include <limits.h>
#include <stdlib.h>

enum { FIRST_HANDED_OVER = 3 };

typedef enum Kind { ANY, TCP, UNIX, UDP, KINDS } Kind;

static const char *const kind_names[KINDS] = {"", "TCP", "Unix stream", "UDP"};

/* --- adopting --- */

static Kind kind_of(const SocketFacts *facts) {
    bool is_inet = facts->family == AF_INET || facts->family == AF_INET6;
    if (facts->type == SOCK_STREAM && is_inet) return TCP;
    if (facts->type == SOCK_STREAM && facts->family == AF_UNIX) return UNIX;
    return facts->type == SOCK_DGRAM && is_inet ? UDP : ANY;
}

static int fail(lua_State *L, int fd, int status) {
    return error_push(L, status, "from_fd %d", fd);
}

/* The object comes first, which may raise; then nothing can but the system. */
static int adopt_listener(lua_State *L, int fd, Kind kind) {
    Listener *listener = kind == TCP ? listener_new(L, LISTENER_TCP, STREAM_TCP)
                                     : listener_new(L, LISTENER_UNIX, STREAM_UNIX);
    int status = socket_prepare(fd);
    if (status != 0) return fail(L, fd, status);
    listener_adopt(listener, fd);
    return 1;
}

static int adopt_stream(lua_State *L, int fd, Kind kind) {
    Address remote = {0};
    Stream *stream = stream_new(L, kind == TCP ? STREAM_TCP : STREAM_UNIX);
    int status = socket_remote_address(fd, &remote); /* a longer name is cut, and not used */
    if (status == 0) status = socket_prepare(fd);
    if (status != 0) return fail(L, fd, status);
    if (kind == TCP) socket_set(fd, SOCKET_NODELAY, 1);
    stream_adopt(stream, fd, &remote);
    return 1;
}

static int adopt_datagrams(lua_State *L, int fd, const SocketFacts *facts) {
    Datagram *socket = datagram_new(L, facts->family);
    int status = socket_prepare(fd);
    if (status != 0) return fail(L, fd, status);
    datagram_adopt(socket, fd);
    return 1;
}

/*
** from_fd(fd) an object for an open socket, which is the object's from then on:
** a stream, or a listener if the socket listens; a UDP socket. After a failure
** it still is the caller's. The upvalue says what it must be.
*/
static int from_fd(lua_State *L) {
    Kind wanted = (Kind)lua_tointeger(L, lua_upvalueindex(1));
    int fd = (int)args_integer(L, 1, 0, INT_MAX);
    SocketFacts facts;
    int status = socket_examine(fd, &facts);
    if (status != 0) return fail(L, fd, status);
    Kind kind = kind_of(&facts);
    if (kind == ANY || (wanted != ANY && kind != wanted)) {
        const char *name = wanted == ANY ? "TCP, Unix stream or UDP" : kind_names[wanted];
        return error_push_reason(L, UV_EINVAL,
                                 lua_pushfstring(L, "from_fd %d: not a %s socket", fd, name));
    }
    if (kind == UDP) return adopt_datagrams(L, fd, &facts);
    return facts.listens ? adopt_listener(L, fd, kind) : adopt_stream(L, fd, kind);
}

/* --- what systemd hands over: sd_listen_fds(3) --- */

/* [-0, +1] the variable as a string, or nil; it is not there any more for children. */
static void take_variable(lua_State *L, const char *name) {
    char value[4096];
    size_t size = sizeof value;
    if (uv_os_getenv(name, value, &size) == 0)
        lua_pushlstring(L, value, size);
    else
        lua_pushnil(L);
    uv_os_unsetenv(name);
}

/*
** handed_over(): the first descriptor, how many there are, and their names with
** colons in between, or nil. Nothing the next time, or if they are another process's.
*/
static int handed_over(lua_State *L) {
    take_variable(L, "LISTEN_PID");
    take_variable(L, "LISTEN_FDS");
    take_variable(L, "LISTEN_FDNAMES");
    lua_Integer count = lua_tointeger(L, -2);
    bool ours = lua_tointeger(L, -3) == uv_os_getpid() && count > 0 && count < INT_MAX;
    lua_pushinteger(L, FIRST_HANDED_OVER);
    lua_pushinteger(L, ours ? count : 0);
    lua_rotate(L, -3, 2);
    return 3;
}

void adopt_open(lua_State *L) {
    static const struct {
        const char *name;
        Kind kind;
    } functions[] = {{"from_fd", ANY},
                     {"tcp_from_fd", TCP},
                     {"unix_from_fd", UNIX},
                     {"udp_from_fd", UDP}};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        lua_pushinteger(L, functions[i].kind);
        lua_pushcclosure(L, from_fd, 1);
        lua_setfield(L, -2, functions[i].name);
    }
    lua_pushcfunction(L, handed_over);
    lua_setfield(L, -2, "handed_over");
}
