/*
** Owns events: each is set or not, and any number of tasks may wait until it is
** set. A timer is an event that the clock sets; it is in the heap of timers only
** while a task waits for it.
*/
#include "sync/event.h"

#include "base/error.h"
#include "event/run.h"
#include "kernel/clock.h"
#include "object/handle.h"
#include "object/handoff.h"

struct Event {
    Handle handle;
    WaitQueue waiters;
    bool set;
    uint64_t deadline; /* a timer's; FOREVER for any other event */
    Timer timer;
};

static Event *event_of(Handle *handle) {
    return container_of(handle, Event, handle);
}

static const Selectable event_selectable;

static void event_describe(lua_State *L, const Handle *handle) {
    const Event *event = event_of((Handle *)handle);
    lua_pushfstring(L, "%p%s", (const void *)event, event->set ? " (set)" : "");
}

static void event_close(Handle *handle) {
    Event *event = event_of(handle);
    wait_queue_dismiss(&event->waiters, ARSENAL_CLOSED);
    if (!handle->loop->closed) timer_heap_clear(&handle->loop->timers, &event->timer);
}

enum { TYPE_EVENT, TYPE_TIMER, TYPES };

static const HandleType event_types[TYPES] = {
    [TYPE_EVENT] = {"event", "event", 0, event_close, event_describe, &event_selectable},
    [TYPE_TIMER] = {"timer", "timer", 0, event_close, event_describe, &event_selectable},
};

static Event *event_check(lua_State *L, int type) {
    return handle_check(L, 1, &event_types[type], 1);
}

/* Ends every wait now, so that each of these waits returns true even if the event is cleared next. */
void event_set(Event *event) {
    Waiter *waiter;
    event->set = true;
    while ((waiter = handoff_next(&event->waiters)) != NULL) {
        lua_pushboolean(waiter->task->top, true);
        handoff_done(waiter, 1);
    }
}

static void event_timer_fired(Timer *timer) {
    event_set(container_of(timer, Event, timer));
}

/* The results of a wait that ends at once; 0 if the event is not set. */
static int event_attempt(lua_State *L) {
    Event *event = lua_touserdata(L, 1);
    if (!event->handle.open) return handle_fail(L, &event->handle, "wait", ARSENAL_CLOSED);
    if (event->deadline != FOREVER && clock_now(event->handle.loop) >= event->deadline)
        event->set = true;
    lua_pushboolean(L, true);
    return event->set ? 1 : 0;
}

static int event_watch(void *object, Waiter *waiter) {
    Event *event = object;
    TimerHeap *timers = &event->handle.loop->timers;
    if (event->deadline != FOREVER && !timer_is_set(&event->timer) &&
        !timer_heap_set(timers, &event->timer, event->deadline))
        return UV_ENOMEM;
    waiter_join(waiter, &event->waiters, NULL);
    return 0;
}

static void event_unwatch(void *object) {
    Event *event = object;
    if (wait_queue_is_empty(&event->waiters))
        timer_heap_clear(&event->handle.loop->timers, &event->timer);
}

static const Selectable event_selectable = {event_attempt, event_watch, event_unwatch, NULL};

static void event_forget(Task *task) {
    event_unwatch(task->object);
}

static void event_describe_wait(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "waiting for");
}

static int event_step(lua_State *L, Task *task);

static const WaitKind event_wait = {event_step, event_forget, event_describe_wait};

static int event_wait_or_return(lua_State *L, Event *event, Task *task) {
    int results = event_attempt(L);
    if (results > 0) return results;
    lua_settop(L, 1);
    int status = event_watch(event, &task->waiter);
    if (status != 0) return handle_fail(L, &event->handle, "wait", status);
    return task_wait(L, task, &event_wait, event);
}

static int event_step(lua_State *L, Task *task) {
    Event *event = lua_touserdata(L, 1);
    return handoff_came(task) ? 1 : event_wait_or_return(L, event, task);
}

static int event_wait_for(lua_State *L, int type) {
    Event *event = event_check(L, type);
    lua_settop(L, 1);
    Task *task = task_enter(L, event->handle.loop);
    if (task == NULL) return run_outside(L);
    if (task_spent(task->loop)) return task_pause(L, task, &event_wait, event);
    return event_wait_or_return(L, event, task);
}

/* event:wait() true once the event is set; at once if it is set already. */
static int event_wait_method(lua_State *L) {
    return event_wait_for(L, TYPE_EVENT);
}

/* timer:wait() true once its time has come. */
static int timer_wait_method(lua_State *L) {
    return event_wait_for(L, TYPE_TIMER);
}

/* event:set() wakes every task that waits for it; later waits return at once. */
static int event_set_method(lua_State *L) {
    event_set(event_check(L, TYPE_EVENT));
    return 0;
}

/* event:clear() makes later waits wait again. */
static int event_clear_method(lua_State *L) {
    event_check(L, TYPE_EVENT)->set = false;
    return 0;
}

/* event:is_set() */
static int event_is_set(lua_State *L) {
    lua_pushboolean(L, event_check(L, TYPE_EVENT)->set);
    return 1;
}

static Event *event_make(lua_State *L, int type, uint64_t deadline) {
    Event *event = handle_new(L, &event_types[type], sizeof *event, 0);
    event->deadline = deadline;
    event->timer.fired = event_timer_fired;
    handle_opened(&event->handle);
    return event;
}

Event *event_push_new(lua_State *L) {
    return event_make(L, TYPE_EVENT, FOREVER);
}

/* event() an event that is not set. */
static int event_new(lua_State *L) {
    event_push_new(L);
    return 1;
}

/* after(seconds): a timer for select, which is due that many seconds after this call. */
static int timer_new(lua_State *L) {
    uint64_t duration = args_duration(L, 1);
    event_make(L, TYPE_TIMER, clock_deadline(loop_of(L), duration));
    return 1;
}

static const luaL_Reg event_methods[] = {
    {"set", event_set_method},
    {"clear", event_clear_method},
    {"wait", event_wait_method},
    {"is_set", event_is_set},
    {NULL, NULL},
};

static const luaL_Reg timer_methods[] = {
    {"wait", timer_wait_method},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"event", event_new},
    {"after", timer_new},
    {NULL, NULL},
};

void event_open(lua_State *L) {
    luaL_newlib(L, event_methods);
    handle_define(L, &event_types[TYPE_EVENT]);
    luaL_newlib(L, timer_methods);
    handle_define(L, &event_types[TYPE_TIMER]);
    lua_pop(L, 2);
    luaL_setfuncs(L, functions, 0);
}
