/*
** Waiters: a task's place in the list of those who wait for one thing. Lists
** are FIFO; leaving one takes constant time.
*/
#ifndef ARSENAL_KERNEL_WAIT_QUEUE_H
#define ARSENAL_KERNEL_WAIT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct Task;

typedef struct Waiter {
    struct Waiter *next, *previous; /* a ring */
    struct Waiter **list;           /* whose first it may be; NULL: it waits nowhere */
    struct Task *task;              /* NULL: it is a CallbackWaiter's */
    unsigned events;                /* what it waits for, in a list that serves several */
    bool served;                    /* whoever woke it did its call: see handover.h */
    unsigned *sources; /* counts the waiters that the world outside may wake, or NULL */
} Waiter;

/* Waits without a task: `called` is told instead, once the waiter has left its list. */
typedef struct CallbackWaiter {
    Waiter waiter; /* first */
    void (*called)(struct CallbackWaiter *callback_waiter);
} CallbackWaiter;

typedef Waiter *WaitQueue; /* the first, NULL when empty */

static inline void waiter_join(Waiter *waiter, WaitQueue *list, unsigned *sources) {
    Waiter *first = *list;
    waiter->list = list;
    waiter->sources = sources;
    waiter->served = false;
    if (sources != NULL) ++*sources;
    if (first == NULL) {
        *list = waiter->next = waiter->previous = waiter;
    } else {
        waiter->next = first;
        waiter->previous = first->previous;
        first->previous->next = waiter;
        first->previous = waiter;
    }
}

static inline void waiter_leave(Waiter *waiter) {
    WaitQueue *list = waiter->list;
    if (list == NULL) return;
    waiter->list = NULL;
    if (waiter->sources != NULL) --*waiter->sources;
    if (waiter->next == waiter) {
        *list = NULL;
    } else {
        if (*list == waiter) *list = waiter->next;
        waiter->next->previous = waiter->previous;
        waiter->previous->next = waiter->next;
    }
}

#endif
