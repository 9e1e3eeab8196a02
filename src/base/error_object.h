/*
** Error objects: what `arsenal.check` and iterators raise for a failure: tables
** with the fields message, code, where, object and traceback.
*/
#ifndef ARSENAL_BASE_ERROR_OBJECT_H
#define ARSENAL_BASE_ERROR_OBJECT_H

#include <lua.h>
#include <stdbool.h>

/* [-0, +0] Notes that the failure on top (nil, message, code) is of a call on the object at `index`. */
void error_object_note(lua_State *L, int index);

/*
** Raises the message and code at the two topmost slots as an error object, with
** the object that was noted for this failure. `where` is the place of the function
** at this level, 1 for the caller of the running C function; 0: it has none.
*/
int error_object_raise(lua_State *L, int level);

/* [-0, +0] If the value below the top is an error object without a traceback, it gets the one on top. */
void error_object_set_traceback(lua_State *L);

/*
** [-0, +0] If the value on top is an error object without a place, it gets that of the
** function at this level.
*/
void error_object_set_where(lua_State *L, int level);

/* The metamethod __concat of error objects and cancellations. */
int error_object_concat(lua_State *L);

bool error_object_is(lua_State *L, int index); /* whether the value there is an error object */
void error_object_set_metatable(lua_State *L); /* [-0, +0] makes the table on top one */

void error_object_open(lua_State *L); /* [-0, +0]; adds its functions to the table on top */

#endif
