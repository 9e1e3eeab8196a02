/* An echo server in plain C on level-triggered epoll: the limit of what one thread can do here.
** What the kernel does not take at once is kept with the connection, which is not read until it
** is gone. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 1024, BUFFER = 64 * 1024, READS = 16 };

struct connection {
    int fd;
    char *rest; /* not yet written */
    size_t offset, length;
};

static int poll_fd;
static struct connection listener;
static char buffer[BUFFER];

static void watch(struct connection *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(poll_fd, operation, c->fd, &event);
}

static void connection_close(struct connection *c) {
    close(c->fd);
    free(c->rest);
    free(c);
}

static void accept_one(void) {
    int one = 1, fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct connection *c = calloc(1, sizeof *c);
    c->fd = fd;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void keep_rest(struct connection *c, const char *data, size_t n) {
    c->rest = malloc(n);
    memcpy(c->rest, data, n);
    c->offset = 0;
    c->length = n;
    watch(c, EPOLL_CTL_MOD, EPOLLOUT);
}

/* Returns whether there may be more to read. */
static bool connection_echo(struct connection *c) {
    ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN) return false;
    ssize_t sent = got > 0 ? send(c->fd, buffer, (size_t)got, MSG_NOSIGNAL) : -1;
    if (sent < 0 && got > 0 && errno == EAGAIN) sent = 0;
    if (sent < 0)
        connection_close(c);
    else if (sent < got)
        keep_rest(c, buffer + sent, (size_t)(got - sent));
    return sent == BUFFER;
}

static void connection_read(struct connection *c) {
    for (int i = 0; i < READS && connection_echo(c); i++)
        ;
}

static void connection_write(struct connection *c) {
    ssize_t sent = send(c->fd, c->rest + c->offset, c->length - c->offset, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        connection_close(c);
        return;
    }
    c->offset += sent > 0 ? (size_t)sent : 0;
    if (c->offset < c->length) return;
    free(c->rest);
    c->rest = NULL;
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void listen_on_free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener.fd, (struct sockaddr *)&address, length) || listen(listener.fd, 511)) exit(1);
    getsockname(listener.fd, (struct sockaddr *)&address, &length);
    watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
}

int main(void) {
    static struct epoll_event events[EVENTS];
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    listen_on_free_port();
    for (;;) {
        int n = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (c == &listener)
                accept_one();
            else if (c->rest)
                connection_write(c);
            else
                connection_read(c);
        }
    }
}
