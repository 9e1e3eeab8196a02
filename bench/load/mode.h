/* A mode of load: opens its clients of one server once, and puts load on it in slices. */
#ifndef mode_h
#define mode_h

#include "histogram.h"
#include "options.h"
#include "server.h"
#include "slice.h"

/* What a connection keeps for the report; the first member of a mode's own struct. */
struct client {
    struct histogram latency;
};

struct mode {
    const char *name;
    void *(*open)(const struct options *o, const struct server *s);
    void (*run)(void *state, struct slice *slice);
    struct client *(*client)(void *state, int index);
};

#endif
