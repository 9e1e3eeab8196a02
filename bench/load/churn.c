#include "churn.h"

#include "clock.h"
#include "fail.h"
#include "pattern.h"
#include "sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, READ_SIZE = 64 * 1024, SILENCE_SECONDS = 5, SOURCES_TURN = 1 << 16 };

struct visit {
    struct client client;
    int fd;
    uint64_t seed, received;
    uint64_t began;
};

struct churn {
    const struct options *options;
    const struct server *server;
    int poll, active;
    uint64_t begun;
    struct visit *visits;
    struct slice *slice;
};

/* The connect may block, because on the loopback interface it never has to wait. */
static void visit_begin(struct churn *all, struct visit *v) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = v};
    size_t size = all->options->size;
    v->began = now();
    v->seed = all->begun++;
    v->received = 0;
    v->fd = socket_connect(all->server->port, SOCK_STREAM, (int)(v->seed % SOURCES_TURN));
    if (send(v->fd, pattern_at(v->seed, 0), size, MSG_NOSIGNAL) != (ssize_t)size)
        fail("send: %s", strerror(errno));
    socket_set_blocking(v->fd, false);
    epoll_ctl(all->poll, EPOLL_CTL_ADD, v->fd, &event);
    all->active++;
}

static void visit_end(struct churn *all, struct visit *v) {
    if (v->received != all->options->size)
        fail("closed after %llu bytes", (unsigned long long)v->received);
    close(v->fd);
    all->active--;
    all->slice->operations++;
    if (all->slice->recorded) histogram_add(&v->client.latency, now() - v->began);
}

/* Returns whether the connection has ended. */
static bool visit_receive(struct churn *all, struct visit *v) {
    static char buffer[READ_SIZE];
    ssize_t got = recv(v->fd, buffer, sizeof buffer, 0);
    if (got == 0) {
        visit_end(all, v);
        return true;
    }
    if (got < 0) fail("recv: %s", strerror(errno));
    pattern_check(buffer, (size_t)got, v->seed, v->received);
    v->received += (uint64_t)got;
    if (v->received == all->options->size) shutdown(v->fd, SHUT_WR);
    return false;
}

static void poll_once(struct churn *all) {
    static struct epoll_event events[EVENTS];
    int n = slice_poll(all->slice, all->poll, events, EVENTS);
    for (int i = 0; i < n; i++)
        if (visit_receive(all, events[i].data.ptr) && !slice_is_over(all->slice, now()))
            visit_begin(all, events[i].data.ptr);
}

static void churn_run(void *state, struct slice *slice) {
    struct churn *all = state;
    all->slice = slice;
    for (int i = 0; i < all->options->connections; i++)
        visit_begin(all, &all->visits[i]);
    while (all->active > 0) {
        poll_once(all);
        if (now() > slice->until + SILENCE_SECONDS * 1000000000ull)
            fail("%d connections were never closed", all->active);
    }
}

static void *churn_open(const struct options *o, const struct server *server) {
    struct churn *all = calloc(1, sizeof *all);
    all->options = o;
    all->server = server;
    all->poll = epoll_create1(EPOLL_CLOEXEC);
    all->visits = calloc((size_t)o->connections, sizeof *all->visits);
    return all;
}

static struct client *churn_client(void *state, int index) {
    return &((struct churn *)state)->visits[index].client;
}

const struct mode churn_mode = {"churn", churn_open, churn_run, churn_client};
