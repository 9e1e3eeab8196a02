/*
** Owns how the bottom of a task's coroutine is read from outside.
*/
#include "kernel/task_body.h"

/* Finds the outermost frame; false if there is none: the coroutine has not begun, or was closed. */
static bool body_find_frame(lua_State *co, lua_Debug *frame) {
    int there = 0, beyond = 1;
    if (!lua_getstack(co, 0, frame)) return false;
    while (lua_getstack(co, beyond, frame)) {
        there = beyond;
        beyond *= 2;
    }
    while (beyond - there > 1) {
        int middle = there + (beyond - there) / 2;
        *(lua_getstack(co, middle, frame) ? &there : &beyond) = middle;
    }
    return lua_getstack(co, there, frame);
}

bool task_body_push(const Task *task, int index) {
    lua_State *co = task->L;
    lua_Debug frame;
    if (body_find_frame(co, &frame)) return lua_getlocal(co, &frame, index) != NULL;
    if (lua_gettop(co) <= index) return false;
    lua_pushvalue(co, index + 1); /* the function that is to begin is below it */
    return true;
}
