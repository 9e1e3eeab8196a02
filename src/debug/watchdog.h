/*
** Slow tasks: those that keep the loop for longer than a set time. Floor 1.
*/
#ifndef ARSENAL_SLOW_H
#define ARSENAL_SLOW_H

#include "kernel/task.h"

/* In place of task_resume while loop->slow_limit is set: tells a task that runs for longer. */
void slow_resume(lua_State *L, Loop *loop, Task *task);

void slow_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
