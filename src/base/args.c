/*
** Owns the checks of arguments and of options tables.
*/
#include "base/args.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

/* What messages call the value at `index`: as luaL_typeerror does. */
static const char *args_kind(lua_State *L, int index) {
    if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING) return lua_tostring(L, -1);
    return luaL_typename(L, index);
}

/* Never less than `seconds`. The product is stored, because x87 computes with more digits than a double has,
** and would round 0.002 s up to a nanosecond more. */
static uint64_t args_nanoseconds(double seconds) {
    volatile double nanoseconds = seconds * 1e9;
    return (uint64_t)ceil(nanoseconds);
}

/* Returns NULL, or what is wrong with the value at `index` as a duration. */
static const char *args_to_duration(lua_State *L, int index, uint64_t *duration) {
    *duration = FOREVER;
    if (lua_isnoneornil(L, index)) return NULL;
    if (lua_type(L, index) != LUA_TNUMBER)
        return lua_pushfstring(L, "seconds expected, got %s", args_kind(L, index));
    lua_Number seconds = lua_tonumber(L, index);
    if (isnan(seconds)) return "seconds expected, got NaN";
    if (seconds <= 0)
        *duration = 0;
    else if (seconds < 9e9) /* about three centuries, which fit 64 bits; more is no limit */
        *duration = args_nanoseconds(seconds);
    return NULL;
}

uint64_t args_duration(lua_State *L, int index) {
    uint64_t duration;
    const char *wrong = args_to_duration(L, index, &duration);
    if (wrong != NULL) luaL_argerror(L, index, wrong);
    return duration;
}

static const char *args_to_integer(lua_State *L, int index, lua_Integer min, lua_Integer max,
                                   lua_Integer *value) {
    int is_integer;
    *value = lua_tointegerx(L, index, &is_integer);
    if (lua_type(L, index) != LUA_TNUMBER)
        return lua_pushfstring(L, "integer expected, got %s", args_kind(L, index));
    if (!is_integer) return lua_pushfstring(L, "integer expected, got %f", lua_tonumber(L, index));
    if (*value < min || *value > max)
        return lua_pushfstring(L, "%I is not in the range %I to %I", (LUAI_UACINT)*value,
                               (LUAI_UACINT)min, (LUAI_UACINT)max);
    return NULL;
}

lua_Integer args_integer(lua_State *L, int index, lua_Integer min, lua_Integer max) {
    lua_Integer value;
    const char *wrong = args_to_integer(L, index, min, max, &value);
    if (wrong != NULL) luaL_argerror(L, index, wrong);
    return value;
}

lua_Integer args_optional_integer(lua_State *L, int index, lua_Integer min, lua_Integer max,
                                  lua_Integer otherwise) {
    return lua_isnoneornil(L, index) ? otherwise : args_integer(L, index, min, max);
}

static int args_wrong_option(lua_State *L, int index, const char *name, const char *wrong) {
    return luaL_argerror(L, index, lua_pushfstring(L, "option '%s': %s", name, wrong));
}

static bool args_is_known(const char *const names[], const char *name) {
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

void args_options(lua_State *L, int index, const char *const names[]) {
    if (lua_isnoneornil(L, index)) return;
    luaL_checktype(L, index, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_argerror(L, index,
                          lua_pushfstring(L, "option names are strings, got %s",
                                          luaL_typename(L, -2)));
        if (!args_is_known(names, lua_tostring(L, -2)))
            luaL_argerror(L, index, lua_pushfstring(L, "unknown option '%s'", lua_tostring(L, -2)));
    }
}

/* [-0, +1] pushes the option's value, nil without a table; returns its type. */
static int args_push_option(lua_State *L, int index, const char *name) {
    if (lua_istable(L, index)) return lua_getfield(L, index, name);
    lua_pushnil(L);
    return LUA_TNIL;
}

static bool args_has_option(lua_State *L, int index, const char *name) {
    int type = args_push_option(L, index, name);
    lua_pop(L, 1);
    return type != LUA_TNIL;
}

bool args_boolean_option(lua_State *L, int index, const char *name, bool otherwise) {
    int type = args_push_option(L, index, name);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        args_wrong_option(L, index, name,
                          lua_pushfstring(L, "boolean expected, got %s", luaL_typename(L, -1)));
    bool value = type == LUA_TNIL ? otherwise : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

lua_Integer args_integer_option(lua_State *L, int index, const char *name, lua_Integer min,
                                lua_Integer max, lua_Integer otherwise) {
    lua_Integer value = otherwise;
    if (args_push_option(L, index, name) != LUA_TNIL) {
        const char *wrong = args_to_integer(L, -1, min, max, &value);
        if (wrong != NULL) args_wrong_option(L, index, name, wrong);
    }
    lua_pop(L, 1);
    return value;
}

const char *args_string_option(lua_State *L, int index, const char *name, size_t *length) {
    int type = args_push_option(L, index, name);
    if (type != LUA_TNIL && type != LUA_TSTRING)
        args_wrong_option(L, index, name,
                          lua_pushfstring(L, "string expected, got %s", luaL_typename(L, -1)));
    const char *value = lua_tolstring(L, -1, length);
    lua_pop(L, 1); /* the options table holds it */
    return value;
}

uint64_t args_duration_option(lua_State *L, int index, const char *name) {
    uint64_t duration;
    args_push_option(L, index, name);
    const char *wrong = args_to_duration(L, -1, &duration);
    if (wrong != NULL) args_wrong_option(L, index, name, wrong);
    lua_pop(L, 1);
    return duration;
}

void args_timeouts(lua_State *L, int index, uint64_t *recv_timeout, uint64_t *send_timeout) {
    static const char *const names[] = {"recv", "send", NULL};
    if (!lua_istable(L, index)) {
        *recv_timeout = *send_timeout = args_duration(L, index);
        return;
    }
    args_options(L, index, names);
    uint64_t recv_value = args_duration_option(L, index, "recv");
    uint64_t send_value = args_duration_option(L, index, "send");
    if (args_has_option(L, index, "recv")) *recv_timeout = recv_value;
    if (args_has_option(L, index, "send")) *send_timeout = send_value;
}
