/*
** Owns the functions that report on the loop and its tasks.
*/
#include "base/openers.h"

#include "event/turn.h"
#include "kernel/background.h"
#include "kernel/coroutine.h"
#include "kernel/task.h"
#include "kernel/task_describe.h"
#include "kernel/task_object.h"
#include "object/handle.h"
#include "object/handoff.h"
#include "worker/worker.h"

static void inspect_set_count(lua_State *L, const char *name, lua_Integer count) {
    lua_pushinteger(L, count);
    lua_setfield(L, -2, name);
}

/*
** counts(): a table: `tasks` not ended, of which `ready`, `waiting` and
** `background`; running `workers`; open `handles` by kind; `timers` set; `turns` made.
** nil once the loop is closed.
*/
static int inspect_counts(lua_State *L) {
    Loop *loop = loop_of(L);
    if (loop->closed) return 0;
    lua_createtable(L, 0, 10);
    inspect_set_count(L, "tasks", loop->tasks);
    inspect_set_count(L, "background", background_of(loop)->tasks);
    inspect_set_count(L, "ready", loop->ready);
    inspect_set_count(L, "waiting",
                      (lua_Integer)loop->tasks - loop->ready - (loop->running != NULL));
    inspect_set_count(L, "workers", worker_count(loop));
    inspect_set_count(L, "timers", loop->timers.count);
    inspect_set_count(L, "turns", (lua_Integer)loop->turns);
    handle_push_counts(L, loop);
    lua_setfield(L, -2, "handles");
    return 1;
}

/*
** stats(): the counts, and `lag`, the longest time in seconds since the last call
** that tasks kept the loop from polling.
*/
static int inspect_stats(lua_State *L) {
    Loop *loop = loop_of(L);
    loop_check_open(L, loop, "arsenal.stats");
    inspect_counts(L);
    lua_pushnumber(L, (lua_Number)turn_take_lag(loop) / 1e9);
    lua_setfield(L, -2, "lag");
    return 1;
}

/* tasks(): a list of the tasks that have not ended. */
static int inspect_tasks(lua_State *L) {
    Loop *loop = loop_of(L);
    int n = 0;
    lua_createtable(L, (int)loop->tasks, 0);
    for (Task *task = tasks_next(loop, NULL); task != NULL; task = tasks_next(loop, task)) {
        task_object_push(L, task);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* The task's own coroutine, or NULL if the stacks of the task's coroutines cannot be read. */
static lua_State *inspect_outermost(const Task *task) {
    if (task == NULL || !task->started) return NULL;
    bool can_look = task->state != TASK_WAITING || coroutine_task_is_whole(task);
    return can_look ? task->L : NULL;
}

static lua_State *inspect_inner(const Task *task, lua_State *co) {
    return co == task->top ? NULL : coroutine_inner(co);
}

/* task_traceback(task): from the innermost coroutine to the task's own; nil before the task runs. */
static int inspect_traceback(lua_State *L) {
    const Task *task = task_object_check(L, 1)->task;
    lua_pushnil(L);
    for (lua_State *co = inspect_outermost(task); co != NULL; co = inspect_inner(task, co)) {
        luaL_traceback(L, co, NULL, 0);
        if (!lua_isnil(L, -2)) {
            lua_pushliteral(L, "\n");
            lua_rotate(L, -3, 2); /* the inner one, a newline, the outer ones */
            lua_concat(L, 3);
        }
    }
    return 1;
}

static void inspect_add_frames(luaL_Buffer *text, lua_State *co) {
    lua_Debug frame;
    for (int level = 0; lua_getstack(co, level, &frame); level++) {
        lua_getinfo(co, "Sl", &frame);
        luaL_addstring(text, frame.short_src);
        luaL_addlstring(text, (const char *)&frame.linedefined, sizeof frame.linedefined);
        luaL_addlstring(text, (const char *)&frame.currentline, sizeof frame.currentline);
    }
}

/* task_likeness(task): the same string for tasks whose tracebacks are the same, at less cost. */
static int inspect_likeness(lua_State *L) {
    const Task *task = task_object_check(L, 1)->task;
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (lua_State *co = inspect_outermost(task); co != NULL; co = inspect_inner(task, co))
        inspect_add_frames(&text, co);
    luaL_pushresult(&text);
    return 1;
}

/* task_start(task): "file:line" where it was started; nil if that is not known. */
static int inspect_start(lua_State *L) {
    Task *task = task_object_check(L, 1)->task;
    if (task == NULL)
        lua_pushnil(L);
    else
        task_push_start(L, task);
    return 1;
}

/* task_wait(task): what it waits for, in words; nil if it does not wait. */
static int inspect_wait(lua_State *L) {
    Task *task = task_object_check(L, 1)->task;
    return task != NULL && task_push_wait(L, task);
}

static const luaL_Reg inspect_functions[] = {
    {"counts", inspect_counts},    {"stats", inspect_stats},
    {"tasks", inspect_tasks},      {"task_likeness", inspect_likeness},
    {"task_start", inspect_start}, {"task_traceback", inspect_traceback},
    {"task_wait", inspect_wait},   {NULL, NULL},
};

void inspect_open(lua_State *L) {
    luaL_setfuncs(L, inspect_functions, 0);
}
