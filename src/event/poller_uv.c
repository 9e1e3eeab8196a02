/*
** Owns readiness where there is no epoll: each descriptor has a uv_poll_t. It is
** armed as long as tasks wait for its events; an event that no task waits for
** disarms it.
*/
#include "event/poller.h"

#ifndef POLLER_IS_EPOLL

#include <stdlib.h>

typedef struct Poll {
    uv_timer_t alarm; /* ends a poll when the loop's next timer is due; first, as in a Watch */
    struct Inbox *inbox;
} Poll;

typedef struct Watch {
    uv_poll_t handle; /* first: loop_close_handle frees all of it */
    Poller *poller;
    int armed; /* for libuv's events */
} Watch;

/* The poll is freed with the loop's other handles. */
int poll_init(Loop *loop) {
    int status = loop_add_uv(loop);
    if (status != 0) return status;
    loop->poll = malloc(sizeof *loop->poll);
    if (loop->poll == NULL) return UV_ENOMEM;
    loop->poll->inbox = NULL;
    return uv_timer_init(&loop->uv, &loop->poll->alarm);
}

int poll_need_uv(Loop *loop) {
    (void)loop;
    return 0;
}

int poll_backend_fd(const Loop *loop) {
    return uv_backend_fd(&loop->uv);
}

struct Inbox **poll_inbox(const Loop *loop) {
    return &loop->poll->inbox;
}

static void poll_woken(uv_async_t *handle) {
    (void)handle;
}

int poll_add_waker(Loop *loop, PollWaker *waker) {
    waker->handle = malloc(sizeof *waker->handle);
    if (waker->handle == NULL) return UV_ENOMEM;
    int status = uv_async_init(&loop->uv, waker->handle, poll_woken);
    if (status == 0)
        loop->uv_changed = true;
    else
        free(waker->handle);
    return status;
}

/* It is closed and freed with the loop's other handles. */
void poll_drop_waker(PollWaker *waker) {
    (void)waker;
}

void poll_wake(const PollWaker *waker) {
    uv_async_send(waker->handle);
}

static int poller_uv_events(unsigned events) {
    return (events & POLL_READ ? UV_READABLE : 0) | (events & POLL_WRITE ? UV_WRITABLE : 0);
}

static void poller_uv_happened(uv_poll_t *handle, int status, int uv_events);

static int poller_arm(Watch *watch, unsigned events) {
    watch->armed = poller_uv_events(events);
    if (events == 0) return uv_poll_stop(&watch->handle);
    return uv_poll_start(&watch->handle, watch->armed, poller_uv_happened);
}

static void poller_uv_happened(uv_poll_t *handle, int status, int uv_events) {
    Watch *watch = container_of(handle, Watch, handle);
    Poller *poller = watch->poller;
    unsigned events = POLL_READ | POLL_WRITE;
    /* After a failure libuv polls no more; the next call on the descriptor returns the reason. */
    if (status != 0)
        watch->armed = 0;
    else
        events = (uv_events & UV_READABLE ? POLL_READ : 0u) |
                 (uv_events & UV_WRITABLE ? POLL_WRITE : 0u);
    if (status == 0 && (events & ~wait_queue_events(&poller->waiters)))
        poller_arm(watch, wait_queue_events(&poller->waiters));
    poller_happened(poller, events);
}

int poller_watch(Poller *poller, unsigned events) {
    Watch *watch = poller->watch;
    if (watch == NULL) {
        watch = malloc(sizeof *watch);
        if (watch == NULL) return UV_ENOMEM;
        int status =
            uv_poll_init_socket(&poller->loop->uv, &watch->handle, (uv_os_sock_t)poller->fd);
        if (status != 0) {
            free(watch);
            return status;
        }
        watch->poller = poller;
        watch->armed = 0;
        poller->watch = watch;
    }
    unsigned all = wait_queue_events(&poller->waiters) | events;
    return poller_uv_events(all) & ~watch->armed ? poller_arm(watch, all) : 0;
}

void poller_forget(Poller *poller) {
    if (poller->watch == NULL) return;
    loop_close_handle(poller->loop, (uv_handle_t *)&poller->watch->handle);
    poller->watch = NULL;
}

static void poll_alarm_rang(uv_timer_t *alarm) {
    (void)alarm;
}

void poll_wait(Loop *loop, uint64_t timeout) {
    uv_timer_t *alarm = &loop->poll->alarm;
    if (timeout == 0) {
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        return;
    }
    if (timeout != FOREVER) {
        /* uv_run may run a due timer and then sleep: so update the time first, and repeat the timer */
        uv_update_time(&loop->uv);
        uv_timer_start(alarm, poll_alarm_rang, timeout / 1000000 + 1, 1);
    }
    uv_run(&loop->uv, UV_RUN_ONCE);
    uv_timer_stop(alarm);
}

#endif
