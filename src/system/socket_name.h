/*
** Endpoints: the two ends of a socket as Lua sees them, host and port or a
** Unix name, asked of the kernel. Floor 4.
*/
#ifndef ARSENAL_ENDPOINT_H
#define ARSENAL_ENDPOINT_H

#include "base/address.h"

typedef enum End { END_LOCAL, END_REMOTE } End;

/* [-0, +1] "127.0.0.1:80", "/run/socket", or "?" where the kernel does not tell */
void endpoint_push_text(lua_State *L, int fd, End end);

/* [-0, +1 or 2] host and port, or a path; returns how many, or a status and pushes nothing */
int endpoint_push(lua_State *L, int fd, End end);
int endpoint_push_inet(lua_State *L, const Address *address);

#endif
