/*
** Adoption: objects for sockets that were opened elsewhere.
*/
#ifndef ARSENAL_NET_ADOPT_H
#define ARSENAL_NET_ADOPT_H

#include <lua.h>
#include <stdbool.h>

/*
** [-0, +1] Pushes an object for the descriptor, which the object owns then, and
** returns true. Pushes the number, and returns false, if it is no socket of a known
** kind. May raise a memory error, and then owns nothing.
*/
bool adopt_push(lua_State *L, int fd);

void adopt_open(lua_State *L); /* [-0, +0] */

#endif
