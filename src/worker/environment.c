/*
** Owns what is taken from package, and the order in which a new state is set up.
*/
#include "worker/environment.h"

#include "worker/module_cache.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct Preload {
    lua_CFunction open;
    char *name;
} Preload;

struct Environment {
    lua_CFunction open_core;
    char *path, *cpath; /* NULL: as a new state has it */
    unsigned count;
    Preload preloads[];
};

void environment_free(Environment *environment) {
    if (environment == NULL) return;
    for (unsigned i = 0; i < environment->count; i++)
        free(environment->preloads[i].name);
    free(environment->path);
    free(environment->cpath);
    free(environment);
}

/* --- in the parent's state; nothing here raises an error once there is an environment --- */

/* Whether the entry whose key and value are on top is a C function that needs no upvalues. */
static bool environment_wants(lua_State *L) {
    bool is_plain = lua_type(L, -2) == LUA_TSTRING && lua_iscfunction(L, -1);
    if (!is_plain) return false;
    bool has_upvalues = lua_getupvalue(L, -1, 1) != NULL;
    if (has_upvalues) lua_pop(L, 1);
    return !has_upvalues;
}

/* The table of preloaded functions is on top. */
static unsigned environment_count(lua_State *L) {
    unsigned count = 0;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
        count += environment_wants(L);
    return count;
}

/* Copies the string on top. Returns false without memory. */
static bool environment_copy(lua_State *L, char **copy) {
    if (lua_type(L, -1) != LUA_TSTRING) return true;
    size_t size = lua_rawlen(L, -1) + 1;
    *copy = malloc(size);
    if (*copy != NULL) memcpy(*copy, lua_tostring(L, -1), size);
    return *copy != NULL;
}

/* The tables of preloaded functions, and of the package library, are on top. */
static bool environment_fill(lua_State *L, Environment *environment, unsigned count) {
    int preload = lua_gettop(L), package = preload - 1;
    lua_pushliteral(L, "path");
    lua_rawget(L, package);
    bool has_memory = environment_copy(L, &environment->path);
    lua_pushliteral(L, "cpath");
    lua_rawget(L, package);
    has_memory = environment_copy(L, &environment->cpath) && has_memory;
    for (lua_pushnil(L); has_memory && lua_next(L, preload) != 0; lua_pop(L, 1)) {
        if (!environment_wants(L) || environment->count == count) continue;
        Preload *next = &environment->preloads[environment->count];
        next->open = lua_tocfunction(L, -1);
        lua_pushvalue(L, -2);
        has_memory = environment_copy(L, &next->name);
        lua_pop(L, 1);
        environment->count++;
    }
    return has_memory;
}

Environment *environment_new(lua_State *L, lua_CFunction open_core) {
    int top = lua_gettop(L);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    luaL_getsubtable(L, -1, LUA_LOADLIBNAME);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    unsigned count = environment_count(L);
    Environment *environment = calloc(1, sizeof *environment + count * sizeof(Preload));
    if (environment != NULL) {
        environment->open_core = open_core;
        if (!environment_fill(L, environment, count)) {
            environment_free(environment);
            environment = NULL;
        }
    }
    lua_settop(L, top);
    return environment;
}

/* --- in the worker's --- */

/* The package library's table is on top. */
static void environment_set_string(lua_State *L, const char *name, const char *value) {
    if (value == NULL) return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

void environment_set_up(lua_State *L, const Environment *environment) {
    int top = lua_gettop(L);
    luaL_openlibs(L);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, LUA_LOADLIBNAME);
    environment_set_string(L, "path", environment->path);
    environment_set_string(L, "cpath", environment->cpath);
    module_cache_use(L);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (unsigned i = 0; i < environment->count; i++) {
        lua_pushcfunction(L, environment->preloads[i].open);
        lua_setfield(L, -2, environment->preloads[i].name);
    }
    lua_pushcfunction(L, environment->open_core);
    lua_setfield(L, -2, "arsenal.core");
    lua_settop(L, top);
}
