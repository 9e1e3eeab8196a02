/*
** Owns tasks: how they start, wait and are woken, and the coroutines' bodies.
** Nothing else in arsenal resumes or yields, but for the generators of
** coroutine.c.
*/
#include "kernel/task.h"

#include "base/error.h"
#include "kernel/task_pool.h"
#include "kernel/task_result.h"
#include "debug/watchdog.h"
#include "kernel/task_object.h"

/* The stack of a task's coroutine, from its bottom. */
enum { BODY_TASK = 1, BODY_ATTACHMENT, BODY_STARTER, BODY_LINE, BODY_HANDLER, BODY_FUNCTION };

/* --- waking --- */

static void make_ready(Task *task, int status) {
    Loop *loop = task->loop;
    task->status = status;
    task->state = TASK_READY;
    task->waiter.next = NULL;
    if (loop->ready_first == NULL)
        loop->ready_first = task;
    else
        loop->ready_last->waiter.next = &task->waiter;
    loop->ready_last = task;
    loop->ready++;
}

static bool sentry_wake(Waiter *waiter) {
    waiter_leave(waiter);
    ((CallbackWaiter *)waiter)->called((CallbackWaiter *)waiter);
    return true;
}

bool waiter_wake(Waiter *waiter, int status) {
    if (waiter->task == NULL) return sentry_wake(waiter);
    if (waiter->task->state != TASK_WAITING) return false;
    waiter_leave(waiter);
    make_ready(waiter->task, status);
    return true;
}

static inline void wake_those(WaitQueue *list, bool (*are_meant)(const Waiter *, unsigned),
                              unsigned value, int status) {
    if (*list == NULL) return;
    Waiter *last = (*list)->previous, *waiter = *list;
    for (bool done = false; !done;) {
        Waiter *next = waiter->next; /* the woken leave the list */
        done = waiter == last;
        if (are_meant(waiter, value)) waiter_wake(waiter, status);
        waiter = next;
    }
}

static bool waits_for_any(const Waiter *waiter, unsigned events) {
    return waiter->events & events;
}

void wait_queue_wake(WaitQueue *list, unsigned events, int status) {
    wake_those(list, waits_for_any, events, status);
}

static bool is_satisfied(const Waiter *waiter, unsigned count) {
    return count <= waiter->events;
}

void wait_queue_wake_satisfied(WaitQueue *list, unsigned count) {
    wake_those(list, is_satisfied, count, 0);
}

void wait_queue_dismiss(WaitQueue *list, int status) {
    while (*list != NULL) {
        Waiter *waiter = *list;
        Task *task = waiter->task;
        if (!waiter_wake(waiter, status))
            waiter_leave(waiter);
        else if (task != NULL && waiter == &task->waiter)
            task->object = NULL;
    }
}

/* The object is NULL once it has gone by itself. What forget closes must not wake the task. */
static void forget_wait(Task *task) {
    task->state = TASK_RUNNING;
    waiter_leave(&task->waiter);
    if (task->object != NULL && task->kind->forget != NULL) task->kind->forget(task);
}

void task_interrupt(Task *task) {
    if (task->state != TASK_WAITING) return;
    forget_wait(task);
    make_ready(task, ARSENAL_CANCELLED);
}

/* --- waiting --- */

static void deadline_passed(Timer *timer) {
    Task *task = (Task *)((char *)timer - offsetof(Task, timer));
    if (task->state != TASK_WAITING) return;
    if (task->deadline > timer->deadline)
        timer_heap_set(&task->loop->timers, timer, task->deadline); /* its place was just freed */
    else
        waiter_wake(&task->waiter, ARSENAL_TIMEOUT);
}

void task_set_timeout(Task *task, uint64_t duration) {
    if (task->limited) return;
    task->limited = true;
    if (duration != FOREVER) task->deadline = uv_hrtime() + duration;
}

void task_clear_timeout(Task *task) {
    task->limited = false;
    task->deadline = FOREVER;
}

/* A timer that is set too early is left alone: when it fires it is set anew. */
static bool arm_timer(Task *task) {
    if (task->deadline == FOREVER) return true;
    if (timer_is_set(&task->timer) && task->timer.deadline <= task->deadline) return true;
    return timer_heap_set(&task->loop->timers, &task->timer, task->deadline);
}

Task *task_enter(lua_State *L, Loop *loop) {
    Task *task = loop->running;
    if (loop->closed) luaL_error(L, "cannot wait: the Lua state is being closed");
    if (task == NULL) {
        if (loop->turning)
            luaL_error(L, "cannot wait in a function that the event loop calls; "
                          "start a task with arsenal.go instead");
        return NULL;
    }
    if (task->top != L)
        luaL_error(L, "cannot wait in a coroutine made by Lua's coroutine library inside a task; "
                      "make it with arsenal.coroutine instead");
    if (!lua_isyieldable(L))
        luaL_error(L, "cannot wait here: Lua cannot yield inside a function called from C, such as "
                      "a comparison of table.sort, a replacement of string.gsub, a finalizer or "
                      "require; wait before it, or start a task with arsenal.go");
    task_clear_timeout(task);
    task->progress = 0;
    task->status = 0;
    return task;
}

static int wait_done(lua_State *L, int status, lua_KContext context);

int task_refuse_stranger(lua_State *L, Task *task, lua_KFunction continuation) {
    luaL_checkstack(L, 2, NULL);
    lua_pushnil(L);
    lua_pushliteral(L, "cannot resume a waiting task: only what it waits for wakes it");
    return lua_yieldk(L, 2, (lua_KContext)task, continuation);
}

static int wait_done(lua_State *L, int status, lua_KContext context) {
    Task *task = (Task *)context;
    (void)status;
    if (!task->resuming || task->top != L) {
        lua_settop(L, (int)task->stack_top);
        return task_refuse_stranger(L, task, wait_done);
    }
    task->resuming = false;
    if (task->status == ARSENAL_CANCELLED) return scope_raise(L, task->scope);
    return task->kind->step(L);
}

static int suspend(lua_State *L, Task *task, const WaitKind *kind, void *object) {
    task->kind = kind;
    task->object = object;
    task->top = L;
    task->stack_top = (unsigned)lua_gettop(L);
    task->resuming = false;
    return lua_yieldk(L, 0, (lua_KContext)task, wait_done);
}

int task_wait(lua_State *L, Task *task, const WaitKind *kind, void *object) {
    task->kind = kind;
    task->object = object;
    bool armed = arm_timer(task);
    if (task->scope->doomed || !armed) {
        forget_wait(task);
        return armed ? scope_raise(L, task->scope) : luaL_error(L, "not enough memory");
    }
    task->state = TASK_WAITING;
    return suspend(L, task, kind, object);
}

int task_pause(lua_State *L, Task *task, const WaitKind *kind, void *object) {
    if (task->scope->doomed) {
        task->object = object;
        if (kind->forget != NULL) kind->forget(task);
        return scope_raise(L, task->scope);
    }
    make_ready(task, 0);
    return suspend(L, task, kind, object);
}

/* --- the body --- */

static int body_done(lua_State *L, int status, lua_KContext context) {
    Task *task = (Task *)context;
    if (status == LUA_OK || status == LUA_YIELD) {
        task_settle(L, task, TASK_DONE, lua_gettop(L) - BODY_HANDLER, BODY_ATTACHMENT);
    } else if (scope_is_cancellation(L, -1) && task->root.doomed) {
        task_settle(L, task, TASK_CANCELLED, 0, BODY_ATTACHMENT);
    } else {
        if (status == LUA_ERRRUN)
            task_push_traceback(L);
        else
            lua_pushnil(L); /* no memory for one */
        task_settle(L, task, TASK_FAILED, 2, BODY_ATTACHMENT);
    }
    return 0;
}

static int body(lua_State *L) {
    Task *task = lua_touserdata(L, BODY_TASK);
    if (task->root.doomed) {
        task_settle(L, task, TASK_CANCELLED, 0, BODY_ATTACHMENT);
        return 0;
    }
    int n = lua_gettop(L) - BODY_FUNCTION;
    int status = lua_pcallk(L, n, LUA_MULTRET, BODY_HANDLER, (lua_KContext)task, body_done);
    return body_done(L, status, (lua_KContext)task);
}

/* --- starting, resuming --- */

/* Records where the running function was called to start a task: its caller and the line. */
static void push_starter(lua_State *L, lua_State *to) {
    lua_Debug caller;
    if (lua_getstack(L, 1, &caller) && lua_getinfo(L, "fl", &caller)) {
        lua_xmove(L, to, 1);
        lua_pushinteger(to, caller.currentline);
    } else {
        lua_pushnil(to);
        lua_pushnil(to);
    }
}

Task *task_spawn(lua_State *L, Loop *loop, Scope *parent, int n, int attachment) {
    Task *task = task_pool_prepare(L, loop, n);
    lua_State *co = task->L;
    task_pool_take(loop);
    task->top = co;
    task->group = NULL;
    task->deadline = FOREVER;
    task->timer.fired = deadline_passed;
    task->started = task->limited = task->observed =
        false; /* the rest is as its last end left it */
    lua_pushcfunction(co, body);
    lua_pushlightuserdata(co, task);
    if (attachment != 0) {
        lua_pushvalue(L, attachment);
        lua_xmove(L, co, 1);
    } else {
        lua_pushnil(co);
    }
    push_starter(L, co);
    lua_pushcfunction(co, task_traceback);
    lua_xmove(L, co, n + 1);
    scope_enter(&task->root, parent, task, SCOPE_TASK);
    loop->tasks++;
    make_ready(task, 0);
    return task;
}

/* (task, message, error): the end of a task whose coroutine can't go on. */
static int body_died(lua_State *L) {
    Task *task = lua_touserdata(L, 1);
    if (lua_touserdata(L, 2) != NULL)
        lua_pushstring(L, lua_touserdata(L, 2));
    else
        lua_pushvalue(L, 3);
    luaL_traceback(L, task->L, NULL, 0);
    task_settle(L, task, TASK_FAILED, 2, 0);
    return 0;
}

/*
** Ends a task whose coroutine can't go on, with `message` as its error, or,
** when that is NULL, the error on top of the coroutine's stack.
*/
static void task_died(lua_State *L, Task *task, const char *message) {
    lua_pushcfunction(L, body_died);
    lua_pushlightuserdata(L, task);
    lua_pushlightuserdata(L, (void *)message);
    lua_pushnil(L);
    if (message == NULL) {
        lua_pop(L, 1);
        lua_xmove(task->L, L, 1);
    }
    if (lua_pcall(L, 3, 0, 0) != LUA_OK) {
        lua_pop(L, 1);
        task_settle(L, task, TASK_FAILED, 0, 0);
    }
    if (lua_status(task->L) != LUA_OK) lua_resetthread(task->L);
    task_pool_return(L, task, false);
}

void task_abandon(lua_State *L, Task *task) {
    forget_wait(task);
    task_died(L, task, "given up: it was cancelled, and waits for what can never come");
}

bool task_step(lua_State *L, Loop *loop, Task *task) {
    lua_State *co = task->L;
    int n = task->started ? 0 : lua_gettop(co) - 1, results;
    if (n < 0 || task->started != (lua_status(co) == LUA_YIELD)) {
        forget_wait(task);
        task_died(L, task, "the coroutine of this task was closed by somebody else");
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
    if (status == LUA_OK)
        task_pool_return(L, task, true);
    else if (status != LUA_YIELD)
        task_died(L, task, NULL);
    else
        task_died(L, task,
                  "a task yielded outside of any coroutine of its own: "
                  "use arsenal.yield to let others run");
    return false;
}

unsigned tasks_run(lua_State *L, Loop *loop) {
    unsigned ran = 0;
    for (unsigned count = loop->ready; count > 0; count--, ran++) {
        Task *task = loop->ready_first;
        loop->ready_first = (Task *)task->waiter.next;
        loop->ready--;
        if (loop->watchdog_limit == 0)
            task_step(L, loop, task);
        else
            watchdog_resume(L, loop, task);
    }
    return ran;
}

/* --- all of them --- */

bool task_has_ended(const Task *task) {
    return task->state >= TASK_DONE;
}

Task *tasks_next(Loop *loop, const Task *task) {
    const Scope *scope = task == NULL ? &loop->root : &task->root;
    do {
        scope = scope_after(scope, &loop->root, true);
    } while (scope != NULL && scope->kind != SCOPE_TASK);
    return scope == NULL ? NULL : (Task *)((char *)scope - offsetof(Task, root));
}

void tasks_cancel_all(Loop *loop) {
    Scope *first = loop->root.children, *scope = first;
    if (first == NULL) return;
    do {
        scope_cancel(scope);
        scope = scope->next;
    } while (scope != first);
}

/* The outermost frame of a coroutine that runs something. */
static void find_bottom(lua_State *co, lua_Debug *frame) {
    int there = 0, beyond = 1;
    while (lua_getstack(co, beyond, frame)) {
        there = beyond;
        beyond *= 2;
    }
    while (beyond - there > 1) {
        int middle = there + (beyond - there) / 2;
        *(lua_getstack(co, middle, frame) ? &there : &beyond) = middle;
    }
    lua_getstack(co, there, frame);
}

/*
** Pushes the function that started the task and the line there onto the task's
** own coroutine, from its bottom; false if they are not there any more.
*/
static bool find_starter(Task *task) {
    lua_State *co = task->L;
    lua_Debug bottom;
    if (!lua_checkstack(co, 2)) return false;
    if (!task->started) {
        if (lua_gettop(co) < BODY_FUNCTION) return false;
        lua_pushvalue(co, BODY_STARTER + 1); /* above the function that is to run */
        lua_pushvalue(co, BODY_LINE + 1);
        return true;
    }
    if (!lua_getstack(co, 0, &bottom)) return false;
    find_bottom(co, &bottom);
    if (lua_getlocal(co, &bottom, BODY_STARTER) == NULL) return false;
    lua_getlocal(co, &bottom, BODY_LINE);
    return true;
}

void task_push_start(lua_State *L, Task *task) {
    lua_Debug starter;
    if (!find_starter(task)) {
        lua_pushnil(L);
        return;
    }
    int line = (int)lua_tointeger(task->L, -1);
    lua_pop(task->L, 1);
    if (task->L != L) lua_xmove(task->L, L, 1);
    if (!lua_isfunction(L, -1)) return;
    lua_getinfo(L, ">S", &starter);
    if (line > 0)
        lua_pushfstring(L, "%s:%d", starter.short_src, line);
    else
        lua_pushstring(L, starter.short_src);
}

bool task_push_wait(lua_State *L, Task *task) {
    if (task->state != TASK_WAITING) return false;
    task->kind->describe(L, task);
    return true;
}

void task_push_description(lua_State *L, Task *task) {
    task_push(L, task);
    luaL_tolstring(L, -1, NULL);
    lua_replace(L, -2);
    task_push_start(L, task);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
    } else {
        lua_pushfstring(L, "%s started at %s", lua_tostring(L, -2), lua_tostring(L, -1));
        lua_replace(L, -3);
        lua_pop(L, 1);
    }
    if (!task_push_wait(L, task)) return;
    lua_pushfstring(L, "%s, %s", lua_tostring(L, -2), lua_tostring(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
}
