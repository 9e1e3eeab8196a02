/*
** Owns the objects of shared channels: their methods, and how they cross. A channel has
** one object in each Lua state, however often it comes there.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/inbox.h"
#include "event/run.h"
#include "worker/blocking.h"
#include "worker/crossing.h"
#include "worker/shared_call.h"
#include "worker/shared_select.h"

#include <limits.h>

enum { SELF = SHARED_SELF, VALUE = SHARED_VALUE };

static const char objects_key; /* registry: the objects by channel; a weak table */

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

static const Crossing shared_crossing = {
    .prepare = shared_cross_prepare,
    .make = shared_cross_make,
    .arrive = shared_cross_arrive,
    .discard = shared_channel_discard,
};

/* (channel) */
static int shared_push_new(lua_State *L) {
    shared_push_object(L, lua_touserdata(L, 1));
    return 1;
}

/* Gives the state a crew, by which deadlocks are found: a state without workers has none yet. */
static void shared_need_crew(lua_State *L) {
    Loop *loop = loop_of(L);
    if (loop->closed || blocking_is_state(L)) return;
    Inbox *inbox = inbox_of(loop);
    if (inbox == NULL || inbox_crew(inbox) == NULL) luaL_error(L, "not enough memory");
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
    shared_need_crew(L);
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
    selectable_attach(L, &shared_selectable.base);
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
