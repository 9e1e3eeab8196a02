/*
** Groups: scopes that own tasks. What a failure means is up to the Lua
** function given to each.
*/
#ifndef ARSENAL_TASK_GROUP_H
#define ARSENAL_TASK_GROUP_H

#include "kernel/task.h"

/* Tells the group of a task that it has ended; `object`, its own, and `attachment` are indices or 0. */
void group_task_ended(lua_State *L, Task *task, int object, int attachment);

typedef struct Group Group;

Group *group_check(lua_State *L, int index);
unsigned group_count(const Group *group); /* of active tasks */
void group_cancel_tasks(Group *group);

void group_abandon(Scope *scope); /* leaves a group whose call will never return */

void group_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
