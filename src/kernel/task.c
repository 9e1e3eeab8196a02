/*
** Owns how tasks start, are resumed and end: the bodies of their coroutines.
** Nothing else in arsenal resumes, except the generators of coroutine.c.
*/
#include "kernel/task.h"

#include "base/error.h"
#include "base/lua_api.h"
#include "kernel/cancellation.h"
#include "kernel/order.h"
#include "kernel/task_body.h"
#include "kernel/task_object.h"
#include "kernel/task_pool.h"
#include "kernel/task_result.h"
#include "kernel/traceback.h"

static const ScopeType task_scope_type = {false, NULL};

/* --- the body --- */

static int task_body_done(lua_State *L, int status, lua_KContext context) {
    Task *task = (Task *)context;
    if (traceback_is_success(status)) {
        task_end(L, task, TASK_DONE, lua_gettop(L) - BODY_STARTER, BODY_ATTACHMENT);
    } else if (cancellation_is(L, -1) && task->root.doomed) {
        task_end(L, task, TASK_CANCELLED, 0, BODY_ATTACHMENT);
    } else {
        traceback_push(L);
        task_end(L, task, TASK_FAILED, 2, BODY_ATTACHMENT);
    }
    return 0;
}

static int task_run_body(lua_State *L) {
    Task *task = lua_touserdata(L, BODY_TASK);
    if (task->root.doomed && !task->must_begin) {
        task_end(L, task, TASK_CANCELLED, 0, BODY_ATTACHMENT);
        return 0;
    }
    lua_pushcfunction(L, traceback_handler);
    lua_replace(L, BODY_HANDLER);
    int n = lua_gettop(L) - BODY_FUNCTION;
    int status = lua_pcallk(L, n, LUA_MULTRET, BODY_HANDLER, (lua_KContext)task, task_body_done);
    return task_body_done(L, status, (lua_KContext)task);
}

/* --- starting --- */

/* Records where the running function was called to start the task: its caller and the line. */
static void task_push_starter(lua_State *L, Task *task) {
    lua_Debug caller = {.currentline = 0};
    if (lua_getstack(L, 1, &caller) && lua_getinfo(L, "fl", &caller))
        lua_xmove(L, task->L, 1);
    else
        lua_pushnil(task->L);
    task->line = caller.currentline;
}

void task_set_start(lua_State *L, Task *task, int level) {
    lua_Debug caller;
    if (!lua_checkstack(task->L, 1) || !lua_getstack(L, level, &caller)) return;
    lua_getinfo(L, "fl", &caller);
    if (caller.currentline <= 0) { /* no Lua function */
        lua_pop(L, 1);
        return;
    }
    lua_xmove(L, task->L, 1);
    lua_replace(task->L, BODY_STARTER + 1); /* the function that is to begin is below it */
    task->line = caller.currentline;
}

/* The rest of the memory needs no change after the end of the task that had it before. */
static void task_reset(Task *task) {
    task->top = task->L;
    task->kind = NULL;
    task->object = NULL;
    task->owner = NULL;
    task_clear_timeout(task);
    task->started = task->observed = task->background = task->must_begin = false;
}

Task *task_spawn(lua_State *L, Loop *loop, Scope *parent, int n, int attachment) {
    Task *task = task_pool_take(L, loop, n);
    lua_State *co = task->L;
    task_reset(task);
    lua_pushcfunction(co, task_run_body);
    lua_pushlightuserdata(co, task);
    if (attachment != 0) {
        lua_pushvalue(L, attachment);
        lua_xmove(L, co, 1);
    } else {
        lua_pushnil(co);
    }
    task_push_starter(L, task);
    lua_xmove(L, co, n + 1);
    scope_enter(&task->root, parent, &task->scopes, &task_scope_type, co);
    loop->tasks++;
    if (loop->ending && parent == &loop->root) scope_cancel(&task->root);
    task_make_ready(task, 0);
    return task;
}

Task *task_spawn_shown(lua_State *L, Loop *loop, Scope *parent, int n) {
    int function = lua_gettop(L) - n;
    TaskObject *object = task_object_new(L);
    lua_insert(L, function); /* object, fn, arguments */
    Task *task = task_spawn(L, loop, parent, n, 0);
    task_object_assign(L, object, task);
    return task;
}

void task_check_function(lua_State *L, int index) {
    if (lua_isfunction(L, index)) return;
    if (luaL_getmetafield(L, index, "__call") == LUA_TNIL) luaL_checktype(L, index, LUA_TFUNCTION);
    lua_pop(L, 1);
}

/* --- ending without the coroutine --- */

/*
** [-0, +1 or 0] what the owner of a task whose coroutine can't go on looks after:
** its index, or 0 if user code has closed the coroutine. Needs no memory.
*/
static int task_push_attachment(lua_State *L, const Task *task) {
    if (task->owner == NULL || !task_body_push(task, BODY_ATTACHMENT)) return 0;
    lua_xmove(task->L, L, 1);
    return lua_gettop(L);
}

/* (task, message, error): ends a task whose coroutine cannot go on. */
static int task_end_dead(lua_State *L) {
    Task *task = lua_touserdata(L, 1);
    int attachment = task_push_attachment(L, task);
    if (lua_touserdata(L, 2) != NULL)
        lua_pushstring(L, lua_touserdata(L, 2));
    else
        lua_pushvalue(L, 3);
    luaL_traceback(L, task->L, NULL, 0);
    task_end(L, task, TASK_FAILED, 2, attachment);
    return 0;
}

/*
** Ends a task whose coroutine cannot go on. Its error is `message` or, if that is
** NULL, the value on top of the coroutine's stack.
*/
static void task_died(lua_State *L, Task *task, const char *message) {
    lua_pushcfunction(L, task_end_dead);
    lua_pushlightuserdata(L, task);
    lua_pushlightuserdata(L, (void *)message);
    lua_pushnil(L);
    if (message == NULL) {
        lua_pop(L, 1);
        lua_xmove(task->L, L, 1);
    }
    if (lua_pcall(L, 3, 0, 0) != LUA_OK) {
        lua_pop(L, 1);
        int top = lua_gettop(L), attachment = task_push_attachment(L, task);
        task_end(L, task, TASK_FAILED, 0, attachment);
        lua_settop(L, top);
    }
    if (lua_status(task->L) != LUA_OK) lua_api_close(task->L, L);
    task_pool_return(L, task);
}

void task_abandon(lua_State *L, Task *task) {
    task_forget_wait(task);
    task_died(L, task, "task abandoned: it was cancelled but still waits, and nothing can wake it");
}

/* --- running --- */

/*
** Resumes a ready task. Returns false if the task has ended: its memory may be
** another task's then. A debug hook may raise an error behind the task's end.
*/
static bool task_step(lua_State *L, Loop *loop, Task *task) {
    lua_State *co = task->L;
    int n = task->started ? 0 : lua_gettop(co) - 1, results;
    if (n < 0 || task->started != (lua_status(co) == LUA_YIELD)) {
        task_forget_wait(task);
        task_died(L, task, "the coroutine of this task was closed by user code");
        return false;
    }
    task->started = true;
    task->state = TASK_RUNNING;
    task->resuming = true;
    loop->running = task;
    loop->budget = BUDGET;
    int status = lua_resume(co, L, n, &results);
    loop->running = NULL;
    if (status == LUA_YIELD && task->state != TASK_RUNNING) return true;
    if (!task_has_ended(task)) task_forget_lost_wait(task);
    if (status == LUA_OK)
        task_pool_return(L, task);
    else if (status != LUA_YIELD)
        task_died(L, task, NULL);
    else
        task_died(L, task,
                  "coroutine.yield was called directly in a task: "
                  "use arsenal.yield to let others run");
    return false;
}

static void task_call_hooks_before(lua_State *L, Loop *loop, Task *task) {
    for (ResumeHook *hook = loop->hooks; hook != NULL; hook = hook->next)
        hook->before(hook, L, task);
}

static void task_call_hooks_after(lua_State *L, Loop *loop, Task *task, bool waits) {
    for (ResumeHook *hook = loop->hooks, *next; hook != NULL; hook = next) {
        next = hook->next; /* it may remove itself */
        hook->after(hook, L, task, waits);
    }
}

void tasks_run(lua_State *L, Loop *loop, unsigned count) {
    for (; count > 0; count--) {
        Task *task = container_of(order_take(loop), Task, ready);
        bool is_watched = loop->hooks != NULL;
        if (is_watched) task_call_hooks_before(L, loop, task);
        bool waits = task_step(L, loop, task);
        if (is_watched) task_call_hooks_after(L, loop, task, waits);
    }
}

void task_add_hook(Loop *loop, ResumeHook *hook) {
    hook->next = loop->hooks;
    loop->hooks = hook;
}

void task_remove_hook(Loop *loop, ResumeHook *hook) {
    ResumeHook **link = &loop->hooks;
    while (*link != NULL && *link != hook)
        link = &(*link)->next;
    if (*link != NULL) *link = hook->next;
}

/* --- all of them --- */

Task *tasks_next(Loop *loop, const Task *task) {
    Scope *scope = task == NULL ? &loop->root : (Scope *)&task->root;
    do {
        scope = scope_after(scope, &loop->root, true);
    } while (scope != NULL && scope->type != &task_scope_type);
    return scope == NULL ? NULL : container_of(scope, Task, root);
}

void tasks_cancel_all(Loop *loop) {
    loop->ending = loop->tasks > 0;
    List *children = &loop->root.children;
    for (ListNode *node = children->first; node != NULL; node = list_next(children, node))
        scope_cancel(container_of(node, Scope, sibling));
}
