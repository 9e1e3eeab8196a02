#include "idle.h"

#include "server.h"
#include "sockets.h"

#include <stdio.h>
#include <unistd.h>

enum { WARMUP = 100, ROUNDS = 3, SETTLE_MICROSECONDS = 700000 };

static uint64_t settled_memory(pid_t pid) {
    usleep(SETTLE_MICROSECONDS);
    return server_memory(pid);
}

static void warm_up(int port) {
    for (int round = 0; round < ROUNDS; round++)
        connections_close(connections_open(port, WARMUP), WARMUP);
}

static void measure(int number, const struct server *s, int connections) {
    warm_up(s->port);
    uint64_t before = settled_memory(s->pid);
    int *fds = connections_open(s->port, connections);
    for (int round = 1; round < ROUNDS; round++)
        for (int i = 0; i < connections; i++)
            socket_hello(fds[i], (uint64_t)i);
    uint64_t with = settled_memory(s->pid);
    connections_close(fds, connections);
    uint64_t after = settled_memory(s->pid);
    printf("memory server=%d before=%llu with=%llu after=%llu each=%.0f\n", number,
           (unsigned long long)before, (unsigned long long)with, (unsigned long long)after,
           ((double)with - (double)before) / connections);
}

void idle_run(const struct options *o) {
    for (int i = 0; i < o->server_count; i++)
        measure(i, &o->servers[i], o->connections);
}
