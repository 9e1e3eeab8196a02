/*
** Owns what may cross. It goes through the objects in the order of their numbers,
** so that deep values need no deep stack. Adding an object may run finalizers, which
** may change the values: what reads them again must not rely on this check.
*/
#include "worker/parcel_check.h"

#include "worker/by_name.h"
#include "worker/crossing.h"
#include "worker/misfit.h"

#include <lauxlib.h>

/* What the parts of a description take. */
enum { TAG = 1, NUMBER = 8, INDEX = 4, FUNCTION = NUMBER + TAG, TABLE = 2 * INDEX + TAG };

/* --- checking a value --- */

static void check_add(lua_State *L, Manifest *manifest, int index, uint32_t holder) {
    manifest->size += INDEX;
    manifest_add(L, manifest, index, holder);
}

static void check_string(lua_State *L, Manifest *manifest, int index, uint32_t holder) {
    size_t length = lua_rawlen(L, index);
    if (length > SHORT_STRING)
        check_add(L, manifest, index, holder);
    else
        manifest->size += INDEX + length;
}

/* Whether a copy of the function does the same: it has no upvalues except the global variables. */
static bool check_is_plain(lua_State *L, int function) {
    if (!lua_isfunction(L, function) || lua_iscfunction(L, function)) return false;
    bool is_plain = true;
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    for (int i = 1; is_plain && lua_getupvalue(L, function, i) != NULL; i++) {
        is_plain = lua_rawequal(L, -1, -2);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return is_plain;
}

/* A function of a loaded module goes by its names, and one that is a module by that one's. */
static bool check_function(lua_State *L, Manifest *manifest, int index, uint32_t holder) {
    if (by_name_find_field(L, index)) {
        manifest->size += INDEX + lua_rawlen(L, -2) + INDEX + lua_rawlen(L, -1);
        lua_pop(L, 2);
        return true;
    }
    if (!check_is_plain(L, index) && by_name_find_module(L, index)) {
        manifest->size += INDEX + lua_rawlen(L, -1);
        lua_pop(L, 1);
        return true;
    }
    if (lua_iscfunction(L, index)) return false;
    check_add(L, manifest, index, holder);
    return true;
}

static bool check_object(lua_State *L, Manifest *manifest, int index, uint32_t holder) {
    bool may_cross = lua_istable(L, index) ? manifest_table_kind(L, index) != TABLE_UNKNOWN
                                           : crossing_of(L, index) != NULL;
    if (may_cross) check_add(L, manifest, index, holder);
    return may_cross;
}

static bool check_accepts(lua_State *L, Manifest *manifest, int index, uint32_t holder) {
    manifest->size += TAG;
    switch (lua_type(L, index)) {
    case LUA_TNIL:
    case LUA_TBOOLEAN:
        return true;
    case LUA_TNUMBER:
        manifest->size += NUMBER;
        return true;
    case LUA_TSTRING:
        check_string(L, manifest, index, holder);
        return true;
    case LUA_TFUNCTION:
        return check_function(L, manifest, index, holder);
    default:
        return check_object(L, manifest, index, holder);
    }
}

static void check_value(lua_State *L, Manifest *manifest, int index, Place place) {
    if (!check_accepts(L, manifest, index, place.holder)) misfit_refuse(L, manifest, index, &place);
}

/* --- checking what is in an object --- */

static void check_table(lua_State *L, Manifest *manifest, int table, uint32_t number) {
    TableKind kind = manifest_table_kind(L, table);
    manifest->size += TABLE;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
        int key = lua_gettop(L) - 1;
        if (manifest_leaves_out(L, kind, key)) continue;
        check_value(L, manifest, key, (Place){.holder = number});
        check_value(L, manifest, key + 1, (Place){.holder = number, .key = key});
    }
}

static bool check_accepts_upvalue(lua_State *L, Manifest *manifest, int index, uint32_t holder,
                                  const char *name) {
    if (lua_isfunction(L, index)) return check_accepts(L, manifest, index, holder);
    manifest->size += TAG;
    if (manifest_is_globals(L, index, name)) return true;
    if (!lua_istable(L, index)) return false;
    if (!by_name_find_module(L, index)) return false;
    manifest->size += INDEX + lua_rawlen(L, -1);
    lua_pop(L, 1);
    return true;
}

static int check_count_bytes(lua_State *L, const void *bytes, size_t size, void *manifest) {
    (void)L, (void)bytes;
    ((Manifest *)manifest)->size += size;
    return 0;
}

static void check_closure(lua_State *L, Manifest *manifest, int function, uint32_t number) {
    manifest->size += FUNCTION;
    lua_dump(L, check_count_bytes, manifest, false);
    const char *name;
    for (int i = 1; (name = lua_getupvalue(L, function, i)) != NULL; i++) {
        int upvalue = lua_gettop(L);
        if (!check_accepts_upvalue(L, manifest, upvalue, number, name))
            misfit_refuse(L, manifest, upvalue, &(Place){.holder = number, .upvalue = i});
        lua_pop(L, 1);
    }
}

static void check_inside(lua_State *L, Manifest *manifest, uint32_t number) {
    manifest_push(L, manifest, number);
    int object = lua_gettop(L);
    manifest->size += TAG;
    if (lua_istable(L, object)) {
        check_table(L, manifest, object, number);
    } else if (lua_isfunction(L, object)) {
        check_closure(L, manifest, object, number);
    } else if (lua_isstring(L, object)) {
        manifest->size += NUMBER + lua_rawlen(L, object);
    } else {
        manifest->size += INDEX;
        manifest->cargos++;
    }
    lua_pop(L, 1);
}

static void check_values(lua_State *L, Manifest *manifest, int begin) {
    for (int i = begin; i < manifest->count; i++)
        check_value(L, manifest, manifest->first + i, (Place){.argument = i});
    for (uint32_t number = 1; number <= manifest->objects; number++)
        check_inside(L, manifest, number);
}

void parcel_check(lua_State *L, Manifest *manifest, int first, int count, const char *what) {
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    manifest_start(L, manifest, first, count, what);
    check_values(L, manifest, 0);
}

void parcel_check_call(lua_State *L, Manifest *manifest, int first, int count) {
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    manifest_start(L, manifest, first, count, NULL);
    bool is_plain = check_is_plain(L, first);
    if (is_plain) {
        manifest->size += TAG;
        check_add(L, manifest, first, 0);
    }
    check_values(L, manifest, is_plain ? 1 : 0);
}
