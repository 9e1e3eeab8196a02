/*
** Tracebacks: where an error was raised. A protected call of arsenal's has
** traceback_handler as its message handler, finds the traceback with
** traceback_push, and passes the error on with traceback_rethrow, so that the
** next one finds the same.
*/
#ifndef ARSENAL_KERNEL_TRACEBACK_H
#define ARSENAL_KERNEL_TRACEBACK_H

#include <lua.h>
#include <stdbool.h>

/* Whether the status that a protected call gives its continuation is that of a success. */
static inline bool traceback_is_success(int status) {
    return status == LUA_OK || status == LUA_YIELD;
}

/* The message handler: notes the traceback of an error, except of a cancellation. */
int traceback_handler(lua_State *L);

/* [-0, +1] the traceback that was noted for the error on top, or nil. */
void traceback_push(lua_State *L);

/* [-2] raises the error below the top with the traceback on top. */
int traceback_rethrow(lua_State *L);

/* [-1] raises the error on top with the traceback that was noted for it. */
int traceback_pass_on(lua_State *L);

void traceback_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
