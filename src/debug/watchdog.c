/*
** Owns the watch on tasks that don't wait. A hook on their coroutines looks at
** the clock now and then, so that one which never ends is found in the act; one
** that is busy inside a C function is told when it next waits.
*/
#include "debug/watchdog.h"

#include "kernel/task_object.h"

enum { INSTRUCTIONS = 10000 }; /* between two looks: some 50 microseconds */

static const char report_key; /* registry: function(task, seconds, traceback) */

/* (task, the coroutine that its traceback is of, seconds) */
static int tell(lua_State *L) {
    Task *task = lua_touserdata(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &report_key);
    task_push(L, task);
    lua_pushvalue(L, 3);
    luaL_traceback(L, lua_touserdata(L, 2), NULL, 0);
    lua_call(L, 3, 0);
    return 0;
}

/* Tells it, once for each time that the task runs. */
static void report(lua_State *L, Task *task, lua_State *where) {
    Loop *loop = task->loop;
    lua_Number seconds = (lua_Number)(uv_hrtime() - loop->watchdog_since) / 1e9;
    loop->watchdog_since = UINT64_MAX;
    if (!lua_checkstack(L, LUA_MINSTACK)) return;
    lua_pushcfunction(L, tell);
    lua_pushlightuserdata(L, task);
    lua_pushlightuserdata(L, where);
    lua_pushnumber(L, seconds);
    if (lua_pcall(L, 3, 0, 0) == LUA_OK) return;
    const char *text = lua_tostring(L, -1);
    lua_writestringerror("arsenal: error in slow_task's function: %s\n",
                         text != NULL ? text : "(not a string)");
    lua_pop(L, 1);
}

static bool is_slow(const Loop *loop) {
    uint64_t now = uv_hrtime();
    return now > loop->watchdog_since && now - loop->watchdog_since > loop->watchdog_limit;
}

static void hook(lua_State *L, lua_Debug *event) {
    Loop *loop = loop_of(L);
    (void)event;
    if (loop->watchdog_limit == 0)
        lua_sethook(L, NULL, 0, 0);
    else if (loop->running != NULL && is_slow(loop))
        report(L, loop->running, L);
}

void watchdog_resume(lua_State *L, Loop *loop, Task *task) {
    if (lua_gethook(task->L) == NULL) lua_sethook(task->L, hook, LUA_MASKCOUNT, INSTRUCTIONS);
    loop->watchdog_since = uv_hrtime();
    bool goes_on = task_step(L, loop, task);
    if (goes_on && loop->watchdog_limit != 0 && is_slow(loop)) report(L, task, task->top);
}

/*
** slow_task(seconds, report): report(task, seconds, traceback) is called for each
** task that runs for longer without waiting; nil: no more.
*/
static int slow_task(lua_State *L) {
    Loop *loop = loop_of(L);
    uint64_t limit = args_duration(L, 1);
    lua_settop(L, 2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &report_key);
    loop->watchdog_limit = limit == FOREVER ? 0 : limit > 0 ? limit : 1;
    loop->watchdog_since = UINT64_MAX;
    return 0;
}

static const luaL_Reg functions[] = {
    {"slow_task", slow_task},
    {NULL, NULL},
};

void watchdog_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
