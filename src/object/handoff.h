/*
** Handoffs: the task that wakes another one may make the call that this one
** waits in, and leave the results on its coroutine's stack. So a value is never
** between two tasks, where a cancellation could lose it.
*/
#ifndef ARSENAL_OBJECT_HANDOFF_H
#define ARSENAL_OBJECT_HANDOFF_H

#include "kernel/wait.h"

/* False if user code has closed a coroutine of the waiting task: its stack may be gone. */
bool handoff_is_possible(const Task *task);

/*
** The first waiter in the queue whose call can be made for it; NULL when there
** is none. waiter->task->top is its stack. Those that can't be served any more leave.
*/
Waiter *handoff_next(WaitQueue *queue);

/* Wakes it with the `results` values that were pushed onto its stack. */
void handoff_done(Waiter *waiter, int results);

/* For the step of a wait: whether the results are on top of its stack. */
static inline bool handoff_came(Task *task) {
    bool served = task->waiter.served;
    task->waiter.served = false;
    return served;
}

#endif
