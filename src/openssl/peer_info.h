/*
** What stream:tls_info() returns: the protocol, the cipher, the peer's certificate.
*/
#ifndef ARSENAL_OPENSSL_PEER_INFO_H
#define ARSENAL_OPENSSL_PEER_INFO_H

#include <lua.h>
#include <openssl/ssl.h>

void peer_info_push(lua_State *L, SSL *ssl); /* [-0, +1] a table */

#endif
