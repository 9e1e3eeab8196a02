/*
** Owns values that modules for LuaJIT have, and Lua itself cannot make: tables with
** room, and the null pointer.
*/
#include "base/openers.h"

#include <lauxlib.h>
#include <limits.h>

/* A size that a table is to have room for: that is only advice, so what is out of range counts as 0. */
static int table_size(lua_State *L, int index) {
    lua_Number size = luaL_optnumber(L, index, 0);
    return size > 0 && size < INT_MAX ? (int)size : 0;
}

/* new_table([array, hash]): an empty table with room for so many items and fields */
static int table_new(lua_State *L) {
    lua_createtable(L, table_size(L, 1), table_size(L, 2));
    return 1;
}

void table_open(lua_State *L) {
    lua_pushcfunction(L, table_new);
    lua_setfield(L, -2, "new_table");
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}
