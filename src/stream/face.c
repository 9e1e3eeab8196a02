/*
** Owns what the faces have in common.
*/
#include "stream/face.h"

#include <string.h>

int face_push_method(lua_State *L, lua_CFunction method) {
    luaL_checktype(L, FACE_SLOW, LUA_TFUNCTION);
    luaL_checktype(L, FACE_FAILED, LUA_TFUNCTION);
    lua_settop(L, FACE_FAILED);
    lua_pushcclosure(L, method, FACE_FAILED);
    return 1;
}

Stream *face_stream(lua_State *L) {
    if (!lua_istable(L, 1)) return NULL;
    lua_rawgeti(L, 1, FACE_STREAM);
    Stream *stream = handle_test_type(L, -1, stream_types, STREAM_FAMILIES);
    lua_pop(L, 1);
    return stream;
}

/* --- calling Lua --- */

static int face_return(lua_State *L, int status, lua_KContext base) {
    (void)status;
    return lua_gettop(L) - (int)base;
}

int face_call_slow(lua_State *L) {
    lua_pushvalue(L, lua_upvalueindex(FACE_SLOW));
    lua_insert(L, 1);
    lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, face_return);
    return face_return(L, LUA_OK, 0);
}

int face_fail(lua_State *L, int results) {
    int base = lua_gettop(L) - 1 - results;
    lua_pushvalue(L, lua_upvalueindex(FACE_FAILED));
    lua_insert(L, -2);
    lua_pushvalue(L, ITEM_SIZE);
    lua_rotate(L, base + 1, 3);
    lua_callk(L, results + 2, LUA_MULTRET, base, face_return);
    return face_return(L, LUA_OK, base);
}

/* --- items --- */

bool face_is_line(lua_State *L) {
    int type = lua_type(L, 2);
    if (type == LUA_TNONE || type == LUA_TNIL) return true;
    if (type != LUA_TSTRING) return false;
    const char *pattern = lua_tostring(L, 2);
    return strcmp(pattern, "*l") == 0 || strcmp(pattern, "l") == 0;
}

bool face_is_size(lua_State *L) {
    if (lua_type(L, 2) != LUA_TNUMBER) return false;
    int is_integer;
    lua_Integer size = lua_tointegerx(L, 2, &is_integer);
    return is_integer && size > 0 && size <= FACE_MOST;
}

void face_set_size(lua_State *L, bool is_line) {
    if (is_line) {
        lua_settop(L, 1);
        lua_pushinteger(L, FACE_LONGEST);
    }
    lua_settop(L, ITEM_SIZE);
    lua_pushnil(L);
}

int face_line(lua_State *L) {
    size_t size;
    const char *line = lua_tolstring(L, -1, &size), *end = line + size;
    if (memchr(line, '\r', size) == NULL) return 1;
    luaL_Buffer kept;
    luaL_buffinitsize(L, &kept, size);
    for (; line < end; line++)
        if (*line != '\r') luaL_addchar(&kept, *line);
    luaL_pushresult(&kept);
    return 1;
}
