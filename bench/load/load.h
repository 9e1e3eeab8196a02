/* What the parts of the load generator share: the options, the bytes that are sent, sockets,
** what can be known of a server from outside, and what a mode is. A failure of any kind ends the
** program with a message: a measurement that went wrong has no result. */
#ifndef load_h
#define load_h

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "histogram.h"

struct server {
    int port;
    pid_t pid;
};

enum { SERVERS_MAX = 32 };

struct options {
    struct server servers[SERVERS_MAX];
    int server_count;
    int connections;
    size_t size; /* bytes of a message */
    int depth;   /* messages in flight on each connection */
    int rounds;
    double slice;   /* seconds that each server has the load in each round */
    uint64_t count; /* operations after which a slice ends early */
};

void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* bytes: each connection's stream is one endless pattern from its own starting point */
enum { PATTERN_SPAN = 1 << 20 };
void pattern_init(void);
const char *pattern_at(uint64_t seed, uint64_t offset); /* valid for PATTERN_SPAN bytes */
void pattern_check(const char *got, size_t n, uint64_t seed, uint64_t offset);

/* sockets */
void raise_descriptor_limit(void);
int socket_connect(int port, int type, int index);
void socket_set_blocking(int fd, bool blocking);
void socket_hello(int fd, uint64_t seed); /* one message there and back, blocking */
int *connections_open(int port, int n);   /* each greeted, so the server has accepted all */
void connections_close(int *fds, int n);

/* clocks, and a server seen from outside */
uint64_t now(void);                /* nanoseconds */
uint64_t server_cpu(pid_t pid);    /* nanoseconds of all its threads */
uint64_t server_memory(pid_t pid); /* private dirty bytes */

/* One slice of load on one server. Operations count from the first to the last answer; nothing
** is in flight before and after. */
struct slice {
    uint64_t until; /* when to start nothing more */
    uint64_t limit; /* or after how many operations */
    uint64_t operations;
    uint64_t idle; /* nanoseconds without anything to do */
    bool recorded; /* whether latencies are kept */
};
bool slice_is_over(const struct slice *s, uint64_t at);

/* epoll_wait, without sleeping: so the server never pays for waking this program, as it would
** not for a client on another machine. Returns 0 when nothing came for some milliseconds. */
struct epoll_event;
int slice_poll(struct slice *s, int poll, struct epoll_event *events, int max);

/* What a connection remembers for the report; the first member of a mode's own struct. */
struct client {
    struct histogram latency;
};

/* A mode opens its clients of one server once, and puts load on it in slices. */
struct mode {
    const char *name;
    void *(*open)(const struct options *o, const struct server *s);
    void (*run)(void *state, struct slice *slice);
    struct client *(*client)(void *state, int index);
};

extern const struct mode echo_mode, churn_mode, udp_mode;
void rounds_run(const struct mode *mode, const struct options *o);
void idle_run(const struct options *o);

#endif
