/*
** Owns accepting: a task takes the connection itself, so that none is accepted
** before somebody wants it. What passes by itself (no descriptors left, a
** connection aborted in the queue) is waited out.
*/
#include "net/listener.h"

#include "system/socket_name.h"
#include "base/error.h"
#include "event/run.h"
#include "system/socket.h"

static const uint64_t PAUSE =
    100 * 1000 * 1000; /* nanoseconds, for want of descriptors or memory */

static void describe(lua_State *L, const Handle *handle) {
    socket_name_push_text(L, ((const Listener *)handle)->poller.fd, END_LOCAL);
}

static void close_listener(Handle *handle) {
    Listener *listener = (Listener *)handle;
    int fd = listener->poller.fd;
    poller_close(&listener->poller, ARSENAL_CLOSED);
    wait_queue_dismiss(&listener->pausing, ARSENAL_CLOSED);
    if (!handle->loop->closed) timer_heap_clear(&handle->loop->timers, &listener->pause);
    if (listener->file != NULL) unix_socket_file_remove(listener->file);
    listener->file = NULL;
    if (listener->filter != NULL) listener->filter->type->end(listener->filter);
    listener->filter = NULL;
    socket_close(fd);
}

static int attempt(lua_State *L);

static int watch(void *object, Waiter *waiter);
static void pause_passed(Timer *timer);
static const Selectable source = {attempt, watch, NULL, NULL};

const HandleType listener_types[LISTENER_FAMILIES] = {
    [LISTENER_TCP] = {"tcp listener", "listener", KIND_TCP_LISTENER, close_listener, describe,
                      &source},
    [LISTENER_UNIX] = {"unix listener", "listener", KIND_UNIX_LISTENER, close_listener, describe,
                       &source},
    [LISTENER_TLS] = {"tls listener", "listener", KIND_TLS_LISTENER, close_listener, describe,
                      &source},
};

Listener *listener_check(lua_State *L, int index) {
    return handle_check(L, index, listener_types, LISTENER_FAMILIES);
}

Listener *listener_new(lua_State *L, int family, int stream_family) {
    Listener *listener = handle_new(L, &listener_types[family], sizeof *listener, 1);
    listener->stream_family = stream_family;
    listener->poller.fd = -1;
    listener->pause.fired = pause_passed;
    return listener;
}

void listener_wake(Listener *listener) {
    wait_queue_wake(&listener->pausing, 0);
    wait_queue_wake_events(&listener->poller.waiters, POLL_READ);
}

void listener_adopt(Listener *listener, int fd) {
    poller_init(&listener->poller, listener->handle.loop, fd);
    handle_opened(&listener->handle);
}

/* --- accepting --- */

/* Whether the descriptor that accept returned, or the status, says "again, but not at once". */
static bool is_shortage(int status) {
    return status == UV_EMFILE || status == UV_ENFILE || status == UV_ENOBUFS ||
           status == UV_ENOMEM;
}

/* Errors of one connection that is gone already, or of the network on its way. */
static bool is_passing(int status) {
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

/* [-0, +1] pushes the object first, so that a lack of memory loses no connection; nil on a status. */
static int take(lua_State *L, Listener *listener) {
    Address peer = {0};
    Stream *stream = stream_new(L, listener->stream_family);
    int fd = socket_accept(listener->poller.fd, &peer);
    if (fd == UV_EAGAIN) poller_exhausted(&listener->poller, POLL_READ);
    if (fd < 0) stream_spare(L);
    if (fd < 0) return fd;
    if (listener->filter == NULL) listener->accepted++;
    stream_adopt(stream, fd, &peer);
    return 0;
}

static int go_on(lua_State *L);

static void describe_accept(lua_State *L, Task *task) {
    handle_push_name(L, task->object);
    lua_pushfstring(L, "accepting on %s", lua_tostring(L, -1));
    lua_replace(L, -2);
}

static const WaitKind accept_wait = {go_on, NULL, describe_accept};

static bool is_full(const Listener *listener) {
    return listener->filter != NULL && listener->filter->type->is_full(listener->filter);
}

/* Lets the waiter wait for the next moment when accepting is worth trying. */
static int watch(void *object, Waiter *waiter) {
    Listener *listener = object;
    if (!timer_is_set(&listener->pause) && !is_full(listener))
        return poller_wait(&listener->poller, waiter, POLL_READ);
    waiter_join(waiter, &listener->pausing, NULL);
    return 0;
}

static void pause_passed(Timer *timer) {
    Listener *listener = (Listener *)((char *)timer - offsetof(Listener, pause));
    wait_queue_wake(&listener->pausing, 0);
}

/* For want of descriptors or memory: nobody accepts for a while. */
static int begin_pause(Listener *listener) {
    listener->refused++;
    bool set =
        timer_heap_set(&listener->handle.loop->timers, &listener->pause, uv_hrtime() + PAUSE);
    return set ? 0 : UV_ENOMEM;
}

static int wait_for_client(lua_State *L, Listener *listener, Task *task) {
    int status = watch(listener, &task->waiter);
    if (status != 0) return handle_fail(L, &listener->handle, "accept", status);
    return task_wait(L, task, &accept_wait, listener);
}

/* [-0, +1 or 0] takes the next connection. Returns 0, UV_EAGAIN to wait, or why that is of no use. */
static int take_raw(lua_State *L, Listener *listener) {
    if (timer_is_set(&listener->pause) || !(listener->poller.ready & POLL_READ)) return UV_EAGAIN;
    int status = take(L, listener);
    if (status == 0) return 0;
    lua_pop(L, 1);
    if (!is_shortage(status)) return status;
    status = begin_pause(listener);
    return status != 0 ? status : UV_EAGAIN;
}

/* [-0, +1 or 0] The same with a filter, which starts on those that come while it is not full. */
static int take_filtered(lua_State *L, Listener *listener) {
    AcceptFilter *filter = listener->filter;
    while (!filter->type->take(L, filter, 1)) {
        int status = filter->type->is_full(filter) ? UV_EAGAIN : take_raw(L, listener);
        if (status != 0) return status;
        filter->type->start(L, filter, 1);
    }
    return 0;
}

static int take_next(lua_State *L, Listener *listener) {
    return listener->filter == NULL ? take_raw(L, listener) : take_filtered(L, listener);
}

static int accept_next(lua_State *L, Listener *listener, Task *task) {
    for (;;) {
        if (task_spent(listener->handle.loop)) return task_pause(L, task, &accept_wait, listener);
        int status = take_next(L, listener);
        if (status == 0) return 1;
        if (status == UV_EAGAIN) return wait_for_client(L, listener, task);
        if (!is_passing(status)) return handle_fail(L, &listener->handle, "accept", status);
    }
}

static int go_on(lua_State *L) {
    Listener *listener = lua_touserdata(L, 1);
    Task *task = listener->handle.loop->running;
    if (!listener->handle.open) return handle_fail(L, &listener->handle, "accept", ARSENAL_CLOSED);
    return accept_next(L, listener, task);
}

/* listener:accept() the next connection, a stream. Several tasks may accept. */
static int accept_method(lua_State *L) {
    Listener *listener = listener_check(L, 1);
    lua_settop(L, 1);
    Task *task = task_enter(L, listener->handle.loop);
    if (task == NULL) return run_outside(L);
    return go_on(L);
}

static int attempt(lua_State *L) {
    Listener *listener = listener_check(L, 1);
    if (!listener->handle.open) return handle_fail(L, &listener->handle, "accept", ARSENAL_CLOSED);
    int status;
    do {
        status = take_next(L, listener);
    } while (is_passing(status));
    if (status == 0) return 1;
    return status == UV_EAGAIN ? 0 : handle_fail(L, &listener->handle, "accept", status);
}

/* listener:local_address() host, port; or a path */
static int local_address(lua_State *L) {
    Listener *listener = listener_check(L, 1);
    int results = ARSENAL_CLOSED;
    if (listener->handle.open) results = socket_name_push(L, listener->poller.fd, END_LOCAL);
    return results > 0 ? results : handle_fail(L, &listener->handle, "local_address", results);
}

/* listener:fd() the descriptor, which stays the listener's. */
static int fd(lua_State *L) {
    Listener *listener = listener_check(L, 1);
    if (!listener->handle.open) return handle_fail(L, &listener->handle, "fd", ARSENAL_CLOSED);
    lua_pushinteger(L, listener->poller.fd);
    return 1;
}

/* counts(listener): connections accepted, and times that descriptors or memory had run out. */
static int counts(lua_State *L) {
    Listener *listener = listener_check(L, 1);
    lua_pushinteger(L, (lua_Integer)listener->accepted);
    lua_pushinteger(L, (lua_Integer)listener->refused);
    return 2;
}

static const luaL_Reg methods[] = {
    {"accept", accept_method},
    {"local_address", local_address},
    {"fd", fd},
    {NULL, NULL},
};

void listener_open(lua_State *L) {
    luaL_newlibtable(L, methods);
    luaL_setfuncs(L, methods, 0);
    for (int family = 0; family < LISTENER_FAMILIES; family++)
        handle_define(L, &listener_types[family]);
    lua_setfield(L, -2, "listener_methods");
    lua_pushcfunction(L, counts);
    lua_setfield(L, -2, "listener_counts");
}
