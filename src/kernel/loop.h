/*
** The loop, one for each Lua state. It holds what several modules share: libuv's
** loop, the timers, the root of the scopes, the counts that show a deadlock. A
** module's own state is a LoopPart, so that a new module needs no line here.
*/
#ifndef ARSENAL_KERNEL_LOOP_H
#define ARSENAL_KERNEL_LOOP_H

#include "base/args.h"
#include "base/timer_heap.h"
#include "kernel/scope.h"

#include <lauxlib.h>
#include <uv.h>

enum {
    SCRATCH_SIZE = 256 * 1024,
    READ_SIZE = 64 * 1024, /* bytes that a read asks for if more than is wanted may come */
};

struct Task;
struct Loop;

/* The state of a module, in memory from malloc: found by its key, and closed with the loop. */
typedef struct LoopPart {
    const void *key;
    /* Frees the part when the loop is closed. Lua objects may be finalized before or after. */
    void (*close)(struct LoopPart *part, struct Loop *loop);
    struct LoopPart *next;
} LoopPart;

/* A task in the queue of those that are ready. */
typedef struct ReadyNode {
    struct ReadyNode *next;
} ReadyNode;

typedef struct Loop {
    uv_loop_t uv;    /* made when it is first needed: see poll_need_uv */
    bool closed;     /* descriptors may still be closed; nothing else works */
    bool forked;     /* closed because this process is a fork of the loop's own */
    bool turning;    /* inside a turn */
    bool ending;     /* all were cancelled: new tasks below the root are, too, until none is left */
    bool has_uv;     /* uv was made */
    bool uv_changed; /* libuv's handles changed since it last ran */

    struct Task *running;
    int budget; /* calls that the running task may still make without waiting: see wait.h */
    uint64_t budget_tick; /* when the task first looked at the clock */
    ReadyNode *ready_first, *ready_last;
    unsigned ready;            /* tasks in that queue */
    unsigned tasks;            /* that have not ended */
    unsigned external_waiters; /* that I/O, signals or threads can wake: to detect deadlocks */
    unsigned unpolled;         /* tasks run since the last poll */
    uint64_t turns;
    uint64_t polled_at; /* when the last poll ended, or 0: see turn.c */
    uint64_t lag;       /* the longest time without a poll: see turn.c */
    uint32_t random;    /* see order.h */

    Scope root;
    bool has_suspended_scopes; /* of generators: see coroutine.c */
    TimerHeap timers;
    struct ResumeHook *hooks;  /* see task.h */
    struct Task *unused_tasks; /* see task_pool.h */
    uint32_t task_slots;
    struct Poll *poll; /* the poller's */
    LoopPart *parts;
    char *scratch; /* SCRATCH_SIZE bytes that reads go to first */
    struct Loop *next_open;
} Loop;

Loop *loop_of(lua_State *L);

/*
** [-0, +1] Pushes the loop. A function that has it as its first upvalue gets it
** from loop_upvalue, which is faster than loop_of.
*/
void loop_push(lua_State *L);

static inline Loop *loop_upvalue(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* Returns the part with this key, or NULL if none was added. */
void *loop_part(const Loop *loop, const void *key);
void loop_add_part(Loop *loop, LoopPart *part);

/*
** Returns the part with this key. If there is none, makes it: it has `size` bytes,
** which are 0 behind the LoopPart. NULL: no memory.
*/
void *loop_need_part(Loop *loop, const void *key, size_t size, void (*close)(LoopPart *, Loop *));

/* Raises an error that starts with `what` if the loop is closed. */
void loop_check_open(lua_State *L, const Loop *loop, const char *what);

/* Closes a libuv handle. Its memory, which is from malloc, is freed when libuv has closed it. */
void loop_close_handle(Loop *loop, uv_handle_t *handle);

/* Whether it can poll, and so wait: see loop_open. */
static inline bool loop_is_complete(const Loop *loop) {
    return loop->poll != NULL;
}

/* Whether no task is ready, and nothing that the loop knows of can wake one. */
bool loop_is_stuck(const Loop *loop);

/*
** [-0, +0] Makes the loop of this Lua state, if there is none yet: it can run tasks that
** do not wait. The second one adds the buffer; then poller_open completes it.
*/
void loop_open(lua_State *L);
void loop_add_scratch(lua_State *L);

int loop_add_uv(Loop *loop); /* makes libuv's loop, if it is not there; returns 0 or a status */

#endif
