/*
** Context: the certificates and settings that sessions are made from. Lua makes
** contexts and passes them to sessions; a context never changes.
*/
#ifndef ARSENAL_OPENSSL_CONTEXT_H
#define ARSENAL_OPENSSL_CONTEXT_H

#include <lua.h>
#include <openssl/ssl.h>
#include <stdbool.h>

/* What OpenSSL's contexts have no room for; it lives as long as its context. */
typedef struct Settings {
    unsigned char identity[32]; /* a server resumes only sessions with the same identity */
    bool server;
    bool verifies;          /* a client: the server's certificate and name */
    unsigned protocol_size; /* a server's ALPN list as it is on the wire */
    unsigned char protocols[];
} Settings;

SSL_CTX *context_check(lua_State *L, int index);
const Settings *context_settings(const SSL_CTX *context);

/* Makes another context serve a client whose handshake has begun. */
void context_serve(SSL_CTX *context, SSL *ssl);

/*
** context{server, cert, key, ca_file, ca_path, verify, client_cert, protocols,
** min_version, max_version, ciphers, suites, asks}: returns a context; or nil and
** what is wrong; or nil, what could not be done, and the negative errno.
*/
int context_new(lua_State *L);

void context_open(lua_State *L); /* [-0, +0] */

#endif
