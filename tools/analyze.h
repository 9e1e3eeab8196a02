/*
** Read before each file by the analysers (tools/lint_analyze.lua): the functions
** of Lua that never return, which its own headers do not say.
*/
#define _GNU_SOURCE /* before the first header, as in the files themselves */
#include <lauxlib.h>

int lua_error(lua_State *L) __attribute__((noreturn));
int luaL_error(lua_State *L, const char *format, ...) __attribute__((noreturn));
int luaL_argerror(lua_State *L, int index, const char *message) __attribute__((noreturn));
int luaL_typeerror(lua_State *L, int index, const char *type) __attribute__((noreturn));
