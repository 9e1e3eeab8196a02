/*
** The turn: runs the tasks that are ready, then polls for I/O events and fires
** timers.
*/
#ifndef ARSENAL_EVENT_TURN_H
#define ARSENAL_EVENT_TURN_H

#include "kernel/loop.h"

enum { POLL_TASKS = 32 }; /* run between two polls, while any is ready */

/* Runs the tasks that are ready, then polls, at most `timeout` ns if none is ready; returns how many ran. */
unsigned turn_once(lua_State *L, Loop *loop, uint64_t timeout);

/*
** The same for a caller that goes on turning: polls only if that is due, and
** first, so that the caller sees what the tasks have done; waits for an event
** if no task is ready.
*/
void turn_briskly(lua_State *L, Loop *loop);

static inline bool turn_poll_is_due(const Loop *loop) {
    return loop->ready == 0 || loop->unpolled >= POLL_TASKS;
}

/* The longest time, in ns, that tasks kept the loop from polling since the last call of this. */
uint64_t turn_take_lag(Loop *loop);

void turn_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
