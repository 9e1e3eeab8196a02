/*
** Owns how failures look: messages and codes. Nothing else in arsenal turns a
** status into words.
*/
#include "base/error.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <uv.h>

static const struct {
    const char *code, *words;
} conditions[] = {
    [ARSENAL_TIMEOUT - ARSENAL_TIMEOUT] = {"TIMEOUT", "timed out"},
    [ARSENAL_CLOSED - ARSENAL_TIMEOUT] = {"CLOSED", "closed"},
    [ARSENAL_EOF - ARSENAL_TIMEOUT] = {"EOF", "the stream ended inside an item"},
    [ARSENAL_TOOLONG - ARSENAL_TIMEOUT] = {"TOOLONG", "the item exceeds its limit"},
    [ARSENAL_BUSY - ARSENAL_TIMEOUT] = {"BUSY", "another task already waits there"},
    [ARSENAL_TLS - ARSENAL_TIMEOUT] = {"TLS", "protocol failure"},
    [ARSENAL_CERT - ARSENAL_TIMEOUT] = {"CERT", "certificate refused"},
    [ARSENAL_TRUNCATED - ARSENAL_TIMEOUT] = {"TRUNCATED", "cut off without close_notify"},
    [ARSENAL_CANCELLED - ARSENAL_TIMEOUT] = {"CANCELLED", "task was cancelled"},
};

static int is_condition(int status) {
    return status >= ARSENAL_TIMEOUT && status <= ARSENAL_CANCELLED;
}

const char *error_code(int status) {
    return is_condition(status) ? conditions[status - ARSENAL_TIMEOUT].code : uv_err_name(status);
}

const char *error_words(int status) {
    return is_condition(status) ? conditions[status - ARSENAL_TIMEOUT].words : uv_strerror(status);
}

int error_push_reason(lua_State *L, int status, const char *reason) {
    lua_pushnil(L);
    lua_pushstring(L, reason);
    lua_pushstring(L, error_code(status));
    return 3;
}

int error_push(lua_State *L, int status, const char *what, ...) {
    va_list arguments;
    lua_pushnil(L);
    va_start(arguments, what);
    const char *pushed = lua_pushvfstring(L, what, arguments);
    va_end(arguments);
    if (pushed == NULL) lua_error(L); /* Lua 5.5 pushes the error that Lua 5.4 raises */
    lua_pushfstring(L, ": %s", error_words(status));
    lua_concat(L, 2);
    lua_pushstring(L, error_code(status));
    return 3;
}

int error_raise_status(lua_State *L, int status, const char *what) {
    lua_pushfstring(L, "%s: %s", what, error_words(status));
    return lua_error(L);
}

void error_print(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fflush(stderr);
}

/* failure(status, what): nil, "<what>: <reason>", code. */
static int error_failure(lua_State *L) {
    return error_push(L, (int)luaL_checkinteger(L, 1), "%s", luaL_checkstring(L, 2));
}

#define ERROR_CODE(name, words) #name,

/* [-0, +1] the set of all codes */
static void error_push_codes(lua_State *L) {
    static const char *const system_codes[] = {UV_ERRNO_MAP(ERROR_CODE)};
    lua_newtable(L);
    for (size_t i = 0; i < sizeof system_codes / sizeof *system_codes; i++) {
        lua_pushboolean(L, true);
        lua_setfield(L, -2, system_codes[i]);
    }
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        lua_pushboolean(L, true);
        lua_setfield(L, -2, conditions[i].code);
    }
}

static const luaL_Reg functions[] = {
    {"failure", error_failure},
    {NULL, NULL},
};

void error_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
    error_push_codes(L);
    lua_setfield(L, -2, "codes");
}
