/*
** Waiting: the one primitive that suspends. A call that waits starts with
** task_enter and ends with task_wait; what it waits for wakes its waiter.
*/
#ifndef ARSENAL_KERNEL_WAIT_H
#define ARSENAL_KERNEL_WAIT_H

#include "kernel/loop.h"
#include "kernel/wait_queue.h"

enum {
    BUDGET = 128
}; /* calls that a task may make without waiting before others have their turn */

typedef struct Task Task;
typedef struct TaskObject TaskObject;

/* What one kind of wait is. */
typedef struct WaitKind {
    /* Goes on in the task once it was woken; task->status tells why. Its results are the call's. */
    lua_CFunction step;
    /* Undoes the wait when it is cancelled, besides leaving the queue. May be NULL. */
    void (*forget)(Task *task);
    /* [-0, +1] "receiving on tcp stream ..." */
    void (*describe)(lua_State *L, Task *task);
} WaitKind;

/* What a task belongs to, such as a group: it handles the task's end in place of `on_error`. */
typedef struct TaskOwner {
    /* `object`, the task's own, and `attachment`, what it was started with, are indices or 0. */
    void (*task_ended)(lua_State *L, Task *task, int object, int attachment);
} TaskOwner;

enum { TASK_READY, TASK_RUNNING, TASK_WAITING, TASK_DONE, TASK_FAILED, TASK_CANCELLED };

struct Task {
    Waiter waiter;   /* where it waits */
    ReadyNode ready; /* its place among the ready ones */
    Loop *loop;
    lua_State *L;   /* its coroutine; NULL when it has ended */
    lua_State *top; /* the innermost coroutine that runs or waits in it */
    ScopeStack scopes;
    Scope root; /* the outermost of these */
    const WaitKind *kind;
    void *object;      /* what it waits on; NULL: nothing, or it has gone */
    size_t progress;   /* of the call that waits: the kind's own */
    uint64_t deadline; /* of the call that waits, or FOREVER */
    Timer timer;       /* may be set earlier than the deadline: a late one is not moved */
    WaitQueue joiners;
    TaskOwner *owner;         /* NULL: none */
    TaskObject *shown;        /* what Lua has of it, or NULL */
    struct Task *next_unused; /* see task_pool.h */
    uint32_t slot;            /* among all, for as long as its memory exists */
    int status;               /* why it was woken: 0, or a status of error.h */
    unsigned stack_top : 24;  /* of `top` while it waits */
    unsigned state : 4;
    bool started : 1;
    bool timed : 1;    /* the call that waits has been given its time */
    bool resuming : 1; /* by the loop, and not by user code */
    bool observed : 1; /* run raises its error; on_error is not called */
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
** Lets the others have their turn, then goes on with kind->step. A cancelled
** task raises instead, after kind->forget with the object, unless that is NULL.
*/
int task_pause(lua_State *L, Task *task, const WaitKind *kind, void *object);

/* Whether the running task has had its share of this turn, and should pause. */
static inline bool task_spent(Loop *loop) {
    return --loop->budget < 0;
}

void task_describe_pause(lua_State *L, Task *task); /* of a pause: "letting others run" */

/*
** For the continuation of a yield inside a task: it was not resumed by the loop
** (task->resuming is false), but by user code that has the coroutine. It goes on
** waiting.
*/
int task_refuse_resume(lua_State *L, Task *task, lua_KFunction continuation);

/*
** Gives the call that is about to wait this much time, FOREVER included, unless
** it was given some before. task_clear_timeout makes it as it was at the call's
** start.
*/
void task_set_timeout(Task *task, uint64_t duration);
void task_clear_timeout(Task *task);

void task_make_ready(Task *task,
                     int status);  /* puts one that neither waits nor is ready in the queue */
void task_forget_wait(Task *task); /* the wait is over, and its waiter has left */
void task_init_wait(Task *task);   /* makes the memory of a new task able to wait */

static inline bool task_has_ended(const Task *task) {
    return task->state >= TASK_DONE;
}

/* --- waking; a task that is not waiting is not woken, and false is returned --- */

bool waiter_wake(Waiter *waiter, int status);

void wait_queue_wake(WaitQueue *queue, int status); /* every waiter */
void wait_queue_wake_events(WaitQueue *queue,
                            unsigned events); /* those that wait for any of these */
void wait_queue_wake_at(WaitQueue *queue,
                        unsigned count);               /* those whose threshold is not below it */
void wait_queue_dismiss(WaitQueue *queue, int status); /* every waiter: what it waits on is going */

#endif
