/*
** Shared waits: the places of a state's tasks at shared channels. They are undone
** when the state ends, so that no channel keeps a waiter that is gone.
*/
#ifndef ARSENAL_WORKER_SHARED_WAIT_H
#define ARSENAL_WORKER_SHARED_WAIT_H

#include "kernel/wait.h"
#include "object/handle.h"
#include "worker/shared_channel.h"

/* The objects of a channel: one in each Lua state that knows it. */
typedef struct SharedHandle {
    Handle handle;
    SharedChannel *channel;
    List waits; /* of recv and send */
} SharedHandle;

/* It starts with a claim: that of a call which waits here and nowhere else. A select has its own. */
typedef struct SharedWait {
    Claim claim;
    SharedWaiter waiter;
    Loop *loop;
    ListNode of_loop;
    SharedHandle *object; /* NULL: of a select */
    ListNode of_object;
} SharedWait;

/*
** Starts a wait at the object's channel. Without a claim it is one of a running task,
** and has a claim of its own. Takes over the parcel, which may be NULL. Returns 0 and
** sets *wait, or returns a status, or SHARED_RETRY if nothing needs to wait any more.
** The caller keeps the parcel unless the result is 0.
*/
enum { SHARED_RETRY = 1 };
int shared_wait_begin(SharedHandle *object, SharedSide side, Parcel *parcel, Claim *claim,
                      SharedWait **wait);

/* After claim_close: ends the wait. Returns its outcome; a parcel that was received is the caller's. */
SharedOutcome shared_wait_end(SharedWait *wait, Parcel **received);

/* The same for one whose outcome nobody takes: what it has received is received by others. */
void shared_wait_undo(SharedWait *wait);

/* Wakes and undoes the waits of an object that the collector has found. */
void shared_wait_dismiss(SharedHandle *object);

#endif
