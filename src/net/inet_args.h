/*
** Arguments of TCP and UDP: a host and a port. Hosts are numeric here, because
** the Lua functions that call have looked names up.
*/
#ifndef ARSENAL_NET_INET_ARGS_H
#define ARSENAL_NET_INET_ARGS_H

#include "base/address.h"

/* The host at `index` and the port behind it. */
void inet_args_address(lua_State *L, int index, Address *address);

/*
** The options `local_address` and `local_port` of the table at `index`, for a
** socket of that family. Without both, the address is of no family. Returns 0 or
** a status.
*/
int inet_args_local(lua_State *L, int index, int family, Address *local);

#endif
