/*
** Task objects: what Lua has of a task. Made when Lua code first asks for one,
** so that the tasks of a server's connections have none.
*/
#ifndef ARSENAL_KERNEL_TASK_OBJECT_H
#define ARSENAL_KERNEL_TASK_OBJECT_H

#include "kernel/wait.h"

struct TaskObject {
    const void *mark; /* tells it from any other userdata */
    Task *task;       /* NULL after its end, which the next two fields describe */
    int results;      /* how many; the user value has the one, or a list of several */
    int state;        /* if it is TASK_FAILED, the results are the error and its traceback */
};

TaskObject *task_object_check(lua_State *L, int index); /* the one there, or an argument error */

/* [-0, +1] the object of a task that has not ended: its only one, or a new one. */
void task_object_push(lua_State *L, Task *task);

TaskObject *task_object_new(lua_State *L); /* [-0, +1] of no task yet; finalizers may run */

/* [-0, +0] Makes the object on top the object of the task, which has none. Needs no memory. */
void task_object_assign(lua_State *L, TaskObject *object, Task *task);

/* Makes room for the object of a task with that slot. */
void task_object_reserve(lua_State *L, uint32_t slot);

/*
** At the end of a task, task_object_keep stores the value on top in the task's
** object, which it makes if there is none, and pushes the object: [-1, +1]. Then
** task_object_end records how the task has ended, and detaches the object from it.
*/
void task_object_keep(lua_State *L, Task *task);
void task_object_end(Task *task, int state, int results);

/*
** A name that users give a task, also one that has ended: [-1, +0] sets it to the string on
** top or to nil; [-0, +1]
*/
void task_object_set_name(lua_State *L, int index);
void task_object_push_name(lua_State *L, int index);

/* [-0, +1] the metatable of all task objects, which tasklib.c fills */
void task_object_push_metatable(lua_State *L);

void task_object_open(lua_State *L); /* [-0, +0] */

#endif
