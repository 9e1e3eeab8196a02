/*
** Owns packing. The values were checked before. They are read again without a
** call that could raise an error or run other code, so what was prepared can be
** freed when they turn out to have been changed meanwhile, by finalizers.
*/
#include "worker/parcel.h"

#include "base/error.h"
#include "base/error_object.h"
#include "worker/by_name.h"
#include "worker/parcel_check.h"
#include "worker/parcel_layout.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

typedef struct Packer {
    lua_State *L;
    const Manifest *manifest;
    char *next, *end;
    uint32_t cargos; /* met so far */
    bool is_lost;    /* the values have changed since they were checked */
} Packer;

/* --- bytes --- */

static void pack_bytes(Packer *packer, const void *bytes, size_t size) {
    if ((size_t)(packer->end - packer->next) < size) {
        packer->is_lost = true;
        return;
    }
    if (size > 0) memcpy(packer->next, bytes, size);
    packer->next += size;
}

static void pack_tag(Packer *packer, int tag) {
    char byte = (char)tag;
    pack_bytes(packer, &byte, 1);
}

static void pack_index(Packer *packer, uint32_t index) {
    pack_bytes(packer, &index, sizeof index);
}

/* The string at `index`. */
static void pack_text(Packer *packer, int index) {
    size_t length;
    const char *text = lua_tolstring(packer->L, index, &length);
    pack_index(packer, (uint32_t)length);
    pack_bytes(packer, text, length);
}

/* --- values --- */

static void pack_object(Packer *packer, int index) {
    uint32_t number = manifest_number(packer->L, packer->manifest, index);
    if (number == 0) packer->is_lost = true;
    pack_tag(packer, VALUE_OBJECT);
    pack_index(packer, number);
}

static void pack_number(Packer *packer, int index) {
    if (lua_isinteger(packer->L, index)) {
        lua_Integer value = lua_tointeger(packer->L, index);
        pack_tag(packer, VALUE_INTEGER);
        pack_bytes(packer, &value, sizeof value);
    } else {
        lua_Number value = lua_tonumber(packer->L, index);
        pack_tag(packer, VALUE_FLOAT);
        pack_bytes(packer, &value, sizeof value);
    }
}

/* The name on top. */
static void pack_module(Packer *packer) {
    pack_tag(packer, VALUE_MODULE);
    pack_text(packer, -1);
    lua_pop(packer->L, 1);
}

static void pack_function(Packer *packer, int index) {
    bool is_object = manifest_number(packer->L, packer->manifest, index) != 0;
    if (!is_object && by_name_find_field(packer->L, index)) {
        pack_tag(packer, VALUE_FIELD);
        pack_text(packer, -2);
        pack_text(packer, -1);
        lua_pop(packer->L, 2);
    } else if (!is_object && by_name_find_module(packer->L, index)) {
        pack_module(packer);
    } else {
        pack_object(packer, index);
    }
}

static void pack_value(Packer *packer, int index) {
    switch (lua_type(packer->L, index)) {
    case LUA_TNIL:
        pack_tag(packer, VALUE_NIL);
        break;
    case LUA_TBOOLEAN:
        pack_tag(packer, lua_toboolean(packer->L, index) ? VALUE_TRUE : VALUE_FALSE);
        break;
    case LUA_TNUMBER:
        pack_number(packer, index);
        break;
    case LUA_TSTRING:
        if (lua_rawlen(packer->L, index) > SHORT_STRING) {
            pack_object(packer, index);
        } else {
            pack_tag(packer, VALUE_STRING);
            pack_text(packer, index);
        }
        break;
    case LUA_TFUNCTION:
        pack_function(packer, index);
        break;
    default:
        pack_object(packer, index);
    }
}

static void pack_upvalue(Packer *packer, int index, const char *name) {
    lua_State *L = packer->L;
    if (lua_isfunction(L, index)) {
        pack_value(packer, index);
    } else if (manifest_is_globals(L, index, name)) {
        pack_tag(packer, VALUE_GLOBALS);
    } else if (by_name_find_module(L, index)) {
        pack_module(packer);
    } else {
        packer->is_lost = true;
    }
}

/* --- headers --- */

/* The numbers of entries are for the size of the new table only. */
static void pack_table_header(Packer *packer, int table) {
    lua_State *L = packer->L;
    lua_Unsigned list = lua_rawlen(L, table);
    uint32_t entries = 0;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1))
        entries++;
    if (list > entries) list = entries;
    pack_tag(packer, HEADER_TABLE + (int)manifest_table_kind(L, table));
    pack_index(packer, (uint32_t)list);
    pack_index(packer, entries - (uint32_t)list);
}

static int pack_bytecode(lua_State *L, const void *bytes, size_t size, void *packer) {
    (void)L;
    pack_bytes(packer, bytes, size);
    return 0;
}

/* The function on top. Its size is known when it is written. */
static void pack_function_header(Packer *packer) {
    size_t size = 0;
    pack_tag(packer, HEADER_FUNCTION);
    char *where = packer->next;
    pack_bytes(packer, &size, sizeof size);
    if (packer->is_lost) return;
    lua_dump(packer->L, pack_bytecode, packer, false);
    size = (size_t)(packer->next - where) - sizeof size;
    memcpy(where, &size, sizeof size);
}

/* The string on top. */
static void pack_string_header(Packer *packer) {
    size_t size;
    const char *string = lua_tolstring(packer->L, -1, &size);
    pack_tag(packer, HEADER_STRING);
    pack_bytes(packer, &size, sizeof size);
    pack_bytes(packer, string, size);
}

/* Of the object on top. */
static void pack_header(Packer *packer) {
    lua_State *L = packer->L;
    switch (lua_type(L, -1)) {
    case LUA_TTABLE:
        pack_table_header(packer, lua_gettop(L));
        break;
    case LUA_TFUNCTION:
        pack_function_header(packer);
        break;
    case LUA_TSTRING:
        pack_string_header(packer);
        break;
    default:
        pack_tag(packer, HEADER_CARGO);
        pack_index(packer, packer->cargos++);
    }
}

/* --- contents --- */

static void pack_entries(Packer *packer, int table) {
    lua_State *L = packer->L;
    TableKind kind = manifest_table_kind(L, table);
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
        int key = lua_gettop(L) - 1;
        if (manifest_leaves_out(L, kind, key)) continue;
        pack_value(packer, key);
        pack_value(packer, key + 1);
    }
    pack_tag(packer, VALUE_END);
}

static void pack_upvalues(Packer *packer, int function) {
    lua_State *L = packer->L;
    const char *name;
    for (int i = 1; (name = lua_getupvalue(L, function, i)) != NULL; i++) {
        pack_upvalue(packer, lua_gettop(L), name);
        lua_pop(L, 1);
    }
}

/* Of the object on top. */
static void pack_contents(Packer *packer) {
    lua_State *L = packer->L;
    if (lua_istable(L, -1))
        pack_entries(packer, lua_gettop(L));
    else if (lua_isfunction(L, -1))
        pack_upvalues(packer, lua_gettop(L));
}

static void pack_each_object(Packer *packer, void (*pack)(Packer *packer)) {
    for (uint32_t number = 1; number <= packer->manifest->objects && !packer->is_lost; number++) {
        manifest_push(packer->L, packer->manifest, number);
        pack(packer);
        lua_pop(packer->L, 1);
    }
}

/* Describes all values. Returns false if they have changed since they were checked. */
static bool pack_all(Packer *packer) {
    pack_each_object(packer, pack_header);
    pack_each_object(packer, pack_contents);
    for (int i = 0; i < packer->manifest->count && !packer->is_lost; i++)
        pack_value(packer, packer->manifest->first + i);
    return !packer->is_lost;
}

/* --- cargos --- */

/* No status: an object cannot cross, although it could when it was checked. */
enum { PACK_LOST = 1 };

/* Prepares all userdata. Returns 0; or a status or PACK_LOST, with the object in question on top. */
static int pack_prepare(lua_State *L, const Manifest *manifest, Parcel *parcel) {
    ParcelCargo *cargo = parcel->cargo;
    for (uint32_t number = 1; cargo < parcel->cargo + manifest->cargos; number++) {
        manifest_push(L, manifest, number);
        if (lua_isuserdata(L, -1)) {
            cargo->crossing = crossing_of(L, -1);
            if (cargo->crossing == NULL) return PACK_LOST;
            cargo->object = lua_touserdata(L, -1);
            int status = cargo->crossing->prepare(L, lua_gettop(L), &cargo->cargo);
            if (status != 0) return status;
            parcel->cargos++;
            cargo++;
        }
        lua_pop(L, 1);
    }
    return 0;
}

/* --- the parcel --- */

static Parcel *parcel_new(const Manifest *manifest) {
    size_t head = sizeof(Parcel) + manifest->cargos * sizeof(ParcelCargo);
    Parcel *parcel = malloc(head + manifest->size);
    if (parcel == NULL) return NULL;
    *parcel = (Parcel){.count = manifest->count,
                       .objects = manifest->objects,
                       .bytes = (const char *)parcel + head};
    return parcel;
}

/* [-1, +3] nil, "move <object>: <reason>", code, for the object on top; returns NULL. */
static Parcel *parcel_fail(lua_State *L, int status) {
    const char *name = luaL_tolstring(L, -1, NULL);
    error_push(L, status, "move %s", name);
    error_object_note(L, -5);
    lua_rotate(L, -5, 3);
    lua_pop(L, 2);
    return NULL;
}

static Parcel *parcel_lose(lua_State *L, Parcel *parcel) {
    parcel_free(parcel);
    luaL_error(L, "a finalizer has changed the values that are to cross to another worker");
    return NULL;
}

static Parcel *parcel_make(lua_State *L, const Manifest *manifest) {
    Parcel *parcel = parcel_new(manifest);
    if (parcel == NULL) luaL_error(L, "not enough memory");
    int status = pack_prepare(L, manifest, parcel);
    if (status == PACK_LOST) return parcel_lose(L, parcel);
    if (status != 0) {
        parcel_free(parcel);
        lua_remove(L, manifest->objects_at);
        return parcel_fail(L, status);
    }
    char *bytes = (char *)parcel->bytes;
    Packer packer = {.L = L, .manifest = manifest, .next = bytes, .end = bytes + manifest->size};
    if (!pack_all(&packer)) return parcel_lose(L, parcel);
    lua_settop(L, manifest->objects_at - 1);
    return parcel;
}

Parcel *parcel_prepare(lua_State *L, int first, int count, const char *what) {
    Manifest manifest;
    parcel_check(L, &manifest, first, count, what);
    return parcel_make(L, &manifest);
}

void parcel_depart(Parcel *parcel) {
    for (ParcelCargo *cargo = parcel->cargo; cargo < parcel->cargo + parcel->cargos; cargo++)
        if (cargo->crossing->depart != NULL) cargo->crossing->depart(cargo->object, cargo->cargo);
}

bool parcel_moves(const Parcel *parcel) {
    for (uint32_t i = 0; i < parcel->cargos; i++)
        if (parcel->cargo[i].crossing->depart != NULL) return true;
    return false;
}

Parcel *parcel_pack(lua_State *L, int first, int count, const char *what) {
    Parcel *parcel = parcel_prepare(L, first, count, what);
    if (parcel != NULL) parcel_depart(parcel);
    return parcel;
}

Parcel *parcel_pack_call(lua_State *L, int first, int count) {
    Manifest manifest;
    parcel_check_call(L, &manifest, first, count);
    Parcel *parcel = parcel_make(L, &manifest);
    if (parcel != NULL) parcel_depart(parcel);
    return parcel;
}

bool parcel_has_objects(const Parcel *parcel) {
    return parcel->cargos > 0;
}

void parcel_free(Parcel *parcel) {
    if (parcel == NULL) return;
    for (ParcelCargo *cargo = parcel->cargo; cargo < parcel->cargo + parcel->cargos; cargo++)
        if (cargo->cargo != NULL) cargo->crossing->discard(cargo->cargo);
    free(parcel);
}
