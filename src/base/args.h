/*
** Arguments: what a caller may pass, checked before any effect; each check
** raises an error that names the argument or the option.
*/
#ifndef ARSENAL_BASE_ARGS_H
#define ARSENAL_BASE_ARGS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOREVER UINT64_MAX /* a duration or deadline that is never reached */

/* Seconds at `index` in nanoseconds: negative is 0, nil and math.huge are FOREVER. */
uint64_t args_duration(lua_State *L, int index);

/* An integer in min..max (a float with an integer value counts); the second form has a default. */
lua_Integer args_integer(lua_State *L, int index, lua_Integer min, lua_Integer max);
lua_Integer args_optional_integer(lua_State *L, int index, lua_Integer min, lua_Integer max,
                                  lua_Integer otherwise);

/* The number of bytes at `index`, checked not to be negative, or the largest that memory can have. */
static inline size_t args_size(lua_State *L, int index) {
    lua_Integer size = lua_tointeger(L, index);
    return size < PTRDIFF_MAX ? (size_t)size : (size_t)PTRDIFF_MAX;
}

/*
** Checks that `index` is nil, none or a table with no other keys than `names`
** (NULL at the end). The getters below then read one option of it.
*/
void args_options(lua_State *L, int index, const char *const names[]);
bool args_boolean_option(lua_State *L, int index, const char *name, bool otherwise);
lua_Integer args_integer_option(lua_State *L, int index, const char *name, lua_Integer min,
                                lua_Integer max, lua_Integer otherwise);
const char *args_string_option(lua_State *L, int index, const char *name, size_t *length);
uint64_t args_duration_option(lua_State *L, int index, const char *name);

/*
** Reads the argument of a set_timeout: seconds for both directions, or a table
** with `recv`, `send` or both. A direction that the table lacks keeps its timeout.
*/
void args_timeouts(lua_State *L, int index, uint64_t *recv_timeout, uint64_t *send_timeout);

#endif
