/* What the command line asks for. */
#ifndef options_h
#define options_h

#include "server.h"

#include <stddef.h>
#include <stdint.h>

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

#endif
