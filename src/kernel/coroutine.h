/*
** Generators: coroutines that user code makes with arsenal.coroutine.
*/
#ifndef ARSENAL_KERNEL_COROUTINE_H
#define ARSENAL_KERNEL_COROUTINE_H

#include <lua.h>
#include <stdbool.h>

struct Task;

/* The coroutine that `co` was resuming when both were suspended; NULL if it was resuming none. */
lua_State *coroutine_inner(lua_State *co);

/* False if user code has closed a coroutine of the waiting task: its stack may be gone. */
bool coroutine_task_is_whole(const struct Task *task);

void coroutine_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
