/*
** Context: the certificates and settings that sessions are made from. Lua makes
** contexts and passes them to sessions; a context never changes.
*/
#ifndef ARSENAL_OPENSSL_CONTEXT_H
#define ARSENAL_OPENSSL_CONTEXT_H

#include "openssl/session.h"

#include <lua.h>
#include <openssl/ssl.h>
#include <stdbool.h>

SSL_CTX *context_check(lua_State *L, int index);

/* Makes another context serve a client whose handshake has begun; false if there is no memory. */
bool context_serve(SSL_CTX *context, Session *session);

/*
** context{server, cert, key, ca_file, ca_path, ca_folder, verify, client_cert,
** protocols, min_version, max_version, ciphers, suites, asks, ticket_key_lifetime}:
** returns a context; or nil and what is wrong; or nil, what could not be done, and
** the negative errno. `ca_folder` is the state of the folder of authorities.
*/
int context_new(lua_State *L);

void context_open(lua_State *L); /* [-0, +0] */

#endif
