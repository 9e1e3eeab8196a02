/*
** Blocking calls: what other files need to know of the Lua states that serve them.
*/
#ifndef ARSENAL_WORKER_BLOCKING_H
#define ARSENAL_WORKER_BLOCKING_H

#include "event/inbox.h"

#include <lua.h>

/* Whether the state serves blocking calls. */
bool blocking_is_state(lua_State *L);

/*
** The crew of what this state starts; NULL: no memory. It is the loop's own, except in a
** state of blocking calls: these never rest, and what they start is of their caller's crew.
*/
struct Crew *blocking_crew(lua_State *L, Inbox *inbox);

#endif
