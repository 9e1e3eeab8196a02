/* One slice of load on one server. Operations count from the first to the last answer; nothing
** is in flight before and after. */
#ifndef slice_h
#define slice_h

#include <stdbool.h>
#include <stdint.h>

struct slice {
    uint64_t until; /* when to start nothing more */
    uint64_t limit; /* or after how many operations */
    uint64_t operations;
    uint64_t idle; /* nanoseconds without anything to do */
    bool recorded; /* whether latencies are kept */
};

bool slice_is_over(const struct slice *s, uint64_t at);

/* epoll_wait without sleeping, because waking a sleeping local client is charged to the server; a
** client on another machine costs it nothing. Returns 0 when nothing came for some milliseconds. */
struct epoll_event;
int slice_poll(struct slice *s, int poll, struct epoll_event *events, int max);

#endif
