/*
** Owns events: what has happened, or not yet, for any number of tasks. A timer
** is one that time sets, and that is in the heap only while a task waits.
*/
#include "base/openers.h"

#include "base/error.h"
#include "object/handle.h"
#include "object/handoff.h"
#include "event/run.h"

typedef struct Event {
    Handle handle;
    WaitQueue waiters;
    bool set;
    uint64_t deadline; /* a timer's; FOREVER for any other event */
    Timer timer;
} Event;

static const Selectable source;

static void describe(lua_State *L, const Handle *handle) {
    const Event *event = (const Event *)handle;
    lua_pushfstring(L, "%p%s", (const void *)event, event->set ? " (set)" : "");
}

static void close_event(Handle *handle) {
    Event *event = (Event *)handle;
    wait_queue_dismiss(&event->waiters, ARSENAL_CLOSED);
    if (!handle->loop->closed) timer_heap_clear(&handle->loop->timers, &event->timer);
}

enum { EVENT, TIMER, TYPES };

static const HandleType types[TYPES] = {
    [EVENT] = {"event", "event", 0, close_event, describe, &source},
    [TIMER] = {"timer", "timer", 0, close_event, describe, &source},
};

static Event *check(lua_State *L, int type) {
    return handle_check(L, 1, &types[type], 1);
}

/* Ends every wait: whoever waited when it happened has seen it, also if it is cleared at once. */
static void set_event(Event *event) {
    Waiter *waiter;
    event->set = true;
    while ((waiter = handoff_next(&event->waiters)) != NULL) {
        lua_pushboolean(waiter->task->top, true);
        handoff_done(waiter, 1);
    }
}

static void timer_fired(Timer *timer) {
    set_event((Event *)((char *)timer - offsetof(Event, timer)));
}

/* The results of a wait that need not wait, or none. */
static int attempt_wait(lua_State *L) {
    Event *event = lua_touserdata(L, 1);
    if (!event->handle.open) return handle_fail(L, &event->handle, "wait", ARSENAL_CLOSED);
    if (event->deadline != FOREVER && uv_hrtime() >= event->deadline) event->set = true;
    lua_pushboolean(L, true);
    return event->set ? 1 : 0;
}

static int watch(void *object, Waiter *waiter) {
    Event *event = object;
    TimerHeap *timers = &event->handle.loop->timers;
    if (event->deadline != FOREVER && !timer_is_set(&event->timer) &&
        !timer_heap_set(timers, &event->timer, event->deadline))
        return UV_ENOMEM;
    waiter_join(waiter, &event->waiters, NULL);
    return 0;
}

static void unwatch(void *object) {
    Event *event = object;
    if (wait_queue_is_empty(&event->waiters))
        timer_heap_clear(&event->handle.loop->timers, &event->timer);
}

static const Selectable source = {attempt_wait, watch, unwatch, NULL};

static void forget(Task *task) {
    unwatch(task->object);
}

static void describe_wait(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "waiting for");
}

static int go_on(lua_State *L);

static const WaitKind event_wait = {go_on, forget, describe_wait};

static int wait_or_return(lua_State *L, Event *event, Task *task) {
    int results = attempt_wait(L);
    if (results > 0) return results;
    lua_settop(L, 1);
    int status = watch(event, &task->waiter);
    if (status != 0) return handle_fail(L, &event->handle, "wait", status);
    return task_wait(L, task, &event_wait, event);
}

static int go_on(lua_State *L) {
    Event *event = lua_touserdata(L, 1);
    Task *task = event->handle.loop->running;
    return handoff_came(task) ? 1 : wait_or_return(L, event, task);
}

static int wait(lua_State *L, int type) {
    Event *event = check(L, type);
    lua_settop(L, 1);
    Task *task = task_enter(L, event->handle.loop);
    if (task == NULL) return run_outside(L);
    if (task_spent(task->loop)) return task_pause(L, task, &event_wait, event);
    return wait_or_return(L, event, task);
}

/* event:wait() true once it is set; at once where it is set already. */
static int wait_for_event(lua_State *L) {
    return wait(L, EVENT);
}

/* timer:wait() true once its time has come. */
static int wait_for_timer(lua_State *L) {
    return wait(L, TIMER);
}

/* event:set() wakes every task that waits for it, and makes later waits return at once. */
static int set(lua_State *L) {
    set_event(check(L, EVENT));
    return 0;
}

/* event:clear() makes later waits wait. */
static int clear(lua_State *L) {
    check(L, EVENT)->set = false;
    return 0;
}

/* event:is_set() */
static int is_set(lua_State *L) {
    lua_pushboolean(L, check(L, EVENT)->set);
    return 1;
}

static Event *new_event(lua_State *L, int type, uint64_t deadline) {
    Event *event = handle_new(L, &types[type], sizeof *event, 0);
    event->deadline = deadline;
    event->timer.fired = timer_fired;
    handle_opened(&event->handle);
    return event;
}

/* event() one that is not set. */
static int event_new(lua_State *L) {
    new_event(L, EVENT, FOREVER);
    return 1;
}

/* after(seconds) a timer whose time comes that long after this call; for select. */
static int after(lua_State *L) {
    uint64_t duration = args_duration(L, 1);
    new_event(L, TIMER, duration == FOREVER ? FOREVER : uv_hrtime() + duration);
    return 1;
}

static const luaL_Reg event_methods[] = {
    {"set", set}, {"clear", clear}, {"wait", wait_for_event}, {"is_set", is_set}, {NULL, NULL},
};

static const luaL_Reg timer_methods[] = {
    {"wait", wait_for_timer},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"event", event_new},
    {"after", after},
    {NULL, NULL},
};

void event_open(lua_State *L) {
    luaL_newlib(L, event_methods);
    handle_define(L, &types[EVENT]);
    luaL_newlib(L, timer_methods);
    handle_define(L, &types[TIMER]);
    lua_pop(L, 2);
    luaL_setfuncs(L, functions, 0);
}
