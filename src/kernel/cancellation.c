/*
** Owns the error that a cancellation is, and the reasons that scopes were
** cancelled for.
*/
#include "kernel/cancellation.h"

#include "base/error.h"
#include "base/error_object.h"
#include "kernel/public.h"

#include <lauxlib.h>

enum { SWALLOWED = 1000 }; /* raises in one scope after which code is reported that catches them */

static const char cancellation_name[] = "arsenal.cancellation";
static const char plain_key;   /* registry: the one error without a reason */
static const char reasons_key; /* registry: the errors that have one, by scope */

/* [-0, +1] */
static void cancellation_make(lua_State *L, const char *message) {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, message);
    lua_setfield(L, -2, "message");
    lua_pushstring(L, error_code(ARSENAL_CANCELLED));
    lua_setfield(L, -2, "code");
    cancellation_set_metatable(L);
}

void cancellation_set_reason(lua_State *L, Scope *scope, int index) {
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &reasons_key);
    const char *reason = luaL_tolstring(L, index, NULL);
    cancellation_make(L, lua_pushfstring(L, "%s: %s", error_words(ARSENAL_CANCELLED), reason));
    lua_pushvalue(L, index);
    lua_setfield(L, -2, "reason");
    lua_rawsetp(L, -4, scope);
    lua_pop(L, 3);
    scope->has_reason = true;
}

void cancellation_drop_reason(lua_State *L, Scope *scope) {
    if (!scope->has_reason) return;
    scope->has_reason = false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &reasons_key);
    lua_pushnil(L);
    lua_rawsetp(L, -2, scope);
    lua_pop(L, 1);
}

void cancellation_push(lua_State *L, const Scope *scope) {
    const Scope *cause = scope_cause(scope);
    if (cause->has_reason) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &reasons_key);
        lua_rawgetp(L, -1, cause);
        lua_remove(L, -2);
    } else {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &plain_key);
    }
}

/* [] -> calls cancellation_swallowed(traceback) */
static int cancellation_report_swallowed(lua_State *L) {
    public_push_registered(L, "cancellation_swallowed");
    luaL_traceback(L, L, NULL, 1);
    lua_call(L, 1, 0);
    return 0;
}

int cancellation_raise(lua_State *L, Scope *scope) {
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    if (++scope_outermost_doomed(scope)->raises == SWALLOWED) {
        lua_pushcfunction(L, cancellation_report_swallowed);
        if (lua_pcall(L, 0, 0, 0) != LUA_OK) lua_pop(L, 1);
    }
    cancellation_push(L, scope);
    return lua_error(L);
}

void cancellation_set_metatable(lua_State *L) {
    luaL_setmetatable(L, cancellation_name);
}

bool cancellation_is(lua_State *L, int index) {
    if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
    bool is = luaL_getmetatable(L, cancellation_name) == LUA_TTABLE && lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is;
}

/* is_cancelled(err): whether a caught error is a cancellation. */
static int cancellation_test(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushboolean(L, cancellation_is(L, 1));
    return 1;
}

int cancellation_push_failure(lua_State *L, const char *what) {
    lua_getfield(L, -1, "reason");
    if (lua_isnil(L, -1)) return error_push_reason(L, ARSENAL_CANCELLED, what);
    const char *reason = luaL_tolstring(L, -1, NULL);
    error_push_reason(L, ARSENAL_CANCELLED, lua_pushfstring(L, "%s: %s", what, reason));
    lua_pushvalue(L, -6); /* reason, its text, the message, nil, message, code */
    return 4;
}

/* cancelled(what, err): nil, message, "CANCELLED", and the reason of the cancellation err. */
static int cancellation_failure(lua_State *L) {
    const char *what = luaL_checkstring(L, 1);
    lua_settop(L, 2);
    return cancellation_push_failure(L, what);
}

static int cancellation_tostring(lua_State *L) {
    lua_getfield(L, 1, "message");
    return 1;
}

static const luaL_Reg cancellation_functions[] = {
    {"cancelled", cancellation_failure},
    {"is_cancelled", cancellation_test},
    {NULL, NULL},
};

void cancellation_open(lua_State *L) {
    luaL_newmetatable(L, cancellation_name);
    lua_pushcfunction(L, cancellation_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushcfunction(L, error_object_concat);
    lua_setfield(L, -2, "__concat");
    lua_pop(L, 1);
    cancellation_make(L, error_words(ARSENAL_CANCELLED));
    lua_rawsetp(L, LUA_REGISTRYINDEX, &plain_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &reasons_key);
    luaL_setfuncs(L, cancellation_functions, 0);
}
