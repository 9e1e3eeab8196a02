/*
** Owns the values in shared channels, and who waits at them. One lock for each
** channel guards all of it. While it is held, claims are taken and tasks are woken:
** the locks of claim ports and inboxes are taken inside it. The threads of these tasks
** are woken after it.
*/
#include "worker/shared_channel.h"

#include "base/container_of.h"
#include "event/claim_port.h"
#include "worker/parcel_layout.h"

#include <stdlib.h>

struct SharedChannel {
    atomic_uint holders; /* the values that are stored in the channel itself do not count */
    unsigned capacity;
    SharedChannel *next_dead;

    uv_mutex_t lock; /* guards what follows */
    bool is_closed;
    unsigned count; /* it may exceed the capacity: see shared_channel_give_back */
    uint64_t sent;  /* parcels so far */
    Parcel *first, *last;
    List receivers; /* only while there is nothing to receive */
    List senders;   /* only while there is no room */
    List knockers;
    InboxWakes wakes; /* of the tasks that were served since it was locked */
};

/* Wakes the loops of other threads, which need the lock next. */
static void shared_unlock_and_wake(SharedChannel *channel) {
    InboxWakes wakes = channel->wakes;
    channel->wakes.count = 0;
    uv_mutex_unlock(&channel->lock);
    inbox_wake_all(&wakes);
}

static void shared_unlock(SharedChannel *channel) {
    if (channel->wakes.count > 0)
        shared_unlock_and_wake(channel);
    else
        uv_mutex_unlock(&channel->lock);
}

/* --- its memory --- */

SharedChannel *shared_channel_new(unsigned capacity) {
    SharedChannel *channel = calloc(1, sizeof *channel);
    if (channel == NULL) return NULL;
    if (uv_mutex_init(&channel->lock) != 0) {
        free(channel);
        return NULL;
    }
    atomic_init(&channel->holders, 1);
    channel->capacity = capacity;
    return channel;
}

void shared_channel_hold(SharedChannel *channel) {
    atomic_fetch_add(&channel->holders, 1);
}

/* True if nobody holds it any more. */
static bool shared_let_go_of(SharedChannel *channel) {
    return atomic_fetch_sub(&channel->holders, 1) == 1;
}

/*
** The parcel of a dead channel may have been the last to hold other channels. These are
** added to the list, so that a long chain is freed without recursion.
*/
static void shared_free_parcel(SharedChannel *channel, Parcel *parcel, SharedChannel **dead) {
    for (ParcelCargo *each = parcel->cargo; each < parcel->cargo + parcel->cargos; each++) {
        if (each->crossing->discard != shared_channel_discard) continue;
        SharedChannel *other = each->cargo;
        each->cargo = NULL;
        if (other == channel || !shared_let_go_of(other)) continue;
        other->next_dead = *dead;
        *dead = other;
    }
    parcel_free(parcel);
}

static void shared_free(SharedChannel *channel, SharedChannel **dead) {
    for (Parcel *parcel = channel->first, *next; parcel != NULL; parcel = next) {
        next = parcel->next;
        shared_free_parcel(channel, parcel, dead);
    }
    uv_mutex_destroy(&channel->lock);
    free(channel);
}

void shared_channel_release(SharedChannel *channel) {
    SharedChannel *dead = channel;
    if (!shared_let_go_of(channel)) return;
    channel->next_dead = NULL;
    while (dead != NULL) {
        channel = dead;
        dead = channel->next_dead;
        shared_free(channel, &dead);
    }
}

void shared_channel_discard(void *channel) {
    shared_channel_release(channel);
}

SharedState shared_channel_state(SharedChannel *channel) {
    uv_mutex_lock(&channel->lock);
    SharedState state = {.count = channel->count,
                         .capacity = channel->capacity,
                         .is_closed = channel->is_closed};
    uv_mutex_unlock(&channel->lock);
    return state;
}

/* --- the rest of this file, up to the functions in the header: the lock is held --- */

/* Returns how many of the parcel's values are the channel itself. */
static unsigned shared_own_values(const SharedChannel *channel, const Parcel *parcel) {
    unsigned count = 0;
    for (uint32_t i = 0; i < parcel->cargos; i++)
        count += parcel->cargo[i].cargo == channel;
    return count;
}

/*
** A channel could not be freed if values in it held it. So such values give up their hold
** while they are stored; the caller holds the channel.
*/
static void shared_store(SharedChannel *channel, Parcel *parcel, Parcel **place) {
    parcel->next = *place;
    *place = parcel;
    if (parcel->next == NULL) channel->last = parcel;
    channel->count++;
    atomic_fetch_sub(&channel->holders, shared_own_values(channel, parcel));
}

static void shared_append(SharedChannel *channel, Parcel *parcel) {
    shared_store(channel, parcel, channel->first == NULL ? &channel->first : &channel->last->next);
}

/* Several may be given back in any order: each goes before those that were sent later. */
static void shared_put_back(SharedChannel *channel, Parcel *parcel) {
    Parcel **place = &channel->first;
    while (*place != NULL && (*place)->order < parcel->order)
        place = &(*place)->next;
    shared_store(channel, parcel, place);
}

static Parcel *shared_remove_first(SharedChannel *channel) {
    Parcel *parcel = channel->first;
    channel->first = parcel->next;
    channel->count--;
    atomic_fetch_add(&channel->holders, shared_own_values(channel, parcel));
    return parcel;
}

/* --- waiters --- */

static SharedWaiter *shared_waiter_of(ListNode *node) {
    return container_of(node, SharedWaiter, node);
}

static void shared_unlink(SharedWaiter *waiter) {
    list_remove(waiter->list, &waiter->node);
    waiter->list = NULL;
}

/* Takes the claim of the first waiter that has an open one, and returns that waiter; NULL: none has. */
static SharedWaiter *shared_claim_first(List *list) {
    while (list->first != NULL) {
        SharedWaiter *waiter = shared_waiter_of(list->first);
        shared_unlink(waiter);
        if (claim_take(waiter->claim)) return waiter;
    }
    return NULL;
}

/* Whether one of them has an open claim, other than this one. */
static bool shared_has_other(const List *list, const Claim *claim) {
    for (ListNode *node = list->first; node != NULL; node = list_next(list, node)) {
        const SharedWaiter *waiter = shared_waiter_of(node);
        if (waiter->claim != claim && claim_is_open(waiter->claim)) return true;
    }
    return false;
}

/* Of one whose claim was taken. */
static void shared_serve(SharedWaiter *waiter, SharedOutcome outcome, const Loop *here) {
    waiter->outcome = outcome;
    claim_won(waiter->claim, here, &waiter->channel->wakes);
}

static void shared_serve_all(List *list, SharedOutcome outcome, const Loop *here) {
    SharedWaiter *waiter;
    while ((waiter = shared_claim_first(list)) != NULL)
        shared_serve(waiter, outcome, here);
}

/*
** A sender may succeed at this moment. All knockers are woken, because a single one might
** not try again. The knocker with the claim of the receiver that has come, if one has, is
** left out: both are of one select.
*/
static void shared_answer_knocks(SharedChannel *channel, const SharedWaiter *receiver,
                                 const Loop *here) {
    ListNode *node = channel->knockers.first, *next;
    for (; node != NULL; node = next) {
        SharedWaiter *knocker = shared_waiter_of(node);
        next = list_next(&channel->knockers, node);
        if (receiver != NULL && receiver->claim == knocker->claim) continue;
        shared_unlink(knocker);
        if (claim_take(knocker->claim)) shared_serve(knocker, SHARED_TRY_AGAIN, here);
    }
}

/* Serves the receiver that has waited longest; false: none waits. */
static bool shared_give_to_waiting(SharedChannel *channel, Parcel *parcel, const Loop *here) {
    SharedWaiter *receiver = shared_claim_first(&channel->receivers);
    if (receiver == NULL) return false;
    receiver->parcel = parcel;
    shared_serve(receiver, SHARED_SERVED, here);
    return true;
}

/* Returns the parcel of the sender that has waited longest, whose send ends then; NULL: none waits. */
static Parcel *shared_take_from_waiting(SharedChannel *channel, const Loop *here) {
    SharedWaiter *sender = shared_claim_first(&channel->senders);
    if (sender == NULL) return NULL;
    Parcel *parcel = sender->parcel;
    sender->parcel = NULL;
    parcel->order = ++channel->sent;
    shared_serve(sender, SHARED_SERVED, here);
    return parcel;
}

/* Moves values of waiting senders into the free room. */
static void shared_fill_room(SharedChannel *channel, const Loop *here) {
    Parcel *parcel;
    while (channel->count < channel->capacity &&
           (parcel = shared_take_from_waiting(channel, here)) != NULL)
        shared_append(channel, parcel);
    if (channel->count < channel->capacity) shared_answer_knocks(channel, NULL, here);
}

/* A receiver is claimed before the parcel departs, because its claim may turn out to be closed. */
static bool shared_give(SharedChannel *channel, Parcel *parcel, const Loop *here) {
    bool is_given = shared_give_to_waiting(channel, parcel, here);
    if (!is_given && channel->count >= channel->capacity) return false;
    parcel_depart(parcel);
    parcel->order = ++channel->sent;
    if (!is_given) shared_append(channel, parcel);
    return true;
}

static Parcel *shared_take(SharedChannel *channel, const Loop *here) {
    if (channel->count == 0) return shared_take_from_waiting(channel, here);
    Parcel *parcel = shared_remove_first(channel);
    shared_fill_room(channel, here);
    return parcel;
}

/* Whether an attempt of this waiter would find something to do. */
static bool shared_is_ready(const SharedChannel *channel, const SharedWaiter *waiter) {
    if (channel->is_closed) return true;
    if (waiter->side == SHARED_RECEIVER)
        return channel->count > 0 || shared_has_other(&channel->senders, waiter->claim);
    return channel->count < channel->capacity ||
           shared_has_other(&channel->receivers, waiter->claim);
}

static List *shared_list_of(SharedChannel *channel, SharedSide side) {
    if (side == SHARED_RECEIVER) return &channel->receivers;
    return side == SHARED_SENDER ? &channel->senders : &channel->knockers;
}

static void shared_link(SharedChannel *channel, SharedWaiter *waiter, const Loop *here) {
    waiter->list = shared_list_of(channel, waiter->side);
    list_append(waiter->list, &waiter->node);
    if (waiter->side == SHARED_RECEIVER) shared_answer_knocks(channel, waiter, here);
}

/* --- the functions in the header, which take the lock --- */

SharedAnswer shared_channel_give(SharedChannel *channel, Parcel *parcel, const Loop *here) {
    SharedAnswer answer = SHARED_CLOSED;
    uv_mutex_lock(&channel->lock);
    if (!channel->is_closed)
        answer = shared_give(channel, parcel, here) ? SHARED_DONE : SHARED_WAITS;
    shared_unlock(channel);
    return answer;
}

SharedAnswer shared_channel_take(SharedChannel *channel, Parcel **parcel, const Loop *here) {
    uv_mutex_lock(&channel->lock);
    *parcel = shared_take(channel, here);
    bool is_closed = channel->is_closed;
    shared_unlock(channel);
    if (*parcel != NULL) return SHARED_DONE;
    return is_closed ? SHARED_CLOSED : SHARED_WAITS;
}

void shared_channel_give_back(SharedChannel *channel, Parcel *parcel, const Loop *here) {
    uv_mutex_lock(&channel->lock);
    if (!shared_give_to_waiting(channel, parcel, here)) shared_put_back(channel, parcel);
    shared_unlock(channel);
}

void shared_channel_close(SharedChannel *channel, const Loop *here) {
    uv_mutex_lock(&channel->lock);
    channel->is_closed = true;
    shared_serve_all(&channel->receivers, SHARED_ENDED, here);
    shared_serve_all(&channel->senders, SHARED_ENDED, here);
    shared_serve_all(&channel->knockers, SHARED_ENDED, here);
    shared_unlock(channel);
}

bool shared_channel_watch(SharedWaiter *waiter, const Loop *here) {
    SharedChannel *channel = waiter->channel;
    uv_mutex_lock(&channel->lock);
    bool has_to_wait = !shared_is_ready(channel, waiter);
    if (has_to_wait) shared_link(channel, waiter, here);
    shared_unlock(channel);
    return has_to_wait;
}

void shared_channel_leave(SharedWaiter *waiter) {
    SharedChannel *channel = waiter->channel;
    uv_mutex_lock(&channel->lock);
    if (waiter->list != NULL) shared_unlink(waiter);
    shared_unlock(channel);
}
