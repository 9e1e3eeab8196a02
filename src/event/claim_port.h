/*
** Claim ports: the life of claims, and how a thread wakes a task of another one
** whose claim it has taken. See kernel/claim.h.
*/
#ifndef ARSENAL_EVENT_CLAIM_PORT_H
#define ARSENAL_EVENT_CLAIM_PORT_H

#include "kernel/claim.h"
#include "kernel/wait.h"

/* --- in the thread of the task --- */

/* Opens a claim for a task that is about to wait. Returns 0 or a status. */
int claim_begin(Claim *claim, Task *task);

/* The end of a claim that was closed or taken, and that no other thread can reach any more. NONE: does nothing. */
void claim_end(Claim *claim);

/* --- in any thread --- */

/*
** After claim_take: the task was served, and is woken. Both calls are made under a
** lock that the task's own thread needs before it ends the claim. `here` is the loop
** of the calling thread, or NULL.
*/
void claim_won(Claim *claim, const Loop *here);

#endif
