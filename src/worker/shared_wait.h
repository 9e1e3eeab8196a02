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

typedef struct SharedWait {
    SharedWaiter waiter; /* its claim is that of the task */
    Loop *loop;
    ListNode of_loop;
    SharedHandle *object; /* NULL: of a select */
    ListNode of_object;
} SharedWait;

/*
** Starts a wait at the object's channel. With a claim it is one of a select; without
** one it is the only wait of the running task, and opens the task's claim. Returns 0,
** sets *wait, and takes over the parcel, which may be NULL. Otherwise the caller keeps
** the parcel, and the result is a status, or SHARED_RETRY if a wait is not due any more.
*/
enum { SHARED_RETRY = 1 };
int shared_wait_begin(SharedHandle *object, SharedSide side, Parcel *parcel, Claim *claim,
                      SharedWait **wait);

/* After claim_close: ends the wait. Returns its outcome; a parcel that was received is the caller's. */
SharedOutcome shared_wait_end(SharedWait *wait, Parcel **received);

/* The same for a wait whose outcome is dropped: the channel gets back what it has received. */
void shared_wait_undo(SharedWait *wait);

/* Wakes and undoes the waits of an object that is being collected. */
void shared_wait_dismiss(SharedHandle *object);

#endif
