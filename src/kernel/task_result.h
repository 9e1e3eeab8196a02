/*
** Task results: what an ended task leaves for those that join it, and where
** its failure is reported.
*/
#ifndef ARSENAL_KERNEL_TASK_RESULT_H
#define ARSENAL_KERNEL_TASK_RESULT_H

#include "kernel/wait.h"

/*
** Ends the task: the n values on top are its results, or its error and the
** traceback. `attachment` is the index of what its owner gave it, or 0. Called
** last, because it leaves values on the stack. Does nothing for a task that has
** ended.
*/
void task_end(lua_State *L, Task *task, int state, int n, int attachment);

/* [-0, +2] the error and its traceback; `index` is 0 if there was no memory for the task's object. */
void task_push_failure(lua_State *L, int index);
int task_push_result(lua_State *L, int index); /* pushes the results, or raises the error */

/*
** [-3, +0] calls on_error(error, traceback, task). The second one is [-4, +0], and
** passes the stream that the task serves as well. If on_error fails, both errors
** are printed.
*/
void task_report(lua_State *L);
void task_report_stream(lua_State *L);

#endif
