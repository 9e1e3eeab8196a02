/*
** Owns mutexes and semaphores: permits that tasks hold one at a time, handed
** out in order. A permit is an object, which its holder's end, or the
** collector, gives back at the latest.
*/
#include "base/openers.h"

#include "base/error.h"
#include "object/handle.h"
#include "object/handoff.h"
#include "event/run.h"

typedef struct Lock {
    Handle handle;
    WaitQueue waiters; /* only while no permit is free */
    lua_Integer free;
} Lock;

typedef struct Permit {
    Handle handle; /* open: it is held */
    Lock *lock;    /* the user value keeps it */
} Permit;

enum { SELF = 1, PERMIT }; /* the stack of a call that acquires */

enum { MUTEX, SEMAPHORE, TYPES };

/* --- permits --- */

static void give(Lock *lock, Permit *permit) {
    permit->lock = lock;
    handle_opened(&permit->handle);
}

/* To the first who waits, on whose stack a permit lies ready, or back. */
static void release(Handle *handle) {
    Lock *lock = ((Permit *)handle)->lock;
    Waiter *next = handoff_next(&lock->waiters);
    if (next != NULL) {
        give(lock, lua_touserdata(next->task->top, PERMIT));
        handoff_done(next, 0);
    } else {
        lock->free++;
    }
}

static void describe_permit(lua_State *L, const Handle *handle) {
    const Permit *permit = (const Permit *)handle;
    lua_pushfstring(L, "of %s %p", permit->lock->handle.type->name, (void *)permit->lock);
}

static const HandleType permit_types[TYPES] = {
    [MUTEX] = {"guard", "guard", 0, release, describe_permit, NULL},
    [SEMAPHORE] = {"permit", "permit", 0, release, describe_permit, NULL},
};

static int give_back(lua_State *L, int type) {
    Permit *permit = handle_check(L, SELF, &permit_types[type], 1);
    handle_close(&permit->handle);
    lua_pushboolean(L, true);
    return 1;
}

/* guard:unlock() lets the next one lock. Again: nothing. */
static int unlock(lua_State *L) {
    return give_back(L, MUTEX);
}

/* permit:release() gives it to the next one. Again: nothing. */
static int release_permit(lua_State *L) {
    return give_back(L, SEMAPHORE);
}

/* --- locks --- */

static void describe(lua_State *L, const Handle *handle) {
    const Lock *lock = (const Lock *)handle;
    lua_pushfstring(L, "%p (%d free)", (const void *)lock, (int)lock->free);
}

static void close_lock(Handle *handle) {
    wait_queue_dismiss(&((Lock *)handle)->waiters, ARSENAL_CLOSED);
}

static const HandleType types[TYPES] = {
    [MUTEX] = {"mutex", "mutex", 0, close_lock, describe, NULL},
    [SEMAPHORE] = {"semaphore", "semaphore", 0, close_lock, describe, NULL},
};

static const char *verb_of(const Lock *lock) {
    return lock->handle.type == &types[MUTEX] ? "lock" : "acquire";
}

static int fail(lua_State *L, const Lock *lock, int status) {
    return handle_fail(L, &lock->handle, verb_of(lock), status);
}

/* [-0, +1] a permit that is not held, at PERMIT. */
static Permit *new_permit(lua_State *L, int type) {
    lua_settop(L, SELF);
    Permit *permit = handle_new(L, &permit_types[type], sizeof *permit, 1);
    lua_pushvalue(L, SELF);
    lua_setiuservalue(L, PERMIT, 1);
    return permit;
}

static void describe_wait(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "waiting for");
}

static int go_on(lua_State *L);

static const WaitKind lock_wait = {go_on, NULL, describe_wait};

static bool take(Lock *lock, Permit *permit) {
    if (lock->free == 0) return false;
    lock->free--;
    give(lock, permit);
    return true;
}

static int take_or_wait(lua_State *L, Lock *lock, Task *task) {
    if (!lock->handle.open) return fail(L, lock, ARSENAL_CLOSED);
    if (take(lock, lua_touserdata(L, PERMIT))) return 1;
    waiter_join(&task->waiter, &lock->waiters, NULL);
    return task_wait(L, task, &lock_wait, lock);
}

static int go_on(lua_State *L) {
    Lock *lock = lua_touserdata(L, SELF);
    Task *task = lock->handle.loop->running;
    return handoff_came(task) ? 1 : take_or_wait(L, lock, task);
}

static int acquire(lua_State *L, int type) {
    Lock *lock = handle_check(L, SELF, &types[type], 1);
    lua_settop(L, SELF);
    Task *task = task_enter(L, lock->handle.loop);
    if (task == NULL) return run_outside(L);
    new_permit(L, type);
    if (task_spent(task->loop)) return task_pause(L, task, &lock_wait, lock);
    return take_or_wait(L, lock, task);
}

static int try_acquire(lua_State *L, int type) {
    Lock *lock = handle_check(L, SELF, &types[type], 1);
    if (!lock->handle.open) return fail(L, lock, ARSENAL_CLOSED);
    if (take(lock, new_permit(L, type))) return 1;
    handle_push_name(L, &lock->handle);
    return error_push_reason(L, ARSENAL_TIMEOUT,
                             lua_pushfstring(L, "%s %s: others hold it", verb_of(lock),
                                             lua_tostring(L, -1)));
}

/* mutex:lock() a guard, once no other task has one. */
static int lock_mutex(lua_State *L) {
    return acquire(L, MUTEX);
}

/* mutex:try_lock() a guard, or "TIMEOUT" where lock would wait. */
static int try_lock_mutex(lua_State *L) {
    return try_acquire(L, MUTEX);
}

/* semaphore:acquire() a permit, once there is one. */
static int acquire_permit(lua_State *L) {
    return acquire(L, SEMAPHORE);
}

/* semaphore:try_acquire() a permit, or "TIMEOUT" where acquire would wait. */
static int try_acquire_permit(lua_State *L) {
    return try_acquire(L, SEMAPHORE);
}

static int new_lock(lua_State *L, int type, lua_Integer permits) {
    Lock *lock = handle_new(L, &types[type], sizeof *lock, 0);
    lock->free = permits;
    handle_opened(&lock->handle);
    return 1;
}

/* mutex() one that nobody holds. */
static int mutex_new(lua_State *L) {
    return new_lock(L, MUTEX, 1);
}

/* semaphore(n) with n permits. */
static int semaphore_new(lua_State *L) {
    return new_lock(L, SEMAPHORE, args_integer(L, 1, 1, LUA_MAXINTEGER));
}

static const luaL_Reg methods[TYPES][3] = {
    [MUTEX] = {{"lock", lock_mutex}, {"try_lock", try_lock_mutex}, {NULL, NULL}},
    [SEMAPHORE] = {{"acquire", acquire_permit}, {"try_acquire", try_acquire_permit}, {NULL, NULL}},
};

static const luaL_Reg permit_methods[TYPES][2] = {
    [MUTEX] = {{"unlock", unlock}, {NULL, NULL}},
    [SEMAPHORE] = {{"release", release_permit}, {NULL, NULL}},
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
        handle_define(L, &types[type]);
        lua_newtable(L);
        luaL_setfuncs(L, permit_methods[type], 0);
        handle_define(L, &permit_types[type]);
        lua_pop(L, 2);
    }
    luaL_setfuncs(L, functions, 0);
}
