/*
** Wait queues: the tasks that wait for one thing, first come, first served. A
** waiter is a task's place in one; leaving it takes constant time.
*/
#ifndef ARSENAL_KERNEL_WAIT_QUEUE_H
#define ARSENAL_KERNEL_WAIT_QUEUE_H

#include "base/container_of.h"
#include "base/list.h"

#include <stdbool.h>

struct Task;

typedef struct WaitQueue {
    List waiters;
} WaitQueue;

typedef struct Waiter {
    ListNode node;
    WaitQueue *queue;       /* NULL: it waits nowhere */
    struct Task *task;      /* NULL: it belongs to a CallbackWaiter */
    union {                 /* which one counts is up to the owner of the queue */
        unsigned events;    /* what it waits for: see wait_queue_wake_events */
        unsigned threshold; /* the count that it waits for: see wait_queue_wake_at */
        int value;          /* the index of the value that it offers, on the task's stack */
    };
    bool served;       /* its call was made by the task that woke it: see handoff.h */
    unsigned *counter; /* counts the waiters that something outside may wake, or NULL */
} Waiter;

/* A waiter without a task: on a wake-up it leaves its queue, then `woken` is called. */
typedef struct CallbackWaiter {
    Waiter waiter;
    void (*woken)(struct CallbackWaiter *callback);
} CallbackWaiter;

static inline Waiter *waiter_of(ListNode *node) {
    return container_of(node, Waiter, node);
}

static inline bool wait_queue_is_empty(const WaitQueue *queue) {
    return queue->waiters.first == NULL;
}

/* The one that has waited longest; NULL when the queue is empty. */
static inline Waiter *wait_queue_first(const WaitQueue *queue) {
    return wait_queue_is_empty(queue) ? NULL : waiter_of(queue->waiters.first);
}

static inline Waiter *wait_queue_next(const WaitQueue *queue, const Waiter *waiter) {
    ListNode *next = list_next(&queue->waiters, &waiter->node);
    return next == NULL ? NULL : waiter_of(next);
}

/* What all of them wait for. */
static inline unsigned wait_queue_events(const WaitQueue *queue) {
    unsigned events = 0;
    for (const Waiter *waiter = wait_queue_first(queue); waiter != NULL;
         waiter = wait_queue_next(queue, waiter))
        events |= waiter->events;
    return events;
}

static inline void waiter_join(Waiter *waiter, WaitQueue *queue, unsigned *counter) {
    waiter->queue = queue;
    waiter->counter = counter;
    waiter->served = false;
    if (counter != NULL) ++*counter;
    list_append(&queue->waiters, &waiter->node);
}

/* Does nothing for a waiter that waits nowhere. */
static inline void waiter_leave(Waiter *waiter) {
    WaitQueue *queue = waiter->queue;
    if (queue == NULL) return;
    waiter->queue = NULL;
    if (waiter->counter != NULL) --*waiter->counter;
    list_remove(&queue->waiters, &waiter->node);
}

#endif
