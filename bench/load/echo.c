#include "echo.h"

#include "clock.h"
#include "fail.h"
#include "pattern.h"
#include "sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { EVENTS = 1024, READ_SIZE = 256 * 1024, SILENCE_SECONDS = 10 };

struct connection {
    struct client client;
    int fd;
    uint64_t seed;
    uint64_t sent, received; /* bytes */
    uint64_t *times;         /* when each message in flight was sent */
    bool blocked;            /* waits to become writable */
};

struct echo {
    const struct options *options;
    int poll;
    struct connection *connections;
    struct slice *slice;
    bool stopping;
};

static void watch(struct echo *e, struct connection *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(e->poll, operation, c->fd, &event) != 0) fail("epoll_ctl: %s", strerror(errno));
}

static void set_blocked(struct echo *e, struct connection *c, bool blocked) {
    if (blocked != c->blocked) watch(e, c, EPOLL_CTL_MOD, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
    c->blocked = blocked;
}

/* Keeps the time of the messages whose first byte is among those sent now. */
static void stamp(struct echo *e, struct connection *c, size_t sent, uint64_t at) {
    size_t size = e->options->size;
    for (uint64_t m = (c->sent + size - 1) / size; m * size < c->sent + sent; m++)
        c->times[m % (uint64_t)e->options->depth] = at;
}

/* Returns how many bytes may be sent by now. When stopping, a message that was begun is completed. */
static uint64_t send_limit(const struct echo *e, const struct connection *c) {
    size_t size = e->options->size;
    if (e->stopping) return (c->sent + size - 1) / size * size;
    return (c->received / size + (uint64_t)e->options->depth) * size;
}

static void send_more(struct echo *e, struct connection *c, uint64_t at) {
    uint64_t limit = send_limit(e, c);
    while (c->sent < limit) {
        size_t n = limit - c->sent < PATTERN_SPAN ? (size_t)(limit - c->sent) : PATTERN_SPAN;
        ssize_t sent = send(c->fd, pattern_at(c->seed, c->sent), n, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) fail("send: %s", strerror(errno));
        if (sent < 0) break;
        stamp(e, c, (size_t)sent, at);
        c->sent += (uint64_t)sent;
    }
    set_blocked(e, c, c->sent < limit);
}

static void count_messages(struct echo *e, struct connection *c, uint64_t before, uint64_t at) {
    size_t size = e->options->size;
    for (uint64_t m = before / size; m < c->received / size; m++) {
        e->slice->operations++;
        if (e->slice->recorded)
            histogram_add(&c->client.latency, at - c->times[m % (uint64_t)e->options->depth]);
    }
}

static uint64_t receive(struct echo *e, struct connection *c) {
    static char buffer[READ_SIZE];
    ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
    uint64_t at = now(), before = c->received;
    if (got < 0 && errno == EAGAIN) return at;
    if (got <= 0 || before + (uint64_t)got > c->sent)
        fail("recv: %s", got < 0 ? strerror(errno) : got == 0 ? "closed" : "more than was sent");
    pattern_check(buffer, (size_t)got, c->seed, before);
    c->received += (uint64_t)got;
    count_messages(e, c, before, at);
    return at;
}

static uint64_t poll_once(struct echo *e) {
    static struct epoll_event events[EVENTS];
    int n = slice_poll(e->slice, e->poll, events, EVENTS);
    uint64_t at = now();
    for (int i = 0; i < n; i++) {
        if (events[i].events & ~(uint32_t)EPOLLOUT) at = receive(e, events[i].data.ptr);
        send_more(e, events[i].data.ptr, at);
    }
    return at;
}

/* Waits until all that was sent has come back. */
static void drain(struct echo *e) {
    uint64_t end = now() + SILENCE_SECONDS * 1000000000ull;
    e->stopping = true;
    for (struct connection *c = e->connections; c < e->connections + e->options->connections; c++)
        while (c->received < send_limit(e, c))
            if (poll_once(e) > end) fail("connection %d: some bytes never came back", (int)c->seed);
}

static void echo_run(void *state, struct slice *slice) {
    struct echo *e = state;
    e->slice = slice;
    e->stopping = false;
    for (int i = 0; i < e->options->connections; i++)
        send_more(e, &e->connections[i], now());
    while (!slice_is_over(slice, poll_once(e)))
        ;
    drain(e);
}

static void *echo_open(const struct options *o, const struct server *server) {
    struct echo *e = calloc(1, sizeof *e);
    int *fds = connections_open(server->port, o->connections);
    e->options = o;
    e->poll = epoll_create1(EPOLL_CLOEXEC);
    e->connections = calloc((size_t)o->connections, sizeof *e->connections);
    for (int i = 0; i < o->connections; i++) {
        struct connection *c = &e->connections[i];
        c->fd = fds[i];
        c->seed = (uint64_t)i;
        c->times = calloc((size_t)o->depth, sizeof *c->times);
        socket_set_blocking(c->fd, false);
        watch(e, c, EPOLL_CTL_ADD, EPOLLIN);
    }
    free(fds);
    return e;
}

static struct client *echo_client(void *state, int index) {
    return &((struct echo *)state)->connections[index].client;
}

const struct mode echo_mode = {"echo", echo_open, echo_run, echo_client};
