/*
** Blocking calls: what other files need to know of the Lua states that serve them.
*/
#ifndef ARSENAL_WORKER_BLOCKING_H
#define ARSENAL_WORKER_BLOCKING_H

#include "event/inbox.h"

#include <lua.h>

/* Whether the Lua state was made to run blocking calls. */
bool blocking_is_state(lua_State *L);

/*
** The crew of the workers and calls that this state starts; NULL: no memory. It is the
** loop's own, except in a state of blocking calls: what these start is of their caller's
** crew, because they never rest.
*/
struct Crew *blocking_crew(lua_State *L, Inbox *inbox);

#endif
