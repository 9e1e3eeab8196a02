#include "udp.h"

#include "clock.h"
#include "fail.h"
#include "pattern.h"
#include "sockets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { EVENTS = 1024, DATAGRAM_MIN = 8, DATAGRAM_MAX = 65507, COPIES_MAX = 10, PATIENCE_MS = 200 };

struct pair {
    struct client client;
    int fd, copies;
    bool waiting;
    uint64_t seed, number, sent_at;
};

struct udp {
    const struct options *options;
    int poll, waiting;
    struct pair *pairs;
    struct slice *slice;
};

static const char *content(const struct udp *u, const struct pair *p, uint64_t number) {
    return pattern_at(p->seed, number * u->options->size);
}

static void pair_send(struct udp *u, struct pair *p, uint64_t at) {
    p->sent_at = at;
    if (++p->copies > COPIES_MAX) fail("%d copies of a datagram were lost", COPIES_MAX);
    if (send(p->fd, content(u, p, p->number), u->options->size, MSG_NOSIGNAL) < 0 &&
        errno != EAGAIN)
        fail("send: %s", strerror(errno));
}

static void pair_begin(struct udp *u, struct pair *p, uint64_t at) {
    p->number++;
    p->copies = 0;
    p->waiting = true;
    u->waiting++;
    pair_send(u, p, at);
}

static void pair_end(struct udp *u, struct pair *p, uint64_t at) {
    p->waiting = false;
    u->waiting--;
    u->slice->operations++;
    if (u->slice->recorded) histogram_add(&p->client.latency, at - p->sent_at);
    if (!slice_is_over(u->slice, at)) pair_begin(u, p, at);
}

static void pair_receive(struct udp *u, struct pair *p, uint64_t at) {
    static char buffer[DATAGRAM_MAX];
    ssize_t got = recv(p->fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got != (ssize_t)u->options->size)
        fail("recv: %s", got < 0 ? strerror(errno) : "a datagram of another size");
    bool late = !p->waiting || memcmp(buffer, content(u, p, p->number - 1), (size_t)got) == 0;
    if (late) return;
    pattern_check(buffer, (size_t)got, p->seed, p->number * u->options->size);
    pair_end(u, p, at);
}

static void send_again(struct udp *u, uint64_t at) {
    for (struct pair *p = u->pairs; p < u->pairs + u->options->connections; p++)
        if (p->waiting && at > p->sent_at + PATIENCE_MS * 1000000ull) pair_send(u, p, at);
}

static void udp_run(void *state, struct slice *slice) {
    struct udp *u = state;
    struct epoll_event events[EVENTS];
    u->slice = slice;
    for (int i = 0; i < u->options->connections; i++)
        pair_begin(u, &u->pairs[i], now());
    while (u->waiting > 0) {
        int n = slice_poll(slice, u->poll, events, EVENTS);
        for (int i = 0; i < n; i++)
            pair_receive(u, events[i].data.ptr, now());
        if (n == 0) send_again(u, now());
    }
}

static void *udp_open(const struct options *o, const struct server *server) {
    struct udp *u = calloc(1, sizeof *u);
    if (o->size < DATAGRAM_MIN || o->size > DATAGRAM_MAX)
        fail("a datagram has %d to %d bytes here", DATAGRAM_MIN, DATAGRAM_MAX);
    u->options = o;
    u->poll = epoll_create1(EPOLL_CLOEXEC);
    u->pairs = calloc((size_t)o->connections, sizeof *u->pairs);
    for (int i = 0; i < o->connections; i++) {
        struct pair *p = &u->pairs[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
        p->fd = socket_connect(server->port, SOCK_DGRAM, i);
        p->seed = (uint64_t)i;
        socket_set_blocking(p->fd, false);
        epoll_ctl(u->poll, EPOLL_CTL_ADD, p->fd, &event);
    }
    return u;
}

static struct client *udp_client(void *state, int index) {
    return &((struct udp *)state)->pairs[index].client;
}

const struct mode udp_mode = {"udp", udp_open, udp_run, udp_client};
