/*
** What a session has come to, and the peer's certificate, as Lua tables.
*/
#ifndef ARSENAL_OPENSSL_PEER_INFO_H
#define ARSENAL_OPENSSL_PEER_INFO_H

#include "openssl/session.h"

int session_info(lua_State *L, const Session *session); /* [-0, +1] */

#endif
