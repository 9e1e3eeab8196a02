/*
** Owns the table of arsenal.core, and the order in which the kernel is made.
*/
#include "kernel/start.h"

#include "base/error_object.h"
#include "kernel/background.h"
#include "kernel/cancellation.h"
#include "kernel/loop.h"
#include "kernel/public.h"
#include "kernel/task_object.h"
#include "kernel/task_pool.h"
#include "kernel/traceback.h"

static const char core_key; /* registry: the table */

/* Each [-0, +0], with the table on top. The first one makes what the others need. */
static void (*const openers[])(lua_State *L) = {
    loop_open,         public_open,    background_open, error_object_open,
    cancellation_open, traceback_open, task_pool_open,  task_object_open,
};

void kernel_start(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &core_key) == LUA_TTABLE) return;
    lua_pop(L, 1);
    lua_newtable(L);
    for (size_t i = 0; i < sizeof openers / sizeof *openers; i++)
        openers[i](L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &core_key);
}
