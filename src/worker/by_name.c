/*
** Owns the search in package.loaded.
*/
#include "worker/by_name.h"

#include <lauxlib.h>
#include <string.h>

/* [-1, +2 or 0] as lua_next, for string keys only; the table is below the key. False at the end. */
static bool by_name_next(lua_State *L) {
    while (lua_next(L, -2)) {
        if (lua_type(L, -2) == LUA_TSTRING) return true;
        lua_pop(L, 1);
    }
    return false;
}

bool by_name_find_module(lua_State *L, int index) {
    index = lua_absindex(L, index);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushnil(L);
    while (by_name_next(L)) {
        bool is_it = lua_rawequal(L, -1, index);
        lua_pop(L, 1);
        if (!is_it) continue;
        lua_remove(L, -2);
        return true;
    }
    lua_pop(L, 1);
    return false;
}

/* [-0, +1 or 0] the name of the field of the table on top that is the value at `index`. */
static bool by_name_find_in(lua_State *L, int index) {
    lua_pushnil(L);
    while (by_name_next(L)) {
        bool is_it = lua_rawequal(L, -1, index);
        lua_pop(L, 1);
        if (is_it) return true;
    }
    return false;
}

bool by_name_find_field(lua_State *L, int index) {
    bool is_c = lua_iscfunction(L, index);
    index = lua_absindex(L, index);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushnil(L);
    while (by_name_next(L)) {
        bool is_searched =
            lua_istable(L, -1) && (is_c || strcmp(lua_tostring(L, -2), LUA_GNAME) != 0);
        if (is_searched && by_name_find_in(L, index)) { /* loaded, name, module, field */
            lua_remove(L, -2);
            lua_remove(L, -3);
            return true;
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return false;
}

void by_name_push_module(lua_State *L, const char *module) {
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, module) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_getglobal(L, "require");
        lua_pushstring(L, module);
        lua_call(L, 1, 1);
    }
    lua_remove(L, -2);
}

void by_name_push_field(lua_State *L, const char *module, const char *field) {
    by_name_push_module(L, module);
    if (!lua_istable(L, -1) || lua_getfield(L, -1, field) != LUA_TFUNCTION)
        luaL_error(L, "module '%s' has no function '%s' in this worker", module, field);
    lua_remove(L, -2);
}
