/*
** Slow tasks: those that keep the loop for longer than a set time.
*/
#ifndef ARSENAL_DEBUG_WATCHDOG_H
#define ARSENAL_DEBUG_WATCHDOG_H

#include "kernel/task.h"

/* In place of task_step while loop->watchdog_limit is set: tells a task that runs for longer. */
void watchdog_resume(lua_State *L, Loop *loop, Task *task);

void watchdog_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
