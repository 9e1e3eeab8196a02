/*
** Owns the table of what Lua has registered for C.
*/
#include "kernel/public.h"
#include "base/error.h"

#include <lauxlib.h>

static const char registered_key; /* registry: functions by name, and the module at MODULE */

enum { MODULE = 1 };

void public_push(lua_State *L, const char *name) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registered_key);
    if (lua_rawgeti(L, -1, MODULE) == LUA_TTABLE)
        lua_getfield(L, -1, name);
    else
        lua_pushnil(L);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

void public_push_registered(lua_State *L, const char *name) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registered_key);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

static int public_to_string(lua_State *L) {
    luaL_tolstring(L, 1, NULL);
    return 1;
}

void public_report_failure(lua_State *L, const char *name) {
    lua_pushcfunction(L, public_to_string);
    lua_insert(L, -2);
    const char *text = lua_pcall(L, 1, 1, 0) == LUA_OK ? lua_tostring(L, -1) : NULL;
    error_print("arsenal: error in %s: ", name);
    error_print("%s\n", text != NULL ? text : "(an error whose __tostring fails)");
    lua_pop(L, 1);
}

void public_name_functions(lua_State *L, const char *name) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushfstring(L, "arsenal.%s", name);
    lua_pushvalue(L, -3);
    lua_settable(L, -3);
    lua_pop(L, 1);
}

/* register(name, fn): a Lua function that C calls. */
static int public_register(lua_State *L) {
    luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registered_key);
    lua_insert(L, 1);
    lua_settable(L, 1);
    return 0;
}

/* module(): the table that users see, one for a Lua state, however often arsenal is required. */
static int public_module(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registered_key);
    if (lua_rawgeti(L, -1, MODULE) == LUA_TTABLE) return 1;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, MODULE);
    return 1;
}

static const luaL_Reg public_functions[] = {
    {"register", public_register},
    {"module", public_module},
    {NULL, NULL},
};

void public_open(lua_State *L) {
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registered_key);
    luaL_setfuncs(L, public_functions, 0);
}
