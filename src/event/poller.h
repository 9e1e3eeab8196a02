/*
** The poller: which descriptors may be read or written. One Poller for each
** descriptor of ours. poller.c serves both implementations: poller_epoll.c is
** edge-triggered and for Linux; poller_uv.c uses libuv and is for other systems.
**
** `ready` says what is worth trying before waiting: a new descriptor is ready
** for everything, an event sets it, and a call that would have blocked clears it.
** So does one that has done less than it was asked to, unless something else may
** have stopped it: then only the next call shows whether anything is left.
*/
#ifndef ARSENAL_EVENT_POLLER_H
#define ARSENAL_EVENT_POLLER_H

#include "kernel/wait.h"

#if defined(__linux__) && !defined(ARSENAL_POLLER_UV)
#define POLLER_IS_EPOLL
enum { POLLER_SEES_ALL = 1 }; /* POLL_HANGUP and POLL_URGENT come with the event */
#else
enum { POLLER_SEES_ALL = 0 };
#endif

enum {
    POLL_READ = 1,
    POLL_WRITE = 2,
    POLL_HANGUP = 4, /* no more to come: what is there stays ready */
    POLL_URGENT = 8  /* urgent data has come: a read stops in front of it */
};

typedef struct Poller {
    Loop *loop;
    int fd; /* -1 once it is closed */
    uint8_t ready;
    uint8_t watched; /* by epoll: a wait for these events needs no call */
    bool repeats;    /* a wait ends also if it was ready before, and no call has exhausted it */
    WaitQueue waiters;
#ifdef POLLER_IS_EPOLL
    uint32_t slot; /* while it is watched: see poller_epoll.c */
#else
    struct Watch *watch; /* libuv's */
#endif
} Poller;

void poller_init(Poller *poller, Loop *loop, int fd);

int poller_watch(Poller *poller, unsigned events); /* an implementation's part of poller_wait */

/* Lets the waiter wait for `events`. Returns 0 or a status. */
static inline int poller_wait(Poller *poller, Waiter *waiter, unsigned events) {
    int status = events & ~(unsigned)poller->watched ? poller_watch(poller, events) : 0;
    if (status != 0) return status;
    waiter->events = events;
    waiter_join(waiter, &poller->waiters, &poller->loop->external_waiters);
    return 0;
}

/* A read (POLL_READ) or write (POLL_WRITE) would block. So no urgent data is left to read, either. */
static inline void poller_exhausted(Poller *poller, unsigned events) {
    if (events & POLL_READ) events |= POLL_URGENT;
    if (!(poller->ready & POLL_HANGUP)) poller->ready &= (uint8_t)~events;
}

/*
** A read or write has done less than it was asked to. Then it is not worth trying
** again before the next event, except that a read may have stopped at urgent data.
*/
static inline void poller_fell_short(Poller *poller, unsigned events) {
    if (!(poller->ready & (POLL_HANGUP | POLL_URGENT))) poller->ready &= (uint8_t)~events;
}

/* Wakes all waiting tasks with `status`, and stops watching the descriptor, which stays open. */
void poller_close(Poller *poller, int status);

void poller_forget(Poller *poller); /* an implementation's part of poller_close */
void poller_happened(Poller *poller, unsigned events); /* an implementation reports events */

/* Waits for events, at most `timeout` nanoseconds; FOREVER: as long as it takes. */
void poll_wait(Loop *loop, uint64_t timeout);
int poll_backend_fd(const Loop *loop);

/* Needed before a handle of libuv's is made: from here on polls are for those, too. Returns 0 or a status. */
int poll_need_uv(Loop *loop);

/* What ends a poll from outside. */
typedef struct PollWaker {
#ifdef POLLER_IS_EPOLL
    int fd;
#else
    uv_async_t *handle;  /* libuv's */
#endif
} PollWaker;

int poll_add_waker(Loop *loop, PollWaker *waker); /* one for each loop; returns 0 or a status */
void poll_drop_waker(PollWaker *waker); /* the loop is being closed, and nobody wakes it any more */

/* Ends the poll that the loop is in, or the next one: from any thread, and from signal handlers. */
void poll_wake(const PollWaker *waker);

struct Inbox **poll_inbox(const Loop *loop); /* where the poll has the loop's inbox; NULL: none */
int poll_init(Loop *loop); /* sets loop->poll, which is freed with the loop; 0 or a status */

void poller_open(lua_State *L); /* [-0, +0] gives the loop its poll */

#endif
