/*
** Owns the coroutines of tasks. The table of pins holds each task that has not
** ended, the task's user value its coroutine until its outcome takes that
** place. Making a coroutine is what a task costs most, so some are kept. Floor 1.
*/
#include "fiber.h"

#include "task.h"

#include <lauxlib.h>
#include <stdlib.h>

enum { MOST_IDLE = 1024 }; /* coroutines kept for coming tasks */

static const char pins_key; /* registry: tasks by slot */
static const char idle_key; /* registry: a stack of coroutines without a task */

void task_push(lua_State *L, Task *task) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pins_key);
    lua_rawgeti(L, -1, task->slot);
    lua_remove(L, -2);
}

static bool grow_slots(Loop *loop) {
    uint32_t capacity = loop->slot_capacity == 0 ? 64 : 2 * loop->slot_capacity;
    uint32_t *slots = realloc(loop->free_slots, capacity * sizeof *slots);
    if (slots == NULL) return false;
    loop->free_slots = slots;
    loop->slot_capacity = capacity;
    return true;
}

/* [-0, +0] pins the object at `index`. The slot is taken once nothing can fail any more. */
static uint32_t pin(lua_State *L, Loop *loop, int index) {
    bool reused = loop->free_slot_count > 0;
    if (!reused && loop->slot_count == loop->slot_capacity && !grow_slots(loop))
        luaL_error(L, "not enough memory");
    uint32_t slot = reused ? loop->free_slots[loop->free_slot_count - 1] : loop->slot_count + 1;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pins_key);
    lua_pushvalue(L, index);
    lua_rawseti(L, -2, slot);
    lua_pop(L, 1);
    reused ? loop->free_slot_count-- : loop->slot_count++;
    return slot;
}

/* [-0, +1] */
static lua_State *push_coroutine(lua_State *L, Loop *loop) {
    if (loop->idle_count == 0) return lua_newthread(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &idle_key);
    lua_rawgeti(L, -1, loop->idle_count--);
    lua_remove(L, -2);
    return lua_tothread(L, -1);
}

void fiber_take(lua_State *L, Loop *loop, Task *task) {
    int object = lua_gettop(L);
    task->L = task->top = push_coroutine(L, loop);
    lua_setiuservalue(L, object, 1);
    task->slot = pin(L, loop, object);
}

/* [-1, +0] keeps the idle coroutine on top for another task. */
static void keep_idle(lua_State *L, Loop *loop) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &idle_key);
    lua_insert(L, -2);
    lua_rawseti(L, -2, ++loop->idle_count);
    lua_pop(L, 1);
}

void fiber_leave(lua_State *L, Loop *loop, Task *task, bool reusable) {
    lua_State *co = task->L;
    task->L = task->top = NULL;
    if (reusable && loop->idle_count < MOST_IDLE) {
        lua_settop(co, 0);
        lua_pushthread(co);
        lua_xmove(co, L, 1);
        keep_idle(L, loop);
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pins_key);
    lua_pushboolean(L, false);
    lua_rawseti(L, -2, task->slot);
    lua_pop(L, 1);
    loop->free_slots[loop->free_slot_count++] = task->slot;
}

void fibers_free(Loop *loop) {
    free(loop->free_slots);
}

void fiber_open(lua_State *L) {
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &pins_key);
    lua_createtable(L, MOST_IDLE, 0); /* to put a coroutine back never needs memory */
    lua_rawsetp(L, LUA_REGISTRYINDEX, &idle_key);
}
