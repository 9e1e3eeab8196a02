/*
** Owns the list of a state's waits at shared channels, and their memory.
*/
#include "worker/shared_wait.h"

#include "base/error.h"
#include "event/claim_port.h"

#include <stdlib.h>

typedef struct WaitsPart {
    LoopPart part;
    List waits;
} WaitsPart;

static const char part_key;

static SharedWait *shared_wait_of_loop(ListNode *node) {
    return container_of(node, SharedWait, of_loop);
}

static SharedWait *shared_wait_of_object(ListNode *node) {
    return container_of(node, SharedWait, of_object);
}

/* --- the end of a wait that its channel has let go of --- */

static void shared_wait_free(SharedWait *wait) {
    List *waits = &((WaitsPart *)loop_part(wait->loop, &part_key))->waits;
    list_remove(waits, &wait->of_loop);
    if (wait->object != NULL) list_remove(&wait->object->waits, &wait->of_object);
    if (wait->object != NULL) claim_end(wait->waiter.claim);
    shared_channel_release(wait->waiter.channel);
    free(wait);
}

/* The channel gets back what a receiver has got. The parcel of a sender has not departed. */
static void shared_wait_drop_parcel(const SharedWaiter *waiter, const Loop *here) {
    if (waiter->parcel == NULL) return;
    if (waiter->side == SHARED_RECEIVER)
        shared_channel_give_back(waiter->channel, waiter->parcel, here);
    else
        parcel_free(waiter->parcel);
}

SharedOutcome shared_wait_end(SharedWait *wait, Parcel **received) {
    SharedWaiter *waiter = &wait->waiter;
    shared_channel_leave(waiter);
    SharedOutcome outcome = waiter->outcome;
    *received = NULL;
    if (waiter->side == SHARED_RECEIVER)
        *received = waiter->parcel;
    else
        shared_wait_drop_parcel(waiter, wait->loop);
    shared_wait_free(wait);
    return outcome;
}

void shared_wait_undo(SharedWait *wait) {
    shared_channel_leave(&wait->waiter);
    shared_wait_drop_parcel(&wait->waiter, wait->loop);
    shared_wait_free(wait);
}

void shared_wait_dismiss(SharedHandle *object) {
    while (object->waits.first != NULL) {
        SharedWait *wait = shared_wait_of_object(object->waits.first);
        Task *task = wait->waiter.claim->task;
        claim_close(wait->waiter.claim);
        shared_wait_undo(wait);
        task->object = NULL;
        waiter_wake(&task->waiter, ARSENAL_CLOSED);
    }
}

/* --- the end of the state --- */

/* No claim is ended: the loop is closed, and all claims end with it. */
static void shared_wait_close_part(LoopPart *part, Loop *loop) {
    WaitsPart *waits = container_of(part, WaitsPart, part);
    ListNode *node = loop->forked ? NULL : waits->waits.first;
    for (; node != NULL; node = list_next(&waits->waits, node)) {
        SharedWait *wait = shared_wait_of_loop(node);
        claim_close(wait->waiter.claim);
        shared_channel_leave(&wait->waiter);
    }
    while (!loop->forked && (node = waits->waits.first) != NULL) {
        SharedWait *wait = shared_wait_of_loop(node);
        list_remove(&waits->waits, node);
        if (wait->object != NULL) list_remove(&wait->object->waits, &wait->of_object);
        shared_wait_drop_parcel(&wait->waiter, NULL);
        shared_channel_release(wait->waiter.channel);
        free(wait);
    }
    free(waits);
}

/* --- the beginning --- */

static WaitsPart *shared_wait_part(Loop *loop) {
    return loop_need_part(loop, &part_key, sizeof(WaitsPart), shared_wait_close_part);
}

static void shared_wait_link(SharedWait *wait, WaitsPart *part, SharedHandle *object) {
    list_append(&part->waits, &wait->of_loop);
    shared_channel_hold(wait->waiter.channel);
    if (wait->object != NULL) list_append(&object->waits, &wait->of_object);
}

/* The claim's port must be there before the part is added, because the part is to be closed first. */
int shared_wait_begin(SharedHandle *object, SharedSide side, Parcel *parcel, Claim *claim,
                      SharedWait **started) {
    Loop *loop = object->handle.loop;
    SharedWait *wait = calloc(1, sizeof *wait);
    if (wait == NULL) return UV_ENOMEM;
    bool is_alone = claim == NULL;
    int status = is_alone ? claim_begin(loop->running) : 0;
    WaitsPart *part = status == 0 ? shared_wait_part(loop) : NULL;
    if (part == NULL) {
        if (is_alone && status == 0) claim_end(loop->running->claim);
        free(wait);
        return UV_ENOMEM;
    }
    wait->loop = loop;
    wait->object = is_alone ? object : NULL;
    wait->waiter = (SharedWaiter){.channel = object->channel,
                                  .side = side,
                                  .claim = is_alone ? loop->running->claim : claim,
                                  .parcel = parcel};
    shared_wait_link(wait, part, object);
    if (shared_channel_watch(&wait->waiter, loop)) {
        *started = wait;
        return 0;
    }
    shared_wait_free(wait);
    return SHARED_RETRY;
}
