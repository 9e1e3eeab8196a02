#include "sockets.h"

#include "fail.h"
#include "pattern.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* HELLO is so short that what a server keeps of it adds nothing to the memory of its connection. */
enum { SOURCES = 32, BATCH = 64, HELLO = 2, REPLY_LIMIT = 10, DESCRIPTORS = 400000 };

/* Beyond the hard limit if the user may do that. */
void sockets_raise_limit(void) {
    struct rlimit wanted = {DESCRIPTORS, DESCRIPTORS}, limit;
    if (setrlimit(RLIMIT_NOFILE, &wanted) == 0) return;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static struct sockaddr_in loopback(int source, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl((127u << 24) + ((unsigned)source << 8) + 1);
    return address;
}

int socket_connect(int port, int type, int index) {
    int one = 1, fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket: %s", strerror(errno));
    struct timeval limit = {.tv_sec = REPLY_LIMIT};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (type == SOCK_STREAM) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in from = loopback(1 + index % SOURCES, 0), to = loopback(0, port);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail("connect: %s", strerror(errno));
    return fd;
}

void socket_set_blocking(int fd, bool blocking) {
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

static void hello_send(int fd, uint64_t seed) {
    if (send(fd, pattern_at(seed, 0), HELLO, MSG_NOSIGNAL) != HELLO)
        fail("hello: %s", strerror(errno));
}

static void hello_receive(int fd, uint64_t seed) {
    char buffer[HELLO];
    for (size_t n = 0; n < HELLO;) {
        ssize_t got = recv(fd, buffer + n, HELLO - n, 0);
        if (got <= 0)
            fail("no answer to the first message of connection %llu: %s", (unsigned long long)seed,
                 got < 0 ? strerror(errno) : "closed");
        n += (size_t)got;
    }
    pattern_check(buffer, HELLO, seed, 0);
}

void socket_hello(int fd, uint64_t seed) {
    hello_send(fd, seed);
    hello_receive(fd, seed);
}

/* Connects in batches, so that the server's backlog never overflows. */
int *connections_open(int port, int n) {
    int *fds = malloc((size_t)n * sizeof *fds);
    for (int done = 0; done < n;) {
        int end = done + BATCH < n ? done + BATCH : n;
        for (int i = done; i < end; i++) {
            fds[i] = socket_connect(port, SOCK_STREAM, i);
            hello_send(fds[i], (uint64_t)i);
        }
        for (; done < end; done++)
            hello_receive(fds[done], (uint64_t)done);
    }
    return fds;
}

void connections_close(int *fds, int n) {
    for (int i = 0; i < n; i++)
        close(fds[i]);
    free(fds);
}
