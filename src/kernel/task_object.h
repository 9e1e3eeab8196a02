/*
** Task objects: what Lua has of a task. Made when somebody asks for one, so
** that the tasks of a server's connections have none.
*/
#ifndef ARSENAL_KERNEL_TASK_OBJECT_H
#define ARSENAL_KERNEL_TASK_OBJECT_H

#include "kernel/task.h"

struct TaskObject {
    const void *mark; /* tells it from any other userdata */
    Task *task;       /* NULL once it has ended; the rest tells of its end */
    int results;      /* in the user value: one, or a list; of a failure, error and traceback */
    int state;
};

TaskObject *task_check(lua_State *L, int index); /* the one there, or an argument error */

/* [-0, +1] the object of a task that has not ended: its only one, or a new one. */
void task_push(lua_State *L, Task *task);

/*
** The end of a task: its object, made if there is none, holds the value on top
** and takes its place; [-1, +1]. Then it tells of the end, and knows the task no
** more.
*/
void task_object_keep(lua_State *L, Task *task);
void task_object_end(Task *task, int state, int results);

#endif
