/*
** Environments: what a worker's Lua state gets from its parent's, so that it finds the
** same modules.
*/
#ifndef ARSENAL_WORKER_ENVIRONMENT_H
#define ARSENAL_WORKER_ENVIRONMENT_H

#include <lua.h>

typedef struct Environment Environment;

/* Takes package.path, package.cpath and the C functions of package.preload from this state. */
Environment *environment_new(lua_State *L, lua_CFunction open_core);

/* [-0, +0] opens Lua's libraries in a new state, and sets what was taken. `require` finds the core. */
void environment_set_up(lua_State *L, const Environment *environment);

void environment_free(Environment *environment);

#endif
