/*
** The turn: runs the tasks that are ready, then polls for I/O events and fires
** timers.
*/
#ifndef ARSENAL_EVENT_TURN_H
#define ARSENAL_EVENT_TURN_H

#include "kernel/loop.h"

enum { POLL_TASKS = 32 }; /* tasks that run between two polls, while any is ready */

/*
** Runs the tasks that are ready, flushes the outbox, and polls; if no task is ready
** then, for at most `timeout` nanoseconds. Returns how many tasks ran.
*/
unsigned turn_once(lua_State *L, Loop *loop, uint64_t timeout);

/*
** For a caller that turns again and again: flushes the outbox and polls if that is
** due; without a time limit if no task is ready. Returns the clock's tick. At its end
** the caller flushes the outbox.
*/
uint64_t turn_poll_if_due(Loop *loop);

/*
** Runs the tasks that are ready, so that the caller sees next what they have done. A
** poll is due next, and the rest of the tasks run after it, once `tick` is over: a few
** milliseconds after the last poll.
*/
void turn_briskly(lua_State *L, Loop *loop, uint64_t tick);

/* Follows the last turn_briskly: other threads reach the loop while it makes no turns, too. */
void turn_leave(const Loop *loop);

/* Whether all tasks wait for other Lua states, and these do as well: see inbox_take_stuck. */
bool turn_take_stuck(const Loop *loop);

static inline bool turn_poll_is_due(const Loop *loop) {
    return loop->ready == 0 || loop->unpolled >= POLL_TASKS;
}

/* The next turn polls, although tasks are ready. */
static inline void turn_poll_next(Loop *loop) {
    loop->unpolled += POLL_TASKS;
}

/* The longest time, in ns, that tasks kept the loop from polling since the last call of this. */
uint64_t turn_take_lag(Loop *loop);

void turn_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
