/*
** Limits: the scopes that `timeout` and `shield` put on a task's stack. Floor 1.
*/
#ifndef ARSENAL_LIMIT_H
#define ARSENAL_LIMIT_H

#include "kernel/loop.h"

void limit_abandon(Scope *scope); /* leaves a scope whose call will never return */
void limits_free(Loop *loop);
void limit_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
