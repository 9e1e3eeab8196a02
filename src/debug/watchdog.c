/*
** Owns the watch on tasks that run for long without waiting. A debug hook on their
** coroutines looks at the clock now and then, so that the report comes while the
** task runs. A task inside a long C function is reported when it next waits.
*/
#include "debug/watchdog.h"

#include "kernel/clock.h"
#include "kernel/public.h"
#include "kernel/task.h"
#include "kernel/task_object.h"

#include <stdlib.h>

enum { INSTRUCTIONS = 10000 }; /* between two looks at the clock: some 50 microseconds */

typedef struct Watchdog {
    LoopPart part;
    ResumeHook hook;
    uint64_t limit; /* nanoseconds; 0: nothing is watched */
    uint64_t since; /* when the running task was resumed; FOREVER: it was reported */
} Watchdog;

static const char watchdog_key;
static const char report_key; /* registry: function(task, seconds, traceback) */

/* (task, the coroutine that its traceback is of, seconds) */
static int watchdog_call_report(lua_State *L) {
    Task *task = lua_touserdata(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &report_key);
    task_object_push(L, task);
    lua_pushvalue(L, 3);
    luaL_traceback(L, lua_touserdata(L, 2), NULL, 0);
    lua_call(L, 3, 0);
    return 0;
}

/* Reports the task, once for each time that it runs. */
static void watchdog_report(lua_State *L, Watchdog *watchdog, Task *task, lua_State *where) {
    lua_Number seconds = (lua_Number)(clock_now(task->loop) - watchdog->since) / 1e9;
    watchdog->since = FOREVER;
    if (!lua_checkstack(L, LUA_MINSTACK)) return;
    lua_pushcfunction(L, watchdog_call_report);
    lua_pushlightuserdata(L, task);
    lua_pushlightuserdata(L, where);
    lua_pushnumber(L, seconds);
    if (lua_pcall(L, 3, 0, 0) != LUA_OK) public_report_failure(L, "slow_task's function");
}

static bool watchdog_is_late(const Watchdog *watchdog, const Loop *loop) {
    uint64_t now = clock_now(loop);
    return now > watchdog->since && now - watchdog->since > watchdog->limit;
}

static void watchdog_look(lua_State *L, lua_Debug *event) {
    Loop *loop = loop_of(L);
    Watchdog *watchdog = loop_part(loop, &watchdog_key);
    (void)event;
    if (watchdog->limit == 0)
        lua_sethook(L, NULL, 0, 0);
    else if (loop->running != NULL && watchdog_is_late(watchdog, loop))
        watchdog_report(L, watchdog, loop->running, L);
}

/* A coroutine that has another debug hook keeps it. */
static void watchdog_before(ResumeHook *hook, lua_State *L, Task *task) {
    Watchdog *watchdog = container_of(hook, Watchdog, hook);
    (void)L;
    if (lua_gethook(task->L) == NULL)
        lua_sethook(task->L, watchdog_look, LUA_MASKCOUNT, INSTRUCTIONS);
    watchdog->since = clock_now(task->loop);
}

static void watchdog_after(ResumeHook *hook, lua_State *L, Task *task, bool waits) {
    Watchdog *watchdog = container_of(hook, Watchdog, hook);
    if (waits && watchdog->limit != 0 && watchdog_is_late(watchdog, task->loop))
        watchdog_report(L, watchdog, task, task->top);
}

static void watchdog_close(LoopPart *part, Loop *loop) {
    (void)loop;
    free(part);
}

/*
** slow_task(seconds, report): report(task, seconds, traceback) is called for each
** task that runs for longer without waiting; nil: no more.
*/
static int watchdog_slow_task(lua_State *L) {
    Loop *loop = loop_of(L);
    uint64_t limit = args_duration(L, 1);
    loop_check_open(L, loop, "arsenal.slow_task");
    Watchdog *watchdog = loop_need_part(loop, &watchdog_key, sizeof *watchdog, watchdog_close);
    if (watchdog == NULL) return luaL_error(L, "not enough memory");
    lua_settop(L, 2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &report_key);
    watchdog->hook.before = watchdog_before;
    watchdog->hook.after = watchdog_after;
    watchdog->limit = limit == FOREVER ? 0 : limit > 0 ? limit : 1;
    watchdog->since = FOREVER;
    task_remove_hook(loop, &watchdog->hook);
    if (watchdog->limit != 0) task_add_hook(loop, &watchdog->hook);
    return 0;
}

void watchdog_open(lua_State *L) {
    lua_pushcfunction(L, watchdog_slow_task);
    lua_setfield(L, -2, "slow_task");
}
