/*
** Time limits and shields: scopes that `timeout` and `shield` put on a task's
** stack.
*/
#ifndef ARSENAL_TASK_TIMEOUT_H
#define ARSENAL_TASK_TIMEOUT_H

#include <lua.h>

void timeout_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
