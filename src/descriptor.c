/*
** Owns waits on descriptors that other libraries own: libuv's level-triggered
** polling, one handle for each descriptor while anybody waits on it. Floor 5.
*/
#include "portability.h"

#include "openers.h"

#include "error.h"
#include "poller.h"
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>

typedef struct Foreign {
    uv_poll_t handle; /* first: libuv's pointer is ours */
    Loop *loop;
    struct Foreign *next;
    int fd;
    WaitList waiters;
} Foreign;

static unsigned wanted(const Foreign *foreign) {
    unsigned events = 0;
    Waiter *waiter = foreign->waiters;
    if (waiter == NULL) return 0;
    do {
        events |= waiter->events;
        waiter = waiter->next;
    } while (waiter != foreign->waiters);
    return events;
}

/* libuv makes descriptors non-blocking; these are not ours to change. */
static int init_poll(Loop *loop, Foreign *foreign) {
#ifdef _WIN32
    return uv_poll_init_socket(&loop->uv, &foreign->handle, (uv_os_sock_t)foreign->fd);
#else
    int flags = fcntl(foreign->fd, F_GETFL);
    if (flags < 0) return -errno;
    int status = uv_poll_init(&loop->uv, &foreign->handle, foreign->fd);
    if (!(flags & O_NONBLOCK)) fcntl(foreign->fd, F_SETFL, flags);
    return status;
#endif
}

static Foreign *find(Loop *loop, int fd) {
    Foreign *foreign = loop->foreign;
    while (foreign != NULL && foreign->fd != fd)
        foreign = foreign->next;
    return foreign;
}

static int get(Loop *loop, int fd, Foreign **found) {
    *found = find(loop, fd);
    if (*found != NULL) return 0;
    Foreign *foreign = calloc(1, sizeof *foreign);
    if (foreign == NULL) return UV_ENOMEM;
    foreign->loop = loop;
    foreign->fd = fd;
    int status = init_poll(loop, foreign);
    if (status != 0) {
        free(foreign);
        return status;
    }
    foreign->next = loop->foreign;
    loop->foreign = foreign;
    *found = foreign;
    return 0;
}

static void drop(Foreign *foreign) {
    Foreign **link = &foreign->loop->foreign;
    while (*link != foreign)
        link = &(*link)->next;
    *link = foreign->next;
    loop_close_handle(foreign->loop, (uv_handle_t *)&foreign->handle);
}

static void happened(uv_poll_t *handle, int status, int uv_events);

/* Polls for what is waited for now; without anybody, not at all. Returns a status. */
static int update(Foreign *foreign) {
    unsigned events = wanted(foreign);
    foreign->loop->uv_changed = true;
    if (events == 0) {
        drop(foreign);
        return 0;
    }
    return uv_poll_start(&foreign->handle,
                         (events & POLL_READ ? UV_READABLE | UV_DISCONNECT : 0) |
                             (events & POLL_WRITE ? UV_WRITABLE : 0),
                         happened);
}

static void happened(uv_poll_t *handle, int status, int uv_events) {
    Foreign *foreign = (Foreign *)handle;
    unsigned events = POLL_READ | POLL_WRITE;
    if (status == 0)
        events = (uv_events & (UV_READABLE | UV_DISCONNECT) ? POLL_READ : 0u) |
                 (uv_events & UV_WRITABLE ? POLL_WRITE : 0u);
    waiters_wake(&foreign->waiters, events, status);
    update(foreign);
}

enum { FD = 1, TIMEOUT };

static const char *verb(unsigned events) {
    return events == POLL_READ ? "wait_readable" : "wait_writable";
}

static int fail(lua_State *L, unsigned events, int status) {
    return error_push(L, status, "%s %d", verb(events), (int)lua_tointeger(L, FD));
}

static int go_on(lua_State *L) {
    Loop *loop = loop_of(L);
    Task *task = loop->running;
    Foreign *foreign = find(loop, (int)lua_tointeger(L, FD));
    if (task->status == ARSENAL_TIMEOUT && foreign != NULL) update(foreign);
    if (task->status != 0) return fail(L, task->waiter.events, task->status);
    lua_pushboolean(L, true);
    return 1;
}

static void forget(Task *task) {
    update(task->object);
}

static void describe(lua_State *L, Task *task) {
    lua_pushfstring(L, "%s on descriptor %d", verb(task->waiter.events),
                    ((Foreign *)task->object)->fd);
}

static const WaitKind descriptor_wait = {go_on, forget, describe};

static int wait_for(lua_State *L, unsigned events) {
    Loop *loop = loop_of(L);
    int fd = (int)args_integer(L, FD, 0, INT_MAX);
    uint64_t limit = args_duration(L, TIMEOUT);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    Foreign *foreign;
    int status = get(loop, fd, &foreign);
    if (status == UV_EPERM) { /* a regular file, which never blocks */
        lua_pushboolean(L, true);
        return 1;
    }
    if (status != 0) return fail(L, events, status);
    task->waiter.events = events;
    waiter_join(&task->waiter, &foreign->waiters, &loop->sources);
    status = update(foreign);
    if (status != 0) {
        waiter_leave(&task->waiter);
        update(foreign);
        return fail(L, events, status);
    }
    task_limit(task, limit);
    return task_wait(L, task, &descriptor_wait, foreign);
}

/*
** wait_readable(fd [, timeout]) true once the descriptor can be read without
** blocking; "TIMEOUT" after `timeout` seconds, "EBADF" for one that is not open.
*/
static int wait_readable(lua_State *L) {
    return wait_for(L, POLL_READ);
}

/* wait_writable(fd [, timeout]) likewise for writing. */
static int wait_writable(lua_State *L) {
    return wait_for(L, POLL_WRITE);
}

static const luaL_Reg functions[] = {
    {"wait_readable", wait_readable},
    {"wait_writable", wait_writable},
    {NULL, NULL},
};

void descriptor_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
