/*
** Groups: tasks that end before the call that has opened the group returns.
*/
#ifndef ARSENAL_TASK_GROUP_H
#define ARSENAL_TASK_GROUP_H

#include <lua.h>

/* Raises an error unless a group that can get tasks is at `index`. */
void group_check_open(lua_State *L, int index);

/* group:go(fn, ...) starts a task that ends before the group does. */
int group_go(lua_State *L);

void group_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
