/*
** Owns time limits and shields: calls that run a function in a scope of its
** own. Their memory is Lua's and kept until the state's end: so a coroutine closed
** by user code leaves nothing behind that points into its stack, and a finalizer
** may let a generator go on after the loop was closed.
*/
#include "task/timeout.h"

#include "base/error.h"
#include "event/run.h"
#include "kernel/cancellation.h"
#include "kernel/clock.h"
#include "kernel/scope_guard.h"
#include "kernel/task.h"
#include "kernel/traceback.h"

#include <stdio.h>

typedef struct TimeoutScope {
    Scope scope;
    struct TimeoutPool *pool;
    Timer timer;
    bool is_entered; /* otherwise it was abandoned */
    bool is_guarded; /* its call may go on after that, and needs the memory until it ends */
    struct TimeoutScope *next_free;
} TimeoutScope;

/* The scopes that no call uses. The pool's user value refers to the one that was made last, and so on. */
typedef struct TimeoutPool {
    Loop *loop;
    TimeoutScope *free;
} TimeoutPool;

static const char pool_key; /* registry: the pool */

/* The functions have the pool as their upvalue. */
static TimeoutPool *timeout_pool(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* --- the scopes --- */

static void timeout_passed(Timer *timer) {
    scope_cancel(&container_of(timer, TimeoutScope, timer)->scope);
}

static TimeoutScope *timeout_new(lua_State *L) {
    TimeoutPool *pool = timeout_pool(L);
    TimeoutScope *timeout = pool->free;
    if (timeout != NULL) {
        pool->free = timeout->next_free;
        return timeout;
    }
    timeout = lua_newuserdatauv(L, sizeof *timeout, 1);
    *timeout = (TimeoutScope){.pool = pool, .timer.fired = timeout_passed};
    lua_getiuservalue(L, lua_upvalueindex(1), 1);
    lua_setiuservalue(L, -2, 1);
    lua_setiuservalue(L, lua_upvalueindex(1), 1);
    return timeout;
}

static void timeout_give_back(TimeoutScope *timeout) {
    timeout->next_free = timeout->pool->free;
    timeout->pool->free = timeout;
}

static void timeout_exit(TimeoutScope *timeout) {
    timeout->is_entered = false;
    timer_heap_clear(&timeout->pool->loop->timers, &timeout->timer);
    scope_leave(&timeout->scope);
}

static void timeout_abandon(Scope *scope) {
    TimeoutScope *timeout = container_of(scope, TimeoutScope, scope);
    timeout_exit(timeout);
    if (!timeout->is_guarded) timeout_give_back(timeout);
}

/* Leaves a scope whose call has ended or will never go on. */
static void timeout_leave(Scope *scope) {
    TimeoutScope *timeout = container_of(scope, TimeoutScope, scope);
    if (timeout->is_entered) timeout_exit(timeout);
    timeout_give_back(timeout);
}

static const ScopeType timeout_type = {false, timeout_abandon};
static const ScopeType shield_type = {true, timeout_abandon};

/* --- calling a function in one --- */

enum { CALL_SECONDS = 1, CALL_GUARD, CALL_HANDLER, CALL_FUNCTION }; /* the stack of a call */

/* [seconds, function, ...] */
static int timeout_call(lua_State *L, Task *task, const ScopeType *type, uint64_t duration,
                        lua_KFunction done) {
    Loop *loop = task->loop;
    scope_guard_push(L, task);
    lua_pushcfunction(L, traceback_handler);
    lua_rotate(L, CALL_GUARD, 2);
    TimeoutScope *timeout = timeout_new(L);
    if (duration != FOREVER && duration != 0 &&
        !timer_heap_set(&loop->timers, &timeout->timer, clock_deadline(loop, duration))) {
        timeout_give_back(timeout);
        return luaL_error(L, "not enough memory");
    }
    timeout->is_guarded = L != task->L;
    scope_guard_begin(L, CALL_GUARD, &timeout->scope, timeout_leave);
    scope_enter(&timeout->scope, task->scopes.innermost, &task->scopes, type, L);
    timeout->is_entered = true;
    if (duration == 0) scope_cancel(&timeout->scope);
    int n = lua_gettop(L) - CALL_FUNCTION;
    int status = lua_pcallk(L, n, LUA_MULTRET, CALL_HANDLER, (lua_KContext)timeout, done);
    return done(L, status, (lua_KContext)timeout);
}

static void timeout_end_call(lua_State *L, TimeoutScope *timeout) {
    scope_guard_end(L, CALL_GUARD);
    timeout_leave(&timeout->scope);
}

/* Ends the call. Returns whether the error on top is there because this very scope's time ran out. */
static bool timeout_has_expired(lua_State *L, TimeoutScope *timeout, int status) {
    const Task *task = timeout->pool->loop->running;
    bool was_cancelled = timeout->is_entered && timeout->scope.cancelled;
    timeout_end_call(L, timeout);
    return !traceback_is_success(status) && was_cancelled && task != NULL &&
           !task->scopes.innermost->doomed && cancellation_is(L, -1);
}

static int timeout_push_failure(lua_State *L) {
    char reason[64];
    snprintf(reason, sizeof reason, "timed out after %.14gs", lua_tonumber(L, CALL_SECONDS));
    return error_push_reason(L, ARSENAL_TIMEOUT, reason);
}

static int timeout_done(lua_State *L, int status, lua_KContext context) {
    if (timeout_has_expired(L, (TimeoutScope *)context, status)) return timeout_push_failure(L);
    return traceback_is_success(status) ? lua_gettop(L) - CALL_HANDLER : traceback_pass_on(L);
}

static int timeout_within_done(lua_State *L, int status, lua_KContext context) {
    bool has_expired = timeout_has_expired(L, (TimeoutScope *)context, status);
    if (!has_expired && !traceback_is_success(status)) return traceback_pass_on(L);
    lua_pushboolean(L, has_expired);
    lua_replace(L, CALL_HANDLER);
    if (!has_expired) return lua_gettop(L) - CALL_GUARD;
    lua_settop(L, CALL_HANDLER);
    return 1 + timeout_push_failure(L);
}

/*
** If the task is cancelled and its budget is used up, the cancellation is raised
** here: otherwise a loop around shielded functions that never wait would not end.
** Lua's own resume may let a generator go on outside of tasks.
*/
static int timeout_shield_done(lua_State *L, int status, lua_KContext context) {
    TimeoutScope *timeout = (TimeoutScope *)context;
    Loop *loop = timeout->pool->loop;
    const Task *task = loop->running;
    timeout_end_call(L, timeout);
    if (!traceback_is_success(status)) return traceback_pass_on(L);
    if (task != NULL && task_spent(loop) && task->scopes.innermost->doomed)
        return cancellation_raise(L, task->scopes.innermost);
    return lua_gettop(L) - CALL_HANDLER;
}

/* (seconds, fn, ...) */
static int timeout_begin(lua_State *L, lua_KFunction done) {
    uint64_t duration = args_duration(L, 1);
    task_check_function(L, 2);
    Task *task = task_enter(L, timeout_pool(L)->loop);
    if (task == NULL) return run_outside(L);
    return timeout_call(L, task, &timeout_type, duration, done);
}

/*
** timeout(seconds, fn, ...) returns fn's results, or nil, message, "TIMEOUT" if fn
** was cancelled because the time ran out. A limit of 0 lets fn run to its first
** wait; an inner limit never outlives an outer one.
*/
static int timeout_function(lua_State *L) {
    return timeout_begin(L, timeout_done);
}

/*
** within(seconds, fn, ...): false and fn's results; or true, nil, message,
** "TIMEOUT" if the time of this very call ran out. For callers that have to
** distinguish that from a "TIMEOUT" which fn returns.
*/
static int timeout_within(lua_State *L) {
    return timeout_begin(L, timeout_within_done);
}

/*
** shield(fn, ...) runs fn to its end, and returns its results, even if the task is
** cancelled. So it raises no cancellation before fn runs.
*/
static int timeout_shield(lua_State *L) {
    task_check_function(L, 1);
    Task *task = task_enter_now(L, timeout_pool(L)->loop);
    if (task == NULL) return run_outside(L);
    if (!task->scopes.innermost->doomed && task_spent(task->loop))
        return task_pause_before(L, task);
    lua_pushnil(L);
    lua_insert(L, CALL_SECONDS);
    return timeout_call(L, task, &shield_type, FOREVER, timeout_shield_done);
}

static const luaL_Reg timeout_functions[] = {
    {"timeout", timeout_function},
    {"within", timeout_within},
    {"shield", timeout_shield},
    {NULL, NULL},
};

static void timeout_make_pool(lua_State *L) {
    TimeoutPool *pool = lua_newuserdatauv(L, sizeof *pool, 1);
    *pool = (TimeoutPool){.loop = loop_of(L)};
    lua_rawsetp(L, LUA_REGISTRYINDEX, &pool_key);
}

void timeout_open(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &pool_key) == LUA_TNIL) timeout_make_pool(L);
    lua_pop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pool_key);
    luaL_setfuncs(L, timeout_functions, 1);
}
