/*
** Fields of the tables that Lua passes: strings, numbers and flags. The callers in Lua
** have checked their types.
*/
#ifndef ARSENAL_OPENSSL_FIELDS_H
#define ARSENAL_OPENSSL_FIELDS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* Returns the string field `name` of the table at `index`, or NULL; valid as long as the table has it. */
const char *fields_string(lua_State *L, int index, const char *name, size_t *length);

/* 0 if there is none. */
double fields_number(lua_State *L, int index, const char *name);

bool fields_flag(lua_State *L, int index, const char *name);

#endif
