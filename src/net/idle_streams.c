/*
** Owns streams between two calls of their handler, for serve's `when =
** "readable"`: no task waits for them, only a few bytes of ours do.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "stream/stream.h"

#include <stdlib.h>

typedef struct IdleStreams {
    Loop *loop;
    unsigned count;     /* streams that it looks after, those whose handler runs included */
    WaitQueue ready;    /* guests with something to read, or closed */
    WaitQueue takers;   /* tasks that wait for one of those */
    WaitQueue counters; /* tasks that wait until no more than waiter->threshold streams are left */
} IdleStreams;

/* A stream that waits. */
typedef struct Guest {
    CallbackWaiter callback_waiter; /* first */
    IdleStreams *lobby;
    Stream *stream; /* pinned in the lobby's table */
} Guest;

static const char lobby_name[] = "arsenal.lobby";

static IdleStreams *check(lua_State *L) {
    return luaL_checkudata(L, 1, lobby_name);
}

/* [-1, +0] sets the lobby's entry for the stream to the value on top: its object, or nil. */
static void pin(lua_State *L, Stream *stream) {
    lua_getiuservalue(L, 1, 1);
    lua_insert(L, -2);
    lua_rawsetp(L, -2, stream);
    lua_pop(L, 1);
}

/* [-0, +1] whether the lobby looks after it */
static bool push_pinned(lua_State *L, Stream *stream) {
    lua_getiuservalue(L, 1, 1);
    bool is_pinned = lua_rawgetp(L, -1, stream) != LUA_TNIL;
    lua_remove(L, -2);
    return is_pinned;
}

static void dismiss(lua_State *L, IdleStreams *lobby, Stream *stream) {
    handle_close(&stream->handle);
    lua_pushnil(L);
    pin(L, stream);
    lobby->count--;
    wait_queue_wake_at(&lobby->counters, lobby->count);
}

/* --- waiting --- */

static void guest_called(CallbackWaiter *callback_waiter) {
    Guest *guest = (Guest *)callback_waiter;
    waiter_join(&guest->callback_waiter.waiter, &guest->lobby->ready, NULL);
    Waiter *taker = wait_queue_first(&guest->lobby->takers);
    if (taker != NULL) waiter_wake(taker, 0);
}

/* After a call of its handler: false when there will be no other. */
static bool goes_on(Stream *stream) {
    if (!stream->handle.open) return false;
    bool was_read = stream->poller.watched || stream->transport != &transport_plain;
    bool may_have_more = was_read && (stream->poller.ready & POLL_READ);
    return may_have_more || stream->read_end != 0 ? stream_probe(stream) : true;
}

/* It was readable: false when that was the end of the stream, which is not its handler's business. */
static bool is_worth_a_call(Stream *stream) {
    if (!stream->handle.open) return false;
    bool may_have_ended = !POLLER_SEES_HANGUP || (stream->poller.ready & POLL_HANGUP);
    return may_have_ended || stream->read_end != 0 ? stream_probe(stream) : true;
}

/* Returns a status. */
static int seat(IdleStreams *lobby, Stream *stream) {
    Guest *guest = malloc(sizeof *guest);
    if (guest == NULL) return UV_ENOMEM;
    *guest = (Guest){.callback_waiter.woken = guest_called, .lobby = lobby, .stream = stream};
    int status = 0;
    if (buffer_length(&stream->input) > 0)
        guest_called(&guest->callback_waiter);
    else
        status = poller_wait(&stream->poller, &guest->callback_waiter.waiter, POLL_READ);
    if (status != 0) free(guest);
    return status;
}

/*
** lobby:add(stream) looks after it from here on: until it is readable, or, once
** it is closed or at its end, no more.
*/
static int lobby_add(lua_State *L) {
    IdleStreams *lobby = check(L);
    Stream *stream = stream_check(L, 2);
    if (!push_pinned(L, stream)) {
        lua_pushvalue(L, 2);
        pin(L, stream);
        lobby->count++;
    }
    if (!goes_on(stream) || seat(lobby, stream) != 0) dismiss(L, lobby, stream);
    return 0;
}

/* The first guest whose stream is worth its handler's call, or NULL. */
static Stream *first_ready(lua_State *L, IdleStreams *lobby) {
    Waiter *first;
    while ((first = wait_queue_first(&lobby->ready)) != NULL) {
        Guest *guest = (Guest *)first;
        Stream *stream = guest->stream;
        waiter_leave(&guest->callback_waiter.waiter);
        free(guest);
        if (is_worth_a_call(stream)) return stream;
        dismiss(L, lobby, stream);
    }
    return NULL;
}

static int take_step(lua_State *L);

static void describe_take(lua_State *L, Task *task) {
    lua_pushfstring(L, "waiting for any of %d streams", (int)((IdleStreams *)task->object)->count);
}

static const WaitKind take_wait = {take_step, NULL, describe_take};

static int take_step(lua_State *L) {
    IdleStreams *lobby = check(L);
    Task *task = lobby->loop->running;
    Stream *stream = first_ready(L, lobby);
    if (stream != NULL) {
        push_pinned(L, stream);
        return 1;
    }
    waiter_join(&task->waiter, &lobby->takers, &lobby->loop->external_waiters);
    return task_wait(L, task, &take_wait, lobby);
}

/* lobby:take() waits for a stream with something to read. */
static int lobby_take(lua_State *L) {
    IdleStreams *lobby = check(L);
    Task *task = task_enter(L, lobby->loop);
    if (task == NULL) return run_outside(L);
    return take_step(L);
}

static int wait_step(lua_State *L) {
    (void)L;
    return 0;
}

static const WaitKind count_wait = {wait_step, NULL, describe_take};

/* lobby:wait(n) waits until it looks after no more than n streams. */
static int lobby_wait(lua_State *L) {
    IdleStreams *lobby = check(L);
    unsigned enough = (unsigned)luaL_checkinteger(L, 2);
    Task *task = task_enter(L, lobby->loop);
    if (task == NULL) return run_outside(L);
    if (lobby->count <= enough) return 0;
    task->waiter.threshold = enough;
    waiter_join(&task->waiter, &lobby->counters, NULL);
    return task_wait(L, task, &count_wait, lobby);
}

/* lobby:close() closes every stream that it looks after. */
static int lobby_close(lua_State *L) {
    IdleStreams *lobby = check(L);
    lua_getiuservalue(L, 1, 1);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        handle_close(lua_touserdata(L, -1));
    first_ready(L, lobby);
    return 0;
}

static int lobby_count(lua_State *L) {
    lua_pushinteger(L, check(L)->count);
    return 1;
}

/* idle_streams_new() */
static int idle_streams_new(lua_State *L) {
    Loop *loop = loop_of(L);
    IdleStreams *lobby = lua_newuserdatauv(L, sizeof *lobby, 1);
    *lobby = (IdleStreams){.loop = loop};
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, lobby_name);
    return 1;
}

static const luaL_Reg methods[] = {
    {"add", lobby_add},     {"take", lobby_take},   {"wait", lobby_wait},
    {"close", lobby_close}, {"count", lobby_count}, {NULL, NULL},
};

void idle_streams_open(lua_State *L) {
    luaL_newmetatable(L, lobby_name);
    lua_pushcfunction(L, lobby_close);
    lua_setfield(L, -2, "__close");
    lua_pushcfunction(L, lobby_close);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_pushcfunction(L, idle_streams_new);
    lua_setfield(L, -2, "idle_streams_new");
}
