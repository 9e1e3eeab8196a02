/*
** Owns the time of day, which changes when the system's clock is set. Time limits never use it.
*/
#include "base/openers.h"

#include <lauxlib.h>
#include <uv.h>

/* wall_clock(): seconds since 1970, with microseconds; nil if the system has no clock */
static int wall_clock_lua(lua_State *L) {
    uv_timeval64_t now;
    if (uv_gettimeofday(&now) != 0) return 0;
    lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_usec / 1e6);
    return 1;
}

void wall_clock_open(lua_State *L) {
    lua_pushcfunction(L, wall_clock_lua);
    lua_setfield(L, -2, "wall_clock");
}
