/*
** Owns waits on descriptors that other libraries own: one handle of libuv's for
** each descriptor, while anybody waits on it. Its owner may close a descriptor at
** any time, which libuv does not survive when it is about to ask the kernel for
** its events; so that is asked at once, by the task that waits.
*/
#include "base/platform.h"

#include "base/openers.h"

#include "base/error.h"
#include "event/poller.h"
#include "event/run.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>
#ifndef _WIN32
#include <sys/stat.h>
#include <unistd.h>
#endif

/* The kernel tells nobody that a descriptor was closed: each is looked after this often. */
static const uint64_t LOOK_AFTER = UINT64_C(1000000000); /* nanoseconds */

typedef struct Foreign {
    uv_poll_t handle; /* first: libuv's pointer is ours */
    Loop *loop;
    struct Foreign *next;
    int fd;
#ifndef _WIN32
    int copy;     /* what libuv polls in its place, or -1 */
    dev_t device; /* what the descriptor is of: its number may come to mean something else */
    ino_t inode;
#endif
    Timer timer;
    bool armed, arming;
    unsigned ready; /* what has happened since it was armed */
    WaitQueue waiters;
} Foreign;

/* --- what the descriptor is --- */

#ifdef _WIN32 /* untested */

static int identify(Foreign *foreign) {
    (void)foreign;
    return 0;
}

static bool is_same(const Foreign *foreign) {
    (void)foreign;
    return true;
}

static int init_poll(Loop *loop, Foreign *foreign) {
    return uv_poll_init_socket(&loop->uv, &foreign->handle, (uv_os_sock_t)foreign->fd);
}

static void close_copy(const Foreign *foreign) {
    (void)foreign;
}

#else

static int identify(Foreign *foreign) {
    struct stat file;
    if (fstat(foreign->fd, &file) != 0) return -errno;
    foreign->device = file.st_dev;
    foreign->inode = file.st_ino;
    return 0;
}

static bool is_same(const Foreign *foreign) {
    struct stat file;
    return fstat(foreign->fd, &file) == 0 && file.st_dev == foreign->device &&
           file.st_ino == foreign->inode;
}

/* libuv polls a descriptor once: where it polls ours, too, what is waited on may be one of them. */
static int duplicate(Foreign *foreign) {
#if !defined(__linux__) || defined(ARSENAL_POLLER_UV)
    foreign->copy = fcntl(foreign->fd, F_DUPFD_CLOEXEC, 0);
    return foreign->copy >= 0 ? foreign->copy : -errno;
#else
    foreign->copy = -1;
    return foreign->fd;
#endif
}

static void close_copy(const Foreign *foreign) {
    if (foreign->copy >= 0) close(foreign->copy);
}

/* libuv makes descriptors non-blocking; these are not ours to change. */
static int init_poll(Loop *loop, Foreign *foreign) {
    int flags = fcntl(foreign->fd, F_GETFL);
    if (flags < 0) return -errno;
    int fd = duplicate(foreign);
    if (fd < 0) return fd;
    int status = uv_poll_init(&loop->uv, &foreign->handle, fd);
    if (!(flags & O_NONBLOCK)) fcntl(foreign->fd, F_SETFL, flags);
    if (status != 0) close_copy(foreign);
    return status;
}

#endif

/* --- the descriptors that are waited on --- */

typedef struct FdWaitPart {
    LoopPart part;
    Foreign *foreign;
} FdWaitPart;

static const char fd_wait_key;

static void fd_wait_close(LoopPart *part, Loop *loop) {
    (void)loop;
    free(part);
}

static void drop(Foreign *foreign) {
    Foreign **link = &((FdWaitPart *)loop_part(foreign->loop, &fd_wait_key))->foreign;
    while (*link != foreign)
        link = &(*link)->next;
    *link = foreign->next;
    timer_heap_clear(&foreign->loop->timers, &foreign->timer);
    uv_poll_stop(&foreign->handle);
    close_copy(foreign);
    loop_close_handle(foreign->loop, (uv_handle_t *)&foreign->handle);
}

/* It was closed, or its number means something else by now. */
static void abandon(Foreign *foreign) {
    wait_queue_dismiss(&foreign->waiters, UV_EBADF);
    drop(foreign);
}

static void look_after(Timer *timer) {
    Foreign *foreign = (Foreign *)((char *)timer - offsetof(Foreign, timer));
    if (is_same(foreign)) /* the timer's place was just freed: there is memory for it */
        timer_heap_set(&foreign->loop->timers, timer, uv_hrtime() + LOOK_AFTER);
    else
        abandon(foreign);
}

static Foreign *find(Loop *loop, int fd) {
    const FdWaitPart *part = loop_part(loop, &fd_wait_key);
    Foreign *foreign = part == NULL ? NULL : part->foreign;
    while (foreign != NULL && foreign->fd != fd)
        foreign = foreign->next;
    return foreign;
}

static int make(Loop *loop, int fd, Foreign **made) {
    FdWaitPart *part = loop_need_part(loop, &fd_wait_key, sizeof *part, fd_wait_close);
    Foreign *foreign = calloc(1, sizeof *foreign);
    if (part == NULL || foreign == NULL) {
        free(foreign);
        return UV_ENOMEM;
    }
    foreign->loop = loop;
    foreign->fd = fd;
    foreign->timer.fired = look_after;
    int status = identify(foreign);
    if (status == 0) status = init_poll(loop, foreign);
    if (status != 0) {
        free(foreign);
        return status;
    }
    foreign->next = part->foreign;
    part->foreign = foreign;
    *made = foreign;
    if (timer_heap_set(&loop->timers, &foreign->timer, uv_hrtime() + LOOK_AFTER)) return 0;
    drop(foreign);
    return UV_ENOMEM;
}

static int get(Loop *loop, int fd, Foreign **found) {
    *found = find(loop, fd);
    if (*found != NULL && is_same(*found)) return 0;
    if (*found != NULL) abandon(*found);
    return make(loop, fd, found);
}

/* --- polling --- */

static unsigned wanted(const Foreign *foreign) {
    const WaitQueue *queue = &foreign->waiters;
    unsigned events = 0;
    for (const Waiter *waiter = wait_queue_first(queue); waiter != NULL;
         waiter = wait_queue_next(queue, waiter))
        events |= waiter->events;
    return events;
}

/*
** It is not polled any more: those who wait for something else are woken, too,
** to wait again, unless a task is about to poll for them.
*/
static void wake(Foreign *foreign) {
    Waiter *next;
    for (Waiter *waiter = wait_queue_first(&foreign->waiters); waiter != NULL; waiter = next) {
        Task *task = waiter->task;
        bool ready = (waiter->events & foreign->ready) != 0;
        next = wait_queue_next(&foreign->waiters, waiter); /* a woken one leaves the queue */
        if (ready || !foreign->arming) {
            task->progress = ready;
            if (waiter_wake(waiter, 0)) task->object = NULL;
        }
    }
}

static void happened(uv_poll_t *handle, int status, int uv_events) {
    Foreign *foreign = (Foreign *)handle;
    unsigned events = POLL_READ | POLL_WRITE; /* after an error, too: the next call tells it */
    if (status == 0)
        events = (uv_events & (UV_READABLE | UV_DISCONNECT) ? POLL_READ : 0u) |
                 (uv_events & UV_WRITABLE ? POLL_WRITE : 0u);
    uv_poll_stop(handle);
    foreign->armed = false;
    foreign->ready |= events;
    wake(foreign);
    if (wait_queue_is_empty(&foreign->waiters)) drop(foreign);
}

/* Polls for what is waited for, and looks at once. The running task's waiter is among them. */
static int arm(Foreign *foreign) {
    int status = 0;
    unsigned events;
    foreign->ready = 0;
    foreign->armed = false;
    foreign->arming = true;
    while (status == 0 && !foreign->armed && (events = wanted(foreign) & ~foreign->ready) != 0) {
        status = uv_poll_start(&foreign->handle,
                               (events & POLL_READ ? UV_READABLE | UV_DISCONNECT : 0) |
                                   (events & POLL_WRITE ? UV_WRITABLE : 0),
                               happened);
        foreign->armed = true;
        if (status == 0) uv_run(&foreign->loop->uv, UV_RUN_NOWAIT);
    }
    foreign->arming = false;
    return status;
}

/* --- waiting --- */

enum { FD = 1, TIMEOUT };

static const char *verb(unsigned events) {
    return events == POLL_READ ? "wait_readable" : "wait_writable";
}

static int fail(lua_State *L, unsigned events, int status) {
    return error_push(L, status, "%s %d", verb(events), (int)lua_tointeger(L, FD));
}

static int push_true(lua_State *L) {
    lua_pushboolean(L, true);
    return 1;
}

static void leave(Foreign *foreign, Task *task) {
    waiter_leave(&task->waiter);
    if (wait_queue_is_empty(&foreign->waiters)) drop(foreign);
}

static int go_on(lua_State *L);

static void forget(Task *task) {
    leave(task->object, task);
}

static void describe(lua_State *L, Task *task) {
    lua_pushfstring(L, "%s on descriptor %d", verb(task->waiter.events),
                    ((Foreign *)task->object)->fd);
}

static const WaitKind descriptor_wait = {go_on, forget, describe};

static int wait_on(lua_State *L, Task *task, unsigned events) {
    Foreign *foreign;
    int status = get(task->loop, (int)lua_tointeger(L, FD), &foreign);
    if (status == UV_EPERM) return push_true(L); /* a regular file, which never blocks */
    if (status != 0) return fail(L, events, status);
    task->waiter.events = events;
    waiter_join(&task->waiter, &foreign->waiters, &task->loop->external_waiters);
    status = arm(foreign);
    bool ready = (foreign->ready & events) != 0;
    if (status == 0 && !ready) return task_wait(L, task, &descriptor_wait, foreign);
    leave(foreign, task);
    if (!ready) return fail(L, events, status);
    if (!task_spent(task->loop)) return push_true(L);
    task->progress = true;
    return task_pause(L, task, &descriptor_wait, NULL);
}

static int go_on(lua_State *L) {
    Loop *loop = loop_of(L);
    Task *task = loop->running;
    unsigned events = task->waiter.events;
    if (task->status == ARSENAL_TIMEOUT) {
        Foreign *foreign = find(loop, (int)lua_tointeger(L, FD));
        if (foreign != NULL && wait_queue_is_empty(&foreign->waiters)) drop(foreign);
    }
    if (task->status != 0) return fail(L, events, task->status);
    return task->progress ? push_true(L) : wait_on(L, task, events);
}

static int wait_for(lua_State *L, unsigned events) {
    Loop *loop = loop_of(L);
    args_integer(L, FD, 0, INT_MAX);
    uint64_t limit = args_duration(L, TIMEOUT);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    task_set_timeout(task, limit);
    return wait_on(L, task, events);
}

/*
** wait_readable(fd [, timeout]) true once the descriptor can be read without
** blocking; "TIMEOUT" after `timeout` seconds, "EBADF" for one that is not open,
** or that is closed meanwhile (which is found out within a second).
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

void fd_wait_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
