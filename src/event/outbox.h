/*
** The outbox: small messages that tasks send while other tasks are ready. They
** go to the kernel together, once these tasks have run. Each is a letter, and its
** task waits until the letter was sent; so no task goes on before the kernel has
** what it has sent.
**
** The outbox is flushed before each poll, so also before timers fire; when it is
** full; when the tasks take long; and by a function that changes what a letter is sent on.
*/
#ifndef ARSENAL_EVENT_OUTBOX_H
#define ARSENAL_EVENT_OUTBOX_H

#include "kernel/wait.h"

enum {
    OUTBOX_LARGEST = 4 * 1024, /* bytes of one letter */
    OUTBOX_TASKS = 4,          /* tasks that run between two looks at the clock */
};

/*
** Called when the letter was sent: `result` is a count of bytes or a status, UV_EAGAIN
** if it would block. Wakes the task.
*/
typedef void LetterSent(Task *task, size_t size, ptrdiff_t result);

/*
** Adds a letter, if messages are to go through the outbox now: others are there or
** may come. The task calls task_wait next; its wait's `forget` calls
** outbox_take_back. The bytes stay where they are for as long as the task's
** coroutines do. False: the caller sends the message itself.
*/
bool outbox_post(Task *task, int fd, const char *data, size_t size, LetterSent *sent);

/* Does nothing if the task has no letter there. */
void outbox_take_back(const Task *task);

/* Sends the letters. Returns false if there was none. */
bool outbox_flush(Loop *loop);

/* So many tasks have run since the last call: sends the letters if they have waited for long. */
void outbox_look(Loop *loop, unsigned tasks);

#endif
