/*
** Endpoints: the two ends of a socket as Lua sees them, host and port or a
** Unix name, asked of the kernel.
*/
#ifndef ARSENAL_SYSTEM_SOCKET_NAME_H
#define ARSENAL_SYSTEM_SOCKET_NAME_H

#include "base/address.h"

typedef enum End { END_LOCAL, END_REMOTE } End;

/* [-0, +1] "127.0.0.1:80", "/run/socket", or "?" where the kernel does not tell */
void socket_name_push_text(lua_State *L, int fd, End end);

/* [-0, +1 or 2] host and port, or a path; returns how many, or a status and pushes nothing */
int socket_name_push(lua_State *L, int fd, End end);
int socket_name_push_inet(lua_State *L, const Address *address);

#endif
