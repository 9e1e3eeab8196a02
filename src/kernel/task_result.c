/*
** Owns how a task ends: what it leaves for those who join it, the traceback of
** its error, and who is told.
*/
#include "kernel/task_result.h"

#include "base/error.h"
#include "task/group.h"
#include "task/timeout.h"
#include "kernel/task_object.h"

static const char traceback_key; /* registry: what task_traceback took last */
static const char error_key;     /* registry: the error that it was taken of */

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

void task_push_traceback(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key);
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

/* last_traceback(): what task_traceback took last. */
static int last_traceback(lua_State *L) {
    task_push_traceback(L);
    return 1;
}

/* rethrow(err, traceback) raises err so that on_error and run tell this traceback. */
static int rethrow(lua_State *L) {
    lua_settop(L, 2);
    return task_rethrow_with(L);
}

/* --- the end of a task --- */

void task_push_failure(lua_State *L, int index) {
    if (lua_getiuservalue(L, index, 1) == LUA_TTABLE) {
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        lua_remove(L, -3);
    } else { /* there was no memory to keep it */
        lua_pop(L, 1);
        lua_pushnil(L);
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

/* [-n, +1] a list of them */
static void pack(lua_State *L, int n) {
    lua_createtable(L, n, 0);
    lua_insert(L, -n - 1);
    for (int i = n; i >= 1; i--)
        lua_rawseti(L, -i - 1, i);
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

void task_settle(lua_State *L, Task *task, int state, int n, int attachment) {
    if (task_has_ended(task)) return;
    if (n > 1) pack(L, n);
    int object = 0;
    if (n > 0 && (task->shown != NULL || state == TASK_FAILED)) {
        task_object_keep(L, task);
        object = lua_gettop(L);
    }
    if (task->shown != NULL) task_object_end(task, state, n);
    while (task->scope != &task->root) /* left over where its coroutine was closed by a stranger */
        task->scope->kind == SCOPE_GROUP ? group_abandon(task->scope)
                                         : timeout_abandon(task->scope);
    task->state = (unsigned)state;
    timer_heap_clear(&task->loop->timers, &task->timer);
    scope_leave(&task->root);
    task->loop->tasks--;
    bool told = wake_joiners(task);
    if (task->group != NULL) {
        group_task_ended(L, task, object, attachment);
    } else if (state == TASK_FAILED && !told && !task->observed && object != 0) {
        task_push_failure(L, object);
        lua_pushvalue(L, object);
        task_report(L);
    }
}

int task_push_outcome(lua_State *L, int index) {
    const TaskObject *object = lua_touserdata(L, index);
    int n = object->results;
    if (object->state == TASK_FAILED) {
        task_push_failure(L, index);
        return task_rethrow_with(L);
    }
    if (object->state == TASK_CANCELLED)
        return error_push_reason(L, ARSENAL_CANCELLED, error_words(ARSENAL_CANCELLED));
    if (n == 0) return 0;
    luaL_checkstack(L, n + 1, "too many results");
    lua_getiuservalue(L, index, 1);
    if (n == 1) return 1;
    int results = lua_gettop(L);
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, results, i);
    return n;
}

static const luaL_Reg functions[] = {
    {"traceback", task_traceback},
    {"last_traceback", last_traceback},
    {"rethrow", rethrow},
    {NULL, NULL},
};

void outcome_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
