/*
** Owns accepting: a task takes the connection itself, so that none is accepted
** before a task wants it. Failures that pass by themselves are waited out: the
** system has no descriptors or watches left, or a connection was aborted in the queue.
*/
#include "net/listener.h"

#include "base/error.h"
#include "event/run.h"
#include "kernel/clock.h"
#include "system/socket.h"
#include "system/socket_name.h"

static const uint64_t PAUSE = UINT64_C(100000000); /* nanoseconds without resources */

enum { SELF = 1 };

static Listener *listener_of(Handle *handle) {
    return container_of(handle, Listener, socket.handle);
}

static void listener_describe(lua_State *L, const Handle *handle) {
    socket_name_push_text(L, listener_of((Handle *)handle)->socket.poller.fd, END_LOCAL);
}

static void listener_close(Handle *handle) {
    Listener *listener = listener_of(handle);
    int fd = socket_handle_release(&listener->socket);
    wait_queue_dismiss(&listener->pausing, ARSENAL_CLOSED);
    if (!handle->loop->closed) timer_heap_clear(&handle->loop->timers, &listener->pause);
    if (listener->file != NULL) unix_socket_file_remove(listener->file);
    listener->file = NULL;
    if (listener->filter != NULL) listener->filter->type->end(listener->filter);
    listener->filter = NULL;
    socket_close(fd);
    if (listener->closing != NULL && !handle->loop->closed) event_set(listener->closing);
}

static int accept_attempt(lua_State *L);
static int accept_watch(void *object, Waiter *waiter);
static const Selectable accept_selectable = {accept_attempt, accept_watch, NULL, NULL};

#define LISTENER_TYPE(name, kind) \
    { name, "listener", kind, listener_close, listener_describe, &accept_selectable }

const HandleType listener_types[LISTENER_FAMILIES] = {
    [LISTENER_TCP] = LISTENER_TYPE("tcp listener", KIND_TCP_LISTENER),
    [LISTENER_UNIX] = LISTENER_TYPE("unix listener", KIND_UNIX_LISTENER),
    [LISTENER_TLS] = LISTENER_TYPE("tls listener", KIND_TLS_LISTENER),
};

Listener *listener_check(lua_State *L, int index) {
    return handle_check(L, index, listener_types, LISTENER_FAMILIES);
}

static void listener_pause_passed(Timer *timer) {
    wait_queue_wake(&container_of(timer, Listener, pause)->pausing, 0);
}

Listener *listener_new(lua_State *L, int family, int stream_family) {
    Listener *listener =
        socket_handle_new(L, &listener_types[family], sizeof *listener, LISTENER_VALUES);
    listener->stream_family = stream_family;
    listener->pause.fired = listener_pause_passed;
    listener->tried_turn = UINT64_MAX;
    return listener;
}

void listener_adopt(Listener *listener, int fd) {
    socket_handle_adopt(&listener->socket, fd);
    listener->socket.poller.repeats = true;
}

void listener_wake(Listener *listener) {
    wait_queue_wake(&listener->pausing, 0);
    wait_queue_wake_events(&listener->socket.poller.waiters, POLL_READ);
}

/* --- how many connections are accepted in a turn --- */

/*
** An attempt in vain is as expensive as ten other calls, because the system makes
** the socket first. And nothing says how many connections are in the queue. So a
** turn takes one of them; if more are there, the next poll ends at once. If the last
** attempt in vain was long enough ago, the turn takes all, up to such an attempt.
*/
static const uint64_t NEXT_IN_VAIN = UINT64_C(500000); /* nanoseconds from one to the next */

static bool accept_should_try(Listener *listener) {
    const Loop *loop = listener->socket.handle.loop;
    if (listener->tried_turn != loop->turns) {
        listener->tried_turn = loop->turns;
        listener->tries_on = false;
        return true;
    }
    if (!listener->tries_on)
        listener->tries_on = clock_now(loop) - listener->in_vain >= NEXT_IN_VAIN;
    return listener->tries_on;
}

/* For a caller that gives up if an attempt fails: this turn takes all. */
static void accept_try_on(Listener *listener) {
    listener->tried_turn = listener->socket.handle.loop->turns;
    listener->tries_on = true;
}

static void accept_was_in_vain(Listener *listener) {
    poller_exhausted(&listener->socket.poller, POLL_READ);
    listener->in_vain = clock_now(listener->socket.handle.loop);
}

/* --- one connection --- */

/* Whether descriptors, watches or memory have run out: accepting is worth another try after a pause. */
static bool accept_is_short(int status) {
    return status == UV_EMFILE || status == UV_ENFILE || status == UV_ENOBUFS ||
           status == UV_ENOMEM || status == UV_ENOSPC;
}

/* Whether only one connection has failed, by its peer or by the network: the next one may be good. */
static bool accept_is_passing(int status) {
    switch (status) {
    case UV_ECONNABORTED:
    case UV_EPROTO:
    case UV_EPERM:
    case UV_ENETDOWN:
    case UV_ENETUNREACH:
    case UV_EHOSTDOWN:
    case UV_EHOSTUNREACH:
    case UV_ENONET:
    case UV_ENOPROTOOPT:
        return true;
    default:
        return false;
    }
}

static int accept_begin_pause(Listener *listener) {
    Loop *loop = listener->socket.handle.loop;
    listener->refused++;
    bool is_set = timer_heap_set(&loop->timers, &listener->pause, clock_deadline(loop, PAUSE));
    return is_set ? 0 : UV_ENOMEM;
}

/* [-0, +1] */
static Stream *accept_make_stream(lua_State *L, Listener *listener) {
    if (!listener->has_spare) return stream_new(L, listener->stream_family);
    listener->has_spare = false;
    return stream_new_or_spare(L, listener->stream_family);
}

/* [-0, +1] The object is made first, so that a lack of memory loses no connection; nil on a status. */
static int accept_take_one(lua_State *L, Listener *listener) {
    Address peer = {0};
    Stream *stream = accept_make_stream(L, listener);
    int fd = socket_accept(listener->socket.poller.fd, &peer);
    if (fd == UV_EAGAIN) accept_was_in_vain(listener);
    if (fd < 0) {
        stream_spare(L);
        listener->has_spare = true;
        return fd;
    }
    if (listener->filter == NULL) listener->accepted++;
    stream_adopt(stream, fd, &peer);
    return 0;
}

/* [-0, +1 or 0] takes the next connection. Returns 0, UV_EAGAIN to wait, or why that is of no use. */
static int accept_take(lua_State *L, Listener *listener) {
    bool may_try =
        !timer_is_set(&listener->pause) && (listener->socket.poller.ready & POLL_READ) != 0;
    if (!may_try || !accept_should_try(listener)) return UV_EAGAIN;
    int status = accept_take_one(L, listener);
    if (status == 0) return 0;
    lua_pop(L, 1);
    if (!accept_is_short(status)) return status;
    status = accept_begin_pause(listener);
    return status != 0 ? status : UV_EAGAIN;
}

/* [-0, +1 or 0] The same with a filter, which starts on those that come while it is not full. */
static int accept_take_filtered(lua_State *L, Listener *listener) {
    AcceptFilter *filter = listener->filter;
    while (!filter->type->take(L, filter, SELF)) {
        int status = filter->type->is_full(filter) ? UV_EAGAIN : accept_take(L, listener);
        if (status != 0) return status;
        filter->type->start(L, filter, SELF);
    }
    return 0;
}

static int accept_take_next(lua_State *L, Listener *listener) {
    return listener->filter == NULL ? accept_take(L, listener) : accept_take_filtered(L, listener);
}

/* --- accept --- */

static int accept_step(lua_State *L, Task *task);

static void accept_describe_wait(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "accepting on");
}

static const WaitKind accept_wait = {accept_step, NULL, accept_describe_wait};

static bool accept_is_full(const Listener *listener) {
    return listener->filter != NULL && listener->filter->type->is_full(listener->filter);
}

/* A listener that cannot be watched is tried again after a pause, as if there had been an event. */
static int accept_watch_descriptor(Listener *listener, Waiter *waiter) {
    int status = poller_wait(&listener->socket.poller, waiter, POLL_READ);
    if (!accept_is_short(status)) return status;
    listener->socket.poller.ready |= POLL_READ;
    status = accept_begin_pause(listener);
    if (status == 0) waiter_join(waiter, &listener->pausing, NULL);
    return status;
}

/* Lets the waiter wait for the next moment when accepting is worth a try. */
static int accept_watch(void *object, Waiter *waiter) {
    Listener *listener = object;
    if (!timer_is_set(&listener->pause) && !accept_is_full(listener))
        return accept_watch_descriptor(listener, waiter);
    waiter_join(waiter, &listener->pausing, NULL);
    return 0;
}

static int accept_fail(lua_State *L, const Listener *listener, int status) {
    return handle_fail(L, &listener->socket.handle, "accept", status);
}

static int accept_wait_for_client(lua_State *L, Listener *listener, Task *task) {
    int status = accept_watch(listener, &task->waiter);
    if (status != 0) return accept_fail(L, listener, status);
    return task_wait(L, task, &accept_wait, listener);
}

static int accept_step(lua_State *L, Task *task) {
    Listener *listener = lua_touserdata(L, SELF);
    if (!listener->socket.handle.open) return accept_fail(L, listener, ARSENAL_CLOSED);
    if (task->scopes.innermost->doomed) accept_try_on(listener);
    for (;;) {
        if (task_spent(task->loop)) return task_pause(L, task, &accept_wait, listener);
        int status = accept_take_next(L, listener);
        if (status == 0) return 1;
        if (status == UV_EAGAIN) return accept_wait_for_client(L, listener, task);
        if (!accept_is_passing(status)) return accept_fail(L, listener, status);
    }
}

/* listener:accept() the next connection, a stream. Several tasks may accept. */
static int accept_method(lua_State *L) {
    const Listener *listener = listener_check(L, SELF);
    lua_settop(L, SELF);
    Task *task = task_enter(L, listener->socket.handle.loop);
    return task == NULL ? run_outside(L) : accept_step(L, task);
}

static int accept_attempt(lua_State *L) {
    Listener *listener = listener_check(L, SELF);
    if (!listener->socket.handle.open) return accept_fail(L, listener, ARSENAL_CLOSED);
    accept_try_on(listener);
    int status;
    do {
        status = accept_take_next(L, listener);
    } while (accept_is_passing(status));
    if (status == 0) return 1;
    return status == UV_EAGAIN ? 0 : accept_fail(L, listener, status);
}

/* listener:closing() an event that is set when the listener is closed; the same one at each call. */
static int listener_closing(lua_State *L) {
    Listener *listener = listener_check(L, 1);
    if (listener->closing == NULL) {
        Event *closing = event_push_new(L);
        lua_setiuservalue(L, 1, LISTENER_CLOSING_VALUE);
        listener->closing = closing;
        if (!listener->socket.handle.open) event_set(closing);
    }
    lua_getiuservalue(L, 1, LISTENER_CLOSING_VALUE);
    return 1;
}

/* listener_counts(listener): connections accepted, and times that accepting paused for want of resources. */
static int listener_counts(lua_State *L) {
    const Listener *listener = listener_check(L, 1);
    lua_pushinteger(L, (lua_Integer)listener->accepted);
    lua_pushinteger(L, (lua_Integer)listener->refused);
    return 2;
}

static const luaL_Reg methods[] = {
    {"accept", accept_method},
    {"closing", listener_closing},
    {NULL, NULL},
};

static const luaL_Reg socket_methods[] = {
    {"local_address", socket_handle_local_address},
    {"fd", socket_handle_fd},
    {NULL, NULL},
};

void listener_open(lua_State *L) {
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    socket_handle_set_methods(L, socket_methods, listener_types, LISTENER_FAMILIES);
    for (int family = 0; family < LISTENER_FAMILIES; family++)
        handle_define(L, &listener_types[family]);
    lua_setfield(L, -2, "listener_methods");
    lua_pushcfunction(L, listener_counts);
    lua_setfield(L, -2, "listener_counts");
}
