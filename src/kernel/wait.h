/*
** Waiting: the one primitive that suspends. A call that waits starts with
** task_enter and ends with task_wait; what it waits for wakes its waiter.
*/
#ifndef ARSENAL_KERNEL_WAIT_H
#define ARSENAL_KERNEL_WAIT_H

#include "kernel/claim.h"
#include "kernel/clock.h"
#include "kernel/loop.h"
#include "kernel/wait_queue.h"

enum {
    BUDGET = 256,    /* that a task may spend: a call that finds its result at once costs two */
    BUDGET_LOOK = 8, /* so much is spent between two looks at the clock */
};

typedef struct Task Task;
typedef struct TaskObject TaskObject;

/* What one kind of wait is. */
typedef struct WaitKind {
    /* Continues the call after a wake-up of the running task: task->status is the reason. Its results are the call's. */
    int (*step)(lua_State *L, Task *task);
    /* Undoes a cancelled wait; the waiter has left its queue before. May be NULL. */
    void (*forget)(Task *task);
    /* [-0, +1] "receiving on tcp stream ..." */
    void (*describe)(lua_State *L, Task *task);
} WaitKind;

/* What a task belongs to, such as a group: it handles the task's end in place of `on_error`. */
typedef struct TaskOwner {
    /* The indices of the task's object and of what task_spawn attached to the task; 0: there is none. */
    void (*task_ended)(lua_State *L, Task *task, int object, int attachment);
} TaskOwner;

enum { TASK_READY, TASK_RUNNING, TASK_WAITING, TASK_DONE, TASK_FAILED, TASK_CANCELLED };

/*
** What each wait and each wake-up touch comes first, up to the first fields of
** `root`: 144 bytes, which are in three lines of the cache.
*/
struct Task {
    Waiter waiter; /* where it waits */
    union {
        ReadyNode ready;          /* its place among the ready ones */
        struct Task *next_unused; /* see task_pool.h */
    };
    Loop *loop;
    lua_State *L;   /* its coroutine; NULL when it has ended */
    lua_State *top; /* the innermost coroutine that runs or waits in it */
    const WaitKind *kind;
    void *object;       /* what it waits on; NULL: nothing, or it has gone */
    size_t progress;    /* of the call that waits; each kind counts in its own way */
    int status;         /* why it was woken: 0, or a status of error.h */
    unsigned stack_top; /* of `top` while it waits */
    uint8_t state;      /* TASK_READY, ... */
    bool started;
    bool resuming;     /* the loop resumes it, not user code */
    bool timed;        /* whether the call that waits has a deadline is decided */
    bool has_deadline; /* and it has one */
    bool observed;     /* run raises its error; on_error is not called */
    bool background;   /* see background.h */
    bool claimed;      /* the claim is in use: another thread may end its wait */
    ScopeStack scopes;
    Scope root; /* the outermost of these */

    uint64_t deadline; /* of the call that waits, if it has one */
    Timer timer;       /* may be set earlier than the deadline: a late one is not moved */
    WaitQueue joiners;
    TaskOwner *owner;  /* NULL: none */
    TaskObject *shown; /* its object, or NULL */
    Claim *claim;      /* see claim.h; NULL: it has not needed one */
    uint32_t slot;     /* the number of its memory */
    int line;          /* where it was started; 0 or less: unknown */
    bool must_begin;   /* its function is called even if it is cancelled before */
};

/*
** The first line of each call that may wait. Returns the running task, or NULL:
** then `return run_outside(L)` must follow. Outside of tasks that makes the call in
** a task of its own. In a task whose budget is used up it lets other tasks run, and
** makes the call again from its beginning, so the stack must still hold the
** arguments. Raises an error if Lua cannot yield.
*/
Task *task_enter(lua_State *L, Loop *loop);

/* The same for a call that must not be put off: NULL only outside of tasks. */
Task *task_enter_now(lua_State *L, Loop *loop);

/* Lets other tasks run, and makes the running function's call from its beginning. */
int task_pause_before(lua_State *L, Task *task);

/* The last line of each: waits, then returns what kind->step returns, or raises a cancellation. */
int task_wait(lua_State *L, Task *task, const WaitKind *kind, void *object);

/*
** Lets other tasks run, then continues with kind->step. In a cancelled task it
** raises the cancellation instead; kind->forget is called before if there is an
** object.
*/
int task_pause(lua_State *L, Task *task, const WaitKind *kind, void *object);

/*
** A look at the clock: returns whether a few milliseconds have passed since the
** first one. That never cuts off the clean-up of a cancelled task, however slow it is.
*/
bool task_spent_time(Loop *loop);

/*
** Counts a call of the running task. Returns whether its budget is used up, so that
** it should pause. What user code does between the calls may take any time.
*/
static inline bool task_spent(Loop *loop) {
    int left = --loop->budget;
    return left < 0 || (left % BUDGET_LOOK == 0 && task_spent_time(loop));
}

/*
** The same for a call that never waits and may be made from anywhere. Returns the
** running task if it should pause and can; otherwise NULL.
*/
Task *task_spent_anywhere(lua_State *L, Loop *loop);

void task_describe_pause(lua_State *L, Task *task); /* of a pause: "letting others run" */

/*
** For the continuation of a yield inside a task that user code has resumed, and not
** the loop (task->resuming is false): yields an error message to the user code. The
** task goes on waiting.
*/
int task_refuse_resume(lua_State *L, Task *task, lua_KFunction continuation);

/*
** Limits the time of the call that is about to wait, unless it has its limit, which
** may be FOREVER, already. task_clear_timeout removes the limit.
*/
static inline void task_set_timeout(Task *task, uint64_t duration) {
    if (task->timed) return;
    task->timed = true;
    if (duration == FOREVER) return;
    task->has_deadline = true;
    task->deadline = clock_deadline(task->loop, duration);
}

static inline void task_clear_timeout(Task *task) {
    task->timed = task->has_deadline = false;
}

/* Puts a task that neither waits nor is ready in the queue of the ready ones. */
void task_make_ready(Task *task, int status);

/* Ends a wait without waking the task: undoes it, and takes the waiter out of its queue. */
void task_forget_wait(Task *task);

/*
** Takes the right to end the wait of a waiting task; the caller ends it then. False: another
** thread has the right, and the task is about to be woken.
*/
static inline bool task_claim_wait(const Task *task) {
    return !task->claimed || claim_close(task->claim);
}

/*
** After a resume: ends a wait whose continuation has not run, because user code has
** closed the coroutine that waited, or Lua has refused to resume it.
*/
void task_forget_lost_wait(Task *task);

void task_init_wait(Task *task); /* for the memory of a new task */

static inline bool task_has_ended(const Task *task) {
    return task->state >= TASK_DONE;
}

/* --- waking; a task that is not waiting is not woken, and false is returned --- */

bool waiter_wake(Waiter *waiter, int status);

void wait_queue_wake(WaitQueue *queue, int status);             /* every waiter */
void wait_queue_wake_events(WaitQueue *queue, unsigned events); /* those for any of these events */
void wait_queue_wake_at(WaitQueue *queue, unsigned count); /* those with at least that threshold */

/* Wakes every waiter, because what it waits on is being closed: the tasks must not use it any more. */
void wait_queue_dismiss(WaitQueue *queue, int status);

#endif
