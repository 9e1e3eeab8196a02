/*
** Owns blocking calls: each runs in a thread of the thread pool, in a Lua state that
** no other call has meanwhile. A state that has served a call serves a later one, so
** that the modules and connections in it are used again.
*/
#include "base/openers.h"

#include "base/container_of.h"
#include "base/error.h"
#include "event/run.h"
#include "event/signal_watch.h"
#include "event/thread_pool.h"
#include "kernel/traceback.h"
#include "kernel/wait.h"
#include "worker/call.h"
#include "worker/environment.h"

#include <stdatomic.h>
#include <stdlib.h>

typedef struct BlockingState {
    lua_State *L; /* NULL: not made yet */
    Environment *environment;
    bool is_broken; /* it has run out of memory */
    struct BlockingState *next;
} BlockingState;

/* The states of a loop that serve no call. */
typedef struct BlockingPart {
    LoopPart part;
    BlockingState *idle;
} BlockingPart;

/* One call. The job and the Lua object of the call hold it. */
typedef struct Blocking {
    Job job;
    atomic_uint holders;
    BlockingState *state; /* NULL once it was given back */
    Call call;
    WaitQueue waiters; /* the task that has made the call */
    bool is_done;
} Blocking;

static const char part_key;
static const char blocking_name[] = "arsenal.blocking";

static Blocking *blocking_of(Job *job) {
    return container_of(job, Blocking, job);
}

/* --- states --- */

static void blocking_free_state(BlockingState *state) {
    if (state == NULL) return;
    if (state->L != NULL) lua_close(state->L);
    environment_free(state->environment);
    free(state);
}

static void blocking_close_part(LoopPart *part, Loop *loop) {
    BlockingPart *states = container_of(part, BlockingPart, part);
    (void)loop;
    for (BlockingState *state = states->idle, *next; state != NULL; state = next) {
        next = state->next;
        blocking_free_state(state);
    }
    free(states);
}

/* An idle state, or a new one; NULL: no memory. The upvalue is what opens the core. */
static BlockingState *blocking_take_state(lua_State *L, BlockingPart *states) {
    BlockingState *state = states->idle;
    if (state != NULL) {
        states->idle = state->next;
        return state;
    }
    state = calloc(1, sizeof *state);
    if (state == NULL) return NULL;
    state->environment = environment_new(L, lua_tocfunction(L, lua_upvalueindex(1)));
    if (state->environment != NULL) return state;
    free(state);
    return NULL;
}

static void blocking_give_back(Blocking *blocking) {
    BlockingPart *states = loop_part(blocking->job.loop, &part_key);
    if (blocking->state->is_broken || blocking->state->L == NULL) return;
    blocking->state->next = states->idle;
    states->idle = blocking->state;
    blocking->state = NULL;
}

/* --- in the pool's thread --- */

/* (environment) */
static int blocking_set_up(lua_State *L) {
    environment_set_up(L, lua_touserdata(L, 1));
    if (!signal_watch_exempt(loop_of(L))) return luaL_error(L, "not enough memory");
    return 0;
}

/* (call) */
static int blocking_run_entry(lua_State *L) {
    Call *call = lua_touserdata(L, 1);
    lua_settop(L, 0);
    call_push_entry(L, call);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    call_done(L, call, lua_gettop(L));
    return 0;
}

static int blocking_call(lua_State *L, lua_CFunction function, const void *argument, int handler) {
    lua_pushcfunction(L, function);
    lua_pushlightuserdata(L, (void *)argument);
    return lua_pcall(L, 1, 0, handler);
}

/* Returns the status of the call. An error is on top then. */
static int blocking_serve(lua_State *L, const BlockingState *state, Call *call, bool is_new) {
    if (is_new) {
        int status = blocking_call(L, blocking_set_up, state->environment, 0);
        if (status != LUA_OK) return status;
    }
    lua_pushcfunction(L, traceback_handler);
    return blocking_call(L, blocking_run_entry, call, lua_gettop(L));
}

static void blocking_run(Job *job) {
    Blocking *blocking = blocking_of(job);
    BlockingState *state = blocking->state;
    bool is_new = state->L == NULL;
    lua_State *L = is_new ? luaL_newstate() : state->L;
    if (L == NULL) return;
    state->L = L;
    int status = blocking_serve(L, state, &blocking->call, is_new);
    state->is_broken = status == LUA_ERRMEM;
    if (status != LUA_OK) {
        if (is_new && lua_gettop(L) == 1)
            lua_pushnil(L); /* it could not be set up */
        else
            traceback_push(L);
        call_failed(L, &blocking->call);
    }
    lua_settop(L, 0);
}

/* --- its memory --- */

static void blocking_release(Blocking *blocking) {
    if (atomic_fetch_sub(&blocking->holders, 1) > 1) return;
    blocking_free_state(blocking->state);
    call_free(&blocking->call);
    free(blocking);
}

static void blocking_free(Job *job) {
    blocking_release(blocking_of(job));
}

static int blocking_gc(lua_State *L) {
    Blocking **box = luaL_checkudata(L, 1, blocking_name);
    if (*box != NULL) blocking_release(*box);
    *box = NULL;
    return 0;
}

/* --- in the loop's thread --- */

static void blocking_done(Job *job) {
    Blocking *blocking = blocking_of(job);
    blocking->is_done = true;
    blocking_give_back(blocking);
    wait_queue_wake(&blocking->waiters, 0);
}

static int blocking_step(lua_State *L);

static void blocking_forget(Task *task) {
    Blocking *const *box = task->object;
    thread_pool_forget(&(*box)->job);
}

static void blocking_describe(lua_State *L, Task *task) {
    (void)task;
    lua_pushliteral(L, "waiting for a blocking call");
}

static const WaitKind blocking_wait = {blocking_step, blocking_forget, blocking_describe};

/* The object of the call is on top. */
static int blocking_step(lua_State *L) {
    enum { OUTCOME = 1 };
    Blocking *const *box = lua_touserdata(L, -1);
    Blocking *blocking = *box;
    lua_insert(L, 1);
    lua_settop(L, 1);
    int count = call_push_outcome(L, &blocking->call);
    if (blocking->call.outcome == OUTCOME_DONE) return count - OUTCOME;
    if (count < 3) lua_pushnil(L); /* without memory there is no traceback */
    return traceback_rethrow(L);
}

/* [-0, +1] an object for the call of the entry at index 1 and its arguments. NULL: [-0, +3] one cannot cross. */
static Blocking *blocking_new(lua_State *L, BlockingPart *states) {
    int count = lua_gettop(L);
    Blocking **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, blocking_name);
    Parcel *entry = parcel_pack(L, 1, count, NULL);
    if (entry == NULL) return NULL;
    Blocking *blocking = calloc(1, sizeof *blocking);
    if (blocking != NULL) blocking->state = blocking_take_state(L, states);
    if (blocking == NULL || blocking->state == NULL) {
        parcel_free(entry);
        free(blocking);
        luaL_error(L, "not enough memory");
        return NULL;
    }
    blocking->call.entry = entry;
    blocking->job =
        (Job){.run = blocking_run, .done = blocking_done, .free = blocking_free, .is_long = true};
    atomic_init(&blocking->holders, 1);
    *box = blocking;
    return blocking;
}

/*
** blocking(entry, ...): the results of entry(...), which is called in a thread while
** other tasks run. Its error is raised.
*/
static int blocking_function(lua_State *L) {
    Loop *loop = loop_of(L);
    call_check_entry(L, 1);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    BlockingPart *states = loop_need_part(loop, &part_key, sizeof *states, blocking_close_part);
    if (states == NULL) return luaL_error(L, "not enough memory");
    Blocking *blocking = blocking_new(L, states);
    if (blocking == NULL) return 3;
    atomic_fetch_add(&blocking->holders, 1);
    int status = thread_pool_submit(loop, &blocking->job);
    if (status != 0) {
        blocking_release(blocking);
        return error_push(L, status, "blocking");
    }
    waiter_join(&task->waiter, &blocking->waiters, &loop->external_waiters);
    return task_wait(L, task, &blocking_wait, lua_touserdata(L, -1));
}

/* The function has what opens the core as its upvalue. */
void blocking_open(lua_State *L) {
    luaL_newmetatable(L, blocking_name);
    lua_pushcfunction(L, blocking_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_getfield(L, -1, "open_core");
    lua_pushcclosure(L, blocking_function, 1);
    lua_setfield(L, -2, "blocking");
}
