/*
** Owns futures: each is set once, with values or with an error, and any number of
** tasks may wait for that, before and after.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "kernel/wait.h"
#include "object/handle.h"

enum { SELF = 1, FIRST_VALUE, RESULT = 1 /* the user value: one value, or a list of several */ };

typedef enum FutureState { FUTURE_PENDING, FUTURE_SET, FUTURE_FAILED } FutureState;

typedef struct Future {
    Handle handle;
    WaitQueue waiters;
    FutureState state;
    int values;
} Future;

static Future *future_of(Handle *handle) {
    return container_of(handle, Future, handle);
}

static void future_describe(lua_State *L, const Handle *handle) {
    static const char *const words[] = {"", " (set)", " (failed)"};
    const Future *future = future_of((Handle *)handle);
    lua_pushfstring(L, "%p%s", (const void *)future, words[future->state]);
}

static void future_close(Handle *handle) {
    wait_queue_dismiss(&future_of(handle)->waiters, ARSENAL_CLOSED);
}

static const Selectable future_selectable;

static const HandleType future_type = {"future",     "future",        0,
                                       future_close, future_describe, &future_selectable};

static Future *future_check(lua_State *L) {
    return handle_check(L, SELF, &future_type, 1);
}

/* --- waiting --- */

static int future_push_values(lua_State *L, const Future *future) {
    int n = future->values;
    if (n == 0) return 0;
    luaL_checkstack(L, n + 1, "too many values");
    lua_getiuservalue(L, SELF, RESULT);
    if (n == 1) return 1;
    int list = lua_gettop(L);
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, list, i);
    return n;
}

/* The results of a wait for a future that is not pending, or is closed. */
static int future_end_wait(lua_State *L, const Future *future) {
    if (future->state == FUTURE_SET) return future_push_values(L, future);
    if (future->state == FUTURE_PENDING)
        return handle_fail(L, &future->handle, "wait", ARSENAL_CLOSED);
    lua_getiuservalue(L, SELF, RESULT);
    return lua_error(L);
}

static int future_step(lua_State *L, Task *task) {
    (void)task;
    return future_end_wait(L, lua_touserdata(L, SELF));
}

static void future_describe_wait(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "waiting for");
}

static const WaitKind future_wait = {future_step, NULL, future_describe_wait};

static bool future_is_pending(const Future *future) {
    return future->state == FUTURE_PENDING && future->handle.open;
}

static int future_watch(void *object, Waiter *waiter) {
    waiter_join(waiter, &((Future *)object)->waiters, NULL);
    return 0;
}

/* future:wait() the values that it was set with, as soon as it is; or raises the error that it failed with. */
static int future_wait_method(lua_State *L) {
    Future *future = future_check(L);
    lua_settop(L, SELF);
    Task *task = task_enter(L, future->handle.loop);
    if (task == NULL) return run_outside(L);
    if (!future_is_pending(future)) return future_end_wait(L, future);
    future_watch(future, &task->waiter);
    return task_wait(L, task, &future_wait, future);
}

/* --- select: the call that a select makes on a future is wait --- */

static int future_attempt(lua_State *L) {
    const Future *future = lua_touserdata(L, SELF);
    if (future_is_pending(future)) return 0;
    int n = future_end_wait(L, future);
    return n > 0 ? n : selectable_no_results(L);
}

static const Selectable future_selectable = {future_attempt, future_watch, NULL, NULL};

/* --- setting --- */

/* [-n, +1] the n values on top as one. */
static void future_pack(lua_State *L, int n) {
    if (n == 0) lua_pushnil(L);
    if (n <= 1) return;
    lua_createtable(L, n, 0);
    lua_insert(L, -n - 1);
    for (int i = n; i >= 1; i--)
        lua_rawseti(L, -i - 1, i);
}

static void future_check_pending(lua_State *L, const Future *future) {
    if (future->state != FUTURE_PENDING)
        luaL_error(L, "the future %s already: set and fail can be called once in all",
                   future->state == FUTURE_SET ? "is set" : "has failed");
}

/* The n values on top are the result. */
static int future_become(lua_State *L, Future *future, FutureState state, int n) {
    future_check_pending(L, future);
    if (!future->handle.open)
        return handle_fail(L, &future->handle, state == FUTURE_SET ? "set" : "fail",
                           ARSENAL_CLOSED);
    future_pack(L, n);
    future_check_pending(L, future); /* packing may have run finalizers */
    lua_setiuservalue(L, SELF, RESULT);
    future->values = n;
    future->state = state;
    wait_queue_wake(&future->waiters, 0);
    lua_pushboolean(L, true);
    return 1;
}

/* future:set(...) gives these values to every task that waits, or will wait. */
static int future_set_method(lua_State *L) {
    Future *future = future_check(L);
    return future_become(L, future, FUTURE_SET, lua_gettop(L) - SELF);
}

/* future:fail(err) raises the error in every task that waits, or will wait. */
static int future_fail_method(lua_State *L) {
    Future *future = future_check(L);
    luaL_argexpected(L, !lua_isnoneornil(L, FIRST_VALUE), FIRST_VALUE, "error");
    lua_settop(L, FIRST_VALUE);
    return future_become(L, future, FUTURE_FAILED, 1);
}

/* future:is_set() whether it was set, or has failed. */
static int future_is_set(lua_State *L) {
    lua_pushboolean(L, future_check(L)->state != FUTURE_PENDING);
    return 1;
}

/* future() one that is not set. */
static int future_new(lua_State *L) {
    Future *future = handle_new(L, &future_type, sizeof *future, 1);
    handle_opened(&future->handle);
    return 1;
}

static const luaL_Reg future_methods[] = {
    {"set", future_set_method},
    {"fail", future_fail_method},
    {"wait", future_wait_method},
    {"is_set", future_is_set},
    {NULL, NULL},
};

void future_open(lua_State *L) {
    luaL_newlib(L, future_methods);
    handle_define(L, &future_type);
    lua_pop(L, 1);
    lua_pushcfunction(L, future_new);
    lua_setfield(L, -2, "future");
}
