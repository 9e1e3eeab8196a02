/*
** Owns channels: values handed from task to task, in order. Without capacity, a
** send ends when its value was received. A new sender serves a waiting receiver,
** and a new receiver a waiting sender. So no value is ever in transit, where a
** cancellation could lose it.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "object/handle.h"
#include "object/handoff.h"

#include <limits.h>

enum { SELF = 1, VALUE };

enum { FIRST_ROOM = 8, MOST_KEPT = 1024 }; /* places in the ring */

typedef struct Channel {
    Handle handle;
    WaitQueue receivers; /* only while there is nothing to receive */
    WaitQueue senders;   /* only while there is no room */
    unsigned capacity;
    unsigned room, head, count; /* the user value is a ring of `room` places with the values */
} Channel;

static Channel *channel_of(Handle *handle) {
    return container_of(handle, Channel, handle);
}

static void channel_describe(lua_State *L, const Handle *handle) {
    const Channel *channel = channel_of((Handle *)handle);
    lua_pushfstring(L, "%p (%d of %d values)", (const void *)channel, (int)channel->count,
                    (int)channel->capacity);
}

static void channel_close(Handle *handle) {
    Channel *channel = channel_of(handle);
    wait_queue_dismiss(&channel->receivers, ARSENAL_CLOSED);
    wait_queue_dismiss(&channel->senders, ARSENAL_CLOSED);
}

static const Selectable recv_selectable;

static const HandleType channel_type = {
    "channel", "channel", 0, channel_close, channel_describe, &recv_selectable,
};

static Channel *channel_check(lua_State *L) {
    return handle_check(L, SELF, &channel_type, 1);
}

/* --- the ring of values --- */

static int channel_ring_place(const Channel *channel, unsigned index) {
    unsigned place = channel->head + index;
    return (int)(place < channel->room ? place : place - channel->room) + 1;
}

/*
** Moves the values to a table of twice the size, at most the capacity. Making the
** table may run finalizers that use the channel: if they have changed the table, it
** stays as it is.
*/
static void channel_ring_grow(lua_State *L, Channel *channel) {
    unsigned old_room = channel->room;
    unsigned room = old_room == 0 ? FIRST_ROOM : 2 * old_room;
    if (room > channel->capacity) room = channel->capacity;
    lua_createtable(L, (int)room, 0);
    if (channel->room != old_room) {
        lua_pop(L, 1);
        return;
    }
    lua_getiuservalue(L, SELF, 1);
    for (unsigned i = 0; i < channel->count; i++) {
        lua_rawgeti(L, -1, channel_ring_place(channel, i));
        lua_rawseti(L, -3, (int)i + 1);
    }
    lua_pop(L, 1);
    lua_setiuservalue(L, SELF, 1);
    channel->room = room;
    channel->head = 0;
}

/* [-1, +0] appends the value on top, for which there is a place. */
static void channel_ring_put(lua_State *L, Channel *channel) {
    lua_getiuservalue(L, SELF, 1);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, channel_ring_place(channel, channel->count));
    lua_pop(L, 2);
    channel->count++;
}

/* Gives back a large table once it is empty. */
static void channel_ring_shrink(lua_State *L, Channel *channel) {
    if (channel->count > 0 || channel->room <= MOST_KEPT) return;
    lua_pushnil(L);
    lua_setiuservalue(L, SELF, 1);
    channel->room = channel->head = 0;
}

/* [-0, +2] takes the first value; there is at least one. The table is below it. */
static void channel_ring_take(lua_State *L, Channel *channel) {
    int place = channel_ring_place(channel, 0);
    lua_getiuservalue(L, SELF, 1);
    lua_rawgeti(L, -1, place);
    lua_pushnil(L);
    lua_rawseti(L, -3, place);
    channel->head = (unsigned)place < channel->room ? (unsigned)place : 0;
    channel->count--;
    channel_ring_shrink(L, channel);
}

/* --- serving waiting tasks --- */

/* [-0, +1] takes the value of a waiting sender, whose send returns then. */
static void channel_take_from(lua_State *L, Waiter *sender) {
    lua_State *co = sender->task->top;
    lua_pushvalue(co, sender->value);
    lua_xmove(co, L, 1);
    lua_pushboolean(co, true);
    handoff_done(sender, 1);
}

/* [-0, +1 or more] receives a value, which is on top; false if there is none. */
static bool channel_take(lua_State *L, Channel *channel) {
    bool has_values = channel->count > 0;
    if (has_values) channel_ring_take(L, channel);
    Waiter *sender = handoff_next(&channel->senders);
    if (sender != NULL) channel_take_from(L, sender);
    if (sender != NULL && has_values) channel_ring_put(L, channel);
    return has_values || sender != NULL;
}

/* Sends the value at VALUE to the task that has waited longest; false if none waits. */
static bool channel_give_to_waiting(lua_State *L, Channel *channel) {
    Waiter *receiver = handoff_next(&channel->receivers);
    if (receiver == NULL) return false;
    lua_pushvalue(L, VALUE);
    lua_xmove(L, receiver->task->top, 1);
    handoff_done(receiver, 1);
    return true;
}

/*
** Sends the value at VALUE; false if no task waits for it and there is no room.
** After the ring has grown everything may be different: see channel_ring_grow.
*/
static bool channel_give(lua_State *L, Channel *channel) {
    while (!channel_give_to_waiting(L, channel)) {
        if (channel->count == channel->capacity) return false;
        if (channel->count < channel->room) {
            lua_pushvalue(L, VALUE);
            channel_ring_put(L, channel);
            return true;
        }
        channel_ring_grow(L, channel);
    }
    return true;
}

/* --- receiving and sending without a wait: 0 results where a wait is needed --- */

static int channel_recv_now(lua_State *L, Channel *channel) {
    if (channel_take(L, channel)) return 1;
    return channel->handle.open ? 0 : handle_fail(L, &channel->handle, "recv", ARSENAL_CLOSED);
}

static int channel_send_now(lua_State *L, Channel *channel) {
    if (!channel->handle.open) return handle_fail(L, &channel->handle, "send", ARSENAL_CLOSED);
    if (!channel_give(L, channel)) return 0;
    lua_pushboolean(L, true);
    return 1;
}

/* --- waiting --- */

static void channel_describe_recv(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "receiving from");
}

static void channel_describe_send(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "sending to");
}

static int channel_recv_step(lua_State *L, Task *task);
static int channel_send_step(lua_State *L, Task *task);

static const WaitKind recv_wait = {channel_recv_step, NULL, channel_describe_recv};
static const WaitKind send_wait = {channel_send_step, NULL, channel_describe_send};

static int channel_watch_recv(void *object, Waiter *waiter) {
    waiter_join(waiter, &((Channel *)object)->receivers, NULL);
    return 0;
}

/* waiter->value is the index of the value on the stack of the task. */
static int channel_watch_send(void *object, Waiter *waiter) {
    waiter_join(waiter, &((Channel *)object)->senders, NULL);
    return 0;
}

static int channel_recv_or_wait(lua_State *L, Channel *channel, Task *task) {
    if (task_spent(task->loop)) return task_pause(L, task, &recv_wait, channel);
    int results = channel_recv_now(L, channel);
    if (results > 0) return results;
    channel_watch_recv(channel, &task->waiter);
    return task_wait(L, task, &recv_wait, channel);
}

static int channel_send_or_wait(lua_State *L, Channel *channel, Task *task) {
    if (task_spent(task->loop)) return task_pause(L, task, &send_wait, channel);
    int results = channel_send_now(L, channel);
    if (results > 0) return results;
    task->waiter.value = VALUE;
    channel_watch_send(channel, &task->waiter);
    return task_wait(L, task, &send_wait, channel);
}

static int channel_recv_step(lua_State *L, Task *task) {
    Channel *channel = lua_touserdata(L, SELF);
    return handoff_came(task) ? 1 : channel_recv_or_wait(L, channel, task);
}

static int channel_send_step(lua_State *L, Task *task) {
    Channel *channel = lua_touserdata(L, SELF);
    return handoff_came(task) ? 1 : channel_send_or_wait(L, channel, task);
}

/* --- select --- */

static int channel_attempt_recv(lua_State *L) {
    return channel_recv_now(L, channel_check(L));
}

static int channel_attempt_send(lua_State *L) {
    return channel_send_now(L, channel_check(L));
}

static const Selectable send_selectable = {channel_attempt_send, channel_watch_send, NULL, NULL};
static const Selectable recv_selectable = {channel_attempt_recv, channel_watch_recv, NULL,
                                           &send_selectable};

/* --- the methods --- */

static Channel *channel_check_send(lua_State *L) {
    Channel *channel = channel_check(L);
    luaL_argcheck(L, !lua_isnoneornil(L, VALUE), VALUE, "a value is expected, nil cannot be sent");
    lua_settop(L, VALUE);
    return channel;
}

/* channel:send(value) true once the value was received, or there was room for it; "CLOSED". */
static int channel_send(lua_State *L) {
    Channel *channel = channel_check_send(L);
    Task *task = task_enter(L, channel->handle.loop);
    return task == NULL ? run_outside(L) : channel_send_or_wait(L, channel, task);
}

/* channel:recv() the next value; "CLOSED" once the channel is closed and empty. */
static int channel_recv(lua_State *L) {
    Channel *channel = channel_check(L);
    lua_settop(L, SELF);
    Task *task = task_enter(L, channel->handle.loop);
    return task == NULL ? run_outside(L) : channel_recv_or_wait(L, channel, task);
}

static int channel_would_wait(lua_State *L, const Channel *channel, const char *verb,
                              const char *reason) {
    return handle_fail_reason(L, &channel->handle, verb, ARSENAL_TIMEOUT, reason);
}

/* channel:try_send(value) like send; "TIMEOUT" where send would wait. */
static int channel_try_send(lua_State *L) {
    Channel *channel = channel_check_send(L);
    Task *task = task_spent_anywhere(L, channel->handle.loop);
    if (task != NULL) return task_pause_before(L, task);
    int results = channel_send_now(L, channel);
    return results > 0 ? results
                       : channel_would_wait(L, channel, "send",
                                            "no task receives, and the channel is full");
}

/* channel:try_recv() like recv; "TIMEOUT" where recv would wait. */
static int channel_try_recv(lua_State *L) {
    Channel *channel = channel_check(L);
    lua_settop(L, SELF);
    Task *task = task_spent_anywhere(L, channel->handle.loop);
    if (task != NULL) return task_pause_before(L, task);
    int results = channel_recv_now(L, channel);
    return results > 0
               ? results
               : channel_would_wait(L, channel, "recv", "no task sends, and the channel is empty");
}

/* for value in channel:values() do ... end: ends when the channel is closed and empty. */
static int channel_values(lua_State *L) {
    channel_check(L);
    lua_settop(L, SELF);
    lua_pushcfunction(L, channel_recv);
    lua_insert(L, SELF);
    return 2;
}

/* #channel: the number of unreceived values. */
static int channel_length(lua_State *L) {
    lua_pushinteger(L, channel_check(L)->count);
    return 1;
}

/* channel([capacity]): a channel that holds up to `capacity` unreceived values; default 0. */
static int channel_new(lua_State *L) {
    lua_Integer capacity = args_optional_integer(L, 1, 0, INT_MAX, 0);
    Channel *channel = handle_new(L, &channel_type, sizeof *channel, 1);
    channel->capacity = (unsigned)capacity;
    handle_opened(&channel->handle);
    return 1;
}

static const luaL_Reg methods[] = {
    {"send", channel_send},         {"recv", channel_recv},     {"try_send", channel_try_send},
    {"try_recv", channel_try_recv}, {"values", channel_values}, {NULL, NULL},
};

void channel_open(lua_State *L) {
    luaL_newlib(L, methods);
    handle_define(L, &channel_type);
    lua_pop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &channel_type);
    lua_pushcfunction(L, channel_length);
    lua_setfield(L, -2, "__len");
    lua_pop(L, 1);
    lua_pushcfunction(L, channel_new);
    lua_setfield(L, -2, "channel");
}
