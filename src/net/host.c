/*
** Owns what a program may ask of the host: its name, its clock's time of day, and its words
** for errors.
*/
#include "base/args.h"
#include "base/error.h"
#include "base/openers.h"

#include <lauxlib.h>
#include <limits.h>
#include <string.h>
#include <uv.h>

/* host_name() */
static int host_name(lua_State *L) {
    char name[UV_MAXHOSTNAMESIZE];
    size_t size = sizeof name;
    int status = uv_os_gethostname(name, &size);
    if (status != 0) return error_push(L, status, "host_name");
    lua_pushlstring(L, name, size);
    return 1;
}

/* time_of_day(): seconds since 1970, with their fraction */
static int host_time_of_day(lua_State *L) {
    uv_timeval64_t now;
    uv_gettimeofday(&now);
    lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_usec / 1e6);
    return 1;
}

/* system_words(code): what the C library says of the code of an errno; nil for other codes */
static int host_system_words(lua_State *L) {
    const char *code = luaL_checkstring(L, 1);
    lua_pushnil(L);
#define SAY_IF_NAMED(name, words) \
    if (UV_##name > -3000 && strcmp(code, #name) == 0) lua_pushstring(L, strerror(-UV_##name));
    UV_ERRNO_MAP(SAY_IF_NAMED)
#undef SAY_IF_NAMED
    return 1;
}

/* system_code(number): the code of a number of the system's, an errno */
static int host_system_code(lua_State *L) {
    int status = uv_translate_sys_error((int)args_integer(L, 1, 1, INT_MAX));
    char name[64];
    lua_pushstring(L, uv_err_name_r(status, name, sizeof name));
    return 1;
}

static const luaL_Reg functions[] = {
    {"host_name", host_name},
    {"time_of_day", host_time_of_day},
    {"system_words", host_system_words},
    {"system_code", host_system_code},
    {NULL, NULL},
};

void host_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
