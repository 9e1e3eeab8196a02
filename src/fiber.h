/*
** Fibers: the coroutines that tasks run in, one task after another, and what
** keeps a task and its coroutine from the collector. Floor 1.
*/
#ifndef ARSENAL_FIBER_H
#define ARSENAL_FIBER_H

#include "loop.h"

struct Task;

/* Pins the new task whose object is on top of the stack, and gives it a coroutine. [-0, +0] */
void fiber_take(lua_State *L, Loop *loop, struct Task *task);

/* Its task has ended: it is unpinned, and the coroutine kept for another one if it is reusable. */
void fiber_leave(lua_State *L, Loop *loop, struct Task *task, bool reusable);

/* [-0, +1] the object of a task that has not ended */
void task_push(lua_State *L, struct Task *task);

void fibers_free(Loop *loop);
void fiber_open(lua_State *L); /* [-0, +0] */

#endif
