/*
** Owns the memory of tasks, and pins their coroutines. The memory is Lua's, so
** that it outlives every finalizer, and is never moved or given back before the
** state's end.
*/
#include "kernel/task_pool.h"

#include "kernel/task_body.h"
#include "kernel/task_object.h"

/* Tasks made at once: few at first, as a worker may have no others. */
enum { FIRST_CHUNK = 4, CHUNK = 32 };

static const char pins_key; /* registry: coroutines by slot, and the chunks by address */

static void task_pool_add(Loop *loop, Task *task) {
    task->next_unused = loop->unused_tasks;
    loop->unused_tasks = task;
}

/* [-0, +0] Each task's places in the tables are made now, so that taking the task needs no memory. */
static void task_pool_grow(lua_State *L, Loop *loop) {
    uint32_t count = loop->task_slots == 0 ? FIRST_CHUNK : CHUNK, first = loop->task_slots + 1;
    Task *chunk = lua_newuserdatauv(L, count * sizeof *chunk, 0);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pins_key);
    for (uint32_t slot = first; slot < first + count; slot++) {
        task_object_reserve(L, slot);
        lua_pushboolean(L, false);
        lua_rawseti(L, -2, slot);
    }
    lua_insert(L, -2);
    lua_rawsetp(L, -2, chunk);
    lua_pop(L, 1);
    loop->task_slots += count;
    for (unsigned i = count; i-- > 0;) {
        chunk[i] = (Task){.loop = loop, .slot = first + i, .state = TASK_DONE};
        task_init_wait(&chunk[i]);
        task_pool_add(loop, &chunk[i]);
    }
}

/* [-1, +0] pins the value on top in the task's slot. */
static void task_pool_pin(lua_State *L, const Task *task) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pins_key);
    lua_insert(L, -2);
    lua_rawseti(L, -2, task->slot);
    lua_pop(L, 1);
}

/* Making the coroutine may run finalizers, which may start tasks; nothing after that does. */
Task *task_pool_take(lua_State *L, Loop *loop, int n) {
    lua_State *co = lua_newthread(L);
    if (n + BODY_ROOM > LUA_MINSTACK && !lua_checkstack(co, n + BODY_ROOM))
        luaL_error(L, "too many arguments for a task");
    if (loop->unused_tasks == NULL) task_pool_grow(L, loop);
    Task *task = loop->unused_tasks;
    loop->unused_tasks = task->next_unused;
    task_pool_pin(L, task);
    task->L = co;
    return task;
}

void task_pool_return(lua_State *L, Task *task) {
    task->L = NULL;
    lua_pushboolean(L, false);
    task_pool_pin(L, task);
    task_pool_add(task->loop, task);
}

void task_pool_open(lua_State *L) {
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &pins_key);
}
