/*
** Owns signal objects. Each remembers which of its signals have come and were not
** returned by a wait yet; several of one name count as one.
*/
#include "base/platform.h"

#include "base/openers.h"

#include "base/error.h"
#include "base/signal_names.h"
#include "event/interrupt.h"
#include "event/poller.h"
#include "event/run.h"
#include "kernel/wait.h"
#include "object/handle.h"
#include "system/signal_disposition.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>

enum { SELF = 1 };

typedef struct Signal Signal;

typedef struct SignalHandle {
    uv_signal_t handle; /* first: loop_close_handle frees all of it */
    Signal *signal;
    unsigned index;
} SignalHandle;

/* One of the names that an object was made with. */
typedef struct SignalName {
    int number;
    unsigned pending;    /* 0, or its place, from 1, in the order of arrival */
    SignalHandle *watch; /* NULL: closed, or the same signal has been named before */
} SignalName;

struct Signal {
    Handle handle;
    WaitQueue waiters;
    unsigned arrivals;
    unsigned count;
    SignalName names[]; /* the strings are in the user value, a list */
};

/* --- watching --- */

static Signal *signal_of(Handle *handle) {
    return container_of(handle, Signal, handle);
}

static void signal_arrived(uv_signal_t *handle, int number) {
    SignalHandle *watch = container_of(handle, SignalHandle, handle);
    Signal *signal = watch->signal;
    (void)number;
    if (signal->names[watch->index].pending == 0)
        signal->names[watch->index].pending = ++signal->arrivals;
    wait_queue_wake(&signal->waiters, 0);
}

static int signal_start_one(Signal *signal, unsigned index) {
    Loop *loop = signal->handle.loop;
    SignalName *name = &signal->names[index];
    SignalHandle *watch = malloc(sizeof *watch);
    if (watch == NULL) return UV_ENOMEM;
    int status = poll_need_uv(loop);
    if (status == 0) status = uv_signal_init(&loop->uv, &watch->handle);
    if (status != 0) {
        free(watch);
        return status;
    }
    watch->signal = signal;
    watch->index = index;
    if (name->number == SIGINT) interrupt_claim();
    signal_disposition_keep(name->number);
    name->watch = watch;
    loop->uv_changed = true;
    return uv_signal_start(&watch->handle, signal_arrived, name->number);
}

static bool signal_is_repeated(const Signal *signal, unsigned index) {
    for (unsigned i = 0; i < index; i++)
        if (signal->names[i].number == signal->names[index].number) return true;
    return false;
}

static int signal_start(Signal *signal) {
    int status = 0;
    for (unsigned i = 0; i < signal->count && status == 0; i++)
        if (!signal_is_repeated(signal, i)) status = signal_start_one(signal, i);
    return status;
}

static void signal_stop_one(Signal *signal, SignalName *name) {
    Loop *loop = signal->handle.loop;
    if (name->watch == NULL) return;
    if (!loop->closed) loop_close_handle(loop, (uv_handle_t *)&name->watch->handle);
    name->watch = NULL;
    signal_disposition_restore(name->number);
    if (name->number == SIGINT) interrupt_disclaim();
}

static void signal_close(Handle *handle) {
    Signal *signal = signal_of(handle);
    wait_queue_dismiss(&signal->waiters, ARSENAL_CLOSED);
    for (unsigned i = 0; i < signal->count; i++)
        signal_stop_one(signal, &signal->names[i]);
}

/* [-0, +1] the name as it was given */
static void signal_push_name(lua_State *L, int object, unsigned index) {
    lua_getiuservalue(L, object, 1);
    lua_rawgeti(L, -1, index + 1);
    lua_remove(L, -2);
}

static void signal_describe(lua_State *L, const Handle *handle) {
    const Signal *signal = signal_of((Handle *)handle);
    luaL_checkstack(L, (int)signal->count + LUA_MINSTACK, NULL);
    for (unsigned i = 0; i < signal->count; i++) {
        lua_pushfstring(L, i == 0 ? "%s" : ", %s", signal_name(signal->names[i].number));
    }
    lua_concat(L, (int)signal->count);
}

static int signal_attempt(lua_State *L);

static int signal_watch(void *object, Waiter *waiter) {
    Signal *signal = object;
    waiter_join(waiter, &signal->waiters, &signal->handle.loop->external_waiters);
    return 0;
}

static const Selectable signal_selectable = {signal_attempt, signal_watch, NULL, NULL};

static const HandleType signal_type = {"signal",     "signal",        KIND_SIGNAL,
                                       signal_close, signal_describe, &signal_selectable};

static Signal *signal_check(lua_State *L) {
    return handle_check(L, SELF, &signal_type, 1);
}

/* --- waiting --- */

/* [-0, +1 or 0] takes the signal that came first, and pushes its name. False: none is pending. */
static bool signal_take_first(lua_State *L, Signal *signal) {
    SignalName *first = NULL;
    for (SignalName *name = signal->names; name < signal->names + signal->count; name++)
        if (name->pending != 0 && (first == NULL || name->pending < first->pending)) first = name;
    if (first == NULL) return false;
    signal_push_name(L, SELF, (unsigned)(first - signal->names));
    first->pending = 0;
    return true;
}

static int signal_step(lua_State *L, Task *task);

static void signal_describe_wait(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "waiting for");
}

static const WaitKind signal_wait = {signal_step, NULL, signal_describe_wait};

static int signal_take_or_wait(lua_State *L, Signal *signal, Task *task) {
    if (!signal->handle.open) return handle_fail(L, &signal->handle, "wait", ARSENAL_CLOSED);
    if (signal_take_first(L, signal)) return 1;
    signal_watch(signal, &task->waiter);
    return task_wait(L, task, &signal_wait, signal);
}

static int signal_step(lua_State *L, Task *task) {
    Signal *signal = lua_touserdata(L, SELF);
    if (task->status != 0) return handle_fail(L, &signal->handle, "wait", task->status);
    return signal_take_or_wait(L, signal, task);
}

/* signal:wait(): the name of the first signal that was not returned yet, or of the next that comes. */
static int signal_wait_method(lua_State *L) {
    Signal *signal = signal_check(L);
    lua_settop(L, SELF);
    Task *task = task_enter(L, signal->handle.loop);
    return task == NULL ? run_outside(L) : signal_take_or_wait(L, signal, task);
}

static int signal_attempt(lua_State *L) {
    Signal *signal = signal_check(L);
    lua_settop(L, SELF);
    if (!signal->handle.open) return handle_fail(L, &signal->handle, "wait", ARSENAL_CLOSED);
    return signal_take_first(L, signal);
}

/* --- making --- */

/* The number of a signal, named with or without SIG. */
static int signal_check_name(lua_State *L, int index) {
    luaL_checktype(L, index, LUA_TSTRING);
    const char *name = lua_tostring(L, index);
    int number = signal_number(name);
    if (signal_can_be_handled(number)) return number;
    return luaL_argerror(L, index, lua_pushfstring(L, "unknown signal '%s'", name));
}

/*
** signal(name, ...) an object that receives these signals ("SIGTERM", ...) until it
** is closed. Until then they lose their default effect.
*/
static int signal_new(lua_State *L) {
    int count = lua_gettop(L);
    luaL_checkany(L, 1);
    for (int i = 1; i <= count; i++)
        signal_check_name(L, i);
    lua_createtable(L, count, 0);
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i);
    }
    Signal *signal =
        handle_new(L, &signal_type, sizeof *signal + (size_t)count * sizeof(SignalName), 1);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 1);
    signal->count = (unsigned)count;
    for (int i = 1; i <= count; i++)
        signal->names[i - 1].number = signal_check_name(L, i);
    handle_opened(&signal->handle);
    int status = signal_start(signal);
    if (status == 0) return 1;
    handle_push_name(L, &signal->handle);
    handle_close(&signal->handle);
    return error_push(L, status, "%s", lua_tostring(L, -1));
}

static const luaL_Reg methods[] = {
    {"wait", signal_wait_method},
    {NULL, NULL},
};

void signal_open(lua_State *L) {
    luaL_newlibtable(L, methods);
    luaL_setfuncs(L, methods, 0);
    handle_define(L, &signal_type);
    lua_pop(L, 1);
    lua_pushcfunction(L, signal_new);
    lua_setfield(L, -2, "signal");
}
