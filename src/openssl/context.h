/*
** Contexts: what sessions are made of, from files and settings that have been
** checked. A context never changes; whoever wants other settings makes another.
*/
#ifndef ARSENAL_OPENSSL_CONTEXT_H
#define ARSENAL_OPENSSL_CONTEXT_H

#include <lua.h>
#include <openssl/ssl.h>
#include <stdbool.h>

/* What belongs to a context beyond OpenSSL's own, and lives as long. */
typedef struct Settings {
    unsigned char identity[32]; /* a session is resumed only where this is the same */
    bool server;
    bool verifies;          /* a client: the server's certificate and name */
    bool asks;              /* a server: which context serves the name that the client asks for */
    unsigned protocol_size; /* ALPN's list, in its form on the wire */
    unsigned char protocols[];
} Settings;

SSL_CTX *context_check(lua_State *L, int index);
const Settings *context_settings(const SSL_CTX *context);

/* context(settings): a new one; or nil, what is wrong, and an errno that this does not tell yet. */
int context_new(lua_State *L);

void context_open(lua_State *L); /* [-0, +0] */

#endif
