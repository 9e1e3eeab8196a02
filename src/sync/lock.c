/*
** Owns mutexes and semaphores: permits, each held by one task at a time, and given
** in the order in which tasks have asked. A permit is an object, so that it is
** given back when it is closed, by its holder or by the collector.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "kernel/coroutine.h"
#include "kernel/task_result.h"
#include "object/handle.h"
#include "object/handoff.h"

typedef struct Lock {
    Handle handle;
    WaitQueue waiters; /* only while no permit is free */
    lua_Integer free;
    bool is_owned; /* by the user value OWNER, which hands out its permits as things of its own */
} Lock;

enum { OWNER = 1, THING }; /* the user values of a lock with an owner: THING is "a connection" */

static const char lost_name[] = "arsenal.lost_permit";

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

/* --- permits that were lost --- */

/* [-0, +1] "a connection of pool (...)", for a lock with an owner. */
static void lock_push_thing(lua_State *L, int index) {
    lua_getiuservalue(L, index, THING);
    lua_getiuservalue(L, index, OWNER);
    luaL_tolstring(L, -1, NULL);
    lua_pushfstring(L, "%s of %s", lua_tostring(L, -3), lua_tostring(L, -1));
    lua_replace(L, -4);
    lua_pop(L, 2);
}

/* Calls on_error. */
static void lost_report(lua_State *L, int index) {
    static const char *const hints[TYPES] = {
        [MUTEX] = ": use mutex:with, or local guard <close> = mutex:lock()",
        [SEMAPHORE] = ": use semaphore:with, or local permit <close> = semaphore:acquire()",
    };
    const Lock *lock = lua_touserdata(L, index);
    const char *hint = "";
    if (lock->is_owned) {
        lock_push_thing(L, index);
    } else {
        int type = (int)(lock->handle.type - lock_types);
        hint = hints[type];
        luaL_tolstring(L, index, NULL);
        lua_pushfstring(L, "a %s of %s", permit_types[type].name, lua_tostring(L, -1));
    }
    lua_pushfstring(L, "the collector has released %s, because nothing kept it%s",
                    lua_tostring(L, -1), hint);
    lua_pushnil(L);
    lua_pushnil(L);
    task_report(L);
}

/*
** Whether the Lua state lives on: when it is being closed, no function runs below
** the finalizers.
*/
static bool lost_matters(lua_State *L, const Lock *lock) {
    lua_Debug caller;
    return lock->handle.open && !lock->handle.loop->closed && lua_getstack(L, 1, &caller);
}

/*
** The collector has found the note in a later cycle than the permit: a lock that tasks
** cannot reach is closed by now.
*/
static int lost_finalize(lua_State *L) {
    enum { LOCK = 2 };
    luaL_checkudata(L, SELF, lost_name);
    lua_settop(L, SELF);
    lua_getiuservalue(L, SELF, 1);
    const Lock *lock = lua_touserdata(L, LOCK);
    if (lock != NULL && lost_matters(L, lock)) lost_report(L, LOCK);
    return 0;
}

/* [-0, +0] makes a note, which nothing keeps, that a permit of the lock on top was lost. */
static void lost_note(lua_State *L) {
    lua_newuserdatauv(L, 0, 1);
    lua_pushvalue(L, -2);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, lost_name);
    lua_pop(L, 1);
}

/* The upvalue is what finalizes every object. */
static int permit_finalize(lua_State *L) {
    const Permit *permit = handle_check(L, SELF, permit_types, TYPES);
    if (!permit->handle.open) return 0;
    bool matters = lost_matters(L, permit->lock);
    lua_settop(L, SELF);
    lua_getiuservalue(L, SELF, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, SELF);
    lua_call(L, 1, 0);
    if (matters) lost_note(L);
    return 0;
}

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
    const Lock *lock = task->object;
    lua_State *co = task->top;
    if (!lock->is_owned || !coroutine_task_is_whole(task)) {
        handle_describe_wait(L, &lock->handle, "waiting for");
        return;
    }
    lua_pushliteral(L, "waiting for ");
    lua_pushvalue(co, SELF);
    lua_xmove(co, L, 1);
    lock_push_thing(L, lua_gettop(L));
    lua_replace(L, -2);
    lua_concat(L, 2);
}

static int lock_step(lua_State *L, Task *task);

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

static int lock_step(lua_State *L, Task *task) {
    Lock *lock = lua_touserdata(L, SELF);
    return handoff_came(task) ? 1 : lock_take_or_wait(L, lock, task);
}

static int lock_get_permit(lua_State *L, int type) {
    Lock *lock = handle_check(L, SELF, &lock_types[type], 1);
    lua_settop(L, SELF);
    Task *task = task_enter(L, lock->handle.loop);
    if (task == NULL) return run_outside(L);
    permit_new(L, type);
    if (task_spent(task->loop)) return task_pause(L, task, &lock_wait, lock);
    return lock_take_or_wait(L, lock, task);
}

static int lock_try_permit(lua_State *L, int type) {
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
    return lock_get_permit(L, MUTEX);
}

/* mutex:try_lock() a guard, or "TIMEOUT" where lock would wait. */
static int mutex_try_lock(lua_State *L) {
    return lock_try_permit(L, MUTEX);
}

/* semaphore:acquire() a permit, once one is free. */
static int semaphore_acquire(lua_State *L) {
    return lock_get_permit(L, SEMAPHORE);
}

/* semaphore:try_acquire() a permit, or "TIMEOUT" where acquire would wait. */
static int semaphore_try_acquire(lua_State *L) {
    return lock_try_permit(L, SEMAPHORE);
}

/* [-0, +1] */
static Lock *lock_new(lua_State *L, int type, lua_Integer permits, int values) {
    Lock *lock = handle_new(L, &lock_types[type], sizeof *lock, values);
    lock->free = permits;
    handle_opened(&lock->handle);
    return lock;
}

/* mutex() a mutex that is not locked. */
static int mutex_new(lua_State *L) {
    lock_new(L, MUTEX, 1, 0);
    return 1;
}

/* semaphore(n) a semaphore with n permits. */
static int semaphore_new(lua_State *L) {
    lock_new(L, SEMAPHORE, args_integer(L, 1, 1, LUA_MAXINTEGER), 0);
    return 1;
}

/*
** permits(n, owner, thing) a semaphore that is shown as its owner: waits for
** "<thing> of <owner>".
*/
static int semaphore_new_owned(lua_State *L) {
    lua_Integer n = args_integer(L, 1, 1, LUA_MAXINTEGER);
    luaL_checktype(L, 3, LUA_TSTRING);
    lua_settop(L, 3);
    Lock *lock = lock_new(L, SEMAPHORE, n, THING);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, OWNER);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, -2, THING);
    lock->is_owned = true;
    return 1;
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
    {"permits", semaphore_new_owned},
    {NULL, NULL},
};

/* [-0, +0] */
static void permit_define(lua_State *L, int type) {
    lua_newtable(L);
    luaL_setfuncs(L, permit_methods[type], 0);
    handle_define(L, &permit_types[type]);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &permit_types[type]);
    lua_getfield(L, -1, "__gc");
    lua_pushcclosure(L, permit_finalize, 1);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 2);
}

/* [-0, +0] the methods become a field of the table on top. */
static void lock_define(lua_State *L, int type, const char *field) {
    lua_newtable(L);
    luaL_setfuncs(L, methods[type], 0);
    handle_define(L, &lock_types[type]);
    lua_setfield(L, -2, field);
}

/* [-0, +0] */
static void lost_define(lua_State *L) {
    luaL_newmetatable(L, lost_name);
    lua_pushcfunction(L, lost_finalize);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

void lock_open(lua_State *L) {
    lost_define(L);
    lock_define(L, MUTEX, "mutex_methods");
    lock_define(L, SEMAPHORE, "semaphore_methods");
    permit_define(L, MUTEX);
    permit_define(L, SEMAPHORE);
    luaL_setfuncs(L, functions, 0);
}
