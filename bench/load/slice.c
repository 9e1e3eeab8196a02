#include "slice.h"

#include "clock.h"
#include "fail.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

enum { PATIENCE_MS = 10 };

bool slice_is_over(const struct slice *s, uint64_t at) {
    return at >= s->until || s->operations >= s->limit;
}

static int poll_now(int poll, struct epoll_event *events, int max) {
    int n = epoll_wait(poll, events, max, 0);
    if (n < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    return n < 0 ? 0 : n;
}

int slice_poll(struct slice *s, int poll, struct epoll_event *events, int max) {
    int n = poll_now(poll, events, max);
    if (n > 0) return n;
    uint64_t start = now(), at = start;
    while ((n = poll_now(poll, events, max)) == 0 && at < start + PATIENCE_MS * 1000000ull)
        at = now();
    s->idle += now() - start;
    return n;
}
