/*
** Fuzzes base/args: a table of options, or an argument, of any types and values.
** What a check accepts, and what it raises, is compared with the value.
*/
#include "input.h"

#include "base/args.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

static lua_State *L;

static const char *const names[] = {"max", "keep", "name", "wait", "recv", "send", NULL};

/* [-0, +1] */
static void push_number(Input *input) {
    static const lua_Number numbers[] = {0.0,  -0.0, 1.5,  1e300, -1e300,  9e9,
                                         8e18, 3.0,  -1.0, 1e-10, 1 << 20, 9007199254740993.0};
    uint8_t which = input_byte(input);
    if (which < 12) {
        lua_pushnumber(L, numbers[which]);
    } else if (which < 16) {
        lua_pushnumber(L, which == 12 ? HUGE_VAL : which == 13 ? -HUGE_VAL : (lua_Number)NAN);
    } else if (which < 32) {
        lua_pushinteger(L, which % 2 == 0 ? LUA_MAXINTEGER - which : LUA_MININTEGER + which);
    } else {
        lua_Integer value = 0;
        Input part = input_part(input, sizeof value);
        memcpy(&value, part.data, part.size);
        if (which % 4 == 0)
            lua_pushinteger(L, value);
        else if (which % 4 == 1)
            lua_pushinteger(L, value % 1000);
        else if (which % 4 == 2)
            lua_pushnumber(L, (lua_Number)value / 65536);
        else
            lua_pushnumber(L, (lua_Number)(value % 1000));
    }
}

/* [-0, +1] a value of any type */
static void push_value(Input *input) {
    uint8_t type = input_byte(input);
    switch (type % 8) {
    case 0:
        lua_pushboolean(L, type / 8 % 2);
        break;
    case 1:
        lua_newtable(L);
        break;
    case 2:
        lua_pushlightuserdata(L, &L);
        break;
    case 3: {
        Input text = input_part(input, input_byte(input) % 16);
        lua_pushlstring(L, (const char *)text.data, text.size);
        break;
    }
    case 4:
        lua_pushliteral(L, "10");
        break; /* a number in a string is none */
    case 5:
        lua_pushnil(L);
        break;
    default:
        push_number(input);
    }
}

/* [-0, +1] a key: a known name, mostly */
static void push_key(Input *input) {
    uint8_t which = input_byte(input);
    if (which < 200)
        lua_pushstring(L, names[which % 6]);
    else
        push_value(input);
}

/* [-0, +1] */
static void push_options(Input *input) {
    lua_newtable(L);
    for (int count = input_byte(input) % 8; count > 0; count--) {
        push_key(input);
        push_value(input);
        bool is_key = !lua_isnil(L, -2) && lua_rawequal(L, -2, -2); /* NaN is not equal to itself */
        if (is_key)
            lua_rawset(L, -3);
        else
            lua_pop(L, 2);
    }
}

/* --- what is right --- */

static bool is_integer(int index, lua_Integer min, lua_Integer max) {
    if (lua_type(L, index) != LUA_TNUMBER) return false;
    lua_Integer value;
    if (lua_isinteger(L, index))
        value = lua_tointeger(L, index);
    else if (!lua_numbertointeger(floor(lua_tonumber(L, index)), &value) ||
             (lua_Number)value != lua_tonumber(L, index))
        return false;
    return value >= min && value <= max;
}

static bool is_duration(int index) {
    if (lua_isnil(L, index)) return true;
    return lua_type(L, index) == LUA_TNUMBER && !isnan(lua_tonumber(L, index));
}

static void duration_check(int index, uint64_t duration) {
    lua_Number seconds = lua_isnil(L, index) ? HUGE_VAL : lua_tonumber(L, index);
    if (seconds <= 0) fuzz_require(duration == 0);
    if (seconds > 0) fuzz_require(duration > 0);
    if (seconds >= 9e9) fuzz_require(duration == FOREVER);
    if (seconds > 0 && seconds < 9e9)
        fuzz_require(fabs((lua_Number)duration - seconds * 1e9) <= 1024);
}

static bool options_are_known(int index) {
    bool known = true;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        bool found = false;
        for (int i = 0; lua_type(L, -2) == LUA_TSTRING && names[i] != NULL; i++)
            found = found || strcmp(lua_tostring(L, -2), names[i]) == 0;
        known = known && found;
    }
    return known;
}

/* --- the calls: each is made with the argument at 1, and may raise --- */

enum { OTHERWISE = 77 };

static lua_Integer min, max;

static int call_options(lua_State *state) {
    args_options(state, 1, names);
    return 0;
}

static int call_integer(lua_State *state) {
    lua_Integer value = args_integer(state, 1, min, max);
    fuzz_require((lua_Number)value == lua_tonumber(state, 1));
    return 0;
}

static int call_duration(lua_State *state) {
    duration_check(1, args_duration(state, 1));
    return 0;
}

static int call_integer_option(lua_State *state) {
    lua_Integer value = args_integer_option(state, 1, "max", min, max, OTHERWISE);
    lua_getfield(state, 1, "max");
    if (lua_isnil(state, -1)) lua_pushinteger(state, OTHERWISE);
    fuzz_require((lua_Number)value == lua_tonumber(state, -1));
    return 0;
}

static int call_boolean_option(lua_State *state) {
    bool value = args_boolean_option(state, 1, "keep", true);
    lua_getfield(state, 1, "keep");
    fuzz_require(value == (lua_isnil(state, -1) || lua_toboolean(state, -1)));
    return 0;
}

static int call_string_option(lua_State *state) {
    size_t length;
    const char *value = args_string_option(state, 1, "name", &length);
    lua_getfield(state, 1, "name");
    fuzz_require(value == lua_tostring(state, -1));
    if (value != NULL) fuzz_require(length == lua_rawlen(state, -1));
    return 0;
}

static int call_duration_option(lua_State *state) {
    uint64_t duration = args_duration_option(state, 1, "wait");
    lua_getfield(state, 1, "wait");
    duration_check(-1, duration);
    return 0;
}

/* A direction that is not named keeps its timeout. */
static int call_timeouts(lua_State *state) {
    uint64_t recv_timeout = 7, send_timeout = 8;
    args_timeouts(state, 1, &recv_timeout, &send_timeout);
    if (!lua_istable(state, 1)) {
        duration_check(1, recv_timeout);
        duration_check(1, send_timeout);
        return 0;
    }
    if (lua_getfield(state, 1, "recv") == LUA_TNIL)
        fuzz_require(recv_timeout == 7);
    else
        duration_check(-1, recv_timeout);
    if (lua_getfield(state, 1, "send") == LUA_TNIL)
        fuzz_require(send_timeout == 8);
    else
        duration_check(-1, send_timeout);
    return 0;
}

/* Makes the call with the value on top; it has to succeed if `right`, and else raise a message. */
static void expect(lua_CFunction call, bool right) {
    int top = lua_gettop(L);
    lua_pushcfunction(L, call);
    lua_pushvalue(L, top);
    int status = lua_pcall(L, 1, 0, 0);
    fuzz_require((status == LUA_OK) == right);
    if (!right) fuzz_require(lua_type(L, -1) == LUA_TSTRING);
    lua_settop(L, top);
}

static void argument_check(Input *input) {
    push_value(input);
    int top = lua_gettop(L);
    expect(call_integer, is_integer(top, min, max));
    expect(call_duration, is_duration(top));
    expect(call_options, lua_isnil(L, top) || lua_istable(L, top)); /* an empty one */
    if (!lua_istable(L, top)) expect(call_timeouts, is_duration(top));
}

/* Pushes the option, which then is at the index that is returned. */
static int option(const char *name) {
    lua_getfield(L, 1, name);
    return lua_gettop(L);
}

static void options_check(Input *input) {
    push_options(input);
    bool maximum = is_integer(option("max"), min, max) || lua_isnil(L, -1);
    bool keep = lua_type(L, option("keep")) <= LUA_TBOOLEAN;
    bool name = lua_type(L, option("name")) == LUA_TSTRING || lua_isnil(L, -1);
    bool wait = is_duration(option("wait"));
    bool timeouts = is_duration(option("recv")) && is_duration(option("send"));
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        timeouts = timeouts && (strcmp(key, "recv") == 0 || strcmp(key, "send") == 0);
    }
    lua_settop(L, 1);
    expect(call_options, options_are_known(1));
    expect(call_integer_option, maximum);
    expect(call_boolean_option, keep);
    expect(call_string_option, name);
    expect(call_duration_option, wait);
    expect(call_timeouts, timeouts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Input input = {data, size};
    if (L == NULL) L = luaL_newstate();
    lua_settop(L, 0);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    uint8_t shape = input_byte(&input);
    min = shape % 4 == 0 ? LUA_MININTEGER : shape % 4;
    max = shape % 8 < 4 ? LUA_MAXINTEGER : 65535;
    if (shape < 128)
        argument_check(&input);
    else
        options_check(&input);
    return 0;
}
