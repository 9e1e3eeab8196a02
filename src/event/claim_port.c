/*
** Owns how other threads wake the tasks whose claims they have taken: for each loop
** a list of these claims, and one message at a time in the loop's inbox.
*/
#include "event/claim_port.h"

#include "event/inbox.h"

#include <stdlib.h>

/* The loop and the message in its inbox hold it. */
typedef struct ClaimPort {
    Loop *loop;
    Inbox *inbox;
    InboxMessage message;

    uv_mutex_t lock; /* guards what follows */
    List taken;
    bool is_posted;
    unsigned holders;
} ClaimPort;

typedef struct ClaimPart {
    LoopPart part;
    ClaimPort *port;
    List claims; /* of all tasks */
} ClaimPart;

static const char claim_key;

static Claim *claim_of(ListNode *node) {
    return container_of(node, Claim, node);
}

/* --- the port --- */

static void claim_release_port(ClaimPort *port) {
    uv_mutex_lock(&port->lock);
    bool is_unused = --port->holders == 0;
    uv_mutex_unlock(&port->lock);
    if (!is_unused) return;
    uv_mutex_destroy(&port->lock);
    inbox_release(port->inbox);
    free(port);
}

static void claim_wake(const Claim *claim) {
    waiter_wake(&claim->task->waiter, 0);
}

/* Returns a claim that has left the list, or NULL: then the next one needs a new message. */
static Claim *claim_take_listed(ClaimPort *port) {
    Claim *claim = NULL;
    uv_mutex_lock(&port->lock);
    if (port->taken.first != NULL) {
        claim = claim_of(port->taken.first);
        list_remove(&port->taken, &claim->node);
        claim->is_listed = false;
    } else {
        port->is_posted = false;
    }
    uv_mutex_unlock(&port->lock);
    return claim;
}

static void claim_deliver(InboxMessage *message) {
    ClaimPort *port = container_of(message, ClaimPort, message);
    const Claim *claim;
    while ((claim = claim_take_listed(port)) != NULL)
        claim_wake(claim);
    claim_release_port(port);
}

static void claim_discard(InboxMessage *message) {
    claim_release_port(container_of(message, ClaimPort, message));
}

static void claim_close_part(LoopPart *part, Loop *loop) {
    ClaimPart *claims = container_of(part, ClaimPart, part);
    ListNode *node;
    (void)loop;
    while ((node = claims->claims.first) != NULL) {
        list_remove(&claims->claims, node);
        free(container_of(node, Claim, of_loop));
    }
    if (claims->port != NULL) claim_release_port(claims->port);
    free(claims);
}

static ClaimPort *claim_new_port(Loop *loop, Inbox *inbox) {
    ClaimPort *port = calloc(1, sizeof *port);
    if (port == NULL) return NULL;
    if (uv_mutex_init(&port->lock) != 0) {
        free(port);
        return NULL;
    }
    inbox_hold(inbox);
    port->loop = loop;
    port->inbox = inbox;
    port->message = (InboxMessage){.deliver = claim_deliver, .discard = claim_discard};
    port->holders = 1;
    return port;
}

/* The part, with its port; or NULL: no memory. */
static ClaimPart *claim_part_of(Loop *loop) {
    ClaimPart *part = loop_part(loop, &claim_key);
    if (part != NULL && part->port != NULL) return part;
    Inbox *inbox = inbox_of(loop);
    if (inbox == NULL) return NULL;
    part = loop_need_part(loop, &claim_key, sizeof *part, claim_close_part);
    if (part == NULL) return NULL;
    part->port = claim_new_port(loop, inbox);
    return part->port == NULL ? NULL : part;
}

/* --- the claims --- */

static Claim *claim_new(ClaimPart *part, Task *task) {
    Claim *claim = calloc(1, sizeof *claim);
    if (claim == NULL) return NULL;
    claim->task = task;
    claim->port = part->port;
    list_append(&part->claims, &claim->of_loop);
    return claim;
}

int claim_begin(Task *task) {
    if (task->claim == NULL) {
        ClaimPart *part = claim_part_of(task->loop);
        if (part != NULL) task->claim = claim_new(part, task);
        if (task->claim == NULL) return UV_ENOMEM;
    }
    task->loop->external_waiters++;
    inbox_count_wait(task->claim->port->inbox, 1);
    task->claimed = true;
    atomic_store(&task->claim->state, CLAIM_OPEN);
    return 0;
}

void claim_end(Claim *claim) {
    ClaimPort *port = claim->port;
    if (atomic_load(&claim->state) == CLAIM_TAKEN) {
        uv_mutex_lock(&port->lock);
        if (claim->is_listed) list_remove(&port->taken, &claim->node);
        claim->is_listed = false;
        uv_mutex_unlock(&port->lock);
    }
    port->loop->external_waiters--;
    inbox_count_wait(port->inbox, -1);
    claim->task->claimed = false;
    atomic_store(&claim->state, CLAIM_NONE);
}

void claim_won(Claim *claim, const Loop *here, InboxWakes *later) {
    ClaimPort *port = claim->port;
    if (port->loop == here) {
        claim_wake(claim);
        return;
    }
    uv_mutex_lock(&port->lock);
    bool needs_message = !port->is_posted;
    list_append(&port->taken, &claim->node);
    claim->is_listed = port->is_posted = true;
    if (needs_message) port->holders++;
    uv_mutex_unlock(&port->lock);
    if (needs_message) inbox_post_later(port->inbox, &port->message, later);
}
