/*
** Owns how listeners cross: the receiver has one of its own on the same socket, and
** the kernel gives each connection to one of them. The file of a Unix socket is removed
** by the last of them. A TLS listener, which is of another type, does not cross, because
** its options are values of its Lua state.
*/
#include "base/openers.h"

#include "base/error.h"
#include "net/listener.h"
#include "system/socket.h"
#include "worker/crossing.h"

#include <stdlib.h>

typedef struct ListenerCargo {
    int family, stream_family, fd;
    UnixSocketFile *file; /* or NULL */
} ListenerCargo;

static int share_listener_prepare(lua_State *L, int index, void **cargo) {
    const Listener *listener = lua_touserdata(L, index);
    if (!handle_is_ours(&listener->socket.handle)) return ARSENAL_CLOSED;
    ListenerCargo *shared = malloc(sizeof *shared);
    if (shared == NULL) return UV_ENOMEM;
    int fd = socket_copy(listener->socket.poller.fd);
    if (fd < 0) {
        free(shared);
        return fd;
    }
    shared->fd = fd;
    shared->family = (int)(listener->socket.handle.type - listener_types);
    shared->stream_family = listener->stream_family;
    shared->file = listener->file;
    if (shared->file != NULL) unix_socket_file_share(shared->file);
    *cargo = shared;
    return 0;
}

static void share_listener_make(lua_State *L, const void *cargo) {
    const ListenerCargo *shared = cargo;
    listener_new(L, shared->family, shared->stream_family);
}

static void share_listener_arrive(lua_State *L, int index, void *cargo) {
    const ListenerCargo *shared = cargo;
    Listener *listener = lua_touserdata(L, index);
    listener->file = shared->file;
    listener_adopt(listener, shared->fd);
    free(cargo);
}

static void share_listener_discard(void *cargo) {
    const ListenerCargo *shared = cargo;
    if (shared->file != NULL) unix_socket_file_remove(shared->file);
    socket_close(shared->fd);
    free(cargo);
}

static const Crossing listener_crossing = {
    .prepare = share_listener_prepare,
    .make = share_listener_make,
    .arrive = share_listener_arrive,
    .discard = share_listener_discard,
};

static void share_listener_attach(lua_State *L, int family) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &listener_types[family]);
    crossing_attach(L, &listener_crossing);
    lua_pop(L, 1);
}

void share_listener_open(lua_State *L) {
    share_listener_attach(L, LISTENER_TCP);
    share_listener_attach(L, LISTENER_UNIX);
}
