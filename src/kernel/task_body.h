/*
** The stack of a task's coroutine, from its bottom. It is short, because what a
** function may use without Lua giving the coroutine a stack twice as large counts
** from there.
*/
#ifndef ARSENAL_KERNEL_TASK_BODY_H
#define ARSENAL_KERNEL_TASK_BODY_H

#include "kernel/wait.h"

enum {
    BODY_TASK = 1,            /* a light userdata, until the task runs; */
    BODY_HANDLER = BODY_TASK, /* then the message handler */
    BODY_ATTACHMENT,          /* what the task's owner looks after, or nil */
    BODY_STARTER,             /* the function that started the task, or nil */
    BODY_FUNCTION,            /* the task's function, and then its arguments */
};

/* Slots that a coroutine needs besides the arguments: the C function of the body is below them. */
enum { BODY_ROOM = BODY_FUNCTION + 1 };

/*
** Pushes what is there, up to BODY_STARTER, onto the task's own coroutine, without
** needing memory. False if it has gone, because user code has closed the coroutine.
*/
bool task_body_push(const Task *task, int index);

#endif
