/*
** Owns unpacking. All objects are made first. What sockets hold moves into them at
** the very end, when nothing can fail any more.
*/
#include "worker/parcel.h"

#include "base/error_object.h"
#include "kernel/cancellation.h"
#include "worker/by_name.h"
#include "worker/parcel_layout.h"

#include <lauxlib.h>
#include <limits.h>
#include <string.h>

typedef struct Unpacker {
    lua_State *L;
    Parcel *parcel;
    const char *next;
    int objects_at; /* the place of the list of objects */
} Unpacker;

/* --- bytes --- */

static void unpack_bytes(Unpacker *unpacker, void *bytes, size_t size) {
    memcpy(bytes, unpacker->next, size);
    unpacker->next += size;
}

static int unpack_tag(Unpacker *unpacker) {
    return *unpacker->next++;
}

static uint32_t unpack_index(Unpacker *unpacker) {
    uint32_t index;
    unpack_bytes(unpacker, &index, sizeof index);
    return index;
}

/* [-0, +1] */
static const char *unpack_text(Unpacker *unpacker) {
    uint32_t length = unpack_index(unpacker);
    const char *text = lua_pushlstring(unpacker->L, unpacker->next, length);
    unpacker->next += length;
    return text;
}

/* --- values: [-0, +1] --- */

static void unpack_integer(Unpacker *unpacker) {
    lua_Integer value;
    unpack_bytes(unpacker, &value, sizeof value);
    lua_pushinteger(unpacker->L, value);
}

static void unpack_float(Unpacker *unpacker) {
    lua_Number value;
    unpack_bytes(unpacker, &value, sizeof value);
    lua_pushnumber(unpacker->L, value);
}

static void unpack_field(Unpacker *unpacker) {
    const char *module = unpack_text(unpacker), *field = unpack_text(unpacker);
    by_name_push_field(unpacker->L, module, field);
    lua_replace(unpacker->L, -3);
    lua_pop(unpacker->L, 1);
}

static void unpack_module(Unpacker *unpacker) {
    by_name_push_module(unpacker->L, unpack_text(unpacker));
    lua_replace(unpacker->L, -2);
}

/* False, and nothing pushed, at the end of a table. */
static bool unpack_value(Unpacker *unpacker) {
    lua_State *L = unpacker->L;
    int tag = unpack_tag(unpacker);
    switch (tag) {
    case VALUE_NIL:
        lua_pushnil(L);
        break;
    case VALUE_FALSE:
    case VALUE_TRUE:
        lua_pushboolean(L, tag == VALUE_TRUE);
        break;
    case VALUE_INTEGER:
        unpack_integer(unpacker);
        break;
    case VALUE_FLOAT:
        unpack_float(unpacker);
        break;
    case VALUE_STRING:
        unpack_text(unpacker);
        break;
    case VALUE_OBJECT:
        lua_rawgeti(L, unpacker->objects_at, unpack_index(unpacker));
        break;
    case VALUE_FIELD:
        unpack_field(unpacker);
        break;
    case VALUE_GLOBALS:
        lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
        break;
    case VALUE_MODULE:
        unpack_module(unpacker);
        break;
    default:
        return false;
    }
    return true;
}

/* --- objects from their headers: [-0, +1] --- */

static void unpack_table_header(Unpacker *unpacker, int tag) {
    uint32_t list = unpack_index(unpacker), others = unpack_index(unpacker);
    if (list > INT_MAX) list = INT_MAX;
    if (others > INT_MAX) others = INT_MAX;
    if (tag != HEADER_TABLE) {
        by_name_push_module(unpacker->L, "arsenal.core"); /* which makes the metatables */
        lua_pop(unpacker->L, 1);
    }
    lua_createtable(unpacker->L, (int)list, (int)others);
    if (tag == HEADER_ERROR) error_object_set_metatable(unpacker->L);
    if (tag == HEADER_CANCELLATION) cancellation_set_metatable(unpacker->L);
}

static void unpack_string_header(Unpacker *unpacker) {
    size_t size;
    unpack_bytes(unpacker, &size, sizeof size);
    lua_pushlstring(unpacker->L, unpacker->next, size);
    unpacker->next += size;
}

static void unpack_function_header(Unpacker *unpacker) {
    size_t size;
    unpack_bytes(unpacker, &size, sizeof size);
    int status = luaL_loadbufferx(unpacker->L, unpacker->next, size, "=function", "b");
    if (status != LUA_OK) lua_error(unpacker->L);
    unpacker->next += size;
}

static void unpack_header(Unpacker *unpacker) {
    int tag = unpack_tag(unpacker);
    if (tag == HEADER_STRING) {
        unpack_string_header(unpacker);
    } else if (tag == HEADER_FUNCTION) {
        unpack_function_header(unpacker);
    } else if (tag == HEADER_CARGO) {
        const ParcelCargo *cargo = &unpacker->parcel->cargo[unpack_index(unpacker)];
        cargo->crossing->make(unpacker->L, cargo->cargo);
    } else {
        unpack_table_header(unpacker, tag);
    }
}

/* --- what is in the object on top --- */

static void unpack_entries(Unpacker *unpacker) {
    while (unpack_value(unpacker)) { /* a key */
        unpack_value(unpacker);
        lua_rawset(unpacker->L, -3);
    }
}

static void unpack_upvalues(Unpacker *unpacker) {
    lua_State *L = unpacker->L;
    int function = lua_gettop(L);
    for (int i = 1; lua_getupvalue(L, function, i) != NULL; i++) {
        lua_pop(L, 1);
        unpack_value(unpacker);
        lua_setupvalue(L, function, i);
    }
}

static void unpack_objects(Unpacker *unpacker) {
    lua_State *L = unpacker->L;
    uint32_t count = unpacker->parcel->objects;
    lua_createtable(L, count > INT_MAX ? INT_MAX : (int)count, 0);
    for (uint32_t number = 1; number <= count; number++) {
        unpack_header(unpacker);
        lua_rawseti(L, unpacker->objects_at, number);
    }
    for (uint32_t number = 1; number <= count; number++) {
        int type = lua_rawgeti(L, unpacker->objects_at, number);
        if (type == LUA_TTABLE)
            unpack_entries(unpacker);
        else if (type == LUA_TFUNCTION)
            unpack_upvalues(unpacker);
        lua_pop(L, 1);
    }
}

/* --- the parcel --- */

static void unpack_arrive(const Unpacker *unpacker) {
    lua_State *L = unpacker->L;
    ParcelCargo *cargo = unpacker->parcel->cargo;
    const ParcelCargo *end = cargo + unpacker->parcel->cargos;
    for (uint32_t number = 1; cargo < end; number++) {
        if (lua_rawgeti(L, unpacker->objects_at, number) == LUA_TUSERDATA) {
            cargo->crossing->arrive(L, lua_gettop(L), cargo->cargo);
            cargo->cargo = NULL;
            cargo++;
        }
        lua_pop(L, 1);
    }
}

void parcel_unpack(lua_State *L, Parcel *parcel) {
    luaL_checkstack(L, parcel->count + LUA_MINSTACK, "too many values from another worker");
    Unpacker unpacker = {.L = L,
                         .parcel = parcel,
                         .next = parcel->bytes,
                         .objects_at = lua_gettop(L) + 1};
    if (parcel->objects > 0)
        unpack_objects(&unpacker);
    else
        lua_pushnil(L);
    for (int i = 0; i < parcel->count; i++)
        unpack_value(&unpacker);
    unpack_arrive(&unpacker);
    lua_remove(L, unpacker.objects_at);
}
