/*
** Digests, message authentication codes and random bytes.
*/
#ifndef ARSENAL_OPENSSL_DIGEST_H
#define ARSENAL_OPENSSL_DIGEST_H

#include <lua.h>

/* digest(name, data): the bytes of the digest, such as "SHA256"; nil for an unknown name */
int digest_of(lua_State *L);

/* hmac(name, key, data): the bytes of the code; nil for an unknown name */
int digest_hmac(lua_State *L);

/* random_bytes(count): bytes for keys; nil if the system has none */
int digest_random_bytes(lua_State *L);

#endif
