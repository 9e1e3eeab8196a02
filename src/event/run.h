/*
** Running: driving the loop until one task, or every task, has ended.
*/
#ifndef ARSENAL_EVENT_RUN_H
#define ARSENAL_EVENT_RUN_H

#include "kernel/loop.h"

/*
** Makes the running C function's call, with its arguments on the stack, in a
** task of its own, and runs the loop until that has ended. Its results or its
** error are the call's.
*/
int run_outside(lua_State *L);

/*
** [fn, ...] -> the task's object: runs fn as the first task, and the loop until every
** task has ended. Raises what has ended that early, such as a deadlock; not an error of fn.
*/
struct TaskObject *run_all(lua_State *L, Loop *loop);

/*
** What must have ended before `run` returns, besides the tasks. When no task is left,
** `ended` begins to end it, and returns whether that is done; it is called again after
** each turn. The memory is its module's, for as long as the loop is open.
*/
typedef struct RunEnd {
    bool (*ended)(struct RunEnd *end, Loop *loop);
    struct RunEnd *next;
} RunEnd;

bool run_add_end(Loop *loop, RunEnd *end); /* false: no memory */

/*
** A call that `run` makes between two runs of tasks. It cannot wait, and raises nothing. Each is
** made once, or dropped when the loop is closed before that.
*/
typedef struct RunCall {
    void (*make)(lua_State *L, struct RunCall *call);
    void (*drop)(struct RunCall *call);
    struct RunCall *next;
} RunCall;

bool run_call(Loop *loop, RunCall *call); /* in the loop's thread; false: no memory */

void run_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
