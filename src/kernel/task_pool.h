/*
** The task pool: tasks' memory, used for one task after another. Coroutines are
** not used again, because user code may have kept one.
*/
#ifndef ARSENAL_KERNEL_TASK_POOL_H
#define ARSENAL_KERNEL_TASK_POOL_H

#include "kernel/wait.h"

/* [-0, +0] a task with a new coroutine that has room for the body, a function and n arguments. */
Task *task_pool_take(lua_State *L, Loop *loop, int n);

/* [-0, +0] Takes back the memory of a task that has ended and whose coroutine is not running. */
void task_pool_return(lua_State *L, Task *task);

void task_pool_open(lua_State *L); /* [-0, +0] */

#endif
