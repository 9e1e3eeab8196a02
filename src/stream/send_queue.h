/*
** Send queues: the tasks that send on one stream, one message at a time. The
** task whose turn it is sends; the others wait, first come, first served.
*/
#ifndef ARSENAL_STREAM_SEND_QUEUE_H
#define ARSENAL_STREAM_SEND_QUEUE_H

#include "event/outbox.h"

typedef struct SendQueue {
    Task *sender;      /* whose turn it is, or NULL */
    WaitQueue waiting; /* the tasks that wait for their turn */
} SendQueue;

/* For the two functions below, if there is more than one task. */
void send_queue_join(SendQueue *queue, Task *task, uint64_t timeout);
void send_queue_wake_next(SendQueue *queue);

/*
** Gives the task the turn if no other task has it, and returns true. Otherwise
** the task has joined the queue, with `timeout` for its whole call, and calls
** task_wait: it is woken when it has the turn.
*/
static inline bool send_queue_take_turn(SendQueue *queue, Task *task, uint64_t timeout) {
    if (queue->sender != NULL) outbox_flush(task->loop); /* its message may be a letter */
    bool is_free = queue->sender == NULL;
    if (is_free)
        queue->sender = task;
    else
        send_queue_join(queue, task, timeout);
    return is_free;
}

/* The message is over: gives the turn to the next task. */
static inline void send_queue_pass_turn(SendQueue *queue) {
    queue->sender = NULL;
    if (!wait_queue_is_empty(&queue->waiting)) send_queue_wake_next(queue);
}

/* Wakes every task with ARSENAL_CLOSED, because `object`, which the sender may wait on, is closing. */
void send_queue_close(SendQueue *queue, const void *object);

#endif
