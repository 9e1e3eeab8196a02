/*
** For package.loadlib: readable(descriptor, milliseconds) tells whether the
** descriptor becomes readable within that time.
*/
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>

int readable(lua_State *L) {
    struct pollfd polled = {.fd = (int)luaL_checkinteger(L, 1), .events = POLLIN};
    lua_pushboolean(L, poll(&polled, 1, (int)luaL_checkinteger(L, 2)) == 1);
    return 1;
}
