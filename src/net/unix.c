/*
** Owns what is the Unix family's own: listening on a name, one attempt to
** connect to one, and the credentials of the peer.
*/
#include "base/openers.h"

#include "base/error.h"
#include "net/listener.h"
#include "system/socket.h"
#include "system/unix_socket_file.h"

#include <limits.h>

/* [-0, +0 or 3] the name at index 1. False if it cannot be one: then the failure is on top. */
static bool unix_parse_name(lua_State *L, UnixAddress *name, const char *verb) {
    size_t length;
    const char *wrong, *path = luaL_checklstring(L, 1, &length);
    int status = unix_address_parse(name, path, length, &wrong);
    if (status == 0) return true;
    if (wrong != NULL)
        error_push_reason(L, status, lua_pushfstring(L, "%s: %s", verb, wrong));
    else
        error_push(L, status, "%s %s", verb, path);
    return false;
}

/* nil, "<verb> <name>: <reason>", code; returns 3. */
static int unix_fail(lua_State *L, const UnixAddress *name, const char *verb, int status) {
    unix_address_push_text(L, name);
    return error_push(L, status, "%s %s", verb, lua_tostring(L, -1));
}

/* unix_listen(path, options): types are checked by the caller. */
static int unix_listen(lua_State *L) {
    UnixAddress name;
    int backlog = (int)args_integer_option(L, 2, "backlog", 1, INT_MAX, 511);
    UnixSocketFileOptions options = {
        .mode = (int)args_integer_option(L, 2, "mode", 0, 0777, -1),
        .replace = args_boolean_option(L, 2, "unlink", false),
    };
    if (!unix_parse_name(L, &name, "listen")) return 3;
    Listener *listener = listener_new(L, LISTENER_UNIX, STREAM_UNIX);
    int fd = socket_open(AF_UNIX, SOCK_STREAM);
    int status = fd;
    if (fd >= 0) status = unix_socket_file_listen(fd, &name, backlog, &options, &listener->file);
    if (status < 0) {
        if (fd >= 0) socket_close(fd);
        return unix_fail(L, &name, "listen", status);
    }
    listener_adopt(listener, fd);
    return 1;
}

/* unix_connect(path): one attempt, which never waits; "EAGAIN" while the listener's backlog is full. */
static int unix_connect(lua_State *L) {
    UnixAddress name;
    Address remote = {.any.sa_family = AF_UNIX};
    if (!unix_parse_name(L, &name, "connect")) return 3;
    Stream *stream = stream_new(L, STREAM_UNIX);
    int fd = socket_open(AF_UNIX, SOCK_STREAM);
    int status = fd < 0 ? fd : socket_connect_unix(fd, &name);
    if (status < 0) {
        if (fd >= 0) socket_close(fd);
        return unix_fail(L, &name, "connect", status);
    }
    stream_adopt(stream, fd, &remote);
    return 1;
}

/*
** stream:peer_credentials() a table with `uid` and `gid`, and `pid` if the system
** tells, of the process that had the other end when it was connected. "ENOTSUP"
** for a stream that is not a Unix stream.
*/
static int unix_peer_credentials(lua_State *L) {
    Stream *stream = stream_check(L, 1);
    SocketCredentials peer;
    int status = stream->socket.handle.open ? socket_credentials(stream->socket.poller.fd, &peer)
                                            : ARSENAL_CLOSED;
    if (status != 0) return stream_fail(L, stream, "peer_credentials", status);
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, peer.user);
    lua_setfield(L, -2, "uid");
    lua_pushinteger(L, peer.group);
    lua_setfield(L, -2, "gid");
    if (peer.process > 0) {
        lua_pushinteger(L, peer.process);
        lua_setfield(L, -2, "pid");
    }
    return 1;
}

static const luaL_Reg functions[] = {
    {"unix_listen", unix_listen},
    {"unix_connect", unix_connect},
    {NULL, NULL},
};

void unix_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
    lua_getfield(L, -1, "stream_methods");
    lua_pushcfunction(L, unix_peer_credentials);
    lua_setfield(L, -2, "peer_credentials");
    lua_pop(L, 1);
}
