/*
** Owns what all objects have in common: the check of a self, close, __close,
** __gc, __tostring, and the count of open ones.
*/
#include "object/handle.h"

#include "base/error.h"

#include <string.h>

static const char types_key; /* registry: list of types by kind, as light userdata */

Handle *handle_test(lua_State *L, int index) {
    Handle *handle = lua_touserdata(L, index);
    int top = lua_gettop(L);
    if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return NULL;
    bool is_ours = lua_rawlen(L, index) >= sizeof *handle &&
                   lua_rawgetp(L, LUA_REGISTRYINDEX, handle->type) == LUA_TTABLE &&
                   lua_rawequal(L, -1, -2);
    lua_settop(L, top);
    return is_ours ? handle : NULL;
}

static Handle *check_any(lua_State *L) {
    Handle *handle = handle_test(L, 1);
    if (handle == NULL) luaL_typeerror(L, 1, "arsenal object");
    return handle;
}

/* object:close() frees what it holds, and wakes whoever waits on it with "CLOSED". Again: nothing. */
static int close_method(lua_State *L) {
    handle_close(check_any(L));
    lua_pushboolean(L, true);
    return 1;
}

static int finalize(lua_State *L) {
    handle_close(check_any(L));
    return 0;
}

static int to_string(lua_State *L) {
    handle_push_name(L, check_any(L));
    return 1;
}

void handle_define(lua_State *L, const HandleType *type) {
    static const luaL_Reg common[] = {
        {"__close", close_method},
        {"__gc", finalize},
        {"__tostring", to_string},
        {NULL, NULL},
    };
    lua_pushcfunction(L, close_method);
    lua_setfield(L, -2, "close");
    lua_newtable(L);
    luaL_setfuncs(L, common, 0);
    lua_pushstring(L, type->name);
    lua_setfield(L, -2, "__name");
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "__index");
    if (type->source != NULL) selectable_attach(L, type->source);
    lua_rawsetp(L, LUA_REGISTRYINDEX, type);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &types_key) == LUA_TNIL) {
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &types_key);
        lua_replace(L, -2);
    }
    lua_pushstring(L, type->name);
    lua_rawseti(L, -2, type->kind);
    lua_pop(L, 1);
}

void *handle_new(lua_State *L, const HandleType *type, size_t size, int values) {
    Loop *loop = loop_of(L);
    Handle *handle = lua_newuserdatauv(L, size, values);
    memset(handle, 0, size);
    handle->type = type;
    handle->loop = loop;
    lua_rawgetp(L, LUA_REGISTRYINDEX, type);
    lua_setmetatable(L, -2);
    return handle;
}

void handle_opened(Handle *handle) {
    handle->open = true;
    handle->loop->handles[handle->type->kind]++;
}

void handle_close(Handle *handle) {
    if (!handle->open) return;
    handle->open = false;
    handle->loop->handles[handle->type->kind]--;
    handle->type->close(handle);
}

void handle_become(lua_State *L, int index, const HandleType *type) {
    Handle *handle = lua_touserdata(L, index);
    lua_pushvalue(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, type);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
    handle->loop->handles[handle->type->kind]--;
    handle->loop->handles[type->kind]++;
    handle->type = type;
}

void handle_push_name(lua_State *L, const Handle *handle) {
    lua_pushfstring(L, "%s ", handle->type->name);
    if (handle->open)
        handle->type->describe(L, handle);
    else
        lua_pushliteral(L, "(closed)");
    lua_concat(L, 2);
}

int handle_fail(lua_State *L, const Handle *handle, const char *verb, int status) {
    handle_push_name(L, handle);
    return error_push(L, status, "%s %s", verb, lua_tostring(L, -1));
}

void handle_push_counts(lua_State *L, const Loop *loop) {
    lua_newtable(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &types_key);
    for (int kind = 1; kind < HANDLE_KINDS; kind++) {
        if (lua_rawgeti(L, -1, kind) == LUA_TSTRING) {
            lua_pushinteger(L, loop->handles[kind]);
            lua_settable(L, -4);
        } else {
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

/* class(value) "stream", "listener", ... for an object of ours, else nil. */
static int class_of(lua_State *L) {
    Handle *handle = handle_test(L, 1);
    lua_pushstring(L, handle != NULL ? handle->type->class : NULL);
    return 1;
}

static const luaL_Reg functions[] = {
    {"class", class_of},
    {NULL, NULL},
};

void handle_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
