/*
** Implements fields.h.
*/
#include "openssl/fields.h"

const char *fields_string(lua_State *L, int index, const char *name, size_t *length) {
    lua_getfield(L, index, name);
    const char *value = lua_tolstring(L, -1, length);
    lua_pop(L, 1);
    return value;
}

double fields_number(lua_State *L, int index, const char *name) {
    lua_getfield(L, index, name);
    double value = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

bool fields_flag(lua_State *L, int index, const char *name) {
    lua_getfield(L, index, name);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}
