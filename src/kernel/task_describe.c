/*
** Owns how tasks look in words. What they say is found on their coroutines, so
** that starting a task costs no description.
*/
#include "kernel/task_describe.h"

#include "kernel/task_body.h"
#include "kernel/task_object.h"

/*
** Pushes the function that started the task onto the task's own coroutine; false if it is
** not there any more.
*/
static bool describe_find_starter(Task *task) {
    return lua_checkstack(task->L, 1) && task_body_push(task, BODY_STARTER);
}

void task_push_start(lua_State *L, Task *task) {
    lua_Debug starter;
    if (!describe_find_starter(task)) {
        lua_pushnil(L);
        return;
    }
    if (task->L != L) lua_xmove(task->L, L, 1);
    if (!lua_isfunction(L, -1)) return;
    lua_getinfo(L, ">S", &starter);
    if (task->line > 0)
        lua_pushfstring(L, "%s:%d", starter.short_src, task->line);
    else
        lua_pushstring(L, starter.short_src);
}

bool task_push_wait(lua_State *L, Task *task) {
    if (task->state != TASK_WAITING) return false;
    task->kind->describe(L, task);
    return true;
}

void task_push_description(lua_State *L, Task *task) {
    task_object_push(L, task);
    luaL_tolstring(L, -1, NULL);
    lua_replace(L, -2);
    task_push_start(L, task);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
    } else {
        lua_pushfstring(L, "%s started at %s", lua_tostring(L, -2), lua_tostring(L, -1));
        lua_replace(L, -3);
        lua_pop(L, 1);
    }
    if (!task_push_wait(L, task)) return;
    lua_pushfstring(L, "%s, %s", lua_tostring(L, -2), lua_tostring(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
}
