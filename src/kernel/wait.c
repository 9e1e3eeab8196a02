/*
** Owns how tasks wait and are woken. Nothing else in arsenal yields, except
** the generators of coroutine.c.
*/
#include "kernel/wait.h"

#include "base/error.h"
#include "kernel/cancellation.h"
#include "kernel/order.h"

/* --- waking --- */

void task_make_ready(Task *task, int status) {
    task->status = status;
    task->state = TASK_READY;
    order_add(task->loop, &task->ready);
}

static bool wait_call_back(Waiter *waiter) {
    CallbackWaiter *callback = container_of(waiter, CallbackWaiter, waiter);
    waiter_leave(waiter);
    callback->woken(callback);
    return true;
}

bool waiter_wake(Waiter *waiter, int status) {
    if (waiter->task == NULL) return wait_call_back(waiter);
    if (waiter->task->state != TASK_WAITING) return false;
    waiter_leave(waiter);
    task_make_ready(waiter->task, status);
    return true;
}

static inline void wait_wake_those(WaitQueue *queue, bool (*are_meant)(const Waiter *, unsigned),
                                   unsigned value, int status) {
    Waiter *waiter = wait_queue_first(queue), *next;
    if (waiter == NULL) return;
    const ListNode *last = queue->waiters.first->previous;
    for (bool done = false; !done; waiter = next) {
        done = &waiter->node == last;
        next = waiter_of(waiter->node.next); /* a woken one leaves the queue */
        if (are_meant(waiter, value)) waiter_wake(waiter, status);
    }
}

static bool wait_is_any(const Waiter *waiter, unsigned unused) {
    (void)waiter, (void)unused;
    return true;
}

void wait_queue_wake(WaitQueue *queue, int status) {
    wait_wake_those(queue, wait_is_any, 0, status);
}

static bool wait_is_for_events(const Waiter *waiter, unsigned events) {
    return waiter->events & events;
}

void wait_queue_wake_events(WaitQueue *queue, unsigned events) {
    wait_wake_those(queue, wait_is_for_events, events, 0);
}

static bool wait_is_satisfied(const Waiter *waiter, unsigned count) {
    return count <= waiter->threshold;
}

void wait_queue_wake_at(WaitQueue *queue, unsigned count) {
    wait_wake_those(queue, wait_is_satisfied, count, 0);
}

void wait_queue_dismiss(WaitQueue *queue, int status) {
    Waiter *waiter;
    while ((waiter = wait_queue_first(queue)) != NULL) {
        Task *task = waiter->task;
        if (!waiter_wake(waiter, status))
            waiter_leave(waiter);
        else if (task != NULL && waiter == &task->waiter)
            task->object = NULL;
    }
}

/*
** The state is changed first, so that what `forget` closes does not wake the task. Results
** that its call was given are of no other call.
*/
void task_forget_wait(Task *task) {
    task->state = TASK_RUNNING;
    waiter_leave(&task->waiter);
    task->waiter.served = false;
    if (task->object != NULL && task->kind->forget != NULL) task->kind->forget(task);
    task->object = NULL;
}

void task_forget_lost_wait(Task *task) {
    if (!task->resuming) return;
    task->resuming = false;
    task_forget_wait(task);
}

static void wait_interrupt(ScopeStack *scopes) {
    Task *task = container_of(scopes, Task, scopes);
    if (task->state != TASK_WAITING || !task_claim_wait(task)) return;
    task_forget_wait(task);
    task_make_ready(task, ARSENAL_CANCELLED);
}

/* --- time --- */

static void wait_deadline_passed(Timer *timer) {
    Task *task = container_of(timer, Task, timer);
    if (task->state != TASK_WAITING || !task->has_deadline) return;
    if (task->deadline > timer->deadline)
        timer_heap_set(&task->loop->timers, timer, task->deadline); /* its place was just freed */
    else
        waiter_wake(&task->waiter, ARSENAL_TIMEOUT);
}

/* A timer that is set too early is left as it is: when it fires, it is set again. */
static bool wait_set_timer(Task *task) {
    if (!task->has_deadline) return true;
    if (timer_is_set(&task->timer) && task->timer.deadline <= task->deadline) return true;
    return timer_heap_set(&task->loop->timers, &task->timer, task->deadline);
}

void task_init_wait(Task *task) {
    task->waiter.task = task;
    task->scopes.interrupt = wait_interrupt;
    task->timer.fired = wait_deadline_passed;
}

/* --- waiting --- */

/* Raises what is wrong with waiting here. */
static Task *wait_refuse(lua_State *L, const Loop *loop) {
    loop_check_open(L, loop, "cannot wait");
    if (loop->running == NULL)
        luaL_error(L, "cannot wait in a function that the event loop calls; "
                      "start a task with arsenal.go instead");
    if (loop->running->top != L)
        luaL_error(L, "cannot wait in a coroutine made by Lua's coroutine library inside a task; "
                      "make it with arsenal.coroutine instead");
    luaL_error(L, "cannot wait here: Lua cannot yield inside a function called from C, such as "
                  "a comparison of table.sort, a replacement of string.gsub, a finalizer or "
                  "require; wait before it, or start a task with arsenal.go");
    return NULL;
}

static inline Task *wait_enter(lua_State *L, Loop *loop) {
    Task *task = loop->running;
    if (task == NULL && !loop->turning && !loop->closed) return NULL;
    if (task == NULL || loop->closed || task->top != L || !lua_isyieldable(L))
        return wait_refuse(L, loop);
    task_clear_timeout(task);
    task->progress = 0;
    task->status = 0;
    return task;
}

Task *task_enter_now(lua_State *L, Loop *loop) {
    return wait_enter(L, loop);
}

Task *task_enter(lua_State *L, Loop *loop) {
    Task *task = wait_enter(L, loop);
    return task != NULL && task_spent(loop) ? NULL : task;
}

/* The function that runs is the one whose call was put off. */
static int wait_call_again(lua_State *L, Task *task) {
    (void)task;
    lua_Debug here;
    lua_getstack(L, 0, &here);
    lua_getinfo(L, "f", &here);
    lua_CFunction function = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    return function(L);
}

static const WaitKind pause_before = {wait_call_again, NULL, task_describe_pause};

int task_pause_before(lua_State *L, Task *task) {
    return task_pause(L, task, &pause_before, NULL);
}

bool task_spent_time(Loop *loop) {
    const Task *task = loop->running;
    uint64_t tick = clock_tick(loop);
    if (loop->budget >= BUDGET - BUDGET_LOOK) loop->budget_tick = tick;
    return loop->budget_tick != tick && task != NULL && !task->scopes.innermost->doomed;
}

Task *task_spent_anywhere(lua_State *L, Loop *loop) {
    Task *task = loop->running;
    if (!task_spent(loop) || task == NULL || task->top != L || !lua_isyieldable(L)) return NULL;
    return task_enter_now(L, loop);
}

void task_describe_pause(lua_State *L, Task *task) {
    (void)task;
    lua_pushliteral(L, "letting others run");
}

static int wait_resumed(lua_State *L, int status, lua_KContext context);

int task_refuse_resume(lua_State *L, Task *task, lua_KFunction continuation) {
    luaL_checkstack(L, 2, NULL);
    lua_pushnil(L);
    lua_pushliteral(L, "cannot resume a waiting task: only what it waits for wakes it");
    return lua_yieldk(L, 2, (lua_KContext)task, continuation);
}

static int wait_resumed(lua_State *L, int status, lua_KContext context) {
    Task *task = (Task *)context;
    (void)status;
    if (!task->resuming || task->top != L) {
        lua_settop(L, (int)task->stack_top);
        return task_refuse_resume(L, task, wait_resumed);
    }
    task->resuming = false;
    if (task->status == ARSENAL_CANCELLED) return cancellation_raise(L, task->scopes.innermost);
    return task->kind->step(L, task);
}

static int wait_suspend(lua_State *L, Task *task) {
    task->top = L;
    task->stack_top = (unsigned)lua_gettop(L);
    task->resuming = false;
    return lua_yieldk(L, 0, (lua_KContext)task, wait_resumed);
}

int task_wait(lua_State *L, Task *task, const WaitKind *kind, void *object) {
    Scope *scope = task->scopes.innermost;
    task->kind = kind;
    task->object = object;
    bool has_timer = wait_set_timer(task);
    if (scope->doomed || !has_timer) {
        task_forget_wait(task);
        return has_timer ? cancellation_raise(L, scope) : luaL_error(L, "not enough memory");
    }
    task->state = TASK_WAITING;
    return wait_suspend(L, task);
}

int task_pause(lua_State *L, Task *task, const WaitKind *kind, void *object) {
    Scope *scope = task->scopes.innermost;
    task->kind = kind;
    task->object = object;
    if (scope->doomed) {
        task_forget_wait(task);
        return cancellation_raise(L, scope);
    }
    task_make_ready(task, 0);
    return wait_suspend(L, task);
}
