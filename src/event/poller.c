/*
** Owns what both pollers share: which tasks an event wakes, and a close.
*/
#include "event/poller.h"

#include "base/error.h"

void poller_init(Poller *poller, Loop *loop, int fd) {
    *poller = (Poller){.loop = loop, .fd = fd, .ready = POLL_READ | POLL_WRITE};
}

void poller_happened(Poller *poller, unsigned events) {
    poller->ready |= (uint8_t)events;
    wait_queue_wake_events(&poller->waiters, events);
}

void poller_close(Poller *poller, int status) {
    wait_queue_dismiss(&poller->waiters, status);
    if (!poller->loop->closed) poller_forget(poller);
    poller->fd = -1;
}

void poller_open(lua_State *L) {
    Loop *loop = loop_of(L);
    int status = loop->poll == NULL ? poll_init(loop) : 0;
    if (status != 0) error_raise_status(L, status, "making an event loop");
}
