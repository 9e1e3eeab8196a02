/*
** Start TLS: the states of streams whose transport is not the plain one. A stream
** keeps the userdata that its state is.
*/
#ifndef ARSENAL_STREAM_START_TLS_H
#define ARSENAL_STREAM_START_TLS_H

#include <lua.h>

void start_tls_keep(lua_State *L); /* [-2, +0] the stream below the top keeps the state on top */

/* Returns the state that the stream at `index` keeps. Raises nothing. */
void *start_tls_state(lua_State *L, int index);

void start_tls_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
