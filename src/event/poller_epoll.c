/*
** Owns readiness on Linux: an edge-triggered epoll of our own, with libuv's nested in it
** once there are handles of libuv's. A stream is registered at its first wait for reading,
** and once more at its first wait for writing, so that other waits cost no system call.
*/
#include "event/poller.h"

#ifdef POLLER_IS_EPOLL

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Events taken at once. The tasks that they wake then find the lines in the cache that the poll has touched. */
enum { POLL_BATCH = 64 };

/*
** An event carries the slot of its poller, and how often the slot has been used
** before: the kernel may go on reporting a descriptor that was closed elsewhere,
** as long as a duplicate of it is open.
*/
typedef struct PollSlot {
    Poller *poller; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
} PollSlot;

/* libuv's descriptor, and the waker's: no poller has these. */
enum { UV_SLOT = 0, WAKER_SLOT, FIRST_SLOT };

typedef struct Poll {
    LoopPart part;
    int epoll;
    bool has_uv; /* libuv's descriptor is watched */
    struct Inbox *inbox;
    PollSlot *slots;
    uint32_t slot_count, slot_capacity; /* slots used so far, and slots that there is memory for */
    uint32_t free_slot;                 /* UV_SLOT: none */
    struct epoll_event events[POLL_BATCH];
} Poll;

static const char poll_key;

static void poll_close(LoopPart *part, Loop *loop) {
    Poll *poll = container_of(part, Poll, part);
    close(poll->epoll);
    free(poll->slots);
    free(poll);
    loop->poll = NULL;
}

/* --- slots --- */

static bool poll_grow_slots(Poll *poll) {
    uint32_t capacity = poll->slot_capacity == 0 ? 64 : 2 * poll->slot_capacity;
    PollSlot *slots = realloc(poll->slots, capacity * sizeof *slots);
    if (slots == NULL) return false;
    poll->slots = slots;
    poll->slot_capacity = capacity;
    return true;
}

/* Gives the poller a slot; false: no memory. */
static bool poll_take_slot(Poll *poll, Poller *poller) {
    uint32_t slot = poll->free_slot;
    if (slot != UV_SLOT) {
        poll->free_slot = poll->slots[slot].next_free;
    } else {
        if (poll->slot_count == poll->slot_capacity && !poll_grow_slots(poll)) return false;
        slot = poll->slot_count++;
        poll->slots[slot].generation = 0;
    }
    poll->slots[slot].poller = poller;
    poller->slot = slot;
    return true;
}

static void poll_free_slot(Poll *poll, uint32_t slot) {
    poll->slots[slot].poller = NULL;
    poll->slots[slot].generation++;
    poll->slots[slot].next_free = poll->free_slot;
    poll->free_slot = slot;
}

static uint64_t poll_tag(const Poll *poll, uint32_t slot) {
    return (uint64_t)poll->slots[slot].generation << 32 | slot;
}

/* Returns the poller that an event is for, or NULL if it was closed. */
static Poller *poll_find_poller(const Poll *poll, uint64_t tag) {
    const PollSlot *slot = &poll->slots[(uint32_t)tag];
    return slot->generation == tag >> 32 ? slot->poller : NULL;
}

/* --- the loop's poll --- */

static int poll_open_epoll(Poll *poll) {
    poll->epoll = epoll_create1(EPOLL_CLOEXEC);
    return poll->epoll < 0 ? -errno : 0;
}

int poll_init(Loop *loop) {
    Poll *poll = malloc(sizeof *poll);
    if (poll == NULL) return UV_ENOMEM;
    poll->part = (LoopPart){.key = &poll_key, .close = poll_close};
    poll->inbox = NULL;
    poll->slots = NULL;
    poll->slot_capacity = poll->free_slot = 0;
    poll->slot_count = FIRST_SLOT;
    poll->has_uv = false;
    int status = poll_grow_slots(poll) ? poll_open_epoll(poll) : UV_ENOMEM;
    if (status != 0) {
        free(poll->slots);
        free(poll);
        return status;
    }
    poll->slots[UV_SLOT] = poll->slots[WAKER_SLOT] = (PollSlot){.poller = NULL};
    loop->poll = poll;
    loop_add_part(loop, &poll->part);
    return 0;
}

int poll_need_uv(Loop *loop) {
    Poll *poll = loop->poll;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = UV_SLOT};
    if (poll->has_uv) return 0;
    int status = loop_add_uv(loop);
    if (status != 0) return status;
    if (epoll_ctl(poll->epoll, EPOLL_CTL_ADD, uv_backend_fd(&loop->uv), &event) != 0) return -errno;
    poll->has_uv = true;
    return 0;
}

int poll_backend_fd(const Loop *loop) {
    return loop->poll->epoll;
}

struct Inbox **poll_inbox(const Loop *loop) {
    return &loop->poll->inbox;
}

/* --- waking: each write is an event, so that nothing needs to be read --- */

int poll_add_waker(Loop *loop, PollWaker *waker) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = WAKER_SLOT};
    waker->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (waker->fd < 0) return -errno;
    if (epoll_ctl(loop->poll->epoll, EPOLL_CTL_ADD, waker->fd, &event) == 0) return 0;
    int status = -errno;
    close(waker->fd);
    return status;
}

void poll_drop_waker(PollWaker *waker) {
    close(waker->fd);
}

void poll_wake(const PollWaker *waker) {
    int before = errno; /* of what a signal has interrupted */
    if (eventfd_write(waker->fd, 1) != 0) errno = before;
}

/* --- watching --- */

int poller_watch(Poller *poller, unsigned events) {
    Poll *poll = poller->loop->poll;
    bool is_new = poller->watched == 0;
    if (is_new && !poll_take_slot(poll, poller)) return UV_ENOMEM;
    events |= poller->watched | POLL_READ;
    struct epoll_event event = {.events = EPOLLIN | EPOLLPRI | EPOLLRDHUP,
                                .data.u64 = poll_tag(poll, poller->slot)};
    if (!poller->repeats) event.events |= EPOLLET;
    if (events & POLL_WRITE) event.events |= EPOLLOUT;
    int operation = is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(poll->epoll, operation, poller->fd, &event) != 0) {
        int status = -errno;
        if (is_new) poll_free_slot(poll, poller->slot);
        return status;
    }
    poller->watched = (uint8_t)events;
    return 0;
}

void poller_forget(Poller *poller) {
    Poll *poll = poller->loop->poll;
    if (poller->watched == 0) return;
    epoll_ctl(poll->epoll, EPOLL_CTL_DEL, poller->fd, NULL);
    poll_free_slot(poll, poller->slot);
    poller->watched = 0;
}

/* --- polling --- */

static void poller_wake(Poller *poller, uint32_t happened) {
    unsigned events = 0;
    if (happened & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) events |= POLL_READ;
    if (happened & (EPOLLOUT | EPOLLHUP | EPOLLERR)) events |= POLL_WRITE;
    if (happened & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) events |= POLL_HANGUP;
    if (happened & EPOLLPRI) events |= POLL_URGENT;
    if (poller->repeats && wait_queue_first(&poller->waiters) == NULL) poller_forget(poller);
    poller_happened(poller, events);
}

/* Rounds up to milliseconds, so that no wait ends early. */
static int poll_milliseconds(uint64_t timeout) {
    if (timeout == FOREVER) return -1;
    return timeout > INT_MAX * UINT64_C(1000000) ? INT_MAX : (int)((timeout + 999999) / 1000000);
}

void poll_wait(Loop *loop, uint64_t timeout) {
    Poll *poll = loop->poll;
    /*
    ** Changes to libuv's handles reach the kernel only when libuv runs. The run may use
    ** up the wake-up of a signal. So the poll does not wait, and the caller looks.
    */
    if (loop->uv_changed) {
        loop->uv_changed = false;
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        timeout = 0;
    }
    int count = epoll_wait(poll->epoll, poll->events, POLL_BATCH, poll_milliseconds(timeout));
    bool for_uv = false;
    for (int i = 0; i < count; i++) {
        uint64_t tag = poll->events[i].data.u64;
        Poller *poller = poll_find_poller(poll, tag);
        if (tag == UV_SLOT)
            for_uv = true;
        else if (poller != NULL)
            poller_wake(poller, poll->events[i].events);
    }
    if (for_uv) uv_run(&loop->uv, UV_RUN_NOWAIT);
}

#endif
