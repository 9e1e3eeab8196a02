/*
** Tasks: coroutines that the loop resumes. The only layer that resumes and
** yields; whatever waits ends in task_wait.
*/
#ifndef ARSENAL_KERNEL_TASK_H
#define ARSENAL_KERNEL_TASK_H

#include "kernel/loop.h"

typedef struct Task Task;
typedef struct TaskObject TaskObject;

/* What one kind of wait is. */
typedef struct WaitKind {
    /* Goes on in the task once it was woken; task->status tells why. Its results are the call's. */
    lua_CFunction step;
    /* Undoes the wait when it is cancelled, besides leaving the list. May be NULL. */
    void (*forget)(Task *task);
    /* [-0, +1] "receiving on tcp stream ..." */
    void (*describe)(lua_State *L, Task *task);
} WaitKind;

enum { TASK_NEW, TASK_READY, TASK_RUNNING, TASK_WAITING, TASK_DONE, TASK_FAILED, TASK_CANCELLED };

struct Task {
    Waiter waiter; /* where it waits; first: in the queue of the ready ones, `next` is a task */
    Loop *loop;
    lua_State *L;   /* its coroutine; NULL when it has ended */
    lua_State *top; /* the innermost coroutine that runs or waits in it */
    Scope *scope;   /* the innermost one */
    Scope root;
    const WaitKind *kind;
    void *object;      /* what it waits on; NULL once that has gone */
    size_t progress;   /* of the call that waits: the kind's own */
    uint64_t deadline; /* of the call that waits, or FOREVER */
    Timer timer;       /* may be set earlier than the deadline: a late one is not moved */
    WaitQueue joiners;
    struct Group *group;     /* which is told when it ends, or NULL */
    TaskObject *shown;       /* what Lua has of it, or NULL */
    uint32_t slot;           /* among all, for as long as its memory exists */
    int status;              /* why it was woken: 0, or a status of error.h */
    unsigned stack_top : 24; /* of `top` while it waits */
    unsigned state : 4;
    bool started : 1;
    bool limited : 1;  /* the call that waits has been given its time */
    bool resuming : 1; /* by the loop, and not by a stranger */
    bool observed : 1; /* its error is told by run, not by on_error */
};

/*
** The first line of each call that may wait: the running task, or NULL where
** there is none and `return run_outside(L)` makes the call in a task of its
** own. Raises an error where Lua can't yield.
*/
Task *task_enter(lua_State *L, Loop *loop);

/* The last line of each: waits, and ends with what kind->step returns, or raises a cancellation. */
int task_wait(lua_State *L, Task *task, const WaitKind *kind, void *object);

/*
** For the continuation of a yield inside a task: it was not resumed by the loop
** (task->resuming tells), but by somebody who has the coroutine. It goes on waiting.
*/
int task_refuse_stranger(lua_State *L, Task *task, lua_KFunction continuation);

/* Lets the others have their turn, then goes on with kind->step. */
int task_pause(lua_State *L, Task *task, const WaitKind *kind, void *object);

/* Whether the running task has had its share of this turn, and should pause. */
static inline bool task_spent(Loop *loop) {
    return --loop->budget < 0;
}

/*
** Gives the call that is about to wait this much time, FOREVER included, unless
** it was given some before. task_clear_timeout makes it as it was at the call's start.
*/
void task_set_timeout(Task *task, uint64_t duration);
void task_clear_timeout(Task *task);

bool waiter_wake(Waiter *waiter, int status); /* false: its task is awake already */
void wait_queue_wake(WaitQueue *list, unsigned events,
                     int status); /* those who wait for any of these */
void wait_queue_wake_satisfied(WaitQueue *list,
                               unsigned count);       /* those for whom no more is enough */
void wait_queue_dismiss(WaitQueue *list, int status); /* all: what they wait on is going */
void task_interrupt(Task *task);                      /* wakes a waiting one with a cancellation */

/* The loop's: runs those that are ready now, and returns how many these were. */
unsigned tasks_run(lua_State *L, Loop *loop);

/* Runs a ready one. Returns whether it has not ended: else its memory is another's. */
bool task_step(lua_State *L, Loop *loop, Task *task);

/*
** [-(n + 1), +0] starts a task below `parent` for the function and its n
** arguments on top. `attachment` is the index of a value that the task's group
** looks after, or 0. The second pushes its object.
*/
Task *task_spawn(lua_State *L, Loop *loop, Scope *parent, int n, int attachment);
Task *task_spawn_shown(lua_State *L, Loop *loop, Scope *parent, int n);

void task_check_function(lua_State *L, int index); /* raises unless it can be called */
bool task_has_ended(const Task *task);
void task_push_reason(lua_State *L, Task *task); /* [-0, +1] the cancellation it was given */

/* All tasks that have not ended: NULL before the first, and after the last. */
Task *tasks_next(Loop *loop, const Task *task);
void tasks_cancel_all(Loop *loop);

/* Ends a waiting task without resuming it. */
void task_abandon(lua_State *L, Task *task);

void task_push_start(lua_State *L, Task *task); /* [-0, +1] "file:line" where it began, or nil */
bool task_push_wait(lua_State *L, Task *task);  /* [-0, +1 or 0] what it waits for, if it does */

/* [-0, +1] where it was started and what it waits for */
void task_push_description(lua_State *L, Task *task);

void task_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
