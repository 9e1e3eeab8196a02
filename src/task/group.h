/*
** Groups: tasks that end before the call that has opened the group returns.
*/
#ifndef ARSENAL_TASK_GROUP_H
#define ARSENAL_TASK_GROUP_H

#include "kernel/wait.h"

/* Raises an error unless a group that can get tasks is at `index`. */
void group_check_open(lua_State *L, int index);

/* group:go(fn, ...) starts a task that ends before the group does. */
int group_go(lua_State *L);

/*
** [-(n + 1), +0] starts a task of the open group at `index`, for the function and its n
** arguments on top. When the task ends, its owner closes the value at the index `attachment`,
** if that is not 0. A file may put an owner of its own in that one's place, and calls that one
** when the task has ended.
*/
Task *group_spawn(lua_State *L, int index, int n, int attachment);

void group_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
