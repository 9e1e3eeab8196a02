/*
** Blocking calls: what else is to be known of their Lua states.
*/
#ifndef ARSENAL_WORKER_BLOCKING_H
#define ARSENAL_WORKER_BLOCKING_H

#include "event/inbox.h"

#include <lua.h>

/* Whether this is such a state. */
bool blocking_is_state(lua_State *L);

/*
** The crew of what this state starts; NULL: no memory. It is the loop's own, except in a
** state of blocking calls: these never rest, and what they start is of their caller's crew.
*/
struct Crew *blocking_crew(lua_State *L, Inbox *inbox);

#endif
