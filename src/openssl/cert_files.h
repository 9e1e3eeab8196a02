/*
** Certificate and key files. Each load returns 0, or pushes words that name the
** file: with CERT_FILES_WRONG they are the whole message; with a status of libuv's they
** say what failed, and the status is the reason. Loading blocks: the files are small,
** and a program loads them when it sets itself up.
*/
#ifndef ARSENAL_OPENSSL_CERT_FILES_H
#define ARSENAL_OPENSSL_CERT_FILES_H

#include <lua.h>
#include <openssl/ssl.h>
#include <stdbool.h>

enum { CERT_FILES_WRONG = 1 };

/* The certificate and its chain. */
int cert_files_load_certificate(lua_State *L, SSL_CTX *context, const char *path);

/* The key, which must belong to the certificate that was loaded from `cert`. */
int cert_files_load_key(lua_State *L, SSL_CTX *context, const char *path, const char *cert);

/* The authorities that may issue the peer's certificate. `send_names`: a server sends them to clients. */
int cert_files_load_authorities(lua_State *L, SSL_CTX *context, const char *path, bool send_names);
int cert_files_load_directory(lua_State *L, SSL_CTX *context, const char *path);

/*
** files_identity(path, ...) for Lua: a string that changes if one of the files does.
** Without arguments: of the system's certificates.
*/
int cert_files_identity(lua_State *L);

#endif
