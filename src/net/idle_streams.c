/*
** Owns streams between two calls of their handler, for serve's `when =
** "readable"`: no task waits for them, so that each costs a few bytes only.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "kernel/traceback.h"
#include "stream/stream_io.h"

#include <stdlib.h>

/* Its user value is a table of the streams that it looks after, by address. */
typedef struct IdleStreams {
    Loop *loop;
    enum {
        IDLE_GOES_ON,
        IDLE_FINISHES, /* streams that only wait are closed */
        IDLE_STOPS,    /* no handler is called any more */
        IDLE_CLOSED    /* every stream is closed */
    } state;
    unsigned count;     /* of those streams: idle, ready, taken for a handler, handled */
    unsigned handled;   /* those whose handler has begun, and has not ended */
    WaitQueue ready;    /* idle streams that can be read or are closed */
    WaitQueue takers;   /* tasks that wait for one of those */
    WaitQueue counters; /* each waits until no more streams are left than its threshold */
} IdleStreams;

typedef struct IdleStream {
    CallbackWaiter callback_waiter;
    IdleStreams *all;
    Stream *stream;
} IdleStream;

static const char idle_streams_name[] = "arsenal.idle_streams";

static IdleStreams *idle_streams_check(lua_State *L) {
    return luaL_checkudata(L, 1, idle_streams_name);
}

/* [-1, +0] sets the stream's entry in the table to the value on top: its object, or nil. */
static void idle_streams_set(lua_State *L, Stream *stream) {
    lua_getiuservalue(L, 1, 1);
    lua_insert(L, -2);
    lua_rawsetp(L, -2, stream);
    lua_pop(L, 1);
}

/* [-0, +1] pushes the stream's object, or nil and returns false if it is not looked after. */
static bool idle_streams_get(lua_State *L, Stream *stream) {
    lua_getiuservalue(L, 1, 1);
    bool is_there = lua_rawgetp(L, -1, stream) != LUA_TNIL;
    lua_remove(L, -2);
    return is_there;
}

static void idle_streams_drop(lua_State *L, IdleStreams *all, Stream *stream) {
    handle_close(&stream->socket.handle);
    lua_pushnil(L);
    idle_streams_set(L, stream);
    all->count--;
    wait_queue_wake_at(&all->counters, all->count);
}

/* --- idle, then ready --- */

static void idle_stream_woken(CallbackWaiter *callback_waiter) {
    IdleStream *idle = container_of(callback_waiter, IdleStream, callback_waiter);
    waiter_join(&callback_waiter->waiter, &idle->all->ready, NULL);
    Waiter *taker = wait_queue_first(&idle->all->takers);
    if (taker != NULL) waiter_wake(taker, 0);
}

/* Whether there are bytes to receive. Asks the kernel. */
static bool idle_stream_has_bytes(Stream *stream) {
    return stream_probe(stream) && buffer_length(&stream->input) > 0;
}

/* After a call of its handler, or before the first: false if there will be no other one. */
static bool idle_stream_goes_on(const IdleStreams *all, Stream *stream) {
    if (!stream->socket.handle.open || all->state >= IDLE_STOPS) return false;
    if (all->state == IDLE_FINISHES) return idle_stream_has_bytes(stream);
    bool was_read = stream->socket.poller.watched || !transport_is_plain(stream->transport);
    bool may_have_more = was_read && (stream->socket.poller.ready & POLL_READ);
    return may_have_more || stream->read_end != 0 ? stream_probe(stream) : true;
}

/* False if the stream is closed or at its end: the handler is not called. */
static bool idle_stream_is_worth_a_call(const IdleStreams *all, Stream *stream) {
    if (!stream->socket.handle.open || all->state >= IDLE_STOPS) return false;
    if (all->state == IDLE_FINISHES) return idle_stream_has_bytes(stream);
    bool may_have_ended = !POLLER_SEES_ALL || (stream->socket.poller.ready & POLL_HANGUP);
    return may_have_ended || stream->read_end != 0 ? stream_probe(stream) : true;
}

/* Waits for the stream without a task. Returns a status. */
static int idle_stream_begin(IdleStreams *all, Stream *stream) {
    IdleStream *idle = malloc(sizeof *idle);
    if (idle == NULL) return UV_ENOMEM;
    *idle = (IdleStream){.callback_waiter.woken = idle_stream_woken, .all = all, .stream = stream};
    int status = 0;
    if (buffer_length(&stream->input) > 0)
        idle_stream_woken(&idle->callback_waiter);
    else
        status = poller_wait(&stream->socket.poller, &idle->callback_waiter.waiter, POLL_READ);
    if (status != 0) free(idle);
    return status;
}

/* Frees what has waited for a stream that is ready. Returns the stream. */
static Stream *idle_stream_end(Waiter *waiter) {
    IdleStream *idle = container_of(waiter, IdleStream, callback_waiter.waiter);
    Stream *stream = idle->stream;
    waiter_leave(waiter);
    free(idle);
    return stream;
}

/* Looks after a stream that it has, for the next call of its handler, or drops it. */
static void idle_streams_go_on(lua_State *L, IdleStreams *all, Stream *stream) {
    if (!idle_stream_goes_on(all, stream) || idle_stream_begin(all, stream) != 0)
        idle_streams_drop(L, all, stream);
}

/*
** idle_streams:add(stream) looks after the stream: it is idle until it can be
** read. One that is closed or at its end is dropped at once.
*/
static int idle_streams_add(lua_State *L) {
    IdleStreams *all = idle_streams_check(L);
    Stream *stream = stream_check(L, 2);
    if (!idle_streams_get(L, stream)) {
        lua_pushvalue(L, 2);
        idle_streams_set(L, stream);
        all->count++;
    }
    idle_streams_go_on(L, all, stream);
    return 0;
}

/* --- calling the handler --- */

/* The stack of such a call. */
enum {
    SERVE_STREAMS = 1,
    SERVE_STREAM,
    SERVE_FAILED,
    SERVE_LISTENER,
    SERVE_FUNCTION,
    SERVE_HANDLER,
    SERVE_RESULT,
    SERVE_TRACEBACK,
};

/* [-0, +0] whether failed(listener, err, stream, traceback) returns true for the error at SERVE_RESULT. */
static bool idle_streams_is_reported(lua_State *L) {
    lua_pushvalue(L, SERVE_FAILED);
    lua_pushvalue(L, SERVE_LISTENER);
    lua_pushvalue(L, SERVE_RESULT);
    lua_pushvalue(L, SERVE_STREAM);
    lua_pushvalue(L, SERVE_TRACEBACK);
    bool is = lua_pcall(L, 4, 1, 0) == LUA_OK && lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is;
}

static int idle_streams_served(lua_State *L, int status, lua_KContext context) {
    IdleStreams *all = (IdleStreams *)context;
    Stream *stream = lua_touserdata(L, SERVE_STREAM);
    bool is_success = traceback_is_success(status);
    bool is_refused = lua_isboolean(L, SERVE_RESULT) && !lua_toboolean(L, SERVE_RESULT);
    if (!is_success) traceback_push(L);
    bool is_reported = !is_success && idle_streams_is_reported(L);
    if (!is_success || is_refused) handle_close(&stream->socket.handle);
    all->handled--;
    idle_streams_go_on(L, all, stream);
    return is_success || is_reported ? 0 : traceback_rethrow(L);
}

/*
** idle_streams:serve(stream, failed, listener, handler): handler(stream, listener),
** in a task for it; then the stream is idle again, or, if the handler has failed or
** returned false, closed. An error for which failed(listener, err, stream, traceback)
** returns true is not raised. All in C, so that no error comes between and loses the stream.
** Does nothing after close().
*/
static int idle_streams_serve(lua_State *L) {
    IdleStreams *all = idle_streams_check(L);
    stream_check(L, SERVE_STREAM);
    if (all->state == IDLE_CLOSED) return 0;
    all->handled++;
    lua_settop(L, SERVE_FUNCTION);
    lua_pushcfunction(L, traceback_handler);
    lua_pushvalue(L, SERVE_FUNCTION);
    lua_pushvalue(L, SERVE_STREAM);
    lua_pushvalue(L, SERVE_LISTENER);
    lua_KContext context = (lua_KContext)all;
    int status = lua_pcallk(L, 2, 1, SERVE_HANDLER, context, idle_streams_served);
    return idle_streams_served(L, status, context);
}

/* --- taking ready ones --- */

/* Whether an event came for nothing, as libuv's may: the stream, which was probed, has no bytes. */
static bool idle_stream_came_early(const Stream *stream) {
    return !POLLER_SEES_ALL && transport_is_plain(stream->transport) &&
           buffer_length(&stream->input) == 0;
}

/* The first ready stream that is worth a call of its handler, or NULL. */
static Stream *idle_streams_first_ready(lua_State *L, IdleStreams *all) {
    Waiter *first;
    while ((first = wait_queue_first(&all->ready)) != NULL) {
        Stream *stream = idle_stream_end(first);
        bool is_worth_a_call = idle_stream_is_worth_a_call(all, stream);
        if (is_worth_a_call && !idle_stream_came_early(stream)) return stream;
        if (!is_worth_a_call || idle_stream_begin(all, stream) != 0)
            idle_streams_drop(L, all, stream);
    }
    return NULL;
}

static int idle_streams_take_step(lua_State *L);

static void idle_streams_describe_wait(lua_State *L, Task *task) {
    lua_pushfstring(L, "waiting for any of %d streams", (int)((IdleStreams *)task->object)->count);
}

static const WaitKind take_wait = {idle_streams_take_step, NULL, idle_streams_describe_wait};

static int idle_streams_take_step(lua_State *L) {
    IdleStreams *all = idle_streams_check(L);
    Task *task = all->loop->running;
    Stream *stream = idle_streams_first_ready(L, all);
    if (stream != NULL) {
        idle_streams_get(L, stream);
        return 1;
    }
    waiter_join(&task->waiter, &all->takers, &all->loop->external_waiters);
    return task_wait(L, task, &take_wait, all);
}

/* idle_streams:take() waits for a stream that can be read, which is not idle until it is added again. */
static int idle_streams_take(lua_State *L) {
    IdleStreams *all = idle_streams_check(L);
    Task *task = task_enter(L, all->loop);
    if (task == NULL) return run_outside(L);
    return idle_streams_take_step(L);
}

/* --- their number --- */

static int idle_streams_wait_step(lua_State *L) {
    (void)L;
    return 0;
}

static const WaitKind count_wait = {idle_streams_wait_step, NULL, idle_streams_describe_wait};

/* idle_streams:wait(n) waits until it looks after no more than n streams. */
static int idle_streams_wait(lua_State *L) {
    IdleStreams *all = idle_streams_check(L);
    unsigned enough = (unsigned)luaL_checkinteger(L, 2);
    Task *task = task_enter(L, all->loop);
    if (task == NULL) return run_outside(L);
    if (all->count <= enough) return 0;
    task->waiter.threshold = enough;
    waiter_join(&task->waiter, &all->counters, NULL);
    return task_wait(L, task, &count_wait, all);
}

/* idle_streams:count() how many streams it looks after. */
static int idle_streams_count(lua_State *L) {
    lua_pushinteger(L, idle_streams_check(L)->count);
    return 1;
}

/* --- ending --- */

/* Makes the stream ready if it is idle: then it is looked at again. */
static void idle_streams_rouse(const IdleStreams *all, const Stream *stream) {
    const WaitQueue *queue = &stream->socket.poller.waiters;
    Waiter *next;
    for (Waiter *waiter = wait_queue_first(queue); waiter != NULL; waiter = next) {
        next = wait_queue_next(queue, waiter);
        if (waiter->task != NULL) continue;
        CallbackWaiter *callback_waiter = container_of(waiter, CallbackWaiter, waiter);
        bool is_idle = callback_waiter->woken == idle_stream_woken;
        if (is_idle && container_of(callback_waiter, IdleStream, callback_waiter)->all == all)
            waiter_wake(waiter, 0);
    }
}

/*
** idle_streams:finish(at_once) closes those that only wait, and each other one when its
** handler returns and nothing has arrived for another call. With `at_once`, handlers are
** not called any more.
*/
static int idle_streams_finish(lua_State *L) {
    IdleStreams *all = idle_streams_check(L);
    all->state = lua_toboolean(L, 2) ? IDLE_STOPS : IDLE_FINISHES;
    lua_getiuservalue(L, 1, 1);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        idle_streams_rouse(all, lua_touserdata(L, -1));
    if (all->state == IDLE_STOPS) idle_streams_first_ready(L, all);
    return 0;
}

/* --- making and closing --- */

/*
** idle_streams:close() closes every stream that it looks after. Those whose handler runs
** count until it ends; a handler that has not begun may have been cancelled, and never does.
*/
static int idle_streams_close(lua_State *L) {
    IdleStreams *all = idle_streams_check(L);
    lua_getiuservalue(L, 1, 1);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        handle_close(lua_touserdata(L, -1));
    all->state = IDLE_CLOSED;
    idle_streams_first_ready(L, all); /* those that were idle are ready now, and are dropped */
    all->count = all->handled;
    wait_queue_wake_at(&all->counters, all->count);
    return 0;
}

/* idle_streams_new() */
static int idle_streams_new(lua_State *L) {
    Loop *loop = loop_of(L);
    IdleStreams *all = lua_newuserdatauv(L, sizeof *all, 1);
    *all = (IdleStreams){.loop = loop};
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, idle_streams_name);
    return 1;
}

static const luaL_Reg methods[] = {
    {"add", idle_streams_add},     {"take", idle_streams_take},
    {"wait", idle_streams_wait},   {"close", idle_streams_close},
    {"count", idle_streams_count}, {"finish", idle_streams_finish},
    {"serve", idle_streams_serve}, {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__close", idle_streams_close},
    {"__gc", idle_streams_close},
    {NULL, NULL},
};

void idle_streams_open(lua_State *L) {
    luaL_newmetatable(L, idle_streams_name);
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_pushcfunction(L, idle_streams_new);
    lua_setfield(L, -2, "idle_streams_new");
}
