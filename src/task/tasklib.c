/*
** Owns what Lua sees of tasks: starting, joining and cancelling them, and the
** waits that need nothing but a task.
*/
#include "task/tasklib.h"

#include "base/error.h"
#include "event/run.h"
#include "kernel/background.h"
#include "kernel/cancellation.h"
#include "kernel/public.h"
#include "kernel/task.h"
#include "kernel/task_object.h"
#include "kernel/task_result.h"
#include "object/selectable.h"

/*
** go(fn, ...) starts a task and returns it. The task runs when the current one next
** waits. Time limits and cancellations around this call do not apply to it.
*/
static int tasklib_go(lua_State *L) {
    Loop *loop = loop_upvalue(L);
    task_check_function(L, 1);
    loop_check_open(L, loop, "cannot start a task");
    task_spawn_shown(L, loop, &loop->root, lua_gettop(L) - 1);
    return 1;
}

/*
** background(fn, ...) starts a task that does not keep the program alive: `run`
** cancels it when no other task is left.
*/
static int tasklib_background(lua_State *L) {
    Loop *loop = loop_upvalue(L);
    task_check_function(L, 1);
    loop_check_open(L, loop, "cannot start a task");
    background_add(task_spawn_shown(L, loop, &loop->root, lua_gettop(L) - 1));
    return 1;
}

static int tasklib_current(lua_State *L) {
    Task *task = loop_upvalue(L)->running;
    if (task == NULL)
        lua_pushnil(L);
    else
        task_object_push(L, task);
    return 1;
}

static int tasklib_yield_step(lua_State *L, Task *task) {
    (void)L, (void)task;
    return 0;
}

static const WaitKind yield_wait = {tasklib_yield_step, NULL, task_describe_pause};

/* yield() lets every task that is ready run before it returns. */
static int tasklib_yield(lua_State *L) {
    Loop *loop = loop_upvalue(L);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    return task_pause(L, task, &yield_wait, NULL);
}

static void tasklib_describe_sleep(lua_State *L, Task *task) {
    (void)task;
    lua_pushliteral(L, "sleeping");
}

static void tasklib_forget_sleep(Task *task) {
    task->loop->external_waiters--;
}

static const WaitKind sleep_wait = {tasklib_yield_step, NULL, tasklib_describe_sleep};
static const WaitKind endless_sleep_wait = {tasklib_yield_step, tasklib_forget_sleep,
                                            tasklib_describe_sleep};

/* No deadlock: Ctrl-C can end it. */
static int tasklib_sleep_endlessly(lua_State *L, Loop *loop, Task *task) {
    loop->external_waiters++;
    return task_wait(L, task, &endless_sleep_wait, loop);
}

/* sleep(seconds) waits at least that long; without a number, for ever (until it is cancelled). */
static int tasklib_sleep(lua_State *L) {
    Loop *loop = loop_upvalue(L);
    uint64_t duration = args_duration(L, 1);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    if (duration == 0) return task_pause(L, task, &sleep_wait, NULL);
    if (duration == FOREVER) return tasklib_sleep_endlessly(L, loop, task);
    task_set_timeout(task, duration);
    return task_wait(L, task, &sleep_wait, NULL);
}

static int tasklib_join_step(lua_State *L, Task *task) {
    (void)task;
    return task_push_result(L, 1);
}

static void tasklib_describe_join(lua_State *L, Task *task) {
    const TaskObject *joined = task->object;
    task_object_push(L, joined->task);
    lua_pushfstring(L, "joining %s", luaL_tolstring(L, -1, NULL));
    lua_replace(L, -3);
    lua_pop(L, 1);
}

static const WaitKind join_wait = {tasklib_join_step, NULL, tasklib_describe_join};

/*
** task:join() waits until the task has ended; returns its results, raises its
** error, or returns nil, message, "CANCELLED".
*/
static int tasklib_join(lua_State *L) {
    TaskObject *joined = task_object_check(L, 1);
    Task *task = task_enter(L, loop_upvalue(L));
    if (task == NULL) return run_outside(L);
    if (joined->task == NULL) return task_push_result(L, 1);
    if (joined->task == task) return luaL_error(L, "a task cannot join itself");
    waiter_join(&task->waiter, &joined->task->joiners, NULL);
    return task_wait(L, task, &join_wait, joined);
}

/* --- select: the call that a select makes on a task is join --- */

static int tasklib_attempt_join(lua_State *L) {
    Task *joined = task_object_check(L, 1)->task;
    if (joined != NULL && joined == joined->loop->running)
        return luaL_error(L, "a task cannot join itself");
    if (joined != NULL) return 0;
    int n = task_push_result(L, 1);
    return n > 0 ? n : selectable_no_results(L);
}

static int tasklib_watch_end(void *object, Waiter *waiter) {
    waiter_join(waiter, &((TaskObject *)object)->task->joiners, NULL);
    return 0;
}

static const Selectable join_selectable = {tasklib_attempt_join, tasklib_watch_end, NULL, NULL};

/*
** task:cancel([reason]) raises a cancellation where the task waits, now and at
** each later wait. Does nothing to a task that has ended.
*/
static int tasklib_cancel(lua_State *L) {
    Task *task = task_object_check(L, 1)->task;
    if (task == NULL || task->root.cancelled) return 0;
    if (!lua_isnoneornil(L, 2)) cancellation_set_reason(L, &task->root, 2);
    scope_cancel(&task->root);
    return 0;
}

static int tasklib_status(lua_State *L) {
    static const char *const names[] = {"ready", "running", "waiting",
                                        "done",  "failed",  "cancelled"};
    const TaskObject *object = task_object_check(L, 1);
    lua_pushstring(L, names[object->task != NULL ? object->task->state : (unsigned)object->state]);
    return 1;
}

/* task:set_name(name) is what the task is called in reports; nil: it has no name. */
static int tasklib_set_name(lua_State *L) {
    task_object_check(L, 1);
    if (!lua_isnil(L, 2)) luaL_checktype(L, 2, LUA_TSTRING);
    lua_settop(L, 2);
    task_object_set_name(L, 1);
    return 0;
}

static int tasklib_name(lua_State *L) {
    task_object_check(L, 1);
    task_object_push_name(L, 1);
    return 1;
}

static int tasklib_tostring(lua_State *L) {
    TaskObject *object = task_object_check(L, 1);
    task_object_push_name(L, 1);
    if (lua_isnil(L, -1))
        lua_pushfstring(L, "task: %p", (void *)object);
    else
        lua_pushfstring(L, "task '%s'", lua_tostring(L, -1));
    return 1;
}

/*
** can_wait(): true inside a task, false outside of any; an error where Lua can't
** yield. Functions written in Lua begin with it, so a task that has had its share
** pauses here.
*/
static int tasklib_can_wait(lua_State *L) {
    Loop *loop = loop_upvalue(L);
    bool can_wait = task_enter(L, loop) != NULL;
    if (!can_wait && loop->running != NULL) return task_pause_before(L, loop->running);
    lua_pushboolean(L, can_wait);
    return 1;
}

/* check_cancelled() raises the cancellation of the scope that the task is in, if it is cancelled. */
static int tasklib_check_cancelled(lua_State *L) {
    Task *task = loop_upvalue(L)->running;
    return task != NULL && task->scopes.innermost->doomed
               ? cancellation_raise(L, task->scopes.innermost)
               : 0;
}

/*
** must_begin(task) of one that has not begun: returns it. Its function is called even if the
** task is cancelled before, so that its clean-up is done.
*/
static int tasklib_must_begin(lua_State *L) {
    task_object_check(L, 1)->task->must_begin = true;
    lua_settop(L, 1);
    return 1;
}

/* is_ending(): whether every task of the program was cancelled, and new ones are at once. */
static int tasklib_is_ending(lua_State *L) {
    lua_pushboolean(L, loop_upvalue(L)->ending);
    return 1;
}

/* report(err, traceback, task, stream) calls on_error; an error in that is printed. */
static int tasklib_report(lua_State *L) {
    lua_settop(L, 4);
    task_report_stream(L);
    return 0;
}

static const luaL_Reg functions[] = {
    {"go", tasklib_go},
    {"background", tasklib_background},
    {"current", tasklib_current},
    {"yield", tasklib_yield},
    {"sleep", tasklib_sleep},
    {"can_wait", tasklib_can_wait},
    {"report", tasklib_report},
    {"check_cancelled", tasklib_check_cancelled},
    {"must_begin", tasklib_must_begin},
    {"is_ending", tasklib_is_ending},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"join", tasklib_join},         {"cancel", tasklib_cancel}, {"status", tasklib_status},
    {"set_name", tasklib_set_name}, {"name", tasklib_name},     {NULL, NULL},
};

void tasklib_open(lua_State *L) {
    task_object_push_metatable(L);
    lua_pushliteral(L, "task");
    lua_setfield(L, -2, "__name");
    selectable_attach(L, &join_selectable);
    lua_pushcfunction(L, tasklib_tostring);
    lua_setfield(L, -2, "__tostring");
    luaL_newlibtable(L, methods);
    loop_push(L);
    luaL_setfuncs(L, methods, 1);
    public_name_functions(L, "task");
    lua_pushvalue(L, -1);
    lua_setfield(L, -4, "task_methods");
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    loop_push(L);
    luaL_setfuncs(L, functions, 1);
}
