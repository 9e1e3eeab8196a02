/*
** Owns the numbers of the objects.
*/
#include "worker/manifest.h"

#include "base/error_object.h"
#include "kernel/cancellation.h"

#include <lauxlib.h>
#include <string.h>

/* --- the table of objects: by number; numbers by object; holders by negative number --- */

/* [-0, +1] the key of the object at `index`: a long string is known by its address. */
static void manifest_push_key(lua_State *L, int index) {
    if (lua_type(L, index) == LUA_TSTRING)
        lua_pushlightuserdata(L, (void *)lua_tostring(L, index));
    else
        lua_pushvalue(L, index);
}

static uint32_t manifest_get(lua_State *L, int index) {
    uint32_t number = (uint32_t)lua_tointeger(L, index);
    lua_pop(L, 1);
    return number;
}

uint32_t manifest_number(lua_State *L, const Manifest *manifest, int index) {
    if (manifest->objects == 0) return 0;
    manifest_push_key(L, index);
    lua_rawget(L, manifest->objects_at);
    return manifest_get(L, -1);
}

uint32_t manifest_holder(lua_State *L, const Manifest *manifest, uint32_t number) {
    lua_rawgeti(L, manifest->objects_at, -(lua_Integer)number);
    return manifest_get(L, -1);
}

void manifest_push(lua_State *L, const Manifest *manifest, uint32_t number) {
    lua_rawgeti(L, manifest->objects_at, number);
}

void manifest_start(lua_State *L, Manifest *manifest, int first, int count, const char *what) {
    lua_pushnil(L);
    *manifest =
        (Manifest){.first = first, .count = count, .what = what, .objects_at = lua_gettop(L)};
}

void manifest_add(lua_State *L, Manifest *manifest, int index, uint32_t holder) {
    if (manifest_number(L, manifest, index) != 0) return;
    index = lua_absindex(L, index);
    if (manifest->objects == 0) {
        lua_newtable(L);
        lua_replace(L, manifest->objects_at);
    }
    lua_Integer number = ++manifest->objects;
    manifest_push_key(L, index);
    lua_pushinteger(L, number);
    lua_rawset(L, manifest->objects_at);
    lua_pushvalue(L, index);
    lua_rawseti(L, manifest->objects_at, number);
    if (holder == 0) return;
    lua_pushinteger(L, holder);
    lua_rawseti(L, manifest->objects_at, -number);
}

/* --- what values are --- */

TableKind manifest_table_kind(lua_State *L, int index) {
    if (!lua_getmetatable(L, index)) return TABLE_PLAIN;
    lua_pop(L, 1);
    if (error_object_is(L, index)) return TABLE_ERROR;
    return cancellation_is(L, index) ? TABLE_CANCELLATION : TABLE_UNKNOWN;
}

bool manifest_leaves_out(lua_State *L, TableKind kind, int index) {
    return kind == TABLE_ERROR && lua_type(L, index) == LUA_TSTRING &&
           strcmp(lua_tostring(L, index), "object") == 0;
}

bool manifest_is_globals(lua_State *L, int index, const char *name) {
    if (strcmp(name, "_ENV") == 0) return true;
    index = lua_absindex(L, index);
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    bool is = lua_rawequal(L, -1, index);
    lua_pop(L, 1);
    return is;
}
