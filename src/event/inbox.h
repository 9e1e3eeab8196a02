/*
** The inbox: how other threads and signal handlers reach a loop. Messages are
** delivered in the loop's thread, in the order in which they were posted.
*/
#ifndef ARSENAL_EVENT_INBOX_H
#define ARSENAL_EVENT_INBOX_H

#include "kernel/loop.h"

typedef struct Inbox Inbox;

typedef struct InboxMessage {
    void (*deliver)(struct InboxMessage *message); /* in the loop's thread; may free the message */
    void (*discard)(struct InboxMessage *message); /* in any thread: the loop is closed; likewise */
    struct InboxMessage *next;
} InboxMessage;

/* The loop's inbox, made by the first call; NULL: there was no memory or no descriptor for it. */
Inbox *inbox_of(Loop *loop);

/*
** Posts a message, from any thread that holds the inbox. While the loop is running,
** this costs no system call: the loop looks at its inbox at its next poll.
*/
void inbox_post(Inbox *inbox, InboxMessage *message);

/* Ends the poll that the loop is in, or the next one: from any thread, and from signal handlers. */
void inbox_wake(Inbox *inbox);

/*
** In the loop's thread, around a poll that may wait: whether it may, which is false
** if there are messages; and afterwards. The inbox may be NULL.
*/
bool inbox_before_wait(Inbox *inbox);
void inbox_after_poll(Inbox *inbox);

/* In the loop's thread: the loop makes no turns for now. The next message makes its descriptor readable. */
void inbox_leave(Inbox *inbox);

/* An inbox outlives its loop as long as anyone holds it. */
void inbox_hold(Inbox *inbox);
void inbox_release(Inbox *inbox);

#endif
