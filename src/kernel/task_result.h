/*
** Task results: what an ended task leaves for those that join it, and where
** its failure is reported.
*/
#ifndef ARSENAL_KERNEL_TASK_RESULT_H
#define ARSENAL_KERNEL_TASK_RESULT_H

#include "kernel/wait.h"

/*
** Ends the task: the n values on top are its results, or its error and the
** traceback. `attachment` is the index of what its owner gave it, or 0. The last
** thing its caller does: it leaves something on the stack. Nothing for one that
** has ended.
*/
void task_end(lua_State *L, Task *task, int state, int n, int attachment);

/* [-0, +2] the error and its traceback; the index of the task's object is 0 if there was no memory for it. */
void task_push_failure(lua_State *L, int index);
int task_push_result(lua_State *L, int index); /* results of an ended one, or raises its error */

void task_report(lua_State *L); /* [-3, +0] calls on_error(error, traceback, task) */
void task_report_failure(lua_State *L, int object); /* [-0, +0] the same, of the object or 0 */

#endif
