/*
** Starting: what a Lua state needs before it can run tasks.
*/
#ifndef ARSENAL_KERNEL_START_H
#define ARSENAL_KERNEL_START_H

#include <lua.h>

/*
** [-0, +1] Pushes the table of arsenal.core. If there is none yet, it is made, and so is
** what tasks need that do not wait. core.c makes the rest, once Lua code asks for it.
*/
void kernel_start(lua_State *L);

#endif
