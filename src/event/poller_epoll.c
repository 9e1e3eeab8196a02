/*
** Owns readiness on Linux: an edge-triggered epoll of our own, with libuv's
** nested in it. A stream is registered once, at its first wait, so that a wait
** costs no system call.
*/
#include "event/poller.h"

#ifdef POLLER_IS_EPOLL

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BATCH = 1024 };

typedef struct Poll {
    LoopPart part;
    int epoll;
    struct epoll_event events[BATCH];
} Poll;

static const char poll_key;

static void poll_close(LoopPart *part, Loop *loop) {
    Poll *poll = (Poll *)part;
    close(poll->epoll);
    free(poll);
    loop->poll = NULL;
}

int poll_init(Loop *loop) {
    Poll *poll = malloc(sizeof *poll);
    if (poll == NULL) return UV_ENOMEM;
    poll->part = (LoopPart){.key = &poll_key, .close = poll_close};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}; /* NULL: libuv's */
    poll->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (poll->epoll < 0 ||
        epoll_ctl(poll->epoll, EPOLL_CTL_ADD, uv_backend_fd(&loop->uv), &event) != 0) {
        int status = -errno;
        if (poll->epoll >= 0) close(poll->epoll);
        free(poll);
        return status;
    }
    loop->poll = poll;
    loop_add_part(loop, &poll->part);
    return 0;
}

int poll_backend_fd(const Loop *loop) {
    return loop->poll->epoll;
}

/* Returns 0 or a status. */
static int epoll_watch(Poller *poller, unsigned events) {
    int operation = poller->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    events |= poller->watched | poller->watched_first;
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = poller};
    if (events & POLL_READ) event.events |= EPOLLIN;
    if (events & POLL_WRITE) event.events |= EPOLLOUT;
    if (epoll_ctl(poller->loop->poll->epoll, operation, poller->fd, &event) != 0) return -errno;
    poller->watched = (uint8_t)events;
    return 0;
}

int poller_wait(Poller *poller, Waiter *waiter, unsigned events) {
    if (events & ~(unsigned)poller->watched) {
        int status = epoll_watch(poller, events);
        if (status != 0) return status;
    }
    waiter->events = events;
    waiter_join(waiter, &poller->waiters, &poller->loop->external_waiters);
    return 0;
}

void poller_forget(Poller *poller) {
    if (poller->watched == 0) return;
    epoll_ctl(poller->loop->poll->epoll, EPOLL_CTL_DEL, poller->fd, NULL);
    poller->watched = 0;
}

static void epoll_wake(Poller *poller, uint32_t happened) {
    unsigned events = 0;
    if (happened & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) events |= POLL_READ;
    if (happened & (EPOLLOUT | EPOLLHUP | EPOLLERR)) events |= POLL_WRITE;
    if (happened & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) events |= POLL_HANGUP;
    poller_happened(poller, events);
}

/* Rounds up to milliseconds, so that no wait ends early. */
static int epoll_milliseconds(uint64_t timeout) {
    if (timeout == FOREVER) return -1;
    return timeout > INT_MAX * UINT64_C(1000000) ? INT_MAX : (int)((timeout + 999999) / 1000000);
}

void poll_wait(Loop *loop, uint64_t timeout) {
    Poll *poll = loop->poll;
    if (loop->uv_changed) { /* what was started there reaches the kernel only when libuv runs */
        loop->uv_changed = false;
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        if (loop->ready > 0) timeout = 0;
    }
    int count = epoll_wait(poll->epoll, poll->events, BATCH, epoll_milliseconds(timeout));
    bool for_uv = false;
    for (int i = 0; i < count; i++) {
        if (poll->events[i].data.ptr == NULL)
            for_uv = true;
        else
            epoll_wake(poll->events[i].data.ptr, poll->events[i].events);
    }
    if (for_uv) uv_run(&loop->uv, UV_RUN_NOWAIT);
}

#endif
