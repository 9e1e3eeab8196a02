/*
** Owns the count of background tasks.
*/
#include "kernel/background.h"

#include <stdlib.h>

static const char background_key;

static void background_close(LoopPart *part, Loop *loop) {
    (void)loop;
    free(part);
}

Background *background_of(const Loop *loop) {
    return loop_part(loop, &background_key);
}

void background_add(Task *task) {
    task->background = true;
    background_of(task->loop)->tasks++;
}

void background_end(const Task *task) {
    if (!task->loop->closed) background_of(task->loop)->tasks--;
}

void background_open(lua_State *L) {
    if (!loop_need_part(loop_of(L), &background_key, sizeof(Background), background_close))
        luaL_error(L, "not enough memory");
}
