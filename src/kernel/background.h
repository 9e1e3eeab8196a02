/*
** Background tasks: those that do not keep the program alive. When no other task
** is left, `run` cancels them.
*/
#ifndef ARSENAL_KERNEL_BACKGROUND_H
#define ARSENAL_KERNEL_BACKGROUND_H

#include "kernel/wait.h"

/* The loop's count of them. It is there from the first call in a Lua state to the loop's end. */
typedef struct Background {
    LoopPart part;
    unsigned tasks; /* that have not ended */
} Background;

Background *background_of(const Loop *loop);

void background_add(Task *task);       /* makes a task that was just started one of them */
void background_end(const Task *task); /* one of them has ended */

/* Whether there are tasks, and all of them are in the background. */
static inline bool background_is_alone(const Background *background, const Loop *loop) {
    return loop->tasks > 0 && loop->tasks == background->tasks;
}

void background_open(lua_State *L); /* [-0, +0] */

#endif
