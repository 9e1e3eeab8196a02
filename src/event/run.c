/*
** Owns run, run_once and stop, waits outside of tasks, and the report of a
** deadlock.
*/
#include "event/run.h"

#include "base/error.h"
#include "event/interrupt.h"
#include "kernel/task_result.h"
#include "event/quit.h"
#include "kernel/task_object.h"

enum { MOST_DESCRIBED = 20 }; /* tasks that a deadlock report lists */

/* [-0, +1] */
static void push_deadlock(lua_State *L, Loop *loop) {
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
    lua_concat(L, lua_gettop(L) - first + 1);
}

static void abandon_all(lua_State *L, Loop *loop) {
    Task *task;
    while ((task = tasks_next(loop, NULL)) != NULL)
        task_abandon(L, task);
}

static void refuse_inside(lua_State *L, Loop *loop, const char *name) {
    if (loop->running != NULL || loop->turning)
        luaL_error(L, "arsenal.%s called inside a task: start another one with arsenal.go", name);
    if (loop->closed) luaL_error(L, "arsenal.%s: the Lua state is being closed", name);
}

/* [-0, +1] what the user wants to be called at SIGQUIT; false if that is nothing. */
static bool push_on_quit(lua_State *L) {
    lua_getfield(L, LUA_REGISTRYINDEX, CORE_KEY);
    lua_getfield(L, -1, "face");
    lua_getfield(L, -1, "on_quit");
    lua_replace(L, -3);
    lua_pop(L, 1);
    return lua_toboolean(L, -1);
}

static bool wants_quit(lua_State *L) {
    bool wants = push_on_quit(L);
    lua_pop(L, 1);
    return wants;
}

static void call_on_quit(lua_State *L) {
    bool wants = push_on_quit(L);
    if (wants && lua_pcall(L, 0, 0, 0) == LUA_OK) return;
    const char *text = lua_tostring(L, -1);
    if (wants)
        lua_writestringerror("arsenal: error in on_quit: %s\n", text ? text : "(not a string)");
    lua_pop(L, 1);
}

static bool has_failed(const TaskObject *object) {
    return object->task == NULL && object->state == TASK_FAILED;
}

/* Turns, as long as there are tasks to run and no need to look at anything else. */
static void make_turns(lua_State *L, Loop *loop, const TaskObject *first) {
    do
        loop_brisk_turn(L, loop);
    while (loop->ready > 0 && loop->unpolled < POLL_TASKS && first->task != NULL);
}

/*
** Runs the loop until the task at index 1, the first one, has ended, or, with
** `all`, every task. Raises what ended it early: an interrupt, a deadlock.
*/
static void run_until_ended(lua_State *L, Loop *loop, bool all) {
    const TaskObject *first = lua_touserdata(L, 1);
    bool interrupted = false, failed = false, stuck = false;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    interrupt_watch(loop);
    if (all && wants_quit(L)) quit_watch(loop);
    while (all ? loop->tasks > 0 : first->task != NULL) {
        if (quit_taken(loop)) {
            call_on_quit(L);
        } else if (interrupt_taken(loop)) {
            interrupted = true;
            tasks_cancel_all(loop);
        } else if (all && !failed && has_failed(first)) {
            failed = true;
            tasks_cancel_all(loop);
        } else if (loop_is_stuck(loop) && !stuck) {
            stuck = true;
            push_deadlock(L, loop);
            all ? tasks_cancel_all(loop) : scope_cancel(&first->task->root);
        } else if (loop_is_stuck(loop)) {
            abandon_all(L, loop);
        } else {
            make_turns(L, loop, first);
        }
    }
    interrupt_unwatch(loop);
    quit_unwatch(loop);
    if (interrupted) lua_pushliteral(L, "interrupted");
    if (interrupted || stuck) lua_error(L);
}

/* [fn, ...] -> fn's results, from a task of its own */
static int run_in_task(lua_State *L) {
    Loop *loop = loop_of(L);
    task_spawn_shown(L, loop, &loop->root, lua_gettop(L) - 1)->observed = true;
    run_until_ended(L, loop, false);
    return task_push_outcome(L, 1);
}

int run_outside(lua_State *L) {
    lua_Debug here;
    lua_getstack(L, 0, &here);
    lua_getinfo(L, "f", &here);
    lua_insert(L, 1);
    return run_in_task(L);
}

/*
** run(main, ...) runs main as the first task, and the loop until every task
** has ended. Returns main's results; raises main's error (a string with its
** traceback), "interrupted" after Ctrl-C, or a report of the deadlock.
*/
static int run(lua_State *L) {
    Loop *loop = loop_of(L);
    task_check_function(L, 1);
    refuse_inside(L, loop, "run");
    task_spawn_shown(L, loop, &loop->root, lua_gettop(L) - 1)->observed = true;
    run_until_ended(L, loop, true);
    if (!has_failed(lua_touserdata(L, 1))) return task_push_outcome(L, 1);
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
** run_once([timeout]) makes one turn: runs the tasks that are ready, then looks
** for events, waiting at most `timeout` seconds for one when no task is ready.
** Returns whether any task ran.
*/
static int run_once(lua_State *L) {
    Loop *loop = loop_of(L);
    uint64_t timeout = args_duration(L, 1);
    refuse_inside(L, loop, "run_once");
    if (loop_is_stuck(loop)) timeout = 0;
    lua_pushboolean(L, loop_turn(L, loop, timeout) > 0);
    return 1;
}

/* stop() cancels every task; run returns once they have cleaned up. */
static int stop(lua_State *L) {
    tasks_cancel_all(loop_of(L));
    return 0;
}

/* outside(fn, ...): fn's results, from a task of its own, for a caller that is in none. */
static int outside(lua_State *L) {
    Loop *loop = loop_of(L);
    refuse_inside(L, loop, "outside");
    return run_in_task(L);
}

static const luaL_Reg functions[] = {
    {"outside", outside}, {"run", run}, {"run_once", run_once}, {"stop", stop}, {NULL, NULL},
};

void run_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
