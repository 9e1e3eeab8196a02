/*
** Sessions as Lua has them: made by arsenal.tls, and given to a stream.
*/
#ifndef ARSENAL_OPENSSL_SESSION_OBJECT_H
#define ARSENAL_OPENSSL_SESSION_OBJECT_H

#include <lua.h>

/*
** session(context, {name, protocols, session}): returns a session. The table is for
** clients: the server's name, the ALPN list to offer, and a saved session to resume.
*/
int session_object_new(lua_State *L);

void session_object_open(lua_State *L); /* [-0, +0] */

#endif
