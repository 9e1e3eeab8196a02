/*
** Owns streams between two calls of their handler, for serve's `when =
** "readable"`: no task waits for them, so that each costs a few bytes only.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "kernel/traceback.h"
#include "stream/stream_io.h"
#include "task/group.h"

#include <stdlib.h>

typedef struct IdleStreams {
    Loop *loop;
    enum {
        IDLE_GOES_ON,
        IDLE_FINISHES, /* streams that only wait are closed */
        IDLE_STOPS     /* no handler is called any more */
    } state;
    unsigned count; /* of those streams: idle ones, ready ones, those whose handler has a task */
    struct IdleStream *spare; /* memory for the next one, or NULL */
    TaskOwner *group;         /* of those tasks */
    WaitQueue ready;          /* idle streams that can be read or are closed */
    WaitQueue takers;         /* tasks that wait for one of those */
    WaitQueue counters;       /* each waits until no more streams are left than its threshold */
} IdleStreams;

/*
** A stream that is looked after. The registry has, by the address of IdleStreams, a table
** with the streams' objects by the address of these.
*/
typedef struct IdleStream {
    CallbackWaiter callback_waiter; /* it waits unless the stream has a task */
    TaskOwner owner;                /* of that task */
    Task *task;                     /* that calls the stream's handler, or NULL */
    bool has_returned;              /* the handler has, and its task is about to end */
    IdleStreams *all;
    Stream *stream;
} IdleStream;

static const char idle_streams_name[] = "arsenal.idle_streams";

static IdleStreams *idle_streams_check(lua_State *L) {
    return luaL_checkudata(L, 1, idle_streams_name);
}

static IdleStream *idle_stream_of(Waiter *waiter) {
    return container_of(waiter, IdleStream, callback_waiter.waiter);
}

/* [-1, +0] sets the entry of the stream to the value on top: its object, or nil. */
static void idle_stream_set(lua_State *L, const IdleStream *idle) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, idle->all);
    lua_insert(L, -2);
    lua_rawsetp(L, -2, idle);
    lua_pop(L, 1);
}

/* [-0, +1] pushes the stream's object. */
static void idle_stream_push(lua_State *L, const IdleStream *idle) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, idle->all);
    lua_rawgetp(L, -1, idle);
    lua_remove(L, -2);
}

/* Closing the stream wakes what waits for it. */
static void idle_stream_drop(lua_State *L, IdleStream *idle) {
    IdleStreams *all = idle->all;
    handle_close(&idle->stream->socket.handle);
    waiter_leave(&idle->callback_waiter.waiter);
    lua_pushnil(L);
    idle_stream_set(L, idle);
    free(idle);
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
    if (!stream->socket.handle.open || all->state == IDLE_STOPS) return false;
    if (all->state == IDLE_FINISHES) return idle_stream_has_bytes(stream);
    bool was_read = stream->socket.poller.watched || !transport_is_plain(stream->transport);
    bool may_have_more = was_read && (stream->socket.poller.ready & POLL_READ);
    return may_have_more || stream->read_end != 0 ? stream_probe(stream) : true;
}

/* False if the stream is closed or at its end: the handler is not called. */
static bool idle_stream_is_worth_a_call(const IdleStreams *all, Stream *stream) {
    if (!stream->socket.handle.open || all->state == IDLE_STOPS) return false;
    if (all->state == IDLE_FINISHES) return idle_stream_has_bytes(stream);
    bool may_have_ended = !POLLER_SEES_ALL || (stream->socket.poller.ready & POLL_HANGUP);
    return may_have_ended || stream->read_end != 0 ? stream_probe(stream) : true;
}

/* Waits for the stream without a task. Returns a status. */
static int idle_stream_begin(IdleStream *idle) {
    Stream *stream = idle->stream;
    if (buffer_length(&stream->input) == 0)
        return poller_wait(&stream->socket.poller, &idle->callback_waiter.waiter, POLL_READ);
    idle_stream_woken(&idle->callback_waiter);
    return 0;
}

/* Looks after the stream for the next call of its handler, or drops it and returns false. */
static bool idle_stream_go_on(lua_State *L, IdleStream *idle) {
    if (idle_stream_goes_on(idle->all, idle->stream) && idle_stream_begin(idle) == 0) return true;
    idle_stream_drop(L, idle);
    return false;
}

/*
** idle_streams:add(stream) looks after the stream: it is idle until it can be
** read. One that is closed or at its end is dropped at once.
*/
static int idle_streams_add(lua_State *L) {
    IdleStreams *all = idle_streams_check(L);
    Stream *stream = stream_check(L, 2);
    if (all->spare == NULL) all->spare = malloc(sizeof *all->spare);
    IdleStream *idle = all->spare;
    if (idle == NULL) {
        handle_close(&stream->socket.handle);
        return 0;
    }
    *idle = (IdleStream){.callback_waiter.woken = idle_stream_woken, .all = all, .stream = stream};
    lua_settop(L, 2);
    idle_stream_set(L, idle);
    all->spare = NULL;
    all->count++;
    idle_stream_go_on(L, idle);
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
    IdleStream *idle = (IdleStream *)context;
    bool is_success = traceback_is_success(status);
    bool is_refused = lua_isboolean(L, SERVE_RESULT) && !lua_toboolean(L, SERVE_RESULT);
    if (!is_success) traceback_push(L);
    bool is_reported = !is_success && idle_streams_is_reported(L);
    if (!is_success || is_refused) handle_close(&idle->stream->socket.handle);
    idle->has_returned = true;
    return is_success || is_reported ? 0 : traceback_rethrow(L);
}

/*
** (idle_streams, stream, failed, listener, handler), in a task for it: calls
** handler(stream, listener). If the handler fails or returns false, the stream is closed. An
** error for which failed(listener, err, stream, traceback) returns true is not raised.
*/
static int idle_streams_serve(lua_State *L) {
    const IdleStreams *all = idle_streams_check(L);
    IdleStream *idle = container_of(all->loop->running->owner, IdleStream, owner);
    if (all->state == IDLE_STOPS || !idle->stream->socket.handle.open) return 0;
    lua_pushcfunction(L, traceback_handler);
    lua_pushvalue(L, SERVE_FUNCTION);
    lua_pushvalue(L, SERVE_STREAM);
    lua_pushvalue(L, SERVE_LISTENER);
    lua_KContext context = (lua_KContext)idle;
    int status = lua_pcallk(L, 2, 1, SERVE_HANDLER, context, idle_streams_served);
    return idle_streams_served(L, status, context);
}

/*
** However the task has ended: the stream is idle again, or is closed, because it was closed
** already or because the handler has not returned. It may not have begun.
*/
static void idle_stream_task_ended(lua_State *L, Task *task, int object, int attachment) {
    IdleStream *idle = container_of(task->owner, IdleStream, owner);
    TaskOwner *group = idle->all->group;
    if (!idle->has_returned) handle_close(&idle->stream->socket.handle);
    idle->task = NULL;
    bool goes_on = idle_stream_go_on(L, idle);
    task->owner = group;
    group->task_ended(L, task, object, goes_on ? 0 : attachment);
}

/* (idle_streams, group, failed, listener, handler): starts the task for a stream that is ready. */
static void idle_stream_start(lua_State *L, IdleStream *idle) {
    enum { STREAMS = 1, GROUP, ARGUMENTS = 5 };
    lua_pushcfunction(L, idle_streams_serve);
    lua_pushvalue(L, STREAMS);
    idle_stream_push(L, idle);
    int stream = lua_gettop(L);
    for (int i = SERVE_FAILED; i <= SERVE_FUNCTION; i++)
        lua_pushvalue(L, i);
    Task *task = group_spawn(L, GROUP, ARGUMENTS, stream);
    waiter_leave(&idle->callback_waiter.waiter);
    idle->all->group = task->owner;
    idle->owner.task_ended = idle_stream_task_ended;
    idle->task = task;
    idle->has_returned = false;
    task->owner = &idle->owner;
}

/* --- taking ready ones --- */

/* Whether an event came for nothing, as libuv's may: the stream, which was probed, has no bytes. */
static bool idle_stream_came_early(const Stream *stream) {
    return !POLLER_SEES_ALL && transport_is_plain(stream->transport) &&
           buffer_length(&stream->input) == 0;
}

/* The first ready stream that is worth a call of its handler, or NULL. */
static IdleStream *idle_streams_first_ready(lua_State *L, const IdleStreams *all) {
    Waiter *first;
    while ((first = wait_queue_first(&all->ready)) != NULL) {
        IdleStream *idle = idle_stream_of(first);
        bool is_worth_a_call = idle_stream_is_worth_a_call(all, idle->stream);
        if (is_worth_a_call && !idle_stream_came_early(idle->stream)) return idle;
        waiter_leave(first);
        if (!is_worth_a_call || idle_stream_begin(idle) != 0) idle_stream_drop(L, idle);
    }
    return NULL;
}

static int idle_streams_start_step(lua_State *L, Task *task);

static void idle_streams_describe_wait(lua_State *L, Task *task) {
    lua_pushfstring(L, "waiting for any of %d streams", (int)((IdleStreams *)task->object)->count);
}

static const WaitKind start_wait = {idle_streams_start_step, NULL, idle_streams_describe_wait};

static int idle_streams_start_step(lua_State *L, Task *task) {
    IdleStreams *all = idle_streams_check(L);
    IdleStream *idle = idle_streams_first_ready(L, all);
    if (idle != NULL) {
        idle_stream_start(L, idle);
        return 0;
    }
    waiter_join(&task->waiter, &all->takers, &all->loop->external_waiters);
    return task_wait(L, task, &start_wait, all);
}

/*
** idle_streams:start_next(group, failed, listener, handler) waits for a stream that can be
** read, and starts a task of the group which calls its handler: see idle_streams_serve.
*/
static int idle_streams_start_next(lua_State *L) {
    const IdleStreams *all = idle_streams_check(L);
    Task *task = task_enter(L, all->loop);
    if (task == NULL) return run_outside(L);
    return idle_streams_start_step(L, task);
}

/* --- their number --- */

static int idle_streams_wait_step(lua_State *L, Task *task) {
    (void)L, (void)task;
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
static void idle_stream_rouse(IdleStream *idle) {
    bool is_idle = idle->task == NULL && idle->callback_waiter.waiter.queue != &idle->all->ready;
    if (is_idle) waiter_wake(&idle->callback_waiter.waiter, 0);
}

/* [-1, +2 or 0] the next entry in the table of streams, as lua_next has it; NULL: there is none. */
static IdleStream *idle_streams_next(lua_State *L) {
    return lua_next(L, -2) ? lua_touserdata(L, -2) : NULL;
}

/*
** idle_streams:finish(at_once) closes those that only wait, and each other one when its
** handler returns and nothing has arrived for another call. With `at_once`, handlers are
** not called any more.
*/
static int idle_streams_finish(lua_State *L) {
    IdleStreams *all = idle_streams_check(L);
    IdleStream *idle;
    all->state = lua_toboolean(L, 2) ? IDLE_STOPS : IDLE_FINISHES;
    lua_rawgetp(L, LUA_REGISTRYINDEX, all);
    for (lua_pushnil(L); (idle = idle_streams_next(L)) != NULL; lua_pop(L, 1))
        idle_stream_rouse(idle);
    if (all->state == IDLE_STOPS) idle_streams_first_ready(L, all);
    return 0;
}

/* --- making and closing --- */

/* idle_streams:close() closes every stream. Those with a task count until it ends. */
static int idle_streams_close(lua_State *L) {
    IdleStreams *all = idle_streams_check(L);
    IdleStream *idle;
    all->state = IDLE_STOPS;
    lua_rawgetp(L, LUA_REGISTRYINDEX, all);
    for (lua_pushnil(L); (idle = idle_streams_next(L)) != NULL; lua_pop(L, 1)) {
        if (idle->task != NULL)
            handle_close(&idle->stream->socket.handle);
        else
            idle_stream_drop(L, idle);
    }
    return 0;
}

/* Tasks that are left may end later, for example because user code has closed the coroutine of one. */
static int idle_streams_gc(lua_State *L) {
    IdleStreams *all = idle_streams_check(L);
    IdleStream *idle;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, all) == LUA_TNIL) return 0;
    for (lua_pushnil(L); (idle = idle_streams_next(L)) != NULL; lua_pop(L, 1)) {
        if (idle->task != NULL) idle->task->owner = all->group;
        idle_stream_drop(L, idle);
    }
    wait_queue_dismiss(&all->takers, ARSENAL_CLOSED);
    wait_queue_dismiss(&all->counters, ARSENAL_CLOSED);
    free(all->spare);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, all);
    return 0;
}

/* idle_streams_new() */
static int idle_streams_new(lua_State *L) {
    Loop *loop = loop_of(L);
    IdleStreams *all = lua_newuserdatauv(L, sizeof *all, 0);
    *all = (IdleStreams){.loop = loop};
    luaL_setmetatable(L, idle_streams_name);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, all);
    return 1;
}

static const luaL_Reg methods[] = {
    {"add", idle_streams_add},
    {"start_next", idle_streams_start_next},
    {"wait", idle_streams_wait},
    {"close", idle_streams_close},
    {"count", idle_streams_count},
    {"finish", idle_streams_finish},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__close", idle_streams_close},
    {"__gc", idle_streams_gc},
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
