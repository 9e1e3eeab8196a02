/*
** Arguments of the Unix family: a path or an abstract name.
*/
#ifndef ARSENAL_NET_UNIX_ARGS_H
#define ARSENAL_NET_UNIX_ARGS_H

#include "base/unix_address.h"

/* [-0, +0 or 3] the name at `index`, a string. False if it cannot be one: then the failure is on top. */
bool unix_args_name(lua_State *L, int index, UnixAddress *name, const char *verb);

/* nil, "<verb> <name>: <reason>", code; returns 3. */
int unix_args_fail(lua_State *L, const UnixAddress *name, const char *verb, int status);

#endif
