/*
** Fibers: tasks' memory with the coroutines they run in, for one task after
** another. Making a coroutine is what a task costs most, so some are kept.
*/
#ifndef ARSENAL_KERNEL_TASK_POOL_H
#define ARSENAL_KERNEL_TASK_POOL_H

#include "kernel/loop.h"

struct Task;

/*
** The task that task_pool_take is going to take: one that has ended, with a
** coroutine that has room for the function and n arguments. [-0, +0] It may be
** another one after the next allocation, which may run finalizers that start tasks.
*/
struct Task *task_pool_prepare(lua_State *L, Loop *loop, int n);
void task_pool_take(Loop *loop);

/* Its task has ended; the coroutine is kept if it is reusable. [-0, +0] */
void task_pool_return(lua_State *L, struct Task *task, bool reusable);

void task_pool_open(lua_State *L); /* [-0, +0] */

#endif
