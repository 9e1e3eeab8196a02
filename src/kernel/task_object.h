/*
** Task objects: what Lua has of a task. Made when Lua code first asks for one,
** so that the tasks of a server's connections have none.
*/
#ifndef ARSENAL_KERNEL_TASK_OBJECT_H
#define ARSENAL_KERNEL_TASK_OBJECT_H

#include "kernel/wait.h"

struct TaskObject {
    const void *mark; /* tells it from any other userdata */
    Task *task;       /* NULL once it has ended; the rest tells of its end */
    int results;      /* in the user value: one, or a list; of a failure, error and traceback */
    int state;
};

TaskObject *task_object_check(lua_State *L, int index); /* the one there, or an argument error */

/* [-0, +1] the object of a task that has not ended: its only one, or a new one. */
void task_object_push(lua_State *L, Task *task);

TaskObject *task_object_new(lua_State *L); /* [-0, +1] of no task yet; finalizers may run */

/* [-0, +0] The object on top becomes that of the task, which has none. Needs no memory. */
void task_object_assign(lua_State *L, TaskObject *object, Task *task);

void task_object_reserve(lua_State *L,
                         uint32_t slot); /* makes room for the object of a task there */

/*
** The end of a task: its object, made if there is none, holds the value on top
** and takes its place; [-1, +1]. Then its state is the task's last one, and it
** knows the task no more.
*/
void task_object_keep(lua_State *L, Task *task);
void task_object_end(Task *task, int state, int results);

/* [-1, +0] makes the table on top the metatable of all task objects. */
void task_object_define(lua_State *L);

#endif
