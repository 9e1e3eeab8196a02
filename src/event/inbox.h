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

/* [-0, +0] The loop is complete: from here on messages wake it. */
void inbox_open(lua_State *L);

/*
** Posts a message, from any thread that holds the inbox. While the loop is running,
** this costs no system call: the loop looks at its inbox at its next poll.
*/
void inbox_post(Inbox *inbox, InboxMessage *message);

/*
** The same for a thread that has locks which the loop's thread needs next: it unlocks
** them, and then calls inbox_wake_all, with what was empty before the first post.
*/
enum { MOST_INBOX_WAKES = 4 }; /* further ones are not put off */
typedef struct InboxWakes {
    unsigned count;
    Inbox *inboxes[MOST_INBOX_WAKES];
} InboxWakes;

void inbox_post_later(Inbox *inbox, InboxMessage *message, InboxWakes *later);
void inbox_wake_all(const InboxWakes *later);

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

/* --- crews: see crew.h; in the loop's thread --- */

/* Returns the crew, which the loop founds unless it is in one; NULL: no memory. */
struct Crew *inbox_crew(Inbox *inbox);
void inbox_join_crew(Inbox *inbox, struct Crew *crew); /* which is in none yet */

/* The loop has one wait more (1) or less (-1) that only others of its crew can end. */
void inbox_count_wait(Inbox *inbox, int change);

/*
** Around a wait for events that has no time limit. The first one returns whether the
** loop rests: then the second one must follow.
*/
bool inbox_rest(Inbox *inbox, const Loop *loop);
void inbox_rise(Inbox *inbox);

/* Whether all of the loop's crew rest. Returns true once each time, and to the first state only. */
bool inbox_take_stuck(const Inbox *inbox, const Loop *loop);

/* In a thread that is awake until then: posts its last message. It may hold the crew still. */
void inbox_post_last(Inbox *inbox, InboxMessage *message, struct Crew *crew);

/* An inbox outlives its loop as long as anyone holds it. */
void inbox_hold(Inbox *inbox);
void inbox_release(Inbox *inbox);

#endif
