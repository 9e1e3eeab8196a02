/*
** Owns the messages on their way to a loop, and what wakes it.
** A message is posted or discarded under the inbox's lock, so that none is
** left behind when the loop is closed.
**
** A message wakes a loop that waits. The loop says before it waits that it needs
** that, and then looks whether a message has come; a poster adds its message, and
** then looks whether the loop needs it. As both happen in one order for all threads,
** one of them sees what the other has done.
**
** The poster wakes the loop after it has unlocked the inbox: the loop's thread may run
** at once, in place of the poster's, and needs the lock. Until then the inbox counts the
** poster, and is not closed.
*/
#include "event/inbox.h"

#include "base/container_of.h"
#include "base/error.h"
#include "event/crew.h"
#include "event/poller.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { ALERT_WAITS = 64 }; /* after a message, the loop says so many times when it waits */

struct Inbox {
    LoopPart part;
    unsigned alert;      /* how many times more; at 0 every message wakes the loop */
    struct OwnCrew *own; /* the crew that it has founded, or NULL */
    unsigned crew_waits; /* of the loop's tasks: that only others of the crew can end */
    PollWaker waker;
    bool has_waker; /* false: the loop is not complete, and never waits */
    atomic_bool needs_wake;
    atomic_uint waking; /* threads that are about to wake the loop */

    uv_mutex_t lock;               /* guards what follows */
    _Atomic(InboxMessage *) first; /* changed under the lock only */
    InboxMessage *last;
    unsigned holders; /* the loop, while it is open, is one */
    Crew *crew;       /* or NULL; changed in the loop's thread only */
    bool rests;
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

static void inbox_close(LoopPart *part, Loop *loop) {
    Inbox *inbox = container_of(part, Inbox, part);
    if (loop_is_complete(loop)) *poll_inbox(loop) = NULL;
    uv_mutex_lock(&inbox->lock);
    inbox->closed = true;
    Crew *crew = inbox->crew;
    inbox->crew = NULL;
    inbox->own = NULL;
    uv_mutex_unlock(&inbox->lock);
    while (!loop->forked && atomic_load(&inbox->waking) > 0)
        uv_sleep(0);
    if (inbox->has_waker) poll_drop_waker(&inbox->waker);
    crew_release(crew);
    InboxMessage *message = inbox_take_all(inbox), *next;
    for (; message != NULL; message = next) {
        next = message->next;
        message->discard(message);
    }
    inbox_release(inbox);
}

/* Returns 0 or a status. */
static int inbox_add_waker(Inbox *inbox, Loop *loop) {
    int status = poll_add_waker(loop, &inbox->waker);
    if (status != 0) return status;
    inbox->has_waker = true;
    *poll_inbox(loop) = inbox;
    atomic_store(&inbox->needs_wake, true);
    if (atomic_load(&inbox->first) != NULL) inbox_wake(inbox);
    return 0;
}

static Inbox *inbox_new(Loop *loop) {
    Inbox *inbox = calloc(1, sizeof *inbox);
    if (inbox == NULL) return NULL;
    int status = uv_mutex_init(&inbox->lock);
    if (status == 0 && loop_is_complete(loop)) {
        status = inbox_add_waker(inbox, loop);
        if (status != 0) uv_mutex_destroy(&inbox->lock);
    }
    if (status == 0) return inbox;
    free(inbox);
    return NULL;
}

Inbox *inbox_of(Loop *loop) {
    Inbox *inbox = loop_part(loop, &inbox_key);
    if (inbox != NULL) return inbox;
    inbox = inbox_new(loop);
    if (inbox == NULL) return NULL;
    inbox->part = (LoopPart){.key = &inbox_key, .close = inbox_close};
    inbox->holders = 1;
    loop_add_part(loop, &inbox->part);
    return inbox;
}

void inbox_open(lua_State *L) {
    Loop *loop = loop_of(L);
    Inbox *inbox = loop_part(loop, &inbox_key);
    if (inbox == NULL || inbox->has_waker) return;
    int status = inbox_add_waker(inbox, loop);
    if (status != 0) error_raise_status(L, status, "making an event loop");
}

/* --- posting; only a message that finds no other before it may have to wake the loop --- */

/* The lock is held. */
static void inbox_stir(Inbox *inbox) {
    if (inbox->rests) crew_wake(inbox->crew);
    inbox->rests = false;
}

/* The lock is held. Returns whether the caller has to wake the loop. */
static bool inbox_append(Inbox *inbox, InboxMessage *message) {
    message->next = NULL;
    if (atomic_load_explicit(&inbox->first, memory_order_relaxed) != NULL) {
        inbox->last->next = message;
        inbox->last = message;
        return false;
    }
    inbox->last = message;
    atomic_store(&inbox->first, message);
    if (!atomic_load(&inbox->needs_wake)) return false;
    atomic_fetch_add(&inbox->waking, 1);
    return true;
}

/* The lock is held. *wakes: whether the caller has to wake the loop. False: the loop is closed. */
static bool inbox_add(Inbox *inbox, InboxMessage *message, bool *wakes) {
    *wakes = false;
    if (inbox->closed) return false;
    inbox_stir(inbox);
    *wakes = inbox_append(inbox, message);
    return true;
}

/* The inbox may be freed then. */
static void inbox_wake_after_post(Inbox *inbox) {
    inbox_wake(inbox);
    atomic_fetch_sub(&inbox->waking, 1);
}

/* Returns whether the caller has to wake the loop. */
static bool inbox_post_silently(Inbox *inbox, InboxMessage *message) {
    bool wakes;
    uv_mutex_lock(&inbox->lock);
    bool is_added = inbox_add(inbox, message, &wakes);
    uv_mutex_unlock(&inbox->lock);
    if (!is_added) message->discard(message);
    return wakes;
}

void inbox_post(Inbox *inbox, InboxMessage *message) {
    if (inbox_post_silently(inbox, message)) inbox_wake_after_post(inbox);
}

void inbox_post_later(Inbox *inbox, InboxMessage *message, InboxWakes *later) {
    if (!inbox_post_silently(inbox, message)) return;
    if (later->count < MOST_INBOX_WAKES)
        later->inboxes[later->count++] = inbox;
    else
        inbox_wake_after_post(inbox);
}

void inbox_wake_all(const InboxWakes *later) {
    for (unsigned i = 0; i < later->count; i++)
        inbox_wake_after_post(later->inboxes[i]);
}

/* Under the lock, the loop cannot rest again before this thread counts as one that does. */
void inbox_post_last(Inbox *inbox, InboxMessage *message, Crew *crew) {
    bool wakes;
    uv_mutex_lock(&inbox->lock);
    bool is_added = inbox_add(inbox, message, &wakes);
    bool is_last = crew_rest(crew);
    uv_mutex_unlock(&inbox->lock);
    if (wakes) inbox_wake_after_post(inbox);
    if (!is_added) message->discard(message);
    if (is_last) crew->report(crew);
}

void inbox_wake(Inbox *inbox) {
    poll_wake(&inbox->waker);
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
    if (inbox->alert > 0) atomic_store_explicit(&inbox->needs_wake, false, memory_order_relaxed);
    if (atomic_load_explicit(&inbox->first, memory_order_relaxed) != NULL) inbox_deliver(inbox);
}

void inbox_leave(Inbox *inbox) {
    if (!inbox_before_wait(inbox)) inbox_wake(inbox);
}

/* --- the crew --- */

typedef struct OwnCrew {
    Crew crew; /* first: it is held as that */
    Inbox *first;
    InboxMessage all_rest;
    atomic_bool is_posted; /* all_rest */
    bool is_stuck;         /* all_rest has come; for the first state's thread only */
} OwnCrew;

static void inbox_all_rest_came(InboxMessage *message) {
    OwnCrew *own = container_of(message, OwnCrew, all_rest);
    own->is_stuck = true;
    atomic_store(&own->is_posted, false);
    crew_release(&own->crew);
}

static void inbox_all_rest_discarded(InboxMessage *message) {
    crew_release(&container_of(message, OwnCrew, all_rest)->crew);
}

/*
** A signal or a thread of no crew can wake a state just before this. When that state rests
** again, it reports as well.
*/
static void inbox_report_rest(Crew *crew) {
    OwnCrew *own = container_of(crew, OwnCrew, crew);
    if (atomic_exchange(&own->is_posted, true)) return;
    crew_hold(crew);
    inbox_post(own->first, &own->all_rest);
}

static void inbox_free_crew(Crew *crew) {
    OwnCrew *own = container_of(crew, OwnCrew, crew);
    inbox_release(own->first);
    free(own);
}

static OwnCrew *inbox_new_crew(Inbox *first) {
    OwnCrew *own = calloc(1, sizeof *own);
    if (own == NULL) return NULL;
    own->crew = (Crew){.report = inbox_report_rest, .free = inbox_free_crew};
    atomic_init(&own->crew.holders, 1);
    atomic_init(&own->crew.awake, 1);
    own->first = first;
    own->all_rest =
        (InboxMessage){.deliver = inbox_all_rest_came, .discard = inbox_all_rest_discarded};
    inbox_hold(first);
    return own;
}

Crew *inbox_crew(Inbox *inbox) {
    if (inbox->crew != NULL) return inbox->crew;
    OwnCrew *own = inbox_new_crew(inbox);
    if (own == NULL) return NULL;
    uv_mutex_lock(&inbox->lock);
    inbox->crew = &own->crew;
    inbox->own = own;
    uv_mutex_unlock(&inbox->lock);
    return &own->crew;
}

void inbox_join_crew(Inbox *inbox, Crew *crew) {
    crew_hold(crew);
    uv_mutex_lock(&inbox->lock);
    inbox->crew = crew;
    uv_mutex_unlock(&inbox->lock);
}

void inbox_count_wait(Inbox *inbox, int change) {
    inbox->crew_waits += (unsigned)change;
}

/* Only others of the crew can end the waits of the loop's tasks, and no message of theirs is on its way. */
static bool inbox_could_rest(const Inbox *inbox, const Loop *loop) {
    return loop->ready == 0 && loop->timers.count == 0 &&
           inbox->crew_waits == loop->external_waiters && atomic_load(&inbox->first) == NULL;
}

bool inbox_rest(Inbox *inbox, const Loop *loop) {
    if (inbox == NULL || inbox->crew == NULL || !inbox_could_rest(inbox, loop)) return false;
    uv_mutex_lock(&inbox->lock);
    inbox->rests = inbox->first == NULL;
    bool rests = inbox->rests, is_last = rests && crew_rest(inbox->crew);
    uv_mutex_unlock(&inbox->lock);
    if (is_last) inbox->crew->report(inbox->crew);
    return rests;
}

void inbox_rise(Inbox *inbox) {
    uv_mutex_lock(&inbox->lock);
    inbox_stir(inbox);
    uv_mutex_unlock(&inbox->lock);
}

/* A report may be stale: a signal may have come since, or `run` may begin only at this moment. */
bool inbox_take_stuck(const Inbox *inbox, const Loop *loop) {
    if (inbox == NULL || inbox->own == NULL || !inbox->own->is_stuck) return false;
    inbox->own->is_stuck = false;
    return inbox_could_rest(inbox, loop) && atomic_load(&inbox->crew->awake) == 1;
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
