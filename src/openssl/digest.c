/*
** Implements digest.h.
*/
#include "openssl/digest.h"

#include <lauxlib.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdbool.h>

/* [+0, +1] the bytes, or nil. */
static int digest_push(lua_State *L, bool done, const unsigned char *bytes, size_t size) {
    ERR_clear_error();
    if (done)
        lua_pushlstring(L, (const char *)bytes, size);
    else
        lua_pushnil(L);
    return 1;
}

int digest_of(lua_State *L) {
    size_t size;
    const EVP_MD *type = EVP_get_digestbyname(luaL_checkstring(L, 1));
    const char *data = luaL_checklstring(L, 2, &size);
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    bool done = type != NULL && EVP_Digest(data, size, bytes, &length, type, NULL) == 1;
    return digest_push(L, done, bytes, length);
}

int digest_hmac(lua_State *L) {
    size_t size, key_size;
    const EVP_MD *type = EVP_get_digestbyname(luaL_checkstring(L, 1));
    const char *key = luaL_checklstring(L, 2, &key_size);
    const char *data = luaL_checklstring(L, 3, &size);
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    luaL_argcheck(L, key_size <= INT_MAX, 2, "key too long");
    bool done = type != NULL && HMAC(type, key, (int)key_size, (const unsigned char *)data, size,
                                     bytes, &length) != NULL;
    return digest_push(L, done, bytes, length);
}

int digest_random_bytes(lua_State *L) {
    unsigned char bytes[1024];
    lua_Integer count = luaL_checkinteger(L, 1);
    luaL_argcheck(L, count >= 0 && count <= (lua_Integer)sizeof bytes, 1, "0 to 1024 expected");
    return digest_push(L, RAND_bytes(bytes, (int)count) == 1, bytes, (size_t)count);
}
