/*
** Preparation: what a listener's connections go through, each in a task of the
** listener's own, before accept gives them out. Floor 4.
*/
#ifndef ARSENAL_PREPARATION_H
#define ARSENAL_PREPARATION_H

#include "stream/stream.h"

typedef struct Preparation Preparation;

/* [-0, +1] pushes a stream that is done, of the listener at `index`; false without one. */
bool preparation_take(lua_State *L, Preparation *preparation, int index);

/* [-1, +0] starts on the stream on top, for the listener at `index`. */
void preparation_start(lua_State *L, int index);

/* Whether so many are under way or unclaimed that no more should be accepted. */
bool preparation_is_full(const Preparation *preparation);

/* The listener is closed: so is what nobody has accepted, and what is under way is cancelled. */
void preparation_end(Preparation *preparation, const Loop *loop);

void preparation_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
