/*
** Owns waits on descriptors that other libraries own. Each descriptor has a handle
** of libuv's while a task waits on it. The owner may close its descriptor at any
** time, and libuv aborts if it asks the kernel to watch a closed one. So the task
** that begins to wait makes libuv ask the kernel at once.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/poller.h"
#include "event/run.h"
#include "kernel/clock.h"
#include "system/descriptor.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>

/* The kernel does not report that a descriptor was closed: each is checked at this interval. */
static const uint64_t CHECK_INTERVAL = UINT64_C(1000000000); /* nanoseconds */

enum { COST = 16 }; /* a call makes some eight system calls, and counts as so many that make one */

typedef struct WatchedFd {
    uv_poll_t handle; /* first: loop_close_handle frees all of it */
    Loop *loop;
    struct WatchedFd *next;
    int fd;
    int copy; /* the descriptor that libuv polls in its place, or -1 */
    DescriptorFile file;
    Timer timer;
    bool armed;     /* libuv polls it */
    bool arming;    /* inside watched_fd_arm */
    unsigned ready; /* events that have happened since it was armed */
    WaitQueue waiters;
} WatchedFd;

/*
** libuv polls a descriptor for one handle only, except on Windows. With the poller on libuv
** it may poll the descriptor for a stream already, so a copy of it is polled here.
*/
#if !defined(_WIN32) && (!defined(__linux__) || defined(ARSENAL_POLLER_UV))
enum { POLLS_COPY = true };
#else
enum { POLLS_COPY = false };
#endif

static void watched_fd_close_copy(const WatchedFd *watched) {
    if (watched->copy >= 0) descriptor_close(watched->copy);
}

/* libuv makes the descriptor non-blocking. That is undone, because only its owner should do it. */
static int watched_fd_init_poll(Loop *loop, WatchedFd *watched) {
    int blocks = descriptor_blocks(watched->fd);
    if (blocks < 0) return blocks;
    int status = poll_need_uv(loop);
    if (status != 0) return status;
    watched->copy = POLLS_COPY ? descriptor_copy(watched->fd) : -1;
    if (POLLS_COPY && watched->copy < 0) return watched->copy;
    int fd = POLLS_COPY ? watched->copy : watched->fd;
    status = uv_poll_init_socket(&loop->uv, &watched->handle, (uv_os_sock_t)fd);
    if (blocks) descriptor_make_blocking(watched->fd);
    if (status != 0) watched_fd_close_copy(watched);
    return status;
}

/* --- the descriptors that are waited on --- */

typedef struct FdWaitPart {
    LoopPart part;
    WatchedFd *watched; /* a list */
} FdWaitPart;

static const char fd_wait_key;

static void fd_wait_close(LoopPart *part, Loop *loop) {
    (void)loop;
    free(part);
}

static void watched_fd_drop(WatchedFd *watched) {
    WatchedFd **link = &((FdWaitPart *)loop_part(watched->loop, &fd_wait_key))->watched;
    while (*link != watched)
        link = &(*link)->next;
    *link = watched->next;
    timer_heap_clear(&watched->loop->timers, &watched->timer);
    uv_poll_stop(&watched->handle);
    watched_fd_close_copy(watched);
    loop_close_handle(watched->loop, (uv_handle_t *)&watched->handle);
}

/* It was closed, or its number is another file's now. */
static void watched_fd_abandon(WatchedFd *watched) {
    wait_queue_dismiss(&watched->waiters, UV_EBADF);
    watched_fd_drop(watched);
}

static void watched_fd_check(Timer *timer) {
    WatchedFd *watched = container_of(timer, WatchedFd, timer);
    if (!descriptor_is_of(watched->fd, &watched->file)) {
        watched_fd_abandon(watched);
        return;
    }
    /* There is room in the heap, because the timer has just left it. */
    timer_heap_set(&watched->loop->timers, timer, clock_deadline(watched->loop, CHECK_INTERVAL));
}

static WatchedFd *watched_fd_find(Loop *loop, int fd) {
    const FdWaitPart *part = loop_part(loop, &fd_wait_key);
    WatchedFd *watched = part == NULL ? NULL : part->watched;
    while (watched != NULL && watched->fd != fd)
        watched = watched->next;
    return watched;
}

static int watched_fd_new(Loop *loop, int fd, WatchedFd **made) {
    FdWaitPart *part = loop_need_part(loop, &fd_wait_key, sizeof *part, fd_wait_close);
    WatchedFd *watched = calloc(1, sizeof *watched);
    if (part == NULL || watched == NULL) {
        free(watched);
        return UV_ENOMEM;
    }
    watched->loop = loop;
    watched->fd = fd;
    watched->timer.fired = watched_fd_check;
    int status = descriptor_file(watched->fd, &watched->file);
    if (status == 0) status = watched_fd_init_poll(loop, watched);
    if (status != 0) {
        free(watched);
        return status;
    }
    watched->next = part->watched;
    part->watched = watched;
    *made = watched;
    if (timer_heap_set(&loop->timers, &watched->timer, clock_deadline(loop, CHECK_INTERVAL)))
        return 0;
    watched_fd_drop(watched);
    return UV_ENOMEM;
}

static int watched_fd_get(Loop *loop, int fd, WatchedFd **found) {
    *found = watched_fd_find(loop, fd);
    if (*found != NULL && descriptor_is_of((*found)->fd, &(*found)->file)) return 0;
    if (*found != NULL) watched_fd_abandon(*found);
    return watched_fd_new(loop, fd, found);
}

/* --- polling --- */

/*
** Polling has stopped. Tasks that wait for other events are woken, too, so that
** they start it again, unless watched_fd_arm is about to.
*/
static void watched_fd_wake(WatchedFd *watched) {
    Waiter *next;
    for (Waiter *waiter = wait_queue_first(&watched->waiters); waiter != NULL; waiter = next) {
        Task *task = waiter->task;
        bool ready = (waiter->events & watched->ready) != 0;
        next = wait_queue_next(&watched->waiters, waiter); /* a woken one leaves the queue */
        if (ready || !watched->arming) {
            task->progress = ready;
            if (waiter_wake(waiter, 0)) task->object = NULL;
        }
    }
}

/* An error counts as every event: the owner's next call reports it. */
static void watched_fd_happened(uv_poll_t *handle, int status, int uv_events) {
    WatchedFd *watched = container_of(handle, WatchedFd, handle);
    unsigned events = POLL_READ | POLL_WRITE;
    if (status == 0)
        events = (uv_events & (UV_READABLE | UV_DISCONNECT) ? POLL_READ : 0u) |
                 (uv_events & UV_WRITABLE ? POLL_WRITE : 0u);
    uv_poll_stop(handle);
    watched->armed = false;
    watched->ready |= events;
    watched_fd_wake(watched);
    if (wait_queue_is_empty(&watched->waiters)) watched_fd_drop(watched);
}

/* Starts polling for what the tasks wait for, the running one included, and polls once. */
static int watched_fd_arm(WatchedFd *watched) {
    int status = 0;
    unsigned events;
    watched->ready = 0;
    watched->armed = false;
    watched->arming = true;
    while (status == 0 && !watched->armed &&
           (events = wait_queue_events(&watched->waiters) & ~watched->ready) != 0) {
        status = uv_poll_start(&watched->handle,
                               (events & POLL_READ ? UV_READABLE | UV_DISCONNECT : 0) |
                                   (events & POLL_WRITE ? UV_WRITABLE : 0),
                               watched_fd_happened);
        watched->armed = true;
        if (status == 0) uv_run(&watched->loop->uv, UV_RUN_NOWAIT);
    }
    watched->arming = false;
    return status;
}

/* --- waiting --- */

enum { FD = 1, TIMEOUT };

static const char *fd_wait_verb(unsigned events) {
    return events == POLL_READ ? "wait_readable" : "wait_writable";
}

static int fd_wait_fail(lua_State *L, unsigned events, int status) {
    return error_push(L, status, "%s %d", fd_wait_verb(events), (int)lua_tointeger(L, FD));
}

static int fd_wait_push_true(lua_State *L) {
    lua_pushboolean(L, true);
    return 1;
}

static void fd_wait_leave(WatchedFd *watched, Task *task) {
    waiter_leave(&task->waiter);
    if (wait_queue_is_empty(&watched->waiters)) watched_fd_drop(watched);
}

static int fd_wait_step(lua_State *L, Task *task);

/* The object may be gone if the task was woken and its coroutine was closed before it ran. */
static void fd_wait_forget(Task *task) {
    const FdWaitPart *part = loop_part(task->loop, &fd_wait_key);
    WatchedFd *watched = part->watched;
    while (watched != NULL && watched != task->object)
        watched = watched->next;
    if (watched != NULL) fd_wait_leave(watched, task);
}

static void fd_wait_describe(lua_State *L, Task *task) {
    lua_pushfstring(L, "%s on descriptor %d", fd_wait_verb(task->waiter.events),
                    ((WatchedFd *)task->object)->fd);
}

static const WaitKind fd_wait_kind = {fd_wait_step, fd_wait_forget, fd_wait_describe};

static int fd_wait_now_or_wait(lua_State *L, Task *task, unsigned events) {
    WatchedFd *watched;
    int status = watched_fd_get(task->loop, (int)lua_tointeger(L, FD), &watched);
    if (status == UV_EPERM) return fd_wait_push_true(L); /* a regular file, which never blocks */
    if (status != 0) return fd_wait_fail(L, events, status);
    task->waiter.events = events;
    waiter_join(&task->waiter, &watched->waiters, &task->loop->external_waiters);
    status = watched_fd_arm(watched);
    bool ready = (watched->ready & events) != 0;
    if (status == 0 && !ready) return task_wait(L, task, &fd_wait_kind, watched);
    fd_wait_leave(watched, task);
    if (!ready) return fd_wait_fail(L, events, status);
    if (!task_spent(task->loop)) return fd_wait_push_true(L);
    task->progress = true;
    return task_pause(L, task, &fd_wait_kind, NULL);
}

static int fd_wait_step(lua_State *L, Task *task) {
    Loop *loop = loop_of(L);
    unsigned events = task->waiter.events;
    if (task->status == ARSENAL_TIMEOUT) {
        WatchedFd *watched = watched_fd_find(loop, (int)lua_tointeger(L, FD));
        if (watched != NULL && wait_queue_is_empty(&watched->waiters)) watched_fd_drop(watched);
    }
    if (task->status != 0) return fd_wait_fail(L, events, task->status);
    return task->progress ? fd_wait_push_true(L) : fd_wait_now_or_wait(L, task, events);
}

/* The C stream of a Lua file at FD, which must be open; NULL for a number. */
static FILE *fd_wait_check(lua_State *L) {
    const luaL_Stream *file = luaL_testudata(L, FD, LUA_FILEHANDLE);
    if (file == NULL && lua_type(L, FD) != LUA_TNUMBER)
        luaL_typeerror(L, FD, "integer or Lua file");
    if (file == NULL) args_integer(L, FD, 0, INT_MAX);
    luaL_argcheck(L, file == NULL || file->closef != NULL, FD, "the file is closed");
    return file == NULL ? NULL : file->f;
}

/* [-0, +1] puts the file's number in its place. The file stays on the stack, and is not collected. */
static void fd_wait_keep_file(lua_State *L, FILE *stream) {
    lua_settop(L, TIMEOUT);
    lua_pushvalue(L, FD);
    lua_pushinteger(L, descriptor_to_wait_on(stream));
    lua_replace(L, FD);
}

static int fd_wait_begin(lua_State *L, unsigned events) {
    Loop *loop = loop_of(L);
    FILE *stream = fd_wait_check(L);
    uint64_t limit = args_duration(L, TIMEOUT);
    Task *task = task_enter(L, loop);
    if (task == NULL) return run_outside(L);
    if (stream != NULL && events == POLL_READ && descriptor_stream_has_bytes(stream))
        return fd_wait_push_true(L);
    if (stream != NULL) fd_wait_keep_file(L, stream);
    loop->budget -= COST;
    task_set_timeout(task, limit);
    return fd_wait_now_or_wait(L, task, events);
}

/*
** wait_readable(fd [, timeout]) true once the descriptor, or the Lua file, can be read
** without blocking, also from the file's buffer; "TIMEOUT" after `timeout` seconds; "EBADF"
** if it is not open, or within a second after it was closed.
*/
static int fd_wait_readable(lua_State *L) {
    return fd_wait_begin(L, POLL_READ);
}

/* wait_writable(fd [, timeout]) the same for writing. */
static int fd_wait_writable(lua_State *L) {
    return fd_wait_begin(L, POLL_WRITE);
}

static const luaL_Reg functions[] = {
    {"wait_readable", fd_wait_readable},
    {"wait_writable", fd_wait_writable},
    {NULL, NULL},
};

void fd_wait_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
