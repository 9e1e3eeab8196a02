/*
** Shared channels: values handed from Lua state to Lua state, in order. A channel is
** memory that no state owns, and that each object of it holds. Values are parcels.
** A new sender serves a waiting receiver, and a new receiver a waiting sender, also
** across threads. All functions may be called in any thread.
*/
#ifndef ARSENAL_WORKER_SHARED_CHANNEL_H
#define ARSENAL_WORKER_SHARED_CHANNEL_H

#include "kernel/claim.h"
#include "kernel/loop.h"
#include "worker/parcel.h"

typedef struct SharedChannel SharedChannel;

SharedChannel *shared_channel_new(unsigned capacity); /* NULL: no memory */
void shared_channel_hold(SharedChannel *channel);

/* The last holder frees it, with the values in it. A value that is the channel itself does not hold it. */
void shared_channel_release(SharedChannel *channel);

/* The same for a channel on its way to another state, as `discard` of its crossing: see crossing.h. */
void shared_channel_discard(void *channel);

typedef struct SharedState {
    unsigned count, capacity;
    bool is_closed;
} SharedState;

SharedState shared_channel_state(SharedChannel *channel);

/* --- without a wait; `here` is the loop of the calling thread --- */

typedef enum SharedAnswer { SHARED_DONE, SHARED_CLOSED, SHARED_WAITS } SharedAnswer;

/* SHARED_DONE: the parcel, which had not departed, is the channel's. Otherwise it is still the caller's. */
SharedAnswer shared_channel_give(SharedChannel *channel, Parcel *parcel, const Loop *here);

/* SHARED_DONE: *parcel is the caller's. */
SharedAnswer shared_channel_take(SharedChannel *channel, Parcel **parcel, const Loop *here);

/* Makes a parcel that was received the next one to be received. `here` may be NULL. */
void shared_channel_give_back(SharedChannel *channel, Parcel *parcel, const Loop *here);

/* Ends sending. Values in the channel can still be received. */
void shared_channel_close(SharedChannel *channel, const Loop *here);

/* --- waiting --- */

typedef enum SharedSide {
    SHARED_RECEIVER,
    SHARED_SENDER,  /* its parcel is received from it */
    SHARED_KNOCKER, /* a sender that is woken to try again: its parcel departs in its own thread */
} SharedSide;

typedef enum SharedOutcome {
    SHARED_NOTHING, /* nobody has served it */
    SHARED_SERVED,  /* a receiver has a parcel, or that of a sender was received */
    SHARED_ENDED,   /* the channel was closed */
    SHARED_TRY_AGAIN,
} SharedOutcome;

typedef struct SharedWaiter {
    SharedChannel *channel;
    SharedSide side;
    Claim *claim;

    /* the channel's lock guards these while the waiter is in a list */
    Parcel *parcel;
    SharedOutcome outcome;
    List *list; /* or NULL */
    ListNode node;
} SharedWaiter;

/*
** Lets the waiter wait, with an open claim. Returns false if an attempt would succeed
** instead, because the channel has changed since the last one.
*/
bool shared_channel_watch(SharedWaiter *waiter, const Loop *here);

/* The waiter waits no more. What has happened to it does not change any more. */
void shared_channel_leave(SharedWaiter *waiter);

#endif
