/*
** Descriptions of tasks: where one was started, and what it waits for.
*/
#ifndef ARSENAL_KERNEL_TASK_DESCRIBE_H
#define ARSENAL_KERNEL_TASK_DESCRIBE_H

#include "kernel/wait.h"

void task_push_start(lua_State *L, Task *task); /* [-0, +1] "file:line" where it began, or nil */
bool task_push_wait(lua_State *L, Task *task);  /* [-0, +1 or 0] what it waits for, if it does */

/* [-0, +1] where it was started and what it waits for */
void task_push_description(lua_State *L, Task *task);

#endif
