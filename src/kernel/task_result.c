/*
** Owns how a task ends: what is kept of it, what is given back, and where a
** failure is reported.
*/
#include "kernel/task_result.h"

#include "base/error.h"
#include "base/error_object.h"
#include "kernel/background.h"
#include "kernel/cancellation.h"
#include "kernel/public.h"
#include "kernel/task_object.h"
#include "kernel/traceback.h"

/* --- on_error --- */

/* The values of a report: the error, its traceback, the task, the stream that it serves. */
enum { REPORTED = 4 };

static int result_call_on_error(lua_State *L) {
    public_push(L, "on_error");
    lua_insert(L, 1);
    lua_call(L, REPORTED, 0);
    return 0;
}

static int result_print_error(lua_State *L) {
    public_push_registered(L, "print_error");
    lua_insert(L, 1);
    lua_call(L, REPORTED, 0);
    return 0;
}

/*
** [-0, +1 or 0] calls the function with copies of the values on top. Returns whether it
** succeeded; else the error is on top.
*/
static bool result_try_to_report(lua_State *L, lua_CFunction function) {
    int first = lua_gettop(L) - REPORTED + 1;
    lua_pushcfunction(L, function);
    for (int i = 0; i < REPORTED; i++)
        lua_pushvalue(L, first + i);
    return lua_pcall(L, REPORTED, 0, 0) == LUA_OK;
}

void task_report_stream(lua_State *L) {
    int before = lua_gettop(L) - REPORTED;
    if (!lua_checkstack(L, LUA_MINSTACK)) {
        error_print("%s\n", "arsenal: no memory to report the error of a task");
    } else if (!result_try_to_report(L, result_call_on_error)) {
        public_report_failure(L, "on_error");
        if (!result_try_to_report(L, result_print_error)) public_report_failure(L, "a task");
    }
    lua_settop(L, before);
}

void task_report(lua_State *L) {
    lua_pushnil(L);
    task_report_stream(L);
}

/* Reports the failure of the task whose object is at that index; 0: there was no memory for one. */
static void result_report_failure(lua_State *L, int object) {
    task_push_failure(L, object);
    object != 0 ? lua_pushvalue(L, object) : lua_pushnil(L);
    task_report(L);
}

/* --- the end of a task --- */

/* [-n, +1] a list of them */
static void result_pack(lua_State *L, int n) {
    lua_createtable(L, n, 0);
    lua_insert(L, -n - 1);
    for (int i = n; i >= 1; i--)
        lua_rawseti(L, -i - 1, i);
}

/* [task, values...] -> the task's object, which has them */
static int result_keep_values(lua_State *L) {
    Task *task = lua_touserdata(L, 1);
    if (lua_gettop(L) > 2) result_pack(L, lua_gettop(L) - 1);
    task_object_keep(L, task);
    return 1;
}

/* The same for an error and its traceback. */
static int result_keep_failure(lua_State *L) {
    error_object_set_traceback(L);
    return result_keep_values(L);
}

/* The same for the n values on top; false: there was no memory. */
static bool result_try_to_keep(lua_State *L, Task *task, int state, int n) {
    if (!lua_checkstack(L, LUA_MINSTACK)) return false;
    lua_pushcfunction(L, state == TASK_FAILED ? result_keep_failure : result_keep_values);
    lua_insert(L, -n - 1);
    lua_pushlightuserdata(L, task);
    lua_insert(L, -n - 1);
    return lua_pcall(L, n + 1, 1, 0) == LUA_OK;
}

/*
** Keeps the n values on top in the task's object. Returns its index, or 0 if no
** code can ask for them. If there is no memory for them, the task counts as failed,
** so that the tasks that join it still learn of its end.
*/
static int result_keep(lua_State *L, Task *task, int *state, int n) {
    int object = 0;
    if (n > 0 && (task->shown != NULL || *state == TASK_FAILED)) {
        if (result_try_to_keep(L, task, *state, n))
            object = lua_gettop(L);
        else
            *state = TASK_FAILED;
    }
    if (task->shown != NULL) task_object_end(task, *state, n);
    return object;
}

/* There are inner scopes if user code has closed the task's coroutine. */
static void result_give_back(lua_State *L, Task *task, int state) {
    scope_abandon_inner(&task->root);
    task->state = (unsigned)state;
    timer_heap_clear(&task->loop->timers, &task->timer);
    cancellation_drop_reason(L, &task->root);
    scope_leave(&task->root);
    if (task->background) background_end(task);
    if (--task->loop->tasks == 0) task->loop->ending = false;
}

/* Returns whether there were any. */
static bool result_wake_joiners(Task *task) {
    bool woken = false;
    Waiter *joiner;
    while ((joiner = wait_queue_first(&task->joiners)) != NULL) {
        woken |= waiter_wake(joiner, 0);
        waiter_leave(joiner);
    }
    return woken;
}

/* [-0, +1 or 0] the cancellation of a task that ends by it, if it has a reason and code can ask for it. */
static int result_push_cancellation(lua_State *L, const Task *task) {
    if (task->shown == NULL || !scope_cause(&task->root)->has_reason) return 0;
    cancellation_push(L, &task->root);
    return 1;
}

void task_end(lua_State *L, Task *task, int state, int n, int attachment) {
    if (task_has_ended(task)) return;
    if (state == TASK_CANCELLED) n = result_push_cancellation(L, task);
    int object = result_keep(L, task, &state, n);
    result_give_back(L, task, state);
    bool is_joined = result_wake_joiners(task);
    if (task->owner != NULL) {
        task->owner->task_ended(L, task, object, attachment);
    } else if (state == TASK_FAILED && !is_joined && !task->observed) {
        result_report_failure(L, object);
    }
}

/* --- the results of an ended task --- */

void task_push_failure(lua_State *L, int index) {
    if (index != 0 && lua_getiuservalue(L, index, 1) == LUA_TTABLE) {
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        lua_remove(L, -3);
    } else { /* there was no memory to keep the failure */
        if (index != 0) lua_pop(L, 1);
        lua_pushliteral(L, "not enough memory"); /* Lua has this string at all times */
        lua_pushnil(L);
    }
}

/* nil, message, "CANCELLED", and the reason if there is one. */
static int result_push_cancelled(lua_State *L, int index) {
    const char *words = error_words(ARSENAL_CANCELLED);
    if (lua_getiuservalue(L, index, 1) == LUA_TNIL)
        return error_push_reason(L, ARSENAL_CANCELLED, words);
    return cancellation_push_failure(L, words);
}

int task_push_result(lua_State *L, int index) {
    const TaskObject *object = lua_touserdata(L, index);
    int n = object->results;
    if (object->state == TASK_FAILED) {
        task_push_failure(L, index);
        return traceback_rethrow(L);
    }
    if (object->state == TASK_CANCELLED) return result_push_cancelled(L, index);
    if (n == 0) return 0;
    luaL_checkstack(L, n + 1, "too many results");
    lua_getiuservalue(L, index, 1);
    if (n == 1) return 1;
    int results = lua_gettop(L);
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, results, i);
    return n;
}
