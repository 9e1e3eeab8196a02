/*
** Owns what Lua sees of tasks: starting, joining and cancelling them, and the
** waits that need nothing but a task. Floor 1.
*/
#include "error.h"
#include "fiber.h"
#include "outcome.h"
#include "run.h"
#include "source.h"
#include "task.h"

#include <lauxlib.h>

static const char reasons_key; /* registry: cancellations by task, weak keys */

void task_push_reason(lua_State *L, Task *task) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &reasons_key);
    task_push(L, task);
    lua_rawget(L, -2);
    lua_remove(L, -2);
}

/* --- what Lua sees of tasks --- */

Task *task_check(lua_State *L, int index) {
    Task *task = lua_touserdata(L, index);
    bool is_task = lua_type(L, index) == LUA_TUSERDATA && lua_rawlen(L, index) == sizeof *task &&
                   task->waiter.task == task; /* no other userdata points at itself there */
    if (!is_task) luaL_typeerror(L, index, TASK_NAME);
    return task;
}

void task_check_function(lua_State *L, int index) {
    if (lua_isfunction(L, index)) return;
    if (luaL_getmetafield(L, index, "__call") == LUA_TNIL) luaL_checktype(L, index, LUA_TFUNCTION);
    lua_pop(L, 1);
}

/*
** go(fn, ...) starts a task and returns it. It runs when the current one next
** waits, and belongs to the program, not to the limits it was started under.
*/
static int go(lua_State *L) {
    Loop *loop = loop_of(L);
    task_check_function(L, 1);
    if (loop->closed) return luaL_error(L, "cannot start a task: the Lua state is being closed");
    task_spawn(L, loop, &loop->root, lua_gettop(L) - 1, 0);
    return 1;
}

static int current(lua_State *L) {
    Task *task = loop_of(L)->running;
    if (task == NULL)
        lua_pushnil(L);
    else
        task_push(L, task);
    return 1;
}

static int yield_step(lua_State *L) {
    (void)L;
    return 0;
}

static void describe_yield(lua_State *L, Task *task) {
    (void)task;
    lua_pushliteral(L, "letting others run");
}

static const WaitKind yield_wait = {yield_step, NULL, describe_yield};

/* yield() lets every task that is ready run before it returns. */
static int yield(lua_State *L) {
    Loop *loop = loop_of(L);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    return task_pause(L, task, &yield_wait, NULL);
}

static void describe_sleep(lua_State *L, Task *task) {
    (void)task;
    lua_pushliteral(L, "sleeping");
}

static const WaitKind sleep_wait = {yield_step, NULL, describe_sleep};

/* sleep(seconds) waits at least that long; without a number, for ever (until it is cancelled). */
static int sleep(lua_State *L) {
    Loop *loop = loop_of(L);
    uint64_t duration = args_duration(L, 1);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    if (duration == 0) return task_pause(L, task, &sleep_wait, NULL);
    task_limit(task, duration);
    return task_wait(L, task, &sleep_wait, NULL);
}

static int join_step(lua_State *L) {
    return task_push_outcome(L, 1);
}

static void describe_join(lua_State *L, Task *task) {
    lua_pushfstring(L, "joining task: %p", task->object);
}

static const WaitKind join_wait = {join_step, NULL, describe_join};

/*
** task:join() waits until the task has ended; returns its results, raises its
** error, or returns nil, message, "CANCELLED".
*/
static int join(lua_State *L) {
    Loop *loop = loop_of(L);
    Task *joined = task_check(L, 1);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    if (joined == task) return luaL_error(L, "a task cannot join itself");
    if (task_has_ended(joined)) return task_push_outcome(L, 1);
    waiter_join(&task->waiter, &joined->joiners, NULL);
    return task_wait(L, task, &join_wait, joined);
}

/* --- select: a task's natural receive is its join --- */

static int attempt_join(lua_State *L) {
    Task *joined = task_check(L, 1);
    if (joined == joined->loop->running) return luaL_error(L, "a task cannot join itself");
    if (!task_has_ended(joined)) return 0;
    int n = task_push_outcome(L, 1);
    return n > 0 ? n : source_no_results(L);
}

static int watch_end(void *object, Waiter *waiter) {
    waiter_join(waiter, &((Task *)object)->joiners, NULL);
    return 0;
}

static const Source join_source = {attempt_join, watch_end, NULL, NULL};

/*
** task:cancel([reason]) raises a cancellation where the task waits, now and at
** each later wait. Nothing for one that has ended.
*/
static int cancel(lua_State *L) {
    Task *task = task_check(L, 1);
    if (task_has_ended(task) || task->root.cancelled) return 0;
    if (!lua_isnoneornil(L, 2)) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &reasons_key);
        lua_pushvalue(L, 1);
        scope_push_cancellation(L, 2);
        lua_rawset(L, -3);
        task->root.has_reason = true;
    }
    scope_cancel(&task->root);
    return 0;
}

static int status(lua_State *L) {
    static const char *const names[] = {"ready", "ready",  "running",  "waiting",
                                        "done",  "failed", "cancelled"};
    lua_pushstring(L, names[task_check(L, 1)->state]);
    return 1;
}

static int task_tostring(lua_State *L) {
    Task *task = task_check(L, 1);
    lua_pushfstring(L, "task: %p", (void *)task);
    return 1;
}

/* can_wait(): true inside a task, false outside of any; an error where Lua can't yield. */
static int can_wait(lua_State *L) {
    lua_pushboolean(L, task_enter(L, loop_of(L)) != NULL);
    return 1;
}

/* check_cancelled() raises the cancellation of the scope that the task is in, if it is cancelled. */
static int check_cancelled(lua_State *L) {
    Task *task = loop_of(L)->running;
    return task != NULL && task->scope->doomed ? scope_raise(L, task->scope) : 0;
}

static const luaL_Reg functions[] = {
    {"go", go},       {"current", current},   {"yield", yield},
    {"sleep", sleep}, {"can_wait", can_wait}, {"check_cancelled", check_cancelled},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"join", join},
    {"cancel", cancel},
    {"status", status},
    {NULL, NULL},
};

void task_open(lua_State *L) {
    luaL_newmetatable(L, TASK_NAME);
    source_attach(L, &join_source);
    lua_pushcfunction(L, task_tostring);
    lua_setfield(L, -2, "__tostring");
    luaL_newlibtable(L, methods);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    fiber_open(L);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &reasons_key);
    luaL_setfuncs(L, functions, 0);
}
