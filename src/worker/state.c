/*
** Owns what happens in a worker's Lua state, from its first line to its end. Each
** step is a protected call, so that a lack of memory is an error of this worker.
*/
#include "worker/state.h"

#include "event/nudge.h"
#include "event/run.h"
#include "event/signal_watch.h"
#include "kernel/cancellation.h"
#include "kernel/start.h"
#include "kernel/task.h"
#include "kernel/task_object.h"
#include "kernel/task_result.h"
#include "kernel/traceback.h"
#include "worker/first_memory.h"

#include <stdlib.h>

/* --- a task that computes: the hook raises the cancellation --- */

/* Instructions between the first two raises; each further pause is that many times shorter. */
enum { FIRST_PAUSE = 10000, SHORTER = 10 };

typedef struct StatePart {
    LoopPart part;
    WorkerThread *thread;
    int pause;
} StatePart;

static const char state_key;

/* When os.exit closes the state in a task, the thread lives longer than the loop. */
static void state_close_part(LoopPart *part, Loop *loop) {
    (void)loop;
    nudge_refuse();
    free(part);
}

/*
** Returns the scope of the running code if it is to be cancelled, otherwise NULL. on_error
** runs after the end of its task, when no scope is open.
*/
static Scope *state_doomed_scope(const Loop *loop) {
    Task *task = loop->running;
    if (task == NULL) return NULL;
    if (task_has_ended(task)) return &task->root;
    return task->scopes.innermost->doomed ? task->scopes.innermost : NULL;
}

/*
** A nudge has come: this worker was cancelled, or one that had the thread before it. After
** each raise the task may clean up, for fewer instructions each time.
*/
static void state_hook(lua_State *L, lua_Debug *event) {
    Loop *loop = loop_of(L);
    StatePart *part = loop_part(loop, &state_key);
    (void)event;
    bool is_meant = part != NULL && thread_is_cancelled(part->thread);
    if (is_meant && !loop->ending) tasks_cancel_all(loop);
    Scope *scope = is_meant ? state_doomed_scope(loop) : NULL;
    if (scope == NULL) {
        lua_sethook(L, NULL, 0, 0);
        return;
    }
    lua_sethook(L, state_hook, LUA_MASKCOUNT, part->pause);
    if (part->pause > 1) part->pause /= SHORTER;
    cancellation_raise(L, scope);
}

/* --- the steps: each has the thread as its argument --- */

static int state_open(lua_State *L) {
    WorkerThread *thread = lua_touserdata(L, 1);
    environment_set_up(L, thread->environment);
    kernel_start(L);
    Loop *loop = loop_of(L);
    StatePart *part = loop_need_part(loop, &state_key, sizeof *part, state_close_part);
    if (part == NULL || !signal_watch_exempt(loop) || inbox_of(loop) == NULL)
        return luaL_error(L, "not enough memory");
    part->thread = thread;
    part->pause = FIRST_PAUSE;
    return 0;
}

static int state_run(lua_State *L) {
    WorkerThread *thread = lua_touserdata(L, 1);
    lua_remove(L, 1);
    call_push_entry(L, &thread->call);
    const TaskObject *first = run_all(L, loop_of(L));
    lua_settop(L, 1);
    if (first->state == TASK_CANCELLED) {
        thread->call.outcome = OUTCOME_CANCELLED;
        return 0;
    }
    if (first->state == TASK_FAILED) {
        task_push_failure(L, 1);
        return traceback_rethrow(L);
    }
    call_done(L, &thread->call, task_push_result(L, 1));
    return 0;
}

/* --- the life --- */

static int state_call(lua_State *L, WorkerThread *thread, lua_CFunction step, int handler) {
    lua_pushcfunction(L, step);
    lua_pushlightuserdata(L, thread);
    return lua_pcall(L, 1, 0, handler);
}

static void state_run_entry(lua_State *L, WorkerThread *thread) {
    Loop *loop = loop_of(L);
    nudge_accept(loop, state_hook);
    if (!thread_attach(thread, loop)) {
        nudge_refuse();
        thread->call.outcome = OUTCOME_CANCELLED;
        return;
    }
    lua_pushcfunction(L, traceback_handler);
    int status = state_call(L, thread, state_run, lua_gettop(L));
    nudge_refuse();
    thread_detach(thread);
    if (status == LUA_OK) return;
    traceback_push(L);
    call_failed(L, &thread->call);
}

void state_live(WorkerThread *thread) {
    FirstMemory memory;
    lua_State *L = luaL_newstate();
    if (L == NULL) return;
    first_memory_use(&memory, L);
    if (state_call(L, thread, state_open, 0) == LUA_OK) {
        state_run_entry(L, thread);
    } else {
        lua_pushnil(L);
        call_failed(L, &thread->call);
    }
    lua_close(L);
}
