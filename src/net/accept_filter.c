/*
** Owns what a listener has accepted and not given out yet. A Lua function makes
** each stream ready, in a task of the filter's own; streams that are ready wait
** in order for accept. When `most` are being made ready, the oldest of them gives
** way to a new one: silent clients hold up nobody.
*/
#include "base/openers.h"

#include "base/error.h"
#include "kernel/background.h"
#include "kernel/task.h"
#include "kernel/task_result.h"
#include "net/listener.h"

/* The user values of a filter. */
enum { FILTER_FUNCTION = 1, FILTER_STREAMS /* the ready ones, by address */, FILTER_LAST_FAILURE };

/* A userdata: the user value of its listener, and in the registry by address while it has tasks. */
typedef struct Filter {
    AcceptFilter accept_filter;
    TaskOwner owner;
    TaskOwner past_owner; /* of the tasks that have given way */
    Scope scope;          /* of its tasks, oldest first: in the tree while there are any */
    Loop *loop;
    Listener *listener; /* NULL once it is closed */
    uint64_t failed;
    unsigned most;   /* streams that are being made ready at a time */
    unsigned active; /* of those: now */
    unsigned tasks;  /* that have not ended, the ones that have given way included */
    unsigned first, count;
    Stream *ready[]; /* a ring of `most` */
} Filter;

enum { MOST_LEAVING = 64 }; /* tasks that have given way, and not ended yet */

static const ScopeType filter_scope_type = {false, NULL};

static Filter *filter_of(AcceptFilter *accept_filter) {
    return container_of(accept_filter, Filter, accept_filter);
}

static Filter *filter_of_task(const Task *task) {
    return container_of(task->owner, Filter, owner);
}

static bool filter_is_active(const Filter *filter, const Task *task) {
    return task->owner == &filter->owner;
}

/* --- the task of a stream --- */

/* [-1, +0] The stream on top is ready. */
static void filter_add_ready(lua_State *L, Filter *filter) {
    Stream *stream = lua_touserdata(L, -1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, filter);
    lua_getiuservalue(L, -1, FILTER_STREAMS);
    lua_pushvalue(L, -3);
    lua_rawsetp(L, -2, stream);
    lua_pop(L, 3);
    filter->ready[(filter->first + filter->count++) % filter->most] = stream;
    filter->listener->accepted++;
}

/* [-1, +0] The value on top says why a stream has failed; nil after an error or a cancellation. */
static void filter_add_failure(lua_State *L, Filter *filter) {
    filter->failed++;
    lua_rawgetp(L, LUA_REGISTRYINDEX, filter);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, FILTER_LAST_FAILURE);
    lua_pop(L, 1);
}

/* The stack of a task: the stream, the listener, then the results of the function. */
enum { RUN_STREAM = 1, RUN_LISTENER, RUN_RESULT, RUN_MESSAGE };

static int filter_ran(lua_State *L, int status, lua_KContext context) {
    Filter *filter = (Filter *)context;
    (void)status;
    bool is_ready = lua_toboolean(L, RUN_RESULT);
    if (!filter_is_active(filter, filter->loop->running)) return 0;
    if (is_ready && !lua_rawequal(L, RUN_RESULT, RUN_STREAM))
        return luaL_error(L, "an accept filter returns its stream, or nil and a message");
    if (!is_ready || filter->listener == NULL) {
        handle_close(lua_touserdata(L, RUN_STREAM));
        lua_settop(L, RUN_MESSAGE);
        filter_add_failure(L, filter);
    } else {
        lua_settop(L, RUN_STREAM);
        filter_add_ready(L, filter);
    }
    return 0;
}

/* (stream, listener, fn): calls fn(stream, listener). */
static int filter_run(lua_State *L) {
    lua_KContext context = (lua_KContext)filter_of_task(loop_of(L)->running);
    lua_pushvalue(L, RUN_STREAM);
    lua_pushvalue(L, RUN_LISTENER);
    lua_callk(L, 2, 2, context, filter_ran);
    return filter_ran(L, LUA_OK, context);
}

static void filter_report(lua_State *L, int object) {
    task_push_failure(L, object);
    lua_pushvalue(L, object);
    task_report(L);
}

static void filter_drop_task(lua_State *L, Filter *filter) {
    if (--filter->tasks == 0) {
        scope_detach(&filter->scope);
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, filter);
    }
    if (filter->listener != NULL) listener_wake(filter->listener);
}

/* The function's own answer has been dealt with; what else can end a task has not. */
static void filter_task_ended(lua_State *L, Task *task, int object, int stream) {
    Filter *filter = filter_of_task(task);
    if (task->state == TASK_FAILED && object != 0) filter_report(L, object);
    if (task->state != TASK_DONE) {
        if (stream != 0) handle_close(lua_touserdata(L, stream));
        lua_pushnil(L);
        filter_add_failure(L, filter);
    }
    filter->active--;
    filter_drop_task(L, filter);
}

/* --- giving way --- */

/*
** [-0, +1] the address of a TCP stream's other end, which a closed stream still knows; a
** Unix stream's own name
*/
static void filter_push_peer(lua_State *L, const Stream *stream) {
    if (address_is_inet(&stream->remote))
        address_push(L, &stream->remote);
    else
        handle_push_name(L, &stream->socket.handle);
}

static void filter_past_task_ended(lua_State *L, Task *task, int object, int index) {
    Filter *filter = container_of(task->owner, Filter, past_owner);
    Stream *stream = index != 0 ? lua_touserdata(L, index) : NULL;
    if (task->state == TASK_FAILED && object != 0) filter_report(L, object);
    if (stream != NULL) {
        filter_push_peer(L, stream);
        handle_close(&stream->socket.handle);
        lua_pushfstring(
            L, "handshake with %s: gave way to a newer connection, since %d were unfinished",
            lua_tostring(L, -1), (int)filter->most);
        lua_replace(L, -2);
    } else {
        lua_pushnil(L);
    }
    filter_add_failure(L, filter);
    filter_drop_task(L, filter);
}

static Task *filter_oldest(const Filter *filter) {
    const List *scopes = &filter->scope.children;
    for (ListNode *node = scopes->first; node != NULL; node = list_next(scopes, node)) {
        Task *task = container_of(container_of(node, Scope, sibling), Task, root);
        if (filter_is_active(filter, task)) return task;
    }
    return NULL;
}

static void filter_give_way(Filter *filter) {
    Task *oldest = filter_oldest(filter);
    if (oldest == NULL) return;
    oldest->owner = &filter->past_owner;
    filter->active--;
    scope_cancel(&oldest->root);
}

/* --- what the listener knows --- */

static bool filter_take(lua_State *L, AcceptFilter *accept_filter, int listener) {
    Filter *filter = filter_of(accept_filter);
    if (filter->count == 0) return false;
    const Stream *stream = filter->ready[filter->first];
    lua_getiuservalue(L, listener, LISTENER_FILTER_VALUE);
    lua_getiuservalue(L, -1, FILTER_STREAMS);
    lua_rawgetp(L, -1, stream);
    lua_replace(L, -3);
    lua_pushnil(L);
    lua_rawsetp(L, -2, stream);
    lua_pop(L, 1);
    filter->first = (filter->first + 1) % filter->most;
    filter->count--;
    return true;
}

/* (filter, stream, listener): starts the task. */
static int filter_spawn(lua_State *L) {
    Filter *filter = lua_touserdata(L, 1);
    lua_getiuservalue(L, 3, LISTENER_FILTER_VALUE);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, filter);
    lua_pushcfunction(L, filter_run);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_getiuservalue(L, 4, FILTER_FUNCTION);
    Task *task = task_spawn(L, filter->loop, &filter->scope, 3, 2);
    task->owner = &filter->owner;
    const Task *accepting = filter->loop->running;
    if (accepting != NULL && accepting->background) background_add(task);
    filter->active++;
    if (filter->tasks++ == 0) scope_attach(&filter->scope, &filter->loop->root);
    return 0;
}

/* Without memory for the task, the connection has failed. */
static void filter_start(lua_State *L, AcceptFilter *accept_filter, int listener) {
    Filter *filter = filter_of(accept_filter);
    Stream *stream = lua_touserdata(L, -1);
    if (filter->active == filter->most) filter_give_way(filter);
    lua_pushcfunction(L, filter_spawn);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, filter);
    lua_insert(L, -2);
    lua_pushvalue(L, listener);
    if (lua_pcall(L, 3, 0, 0) == LUA_OK) return;
    lua_pop(L, 1);
    handle_close(&stream->socket.handle);
    filter->failed++;
}

static bool filter_is_full(AcceptFilter *accept_filter) {
    const Filter *filter = filter_of(accept_filter);
    return filter->tasks - filter->active >= MOST_LEAVING;
}

static void filter_end(AcceptFilter *accept_filter) {
    Filter *filter = filter_of(accept_filter);
    filter->listener = NULL;
    for (; filter->count > 0; filter->count--)
        handle_close(
            &filter->ready[(filter->first + filter->count - 1) % filter->most]->socket.handle);
    if (!filter->loop->closed && filter->tasks > 0) scope_cancel(&filter->scope);
}

static const AcceptFilterType filter_type = {filter_take, filter_start, filter_is_full, filter_end};

/* --- for Lua --- */

/*
** listener_filter(listener, fn, most): from now on fn(stream, listener) is
** called, in a task, for each connection; the oldest of `most` calls that have not
** returned is cancelled when one more is needed. It returns the stream when accept
** may give it out, or nil and why not; an error goes to on_error. The stream is
** closed then, and when the listener is closed first. The listener becomes a TLS
** listener. True, or nil, message, "CLOSED".
*/
static int listener_filter(lua_State *L) {
    Listener *listener = listener_check(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    unsigned most = (unsigned)args_integer(L, 3, 1, 1 << 20);
    if (!listener->socket.handle.open)
        return handle_fail(L, &listener->socket.handle, "start_tls", ARSENAL_CLOSED);
    Filter *filter = lua_newuserdatauv(L, sizeof *filter + most * sizeof(Stream *), 3);
    *filter = (Filter){
        .accept_filter.type = &filter_type,
        .owner = {filter_task_ended},
        .past_owner = {filter_past_task_ended},
        .scope.type = &filter_scope_type,
        .loop = listener->socket.handle.loop,
        .listener = listener,
        .most = most,
    };
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, FILTER_FUNCTION);
    lua_newtable(L);
    lua_setiuservalue(L, -2, FILTER_STREAMS);
    lua_setiuservalue(L, 1, LISTENER_FILTER_VALUE);
    listener->filter = &filter->accept_filter;
    handle_become(L, 1, &listener_types[LISTENER_TLS]);
    lua_pushboolean(L, true);
    return 1;
}

/* listener_filtering(listener): streams in a task, those that have failed, why the last one has. */
static int listener_filtering(lua_State *L) {
    const Listener *listener = listener_check(L, 1);
    if (listener->filter == NULL) return 0;
    const Filter *filter = filter_of(listener->filter);
    lua_pushinteger(L, filter->active);
    lua_pushinteger(L, (lua_Integer)filter->failed);
    lua_getiuservalue(L, 1, LISTENER_FILTER_VALUE);
    lua_getiuservalue(L, -1, FILTER_LAST_FAILURE);
    lua_replace(L, -2);
    return 3;
}

/* listener_is_crowded(listener): whether more than half of the streams that may be in a task are. */
static int listener_is_crowded(lua_State *L) {
    const Listener *listener = listener_check(L, 1);
    const Filter *filter = listener->filter != NULL ? filter_of(listener->filter) : NULL;
    lua_pushboolean(L, filter != NULL && filter->active > filter->most / 2);
    return 1;
}

static const luaL_Reg functions[] = {
    {"listener_filter", listener_filter},
    {"listener_is_crowded", listener_is_crowded},
    {"listener_filtering", listener_filtering},
    {NULL, NULL},
};

void accept_filter_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
