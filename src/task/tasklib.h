/*
** The functions of tasks: starting, joining and cancelling them, and the waits
** that need nothing but a task.
*/
#ifndef ARSENAL_TASK_TASKLIB_H
#define ARSENAL_TASK_TASKLIB_H

#include <lua.h>

void tasklib_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
