/*
** Send queues: the tasks that send on one stream, one message at a time. The
** task whose turn it is sends; the others wait, first come, first served.
*/
#ifndef ARSENAL_STREAM_SEND_QUEUE_H
#define ARSENAL_STREAM_SEND_QUEUE_H

#include "kernel/wait.h"

typedef struct SendQueue {
    Task *sender;      /* whose turn it is, or NULL */
    WaitQueue waiting; /* the tasks that wait for their turn */
} SendQueue;

/*
** Gives the task the turn if no other task has it, and returns true. Otherwise
** the task has joined the queue, with `timeout` for its whole call, and calls
** task_wait: it is woken when it has the turn.
*/
bool send_queue_take_turn(SendQueue *queue, Task *task, uint64_t timeout);

/* The message is over: gives the turn to the next task. */
void send_queue_pass_turn(SendQueue *queue);

/* Wakes every task with ARSENAL_CLOSED, because `object`, which the sender may wait on, is closing. */
void send_queue_close(SendQueue *queue, const void *object);

#endif
