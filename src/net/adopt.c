/*
** Owns the adoption of sockets that were opened elsewhere: by another library, or
** by systemd, which passes listening sockets.
*/
#include "base/platform.h"

#include "net/adopt.h"

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
    ADOPT_UNIX_DATAGRAM,
} AdoptKind;

/* --- adopting --- */

static AdoptKind adopt_kind_of(const SocketFacts *facts) {
    bool is_inet = facts->family == AF_INET || facts->family == AF_INET6;
    if (facts->type == SOCK_STREAM && is_inet) return ADOPT_TCP;
    if (facts->type == SOCK_STREAM && facts->family == AF_UNIX) return ADOPT_UNIX;
    if (facts->type == SOCK_DGRAM && facts->family == AF_UNIX) return ADOPT_UNIX_DATAGRAM;
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

static int adopt_datagram(lua_State *L, int fd, AdoptKind kind, int family) {
    DatagramSocket *socket =
        datagram_new(L, kind == ADOPT_UDP ? &udp_kind : &unix_datagram_kind, family);
    int status = socket_prepare(fd);
    if (status != 0) return adopt_fail(L, fd, status);
    datagram_adopt(socket, fd);
    return 1;
}

/* [-0, +1 or 3] an object for the socket, or a failure. */
static int adopt_socket(lua_State *L, int fd, const SocketFacts *facts) {
    AdoptKind kind = adopt_kind_of(facts);
    if (kind == ADOPT_UDP || kind == ADOPT_UNIX_DATAGRAM)
        return adopt_datagram(L, fd, kind, facts->family);
    return facts->listens ? adopt_listener(L, fd, kind) : adopt_stream(L, fd, kind);
}

/* Whose from_fd it is: the kinds of sockets that it takes, and what they are called. */
typedef struct AdoptFamily {
    const char *function, *name;
    unsigned kinds; /* bits */
} AdoptFamily;

static const AdoptFamily families[] = {
    {"from_fd", "TCP, Unix or UDP", ~0u},
    {"tcp_from_fd", "TCP", 1u << ADOPT_TCP},
    {"unix_from_fd", "Unix stream or datagram", 1u << ADOPT_UNIX | 1u << ADOPT_UNIX_DATAGRAM},
    {"udp_from_fd", "UDP", 1u << ADOPT_UDP},
};

/*
** from_fd(fd) an object for an open socket, which is the object's from then on:
** a stream, or a listener if the socket listens; a datagram socket. After a failure
** it is still the caller's. The upvalue is the index of the family.
*/
static int adopt_from_fd(lua_State *L) {
    const AdoptFamily *family = &families[lua_tointeger(L, lua_upvalueindex(1))];
    int fd = (int)args_integer(L, 1, 0, INT_MAX);
    SocketFacts facts;
    int status = socket_examine(fd, &facts);
    if (status != 0) return adopt_fail(L, fd, status);
    AdoptKind kind = adopt_kind_of(&facts);
    if (kind == ADOPT_ANY || !(family->kinds & 1u << kind))
        return error_push_reason(L, UV_EINVAL,
                                 lua_pushfstring(L, "from_fd %d: not a %s socket", fd,
                                                 family->name));
    if (socket_handle_owns(loop_of(L), fd))
        return error_push_reason(L, ARSENAL_BUSY,
                                 lua_pushfstring(L, "from_fd %d: an object owns it already", fd));
    return adopt_socket(L, fd, &facts);
}

bool adopt_push(lua_State *L, int fd) {
    SocketFacts facts;
    int top = lua_gettop(L);
    bool is_known = socket_examine(fd, &facts) == 0 && adopt_kind_of(&facts) != ADOPT_ANY;
    if (is_known && adopt_socket(L, fd, &facts) == 1) return true;
    lua_settop(L, top);
    lua_pushinteger(L, fd);
    return false;
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

/* process_id() */
static int adopt_process_id(lua_State *L) {
    lua_pushinteger(L, uv_os_getpid());
    return 1;
}

void adopt_open(lua_State *L) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        lua_pushinteger(L, (lua_Integer)i);
        lua_pushcclosure(L, adopt_from_fd, 1);
        lua_setfield(L, -2, families[i].function);
    }
    lua_pushcfunction(L, adopt_handed_over);
    lua_setfield(L, -2, "handed_over");
    lua_pushcfunction(L, adopt_process_id);
    lua_setfield(L, -2, "process_id");
}
