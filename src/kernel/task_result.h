/*
** The outcome of a task: results, or an error with its traceback.
*/
#ifndef ARSENAL_KERNEL_TASK_RESULT_H
#define ARSENAL_KERNEL_TASK_RESULT_H

#include "kernel/task.h"

/*
** Ends the task: the n values on top are its results, or its error and the
** traceback. `attachment` is the index of what its group gave it, or 0. The last
** thing its caller does: it leaves something on the stack.
*/
void task_settle(lua_State *L, Task *task, int state, int n, int attachment);

void task_push_failure(lua_State *L, int index); /* [-0, +2] the error and its traceback */
int task_push_outcome(lua_State *L, int index);  /* results of an ended one, or raises its error */

/*
** A message handler that takes the traceback of an error. task_rethrow raises
** the error on top, which keeps the traceback taken last; task_rethrow_with takes
** another from the top, and the error from below it. task_push_traceback pushes
** the last one. [-0, +1]
*/
int task_traceback(lua_State *L);
int task_rethrow(lua_State *L);
int task_rethrow_with(lua_State *L);
void task_push_traceback(lua_State *L);

void task_report(lua_State *L); /* [-3, +0] calls on_error(error, traceback, task) */

void outcome_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
