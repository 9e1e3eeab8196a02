/*
** Groups: scopes that own tasks. What a failure means is up to the Lua function
** given to each.
*/
#ifndef ARSENAL_TASK_GROUP_H
#define ARSENAL_TASK_GROUP_H

#include "kernel/wait.h"

typedef struct Group Group;

Group *group_check(lua_State *L, int index);
unsigned group_count(const Group *group); /* of active tasks */
void group_cancel_tasks(Group *group);

void group_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
