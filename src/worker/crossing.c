/*
** Owns where the crossing of an object is found.
*/
#include "worker/crossing.h"

static const char crossing_key; /* in a metatable: the crossing */

void crossing_attach(lua_State *L, const Crossing *crossing) {
    lua_pushlightuserdata(L, (void *)crossing);
    lua_rawsetp(L, -2, &crossing_key);
}

const Crossing *crossing_of(lua_State *L, int index) {
    if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return NULL;
    lua_rawgetp(L, -1, &crossing_key);
    const Crossing *crossing = lua_touserdata(L, -1);
    lua_pop(L, 2);
    return crossing;
}
