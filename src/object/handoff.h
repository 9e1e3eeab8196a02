/*
** Handoffs: a task that wakes another one may make the call that the other one
** waits in, and leave the results on that task's coroutine. So a value is never
** between two tasks, where a cancellation could lose it.
*/
#ifndef ARSENAL_OBJECT_HANDOFF_H
#define ARSENAL_OBJECT_HANDOFF_H

#include "kernel/wait.h"

/*
** Returns the first waiter in the queue whose call can be made for it, or NULL if
** there is none. waiter->task->top is its stack; handoff_done must follow. Waiters
** that cannot be served any more leave the queue.
*/
Waiter *handoff_next(WaitQueue *queue);

/* Wakes the waiter's task; the top `results` values of its stack are its call's results. */
void handoff_done(Waiter *waiter, int results);

/* For the step of a wait: whether the results of its call are on top of its stack. */
static inline bool handoff_came(Task *task) {
    bool served = task->waiter.served;
    task->waiter.served = false;
    return served;
}

#endif
