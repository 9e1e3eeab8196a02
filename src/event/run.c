/*
** Owns run, run_once and stop, waits outside of tasks, and the report of a
** deadlock.
*/
#include "event/run.h"

#include "base/error_object.h"
#include "event/interrupt.h"
#include "event/outbox.h"
#include "event/quit.h"
#include "event/turn.h"
#include "kernel/background.h"
#include "kernel/public.h"
#include "kernel/task.h"
#include "kernel/task_describe.h"
#include "kernel/task_object.h"
#include "kernel/task_result.h"

#include <stdlib.h>

enum { MOST_DESCRIBED = 20 }; /* tasks that a deadlock report lists */

/* Why a run ends before its tasks do; of two reasons the later one here is raised. */
typedef enum StopReason { STOP_NONE, STOP_FAILURE, STOP_DEADLOCK, STOP_INTERRUPT } StopReason;

struct RunPart;

typedef struct Run {
    const TaskObject *first; /* the first task, at index 1 */
    bool all;                /* runs until every task has ended, and not only the first */
    const Background *background;
    struct RunPart *part; /* NULL: there was no memory for it */
    StopReason reason;
} Run;

/* --- deadlocks --- */

/* [-0, +1] what the tasks of the workers wait for; without the Lua part there are no workers. */
static void run_push_workers(lua_State *L) {
    public_push_registered(L, "describe_workers");
    if (!lua_isnil(L, -1)) {
        lua_call(L, 0, 1);
        return;
    }
    lua_pop(L, 1);
    lua_pushliteral(L, "");
}

static int run_describe_deadlock(lua_State *L) {
    Loop *loop = loop_of(L);
    int first = lua_gettop(L) + 1;
    luaL_checkstack(L, MOST_DESCRIBED + LUA_MINSTACK, NULL);
    lua_pushfstring(L, "deadlock: each of the %d tasks waits, and nothing could wake one",
                    (int)loop->tasks);
    unsigned described = 0;
    for (Task *task = tasks_next(loop, NULL); task != NULL && described < MOST_DESCRIBED;
         task = tasks_next(loop, task), described++) {
        lua_pushliteral(L, "\n  ");
        task_push_description(L, task);
        lua_concat(L, 2);
    }
    if (described < loop->tasks)
        lua_pushfstring(L, "\n  and %d more", (int)(loop->tasks - described));
    run_push_workers(L);
    lua_concat(L, lua_gettop(L) - first + 1);
    return 1;
}

/* [-0, +1] Without memory for the report, that error takes its place. */
static void run_push_deadlock(lua_State *L, Loop *loop) {
    lua_pushcfunction(L, run_describe_deadlock);
    loop->turning = true;
    lua_pcall(L, 0, 1, 0);
    loop->turning = false;
}

static void run_abandon_all(lua_State *L, Loop *loop) {
    Task *task;
    while ((task = tasks_next(loop, NULL)) != NULL)
        task_abandon(L, task);
}

/* --- on_quit --- */

static bool run_wants_quit(lua_State *L) {
    public_push(L, "on_quit");
    bool wants = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return wants;
}

/* The function is called as in a turn: it cannot wait, and cannot run the loop. */
static void run_call_on_quit(lua_State *L, Loop *loop) {
    if (!run_wants_quit(L)) return;
    public_push(L, "on_quit");
    loop->turning = true;
    int status = lua_pcall(L, 0, 0, 0);
    loop->turning = false;
    if (status != LUA_OK) public_report_failure(L, "on_quit");
}

/* --- what ends with a run, besides its tasks --- */

typedef struct RunPart {
    LoopPart part;
    RunEnd *ends;
    RunCall *calls; /* that are to be made */
} RunPart;

static const char run_key;

static RunCall *run_take_call(RunPart *part) {
    RunCall *call = part->calls;
    if (call != NULL) part->calls = call->next;
    return call;
}

static void run_close_part(LoopPart *part, Loop *loop) {
    RunCall *call;
    (void)loop;
    while ((call = run_take_call(container_of(part, RunPart, part))) != NULL)
        call->drop(call);
    free(part);
}

static RunPart *run_part(Loop *loop) {
    return loop_need_part(loop, &run_key, sizeof(RunPart), run_close_part);
}

bool run_add_end(Loop *loop, RunEnd *end) {
    RunPart *part = run_part(loop);
    if (part == NULL) return false;
    end->next = part->ends;
    part->ends = end;
    return true;
}

/* --- calls between two runs of tasks --- */

bool run_call(Loop *loop, RunCall *call) {
    RunPart *part = run_part(loop);
    if (part == NULL) return false;
    call->next = part->calls;
    part->calls = call;
    return true;
}

static void run_make_calls(lua_State *L, Loop *loop, RunPart *part) {
    RunCall *call;
    if (part == NULL) return;
    while ((call = run_take_call(part)) != NULL) {
        loop->turning = true;
        call->make(L, call);
        loop->turning = false;
    }
}

/* All of them are asked, so that each begins to end at once. */
static bool run_all_ended(Loop *loop) {
    const RunPart *part = loop_part(loop, &run_key);
    bool ended = true;
    for (RunEnd *end = part == NULL ? NULL : part->ends; end != NULL; end = end->next)
        ended = end->ended(end, loop) && ended;
    return ended;
}

/* --- running until something ends --- */

static bool run_is_over(const Run *run, Loop *loop) {
    return run->all ? loop->tasks == 0 && run_all_ended(loop) : run->first->task == NULL;
}

static bool run_first_has_failed(const Run *run) {
    return run->first->task == NULL && run->first->state == TASK_FAILED;
}

/* Returns why the tasks should be stopped now, or STOP_NONE. */
static StopReason run_find_reason(const Run *run, Loop *loop) {
    if (interrupt_taken(loop)) return STOP_INTERRUPT;
    if (run->all && run->reason == STOP_NONE && run_first_has_failed(run)) return STOP_FAILURE;
    return loop_is_stuck(loop) || turn_take_stuck(loop) ? STOP_DEADLOCK : STOP_NONE;
}

/* Cancels the tasks. At a second deadlock it abandons them: nothing wakes them, cancelled or not. */
static void run_stop(lua_State *L, Loop *loop, Run *run, StopReason reason) {
    if (reason == STOP_DEADLOCK && run->reason >= STOP_DEADLOCK) {
        run_abandon_all(L, loop);
        return;
    }
    if (reason == STOP_DEADLOCK) run_push_deadlock(L, loop);
    if (run->all || reason != STOP_DEADLOCK)
        tasks_cancel_all(loop);
    else
        scope_cancel(&run->first->task->root);
    if (reason > run->reason) run->reason = reason;
}

/* Only background tasks are left, and have not been cancelled yet. */
static bool run_should_end_background(const Run *run, const Loop *loop) {
    return run->all && !loop->ending && background_is_alone(run->background, loop);
}

/* Turns until a poll is due, for which a few milliseconds are enough, or the first task has ended. */
static void run_make_turns(lua_State *L, Loop *loop, const Run *run) {
    uint64_t tick = turn_poll_if_due(loop);
    do
        turn_briskly(L, loop, tick);
    while (!turn_poll_is_due(loop) && run->first->task != NULL);
}

/* [-0, +0 or 1] Returns why the run ended early. The message of a deadlock or an interrupt is on top then. */
static StopReason run_until_over(lua_State *L, Loop *loop, bool all) {
    Run run = {.first = lua_touserdata(L, 1),
               .all = all,
               .background = background_of(loop),
               .part = run_part(loop)};
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    interrupt_watch(loop);
    if (all && run_wants_quit(L)) quit_watch(loop);
    while (!run_is_over(&run, loop)) {
        if (quit_taken(loop)) run_call_on_quit(L, loop);
        run_make_calls(L, loop, run.part);
        if (run_should_end_background(&run, loop)) tasks_cancel_all(loop);
        StopReason reason = run_find_reason(&run, loop);
        if (reason != STOP_NONE)
            run_stop(L, loop, &run, reason);
        else
            run_make_turns(L, loop, &run);
    }
    outbox_flush(loop);
    turn_leave(loop);
    interrupt_unwatch(loop);
    quit_unwatch(loop);
    if (run.reason == STOP_INTERRUPT) lua_pushliteral(L, "interrupted");
    return run.reason;
}

static void run_refuse_inside(lua_State *L, Loop *loop, const char *name) {
    if (loop->closed) loop_check_open(L, loop, lua_pushfstring(L, "arsenal.%s", name));
    if (loop->running != NULL)
        luaL_error(L, "arsenal.%s called inside a task: start another one with arsenal.go", name);
    if (loop->turning)
        luaL_error(L,
                   "arsenal.%s called in a function that the event loop calls; "
                   "start a task with arsenal.go instead",
                   name);
}

/* The task at index 1 has failed: its error object gets the place at this level, if it has none. */
static void run_set_where(lua_State *L, int level) {
    task_push_failure(L, 1);
    lua_pop(L, 1);
    error_object_set_where(L, level);
    lua_pop(L, 1);
}

/* [fn, ...] -> fn's results, from a task of its own. `level` is that of the calling code, or 0. */
static int run_in_task(lua_State *L, int level) {
    Loop *loop = loop_of(L);
    loop->ending = false;
    task_spawn_shown(L, loop, &loop->root, lua_gettop(L) - 1)->observed = true;
    if (run_until_over(L, loop, false) >= STOP_DEADLOCK) return lua_error(L);
    bool has_failed = ((const TaskObject *)lua_touserdata(L, 1))->state == TASK_FAILED;
    if (has_failed && level > 0) run_set_where(L, level);
    return task_push_result(L, 1);
}

int run_outside(lua_State *L) {
    Task *task = loop_of(L)->running;
    if (task != NULL) return task_pause_before(L, task);
    lua_Debug here;
    lua_getstack(L, 0, &here);
    lua_getinfo(L, "f", &here);
    lua_insert(L, 1);
    return run_in_task(L, 1);
}

/* --- the functions --- */

TaskObject *run_all(lua_State *L, Loop *loop) {
    task_spawn_shown(L, loop, &loop->root, lua_gettop(L) - 1)->observed = true;
    if (run_until_over(L, loop, true) >= STOP_DEADLOCK) lua_error(L);
    return lua_touserdata(L, 1);
}

/*
** run(main, ...) runs main as the first task, and the loop until every task
** has ended. Returns main's results; raises main's error (a string with its
** traceback), "interrupted" after Ctrl-C, or a report of the deadlock.
*/
static int run_function(lua_State *L) {
    Loop *loop = loop_of(L);
    task_check_function(L, 1);
    run_refuse_inside(L, loop, "run");
    const TaskObject *first = run_all(L, loop);
    if (first->state != TASK_FAILED) return task_push_result(L, 1);
    task_push_failure(L, 1);
    if (lua_type(L, -2) == LUA_TSTRING && lua_isstring(L, -1)) {
        lua_pushliteral(L, "\n");
        lua_insert(L, -2);
        lua_concat(L, 3);
    } else {
        lua_pop(L, 1);
    }
    return lua_error(L);
}

/*
** run_program(main, ...) runs as `run` does, and returns "done" and main's results;
** "failed", the error and its traceback or nil; or, after Ctrl-C, "interrupted" and
** the same, if main has failed.
*/
static int run_program(lua_State *L) {
    Loop *loop = loop_of(L);
    task_check_function(L, 1);
    run_refuse_inside(L, loop, "main");
    Task *task = task_spawn_shown(L, loop, &loop->root, lua_gettop(L) - 1);
    task->observed = true;
    task_set_start(L, task, 2); /* where arsenal.main was called, which has called this */
    StopReason reason = run_until_over(L, loop, true);
    bool has_failed = ((const TaskObject *)lua_touserdata(L, 1))->state == TASK_FAILED;
    int n = 0;
    if (reason == STOP_DEADLOCK) {
        n = 1; /* the report is on top */
    } else if (has_failed) {
        task_push_failure(L, 1);
        n = 2;
    } else if (reason != STOP_INTERRUPT) {
        n = task_push_result(L, 1);
    }
    const char *outcome = has_failed || reason == STOP_DEADLOCK ? "failed" : "done";
    lua_pushstring(L, reason == STOP_INTERRUPT ? "interrupted" : outcome);
    lua_insert(L, -n - 1);
    return n + 1;
}

/*
** run_once([timeout]) makes one turn: runs the tasks that are ready, then polls
** for events, waiting at most `timeout` seconds for one when no task is ready.
** Returns whether any task ran.
*/
static int run_once(lua_State *L) {
    Loop *loop = loop_of(L);
    uint64_t timeout = args_duration(L, 1);
    run_refuse_inside(L, loop, "run_once");
    if (loop_is_stuck(loop)) timeout = 0;
    lua_pushboolean(L, turn_once(L, loop, timeout) > 0);
    return 1;
}

/* stop() cancels every task; run returns once they have cleaned up. */
static int run_stop_all(lua_State *L) {
    tasks_cancel_all(loop_of(L));
    return 0;
}

/* outside(fn, ...): fn's results, from a task of its own, for a caller that is in none. */
static int run_outside_function(lua_State *L) {
    Loop *loop = loop_of(L);
    run_refuse_inside(L, loop, "outside");
    return run_in_task(L, 0);
}

static const luaL_Reg run_functions[] = {
    {"outside", run_outside_function}, {"run", run_function},  {"run_once", run_once},
    {"run_program", run_program},      {"stop", run_stop_all}, {NULL, NULL},
};

void run_open(lua_State *L) {
    luaL_setfuncs(L, run_functions, 0);
}
