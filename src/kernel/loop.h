/*
** The loop: one for a Lua state. It owns libuv's loop, the queue of ready
** tasks, the timers, and the turn that moves them on.
*/
#ifndef ARSENAL_KERNEL_LOOP_H
#define ARSENAL_KERNEL_LOOP_H

#include "base/args.h"
#include "kernel/scope.h"
#include "base/timer_heap.h"
#include "kernel/wait_queue.h"

#include <lauxlib.h>
#include <uv.h>

enum {
    SCRATCH_SIZE = 256 * 1024,
    READ_SIZE = 64 * 1024, /* asked for where more than what is wanted may come */
    HANDLE_KINDS = 16,
    POLL_TASKS = 32, /* run between two looks at the world, while any is ready */
    BUDGET = 128,    /* calls that a task may make without waiting before others have their turn */
};

/* registry: the table that the C core returns; its `face` is the module that users see */
#define CORE_KEY "arsenal.core"

struct Task;
struct Offload;

typedef struct Loop {
    uv_loop_t uv;
    bool closed;         /* torn down: descriptors may still be closed, nothing else */
    bool turning;        /* inside a turn */
    bool uv_changed;     /* libuv's handles changed since it last ran */
    bool keep_traceback; /* the error being raised has been seen by task_traceback */

    struct Task *running;
    struct Task *ready_first, *ready_last;
    int budget; /* what is left of the running task's */

    Scope root;
    unsigned tasks;    /* not ended */
    unsigned ready;    /* in the queue */
    unsigned sources;  /* waiters that the world outside may wake */
    unsigned unpolled; /* tasks run since the last poll */
    uint64_t turns;
    uint32_t random;        /* where selects begin */
    unsigned spare_selects; /* that no call uses */
    TimerHeap timers;

    bool measures_lag; /* since somebody asked for it first */
    uint64_t polled;   /* when the last poll ended, if so */
    uint64_t lag;      /* the longest time between two polls */
    uint64_t watchdog_limit,
        watchdog_since; /* 0: nobody asked; when the running task was resumed */

    struct Task *idle_tasks; /* memory of ended ones that has a coroutine */
    struct Task *bare_tasks; /* and that has none */
    uint32_t idle_count, task_slots;
    struct TimeoutScope *limits; /* all ever made, until the loop is closed */
    struct TimeoutScope *free_limits;

    struct Poll *poll;              /* the poller's */
    struct Lookup *lookups;         /* the names': in flight */
    struct Foreign *foreign;        /* descriptors of others that tasks wait on */
    struct Offload *offload;        /* the offload's, NULL until it is used */
    uv_async_t *wakeup;             /* the wakeup's, NULL until it is used */
    unsigned handles[HANDLE_KINDS]; /* open objects by kind: see handle.h */
    struct RecvBatch *batch;        /* the datagrams', NULL until it is used */
    char *scratch;                  /* SCRATCH_SIZE bytes that reads go to first */
} Loop;

/* The loop of this Lua state; made by the first call. */
Loop *loop_of(lua_State *L);

/* The same, faster, for a function whose first upvalue is what loop_push [-0, +1] pushed. */
void loop_push(lua_State *L);

static inline Loop *loop_upvalue(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

/*
** One turn: runs the tasks that are ready at its start, then polls, waiting at
** most `timeout` nanoseconds when none is ready. Returns how many tasks ran.
** A brisk turn has no limit, and does not poll each time while tasks are ready.
*/
unsigned loop_turn(lua_State *L, Loop *loop, uint64_t timeout);
void loop_brisk_turn(lua_State *L, Loop *loop);

/* Nanoseconds until the loop has something to do of itself: 0, or until its next timer. */
uint64_t loop_idle_time(const Loop *loop);

/* The longest time since the last call of this that tasks kept the loop from polling. */
uint64_t loop_take_lag(Loop *loop);

/* No task is ready, and nothing that the loop knows of could make one so. */
bool loop_is_stuck(const Loop *loop);

/* Puts a libuv handle's memory, from malloc, at libuv's disposal: it is freed once it is closed. */
void loop_close_handle(Loop *loop, uv_handle_t *handle);

void loop_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
