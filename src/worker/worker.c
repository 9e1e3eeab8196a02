/*
** Owns what a Lua state has of its workers: for each an object, which a task of this
** state attends to until the worker has ended. Lua code makes that task what users
** see. The end of the state ends its workers.
*/
#include "worker/worker.h"

#include "base/openers.h"

#include "base/error.h"
#include "kernel/clock.h"
#include "kernel/public.h"
#include "kernel/task.h"
#include "kernel/task_object.h"
#include "object/handle.h"
#include "task/group.h"
#include "worker/blocking.h"
#include "worker/misfit.h"
#include "worker/parcel_check.h"
#include "worker/question.h"
#include "worker/state.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { SELF = 1 };

static const uint64_t NUDGE_PAUSE = 100000000;   /* ns between two nudges of a cancelled worker */
static const uint64_t LONGEST_WAIT = 5000000000; /* ns for its end, once the program ends */

typedef struct Worker {
    Handle handle;
    WorkerThread *thread;
    bool is_cancelled;
    bool is_waited_for; /* a task waits for its end */
    uint64_t left_at;   /* the time at which it is left behind, while the program ends; or 0 */
} Worker;

/* --- the running workers of a loop --- */

typedef struct WorkersPart {
    LoopPart part;
    List running;
} WorkersPart;

static const char part_key;

static WorkerThread *worker_of_node(ListNode *node) {
    return container_of(node, WorkerThread, node);
}

static void worker_forget_running(WorkerThread *thread) {
    list_remove(thread->running, &thread->node);
    thread->running = NULL;
    thread->has_ended = true;
}

/* A worker that blocks in a C function cannot be stopped; one that computes in a shield is not. */
static void worker_leave_behind(WorkerThread *thread) {
    fprintf(
        stderr,
        "arsenal: worker '%s' does not end, and is left behind: a function in C blocks there, or "
        "clean-up in arsenal.shield goes on\n",
        thread->name);
    worker_forget_running(thread);
    thread->is_left = true;
}

static void worker_ended(InboxMessage *message) {
    WorkerThread *thread = container_of(message, WorkerThread, end);
    if (thread->running != NULL) {
        worker_forget_running(thread);
        wait_queue_wake(&thread->waiters, 0);
    }
    thread_release(thread);
}

static void worker_each_running(const WorkersPart *workers, void (*call)(WorkerThread *thread)) {
    for (ListNode *node = workers->running.first; node != NULL;
         node = list_next(&workers->running, node))
        call(worker_of_node(node));
}

unsigned worker_count(const Loop *loop) {
    const WorkersPart *workers = loop_part(loop, &part_key);
    unsigned count = 0;
    ListNode *node = workers == NULL ? NULL : workers->running.first;
    for (; node != NULL; node = list_next(&workers->running, node))
        count++;
    return count;
}

/* The state is being closed: its workers end before it. */
static void worker_close_part(LoopPart *part, Loop *loop) {
    WorkersPart *workers = container_of(part, WorkersPart, part);
    uint64_t deadline = clock_now(loop) + LONGEST_WAIT;
    worker_each_running(workers, thread_cancel);
    while (workers->running.first != NULL) {
        WorkerThread *thread = worker_of_node(workers->running.first);
        if (thread_wait(thread, NUDGE_PAUSE)) {
            worker_forget_running(thread);
        } else if (clock_now(loop) >= deadline) {
            worker_leave_behind(thread);
        } else {
            worker_each_running(workers, thread_nudge);
        }
    }
    free(workers);
}

/* --- the object --- */

static Worker *worker_of(Handle *handle) {
    return container_of(handle, Worker, handle);
}

static void worker_describe(lua_State *L, const Handle *handle) {
    lua_pushstring(L, worker_of((Handle *)handle)->thread->name);
}

/* In a fork of the process the thread is not there, and its lock may be held for ever. */
static void worker_close(Handle *handle) {
    Worker *worker = worker_of(handle);
    if (handle->loop->forked) return;
    if (worker->thread->running != NULL) thread_cancel(worker->thread);
    thread_release(worker->thread);
    worker->thread = NULL;
}

static const HandleType worker_type = {
    "worker", "worker", 0, worker_close, worker_describe, NULL,
};

static Worker *worker_check(lua_State *L) {
    return handle_check(L, SELF, &worker_type, 1);
}

/* --- starting one --- */

/*
** [-0, +1 or 3] makes a worker, which is not running yet, from the entry at that index
** and the arguments behind it, which have crossed then. Returns false and pushes
** nil, message, code if one cannot cross now.
*/
static bool worker_make(lua_State *L, int entry) {
    int count = lua_gettop(L) - entry + 1;
    call_check_entry(L, entry);
    Worker *worker = handle_new(L, &worker_type, sizeof *worker, 0);
    const char *name = call_push_name(L, entry);
    Parcel *parcel = parcel_pack_call(L, entry, count);
    if (parcel == NULL) return false;
    Environment *environment = environment_new(L, lua_tocfunction(L, lua_upvalueindex(1)));
    if (environment != NULL) worker->thread = thread_new(environment, parcel, name);
    if (worker->thread == NULL) {
        environment_free(environment);
        parcel_free(parcel);
        luaL_error(L, "not enough memory");
    }
    lua_pop(L, 1);
    handle_opened(&worker->handle);
    return true;
}

/*
** [-0, +0] names the task on top after the worker that it attends to, whose object is below
** it. The task closes that one, also if it is cancelled before it begins.
*/
static int worker_set_task(lua_State *L) {
    const Worker *worker = lua_touserdata(L, -2);
    task_object_check(L, -1)->task->must_begin = true;
    lua_getfield(L, -1, "set_name");
    lua_pushvalue(L, -2);
    lua_pushfstring(L, "worker %s", worker->thread->name);
    lua_call(L, 2, 0);
    return 1;
}

/* worker(entry, ...): the task that attends to it; or nil, message, code. */
static int worker_function(lua_State *L) {
    Loop *loop = loop_of(L);
    loop_check_open(L, loop, "cannot start a worker");
    if (!worker_make(L, 1)) return 3;
    public_push_registered(L, "worker_attend");
    lua_pushvalue(L, -2);
    task_spawn_shown(L, loop, &loop->root, 1);
    return worker_set_task(L);
}

/* group:worker(entry, ...): the same for a task of the group. */
static int worker_in_group(lua_State *L) {
    group_check_open(L, SELF);
    if (!worker_make(L, SELF + 1)) return 3;
    lua_pushcfunction(L, group_go);
    lua_pushvalue(L, SELF);
    public_push_registered(L, "worker_attend");
    lua_pushvalue(L, -4);
    lua_call(L, 3, 1);
    return worker_set_task(L);
}

static int worker_all_ended(lua_State *L, int status, lua_KContext unused) {
    (void)status, (void)unused;
    return lua_gettop(L);
}

/*
** workers([count,] entry, ...) runs entry(index, ...) in so many workers, and returns
** when all have ended. A wrong argument raises an error before any worker starts.
*/
static int worker_function_all(lua_State *L) {
    bool has_count = lua_type(L, 1) == LUA_TNUMBER || (lua_isnil(L, 1) && lua_gettop(L) > 1);
    int entry = has_count ? 2 : 1;
    lua_Integer count = uv_available_parallelism();
    if (has_count) count = args_optional_integer(L, 1, 1, INT_MAX, count);
    call_check_entry(L, entry);
    Manifest manifest;
    parcel_check(L, &manifest, entry, lua_gettop(L) - entry + 1, NULL);
    if (count > 1 || lua_type(L, 1) != LUA_TNUMBER) misfit_refuse_moves(L, &manifest);
    lua_settop(L, manifest.objects_at - 1);
    public_push_registered(L, "worker_run_all");
    lua_insert(L, 1);
    lua_pushinteger(L, count);
    if (has_count)
        lua_replace(L, 2);
    else
        lua_insert(L, 2);
    lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, worker_all_ended);
    return worker_all_ended(L, LUA_OK, 0);
}

/* worker_start(worker): true, or nil, message, code. */
static int worker_start(lua_State *L) {
    Worker *worker = worker_check(L);
    Loop *loop = worker->handle.loop;
    Inbox *inbox = inbox_of(loop);
    WorkersPart *workers = loop_need_part(loop, &part_key, sizeof *workers, worker_close_part);
    Crew *crew = inbox == NULL ? NULL : blocking_crew(L, inbox);
    if (crew == NULL || workers == NULL) return handle_fail(L, &worker->handle, "start", UV_ENOMEM);
    int status = thread_start(worker->thread, inbox, crew, state_live, worker_ended);
    if (status != 0) return handle_fail(L, &worker->handle, "start", status);
    worker->thread->running = &workers->running;
    list_append(&workers->running, &worker->thread->node);
    lua_pushboolean(L, true);
    return 1;
}

/* --- waiting for its end --- */

static int worker_wait_step(lua_State *L, Task *task);

static void worker_describe_wait(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "waiting for the end of");
}

/* Only the worker, which is of the same crew, can end such a wait: see event/crew.h. */
static void worker_set_waited_for(Worker *worker, bool is_waited_for) {
    if (worker->is_waited_for == is_waited_for) return;
    worker->is_waited_for = is_waited_for;
    inbox_count_wait(worker->thread->parent, is_waited_for ? 1 : -1);
}

static void worker_forget_wait(Task *task) {
    worker_set_waited_for(worker_of(task->object), false);
}

static const WaitKind end_wait = {worker_wait_step, worker_forget_wait, worker_describe_wait};

static int worker_wait_or_return(lua_State *L, Worker *worker, Task *task) {
    if (worker->thread->has_ended) return 0;
    waiter_join(&task->waiter, &worker->thread->waiters, &task->loop->external_waiters);
    worker_set_waited_for(worker, true);
    if (worker->is_cancelled) task_set_timeout(task, NUDGE_PAUSE);
    return task_wait(L, task, &end_wait, worker);
}

/* A cancelled worker that has not ended for a while: it may be computing. */
static void worker_hurry(Worker *worker, const Loop *loop) {
    thread_nudge(worker->thread);
    if (!loop->ending)
        worker->left_at = 0;
    else if (worker->left_at == 0)
        worker->left_at = clock_now(loop) + LONGEST_WAIT;
    else if (clock_now(loop) >= worker->left_at)
        worker_leave_behind(worker->thread);
}

static int worker_wait_step(lua_State *L, Task *task) {
    Worker *worker = lua_touserdata(L, SELF);
    worker_set_waited_for(worker, false);
    if (task->status == ARSENAL_TIMEOUT) {
        worker_hurry(worker, task->loop);
        task_clear_timeout(task);
    }
    return worker_wait_or_return(L, worker, task);
}

/* worker_wait(worker) returns when it has ended, or was left behind. Inside a task. */
static int worker_wait(lua_State *L) {
    Worker *worker = worker_check(L);
    Task *task = task_enter_now(L, worker->handle.loop);
    if (task == NULL) return luaL_error(L, "a worker is waited for inside a task");
    return worker_wait_or_return(L, worker, task);
}

/* worker_cancel(worker) */
static int worker_cancel(lua_State *L) {
    Worker *worker = worker_check(L);
    worker->is_cancelled = true;
    thread_cancel(worker->thread);
    return 0;
}

/*
** worker_result(worker) of one that has ended: "done" and the results; "failed",
** the error and its traceback; or "cancelled".
*/
static int worker_result(lua_State *L) {
    WorkerThread *thread = worker_check(L)->thread;
    if (!thread->is_left) return call_push_outcome(L, &thread->call);
    lua_pushliteral(L, "cancelled"); /* its call is the thread's still */
    return 1;
}

/*
** worker_ask_all(limit): a list of { name, question }. Each worker may wait for so many
** seconds for the answers of its own workers.
*/
static int worker_ask_all(lua_State *L) {
    const Loop *loop = loop_of(L);
    lua_Number limit = luaL_checknumber(L, 1);
    const WorkersPart *workers = loop->closed ? NULL : loop_part(loop, &part_key);
    ListNode *node = workers == NULL ? NULL : workers->running.first;
    lua_newtable(L);
    for (int n = 1; node != NULL; node = list_next(&workers->running, node), n++) {
        lua_createtable(L, 2, 0);
        lua_pushstring(L, worker_of_node(node)->name);
        lua_rawseti(L, -2, 1);
        question_push_asked(L, worker_of_node(node), limit);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, n);
    }
    return 1;
}

/* parallelism(): the number of processors that this process may use. */
static int worker_parallelism(lua_State *L) {
    lua_pushinteger(L, uv_available_parallelism());
    return 1;
}

static const luaL_Reg worker_functions[] = {
    {"parallelism", worker_parallelism}, {"worker_ask_all", worker_ask_all},
    {"worker_cancel", worker_cancel},    {"worker_result", worker_result},
    {"worker_start", worker_start},      {"worker_wait", worker_wait},
    {"workers", worker_function_all},    {NULL, NULL},
};

/* The functions that make workers have what opens the core as their upvalue. */
void worker_open(lua_State *L) {
    lua_newtable(L);
    handle_define(L, &worker_type);
    lua_pop(L, 1);
    question_open(L);
    luaL_setfuncs(L, worker_functions, 0);
    lua_getfield(L, -1, "open_core");
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, worker_function, 1);
    lua_setfield(L, -3, "worker");
    lua_pushcclosure(L, worker_in_group, 1);
    lua_getfield(L, -2, "group_methods");
    lua_insert(L, -2);
    lua_setfield(L, -2, "worker");
    lua_pop(L, 1);
}
