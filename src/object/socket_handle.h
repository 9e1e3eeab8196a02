/*
** Socket handles: what streams, listeners and UDP sockets have in common. Each
** is an object that starts with a SocketHandle: a descriptor in a poller, the
** time limits of its calls, and methods that are the same for all of them.
*/
#ifndef ARSENAL_OBJECT_SOCKET_HANDLE_H
#define ARSENAL_OBJECT_SOCKET_HANDLE_H

#include "event/poller.h"
#include "object/handle.h"

typedef struct SocketHandle {
    Handle handle;
    Poller poller;
    uint64_t recv_timeout, send_timeout; /* nanoseconds for each call, or FOREVER */
} SocketHandle;

/*
** [-0, +1] makes an object of `size` bytes that starts with a SocketHandle, as
** handle_new does: it has no descriptor and no time limits. Then
** socket_handle_adopt, which cannot fail, gives it a descriptor and opens it.
*/
void *socket_handle_new(lua_State *L, const HandleType *type, size_t size, int values);
void socket_handle_adopt(SocketHandle *socket, int fd);

/* Whether one of the loop's objects has this descriptor. (False also if there was no memory to note it.) */
bool socket_handle_owns(const Loop *loop, int fd);

/*
** The first step of a type's close: wakes the tasks that wait for the
** descriptor with ARSENAL_CLOSED. Returns the descriptor, which the caller closes.
*/
int socket_handle_release(SocketHandle *socket);

/*
** Methods for socket_handle_set_methods; none of them waits. A failure is nil,
** "<method> <name>: <reason>", code.
*/
int socket_handle_local_address(lua_State *L);  /* host, port; or a path */
int socket_handle_remote_address(lua_State *L); /* likewise; "ENOTCONN" if there is no other end */
int socket_handle_fd(lua_State *L);             /* the descriptor, which stays the object's */
int socket_handle_set_timeout(lua_State *L);    /* (seconds), or ({recv = , send = }) */

/*
** [-0, +0] sets those of the methods above that are in the list in the table on
** top. Their self must have one of the `count` types.
*/
void socket_handle_set_methods(lua_State *L, const luaL_Reg *methods, const HandleType *types,
                               unsigned count);

/* [-0, +0] sets a field of the table on top: for the results of stats. */
void socket_handle_set_count(lua_State *L, const char *name, uint64_t count);

#endif
