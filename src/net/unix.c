/*
** Owns what is the Unix family's own: listening on a name, one attempt to
** connect to one, and the credentials of the peer.
*/
#include "base/openers.h"

#include "base/error.h"
#include "net/listener.h"
#include "net/unix_args.h"
#include "system/socket.h"
#include "system/unix_socket_file.h"

#include <limits.h>

/* unix_listen(path, options): types are checked by the caller. */
static int unix_listen(lua_State *L) {
    UnixAddress name;
    UnixSocketFileOptions options = {
        .backlog = (int)args_integer_option(L, 2, "backlog", 1, INT_MAX, 511),
        .mode = (int)args_integer_option(L, 2, "mode", 0, 0777, -1),
        .replace = args_boolean_option(L, 2, "unlink", false),
    };
    if (!unix_args_name(L, 1, &name, "listen")) return 3;
    Listener *listener = listener_new(L, LISTENER_UNIX, STREAM_UNIX);
    int fd = socket_open(AF_UNIX, SOCK_STREAM);
    int status = fd;
    if (fd >= 0) status = unix_socket_file_make(fd, &name, &options, &listener->file);
    if (status < 0) {
        if (fd >= 0) socket_close(fd);
        return unix_args_fail(L, &name, "listen", status);
    }
    listener_adopt(listener, fd);
    return 1;
}

/* unix_connect(path): one attempt, which never waits; "EAGAIN" while the listener's backlog is full. */
static int unix_connect(lua_State *L) {
    UnixAddress name;
    Address remote = {.any.sa_family = AF_UNIX};
    if (!unix_args_name(L, 1, &name, "connect")) return 3;
    Stream *stream = stream_new(L, STREAM_UNIX);
    int fd = socket_open(AF_UNIX, SOCK_STREAM);
    int status = fd < 0 ? fd : socket_connect_unix(fd, &name);
    if (status < 0) {
        if (fd >= 0) socket_close(fd);
        return unix_args_fail(L, &name, "connect", status);
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
