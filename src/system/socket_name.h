/*
** Names of sockets: the two ends of a socket as Lua has them, host and port or a
** Unix name. The kernel is asked each time.
*/
#ifndef ARSENAL_SYSTEM_SOCKET_NAME_H
#define ARSENAL_SYSTEM_SOCKET_NAME_H

#include "base/address.h"

typedef enum End { END_LOCAL, END_REMOTE } End;

/* [-0, +1] "127.0.0.1:80", "/run/socket", or "?" if the kernel does not tell */
void socket_name_push_text(lua_State *L, int fd, End end);

/* [-0, +2 or 1] host and port, or a path. Returns how many; on failure a status, and pushes nothing. */
int socket_name_push(lua_State *L, int fd, End end);
int socket_name_push_inet(lua_State *L, const Address *address);

#endif
