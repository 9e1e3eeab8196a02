/*
** Owns time limits and shields: calls that run a function in a scope of its
** own. Their memory is the loop's, so that a coroutine closed by a stranger
** leaves nothing behind that points into its stack.
*/
#include "task/timeout.h"

#include "base/error.h"
#include "kernel/task_result.h"
#include "event/run.h"
#include "kernel/task.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct TimeoutScope {
    Scope scope;
    Timer timer;
    struct TimeoutScope *next_free, *next;
} TimeoutScope;

static void timeout_passed(Timer *timer) {
    scope_cancel(&((TimeoutScope *)((char *)timer - offsetof(TimeoutScope, timer)))->scope);
}

static TimeoutScope *timeout_new(lua_State *L, Loop *loop) {
    TimeoutScope *limit = loop->free_limits;
    if (limit != NULL) {
        loop->free_limits = limit->next_free;
        return limit;
    }
    limit = calloc(1, sizeof *limit);
    if (limit == NULL) luaL_error(L, "not enough memory");
    limit->timer.fired = timeout_passed;
    limit->next = loop->limits;
    loop->limits = limit;
    return limit;
}

static void timeout_leave(Loop *loop, TimeoutScope *limit) {
    timer_heap_clear(&loop->timers, &limit->timer);
    scope_leave(&limit->scope);
    limit->next_free = loop->free_limits;
    loop->free_limits = limit;
}

void timeout_abandon(Scope *scope) {
    timeout_leave(scope->task->loop, (TimeoutScope *)scope);
}

void timeout_scopes_free(Loop *loop) {
    while (loop->limits != NULL) {
        TimeoutScope *limit = loop->limits;
        loop->limits = limit->next;
        free(limit);
    }
    loop->free_limits = NULL;
}

enum { LIMIT_SECONDS = 1, LIMIT_HANDLER, LIMIT_FUNCTION };

/* The function has ended: its results, its error, or that the time was up. */
static int timeout_done(lua_State *L, int status, lua_KContext context) {
    TimeoutScope *limit = (TimeoutScope *)context;
    Task *task = limit->scope.task;
    bool expired = limit->scope.cancelled;
    timeout_leave(task->loop, limit);
    if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - LIMIT_HANDLER;
    if (!expired || task->scope->doomed || !scope_is_cancellation(L, -1)) return task_rethrow(L);
    char reason[64];
    snprintf(reason, sizeof reason, "timed out after %.14gs", lua_tonumber(L, LIMIT_SECONDS));
    return error_push_reason(L, ARSENAL_TIMEOUT, reason);
}

/* A shield's function has ended. */
static int shield_done(lua_State *L, int status, lua_KContext context) {
    TimeoutScope *limit = (TimeoutScope *)context;
    timeout_leave(limit->scope.task->loop, limit);
    if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - LIMIT_HANDLER;
    return task_rethrow(L);
}

/* [seconds, handler, function, ...] */
static int call(lua_State *L, Loop *loop, Task *task, int kind, uint64_t duration,
                lua_KFunction done) {
    TimeoutScope *limit = timeout_new(L, loop);
    scope_enter(&limit->scope, task->scope, task, kind);
    if (duration == 0) {
        scope_cancel(&limit->scope);
    } else if (duration != FOREVER &&
               !timer_heap_set(&loop->timers, &limit->timer, uv_hrtime() + duration)) {
        timeout_leave(loop, limit);
        return luaL_error(L, "not enough memory");
    }
    int n = lua_gettop(L) - LIMIT_FUNCTION;
    int status = lua_pcallk(L, n, LUA_MULTRET, LIMIT_HANDLER, (lua_KContext)limit, done);
    return done(L, status, (lua_KContext)limit);
}

/*
** timeout(seconds, fn, ...) returns fn's results, or nil, message, "TIMEOUT"
** once a cancellation for lack of time has left it. A limit of 0 lets fn run
** to its first wait; an inner limit never outlives an outer one.
*/
static int timeout(lua_State *L) {
    Loop *loop = loop_of(L);
    uint64_t duration = args_duration(L, 1);
    task_check_function(L, 2);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    lua_pushcfunction(L, task_traceback);
    lua_insert(L, LIMIT_HANDLER);
    return call(L, loop, task, SCOPE_LIMIT, duration, timeout_done);
}

/* shield(fn, ...) runs fn to its end, and returns its results, although the task is cancelled. */
static int shield(lua_State *L) {
    Loop *loop = loop_of(L);
    task_check_function(L, 1);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    lua_pushnil(L);
    lua_insert(L, LIMIT_SECONDS);
    lua_pushcfunction(L, task_traceback);
    lua_insert(L, LIMIT_HANDLER);
    return call(L, loop, task, SCOPE_SHIELD, FOREVER, shield_done);
}

static const luaL_Reg functions[] = {
    {"timeout", timeout},
    {"shield", shield},
    {NULL, NULL},
};

void timeout_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
