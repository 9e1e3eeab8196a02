/*
** The watchdog: reports tasks that run for longer than a set time without
** waiting.
*/
#ifndef ARSENAL_DEBUG_WATCHDOG_H
#define ARSENAL_DEBUG_WATCHDOG_H

#include <lua.h>

void watchdog_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
