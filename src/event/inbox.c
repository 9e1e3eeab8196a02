/*
** Owns the messages on their way to a loop, and the libuv handle that wakes it.
** A message is posted or discarded under the inbox's lock, so that none is
** left behind when the loop is closed.
**
** A message wakes a loop that waits. The loop says before it waits that it needs
** that, and then looks whether a message has come; a poster adds its message, and
** then looks whether the loop needs it. As both happen in one order for all threads,
** one of them sees what the other has done.
*/
#include "event/inbox.h"

#include "base/container_of.h"
#include "event/poller.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { ALERT_WAITS = 64 }; /* after a message, the loop says so many times when it waits */

struct Inbox {
    LoopPart part;
    uv_async_t *handle; /* libuv frees it with the loop's other handles */
    unsigned alert;     /* how many times more; at 0 every message wakes the loop */
    atomic_bool needs_wake;

    uv_mutex_t lock;               /* guards what follows */
    _Atomic(InboxMessage *) first; /* changed under the lock only */
    InboxMessage *last;
    unsigned holders; /* the loop, while it is open, is one */
    bool closed;
};

static const char inbox_key;

static InboxMessage *inbox_take_all(Inbox *inbox) {
    uv_mutex_lock(&inbox->lock);
    InboxMessage *first = atomic_exchange(&inbox->first, NULL);
    uv_mutex_unlock(&inbox->lock);
    return first;
}

static void inbox_deliver(Inbox *inbox) {
    InboxMessage *message = inbox_take_all(inbox), *next;
    if (message != NULL) inbox->alert = ALERT_WAITS;
    for (; message != NULL; message = next) {
        next = message->next;
        message->deliver(message);
    }
}

static void inbox_woken(uv_async_t *handle) {
    inbox_deliver(handle->data);
}

static void inbox_close(LoopPart *part, Loop *loop) {
    Inbox *inbox = container_of(part, Inbox, part);
    (void)loop;
    uv_mutex_lock(&inbox->lock);
    inbox->closed = true;
    uv_mutex_unlock(&inbox->lock);
    InboxMessage *message = inbox_take_all(inbox), *next;
    for (; message != NULL; message = next) {
        next = message->next;
        message->discard(message);
    }
    inbox_release(inbox);
}

static int inbox_init(Inbox *inbox, Loop *loop) {
    inbox->handle = malloc(sizeof *inbox->handle);
    if (inbox->handle == NULL) return UV_ENOMEM;
    int status = uv_mutex_init(&inbox->lock);
    if (status == 0) {
        status = uv_async_init(&loop->uv, inbox->handle, inbox_woken);
        if (status != 0) uv_mutex_destroy(&inbox->lock);
    }
    if (status != 0) free(inbox->handle);
    return status;
}

Inbox *inbox_of(Loop *loop) {
    Inbox *inbox = loop_part(loop, &inbox_key);
    if (inbox != NULL) return inbox;
    inbox = calloc(1, sizeof *inbox);
    if (inbox == NULL) return NULL;
    if (inbox_init(inbox, loop) != 0) {
        free(inbox);
        return NULL;
    }
    inbox->part = (LoopPart){.key = &inbox_key, .close = inbox_close};
    inbox->handle->data = inbox;
    atomic_init(&inbox->needs_wake, true);
    inbox->holders = 1;
    loop->uv_changed = true;
    loop_add_part(loop, &inbox->part);
    *poll_inbox(loop) = inbox;
    return inbox;
}

/* --- posting; only a message that finds no other before it may have to wake the loop --- */

/* The lock is held. */
static void inbox_append(Inbox *inbox, InboxMessage *message) {
    message->next = NULL;
    if (atomic_load_explicit(&inbox->first, memory_order_relaxed) != NULL) {
        inbox->last->next = message;
        inbox->last = message;
        return;
    }
    inbox->last = message;
    atomic_store(&inbox->first, message);
    if (atomic_load(&inbox->needs_wake)) inbox_wake(inbox);
}

void inbox_post(Inbox *inbox, InboxMessage *message) {
    uv_mutex_lock(&inbox->lock);
    bool is_closed = inbox->closed;
    if (!is_closed) inbox_append(inbox, message);
    uv_mutex_unlock(&inbox->lock);
    if (is_closed) message->discard(message);
}

void inbox_wake(Inbox *inbox) {
    uv_async_send(inbox->handle);
}

/* --- polling --- */

bool inbox_before_wait(Inbox *inbox) {
    if (inbox == NULL || atomic_load_explicit(&inbox->needs_wake, memory_order_relaxed))
        return true;
    inbox->alert--;
    atomic_store(&inbox->needs_wake, true);
    return atomic_load(&inbox->first) == NULL;
}

void inbox_after_poll(Inbox *inbox) {
    if (inbox == NULL) return;
    if (inbox->alert > 0)
        atomic_store_explicit(&inbox->needs_wake, false, memory_order_relaxed);
    if (atomic_load_explicit(&inbox->first, memory_order_relaxed) != NULL) inbox_deliver(inbox);
}

void inbox_leave(Inbox *inbox) {
    if (!inbox_before_wait(inbox)) inbox_wake(inbox);
}

/* --- its memory --- */

void inbox_hold(Inbox *inbox) {
    uv_mutex_lock(&inbox->lock);
    inbox->holders++;
    uv_mutex_unlock(&inbox->lock);
}

void inbox_release(Inbox *inbox) {
    uv_mutex_lock(&inbox->lock);
    bool is_unused = --inbox->holders == 0;
    uv_mutex_unlock(&inbox->lock);
    if (!is_unused) return;
    uv_mutex_destroy(&inbox->lock);
    free(inbox);
}
