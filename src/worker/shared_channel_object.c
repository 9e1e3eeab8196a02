/*
** Owns what Lua sees of shared channels. The methods, their results and their errors
** are those of sync/channel.c; a value crosses in a parcel, also within one state. A
** channel has one object in each state, however often it comes there.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "kernel/cancellation.h"
#include "worker/crossing.h"
#include "worker/parcel_check.h"
#include "worker/shared_wait.h"

#include <limits.h>

enum { SELF = 1, VALUE };

static const char objects_key; /* registry: the objects by channel; a weak table */

static SharedHandle *shared_of(Handle *handle) {
    return container_of(handle, SharedHandle, handle);
}

static void shared_describe(lua_State *L, const Handle *handle) {
    SharedChannel *channel = shared_of((Handle *)handle)->channel;
    lua_pushfstring(L, "%p", (void *)channel);
    if (handle->loop->forked) return;
    SharedState state = shared_channel_state(channel);
    lua_pushfstring(L, " (%d of %d values%s)", (int)state.count, (int)state.capacity,
                    state.is_closed ? ", closed" : "");
    lua_concat(L, 2);
}

/* The collector has found the object: the channel may be open for other states. */
static void shared_let_go(Handle *handle) {
    SharedHandle *object = shared_of(handle);
    if (handle->loop->forked) return;
    shared_wait_dismiss(object);
    shared_channel_release(object->channel);
}

static const HandleType shared_type = {
    "shared channel", "shared_channel", 0, shared_let_go, shared_describe, NULL,
};

static SharedHandle *shared_check(lua_State *L) {
    SharedHandle *object = handle_check(L, SELF, &shared_type, 1);
    loop_check_open(L, object->handle.loop, "cannot use a shared channel");
    return object;
}

/* --- receiving and sending without a wait: 0 results where a wait is needed --- */

/* (parcel) */
static int shared_unpack(lua_State *L) {
    parcel_unpack(L, lua_touserdata(L, 1));
    return 1;
}

/* Without memory, and when the task is cancelled meanwhile, the value is for the next one who receives. */
static int shared_receive(lua_State *L, SharedHandle *object, Parcel *parcel) {
    lua_pushcfunction(L, shared_unpack);
    lua_pushlightuserdata(L, parcel);
    int status = lua_pcall(L, 1, 1, 0);
    if (status == LUA_ERRMEM || (status != LUA_OK && cancellation_is(L, -1)))
        shared_channel_give_back(object->channel, parcel, object->handle.loop);
    else
        parcel_free(parcel);
    return status == LUA_OK ? 1 : lua_error(L);
}

static int shared_recv_now(lua_State *L, SharedHandle *object) {
    Parcel *parcel;
    SharedAnswer answer = shared_channel_take(object->channel, &parcel, object->handle.loop);
    if (answer == SHARED_DONE) return shared_receive(L, object, parcel);
    return answer == SHARED_WAITS ? 0 : handle_fail(L, &object->handle, "recv", ARSENAL_CLOSED);
}

/* The parcel is used up, unless the results are 0. */
static int shared_send_now(lua_State *L, SharedHandle *object, Parcel *parcel) {
    SharedAnswer answer = shared_channel_give(object->channel, parcel, object->handle.loop);
    if (answer == SHARED_WAITS) return 0;
    if (answer == SHARED_CLOSED) {
        parcel_free(parcel);
        return handle_fail(L, &object->handle, "send", ARSENAL_CLOSED);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* --- waiting --- */

static void shared_forget(Task *task) {
    SharedWait *wait = task->object;
    claim_close(&wait->claim);
    shared_wait_undo(wait);
}

static void shared_describe_recv(lua_State *L, Task *task) {
    handle_describe_wait(L, &((SharedWait *)task->object)->object->handle, "receiving from");
}

static void shared_describe_send(lua_State *L, Task *task) {
    handle_describe_wait(L, &((SharedWait *)task->object)->object->handle, "sending to");
}

static int shared_recv_step(lua_State *L);
static int shared_send_step(lua_State *L);

static const WaitKind recv_wait = {shared_recv_step, shared_forget, shared_describe_recv};
static const WaitKind send_wait = {shared_send_step, shared_forget, shared_describe_send};

static bool shared_is_doomed(const Task *task) {
    return task->scopes.innermost->doomed;
}

/* In a cancelled task nothing is watched, so that no other thread serves a call which raises. */
static int shared_recv_or_wait(lua_State *L, SharedHandle *object, Task *task) {
    SharedWait *wait = NULL;
    int status = SHARED_RETRY;
    if (task_spent(task->loop)) return task_pause(L, task, &recv_wait, NULL);
    while (status == SHARED_RETRY) {
        int results = shared_recv_now(L, object);
        if (results > 0) return results;
        if (shared_is_doomed(task)) break;
        status = shared_wait_begin(object, SHARED_RECEIVER, NULL, NULL, &wait);
        if (status < 0) return handle_fail(L, &object->handle, "recv", status);
    }
    return task_wait(L, task, &recv_wait, wait);
}

/* A parcel into which something moves does not wait itself: then its sockets would be closed meanwhile. */
static int shared_begin_send(SharedHandle *object, Parcel *parcel, Claim *claim,
                             SharedWait **wait) {
    bool knocks = parcel_moves(parcel);
    int status = shared_wait_begin(object, knocks ? SHARED_KNOCKER : SHARED_SENDER,
                                   knocks ? NULL : parcel, claim, wait);
    if (knocks || status != 0) parcel_free(parcel);
    return status;
}

static int shared_send_or_wait(lua_State *L, SharedHandle *object, Task *task) {
    SharedWait *wait = NULL;
    int status = SHARED_RETRY;
    if (task_spent(task->loop)) return task_pause(L, task, &send_wait, NULL);
    while (status == SHARED_RETRY) {
        Parcel *parcel = parcel_prepare(L, VALUE, 1, NULL);
        if (parcel == NULL) return 3;
        int results = shared_send_now(L, object, parcel);
        if (results > 0) return results;
        if (shared_is_doomed(task)) {
            parcel_free(parcel);
            break;
        }
        status = shared_begin_send(object, parcel, NULL, &wait);
        if (status < 0) return handle_fail(L, &object->handle, "send", status);
    }
    return task_wait(L, task, &send_wait, wait);
}

/* The results of a call that has waited, or 0 if it is to be tried again. */
static int shared_finish_recv(lua_State *L, SharedHandle *object, SharedWait *wait) {
    Parcel *parcel;
    SharedOutcome outcome = shared_wait_end(wait, &parcel);
    if (outcome == SHARED_SERVED) return shared_receive(L, object, parcel);
    return outcome == SHARED_ENDED ? handle_fail(L, &object->handle, "recv", ARSENAL_CLOSED) : 0;
}

static int shared_finish_send(lua_State *L, SharedHandle *object, SharedWait *wait) {
    Parcel *none;
    SharedOutcome outcome = shared_wait_end(wait, &none);
    if (outcome == SHARED_ENDED) return handle_fail(L, &object->handle, "send", ARSENAL_CLOSED);
    lua_pushboolean(L, true);
    return outcome == SHARED_SERVED ? 1 : 0;
}

/* Returns the wait that has ended, or NULL after a pause. */
static SharedWait *shared_ended_wait(Task *task) {
    SharedWait *wait = task->object;
    task->object = NULL;
    if (wait != NULL) claim_close(&wait->claim);
    return wait;
}

static int shared_recv_step(lua_State *L) {
    SharedHandle *object = lua_touserdata(L, SELF);
    Task *task = object->handle.loop->running;
    SharedWait *wait = shared_ended_wait(task);
    int results = wait == NULL ? 0 : shared_finish_recv(L, object, wait);
    return results > 0 ? results : shared_recv_or_wait(L, object, task);
}

static int shared_send_step(lua_State *L) {
    SharedHandle *object = lua_touserdata(L, SELF);
    Task *task = object->handle.loop->running;
    SharedWait *wait = shared_ended_wait(task);
    int results = wait == NULL ? 0 : shared_finish_send(L, object, wait);
    lua_settop(L, results > 0 ? lua_gettop(L) : VALUE);
    return results > 0 ? results : shared_send_or_wait(L, object, task);
}

/* --- select --- */

static int shared_attempt_recv(lua_State *L) {
    return shared_recv_now(L, shared_check(L));
}

static int shared_attempt_send(lua_State *L) {
    SharedHandle *object = shared_check(L);
    Parcel *parcel = parcel_prepare(L, VALUE, 1, NULL);
    if (parcel == NULL) return 3;
    int results = shared_send_now(L, object, parcel);
    if (results == 0) parcel_free(parcel);
    return results;
}

static void shared_check_value(lua_State *L, int index) {
    Manifest manifest;
    int top = lua_gettop(L);
    parcel_check(L, &manifest, index, 1, "select: value");
    lua_settop(L, top);
}

static int shared_watch_recv(lua_State *L, int index, int value, Claim *claim, void **record) {
    SharedWait *wait = NULL;
    (void)value;
    int status = shared_wait_begin(lua_touserdata(L, index), SHARED_RECEIVER, NULL, claim, &wait);
    *record = wait;
    return status;
}

static int shared_watch_send(lua_State *L, int index, int value, Claim *claim, void **record) {
    SharedWait *wait = NULL;
    int top = lua_gettop(L);
    Parcel *parcel = parcel_prepare(L, value, 1, NULL);
    lua_settop(L, top);
    if (parcel == NULL) return SHARED_RETRY; /* the attempt returns the failure */
    int status = shared_begin_send(lua_touserdata(L, index), parcel, claim, &wait);
    *record = wait;
    return status;
}

static void shared_unwatch(void *record) {
    shared_wait_undo(record);
}

static bool shared_was_served(void *record) {
    SharedWait *wait = record;
    shared_channel_leave(&wait->waiter);
    return wait->waiter.outcome != SHARED_NOTHING;
}

static int shared_select_recv(lua_State *L, int index, void *record) {
    return shared_finish_recv(L, lua_touserdata(L, index), record);
}

static int shared_select_send(lua_State *L, int index, void *record) {
    int top = lua_gettop(L), results = shared_finish_send(L, lua_touserdata(L, index), record);
    if (results == 0) lua_settop(L, top);
    return results;
}

static const SharedSelectable send_selectable = {
    .base = {shared_attempt_send, NULL, NULL, NULL},
    .check = shared_check_value,
    .watch = shared_watch_send,
    .unwatch = shared_unwatch,
    .was_served = shared_was_served,
    .finish = shared_select_send,
};
static const SharedSelectable recv_selectable = {
    .base = {shared_attempt_recv, NULL, NULL, &send_selectable.base},
    .watch = shared_watch_recv,
    .unwatch = shared_unwatch,
    .was_served = shared_was_served,
    .finish = shared_select_recv,
};

/* --- the methods --- */

static SharedHandle *shared_check_send(lua_State *L) {
    SharedHandle *object = shared_check(L);
    luaL_argcheck(L, !lua_isnoneornil(L, VALUE), VALUE, "a value is expected, nil cannot be sent");
    lua_settop(L, VALUE);
    return object;
}

static int shared_send(lua_State *L) {
    SharedHandle *object = shared_check_send(L);
    Task *task = task_enter(L, object->handle.loop);
    return task == NULL ? run_outside(L) : shared_send_or_wait(L, object, task);
}

static int shared_recv(lua_State *L) {
    SharedHandle *object = shared_check(L);
    lua_settop(L, SELF);
    Task *task = task_enter(L, object->handle.loop);
    return task == NULL ? run_outside(L) : shared_recv_or_wait(L, object, task);
}

static int shared_would_wait(lua_State *L, const SharedHandle *object, const char *verb,
                             const char *reason) {
    return handle_fail_reason(L, &object->handle, verb, ARSENAL_TIMEOUT, reason);
}

static int shared_try_send(lua_State *L) {
    SharedHandle *object = shared_check_send(L);
    Task *task = task_spent_anywhere(L, object->handle.loop);
    if (task != NULL) return task_pause_before(L, task);
    int results = shared_attempt_send(L);
    return results > 0
               ? results
               : shared_would_wait(L, object, "send", "no task receives, and the channel is full");
}

static int shared_try_recv(lua_State *L) {
    SharedHandle *object = shared_check(L);
    lua_settop(L, SELF);
    Task *task = task_spent_anywhere(L, object->handle.loop);
    if (task != NULL) return task_pause_before(L, task);
    int results = shared_recv_now(L, object);
    return results > 0
               ? results
               : shared_would_wait(L, object, "recv", "no task sends, and the channel is empty");
}

static int shared_values(lua_State *L) {
    shared_check(L);
    lua_settop(L, SELF);
    lua_pushcfunction(L, shared_recv);
    lua_insert(L, SELF);
    return 2;
}

static int shared_length(lua_State *L) {
    lua_pushinteger(L, shared_channel_state(shared_check(L)->channel).count);
    return 1;
}

/* channel:close() for all states. It raises nothing, because it is __close as well. */
static int shared_close(lua_State *L) {
    SharedHandle *object = handle_check(L, SELF, &shared_type, 1);
    const Loop *loop = object->handle.loop;
    if (!loop->forked && object->channel != NULL)
        shared_channel_close(object->channel, loop->closed ? NULL : loop);
    lua_pushboolean(L, true);
    return 1;
}

/* --- objects --- */

/* [-0, +1] the state's object of a channel; a new one has no channel yet. */
static SharedHandle *shared_push_object(lua_State *L, const SharedChannel *channel) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &objects_key);
    if (lua_rawgetp(L, -1, channel) == LUA_TNIL) {
        lua_pop(L, 1);
        handle_new(L, &shared_type, sizeof(SharedHandle), 0);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, -3, channel);
    }
    lua_remove(L, -2);
    return lua_touserdata(L, -1);
}

/* The object takes over a hold of the channel. */
static void shared_adopt(SharedHandle *object, SharedChannel *channel) {
    if (object->channel != NULL) {
        shared_channel_release(channel);
        return;
    }
    object->channel = channel;
    handle_opened(&object->handle);
}

static int shared_cross_prepare(lua_State *L, int index, void **cargo) {
    const SharedHandle *object = lua_touserdata(L, index);
    if (!handle_is_ours(&object->handle)) return ARSENAL_CLOSED;
    shared_channel_hold(object->channel);
    *cargo = object->channel;
    return 0;
}

static void shared_cross_make(lua_State *L, const void *cargo) {
    shared_push_object(L, cargo);
}

static void shared_cross_arrive(lua_State *L, int index, void *cargo) {
    shared_adopt(lua_touserdata(L, index), cargo);
}

static void shared_cross_discard(void *cargo) {
    shared_channel_release(cargo);
}

static const Crossing shared_crossing = {
    .prepare = shared_cross_prepare,
    .make = shared_cross_make,
    .arrive = shared_cross_arrive,
    .discard = shared_cross_discard,
};

/* (channel) */
static int shared_push_new(lua_State *L) {
    shared_push_object(L, lua_touserdata(L, 1));
    return 1;
}

/*
** channel([capacity [, options]]): with the option `shared`, one that several Lua
** states can have. The upvalue makes the others.
*/
static int shared_new(lua_State *L) {
    static const char *const options[] = {"shared", NULL};
    if (lua_isnoneornil(L, 2)) return lua_tocfunction(L, lua_upvalueindex(1))(L);
    lua_Integer capacity = args_optional_integer(L, 1, 0, INT_MAX, 0);
    args_options(L, 2, options);
    if (!args_boolean_option(L, 2, "shared", false)) {
        lua_settop(L, 1);
        return lua_tocfunction(L, lua_upvalueindex(1))(L);
    }
    SharedChannel *channel = shared_channel_new((unsigned)capacity);
    if (channel == NULL) return luaL_error(L, "not enough memory");
    lua_pushcfunction(L, shared_push_new);
    lua_pushlightuserdata(L, channel);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        shared_channel_release(channel);
        return lua_error(L);
    }
    shared_adopt(lua_touserdata(L, -1), channel);
    return 1;
}

static const luaL_Reg methods[] = {
    {"send", shared_send},         {"recv", shared_recv},     {"try_send", shared_try_send},
    {"try_recv", shared_try_recv}, {"values", shared_values}, {NULL, NULL},
};

static void shared_define(lua_State *L) {
    luaL_newlib(L, methods);
    handle_define(L, &shared_type);
    lua_pushcfunction(L, shared_close);
    lua_setfield(L, -2, "close");
    lua_pop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &shared_type);
    lua_pushcfunction(L, shared_length);
    lua_setfield(L, -2, "__len");
    lua_pushcfunction(L, shared_close);
    lua_setfield(L, -2, "__close");
    selectable_attach(L, &recv_selectable.base);
    crossing_attach(L, &shared_crossing);
    lua_pop(L, 1);
}

void shared_channel_open(lua_State *L) {
    shared_define(L);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &objects_key);
    lua_getfield(L, -1, "channel");
    lua_pushcclosure(L, shared_new, 1);
    lua_setfield(L, -2, "channel");
}
