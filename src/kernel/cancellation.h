/*
** Cancellations: the errors that a wait in a cancelled scope raises.
*/
#ifndef ARSENAL_KERNEL_CANCELLATION_H
#define ARSENAL_KERNEL_CANCELLATION_H

#include "kernel/scope.h"

#include <lua.h>

/*
** [-0, +1] Pushes the error that waits in the cancelled `scope` raise. The second one
** raises it; when it has done so a thousand times before the scope was left, it calls
** the function that is registered as `cancellation_swallowed`.
*/
void cancellation_push(lua_State *L, const Scope *scope);
int cancellation_raise(lua_State *L, Scope *scope);

bool cancellation_is(lua_State *L, int index); /* whether the value there is a cancellation */
void cancellation_set_metatable(lua_State *L); /* [-0, +0] makes the table on top one */

/* [-0, +0] From now on the cancellations of `scope` have the value at `index` as their reason. */
void cancellation_set_reason(lua_State *L, Scope *scope, int index);
void cancellation_drop_reason(lua_State *L, Scope *scope);

/*
** [-0, +4] nil, `what`, "CANCELLED"; and, if the cancellation on top has one, the reason,
** also in the message.
*/
int cancellation_push_failure(lua_State *L, const char *what);

void cancellation_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
