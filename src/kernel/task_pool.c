/*
** Owns the memory and the coroutines of tasks. The memory is Lua's, so that it
** outlives every finalizer, and is never moved or given back before the state's
** end; a coroutine is pinned for as long as its task has it.
*/
#include "kernel/task_pool.h"

#include "kernel/task.h"

#include <lauxlib.h>

enum {
    CHUNK = 32,       /* tasks made at once */
    MOST_IDLE = 1024, /* coroutines kept for coming tasks */
    ROOM = 7,         /* slots of a coroutine's stack up to the function: see task.c */
};

static const char pins_key; /* registry: coroutines by slot, and the chunks by address */

static void push_on(Task **list, Task *task) {
    task->waiter.next = (Waiter *)*list;
    *list = task;
}

static Task *pop_from(Task **list) {
    Task *task = *list;
    *list = (Task *)task->waiter.next;
    return task;
}

/* [-0, +0] */
static void make_chunk(lua_State *L, Loop *loop) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pins_key);
    Task *chunk = lua_newuserdatauv(L, CHUNK * sizeof *chunk, 0);
    lua_rawsetp(L, -2, chunk);
    lua_pop(L, 1);
    for (unsigned i = CHUNK; i-- > 0;) {
        chunk[i] = (Task){.loop = loop, .slot = loop->task_slots + i + 1};
        chunk[i].waiter.task = &chunk[i];
        push_on(&loop->bare_tasks, &chunk[i]);
    }
    loop->task_slots += CHUNK;
}

/* [-1, +0] pins the value on top in the task's slot. */
static void pin(lua_State *L, const Task *task) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pins_key);
    lua_insert(L, -2);
    lua_rawseti(L, -2, task->slot);
    lua_pop(L, 1);
}

/* [-0, +0] gives a task without one a coroutine. Finalizers that run meanwhile may take tasks, too. */
static void make_coroutine(lua_State *L, Loop *loop) {
    lua_State *co = lua_newthread(L);
    if (loop->bare_tasks == NULL) make_chunk(L, loop);
    Task *task = loop->bare_tasks;
    pin(L, task);
    task->L = co;
    pop_from(&loop->bare_tasks);
    push_on(&loop->idle_tasks, task);
    loop->idle_count++;
}

Task *task_pool_prepare(lua_State *L, Loop *loop, int n) {
    if (loop->idle_tasks == NULL) make_coroutine(L, loop);
    Task *task = loop->idle_tasks;
    if (n + ROOM > LUA_MINSTACK && !lua_checkstack(task->L, n + ROOM))
        luaL_error(L, "too many arguments for a task");
    return task;
}

void task_pool_take(Loop *loop) {
    pop_from(&loop->idle_tasks);
    loop->idle_count--;
}

void task_pool_return(lua_State *L, Task *task, bool reusable) {
    Loop *loop = task->loop;
    if (reusable && loop->idle_count < MOST_IDLE) {
        push_on(&loop->idle_tasks, task);
        loop->idle_count++;
        return;
    }
    task->L = NULL;
    push_on(&loop->bare_tasks, task);
    lua_pushboolean(L, false);
    pin(L, task);
}

void task_pool_open(lua_State *L) {
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &pins_key);
}
