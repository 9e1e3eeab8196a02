/*
** Owns mutexes and semaphores: permits, each held by one task at a time, and given
** in the order in which tasks have asked. A permit is an object, so that it is
** given back when it is closed, by its holder or by the collector.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "object/handle.h"
#include "object/handoff.h"

typedef struct Lock {
    Handle handle;
    WaitQueue waiters; /* only while no permit is free */
    lua_Integer free;
} Lock;

static Lock *lock_of(Handle *handle) {
    return container_of(handle, Lock, handle);
}

typedef struct Permit {
    Handle handle; /* open: it is held */
    Lock *lock;    /* the user value keeps it alive */
} Permit;

static Permit *permit_of(Handle *handle) {
    return container_of(handle, Permit, handle);
}

enum { SELF = 1, PERMIT }; /* the stack of a call that acquires */

enum { MUTEX, SEMAPHORE, TYPES };

/* --- permits --- */

static void permit_give(Lock *lock, Permit *permit) {
    permit->lock = lock;
    handle_opened(&permit->handle);
}

/*
** Gives the permit to the first waiting task, which has a permit object on its
** stack. If no task waits, the permit goes back to the lock.
*/
static void permit_close(Handle *handle) {
    Lock *lock = permit_of(handle)->lock;
    Waiter *next = handoff_next(&lock->waiters);
    if (next != NULL) {
        permit_give(lock, lua_touserdata(next->task->top, PERMIT));
        handoff_done(next, 0);
    } else {
        lock->free++;
    }
}

static void permit_describe(lua_State *L, const Handle *handle) {
    const Permit *permit = permit_of((Handle *)handle);
    lua_pushfstring(L, "of %s %p", permit->lock->handle.type->name, (void *)permit->lock);
}

static const HandleType permit_types[TYPES] = {
    [MUTEX] = {"guard", "guard", 0, permit_close, permit_describe, NULL},
    [SEMAPHORE] = {"permit", "permit", 0, permit_close, permit_describe, NULL},
};

static int permit_give_back(lua_State *L, int type) {
    Permit *permit = handle_check(L, SELF, &permit_types[type], 1);
    handle_close(&permit->handle);
    lua_pushboolean(L, true);
    return 1;
}

/* guard:unlock() lets the next task lock the mutex. A second call does nothing. */
static int guard_unlock(lua_State *L) {
    return permit_give_back(L, MUTEX);
}

/* permit:release() gives the permit to the next task. A second call does nothing. */
static int permit_release(lua_State *L) {
    return permit_give_back(L, SEMAPHORE);
}

/* --- locks --- */

static void lock_describe(lua_State *L, const Handle *handle) {
    const Lock *lock = lock_of((Handle *)handle);
    lua_pushfstring(L, "%p (%d free)", (const void *)lock, (int)lock->free);
}

static void lock_close(Handle *handle) {
    wait_queue_dismiss(&lock_of(handle)->waiters, ARSENAL_CLOSED);
}

static const HandleType lock_types[TYPES] = {
    [MUTEX] = {"mutex", "mutex", 0, lock_close, lock_describe, NULL},
    [SEMAPHORE] = {"semaphore", "semaphore", 0, lock_close, lock_describe, NULL},
};

static const char *lock_verb(const Lock *lock) {
    return lock->handle.type == &lock_types[MUTEX] ? "lock" : "acquire";
}

static int lock_fail(lua_State *L, const Lock *lock, int status) {
    return handle_fail(L, &lock->handle, lock_verb(lock), status);
}

/* [-0, +1] a permit that is not held, at PERMIT. */
static Permit *permit_new(lua_State *L, int type) {
    lua_settop(L, SELF);
    Permit *permit = handle_new(L, &permit_types[type], sizeof *permit, 1);
    lua_pushvalue(L, SELF);
    lua_setiuservalue(L, PERMIT, 1);
    return permit;
}

static void lock_describe_wait(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "waiting for");
}

static int lock_step(lua_State *L);

static const WaitKind lock_wait = {lock_step, NULL, lock_describe_wait};

static bool lock_take(Lock *lock, Permit *permit) {
    if (lock->free == 0) return false;
    lock->free--;
    permit_give(lock, permit);
    return true;
}

static int lock_take_or_wait(lua_State *L, Lock *lock, Task *task) {
    if (!lock->handle.open) return lock_fail(L, lock, ARSENAL_CLOSED);
    if (lock_take(lock, lua_touserdata(L, PERMIT))) return 1;
    waiter_join(&task->waiter, &lock->waiters, NULL);
    return task_wait(L, task, &lock_wait, lock);
}

static int lock_step(lua_State *L) {
    Lock *lock = lua_touserdata(L, SELF);
    Task *task = lock->handle.loop->running;
    return handoff_came(task) ? 1 : lock_take_or_wait(L, lock, task);
}

static int lock_acquire(lua_State *L, int type) {
    Lock *lock = handle_check(L, SELF, &lock_types[type], 1);
    lua_settop(L, SELF);
    Task *task = task_enter(L, lock->handle.loop);
    if (task == NULL) return run_outside(L);
    permit_new(L, type);
    if (task_spent(task->loop)) return task_pause(L, task, &lock_wait, lock);
    return lock_take_or_wait(L, lock, task);
}

static int lock_try(lua_State *L, int type) {
    Lock *lock = handle_check(L, SELF, &lock_types[type], 1);
    Task *task = task_spent_anywhere(L, lock->handle.loop);
    if (task != NULL) return task_pause_before(L, task);
    if (!lock->handle.open) return lock_fail(L, lock, ARSENAL_CLOSED);
    if (lock_take(lock, permit_new(L, type))) return 1;
    const char *reason = type == MUTEX ? "already locked" : "no permit is free";
    return handle_fail_reason(L, &lock->handle, lock_verb(lock), ARSENAL_TIMEOUT, reason);
}

/* mutex:lock() a guard, once no other task holds one. */
static int mutex_lock(lua_State *L) {
    return lock_acquire(L, MUTEX);
}

/* mutex:try_lock() a guard, or "TIMEOUT" where lock would wait. */
static int mutex_try_lock(lua_State *L) {
    return lock_try(L, MUTEX);
}

/* semaphore:acquire() a permit, once one is free. */
static int semaphore_acquire(lua_State *L) {
    return lock_acquire(L, SEMAPHORE);
}

/* semaphore:try_acquire() a permit, or "TIMEOUT" where acquire would wait. */
static int semaphore_try_acquire(lua_State *L) {
    return lock_try(L, SEMAPHORE);
}

static int lock_new(lua_State *L, int type, lua_Integer permits) {
    Lock *lock = handle_new(L, &lock_types[type], sizeof *lock, 0);
    lock->free = permits;
    handle_opened(&lock->handle);
    return 1;
}

/* mutex() a mutex that is not locked. */
static int mutex_new(lua_State *L) {
    return lock_new(L, MUTEX, 1);
}

/* semaphore(n) a semaphore with n permits. */
static int semaphore_new(lua_State *L) {
    return lock_new(L, SEMAPHORE, args_integer(L, 1, 1, LUA_MAXINTEGER));
}

static const luaL_Reg methods[TYPES][3] = {
    [MUTEX] = {{"lock", mutex_lock}, {"try_lock", mutex_try_lock}, {NULL, NULL}},
    [SEMAPHORE] = {{"acquire", semaphore_acquire},
                   {"try_acquire", semaphore_try_acquire},
                   {NULL, NULL}},
};

static const luaL_Reg permit_methods[TYPES][2] = {
    [MUTEX] = {{"unlock", guard_unlock}, {NULL, NULL}},
    [SEMAPHORE] = {{"release", permit_release}, {NULL, NULL}},
};

static const luaL_Reg functions[] = {
    {"mutex", mutex_new},
    {"semaphore", semaphore_new},
    {NULL, NULL},
};

void lock_open(lua_State *L) {
    for (int type = 0; type < TYPES; type++) {
        lua_newtable(L);
        luaL_setfuncs(L, methods[type], 0);
        handle_define(L, &lock_types[type]);
        lua_newtable(L);
        luaL_setfuncs(L, permit_methods[type], 0);
        handle_define(L, &permit_types[type]);
        lua_pop(L, 2);
    }
    luaL_setfuncs(L, functions, 0);
}
