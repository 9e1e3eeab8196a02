/*
** Owns what both pollers share: who is woken by an event, and by a close.
*/
#include "event/poller.h"

void poller_init(Poller *poller, Loop *loop, int fd) {
    *poller = (Poller){.loop = loop,
                       .fd = fd,
                       .ready = POLL_READ | POLL_WRITE,
                       .watched_first = POLL_READ | POLL_WRITE};
}

void poller_happened(Poller *poller, unsigned events) {
    poller->ready |= (uint8_t)events;
    wait_queue_wake(&poller->waiters, events, 0);
}

void poller_close(Poller *poller, int status) {
    wait_queue_dismiss(&poller->waiters, status);
    if (!poller->loop->closed) poller_forget(poller);
    poller->fd = -1;
}
