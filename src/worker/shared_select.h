/*
** Shared channels in a select.
*/
#ifndef ARSENAL_WORKER_SHARED_SELECT_H
#define ARSENAL_WORKER_SHARED_SELECT_H

#include "object/selectable.h"

extern const SharedSelectable shared_selectable;

/* (object, value): sends if that needs no wait; otherwise returns 0, no results. */
int shared_attempt_send(lua_State *L);

#endif
