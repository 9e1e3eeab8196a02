/*
** Claim ports: the life of claims, and how a thread wakes a task of another one
** whose claim it has taken. See kernel/claim.h.
*/
#ifndef ARSENAL_EVENT_CLAIM_PORT_H
#define ARSENAL_EVENT_CLAIM_PORT_H

#include "event/inbox.h"
#include "kernel/claim.h"
#include "kernel/wait.h"

/* --- in the thread of the task --- */

/* Opens the claim of a task that is about to wait. Returns 0 or a status. */
int claim_begin(Task *task);

/* No other thread can reach the claim any more: it was closed or taken, or nothing was waited on. */
void claim_end(Claim *claim);

/* --- in any thread --- */

/*
** After claim_take: the task was served, and is woken. Both calls are made under a
** lock that the task's own thread needs before it ends the claim. `here` is the loop
** of the calling thread, or NULL. `later`: see inbox_post_later.
*/
void claim_won(Claim *claim, const Loop *here, InboxWakes *later);

#endif
