/*
** Owns signals as objects: each keeps, for its names, which have come since they
** were last told; a signal that comes while nobody waits is told to the next who
** does, and several of one name by then are one. While any object has a signal,
** the process's own treatment of it is kept, and put back after the last.
*/
#include "base/platform.h"

#include "base/openers.h"

#include "base/error.h"
#include "object/handle.h"
#include "event/interrupt.h"
#include "event/run.h"
#include "kernel/wait.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { SELF = 1 };

typedef struct Signal Signal;

typedef struct Watch {
    uv_signal_t handle; /* first: libuv's pointer is ours */
    Signal *signal;
    unsigned index;
} Watch;

/* One of the names that an object was made with. */
typedef struct Name {
    int number;
    unsigned pending; /* 0, or its place among those that have come, from 1 */
    Watch *watch;     /* NULL unless it is open */
} Name;

struct Signal {
    Handle handle;
    WaitQueue waiters;
    unsigned arrivals;
    unsigned count;
    Name names[]; /* as strings in the object's user value, a list */
};

static const struct {
    const char *name;
    int number;
} known[] = {
    {"SIGHUP", SIGHUP},   {"SIGINT", SIGINT},       {"SIGTERM", SIGTERM},
#ifndef _WIN32
    {"SIGQUIT", SIGQUIT}, {"SIGUSR1", SIGUSR1},     {"SIGUSR2", SIGUSR2}, {"SIGCHLD", SIGCHLD},
    {"SIGALRM", SIGALRM}, {"SIGPIPE", SIGPIPE},     {"SIGCONT", SIGCONT}, {"SIGTSTP", SIGTSTP},
    {"SIGTTIN", SIGTTIN}, {"SIGTTOU", SIGTTOU},     {"SIGURG", SIGURG},   {"SIGXCPU", SIGXCPU},
    {"SIGXFSZ", SIGXFSZ}, {"SIGVTALRM", SIGVTALRM}, {"SIGPROF", SIGPROF}, {"SIGWINCH", SIGWINCH},
    {"SIGIO", SIGIO},     {"SIGSYS", SIGSYS},       {"SIGTRAP", SIGTRAP}, {"SIGABRT", SIGABRT},
#endif
};

/* --- what the process does with a signal by itself --- */

#ifdef _WIN32

static void keep_disposition(int number) {
    (void)number;
}

static void restore_disposition(int number) {
    (void)number;
}

#else

enum { NUMBERS = 64 };

/* Signals are the process's: this is for all loops in it. libuv would put back the default. */
static struct {
    unsigned objects;
    struct sigaction before;
} kept[NUMBERS + 1];

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock;

static void make_lock(void) {
    uv_mutex_init(&lock);
}

static void keep_disposition(int number) {
    uv_once(&once, make_lock);
    uv_mutex_lock(&lock);
    if (kept[number].objects++ == 0) sigaction(number, NULL, &kept[number].before);
    uv_mutex_unlock(&lock);
}

static void restore_disposition(int number) {
    uv_mutex_lock(&lock);
    if (--kept[number].objects == 0) sigaction(number, &kept[number].before, NULL);
    uv_mutex_unlock(&lock);
}

#endif

/* --- watching --- */

static void arrived(uv_signal_t *handle, int number) {
    Watch *watch = (Watch *)handle;
    Signal *signal = watch->signal;
    (void)number;
    if (signal->names[watch->index].pending == 0)
        signal->names[watch->index].pending = ++signal->arrivals;
    wait_queue_wake(&signal->waiters, 0);
}

static int start(Signal *signal, unsigned index) {
    Loop *loop = signal->handle.loop;
    Name *name = &signal->names[index];
    Watch *watch = malloc(sizeof *watch);
    if (watch == NULL) return UV_ENOMEM;
    int status = uv_signal_init(&loop->uv, &watch->handle);
    if (status != 0) {
        free(watch);
        return status;
    }
    watch->signal = signal;
    watch->index = index;
    if (name->number == SIGINT) interrupt_claim();
    keep_disposition(name->number);
    name->watch = watch;
    loop->uv_changed = true;
    return uv_signal_start(&watch->handle, arrived, name->number);
}

static bool is_repeated(const Signal *signal, unsigned index) {
    for (unsigned i = 0; i < index; i++)
        if (signal->names[i].number == signal->names[index].number) return true;
    return false;
}

static int start_all(Signal *signal) {
    int status = 0;
    for (unsigned i = 0; i < signal->count && status == 0; i++)
        if (!is_repeated(signal, i)) status = start(signal, i);
    return status;
}

static void stop(Signal *signal, Name *name) {
    Loop *loop = signal->handle.loop;
    if (name->watch == NULL) return;
    if (!loop->closed) loop_close_handle(loop, (uv_handle_t *)&name->watch->handle);
    name->watch = NULL;
    restore_disposition(name->number);
    if (name->number == SIGINT) interrupt_disclaim();
}

static void close_signal(Handle *handle) {
    Signal *signal = (Signal *)handle;
    wait_queue_dismiss(&signal->waiters, ARSENAL_CLOSED);
    for (unsigned i = 0; i < signal->count; i++)
        stop(signal, &signal->names[i]);
}

/* [-0, +1] */
static void push_name(lua_State *L, int object, unsigned index) {
    lua_getiuservalue(L, object, 1);
    lua_rawgeti(L, -1, index + 1);
    lua_remove(L, -2);
}

static void describe(lua_State *L, const Handle *handle) {
    const Signal *signal = (const Signal *)handle;
    luaL_checkstack(L, (int)signal->count + LUA_MINSTACK, NULL);
    for (unsigned i = 0; i < signal->count; i++) {
        const char *name = "?";
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (known[k].number == signal->names[i].number) name = known[k].name;
        lua_pushfstring(L, i == 0 ? "%s" : ", %s", name);
    }
    lua_concat(L, (int)signal->count);
}

static int attempt(lua_State *L);

static int join_waiters(void *object, Waiter *waiter) {
    Signal *signal = object;
    waiter_join(waiter, &signal->waiters, &signal->handle.loop->external_waiters);
    return 0;
}

static const Selectable source = {attempt, join_waiters, NULL, NULL};

static const HandleType signal_type = {"signal",     "signal", KIND_SIGNAL,
                                       close_signal, describe, &source};

static Signal *check(lua_State *L) {
    return handle_check(L, SELF, &signal_type, 1);
}

/* --- waiting --- */

/* [-0, +1 or 0] the name that came first, which is told with that; whether there was any */
static bool take_first(lua_State *L, Signal *signal) {
    Name *first = NULL;
    for (Name *name = signal->names; name < signal->names + signal->count; name++)
        if (name->pending != 0 && (first == NULL || name->pending < first->pending)) first = name;
    if (first == NULL) return false;
    push_name(L, SELF, (unsigned)(first - signal->names));
    first->pending = 0;
    return true;
}

static int go_on(lua_State *L);

static void describe_wait(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "waiting for");
}

static const WaitKind signal_wait = {go_on, NULL, describe_wait};

static int wait_for_one(lua_State *L, Signal *signal, Task *task) {
    if (!signal->handle.open) return handle_fail(L, &signal->handle, "wait", ARSENAL_CLOSED);
    if (take_first(L, signal)) return 1;
    join_waiters(signal, &task->waiter);
    return task_wait(L, task, &signal_wait, signal);
}

static int go_on(lua_State *L) {
    Signal *signal = lua_touserdata(L, SELF);
    Task *task = signal->handle.loop->running;
    if (task->status != 0) return handle_fail(L, &signal->handle, "wait", task->status);
    return wait_for_one(L, signal, task);
}

/* signal:wait() the name of the next that comes, or of the first that has come and was not told. */
static int wait_method(lua_State *L) {
    Signal *signal = check(L);
    lua_settop(L, SELF);
    Task *task = task_enter(L, signal->handle.loop);
    return task == NULL ? run_outside(L) : wait_for_one(L, signal, task);
}

static int attempt(lua_State *L) {
    Signal *signal = check(L);
    lua_settop(L, SELF);
    if (!signal->handle.open) return handle_fail(L, &signal->handle, "wait", ARSENAL_CLOSED);
    return take_first(L, signal);
}

/* --- making --- */

/* The number of a signal, named with its SIG or without. */
static int check_name(lua_State *L, int index) {
    luaL_checktype(L, index, LUA_TSTRING);
    const char *name = lua_tostring(L, index);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0 || strcmp(name, known[i].name + 3) == 0)
            return known[i].number;
    return luaL_argerror(L, index, lua_pushfstring(L, "unknown signal '%s'", name));
}

/*
** signal(name, ...) an object that takes these signals ("SIGTERM", ...) from now
** until it is closed; the process no longer does what it did at them.
*/
static int make(lua_State *L) {
    int count = lua_gettop(L);
    luaL_checkany(L, 1);
    for (int i = 1; i <= count; i++)
        check_name(L, i);
    lua_createtable(L, count, 0);
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i);
    }
    Signal *signal = handle_new(L, &signal_type, sizeof *signal + (size_t)count * sizeof(Name), 1);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 1);
    signal->count = (unsigned)count;
    for (int i = 1; i <= count; i++)
        signal->names[i - 1].number = check_name(L, i);
    handle_opened(&signal->handle);
    int status = start_all(signal);
    if (status == 0) return 1;
    handle_push_name(L, &signal->handle);
    handle_close(&signal->handle);
    return error_push(L, status, "%s", lua_tostring(L, -1));
}

static const luaL_Reg methods[] = {
    {"wait", wait_method},
    {NULL, NULL},
};

void signal_open(lua_State *L) {
    luaL_newlibtable(L, methods);
    luaL_setfuncs(L, methods, 0);
    handle_define(L, &signal_type);
    lua_pop(L, 1);
    lua_pushcfunction(L, make);
    lua_setfield(L, -2, "signal");
}
