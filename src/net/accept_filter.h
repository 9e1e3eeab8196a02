/*
** AcceptFilter: what a listener's connections go through, each in a task of the
** listener's own, before accept gives them out.
*/
#ifndef ARSENAL_NET_ACCEPT_FILTER_H
#define ARSENAL_NET_ACCEPT_FILTER_H

#include "stream/stream.h"

typedef struct AcceptFilter AcceptFilter;

/* [-0, +1] pushes a stream that is done, of the listener at `index`; false without one. */
bool accept_filter_take(lua_State *L, AcceptFilter *accept_filter, int index);

/* [-1, +0] starts on the stream on top, for the listener at `index`. */
void accept_filter_start(lua_State *L, int index);

/* Whether so many are under way or unclaimed that no more should be accepted. */
bool accept_filter_is_full(const AcceptFilter *accept_filter);

/* The listener is closed: so is what nobody has accepted, and what is under way is cancelled. */
void accept_filter_end(AcceptFilter *accept_filter, const Loop *loop);

void accept_filter_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
