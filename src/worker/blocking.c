/*
** Owns blocking calls: each runs in a thread of the thread pool, in a Lua state that
** no other call has meanwhile. A state that has served a call serves a later one, so
** that the modules and connections in it are used again.
*/
#include "worker/blocking.h"

#include "base/openers.h"

#include "base/container_of.h"
#include "base/error.h"
#include "event/crew.h"
#include "event/inbox.h"
#include "event/run.h"
#include "event/thread_pool.h"
#include "kernel/traceback.h"
#include "kernel/wait.h"
#include "worker/call.h"
#include "worker/environment.h"

#include <stdatomic.h>
#include <stdlib.h>

typedef struct BlockingState {
    lua_State *L;
    struct BlockingState *next;
} BlockingState;

/* The states of a loop that serve no call. The loop and each call hold them. */
typedef struct BlockingStates {
    atomic_uint holders;
    uv_mutex_t lock; /* guards what follows */
    BlockingState *idle;
    bool is_closed; /* the loop is */
} BlockingStates;

typedef struct BlockingPart {
    LoopPart part;
    BlockingStates *states;
} BlockingPart;

/* One call. The job and the Lua object of the call hold it. */
typedef struct Blocking {
    Job job;
    atomic_uint holders;
    BlockingStates *states;
    Environment *environment;
    Call call;
    Crew *crew;        /* the loop's; the job is awake in it */
    Task *task;        /* the one that has made the call */
    WaitQueue waiters; /* that task, while it waits for the call */
} Blocking;

static const char part_key;
static const char crew_key; /* registry, in the states of calls: the crew of their loop */
static const char blocking_name[] = "arsenal.blocking";

static Blocking *blocking_of(Job *job) {
    return container_of(job, Blocking, job);
}

/* --- states --- */

static void blocking_close_states(BlockingState *state) {
    for (BlockingState *next; state != NULL; state = next) {
        next = state->next;
        lua_close(state->L);
        free(state);
    }
}

static void blocking_release_states(BlockingStates *states) {
    if (atomic_fetch_sub(&states->holders, 1) > 1) return;
    uv_mutex_destroy(&states->lock);
    free(states);
}

static void blocking_close_part(LoopPart *part, Loop *loop) {
    BlockingStates *states = container_of(part, BlockingPart, part)->states;
    (void)loop;
    if (states != NULL) {
        uv_mutex_lock(&states->lock);
        BlockingState *idle = states->idle;
        states->idle = NULL;
        states->is_closed = true;
        uv_mutex_unlock(&states->lock);
        blocking_close_states(idle);
        blocking_release_states(states);
    }
    free(container_of(part, BlockingPart, part));
}

/* The loop's states; NULL: no memory. */
static BlockingStates *blocking_states_of(Loop *loop) {
    BlockingPart *part = loop_need_part(loop, &part_key, sizeof *part, blocking_close_part);
    if (part == NULL || part->states != NULL) return part == NULL ? NULL : part->states;
    BlockingStates *states = calloc(1, sizeof *states);
    if (states == NULL || uv_mutex_init(&states->lock) != 0) {
        free(states);
        return NULL;
    }
    atomic_init(&states->holders, 1);
    part->states = states;
    return states;
}

/* --- in the pool's thread --- */

static BlockingState *blocking_take_idle(BlockingStates *states) {
    uv_mutex_lock(&states->lock);
    BlockingState *state = states->idle;
    if (state != NULL) states->idle = state->next;
    uv_mutex_unlock(&states->lock);
    return state;
}

static void blocking_give_back(BlockingStates *states, BlockingState *state) {
    uv_mutex_lock(&states->lock);
    bool is_closed = states->is_closed;
    state->next = is_closed ? NULL : states->idle;
    if (!is_closed) states->idle = state;
    uv_mutex_unlock(&states->lock);
    if (is_closed) blocking_close_states(state);
}

/* (blocking) */
static int blocking_set_up(lua_State *L) {
    const Blocking *blocking = lua_touserdata(L, 1);
    environment_set_up(L, blocking->environment);
    lua_pushlightuserdata(L, blocking->crew);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &crew_key);
    return 0;
}

static Crew *blocking_caller_crew(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &crew_key);
    Crew *crew = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return crew;
}

bool blocking_is_state(lua_State *L) {
    return blocking_caller_crew(L) != NULL;
}

Crew *blocking_crew(lua_State *L, Inbox *inbox) {
    Crew *crew = blocking_caller_crew(L);
    return crew != NULL ? crew : inbox_crew(inbox);
}

/* A message handler: turns an error into a list of it and its traceback. */
static int blocking_handle_error(lua_State *L) {
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    luaL_traceback(L, L, NULL, 1);
    lua_rawseti(L, -2, 2);
    return 1;
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

/* A state that `require` finds modules in; NULL: no memory. */
static BlockingState *blocking_new_state(const Blocking *blocking) {
    BlockingState *state = calloc(1, sizeof *state);
    if (state == NULL) return NULL;
    state->L = luaL_newstate();
    if (state->L != NULL && blocking_call(state->L, blocking_set_up, blocking, 0) == LUA_OK)
        return state;
    if (state->L != NULL) lua_close(state->L);
    free(state);
    return NULL;
}

/* [-1, +2] the error and the traceback of the list on top; without memory there is no list. */
static void blocking_push_failure(lua_State *L) {
    if (!lua_istable(L, -1)) {
        lua_pushnil(L);
        return;
    }
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    lua_remove(L, -3);
}

/* Returns whether the state can serve other calls. */
static bool blocking_serve(lua_State *L, Call *call) {
    lua_settop(L, 0);
    lua_pushcfunction(L, blocking_handle_error);
    int status = blocking_call(L, blocking_run_entry, call, 1);
    if (status != LUA_OK) {
        blocking_push_failure(L);
        call_failed(L, call);
    }
    lua_settop(L, 0);
    return status != LUA_ERRMEM;
}

static void blocking_run(Job *job) {
    Blocking *blocking = blocking_of(job);
    BlockingState *state = blocking_take_idle(blocking->states);
    if (state == NULL) state = blocking_new_state(blocking);
    if (state == NULL) return; /* the outcome is that there is no memory */
    state->next = NULL;
    if (blocking_serve(state->L, &blocking->call))
        blocking_give_back(blocking->states, state);
    else
        blocking_close_states(state);
}

/* --- its memory --- */

static void blocking_release(Blocking *blocking) {
    if (atomic_fetch_sub(&blocking->holders, 1) > 1) return;
    blocking_release_states(blocking->states);
    environment_free(blocking->environment);
    call_free(&blocking->call);
    crew_release(blocking->crew);
    free(blocking);
}

/* The call is over or was withdrawn: it cannot wake any task, so it leaves the crew. */
static void blocking_free(Job *job) {
    Crew *crew = blocking_of(job)->crew;
    if (crew_rest(crew)) crew->report(crew);
    blocking_release(blocking_of(job));
}

/*
** The task still waits, or has not run since the call was done, only if user code has closed
** the coroutine that made the call: so it is woken, and ends.
*/
static void blocking_lose(Blocking *blocking, const void *box) {
    Task *task = blocking->task;
    if (task->object != box || task->loop->closed || task->loop->forked) return;
    task->object = NULL;
    thread_pool_forget(&blocking->job);
    waiter_wake(&task->waiter, ARSENAL_CLOSED);
}

static int blocking_gc(lua_State *L) {
    Blocking **box = luaL_checkudata(L, 1, blocking_name);
    if (*box == NULL) return 0;
    blocking_lose(*box, box);
    blocking_release(*box);
    *box = NULL;
    return 0;
}

/* --- in the loop's thread --- */

static void blocking_done(Job *job) {
    wait_queue_wake(&blocking_of(job)->waiters, 0);
}

static int blocking_step(lua_State *L, Task *task);

/* Releases the call at once, and not when the collector runs: it may hold sockets. */
static void blocking_forget(Task *task) {
    Blocking **box = task->object, *blocking = *box;
    *box = NULL;
    thread_pool_forget(&blocking->job);
    blocking_release(blocking);
}

static void blocking_describe(lua_State *L, Task *task) {
    (void)task;
    lua_pushliteral(L, "waiting for a blocking call");
}

static const WaitKind blocking_wait = {blocking_step, blocking_forget, blocking_describe};

/* The object of the call is on top. */
static int blocking_step(lua_State *L, Task *task) {
    (void)task;
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

/*
** [-0, +1] pushes an object for the call of the entry at index 1 with its arguments.
** NULL: one cannot cross now, and nil, message, code were pushed. The upvalue is what
** opens the core.
*/
static Blocking *blocking_new(lua_State *L, BlockingStates *states, Crew *crew) {
    int count = lua_gettop(L);
    Blocking **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, blocking_name);
    Parcel *entry = parcel_pack_call(L, 1, count);
    if (entry == NULL) return NULL;
    Blocking *blocking = calloc(1, sizeof *blocking);
    Environment *environment = environment_new(L, lua_tocfunction(L, lua_upvalueindex(1)));
    if (blocking == NULL || environment == NULL) {
        parcel_free(entry);
        environment_free(environment);
        free(blocking);
        luaL_error(L, "not enough memory");
        return NULL;
    }
    atomic_init(&blocking->holders, 1);
    atomic_fetch_add(&states->holders, 1);
    crew_hold(crew);
    blocking->crew = crew;
    blocking->task = loop_of(L)->running;
    blocking->states = states;
    blocking->environment = environment;
    blocking->call.entry = entry;
    blocking->job = (Job){.run = blocking_run,
                          .done = blocking_done,
                          .free = blocking_free,
                          .pool = POOL_OF_CALLS};
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
    Inbox *inbox = inbox_of(loop);
    Crew *crew = inbox == NULL ? NULL : blocking_crew(L, inbox);
    BlockingStates *states = blocking_states_of(loop);
    if (crew == NULL || states == NULL) return luaL_error(L, "not enough memory");
    Blocking *blocking = blocking_new(L, states, crew);
    if (blocking == NULL) return 3;
    atomic_fetch_add(&blocking->holders, 1);
    crew_wake(crew);
    int status = thread_pool_submit(loop, &blocking->job);
    if (status != 0) {
        crew_rest(crew); /* this thread is awake */
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
