/*
** Owns how failures look: messages, codes, error objects. Nothing else in
** arsenal turns a status into words.
*/
#include "base/error.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <uv.h>

static const struct {
    const char *code, *words;
} conditions[] = {
    [ARSENAL_TIMEOUT - ARSENAL_TIMEOUT] = {"TIMEOUT", "timed out"},
    [ARSENAL_CLOSED - ARSENAL_TIMEOUT] = {"CLOSED", "closed"},
    [ARSENAL_EOF - ARSENAL_TIMEOUT] = {"EOF", "the stream ended inside an item"},
    [ARSENAL_TOOLONG - ARSENAL_TIMEOUT] = {"TOOLONG", "the item exceeds its limit"},
    [ARSENAL_BUSY - ARSENAL_TIMEOUT] = {"BUSY", "another task already waits there"},
    [ARSENAL_TLS - ARSENAL_TIMEOUT] = {"TLS", "protocol failure"},
    [ARSENAL_CERT - ARSENAL_TIMEOUT] = {"CERT", "certificate refused"},
    [ARSENAL_TRUNCATED - ARSENAL_TIMEOUT] = {"TRUNCATED", "cut off without close_notify"},
    [ARSENAL_CANCELLED - ARSENAL_TIMEOUT] = {"CANCELLED", "task was cancelled"},
};

static int is_condition(int status) {
    return status >= ARSENAL_TIMEOUT && status <= ARSENAL_CANCELLED;
}

const char *error_code(int status) {
    return is_condition(status) ? conditions[status - ARSENAL_TIMEOUT].code : uv_err_name(status);
}

const char *error_words(int status) {
    return is_condition(status) ? conditions[status - ARSENAL_TIMEOUT].words : uv_strerror(status);
}

int error_push_reason(lua_State *L, int status, const char *reason) {
    lua_pushnil(L);
    lua_pushstring(L, reason);
    lua_pushstring(L, error_code(status));
    return 3;
}

int error_push(lua_State *L, int status, const char *what, ...) {
    va_list arguments;
    lua_pushnil(L);
    va_start(arguments, what);
    lua_pushvfstring(L, what, arguments);
    va_end(arguments);
    lua_pushfstring(L, ": %s", error_words(status));
    lua_concat(L, 2);
    lua_pushstring(L, error_code(status));
    return 3;
}

int error_raise_status(lua_State *L, int status, const char *what) {
    lua_pushfstring(L, "%s: %s", what, error_words(status));
    return lua_error(L);
}

static const char error_name[] = "arsenal.error";

/* registry: the message of the last failure that has an object, and the object, weakly */
static const char failed_key;

enum { FAILED_MESSAGE = 1, FAILED_OBJECT };

void error_set_object(lua_State *L, int index) {
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &failed_key);
    lua_pushvalue(L, -3);
    lua_rawseti(L, -2, FAILED_MESSAGE);
    lua_pushvalue(L, index);
    lua_rawseti(L, -2, FAILED_OBJECT);
    lua_pop(L, 1);
}

/* [-0, +1] the object that was noted for the failure whose message is at `index`, or nil. */
static void error_push_object(lua_State *L, int index) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &failed_key);
    lua_rawgeti(L, -1, FAILED_MESSAGE);
    if (lua_rawequal(L, -1, index))
        lua_rawgeti(L, -2, FAILED_OBJECT);
    else
        lua_pushnil(L);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

int error_raise_object(lua_State *L) {
    int message = lua_gettop(L) - 1;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_createtable(L, 0, 3);
    error_push_object(L, message);
    lua_setfield(L, -2, "object");
    lua_pushvalue(L, message + 1);
    lua_setfield(L, -2, "code");
    lua_pushvalue(L, message);
    lua_setfield(L, -2, "message");
    luaL_setmetatable(L, error_name);
    return lua_error(L);
}

/*
** check(value, ...) returns its arguments when `value` is true.
** Otherwise, the failure `nil, message, code` is raised as an error object.
*/
static int error_check(lua_State *L) {
    luaL_checkany(L, 1);
    if (lua_toboolean(L, 1)) return lua_gettop(L);
    if (lua_gettop(L) > 1 && lua_type(L, 2) != LUA_TSTRING) {
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
    return error_raise_object(L);
}

static int error_object_tostring(lua_State *L) {
    lua_getfield(L, 1, "message");
    luaL_tolstring(L, -1, NULL);
    return 1;
}

/* is_error(value): whether it is an error object. */
static int error_test(lua_State *L) {
    bool is = lua_istable(L, 1) && lua_getmetatable(L, 1) &&
              luaL_getmetatable(L, error_name) == LUA_TTABLE && lua_rawequal(L, -1, -2);
    lua_pushboolean(L, is);
    return 1;
}

/* failure(status, what): nil, "<what>: <reason>", code. */
static int error_failure(lua_State *L) {
    return error_push(L, (int)luaL_checkinteger(L, 1), "%s", luaL_checkstring(L, 2));
}

#define ERROR_CODE(name, words) #name,

/* [-0, +1] the set of all codes */
static void error_push_codes(lua_State *L) {
    static const char *const system_codes[] = {UV_ERRNO_MAP(ERROR_CODE)};
    lua_newtable(L);
    for (size_t i = 0; i < sizeof system_codes / sizeof *system_codes; i++) {
        lua_pushboolean(L, true);
        lua_setfield(L, -2, system_codes[i]);
    }
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        lua_pushboolean(L, true);
        lua_setfield(L, -2, conditions[i].code);
    }
}

static const luaL_Reg functions[] = {
    {"failure", error_failure},
    {"check", error_check},
    {"is_error", error_test},
    {NULL, NULL},
};

void error_open(lua_State *L) {
    lua_createtable(L, FAILED_OBJECT, 0);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &failed_key);
    luaL_newmetatable(L, error_name);
    lua_pushcfunction(L, error_object_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
    error_push_codes(L);
    lua_setfield(L, -2, "codes");
}
