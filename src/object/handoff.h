/*
** Handing over: whoever wakes a task may do the call that it waits in, and
** leave the results on its coroutine's stack. So a value is never between two
** tasks, where a cancellation could lose it.
*/
#ifndef ARSENAL_OBJECT_HANDOFF_H
#define ARSENAL_OBJECT_HANDOFF_H

#include "kernel/task.h"

/*
** Whether the coroutines of a waiting task are as they were: a stranger may
** have closed any of them, and what was inside it may be gone.
*/
bool handoff_is_possible(const Task *task);

/*
** The first waiter in the list whose call can be done for it; NULL when there
** is none. waiter->task->top is its stack. Those that can't be served any more leave.
*/
Waiter *handoff_next(WaitQueue *list);

/* Wakes it with the `results` values that were pushed onto its stack. */
void handoff_done(Waiter *waiter, int results);

/* For the step of a wait: whether the results are on top of its stack. */
static inline bool handoff_came(Task *task) {
    bool served = task->waiter.served;
    task->waiter.served = false;
    return served;
}

#endif
