/*
** The loop: one for a Lua state. What its parts share: libuv's loop, the timers,
** the root of the scopes, the counts that tell whether anything can still
** happen. A module's own state is a LoopPart, so that a new one needs no line here.
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
    READ_SIZE = 64 * 1024, /* asked for where more than what is wanted may come */
};

struct Task;
struct Loop;

/* The state of a module, in memory from malloc: found by its key, and closed with the loop. */
typedef struct LoopPart {
    const void *key;
    /* The loop is being closed; frees the part. Lua objects may be finalized before or after. */
    void (*close)(struct LoopPart *part, struct Loop *loop);
    struct LoopPart *next;
} LoopPart;

/* A task in the queue of those that are ready. */
typedef struct ReadyNode {
    struct ReadyNode *next;
} ReadyNode;

typedef struct Loop {
    uv_loop_t uv;
    bool closed;     /* torn down: descriptors may still be closed, nothing else */
    bool forked;     /* closed because this process is a fork of the loop's own */
    bool turning;    /* inside a turn */
    bool ending;     /* all tasks were cancelled: new ones are born cancelled, until none is left */
    bool uv_changed; /* libuv's handles changed since it last ran */

    struct Task *running;
    int budget; /* what is left of the running task's: see wait.h */
    ReadyNode *ready_first, *ready_last;
    unsigned ready; /* tasks in that queue */
    unsigned tasks; /* that have not ended */
    unsigned
        external_waiters; /* that I/O, signals or threads can wake: needed to detect deadlocks */
    unsigned unpolled;    /* tasks run since the last poll */
    uint64_t turns;
    uint64_t polled_at,
        lag;         /* see turn.c: when the last poll ended, or 0; the longest time without */
    uint32_t random; /* see order.h */

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

/* The same, faster, for a function whose first upvalue is what loop_push [-0, +1] pushed. */
void loop_push(lua_State *L);

static inline Loop *loop_upvalue(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* The part with this key; NULL: none was added. */
void *loop_part(const Loop *loop, const void *key);
void loop_add_part(Loop *loop, LoopPart *part);

/* The part with this key, made of `size` bytes, all 0 behind the LoopPart, if there is none; NULL: no memory. */
void *loop_need_part(Loop *loop, const void *key, size_t size, void (*close)(LoopPart *, Loop *));

/* Raises an error that starts with `what` if the loop is closed. */
void loop_check_open(lua_State *L, const Loop *loop, const char *what);

/* Puts a libuv handle's memory, from malloc, at libuv's disposal: it is freed once it is closed. */
void loop_close_handle(Loop *loop, uv_handle_t *handle);

/* No task is ready, and nothing that the loop knows of could make one so. */
bool loop_is_stuck(const Loop *loop);

/* [-0, +0] Makes the loop of this Lua state, if there is none yet. */
void loop_open(lua_State *L);

#endif
