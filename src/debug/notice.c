/*
** Owns the notice about tasks that were started and that no loop has run.
*/
#include "base/error.h"
#include "base/openers.h"

#include "kernel/task.h"

#include <stdlib.h>

static const char part_key;

static unsigned notice_count(Loop *loop) {
    unsigned count = 0;
    for (Task *task = tasks_next(loop, NULL); task != NULL; task = tasks_next(loop, task))
        if (!task->started && !task->root.doomed) count++;
    return count;
}

/* A task that ends the program itself may leave others that it has just started. */
static void notice_loop_closed(LoopPart *part, Loop *loop) {
    unsigned count = loop->running == NULL ? notice_count(loop) : 0;
    if (count == 1)
        error_print("%s\n", "arsenal: 1 task never ran: is arsenal.run missing?");
    else if (count > 1)
        error_print("arsenal: %u tasks never ran: is arsenal.run missing?\n", count);
    free(part);
}

void notice_open(lua_State *L) {
    LoopPart *part = loop_need_part(loop_of(L), &part_key, sizeof(LoopPart), notice_loop_closed);
    if (part == NULL) luaL_error(L, "not enough memory");
}
