/*
** Owns the adoption of sockets that were opened elsewhere: by another library, or
** by systemd, which passes listening sockets.
*/
#include "base/platform.h"

#include "base/openers.h"

#include "base/error.h"
#include "net/datagram.h"
#include "net/listener.h"
#include "system/socket.h"

#include <limits.h>
#include <stdlib.h>

enum { FIRST_HANDED_OVER = 3 }; /* the descriptor: sd_listen_fds(3) */

typedef enum AdoptKind {
    ADOPT_ANY, /* or none that is known */
    ADOPT_TCP,
    ADOPT_UNIX,
    ADOPT_UDP,
    ADOPT_KINDS
} AdoptKind;

static const char *const kind_names[ADOPT_KINDS] = {"", "TCP", "Unix stream", "UDP"};

/* --- adopting --- */

static AdoptKind adopt_kind_of(const SocketFacts *facts) {
    bool is_inet = facts->family == AF_INET || facts->family == AF_INET6;
    if (facts->type == SOCK_STREAM && is_inet) return ADOPT_TCP;
    if (facts->type == SOCK_STREAM && facts->family == AF_UNIX) return ADOPT_UNIX;
    return facts->type == SOCK_DGRAM && is_inet ? ADOPT_UDP : ADOPT_ANY;
}

static int adopt_fail(lua_State *L, int fd, int status) {
    return error_push(L, status, "from_fd %d", fd);
}

/* The object is made first, because that may raise; after that only the system can fail. */
static int adopt_listener(lua_State *L, int fd, AdoptKind kind) {
    Listener *listener = kind == ADOPT_TCP ? listener_new(L, LISTENER_TCP, STREAM_TCP)
                                           : listener_new(L, LISTENER_UNIX, STREAM_UNIX);
    int status = socket_prepare(fd);
    if (status != 0) return adopt_fail(L, fd, status);
    listener_adopt(listener, fd);
    return 1;
}

static int adopt_stream(lua_State *L, int fd, AdoptKind kind) {
    Address remote = {0};
    Stream *stream = stream_new(L, kind == ADOPT_TCP ? STREAM_TCP : STREAM_UNIX);
    int status = socket_remote_address(fd, &remote); /* a Unix name does not fit, and is not used */
    if (status == 0) status = socket_prepare(fd);
    if (status != 0) return adopt_fail(L, fd, status);
    if (kind == ADOPT_TCP) socket_set(fd, SOCKET_NODELAY, 1);
    stream_adopt(stream, fd, &remote);
    return 1;
}

static int adopt_udp(lua_State *L, int fd, const SocketFacts *facts) {
    DatagramSocket *udp = datagram_new(L, facts->family);
    int status = socket_prepare(fd);
    if (status != 0) return adopt_fail(L, fd, status);
    datagram_adopt(udp, fd);
    return 1;
}

/*
** from_fd(fd) an object for an open socket, which is the object's from then on:
** a stream, or a listener if the socket listens; a UDP socket. After a failure
** it is still the caller's. The upvalue is the kind that it must be of.
*/
static int adopt_from_fd(lua_State *L) {
    AdoptKind wanted = (AdoptKind)lua_tointeger(L, lua_upvalueindex(1));
    int fd = (int)args_integer(L, 1, 0, INT_MAX);
    SocketFacts facts;
    int status = socket_examine(fd, &facts);
    if (status != 0) return adopt_fail(L, fd, status);
    AdoptKind kind = adopt_kind_of(&facts);
    if (kind == ADOPT_ANY || (wanted != ADOPT_ANY && kind != wanted)) {
        const char *name = wanted == ADOPT_ANY ? "TCP, Unix stream or UDP" : kind_names[wanted];
        return error_push_reason(L, UV_EINVAL,
                                 lua_pushfstring(L, "from_fd %d: not a %s socket", fd, name));
    }
    if (kind == ADOPT_UDP) return adopt_udp(L, fd, &facts);
    return facts.listens ? adopt_listener(L, fd, kind) : adopt_stream(L, fd, kind);
}

/* --- socket activation: sd_listen_fds(3) --- */

/* [-0, +1] the variable as a string, or nil. Unsets it, so that children do not find it. */
static void adopt_take_variable(lua_State *L, const char *name) {
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
** colons between them, or nil. There are none at the next call, nor if the
** variables are meant for another process.
*/
static int adopt_handed_over(lua_State *L) {
    adopt_take_variable(L, "LISTEN_PID");
    adopt_take_variable(L, "LISTEN_FDS");
    adopt_take_variable(L, "LISTEN_FDNAMES");
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
        AdoptKind kind;
    } functions[] = {{"from_fd", ADOPT_ANY},
                     {"tcp_from_fd", ADOPT_TCP},
                     {"unix_from_fd", ADOPT_UNIX},
                     {"udp_from_fd", ADOPT_UDP}};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        lua_pushinteger(L, functions[i].kind);
        lua_pushcclosure(L, adopt_from_fd, 1);
        lua_setfield(L, -2, functions[i].name);
    }
    lua_pushcfunction(L, adopt_handed_over);
    lua_setfield(L, -2, "handed_over");
}
