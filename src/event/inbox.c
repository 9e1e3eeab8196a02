/*
** Owns the messages on their way to a loop, and the libuv handle that wakes it.
** A message is posted or discarded under the inbox's lock, so that none is
** left behind when the loop is closed.
*/
#include "event/inbox.h"

#include "base/container_of.h"

#include <stdlib.h>

struct Inbox {
    LoopPart part;
    uv_async_t *handle; /* libuv frees it with the loop's other handles */
    uv_mutex_t lock;    /* guards what follows */
    InboxMessage *first, *last;
    unsigned holders; /* the loop, while it is open, is one */
    bool closed;
};

static const char inbox_key;

static InboxMessage *inbox_take_all(Inbox *inbox) {
    uv_mutex_lock(&inbox->lock);
    InboxMessage *first = inbox->first;
    inbox->first = inbox->last = NULL;
    uv_mutex_unlock(&inbox->lock);
    return first;
}

static void inbox_deliver(uv_async_t *handle) {
    InboxMessage *message = inbox_take_all(handle->data), *next;
    for (; message != NULL; message = next) {
        next = message->next;
        message->deliver(message);
    }
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
        status = uv_async_init(&loop->uv, inbox->handle, inbox_deliver);
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
    inbox->holders = 1;
    loop->uv_changed = true;
    loop_add_part(loop, &inbox->part);
    return inbox;
}

void inbox_post(Inbox *inbox, InboxMessage *message) {
    uv_mutex_lock(&inbox->lock);
    bool is_closed = inbox->closed;
    if (!is_closed) {
        message->next = NULL;
        if (inbox->last == NULL)
            inbox->first = message;
        else
            inbox->last->next = message;
        inbox->last = message;
        inbox_wake(inbox);
    }
    uv_mutex_unlock(&inbox->lock);
    if (is_closed) message->discard(message);
}

void inbox_wake(Inbox *inbox) {
    uv_async_send(inbox->handle);
}

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
