/*
** Events that other files set.
*/
#ifndef ARSENAL_SYNC_EVENT_H
#define ARSENAL_SYNC_EVENT_H

#include <lua.h>

typedef struct Event Event;

Event *event_push_new(lua_State *L); /* [-0, +1] an event that is not set */

/* Makes the event set, also a closed one, and ends every wait for it. Runs no Lua code. */
void event_set(Event *event);

void event_open(lua_State *L); /* [-0, +0] */

#endif
