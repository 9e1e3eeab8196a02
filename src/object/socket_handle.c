/*
** Owns the methods that all objects with a socket have.
*/
#include "object/socket_handle.h"

#include "base/args.h"
#include "base/error.h"
#include "event/outbox.h"
#include "system/socket_name.h"

#include <stdlib.h>
#include <string.h>

enum { SELF = 1, DURATION };

void *socket_handle_new(lua_State *L, const HandleType *type, size_t size, int values) {
    SocketHandle *socket = handle_new(L, type, size, values);
    socket->recv_timeout = socket->send_timeout = FOREVER;
    socket->poller.fd = -1;
    return socket;
}

/* --- which descriptors have an object --- */

typedef struct OwnedFds {
    LoopPart part;
    size_t size; /* bytes in `bits` */
    unsigned char *bits;
} OwnedFds;

static const char owned_key;

static void owned_fds_close(LoopPart *part, Loop *loop) {
    OwnedFds *owned = container_of(part, OwnedFds, part);
    (void)loop;
    free(owned->bits);
    free(owned);
}

static bool owned_fds_grow(OwnedFds *owned, size_t least) {
    enum { FIRST_SIZE = 128 };
    size_t size = owned->size == 0 ? FIRST_SIZE : owned->size;
    while (size < least)
        size *= 2;
    unsigned char *bits = realloc(owned->bits, size);
    if (bits == NULL) return false;
    memset(bits + owned->size, 0, size - owned->size);
    owned->bits = bits;
    owned->size = size;
    return true;
}

static void owned_fds_add(Loop *loop, int fd) {
    OwnedFds *owned = loop_need_part(loop, &owned_key, sizeof *owned, owned_fds_close);
    size_t byte = (size_t)fd / 8;
    if (owned == NULL || (byte >= owned->size && !owned_fds_grow(owned, byte + 1))) return;
    owned->bits[byte] |= (unsigned char)(1u << fd % 8);
}

static void owned_fds_remove(const Loop *loop, int fd) {
    const OwnedFds *owned = loop_part(loop, &owned_key);
    size_t byte = (size_t)fd / 8;
    if (owned != NULL && byte < owned->size) owned->bits[byte] &= (unsigned char)~(1u << fd % 8);
}

bool socket_handle_owns(const Loop *loop, int fd) {
    const OwnedFds *owned = loop_part(loop, &owned_key);
    size_t byte = (size_t)fd / 8;
    return owned != NULL && byte < owned->size && (owned->bits[byte] & 1u << fd % 8) != 0;
}

/* --- the object --- */

void socket_handle_adopt(SocketHandle *socket, int fd) {
    owned_fds_add(socket->handle.loop, fd);
    poller_init(&socket->poller, socket->handle.loop, fd);
    handle_opened(&socket->handle);
}

int socket_handle_release(SocketHandle *socket) {
    int fd = socket->poller.fd;
    if (!socket->handle.loop->closed) owned_fds_remove(socket->handle.loop, fd);
    poller_close(&socket->poller, ARSENAL_CLOSED);
    return fd;
}

/* --- the methods: their upvalues are the types that self may have, and the number of these --- */

static SocketHandle *socket_handle_check(lua_State *L) {
    const HandleType *types = lua_touserdata(L, lua_upvalueindex(1));
    return handle_check(L, SELF, types, (unsigned)lua_tointeger(L, lua_upvalueindex(2)));
}

static int socket_handle_push_end(lua_State *L, End end, const char *method) {
    const SocketHandle *socket = socket_handle_check(L);
    int results = ARSENAL_CLOSED;
    if (socket->handle.open) results = socket_name_push(L, socket->poller.fd, end);
    return results > 0 ? results : handle_fail(L, &socket->handle, method, results);
}

int socket_handle_local_address(lua_State *L) {
    return socket_handle_push_end(L, END_LOCAL, "local_address");
}

int socket_handle_remote_address(lua_State *L) {
    return socket_handle_push_end(L, END_REMOTE, "remote_address");
}

int socket_handle_fd(lua_State *L) {
    const SocketHandle *socket = socket_handle_check(L);
    if (!socket->handle.open) return handle_fail(L, &socket->handle, "fd", ARSENAL_CLOSED);
    if (socket->poller.fd < 0) return handle_fail(L, &socket->handle, "fd", UV_EBADF);
    outbox_flush(socket->handle.loop); /* the caller may write on it */
    lua_pushinteger(L, socket->poller.fd);
    return 1;
}

/*
** object:set_timeout(seconds) limits each later call that waits, as a whole;
** set_timeout{recv = , send = } limits one direction. nil: no limit.
*/
int socket_handle_set_timeout(lua_State *L) {
    SocketHandle *socket = socket_handle_check(L);
    args_timeouts(L, DURATION, &socket->recv_timeout, &socket->send_timeout);
    if (!socket->handle.open) return handle_fail(L, &socket->handle, "set_timeout", ARSENAL_CLOSED);
    lua_pushboolean(L, true);
    return 1;
}

void socket_handle_set_methods(lua_State *L, const luaL_Reg *methods, const HandleType *types,
                               unsigned count) {
    lua_pushlightuserdata(L, (void *)types);
    lua_pushinteger(L, count);
    luaL_setfuncs(L, methods, 2);
}

void socket_handle_set_count(lua_State *L, const char *name, uint64_t count) {
    lua_pushinteger(L, (lua_Integer)count);
    lua_setfield(L, -2, name);
}
