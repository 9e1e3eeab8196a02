/*
** Owns the tracebacks of errors on their way up. An error that is raised again
** has left the stack that its traceback describes. So the function that raises
** it again leaves the traceback for the next handler, which takes it only from
** this very function, for this very error.
*/
#include "kernel/traceback.h"

#include "kernel/cancellation.h"

#include <lauxlib.h>

static const char noted_key; /* registry: the error that was noted last, and how */

enum { NOTED_ERROR = 1, NOTED_TRACEBACK, NOTED_FUNCTION /* that raises it again, or nil */ };

/* [-0, +1] the function that is running at this level, or nil. */
static void traceback_push_function(lua_State *L, int level) {
    lua_Debug frame;
    if (!lua_getstack(L, level, &frame) || !lua_getinfo(L, "f", &frame)) lua_pushnil(L);
}

/* Whether the error at index 1 was raised again by the function that has filled the table at `noted`. */
static bool traceback_is_rethrown(lua_State *L, int noted) {
    lua_rawgeti(L, noted, NOTED_ERROR);
    traceback_push_function(L, 1);
    lua_rawgeti(L, noted, NOTED_FUNCTION);
    bool is = !lua_isnil(L, -1) && lua_rawequal(L, -1, -2) && lua_rawequal(L, -3, 1);
    lua_settop(L, noted);
    return is;
}

int traceback_handler(lua_State *L) {
    enum { NOTED = 2 };
    lua_settop(L, 1);
    if (cancellation_is(L, 1)) return 1;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &noted_key);
    if (!traceback_is_rethrown(L, NOTED)) {
        luaL_traceback(L, L, NULL, 1);
        lua_rawseti(L, NOTED, NOTED_TRACEBACK);
        lua_pushvalue(L, 1);
        lua_rawseti(L, NOTED, NOTED_ERROR);
    }
    lua_pushnil(L);
    lua_rawseti(L, NOTED, NOTED_FUNCTION);
    lua_settop(L, 1);
    return 1;
}

void traceback_push(lua_State *L) {
    int error = lua_gettop(L), noted = error + 1;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &noted_key);
    lua_rawgeti(L, noted, NOTED_ERROR);
    if (lua_rawequal(L, -1, error))
        lua_rawgeti(L, noted, NOTED_TRACEBACK);
    else
        lua_pushnil(L);
    lua_replace(L, noted);
    lua_settop(L, noted);
}

int traceback_rethrow(lua_State *L) {
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    int error = lua_gettop(L) - 1, noted = error + 2;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &noted_key);
    lua_pushvalue(L, error);
    lua_rawseti(L, noted, NOTED_ERROR);
    lua_pushvalue(L, error + 1);
    lua_rawseti(L, noted, NOTED_TRACEBACK);
    traceback_push_function(L, 0);
    lua_rawseti(L, noted, NOTED_FUNCTION);
    lua_settop(L, error);
    return lua_error(L);
}

int traceback_pass_on(lua_State *L) {
    traceback_push(L);
    return traceback_rethrow(L);
}

/* rethrow(err, traceback) raises err so that on_error and run report this traceback. */
static int traceback_rethrow_function(lua_State *L) {
    lua_settop(L, 2);
    return traceback_rethrow(L);
}

static const luaL_Reg traceback_functions[] = {
    {"rethrow", traceback_rethrow_function},
    {NULL, NULL},
};

void traceback_open(lua_State *L) {
    lua_createtable(L, NOTED_FUNCTION, 0);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &noted_key);
    luaL_setfuncs(L, traceback_functions, 0);
}
