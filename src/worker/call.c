/*
** Owns how entries, results and errors cross.
*/
#include "worker/call.h"

#include "base/error_object.h"
#include "worker/by_name.h"

#include <lauxlib.h>

void call_free(Call *call) {
    parcel_free(call->entry);
    parcel_free(call->result);
}

/* --- where it was made --- */

void call_check_entry(lua_State *L, int index) {
    if (lua_type(L, index) == LUA_TSTRING) return;
    if (!lua_isfunction(L, index)) luaL_typeerror(L, index, "function or name of a module");
    luaL_argcheck(L, !lua_iscfunction(L, index), index, "a function of Lua expected, got one of C");
}

const char *call_push_name(lua_State *L, int index) {
    lua_Debug info;
    if (lua_type(L, index) == LUA_TSTRING) return lua_pushfstring(L, "%s", lua_tostring(L, index));
    lua_pushvalue(L, index);
    lua_getinfo(L, ">S", &info);
    return lua_pushfstring(L, "%s:%d", info.short_src, info.linedefined);
}

int call_push_outcome(lua_State *L, Call *call) {
    static const char *const names[] = {
        [OUTCOME_NO_MEMORY] = "failed",
        [OUTCOME_DONE] = "done",
        [OUTCOME_FAILED] = "failed",
        [OUTCOME_CANCELLED] = "cancelled",
    };
    int top = lua_gettop(L);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_pushstring(L, names[call->outcome]);
    if (call->outcome == OUTCOME_NO_MEMORY) lua_pushliteral(L, "not enough memory");
    if (call->result != NULL) parcel_unpack(L, call->result);
    return lua_gettop(L) - top;
}

/* --- in the other state --- */

/* Objects have methods that are written in Lua, so all of arsenal is loaded before they arrive. */
void call_push_entry(lua_State *L, Call *call) {
    int entry = lua_gettop(L) + 1;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    if (parcel_has_objects(call->entry)) {
        by_name_push_module(L, "arsenal");
        lua_pop(L, 1);
    }
    parcel_unpack(L, call->entry);
    parcel_free(call->entry);
    call->entry = NULL;
    if (lua_type(L, entry) != LUA_TSTRING) return;
    const char *name = lua_tostring(L, entry);
    by_name_push_module(L, name);
    if (!lua_isfunction(L, -1))
        luaL_error(L, "module '%s' must return a function to be an entry, and returns a %s", name,
                   luaL_typename(L, -1));
    lua_replace(L, entry);
}

static void call_set_result(lua_State *L, Call *call, Outcome outcome, int count,
                            const char *what) {
    Parcel *result = parcel_pack(L, lua_gettop(L) - count + 1, count, what);
    if (result == NULL) error_object_raise(L, 0); /* from the message and the code on top */
    call->result = result;
    call->outcome = outcome;
}

void call_done(lua_State *L, Call *call, int count) {
    call_set_result(L, call, OUTCOME_DONE, count, "result %d");
}

/* (call, error, traceback) */
static int call_report(lua_State *L) {
    call_set_result(L, lua_touserdata(L, 1), OUTCOME_FAILED, 2, "error %d");
    return 0;
}

/* The same for an error that cannot cross: tostring(error) crosses instead. */
static int call_report_in_words(lua_State *L) {
    luaL_tolstring(L, 2, NULL);
    lua_replace(L, 2);
    return call_report(L);
}

/* The same for one whose __tostring raises an error: its type crosses instead. */
static int call_report_type(lua_State *L) {
    lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 2));
    lua_replace(L, 2);
    return call_report(L);
}

/* Makes a protected call of one of these with the error and the traceback on top, which stay there. */
static int call_try_to_report(lua_State *L, Call *call, lua_CFunction report) {
    lua_pushcfunction(L, report);
    lua_pushlightuserdata(L, call);
    lua_pushvalue(L, -4);
    lua_pushvalue(L, -4);
    int status = lua_pcall(L, 3, 0, 0);
    if (status != LUA_OK) lua_pop(L, 1);
    return status;
}

/* If there is no memory for any of these, the outcome stays OUTCOME_NO_MEMORY. */
void call_failed(lua_State *L, Call *call) {
    int status = call_try_to_report(L, call, call_report);
    if (status != LUA_OK) status = call_try_to_report(L, call, call_report_in_words);
    if (status != LUA_OK && status != LUA_ERRMEM) call_try_to_report(L, call, call_report_type);
}
