/*
** Owns waits until a socket of ours is readable or writable, whatever object has
** it, without receiving, accepting or sending. The kernel is asked each time,
** because another call may have taken what an event has reported.
*/
#include "base/error.h"
#include "base/openers.h"
#include "event/run.h"
#include "net/bare_socket.h"
#include "net/listener.h"
#include "system/socket.h"

enum { SELF = 1, EVENTS, DURATION };

/* A stream, a listener or a bare socket. */
static SocketHandle *socket_wait_check(lua_State *L) {
    SocketHandle *socket = handle_test_type(L, SELF, stream_types, STREAM_FAMILIES);
    if (socket == NULL) socket = handle_test_type(L, SELF, listener_types, LISTENER_FAMILIES);
    return socket != NULL ? socket : handle_check(L, SELF, &bare_socket_type, 1);
}

static unsigned socket_wait_events(lua_State *L) {
    static const char *const names[] = {"read", "write", NULL};
    return luaL_checkoption(L, EVENTS, NULL, names) == 0 ? POLL_READ : POLL_WRITE;
}

/* Whether the socket is ready. If not, an event will come once it is. */
static bool socket_wait_is_over(SocketHandle *socket, unsigned events) {
    int fd = socket->poller.fd;
    bool is_ready = events == POLL_READ ? socket_is_readable(fd) : socket_is_writable(fd);
    if (!is_ready) poller_exhausted(&socket->poller, events);
    return is_ready;
}

static int socket_wait_fail(lua_State *L, const SocketHandle *socket, int status) {
    return handle_fail(L, &socket->handle, "wait", status);
}

static int socket_wait_step(lua_State *L, Task *task);

static void socket_wait_describe(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object,
                         task->waiter.events == POLL_READ ? "waiting to read" : "waiting to write");
}

static const WaitKind socket_wait_kind = {socket_wait_step, NULL, socket_wait_describe};

static int socket_wait_now_or_later(lua_State *L, SocketHandle *socket, Task *task) {
    unsigned events = socket_wait_events(L);
    if (!socket->handle.open) return socket_wait_fail(L, socket, ARSENAL_CLOSED);
    if (socket_wait_is_over(socket, events)) {
        lua_pushboolean(L, true);
        return 1;
    }
    int status = poller_wait(&socket->poller, &task->waiter, events);
    if (status != 0) return socket_wait_fail(L, socket, status);
    return task_wait(L, task, &socket_wait_kind, socket);
}

static int socket_wait_step(lua_State *L, Task *task) {
    SocketHandle *socket = lua_touserdata(L, SELF);
    if (task->status != 0) return socket_wait_fail(L, socket, task->status);
    return socket_wait_now_or_later(L, socket, task);
}

/* socket_wait(object, "read" or "write" [, seconds]) true; "TIMEOUT", "CLOSED" */
static int socket_wait(lua_State *L) {
    SocketHandle *socket = socket_wait_check(L);
    socket_wait_events(L);
    uint64_t limit = args_duration(L, DURATION);
    lua_settop(L, DURATION);
    Task *task = task_enter(L, socket->handle.loop);
    if (task == NULL) return run_outside(L);
    task_set_timeout(task, limit);
    if (task_spent(task->loop)) return task_pause(L, task, &socket_wait_kind, socket);
    return socket_wait_now_or_later(L, socket, task);
}

/* socket_is_ready(object, "read" or "write"): whether the wait would return at once */
static int socket_wait_is_ready(lua_State *L) {
    SocketHandle *socket = socket_wait_check(L);
    unsigned events = socket_wait_events(L);
    lua_pushboolean(L, socket->handle.open && socket_wait_is_over(socket, events));
    return 1;
}

/* --- the cases for select --- */

static const char readiness_name[] = "arsenal.readiness";

/* The user value is the socket's object. */
typedef struct Readiness {
    SocketHandle *socket;
    unsigned events;
} Readiness;

static int readiness_attempt(lua_State *L) {
    const Readiness *readiness = lua_touserdata(L, SELF);
    SocketHandle *socket = readiness->socket;
    lua_pushboolean(L, true); /* a closed one is ready, too: its next call fails at once */
    return !socket->handle.open || socket_wait_is_over(socket, readiness->events) ? 1 : 0;
}

static int readiness_watch(void *object, Waiter *waiter) {
    const Readiness *readiness = object;
    return poller_wait(&readiness->socket->poller, waiter, readiness->events);
}

static const Selectable readiness_selectable = {readiness_attempt, readiness_watch, NULL, NULL};

/* socket_readiness(object, "read" or "write"): a case for select */
static int readiness_new(lua_State *L) {
    SocketHandle *socket = socket_wait_check(L);
    unsigned events = socket_wait_events(L);
    Readiness *readiness = lua_newuserdatauv(L, sizeof *readiness, 1);
    *readiness = (Readiness){socket, events};
    lua_pushvalue(L, SELF);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, readiness_name);
    return 1;
}

static const luaL_Reg functions[] = {
    {"socket_wait", socket_wait},
    {"socket_is_ready", socket_wait_is_ready},
    {"socket_readiness", readiness_new},
    {NULL, NULL},
};

void socket_wait_open(lua_State *L) {
    luaL_newmetatable(L, readiness_name);
    selectable_attach(L, &readiness_selectable);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
