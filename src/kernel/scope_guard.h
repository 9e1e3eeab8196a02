/*
** Scope guards: a scope that is entered in a generator has a guard on the
** generator's stack, since the call that would leave it may never go on: user
** code may drop the generator, or close it.
*/
#ifndef ARSENAL_KERNEL_SCOPE_GUARD_H
#define ARSENAL_KERNEL_SCOPE_GUARD_H

#include "kernel/wait.h"

/* [-0, +1] a guard for a call in the task; nil in the task's own coroutine, which needs none. */
void scope_guard_push(lua_State *L, const Task *task);

/*
** The guard at `index` keeps the object that the scope is part of: the collector
** frees nothing that a finalizer, which it calls later, can still reach.
*/
void scope_guard_keep(lua_State *L, int index, int object);

/*
** The guard at `index`, from now on, calls `lost` with the scope when the
** collector finds that the call can't go on; scope_guard_end takes that back.
*/
void scope_guard_begin(lua_State *L, int index, Scope *scope, void (*lost)(Scope *scope));
void scope_guard_end(lua_State *L, int index);

/*
** The coroutine at `index` stops running in the task for now, and goes on. In
** between, the scopes that it has entered are on no task's stack.
*/
void scope_guard_suspend(lua_State *L, int index, Task *task);
void scope_guard_continue(lua_State *L, int index, Task *task);

void scope_guard_open(lua_State *L); /* [-0, +0] */

#endif
