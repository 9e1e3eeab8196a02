/*
** Scope guards: a scope that is entered in a generator has a guard on the
** generator's stack. The call that would leave the scope may never go on, because
** user code may drop or close the generator; then the guard leaves the scope.
*/
#ifndef ARSENAL_KERNEL_SCOPE_GUARD_H
#define ARSENAL_KERNEL_SCOPE_GUARD_H

#include "kernel/wait.h"

/* [-0, +1] a guard for a call in the task; nil in the task's own coroutine, which needs none. */
void scope_guard_push(lua_State *L, const Task *task);

/*
** Makes the guard at `index` refer to the object that contains the scope: so the
** collector calls the guard's finalizer before it frees the scope.
*/
void scope_guard_keep(lua_State *L, int index, int object);

/*
** From now on the guard at `index` calls `lost` with the scope if the collector
** finds that the call will never go on. scope_guard_end ends that.
*/
void scope_guard_begin(lua_State *L, int index, Scope *scope, void (*lost)(Scope *scope));
void scope_guard_end(lua_State *L, int index);

/*
** Called when the coroutine at `index` stops running in the task for now, and when
** it goes on. In between, the scopes that it has entered are on no task's stack.
*/
void scope_guard_suspend(lua_State *L, int index, Task *task);
void scope_guard_continue(lua_State *L, int index, Task *task);

void scope_guard_open(lua_State *L); /* [-0, +0] */

#endif
