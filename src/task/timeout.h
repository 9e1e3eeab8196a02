/*
** Limits: the scopes that `timeout` and `shield` put on a task's stack.
*/
#ifndef ARSENAL_TASK_TIMEOUT_H
#define ARSENAL_TASK_TIMEOUT_H

#include "kernel/loop.h"

void timeout_abandon(Scope *scope); /* leaves a scope whose call will never return */
void timeout_scopes_free(Loop *loop);
void timeout_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
