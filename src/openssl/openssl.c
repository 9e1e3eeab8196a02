/*
** The module arsenal.openssl: contexts, and sessions that are transports of streams.
** It is a shared object of its own, so that the core needs no OpenSSL.
*/
#include "openssl/cert_files.h"
#include "base/module_pin.h"
#include "openssl/context.h"
#include "openssl/digest.h"
#include "openssl/server_name.h"
#include "openssl/session_object.h"

#include <lauxlib.h>
#include <openssl/crypto.h>

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

static const luaL_Reg functions[] = {
    {"context", context_new},
    {"digest", digest_of},
    {"files_identity", cert_files_identity},
    {"hmac", digest_hmac},
    {"random_bytes", digest_random_bytes},
    {"server_name", server_name_lua},
    {"session", session_object_new},
    {NULL, NULL},
};

EXPORT int luaopen_arsenal_openssl(lua_State *L) {
    luaL_checkversion(L);
    /* Other threads may be using OpenSSL when the process exits: nothing is freed then. */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    module_pin(functions); /* OpenSSL calls what its extra data is freed by, in later states, too */
    luaL_newlib(L, functions);
    context_open(L);
    session_object_open(L);
    return 1;
}
