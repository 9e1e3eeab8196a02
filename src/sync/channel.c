/*
** Owns channels: values handed from task to task, in order. One without room
** for items is a meeting point: a send ends when its value was received. Who
** waits is served by who comes, so that nothing is ever under way.
*/
#include "base/openers.h"

#include "base/error.h"
#include "object/handle.h"
#include "object/handoff.h"
#include "event/run.h"

#include <limits.h>

enum { SELF = 1, VALUE };

enum { FIRST_ROOM = 8, MOST_KEPT = 1024 }; /* places in the ring */

typedef struct Channel {
    Handle handle;
    WaitQueue receivers;                  /* only while nothing is there to be received */
    WaitQueue senders;                    /* only while there is no room */
    unsigned capacity, room, head, count; /* the items are in a table: a ring of `room` places */
} Channel;

static void describe(lua_State *L, const Handle *handle) {
    const Channel *channel = (const Channel *)handle;
    lua_pushfstring(L, "%p (%d of %d items)", (const void *)channel, (int)channel->count,
                    (int)channel->capacity);
}

static void close_channel(Handle *handle) {
    Channel *channel = (Channel *)handle;
    wait_queue_dismiss(&channel->receivers, ARSENAL_CLOSED);
    wait_queue_dismiss(&channel->senders, ARSENAL_CLOSED);
}

static const Selectable source;

static const HandleType channel_type = {
    "channel", "channel", 0, close_channel, describe, &source,
};

static Channel *check(lua_State *L) {
    return handle_check(L, SELF, &channel_type, 1);
}

/* --- the items --- */

static int place_of(const Channel *channel, unsigned index) {
    unsigned place = channel->head + index;
    return (int)(place < channel->room ? place : place - channel->room) + 1;
}

/* Moves the items to a table of twice the size, or as many as there may be. */
static void grow(lua_State *L, Channel *channel) {
    unsigned room = channel->room == 0 ? FIRST_ROOM : 2 * channel->room;
    if (room > channel->capacity) room = channel->capacity;
    lua_createtable(L, (int)room, 0);
    lua_getiuservalue(L, SELF, 1);
    for (unsigned i = 0; i < channel->count; i++) {
        lua_rawgeti(L, -1, place_of(channel, i));
        lua_rawseti(L, -3, (int)i + 1);
    }
    lua_pop(L, 1);
    lua_setiuservalue(L, SELF, 1);
    channel->room = room;
    channel->head = 0;
}

/* [-1, +0] there is room for it. */
static void put(lua_State *L, Channel *channel) {
    if (channel->count == channel->room) grow(L, channel);
    lua_getiuservalue(L, SELF, 1);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, place_of(channel, channel->count));
    lua_pop(L, 2);
    channel->count++;
}

/* What a burst took is given back once its items have gone. */
static void shrink(lua_State *L, Channel *channel) {
    if (channel->count > 0 || channel->room <= MOST_KEPT) return;
    lua_pushnil(L);
    lua_setiuservalue(L, SELF, 1);
    channel->room = channel->head = 0;
}

/* [-0, +2] the first of the items there are, above their table. */
static void take_first(lua_State *L, Channel *channel) {
    int place = place_of(channel, 0);
    lua_getiuservalue(L, SELF, 1);
    lua_rawgeti(L, -1, place);
    lua_pushnil(L);
    lua_rawseti(L, -3, place);
    channel->head = (unsigned)place < channel->room ? (unsigned)place : 0;
    channel->count--;
    shrink(L, channel);
}

/* --- serving who waits --- */

/* [-0, +1] takes the value of a sender that waits, which has sent it then. */
static void take_from(lua_State *L, Waiter *sender) {
    lua_State *co = sender->task->top;
    lua_pushvalue(co, sender->value);
    lua_xmove(co, L, 1);
    lua_pushboolean(co, true);
    handoff_done(sender, 1);
}

/* [-0, +1 or more] receives if there is anything: it is on top. */
static bool take(lua_State *L, Channel *channel) {
    bool has_items = channel->count > 0;
    if (has_items) take_first(L, channel);
    Waiter *sender = handoff_next(&channel->senders);
    if (sender != NULL) take_from(L, sender);
    if (sender != NULL && has_items) put(L, channel);
    return has_items || sender != NULL;
}

/* Sends the value at VALUE if there is anyone to receive it, or room for it. */
static bool give(lua_State *L, Channel *channel) {
    Waiter *receiver = handoff_next(&channel->receivers);
    lua_pushvalue(L, VALUE);
    if (receiver != NULL) {
        lua_xmove(L, receiver->task->top, 1);
        handoff_done(receiver, 1);
    } else if (channel->count < channel->capacity) {
        put(L, channel);
    } else {
        lua_pop(L, 1);
        return false;
    }
    return true;
}

/* --- receiving and sending, as far as that needs no wait: the results, or none --- */

static int recv_now(lua_State *L, Channel *channel) {
    if (take(L, channel)) return 1;
    return channel->handle.open ? 0 : handle_fail(L, &channel->handle, "recv", ARSENAL_CLOSED);
}

static int send_now(lua_State *L, Channel *channel) {
    if (!channel->handle.open) return handle_fail(L, &channel->handle, "send", ARSENAL_CLOSED);
    if (!give(L, channel)) return 0;
    lua_pushboolean(L, true);
    return 1;
}

/* --- waiting --- */

static void describe_recv(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "receiving from");
}

static void describe_send(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "sending to");
}

static int go_on_receiving(lua_State *L);
static int go_on_sending(lua_State *L);

static const WaitKind recv_wait = {go_on_receiving, NULL, describe_recv};
static const WaitKind send_wait = {go_on_sending, NULL, describe_send};

static int watch_recv(void *object, Waiter *waiter) {
    waiter_join(waiter, &((Channel *)object)->receivers, NULL);
    return 0;
}

/* waiter->value is where the value is on its coroutine's stack. */
static int watch_send(void *object, Waiter *waiter) {
    waiter_join(waiter, &((Channel *)object)->senders, NULL);
    return 0;
}

static int receive_or_wait(lua_State *L, Channel *channel, Task *task) {
    if (task_spent(task->loop)) return task_pause(L, task, &recv_wait, channel);
    int results = recv_now(L, channel);
    if (results > 0) return results;
    watch_recv(channel, &task->waiter);
    return task_wait(L, task, &recv_wait, channel);
}

static int send_or_wait(lua_State *L, Channel *channel, Task *task) {
    if (task_spent(task->loop)) return task_pause(L, task, &send_wait, channel);
    int results = send_now(L, channel);
    if (results > 0) return results;
    task->waiter.value = VALUE;
    watch_send(channel, &task->waiter);
    return task_wait(L, task, &send_wait, channel);
}

static int go_on_receiving(lua_State *L) {
    Channel *channel = lua_touserdata(L, SELF);
    Task *task = channel->handle.loop->running;
    return handoff_came(task) ? 1 : receive_or_wait(L, channel, task);
}

static int go_on_sending(lua_State *L) {
    Channel *channel = lua_touserdata(L, SELF);
    Task *task = channel->handle.loop->running;
    return handoff_came(task) ? 1 : send_or_wait(L, channel, task);
}

/* --- select --- */

static int attempt_recv(lua_State *L) {
    return recv_now(L, check(L));
}

static int attempt_send(lua_State *L) {
    return send_now(L, check(L));
}

static const Selectable sending = {attempt_send, watch_send, NULL, NULL};
static const Selectable source = {attempt_recv, watch_recv, NULL, &sending};

/* --- the methods --- */

static Channel *check_send(lua_State *L) {
    Channel *channel = check(L);
    luaL_argcheck(L, !lua_isnoneornil(L, VALUE), VALUE, "a value is expected, nil cannot be sent");
    lua_settop(L, VALUE);
    return channel;
}

/* channel:send(value) true once it was received, or there was room for it; "CLOSED". */
static int send_method(lua_State *L) {
    Channel *channel = check_send(L);
    Task *task = task_enter(L, channel->handle.loop);
    return task == NULL ? run_outside(L) : send_or_wait(L, channel, task);
}

/* channel:recv() the next value; "CLOSED" when there is none, and can be none. */
static int recv_method(lua_State *L) {
    Channel *channel = check(L);
    lua_settop(L, SELF);
    Task *task = task_enter(L, channel->handle.loop);
    return task == NULL ? run_outside(L) : receive_or_wait(L, channel, task);
}

static int would_wait(lua_State *L, const Channel *channel, const char *verb, const char *reason) {
    handle_push_name(L, &channel->handle);
    return error_push_reason(L, ARSENAL_TIMEOUT,
                             lua_pushfstring(L, "%s %s: %s", verb, lua_tostring(L, -1), reason));
}

/* channel:try_send(value) as send; "TIMEOUT" where that would wait. */
static int try_send(lua_State *L) {
    Channel *channel = check_send(L);
    int results = send_now(L, channel);
    return results > 0 ? results
                       : would_wait(L, channel, "send", "nobody receives, and it is full");
}

/* channel:try_recv() as recv; "TIMEOUT" where that would wait. */
static int try_recv(lua_State *L) {
    Channel *channel = check(L);
    lua_settop(L, SELF);
    int results = recv_now(L, channel);
    return results > 0 ? results : would_wait(L, channel, "recv", "nobody sends, and it is empty");
}

/* for value in channel:values() do ... end: ends when the channel is closed and empty. */
static int values(lua_State *L) {
    check(L);
    lua_settop(L, SELF);
    lua_pushcfunction(L, recv_method);
    lua_insert(L, SELF);
    return 2;
}

/* #channel: the items that nobody has received yet. */
static int length(lua_State *L) {
    lua_pushinteger(L, check(L)->count);
    return 1;
}

/* channel([capacity]) holds that many items that nobody has received yet: none by default. */
static int channel_new(lua_State *L) {
    lua_Integer capacity = args_optional_integer(L, 1, 0, INT_MAX, 0);
    Channel *channel = handle_new(L, &channel_type, sizeof *channel, 1);
    channel->capacity = (unsigned)capacity;
    handle_opened(&channel->handle);
    return 1;
}

static const luaL_Reg methods[] = {
    {"send", send_method},  {"recv", recv_method}, {"try_send", try_send},
    {"try_recv", try_recv}, {"values", values},    {NULL, NULL},
};

void channel_open(lua_State *L) {
    luaL_newlib(L, methods);
    handle_define(L, &channel_type);
    lua_pop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &channel_type);
    lua_pushcfunction(L, length);
    lua_setfield(L, -2, "__len");
    lua_pop(L, 1);
    lua_pushcfunction(L, channel_new);
    lua_setfield(L, -2, "channel");
}
