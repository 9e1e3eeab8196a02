/*
** Files that a context is made of. Each call returns 0, or pushes words that
** name the file: all there is to say with CERT_FILES_WRONG, or else what the
** negative errno that is returned happened to.
*/
#ifndef ARSENAL_OPENSSL_CERT_FILES_H
#define ARSENAL_OPENSSL_CERT_FILES_H

#include <lua.h>
#include <openssl/ssl.h>

enum { CERT_FILES_WRONG = 1 };

int cert_files_load_certificate(lua_State *L, SSL_CTX *context,
                                const char *path); /* and its chain */
int cert_files_load_key(lua_State *L, SSL_CTX *context, const char *path, const char *cert);

/* The authorities that a peer's certificate must come from; a server names them to its clients. */
int cert_files_load_authorities(lua_State *L, SSL_CTX *context, const char *path, int name_them);
int cert_files_load_directory(lua_State *L, SSL_CTX *context, const char *path);

/* files_identity(path, ...): a string that changes when the files do. */
int files_identity(lua_State *L);

#endif
