/*
** Nudges: another thread makes the task that runs in a loop's thread call a
** function soon, even if that task computes and never waits.
*/
#ifndef ARSENAL_EVENT_NUDGE_H
#define ARSENAL_EVENT_NUDGE_H

#include "kernel/loop.h"

/*
** Called in the loop's thread, before its first task: from here on nudge_thread makes
** `hook` the debug hook of the task that is running, if one is. It is called at the
** next instruction. The hook is the same in all calls of this.
*/
void nudge_accept(Loop *loop, lua_Hook hook);

void nudge_refuse(void); /* called in the same thread: nudges do nothing any more */

/* The thread must not have ended. */
void nudge_thread(uv_thread_t thread);

#endif
