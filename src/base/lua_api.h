/*
** What differs between Lua 5.4 and 5.5 in the functions for C.
*/
#ifndef ARSENAL_BASE_LUA_API_H
#define ARSENAL_BASE_LUA_API_H

#include <lua.h>

/*
** Closes the pending variables of a coroutine, from one that runs; its status is LUA_OK or
** that of an error, which is on its top.
*/
static inline int lua_api_close(lua_State *co, lua_State *from) {
#if LUA_VERSION_NUM >= 505
    return lua_closethread(co, from);
#else
    (void)from; /* Lua 5.4.0 to 5.4.5 have no lua_closethread */
    return lua_resetthread(co);
#endif
}

#endif
