/*
** Owns bare sockets. No method waits: one that would block returns false, and
** socket_wait.c waits.
*/
#include "net/bare_socket.h"

#include "base/error.h"
#include "base/openers.h"
#include "net/inet_args.h"
#include "net/listener.h"
#include "net/unix_args.h"
#include "system/socket.h"
#include "system/socket_name.h"
#include "system/socket_options.h"

#include <limits.h>
#include <string.h>

enum { SELF = 1, HOST };

static void bare_close(Handle *handle) {
    BareSocket *bare = container_of(handle, BareSocket, socket.handle);
    int fd = socket_handle_release(&bare->socket);
    if (!bare->is_given) socket_close(fd);
}

/* Closes it, except for the descriptor, which another object is about to own. */
static int bare_give(BareSocket *bare) {
    int fd = bare->socket.poller.fd;
    bare->is_given = true;
    handle_close(&bare->socket.handle);
    return fd;
}

static void bare_describe(lua_State *L, const Handle *handle) {
    const BareSocket *bare = (const BareSocket *)handle;
    socket_name_push_text(L, bare->socket.poller.fd, END_LOCAL);
}

const HandleType bare_socket_type = {"bare socket", "bare socket", KIND_BARE_SOCKET,
                                     bare_close,    bare_describe, NULL};

static BareSocket *bare_check(lua_State *L) {
    return handle_check(L, SELF, &bare_socket_type, 1);
}

/* nil, message, code; or the true that stands for a status of 0 */
static int bare_result(lua_State *L, const BareSocket *bare, const char *verb, int status) {
    if (status != 0) return handle_fail(L, &bare->socket.handle, verb, status);
    lua_pushboolean(L, true);
    return 1;
}

/* Returns the descriptor of an open one, or ARSENAL_CLOSED. */
static int bare_fd(const BareSocket *bare) {
    return bare->socket.handle.open ? bare->socket.poller.fd : ARSENAL_CLOSED;
}

/* --- making one --- */

static int bare_family(lua_State *L, int index) {
    static const char *const names[] = {"inet", "inet6", "unix", NULL};
    static const int families[] = {AF_INET, AF_INET6, AF_UNIX};
    return families[luaL_checkoption(L, index, NULL, names)];
}

/* bare_socket(family, type): "inet", "inet6" or "unix"; "stream" or "datagram" */
static int bare_new(lua_State *L) {
    static const char *const names[] = {"stream", "datagram", NULL};
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    int family = bare_family(L, 1), type = types[luaL_checkoption(L, 2, NULL, names)];
    BareSocket *bare = socket_handle_new(L, &bare_socket_type, sizeof *bare, 0);
    int fd = socket_open(family, type);
    if (fd < 0) return error_push(L, fd, "socket");
    socket_handle_adopt(&bare->socket, fd);
    return 1;
}

/* bare_socket_from_fd(fd [, borrowed]) the object owns the descriptor from then on, unless it is borrowed. */
static int bare_from_fd(lua_State *L) {
    int fd = (int)args_integer(L, 1, 0, INT_MAX);
    BareSocket *bare = socket_handle_new(L, &bare_socket_type, sizeof *bare, 0);
    int status = socket_handle_owns(loop_of(L), fd) ? ARSENAL_BUSY : socket_prepare(fd);
    if (status != 0) return error_push(L, status, "from_fd %d", fd);
    bare->is_given = lua_toboolean(L, 2);
    socket_handle_adopt(&bare->socket, fd);
    return 1;
}

/* --- what becomes of it --- */

/* [-0, +1] its descriptor is the new object's; the bare one is closed. */
static int bare_push_stream(lua_State *L, BareSocket *bare, int family) {
    Address remote = {0};
    Stream *stream = stream_new(L, family == AF_UNIX ? STREAM_UNIX : STREAM_TCP);
    if (family != AF_UNIX) socket_remote_address(bare->socket.poller.fd, &remote);
    stream->is_resumable = true;
    stream_adopt(stream, bare_give(bare), &remote);
    return 1;
}

/* bare:stream() a stream on the same descriptor, whose sends that have timed out may be continued */
static int bare_stream(lua_State *L) {
    BareSocket *bare = bare_check(L);
    SocketFacts facts;
    int status = bare_fd(bare);
    if (status >= 0) status = socket_examine(status, &facts);
    if (status != 0) return bare_result(L, bare, "stream", status);
    return bare_push_stream(L, bare, facts.family);
}

/* bare_release(bare): its descriptor, which is the caller's then */
static int bare_release(lua_State *L) {
    BareSocket *bare = bare_check(L);
    if (!bare->socket.handle.open) return bare_result(L, bare, "release", ARSENAL_CLOSED);
    lua_pushinteger(L, bare_give(bare));
    return 1;
}

/* bare:listener() a listener on the same descriptor, which must listen */
static int bare_listener(lua_State *L) {
    BareSocket *bare = bare_check(L);
    SocketFacts facts;
    int status = bare_fd(bare);
    if (status >= 0) status = socket_examine(status, &facts);
    if (status != 0) return bare_result(L, bare, "listener", status);
    Listener *listener = facts.family == AF_UNIX ? listener_new(L, LISTENER_UNIX, STREAM_UNIX)
                                                 : listener_new(L, LISTENER_TCP, STREAM_TCP);
    listener_adopt(listener, bare_give(bare));
    return 1;
}

/* --- addresses: (self, host, port), or (self, path) --- */

typedef struct BareAddress {
    bool is_unix;
    Address inet;
    UnixAddress path;
} BareAddress;

/* [-0, +0 or 3] False: the failure is on top. */
static bool bare_read_address(lua_State *L, int index, BareAddress *address, const char *verb) {
    address->is_unix = lua_isnoneornil(L, index + 1);
    if (address->is_unix) {
        luaL_checktype(L, index, LUA_TSTRING);
        return unix_args_name(L, index, &address->path, verb);
    }
    inet_args_address(L, index, &address->inet);
    return true;
}

/* bare:bind(host, port) or (path) */
static int bare_bind(lua_State *L) {
    const BareSocket *bare = bare_check(L);
    BareAddress address;
    int fd = bare_fd(bare);
    if (!bare_read_address(L, HOST, &address, "bind")) return 3;
    if (fd >= 0)
        fd = address.is_unix ? socket_bind_unix(fd, &address.path) : socket_bind(fd, &address.inet);
    return bare_result(L, bare, "bind", fd);
}

/* bare:connect(host, port) or (path): true, or false if it has ended once the socket is writable */
static int bare_connect(lua_State *L) {
    const BareSocket *bare = bare_check(L);
    BareAddress address;
    int fd = bare_fd(bare);
    if (!bare_read_address(L, HOST, &address, "connect")) return 3;
    if (fd >= 0)
        fd = address.is_unix ? socket_connect_unix(fd, &address.path)
                             : socket_connect(fd, &address.inet);
    if (fd != UV_EAGAIN || address.is_unix) return bare_result(L, bare, "connect", fd);
    lua_pushboolean(L, false);
    return 1;
}

/* bare:connected() true, or the failure that the connect has ended with */
static int bare_connected(lua_State *L) {
    const BareSocket *bare = bare_check(L);
    int fd = bare_fd(bare);
    return bare_result(L, bare, "connect", fd < 0 ? fd : socket_connected(fd));
}

/* bare:disconnect() a datagram socket has no peer any more */
static int bare_disconnect(lua_State *L) {
    const BareSocket *bare = bare_check(L);
    Address nowhere = {.any.sa_family = AF_UNSPEC};
    int fd = bare_fd(bare);
    return bare_result(L, bare, "disconnect", fd < 0 ? fd : socket_connect(fd, &nowhere));
}

/* bare:listen(backlog) */
static int bare_listen(lua_State *L) {
    const BareSocket *bare = bare_check(L);
    int backlog = (int)args_integer(L, 2, INT_MIN, INT_MAX), fd = bare_fd(bare);
    return bare_result(L, bare, "listen", fd < 0 ? fd : socket_listen(fd, backlog));
}

/* --- datagrams --- */

static int bare_would_block(lua_State *L, const BareSocket *bare, const char *verb, int status) {
    if (status != UV_EAGAIN) return bare_result(L, bare, verb, status);
    lua_pushboolean(L, false);
    return 1;
}

/* bare:send_datagram(data [, host, port]) or (data, path): its size, or false if it would block */
static int bare_send(lua_State *L) {
    enum { DATA = 2, TO };
    const BareSocket *bare = bare_check(L);
    size_t size;
    const char *data = luaL_checklstring(L, DATA, &size);
    BareAddress to = {.is_unix = false};
    bool is_addressed = !lua_isnoneornil(L, TO);
    ptrdiff_t sent = bare_fd(bare);
    if (is_addressed && !bare_read_address(L, TO, &to, "send")) return 3;
    if (sent >= 0)
        sent = to.is_unix ? socket_send_unix((int)sent, data, size, &to.path)
                          : socket_send((int)sent, data, size, is_addressed ? &to.inet : NULL);
    if (sent < 0) return bare_would_block(L, bare, "send", (int)sent);
    lua_pushinteger(L, sent);
    return 1;
}

/*
** bare:recv_datagram(most) the first `most` bytes of a datagram, host and port or path;
** false if it would block
*/
static int bare_recv(lua_State *L) {
    const BareSocket *bare = bare_check(L);
    size_t most = (size_t)args_integer(L, 2, 0, INT_MAX);
    luaL_Buffer buffer;
    UnixAddress from = {0};
    Address address;
    char *room = luaL_buffinitsize(L, &buffer, most);
    ptrdiff_t size = bare_fd(bare);
    if (size >= 0) size = socket_recv_unix((int)size, room, most, &from);
    if (size < 0) return bare_would_block(L, bare, "receive", (int)size);
    luaL_pushresultsize(&buffer, (size_t)size < most ? (size_t)size : most);
    memcpy(&address, &from.address, sizeof address);
    if (address_is_inet(&address)) return 1 + socket_name_push_inet(L, &address);
    unix_address_push(L, &from);
    return 2;
}

/* --- options, of any socket --- */

/* socket_option(fd, name) a number; of "linger" two: whether it is on, and the seconds */
static int bare_get_option(lua_State *L) {
    int fd = (int)args_integer(L, 1, 0, INT_MAX), value = 0, seconds = 0;
    const char *name = luaL_checkstring(L, 2);
    bool is_linger = strcmp(name, "linger") == 0;
    int status = is_linger ? socket_options_get_linger(fd, &value, &seconds)
                           : socket_options_get(fd, name, &value);
    if (status != 0) return error_push(L, status, "%s", name);
    lua_pushinteger(L, value);
    if (!is_linger) return 1;
    lua_pushinteger(L, seconds);
    return 2;
}

/* set_socket_option(fd, name, value [, seconds]) */
static int bare_set_option(lua_State *L) {
    int fd = (int)args_integer(L, 1, 0, INT_MAX);
    const char *name = luaL_checkstring(L, 2);
    int value = (int)args_integer(L, 3, INT_MIN, INT_MAX);
    int seconds = (int)args_optional_integer(L, 4, 0, INT_MAX, 0);
    int status = strcmp(name, "linger") == 0 ? socket_options_set_linger(fd, value, seconds)
                                             : socket_options_set(fd, name, value);
    if (status != 0) return error_push(L, status, "%s", name);
    lua_pushboolean(L, true);
    return 1;
}

/* Reads an interface: a number, a name, an address, or nil for 0. Returns 0, or a status. */
static int bare_read_interface(lua_State *L, int arg, unsigned *index) {
    *index = 0;
    if (lua_isnoneornil(L, arg)) return 0;
    if (lua_type(L, arg) == LUA_TNUMBER) {
        *index = (unsigned)args_integer(L, arg, 0, INT_MAX);
        return 0;
    }
    *index = socket_interface_index(luaL_checkstring(L, arg));
    return *index != 0 ? 0 : UV_ENODEV;
}

/* set_socket_member(fd, group, interface, joins) */
static int bare_set_member(lua_State *L) {
    int fd = (int)args_integer(L, 1, 0, INT_MAX);
    const char *host = luaL_checkstring(L, 2);
    Address group;
    unsigned index;
    int status = bare_read_interface(L, 3, &index);
    if (status == 0 && !address_parse(&group, host, 0)) status = UV_EINVAL;
    if (status == 0) status = socket_set_member(fd, &group, index, lua_toboolean(L, 4));
    if (status != 0) return error_push(L, status, "membership");
    lua_pushboolean(L, true);
    return 1;
}

/* bare:shutdown() ends the sending direction. */
static int bare_shutdown(lua_State *L) {
    const BareSocket *bare = bare_check(L);
    int fd = bare_fd(bare);
    return bare_result(L, bare, "shutdown", fd < 0 ? fd : socket_end(fd));
}

static const luaL_Reg methods[] = {
    {"shutdown", bare_shutdown},
    {"bind", bare_bind},
    {"connect", bare_connect},
    {"connected", bare_connected},
    {"disconnect", bare_disconnect},
    {"listen", bare_listen},
    {"listener", bare_listener},
    {"stream", bare_stream},
    {"send_datagram", bare_send},
    {"recv_datagram", bare_recv},
    {NULL, NULL},
};

static const luaL_Reg socket_methods[] = {
    {"local_address", socket_handle_local_address},
    {"remote_address", socket_handle_remote_address},
    {"fd", socket_handle_fd},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"bare_socket", bare_new},
    {"bare_socket_from_fd", bare_from_fd},
    {"bare_release", bare_release},
    {"socket_option", bare_get_option},
    {"set_socket_option", bare_set_option},
    {"set_socket_member", bare_set_member},
    {NULL, NULL},
};

void bare_socket_open(lua_State *L) {
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    socket_handle_set_methods(L, socket_methods, &bare_socket_type, 1);
    handle_define(L, &bare_socket_type);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
