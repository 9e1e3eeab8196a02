/*
** Owns tasks: how they start, wait, are woken and end, and the coroutines that
** they run in. Nothing else in arsenal resumes or yields, but for the
** generators of coroutine.c. Floor 1.
*/
#include "task.h"

#include "error.h"
#include "fiber.h"
#include "group.h"
#include "limit.h"
#include "run.h"
#include "source.h"

#include <lauxlib.h>
#include <stdlib.h>

/* The stack of a task's coroutine, from its bottom. */
enum { BODY_TASK = 1, BODY_ATTACHMENT, BODY_STARTER, BODY_LINE, BODY_HANDLER, BODY_FUNCTION };

static const char traceback_key; /* registry: what task_traceback took last */
static const char error_key;     /* registry: the error that it was taken of */
static const char reasons_key;   /* registry: cancellations by task, weak keys */
static const char task_name[] = "arsenal.task";

/* --- the ready queue --- */

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
    ((Sentry *)waiter)->called((Sentry *)waiter);
    return true;
}

bool waiter_wake(Waiter *waiter, int status) {
    if (waiter->task == NULL) return sentry_wake(waiter);
    if (waiter->task->state != TASK_WAITING) return false;
    waiter_leave(waiter);
    make_ready(waiter->task, status);
    return true;
}

void waiters_wake(WaitList *list, unsigned events, int status) {
    if (*list == NULL) return;
    Waiter *last = (*list)->previous, *waiter = *list;
    for (bool done = false; !done;) {
        Waiter *next = waiter->next; /* the woken leave the list */
        done = waiter == last;
        if (waiter->events & events) waiter_wake(waiter, status);
        waiter = next;
    }
}

void waiters_wake_satisfied(WaitList *list, unsigned count) {
    if (*list == NULL) return;
    Waiter *last = (*list)->previous, *waiter = *list;
    for (bool done = false; !done;) {
        Waiter *next = waiter->next;
        done = waiter == last;
        if (count <= waiter->events) waiter_wake(waiter, 0);
        waiter = next;
    }
}

void waiters_dismiss(WaitList *list, int status) {
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
    if (task->kind->forget != NULL && task->object != NULL) task->kind->forget(task);
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
        timers_set(&task->loop->timers, timer, task->deadline); /* its place was just freed */
    else
        waiter_wake(&task->waiter, ARSENAL_TIMEOUT);
}

void task_limit(Task *task, uint64_t duration) {
    if (task->limited) return;
    task->limited = true;
    if (duration != FOREVER) task->deadline = uv_hrtime() + duration;
}

void task_unlimit(Task *task) {
    task->limited = false;
    task->deadline = FOREVER;
}

/* A timer that is set too early is left alone: when it fires it is set anew. */
static bool arm_timer(Task *task) {
    if (task->deadline == FOREVER) return true;
    if (timer_is_set(&task->timer) && task->timer.deadline <= task->deadline) return true;
    return timers_set(&task->loop->timers, &task->timer, task->deadline);
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
    task_unlimit(task);
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

/* --- tracebacks --- */

int task_traceback(lua_State *L) {
    Loop *loop = loop_of(L);
    bool kept = loop->keep_traceback;
    loop->keep_traceback = false;
    if (scope_is_cancellation(L, 1)) return 1;
    if (kept) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &error_key);
        kept = lua_rawequal(L, 1, -1);
        lua_pop(L, 1);
    }
    if (!kept) {
        luaL_traceback(L, L, NULL, 1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
        lua_pushvalue(L, 1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &error_key);
    }
    lua_settop(L, 1);
    return 1;
}

int task_rethrow(lua_State *L) {
    loop_of(L)->keep_traceback = true;
    return lua_error(L);
}

int task_rethrow_with(lua_State *L) {
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &error_key);
    return task_rethrow(L);
}

/* --- the end of a task --- */

bool task_has_ended(const Task *task) {
    return task->state >= TASK_DONE;
}

void task_push_reason(lua_State *L, Task *task) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &reasons_key);
    task_push(L, task);
    lua_rawget(L, -2);
    lua_remove(L, -2);
}

void task_push_failure(lua_State *L, int index) {
    if (lua_getiuservalue(L, index, 1) == LUA_TTABLE) {
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        lua_remove(L, -3);
    } else { /* there was no memory to keep it */
        lua_pushliteral(L, "not enough memory");
    }
}

static int call_on_error(lua_State *L) {
    lua_getfield(L, LUA_REGISTRYINDEX, CORE_KEY);
    lua_getfield(L, -1, "face");
    lua_getfield(L, -1, "on_error");
    lua_insert(L, 1);
    lua_pop(L, 2);
    lua_call(L, 3, 0);
    return 0;
}

void task_report(lua_State *L) {
    lua_pushcfunction(L, call_on_error);
    lua_insert(L, -4);
    if (lua_pcall(L, 3, 0, 0) != LUA_OK) {
        const char *text = lua_tostring(L, -1);
        lua_writestringerror("arsenal: error in on_error: %s\n", text ? text : "(not a string)");
        lua_pop(L, 1);
    }
}

/* [-n, +0] keeps the n values on top as what the task's object holds. */
static void keep_outcome(lua_State *L, Task *task, int n) {
    task->progress = (size_t)n;
    if (n == 0) lua_pushnil(L);
    if (n > 1) {
        lua_createtable(L, n, 0);
        lua_insert(L, -n - 1);
        for (int i = n; i >= 1; i--)
            lua_rawseti(L, -i - 1, i);
    }
    task_push(L, task);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 1);
    lua_pop(L, 1);
}

/* Returns whether there was anyone to wake. */
static bool wake_joiners(Task *task) {
    bool woken = false;
    while (task->joiners != NULL) {
        Waiter *joiner = task->joiners;
        woken |= waiter_wake(joiner, 0);
        waiter_leave(joiner);
    }
    return woken;
}

/*
** [-n, +0] ends the task: the n values on top are its results, or its error
** and the traceback. `attachment` is the index of what its group gave it, or 0.
*/
static void settle(lua_State *L, Task *task, int state, int n, int attachment) {
    if (task_has_ended(task)) return;
    keep_outcome(L, task, n);
    while (task->scope != &task->root) /* left over where its coroutine was closed by a stranger */
        task->scope->kind == SCOPE_GROUP ? group_abandon(task->scope) : limit_abandon(task->scope);
    task->state = (unsigned)state;
    timers_clear(&task->loop->timers, &task->timer);
    scope_leave(&task->root);
    task->loop->tasks--;
    bool told = wake_joiners(task);
    if (task->group != NULL) {
        group_task_ended(L, task, attachment);
    } else if (state == TASK_FAILED && !told && !task->observed) {
        task_push(L, task);
        task_push_failure(L, lua_gettop(L));
        lua_rotate(L, -3, 2);
        task_report(L);
    }
}

static int body_done(lua_State *L, int status, lua_KContext context) {
    Task *task = (Task *)context;
    if (status == LUA_OK || status == LUA_YIELD) {
        settle(L, task, TASK_DONE, lua_gettop(L) - BODY_HANDLER, BODY_ATTACHMENT);
    } else if (scope_is_cancellation(L, -1) && task->root.doomed) {
        settle(L, task, TASK_CANCELLED, 0, BODY_ATTACHMENT);
    } else {
        if (status == LUA_ERRRUN)
            lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key);
        else
            lua_pushnil(L); /* no memory for one */
        settle(L, task, TASK_FAILED, 2, BODY_ATTACHMENT);
    }
    return 0;
}

static int body(lua_State *L) {
    Task *task = lua_touserdata(L, BODY_TASK);
    if (task->root.doomed) {
        settle(L, task, TASK_CANCELLED, 0, BODY_ATTACHMENT);
        return 0;
    }
    lua_pushcfunction(L, task_traceback);
    lua_insert(L, BODY_HANDLER);
    int n = lua_gettop(L) - BODY_FUNCTION;
    int status = lua_pcallk(L, n, LUA_MULTRET, BODY_HANDLER, (lua_KContext)task, body_done);
    return body_done(L, status, (lua_KContext)task);
}

/* --- coroutines --- */

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
    luaL_checkstack(L, 4, NULL);
    Task *task = lua_newuserdatauv(L, sizeof *task, 1);
    *task = (Task){.loop = loop, .deadline = FOREVER, .state = TASK_NEW};
    task->waiter.task = task;
    task->timer.fired = deadline_passed;
    luaL_setmetatable(L, task_name);
    fiber_take(L, loop, task);
    lua_State *co = task->L;
    if (!lua_checkstack(co, n + BODY_FUNCTION + LUA_MINSTACK)) {
        fiber_leave(L, loop, task, false);
        luaL_error(L, "too many arguments for a task");
    }
    lua_pushcfunction(co, body);
    lua_pushlightuserdata(co, task);
    if (attachment != 0) {
        lua_pushvalue(L, attachment);
        lua_xmove(L, co, 1);
    } else {
        lua_pushnil(co);
    }
    push_starter(L, co);
    lua_insert(L, -n - 2); /* task, fn, arguments */
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
    settle(L, task, TASK_FAILED, 2, 0);
    return 0;
}

/*
** Ends a task whose coroutine can't go on, with `message` as its error, or,
** when that is NULL, the error on top of the coroutine's stack.
*/
static void task_died(lua_State *L, Loop *loop, Task *task, const char *message) {
    lua_pushthread(task->L);
    lua_xmove(task->L, L, 1); /* anchored */
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
        settle(L, task, TASK_FAILED, 0, 0);
    }
    if (lua_status(task->L) != LUA_OK) lua_resetthread(task->L);
    fiber_leave(L, loop, task, false);
    lua_pop(L, 1);
}

void task_abandon(lua_State *L, Loop *loop, Task *task) {
    forget_wait(task);
    task_died(L, loop, task, "given up: it was cancelled, and waits for what can never come");
}

void task_resume(lua_State *L, Loop *loop, Task *task) {
    lua_State *co = task->L;
    int n = 0, results;
    if (!task->started) {
        task->started = true;
        n = lua_gettop(co) - 1;
    } else if (lua_status(co) != LUA_YIELD) {
        forget_wait(task);
        task_died(L, loop, task, "the coroutine of this task was closed by somebody else");
        return;
    }
    lua_pushthread(co);
    lua_xmove(co, L, 1); /* anchored: its outcome takes its place in the task */
    task->state = TASK_RUNNING;
    task->resuming = true;
    loop->running = task;
    loop->budget = BUDGET;
    int status = lua_resume(co, L, n, &results);
    loop->running = NULL;
    if (status == LUA_OK)
        fiber_leave(L, loop, task, true);
    else if (status != LUA_YIELD)
        task_died(L, loop, task, NULL);
    else if (task->state == TASK_RUNNING)
        task_died(L, loop, task,
                  "a task yielded outside of any coroutine of its own: "
                  "use arsenal.yield to let others run");
    lua_pop(L, 1);
}

/* --- what Lua sees of tasks --- */

static Task *check_task(lua_State *L, int index) {
    return luaL_checkudata(L, index, task_name);
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

int task_push_outcome(lua_State *L, int index) {
    Task *task = lua_touserdata(L, index);
    if (task->state == TASK_FAILED) {
        task_push_failure(L, index);
        return task_rethrow_with(L);
    }
    if (task->state == TASK_CANCELLED)
        return error_push_reason(L, ARSENAL_CANCELLED, error_words(ARSENAL_CANCELLED));
    int n = (int)task->progress;
    luaL_checkstack(L, n + 1, "too many results");
    lua_getiuservalue(L, index, 1);
    if (n == 1) return 1;
    int results = lua_gettop(L);
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, results, i);
    return n;
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
    Task *joined = check_task(L, 1);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    if (joined == task) return luaL_error(L, "a task cannot join itself");
    if (task_has_ended(joined)) return task_push_outcome(L, 1);
    waiter_join(&task->waiter, &joined->joiners, NULL);
    return task_wait(L, task, &join_wait, joined);
}

/* --- select: a task's natural receive is its join --- */

static int attempt_join(lua_State *L) {
    Task *joined = check_task(L, 1);
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
    Task *task = check_task(L, 1);
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
    lua_pushstring(L, names[check_task(L, 1)->state]);
    return 1;
}

static int task_tostring(lua_State *L) {
    Task *task = check_task(L, 1);
    lua_pushfstring(L, "task: %p", (void *)task);
    return 1;
}

Task *tasks_next(Loop *loop, const Task *task) {
    const Scope *scope = task == NULL ? &loop->root : &task->root;
    do {
        scope = scope_after(scope, &loop->root, true);
    } while (scope != NULL && scope->kind != SCOPE_TASK);
    return scope == NULL ? NULL : (Task *)((char *)scope - offsetof(Task, root));
}

/*
** [-0, +1 or 0] pushes the function that started the task, from the bottom of
** its coroutine's stack; false if that is not known, or the task not begun.
*/
static bool push_starter_of(lua_State *L, Task *task, int *line) {
    lua_Debug frame, bottom;
    int level = 0;
    if (task->L == NULL || !task->started) return false;
    while (lua_getstack(task->L, level, &frame)) {
        bottom = frame;
        level++;
    }
    if (level == 0 || lua_getlocal(task->L, &bottom, BODY_STARTER) == NULL) return false;
    lua_getlocal(task->L, &bottom, BODY_LINE);
    *line = (int)lua_tointeger(task->L, -1);
    lua_pop(task->L, 1);
    lua_xmove(task->L, L, 1);
    if (lua_isfunction(L, -1)) return true;
    lua_pop(L, 1);
    return false;
}

void task_push_description(lua_State *L, Task *task) {
    lua_Debug starter;
    int line;
    lua_pushfstring(L, "task: %p", (void *)task);
    if (push_starter_of(L, task, &line)) {
        lua_getinfo(L, ">S", &starter);
        lua_pushfstring(L, " started at %s:%d", starter.short_src, line);
        lua_concat(L, 2);
    }
    if (task->state != TASK_WAITING) return;
    lua_pushliteral(L, ", ");
    task->kind->describe(L, task);
    lua_concat(L, 3);
}

void tasks_cancel_all(Loop *loop) {
    Scope *first = loop->root.children, *scope = first;
    if (first == NULL) return;
    do {
        scope_cancel(scope);
        scope = scope->next;
    } while (scope != first);
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

/* last_traceback(): what task_traceback took last. */
static int last_traceback(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key);
    return 1;
}

/* rethrow(err, traceback) raises err so that on_error and run tell this traceback. */
static int rethrow(lua_State *L) {
    lua_settop(L, 2);
    return task_rethrow_with(L);
}

static const luaL_Reg functions[] = {
    {"go", go},
    {"current", current},
    {"yield", yield},
    {"sleep", sleep},
    {"can_wait", can_wait},
    {"check_cancelled", check_cancelled},
    {"traceback", task_traceback},
    {"last_traceback", last_traceback},
    {"rethrow", rethrow},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"join", join},
    {"cancel", cancel},
    {"status", status},
    {NULL, NULL},
};

void task_open(lua_State *L) {
    luaL_newmetatable(L, task_name);
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
