/*
** Owns the process object: the waits for the end of its program, signals, and how it
** is ended.
*/
#include "base/platform.h"

#include "base/openers.h"

#include "base/error.h"
#include "base/signal_names.h"
#include "event/run.h"
#include "kernel/public.h"
#include "os/process.h"

#include <string.h>

enum { SELF = 1, SIGNAL };

static Process *process_of(Handle *handle) {
    return container_of(handle, Process, handle);
}

/* --- the end --- */

static void process_exited(ChildOwner *owner, int status, int number) {
    Process *process = container_of(owner, Process, owner);
    process->exited = true;
    process->status = status;
    process->signal = number;
    for (int i = 0; i < STANDARD_STREAMS; i++)
        if (process->pipes[i] != NULL) pipe_stream_end_within(process->pipes[i], process->grace);
    wait_queue_wake(&process->waiters, 0);
}

static void process_ended(ChildOwner *owner) {
    Process *process = container_of(owner, Process, owner);
    process->child = NULL;
    handle_close(&process->handle);
}

/* Of one that has not ended, because it is collected or detached: its child goes on to its end. */
static void process_let_go(Process *process) {
    Child *child = process->child;
    process->child = NULL;
    child_disown(child);
    if (!process->detached && !process->handle.loop->closed) child_end(child);
}

static void process_close(Handle *handle) {
    Process *process = process_of(handle);
    if (process->child != NULL) process_let_go(process);
    wait_queue_dismiss(&process->waiters, ARSENAL_CLOSED);
    wait_queue_dismiss(&process->closers, ARSENAL_CLOSED);
}

static void process_describe(lua_State *L, const Handle *handle) {
    const Process *process = process_of((Handle *)handle);
    lua_pushfstring(L, "%d (%s)", process->pid, process->program);
}

static int process_attempt(lua_State *L);

static int process_watch(void *object, Waiter *waiter) {
    Process *process = object;
    waiter_join(waiter, &process->waiters, &process->handle.loop->external_waiters);
    return 0;
}

static const Selectable process_selectable = {process_attempt, process_watch, NULL, NULL};

static const HandleType process_type = {"process",     "process",        KIND_PROCESS,
                                        process_close, process_describe, &process_selectable};

Process *process_new(lua_State *L) {
    Process *process = handle_new(L, &process_type, sizeof *process, 1);
    process->owner = (ChildOwner){process_exited, process_ended};
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    return process;
}

static Process *process_check(lua_State *L) {
    return handle_check(L, SELF, &process_type, 1);
}

/* --- waiting --- */

/* The status; or nil, "killed by SIGTERM", "SIGTERM" */
static int process_push_result(lua_State *L, const Process *process) {
    if (process->signal == 0) {
        lua_pushinteger(L, process->status);
        return 1;
    }
    const char *name = signal_name(process->signal);
    if (name == NULL) name = lua_pushfstring(L, "SIG%d", process->signal);
    lua_pushnil(L);
    lua_pushfstring(L, "killed by %s", name);
    lua_pushstring(L, name);
    return handle_set_failed(L, &process->handle);
}

static int process_attempt(lua_State *L) {
    Process *process = process_check(L);
    lua_settop(L, SELF);
    if (process->exited) return process_push_result(L, process);
    return process->handle.open ? 0 : handle_fail(L, &process->handle, "wait", ARSENAL_CLOSED);
}

static int process_step(lua_State *L, Task *task);

static void process_describe_wait(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "waiting for");
}

static const WaitKind process_wait = {process_step, NULL, process_describe_wait};

static int process_result_or_wait(lua_State *L, Process *process, Task *task) {
    int results = process_attempt(L);
    if (results > 0) return results;
    process_watch(process, &task->waiter);
    return task_wait(L, task, &process_wait, process);
}

static int process_step(lua_State *L, Task *task) {
    return process_result_or_wait(L, lua_touserdata(L, SELF), task);
}

/*
** process:wait() the status with which the program has ended; or nil, message and the
** name of the signal that has ended it. As often as it is called.
*/
static int process_wait_method(lua_State *L) {
    Process *process = process_check(L);
    lua_settop(L, SELF);
    Task *task = task_enter(L, process->handle.loop);
    return task == NULL ? run_outside(L) : process_result_or_wait(L, process, task);
}

/* --- signals and closing --- */

static int process_push_true(lua_State *L) {
    lua_pushboolean(L, true);
    return 1;
}

/*
** process:kill([signal]) sends a signal, "SIGTERM" by default, to the program and the
** others of its process group. True, also for one that has ended.
*/
static int process_kill(lua_State *L) {
    Process *process = process_check(L);
    const char *name = "SIGTERM";
    if (!lua_isnoneornil(L, SIGNAL)) {
        luaL_checktype(L, SIGNAL, LUA_TSTRING);
        name = lua_tostring(L, SIGNAL);
    }
    int number = signal_number(name);
    luaL_argcheck(L, number != 0, SIGNAL, lua_pushfstring(L, "unknown signal '%s'", name));
    if (!process->exited && process->child == NULL)
        return handle_fail(L, &process->handle, "kill", ARSENAL_CLOSED);
    if (process->child == NULL || !handle_is_ours(&process->handle)) return process_push_true(L);
    int status = child_signal(process->child, number);
    return status == 0 ? process_push_true(L) : handle_fail(L, &process->handle, "kill", status);
}

/*
** process_end(process) begins to end the program, and returns at once. A detached one
** is let go: it goes on.
*/
static int process_end(lua_State *L) {
    Process *process = process_check(L);
    if (process->child == NULL || !handle_is_ours(&process->handle)) return 0;
    if (process->detached)
        handle_close(&process->handle);
    else
        child_end(process->child);
    return 0;
}

static int process_close_step(lua_State *L, Task *task);

static void process_describe_close(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "waiting for the end of");
}

static const WaitKind process_close_wait = {process_close_step, NULL, process_describe_close};

static int process_ended_or_wait(lua_State *L, Process *process, Task *task) {
    if (!process->handle.open) return process_push_true(L);
    waiter_join(&task->waiter, &process->closers, &process->handle.loop->external_waiters);
    return task_wait(L, task, &process_close_wait, process);
}

static int process_close_step(lua_State *L, Task *task) {
    return process_ended_or_wait(L, lua_touserdata(L, SELF), task);
}

/* process_wait_end(process) waits until nothing is left of what process_end has begun to end. */
static int process_wait_end(lua_State *L) {
    Process *process = process_check(L);
    lua_settop(L, SELF);
    Task *task = task_enter(L, process->handle.loop);
    return task == NULL ? run_outside(L) : process_ended_or_wait(L, process, task);
}

/* place_to_wait(): "task" or "outside" where a call may wait, otherwise nil. */
static int process_place_to_wait(lua_State *L) {
    const Loop *loop = loop_of(L);
    const Task *task = loop->running;
    if (loop->closed || (task == NULL && loop->turning) ||
        (task != NULL && (task->top != L || !lua_isyieldable(L))))
        lua_pushnil(L);
    else
        lua_pushstring(L, task == NULL ? "outside" : "task");
    return 1;
}

static int process_closed_by_lua(lua_State *L, int status, lua_KContext context) {
    (void)L, (void)status, (void)context;
    return 0;
}

/* A <close> variable's end calls what Lua has registered, because that waits in a shield. */
static int process_close_variable(lua_State *L) {
    process_check(L);
    public_push_registered(L, "process_close");
    lua_pushvalue(L, SELF);
    lua_callk(L, 1, 0, 0, process_closed_by_lua);
    return 0;
}

/* --- fields --- */

/* process.pid, the pipes, and the methods, which are the upvalue */
static int process_index(lua_State *L) {
    const Process *process = process_check(L);
    lua_pushvalue(L, 2);
    if (lua_gettable(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
    if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "pid") == 0) {
        lua_pushinteger(L, process->pid);
        return 1;
    }
    lua_getiuservalue(L, SELF, 1);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    return 1;
}

static const luaL_Reg methods[] = {
    {"wait", process_wait_method},
    {"kill", process_kill},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"process_end", process_end},
    {"process_wait_end", process_wait_end},
    {"place_to_wait", process_place_to_wait},
    {NULL, NULL},
};

/* [methods] -> [methods] the parts of the metatable that other objects do not have */
static void process_change_metatable(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &process_type);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, process_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, process_close_variable);
    lua_setfield(L, -2, "__close");
    lua_pop(L, 1);
}

void process_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
    luaL_newlib(L, methods);
    handle_define(L, &process_type);
    process_change_metatable(L);
    lua_setfield(L, -2, "process_methods");
}
