/*
** Owns the check that a waiting task can still take results, and how it gets
** them.
*/
#include "object/handoff.h"

#include "base/error.h"
#include "kernel/coroutine.h"

Waiter *handoff_next(WaitQueue *queue) {
    Waiter *waiter;
    while ((waiter = wait_queue_first(queue)) != NULL) {
        if (waiter->task->state == TASK_WAITING && task_claim_wait(waiter->task)) {
            if (coroutine_task_is_whole(waiter->task)) return waiter;
            waiter_wake(waiter, ARSENAL_CLOSED); /* so that its task ends */
        }
        waiter_leave(waiter); /* it is of a select that was served, or is about to be */
    }
    return NULL;
}

void handoff_done(Waiter *waiter, int results) {
    waiter->served = true;
    waiter->task->stack_top += results;
    waiter_wake(waiter, 0);
}
