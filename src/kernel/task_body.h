/*
** The stack of a task's coroutine, from its bottom.
*/
#ifndef ARSENAL_KERNEL_TASK_BODY_H
#define ARSENAL_KERNEL_TASK_BODY_H

#include "kernel/wait.h"

enum {
    BODY_TASK = 1,   /* a light userdata */
    BODY_ATTACHMENT, /* what the task's owner looks after, or nil */
    BODY_STARTER,    /* the function that started the task */
    BODY_LINE,       /* and the line there */
    BODY_HANDLER,    /* the message handler */
    BODY_FUNCTION,   /* the task's function, and then its arguments */
};

/* Slots that a coroutine needs besides the arguments: the C function of the body is below them. */
enum { BODY_ROOM = BODY_FUNCTION + 1 };

/*
** Pushes what is there, up to BODY_LINE, onto the task's own coroutine, without
** needing memory. False if it has gone, because user code has closed the coroutine.
*/
bool task_body_push(const Task *task, int index);

#endif
