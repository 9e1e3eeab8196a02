/*
** Coroutines of the user's own inside tasks.
*/
#ifndef ARSENAL_KERNEL_COROUTINE_H
#define ARSENAL_KERNEL_COROUTINE_H

#include <lua.h>

/* The coroutine that suspended the suspended one `co` waits for; NULL when it is none of these. */
lua_State *coroutine_inner(lua_State *co);

void coroutine_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
