/*
** Owns what Lua sees of tasks: their objects, starting, joining and cancelling
** them, and the waits that need nothing but a task.
*/
#include "kernel/task_object.h"

#include "base/error.h"
#include "kernel/task_pool.h"
#include "kernel/task_result.h"
#include "event/run.h"
#include "object/selectable.h"

static const char metatable_key; /* registry: the objects'; its address is their mark */
static const char objects_key;   /* registry: by slot, until the next task there has its own */
static const char reasons_key;   /* registry: cancellations by object, weak keys */

enum { GO_METATABLE = lua_upvalueindex(2), GO_OBJECTS = lua_upvalueindex(3) };

/* --- the object --- */

TaskObject *task_check(lua_State *L, int index) {
    TaskObject *object = lua_touserdata(L, index);
    if (object == NULL || lua_rawlen(L, index) != sizeof *object || object->mark != &metatable_key)
        luaL_typeerror(L, index, "task");
    return object;
}

/* [-0, +1] of no task yet. Finalizers may run. */
static TaskObject *make_object(lua_State *L, int metatable) {
    TaskObject *object = lua_newuserdatauv(L, sizeof *object, 1);
    *object = (TaskObject){.mark = &metatable_key};
    lua_pushvalue(L, metatable);
    lua_setmetatable(L, -2);
    return object;
}

/* Makes the object on top that of the task. */
static void give_object(lua_State *L, TaskObject *object, Task *task, int objects) {
    lua_pushvalue(L, -1);
    lua_rawseti(L, objects, task->slot);
    object->task = task;
}

/* [-0, +2] */
static void push_tables(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &objects_key);
}

void task_push(lua_State *L, Task *task) {
    int metatable = lua_gettop(L) + 1, objects = metatable + 1;
    push_tables(L);
    TaskObject *object = task->shown == NULL ? make_object(L, metatable) : NULL;
    if (task->shown == NULL) { /* still, after the finalizers */
        give_object(L, object, task, objects);
        task->shown = object;
    }
    lua_rawgeti(L, objects, task->slot);
    lua_replace(L, metatable);
    lua_settop(L, metatable);
}

/* [-(n + 1), +1] */
static Task *spawn_shown(lua_State *L, Loop *loop, Scope *parent, int n, int metatable,
                         int objects) {
    TaskObject *object = make_object(L, metatable);
    give_object(L, object, task_pool_prepare(L, loop, n), objects);
    lua_insert(L, -n - 2); /* object, fn, arguments */
    Task *task = task_spawn(L, loop, parent, n, 0);
    task->shown = object;
    return task;
}

Task *task_spawn_shown(lua_State *L, Loop *loop, Scope *parent, int n) {
    int function = lua_gettop(L) - n;
    push_tables(L);
    lua_rotate(L, function, 2); /* tables, fn, arguments */
    Task *task = spawn_shown(L, loop, parent, n, function, function + 1);
    lua_replace(L, function);
    lua_settop(L, function);
    return task;
}

void task_object_keep(lua_State *L, Task *task) {
    task_push(L, task);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &objects_key);
    lua_pushboolean(L, false);
    lua_rawseti(L, -2, task->slot);
    lua_pop(L, 1);
}

void task_object_end(Task *task, int state, int results) {
    TaskObject *object = task->shown;
    object->task = NULL;
    object->state = state;
    object->results = results;
    task->shown = NULL;
}

void task_push_reason(lua_State *L, Task *task) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &reasons_key);
    task_push(L, task);
    lua_rawget(L, -2);
    lua_remove(L, -2);
}

/* --- what Lua sees of tasks --- */

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
    Loop *loop = loop_upvalue(L);
    task_check_function(L, 1);
    if (loop->closed) return luaL_error(L, "cannot start a task: the Lua state is being closed");
    spawn_shown(L, loop, &loop->root, lua_gettop(L) - 1, GO_METATABLE, GO_OBJECTS);
    return 1;
}

static int current(lua_State *L) {
    Task *task = loop_upvalue(L)->running;
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
    Loop *loop = loop_upvalue(L);
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
    Loop *loop = loop_upvalue(L);
    uint64_t duration = args_duration(L, 1);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    if (duration == 0) return task_pause(L, task, &sleep_wait, NULL);
    task_set_timeout(task, duration);
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
    TaskObject *joined = task_check(L, 1);
    Task *task = task_enter(L, loop_upvalue(L));
    if (task == NULL) return run_outside(L);
    if (joined->task == NULL) return task_push_outcome(L, 1);
    if (joined->task == task) return luaL_error(L, "a task cannot join itself");
    waiter_join(&task->waiter, &joined->task->joiners, NULL);
    return task_wait(L, task, &join_wait, joined);
}

/* --- select: a task's natural receive is its join --- */

static int attempt_join(lua_State *L) {
    Task *joined = task_check(L, 1)->task;
    if (joined != NULL && joined == joined->loop->running)
        return luaL_error(L, "a task cannot join itself");
    if (joined != NULL) return 0;
    int n = task_push_outcome(L, 1);
    return n > 0 ? n : selectable_no_results(L);
}

static int watch_end(void *object, Waiter *waiter) {
    waiter_join(waiter, &((TaskObject *)object)->task->joiners, NULL);
    return 0;
}

static const Selectable join_source = {attempt_join, watch_end, NULL, NULL};

/*
** task:cancel([reason]) raises a cancellation where the task waits, now and at
** each later wait. Nothing for one that has ended.
*/
static int cancel(lua_State *L) {
    Task *task = task_check(L, 1)->task;
    if (task == NULL || task->root.cancelled) return 0;
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
    const TaskObject *object = task_check(L, 1);
    lua_pushstring(L, names[object->task != NULL ? object->task->state : (unsigned)object->state]);
    return 1;
}

static int task_tostring(lua_State *L) {
    lua_pushfstring(L, "task: %p", (void *)task_check(L, 1));
    return 1;
}

/* can_wait(): true inside a task, false outside of any; an error where Lua can't yield. */
static int can_wait(lua_State *L) {
    lua_pushboolean(L, task_enter(L, loop_upvalue(L)) != NULL);
    return 1;
}

/* check_cancelled() raises the cancellation of the scope that the task is in, if it is cancelled. */
static int check_cancelled(lua_State *L) {
    Task *task = loop_upvalue(L)->running;
    return task != NULL && task->scope->doomed ? scope_raise(L, task->scope) : 0;
}

static const luaL_Reg functions[] = {
    {"current", current},
    {"yield", yield},
    {"sleep", sleep},
    {"can_wait", can_wait},
    {"check_cancelled", check_cancelled},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"join", join},
    {"cancel", cancel},
    {"status", status},
    {NULL, NULL},
};

void task_open(lua_State *L) {
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);
    lua_pushliteral(L, "task");
    lua_setfield(L, -2, "__name");
    selectable_attach(L, &join_source);
    lua_pushcfunction(L, task_tostring);
    lua_setfield(L, -2, "__tostring");
    luaL_newlibtable(L, methods);
    loop_push(L);
    luaL_setfuncs(L, methods, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, -4, "task_methods");
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    task_pool_open(L);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &objects_key);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &reasons_key);
    loop_push(L);
    luaL_setfuncs(L, functions, 1);
    loop_push(L);
    push_tables(L);
    lua_pushcclosure(L, go, 3);
    lua_setfield(L, -2, "go");
}
