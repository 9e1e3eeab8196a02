/*
** Owns the place in a metatable where an object's selectable is.
*/
#include "object/selectable.h"

static const char source_key;  /* in a metatable: its objects' selectable */
static const char nothing_key; /* stands for the results of a call that has none */

void selectable_attach(lua_State *L, const Selectable *selectable) {
    lua_pushlightuserdata(L, (void *)selectable);
    lua_rawsetp(L, -2, &source_key);
}

const Selectable *selectable_of(lua_State *L, int index) {
    if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return NULL;
    lua_rawgetp(L, -1, &source_key);
    const Selectable *selectable = lua_touserdata(L, -1);
    lua_pop(L, 2);
    return selectable;
}

int selectable_no_results(lua_State *L) {
    lua_pushlightuserdata(L, (void *)&nothing_key);
    return 1;
}

bool selectable_has_no_results(lua_State *L, int index) {
    return lua_touserdata(L, index) == &nothing_key;
}
