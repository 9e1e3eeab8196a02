/*
** The module arsenal.openssl: TLS for streams, in a shared object that the core
** knows nothing of. Its sessions implement transport.h.
*/
#include "openssl/context.h"
#include "openssl/cert_files.h"
#include "openssl/session.h"

#include <lauxlib.h>

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

/* digest(text): its SHA-256, 32 bytes. */
static int digest(lua_State *L) {
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
    {"digest", digest},
    {"files_identity", files_identity},
    {NULL, NULL},
};

EXPORT int luaopen_arsenal_openssl(lua_State *L) {
    luaL_newlib(L, functions);
    context_open(L);
    session_open(L);
    return 1;
}
