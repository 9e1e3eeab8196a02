/*
** Owns the order in which tasks send.
*/
#include "stream/send_queue.h"

#include "base/error.h"

void send_queue_join(SendQueue *queue, Task *task, uint64_t timeout) {
    waiter_join(&task->waiter, &queue->waiting, NULL);
    task_set_timeout(task, timeout);
}

void send_queue_wake_next(SendQueue *queue) {
    Waiter *next;
    while (queue->sender == NULL && (next = wait_queue_first(&queue->waiting)) != NULL) {
        if (waiter_wake(next, 0))
            queue->sender = next->task;
        else
            waiter_leave(next);
    }
}

void send_queue_close(SendQueue *queue, const void *object) {
    Task *sender = queue->sender;
    if (sender != NULL) waiter_wake(&sender->waiter, ARSENAL_CLOSED);
    wait_queue_dismiss(&queue->waiting, ARSENAL_CLOSED);
    if (sender != NULL && sender->object == object) sender->object = NULL;
    queue->sender = NULL;
}
