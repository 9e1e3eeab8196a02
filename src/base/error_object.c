/*
** Owns the metatable of error objects, and the object that the last failure was
** of.
*/
#include "base/error_object.h"

#include "base/error.h"

#include <lauxlib.h>
#include <string.h>
#include <uv.h>

static const char error_name[] = "arsenal.error";

bool error_object_is(lua_State *L, int index) {
    if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
    bool is = luaL_getmetatable(L, error_name) == LUA_TTABLE && lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is;
}

void error_object_set_metatable(lua_State *L) {
    luaL_setmetatable(L, error_name);
}

/* --- the object that a failure is of --- */

/* registry: the message of the last failure that has an object, and the object, weakly */
static const char failed_key;

enum { FAILED_MESSAGE = 1, FAILED_OBJECT };

void error_object_note(lua_State *L, int index) {
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &failed_key);
    lua_pushvalue(L, -3);
    lua_rawseti(L, -2, FAILED_MESSAGE);
    lua_pushvalue(L, index);
    lua_rawseti(L, -2, FAILED_OBJECT);
    lua_pop(L, 1);
}

/* [-0, +1] the object that was noted for the failure whose message is at `index`, or nil. */
static void error_object_push_failed(lua_State *L, int index) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &failed_key);
    lua_rawgeti(L, -1, FAILED_MESSAGE);
    if (lua_rawequal(L, -1, index))
        lua_rawgeti(L, -2, FAILED_OBJECT);
    else
        lua_pushnil(L);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* --- fields that are set once --- */

/* [-1, +0] sets a field of the table at `index` to the value on top, unless the field has a value. */
static void error_object_set_once(lua_State *L, int index, const char *name) {
    index = lua_absindex(L, index);
    lua_pushstring(L, name);
    if (lua_rawget(L, index) == LUA_TNIL) {
        lua_pushstring(L, name);
        lua_pushvalue(L, -3);
        lua_rawset(L, index);
    }
    lua_pop(L, 2);
}

void error_object_set_traceback(lua_State *L) {
    if (!lua_isstring(L, -1) || !error_object_is(L, -2)) return;
    lua_pushvalue(L, -1);
    error_object_set_once(L, -3, "traceback");
}

void error_object_set_where(lua_State *L, int level) {
    lua_Debug place;
    if (!error_object_is(L, -1) || !lua_getstack(L, level, &place)) return;
    lua_getinfo(L, "Sl", &place);
    if (place.currentline <= 0) return;
    lua_pushfstring(L, "%s:%d", place.short_src, place.currentline);
    error_object_set_once(L, -2, "where");
}

/* --- raising --- */

int error_object_raise(lua_State *L, int level) {
    int message = lua_gettop(L) - 1;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_createtable(L, 0, 4);
    error_object_push_failed(L, message);
    lua_setfield(L, -2, "object");
    lua_pushvalue(L, message + 1);
    lua_setfield(L, -2, "code");
    lua_pushvalue(L, message);
    lua_setfield(L, -2, "message");
    luaL_setmetatable(L, error_name);
    if (level > 0) error_object_set_where(L, level);
    return lua_error(L);
}

static bool error_object_ends_with(const char *text, const char *end) {
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/*
** Lua's own io and os functions return a number of errno as the code: its name takes
** its place. The functions that run programs return an exit status there, without
** the words of an errno.
*/
static void error_object_name_errno(lua_State *L, int message, int code) {
    char name[64];
    if (!lua_isinteger(L, code)) return;
    int number = (int)lua_tointeger(L, code);
    if (!error_object_ends_with(lua_tostring(L, message), strerror(number))) return;
    uv_err_name_r(uv_translate_sys_error(number), name, sizeof name);
    if (name[0] != 'E') return;
    lua_pushstring(L, name);
    lua_replace(L, code);
}

/*
** check(value, ...) returns its arguments when `value` is true.
** Otherwise, the failure `nil, message, code` is raised as an error object.
*/
static int error_object_check(lua_State *L) {
    luaL_checkany(L, 1);
    if (lua_toboolean(L, 1)) return lua_gettop(L);
    if (!lua_isnoneornil(L, 2) && lua_type(L, 2) != LUA_TSTRING) {
        lua_settop(L, 2);
        return lua_error(L); /* not a failure of arsenal's: it is raised as it is */
    }
    lua_settop(L, 3);
    if (lua_isnil(L, 2)) {
        lua_pushliteral(L, "end of stream");
        lua_replace(L, 2);
        lua_pushstring(L, error_code(ARSENAL_EOF));
        lua_replace(L, 3);
    }
    error_object_name_errno(L, 2, 3);
    return error_object_raise(L, 1);
}

/*
** raise(level, message, code): the failure as an error object, with the place of the
** function at this level: 1 is the caller of raise, 2 the caller of that; 0: no place.
*/
static int error_object_raise_function(lua_State *L) {
    int level = (int)luaL_checkinteger(L, 1);
    lua_settop(L, 3);
    return error_object_raise(L, level);
}

/* is_error(value): whether it is an error object. */
static int error_object_test(lua_State *L) {
    lua_pushboolean(L, error_object_is(L, 1));
    return 1;
}

/* --- as text --- */

static int error_object_tostring(lua_State *L) {
    lua_settop(L, 1);
    lua_getfield(L, 1, "where");
    lua_getfield(L, 1, "message");
    const char *where = lua_tostring(L, 2), *message = luaL_tolstring(L, 3, NULL);
    if (where != NULL) lua_pushfstring(L, "%s: %s", where, message);
    return 1;
}

static bool error_object_joins(lua_State *L, int index) {
    int type = lua_type(L, index);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) return true;
    if (luaL_getmetafield(L, index, "__concat") == LUA_TNIL) return false;
    bool joins = lua_tocfunction(L, -1) == error_object_concat;
    lua_pop(L, 1);
    return joins;
}

int error_object_concat(lua_State *L) {
    for (int index = 1; index <= 2; index++)
        if (!error_object_joins(L, index))
            return luaL_error(L, "attempt to concatenate a %s value", luaL_typename(L, index));
    luaL_tolstring(L, 1, NULL);
    luaL_tolstring(L, 2, NULL);
    lua_concat(L, 2);
    return 1;
}

static const luaL_Reg functions[] = {
    {"check", error_object_check},
    {"raise", error_object_raise_function},
    {"is_error", error_object_test},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__tostring", error_object_tostring},
    {"__concat", error_object_concat},
    {NULL, NULL},
};

void error_object_open(lua_State *L) {
    lua_createtable(L, FAILED_OBJECT, 0);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &failed_key);
    luaL_newmetatable(L, error_name);
    luaL_setfuncs(L, metamethods, 0);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
