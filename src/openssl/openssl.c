/*
** The module arsenal.openssl: contexts, and sessions that are transports of streams.
** It is a shared object of its own, so that the core needs no OpenSSL.
*/
#include "openssl/cert_files.h"
#include "openssl/context.h"
#include "openssl/session_object.h"

#include <lauxlib.h>
#include <openssl/evp.h>

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

/* digest(text): returns its SHA-256, 32 bytes. */
static int openssl_digest(lua_State *L) {
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    unsigned char result[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (!EVP_Digest(text, size, result, &length, EVP_sha256(), NULL))
        return luaL_error(L, "not enough memory");
    lua_pushlstring(L, (const char *)result, length);
    return 1;
}

static const luaL_Reg functions[] = {
    {"context", context_new},
    {"digest", openssl_digest},
    {"files_identity", cert_files_identity},
    {"session", session_object_new},
    {NULL, NULL},
};

EXPORT int luaopen_arsenal_openssl(lua_State *L) {
    luaL_newlib(L, functions);
    context_open(L);
    session_object_open(L);
    return 1;
}
