/*
** Owns what both pollers share: who is woken by an event, and by a close. Floor 2.
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
    waiters_wake(&poller->waiters, events, 0);
}

void poller_close(Poller *poller, int status) {
    waiters_dismiss(&poller->waiters, status);
    if (!poller->loop->closed) poller_forget(poller);
    poller->fd = -1;
}
